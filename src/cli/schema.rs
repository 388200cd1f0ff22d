//! `slack-alert schema`: JSON Schema of a job file or of `slack_alert.toml`.

use std::process::ExitCode;

use super::args::{SchemaArgs, SchemaOf};
use super::locate::World;
use crate::plan::schema;

/// Prints the schema; no configuration is needed.
pub(super) fn run(world: &World, args: &SchemaArgs) -> ExitCode {
    let schema = match args.of {
        SchemaOf::Config => schema::config(),
        SchemaOf::Job => schema::job(),
    };
    world.terminal.out(&format!("{schema:#}\n"));
    ExitCode::SUCCESS
}
