//! What several tests share; see `main.rs`.

pub(crate) mod clock;
pub(crate) mod files;
pub(crate) mod notifier;
pub(crate) mod program;
pub(crate) mod skip;
pub(crate) mod slack;
pub(crate) mod world;
