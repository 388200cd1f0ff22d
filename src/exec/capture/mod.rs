//! What a command wrote, and what of it may be shown: kept within bounds, secrets masked, directives taken out, performance
//! data read. Before it: chunks as they are read. After it: `assess`.

pub(super) mod attach;
mod beyond;
mod broken_off;
mod directive_lines;
pub(super) mod directives;
pub(super) mod json;
pub(super) mod output;
pub(super) mod perfdata;
pub(super) mod redact;
pub(super) mod visible;
