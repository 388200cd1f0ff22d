//! `status --watch`: the same picture again and again, as soon as something has changed. It goes on while the daemon is away.

use std::process::ExitCode;
use std::time::Duration;

use super::text;
use super::{View, ask_again, look_of};
use crate::cli::Failure;
use crate::cli::args::StatusArgs;
use crate::cli::client::{self, Daemon};
use crate::cli::locate::World;
use crate::cli::state::shown;
use crate::clock::{Clock, System};

/// Lengths of time on the screen are no older than this.
const REDRAW: Duration = Duration::from_secs(10);

/// A daemon that is away is looked for so often.
const AGAIN: Duration = Duration::from_secs(2);

/// Draws until somebody ends the program.
pub(super) fn run(world: &World, args: &StatusArgs, mut daemon: Daemon) -> Result<ExitCode, Failure> {
    // What was typed wrongly is said once, and not drawn again and again.
    let mut view = super::look(&daemon, &args.jobs, super::shows_all(world, args))?;
    loop {
        if let Err(away) = follow(world, args, &daemon, &mut view) {
            daemon = wait_for(world, args, &view, daemon, &away);
        }
    }
}

/// Draws at each change, until the daemon is away: why.
fn follow(world: &World, args: &StatusArgs, daemon: &Daemon, view: &mut View) -> Result<(), String> {
    let why = |trouble: client::Trouble| daemon.failure(&trouble).message;
    let mut events = daemon.client.events().map_err(why)?;
    loop {
        *view = ask_again(daemon, &args.jobs, super::shows_all(world, args)).map_err(why)?;
        // A job that is gone is gone.
        let _ = view.narrow();
        draw(world, args, view, daemon, None);
        events.next(REDRAW).map_err(why)?;
    }
}

/// Looks for the daemon again until it answers.
fn wait_for(world: &World, args: &StatusArgs, view: &View, daemon: Daemon, why: &str) -> Daemon {
    let first = why.lines().next().unwrap_or_default();
    let since = shown(System.now().wall, &daemon.zone);
    draw(world, args, view, &daemon, Some(&format!("No answer since {since}: {first}. Looking for the daemon again.")));
    loop {
        daemon.client.rest(AGAIN);
        if let Ok(found) = client::find(world) {
            return found;
        }
    }
}

fn draw(world: &World, args: &StatusArgs, view: &View, daemon: &Daemon, remark: Option<&str>) {
    if args.json {
        // One object a line, for another program.
        if remark.is_none() {
            world.terminal.out(&format!("{}\n", view.in_json(None)));
        }
        return;
    }
    let mut text = text::render(view, look_of(world, args, &daemon.zone));
    match remark {
        Some(remark) => text.push_str(&format!("{remark}\n")),
        None => text.push_str(&format!("As of {}.\n", shown(view.status.now, &daemon.zone))),
    }
    world.terminal.redraw(&text);
}
