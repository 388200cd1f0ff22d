//! The built program as a black box: files and arguments in; exit code, stdout and stderr out.

mod answers;
mod cases;
mod check;
mod commands;
mod completions;
mod control;
mod help;
mod history;
mod import;
mod import_crontab;
mod import_plugins;
mod init;
mod lint;
mod lint_formats;
mod online;
mod ping;
mod preview;
mod run;
mod schema;
mod simulate;
mod status;
mod unread;
