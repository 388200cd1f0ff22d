//! The built program as a black box: files and arguments in; exit code, stdout and stderr out.

mod cases;
mod check;
mod commands;
mod completions;
mod help;
mod history;
mod import;
mod import_crontab;
mod import_plugins;
mod lint;
mod lint_formats;
mod online;
mod preview;
mod run;
mod schema;
mod simulate;
