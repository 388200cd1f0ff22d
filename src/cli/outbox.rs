//! `slack-alert outbox`: alerts that wait for Slack and those that it would not take; they can be sent again or dropped.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::args::{OutboxArgs, OutboxCommand, OutboxListArgs, OutboxPick};
use super::client::Daemon;
use super::locate::World;
use super::state::Source;
use super::{Failure, state};
use crate::api;
use crate::clock::{Clock, System};
use crate::id::Channel;
use crate::message::{Message, Thread, first_line};
use crate::outbox::wakeup;
use crate::plan::Plan;
use crate::policy::Dropped;
use crate::store::{MessageId, MessageState, OutboxFilter, Reader, Stored};

/// How many messages are read at a time.
const PAGE: u32 = 1_000;

/// The longest text of a message in the table.
const LONGEST_TEXT: usize = 80;

/// Shows or changes the outbox; beside a running daemon too.
pub(super) fn run(world: &World, args: &OutboxArgs) -> Result<ExitCode, Failure> {
    let args = &both_sides(args)?;
    let plan = world.plan_to_read()?;
    let mut reader = match state::open_or_ask(world, &plan)? {
        Source::State(reader) => reader,
        Source::Daemon(daemon, failure) => return from_daemon(world, &plan, args, &daemon, failure),
    };
    match &args.command {
        None => list(world, &plan, &reader, &args.list),
        Some(OutboxCommand::List(list_args)) => list(world, &plan, &reader, list_args),
        Some(OutboxCommand::Retry(pick)) => {
            let ids = pick_ids(&reader, pick, |_| true)?;
            let now = System.now().wall;
            let done = reader.outbox_retry(&ids, now).map_err(|error| changed(&error))?;
            tell_daemon(world, &plan);
            report(world, pick, &ids, &done, "retried")
        }
        Some(OutboxCommand::Drop(pick)) => {
            // What waits is tried again by itself: only its number, or --all, throws it away.
            let given_up = |stored: &Stored| !pick.dead || stored.state != MessageState::Waiting;
            let ids = pick_ids(&reader, pick, given_up)?;
            let dropped = Dropped { by: who(world), at: System.now().wall };
            let done = reader.outbox_drop(&ids, &dropped).map_err(|error| changed(&error))?;
            tell_daemon(world, &plan);
            report(world, pick, &ids, &done, "dropped")
        }
    }
}

/// The options as they would stand behind the command: they may stand before it too.
fn both_sides(args: &OutboxArgs) -> Result<OutboxArgs, Failure> {
    let before = &args.list;
    let pick = |pick: &OutboxPick, name: &str| {
        let (json, dead) = (pick.json || before.json, pick.dead || before.dead);
        if before.channel.is_some() {
            return Err(Failure::usage(format!("--channel is an option of `outbox list`, and not of `outbox {name}`")));
        }
        if dead && (pick.all || !pick.ids.is_empty()) {
            return Err(Failure::usage("--dead, --all and numbers exclude each other"));
        }
        if !dead && !pick.all && pick.ids.is_empty() {
            return Err(Failure::usage(format!(
                "which messages?\n  help: `slack-alert outbox {name}` takes their numbers, --dead or --all"
            )));
        }
        Ok(OutboxPick { ids: pick.ids.clone(), all: pick.all, dead, json })
    };
    let command = match &args.command {
        None => None,
        Some(OutboxCommand::List(list)) => Some(OutboxCommand::List(OutboxListArgs {
            dead: list.dead || before.dead,
            channel: list.channel.clone().or_else(|| before.channel.clone()),
            json: list.json || before.json,
        })),
        Some(OutboxCommand::Retry(retry)) => Some(OutboxCommand::Retry(pick(retry, "retry")?)),
        Some(OutboxCommand::Drop(drop)) => Some(OutboxCommand::Drop(pick(drop, "drop")?)),
    };
    Ok(OutboxArgs { command, list: before.clone() })
}

/// What the daemon answers to a user who may not read the state, and so may not change it.
fn from_daemon(
    world: &World,
    plan: &Plan,
    args: &OutboxArgs,
    daemon: &Daemon,
    failure: Failure,
) -> Result<ExitCode, Failure> {
    let args = match &args.command {
        None => &args.list,
        Some(OutboxCommand::List(args)) => args,
        Some(_) => return Err(failure),
    };
    let mut all: Vec<api::Message> = Vec::new();
    let mut target = "/api/v1/outbox?limit=500".to_owned();
    loop {
        let page: api::OutboxList = daemon.get(&target)?;
        all.extend(page.outbox);
        let Some(before) = page.before else { break };
        target = format!("/api/v1/outbox?limit=500&before={before}");
    }
    let of_channel = |message: &api::Message| args.channel.as_ref().is_none_or(|channel| message.channel == *channel);
    all.retain(|message| of_channel(message) && (!args.dead || message.state != MessageState::Waiting.as_str()));
    all.reverse();
    if args.json {
        world.terminal.out(&format!("{}\n", json!(all)));
        return Ok(ExitCode::SUCCESS);
    }
    if all.is_empty() {
        world.terminal.err("slack-alert: the outbox is empty");
        return Ok(ExitCode::SUCCESS);
    }
    let row = |message: &api::Message| {
        let event = what(message.edit, message.file, message.event.as_deref().unwrap_or_default());
        let line = message.text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let text = shortened(&crate::notify::view::plain(line), LONGEST_TEXT);
        let why = message.why.as_deref().map(|why| format!(" ({why})")).unwrap_or_default();
        vec![
            message.id.to_string(),
            message.state.clone(),
            state::shown(message.queued, &plan.config.zone),
            if message.channel.is_empty() { "-".to_owned() } else { message.channel.clone() },
            message.job.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
            message.attempts.to_string(),
            visible(&format!("{}{why}", in_words(event, &text))),
        ]
    };
    let rows: Vec<_> = [head()].into_iter().chain(all.iter().map(row)).collect();
    world.terminal.out(&world.terminal.table(&rows, WHOLE));
    Ok(ExitCode::SUCCESS)
}

/// Which message, how it is, since when, and of which job.
const WHOLE: &[usize] = &[0, 1, 2, 4];

fn head() -> Vec<String> {
    ["NUMBER", "STATE", "SINCE", "CHANNEL", "JOB", "TRIES", "WHAT"].map(str::to_owned).to_vec()
}

/// A running daemon acts at once; without this it finds the change within 20 s.
fn tell_daemon(world: &World, plan: &Plan) {
    let told = state::folder(world, plan).map(|dir| wakeup::tell(&dir));
    if let Ok(Err(error)) = told {
        world.terminal.err(&format!("slack-alert: a running daemon sees this within 20 s only: {error}"));
    }
}

/// Who drops something.
fn who(world: &World) -> String {
    let uid = nix::unistd::Uid::current();
    let name = nix::unistd::User::from_uid(uid).ok().flatten().map(|user| user.name);
    let name = name.unwrap_or_else(|| format!("uid {uid}"));
    crate::http::named(&name, uid.as_raw(), world.variable("SUDO_USER"))
}

fn changed(error: &crate::store::StoreError) -> Failure {
    Failure::new(format!("the outbox cannot be changed: {error}"))
}

/// Every message, page by page.
fn each(reader: &Reader, filter: OutboxFilter, mut take: impl FnMut(Stored)) -> Result<(), Failure> {
    let mut filter = OutboxFilter { limit: PAGE, ..filter };
    loop {
        let page = reader.outbox_list(&filter).map_err(state::failed)?;
        let full = page.len() >= PAGE as usize;
        filter.after = page.last().map(|stored| stored.id);
        page.into_iter().for_each(&mut take);
        if !full {
            return Ok(());
        }
    }
}

fn list(world: &World, plan: &Plan, reader: &Reader, args: &OutboxListArgs) -> Result<ExitCode, Failure> {
    let channel = args.channel.as_deref().map(Channel::new);
    let filter = OutboxFilter { dead: args.dead, channel, ..OutboxFilter::default() };
    if args.json {
        let mut all = Vec::new();
        each(reader, filter, |stored| all.push(in_json(&stored)))?;
        world.terminal.out(&format!("{}\n", Value::from(all)));
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = vec![head()];
    each(reader, filter, |stored| rows.push(line(plan, &stored)))?;
    if rows.len() == 1 {
        world.terminal.err("slack-alert: the outbox is empty");
        return Ok(ExitCode::SUCCESS);
    }
    world.terminal.out(&world.terminal.table(&rows, WHOLE));
    Ok(ExitCode::SUCCESS)
}

fn line(plan: &Plan, stored: &Stored) -> Vec<String> {
    let message = &stored.message;
    let job = message.job.as_ref().map(ToString::to_string);
    let event = what(stored.is_edit(), stored.is_file(), message.event.map_or("", |event| event.as_str()));
    let text = shortened(&crate::notify::view::plain(&first_line(message)), LONGEST_TEXT);
    let why = stored.why.as_deref().map(|why| format!(" ({why})")).unwrap_or_default();
    vec![
        stored.id.to_string(),
        stored.state.as_str().to_owned(),
        state::shown(stored.queued, &plan.config.zone),
        if message.channel.is_unnamed() { "-".to_owned() } else { message.channel.to_string() },
        job.unwrap_or_else(|| "-".to_owned()),
        stored.attempts.to_string(),
        visible(&format!("{}{why}", in_words(event, &text))),
    ]
}

/// The event and the text; what the daemon says of itself is of no event.
fn in_words(event: &str, text: &str) -> String {
    if event.is_empty() { text.to_owned() } else { format!("{event}: {text}") }
}

/// What a message is: what stands behind is what it says itself, or what the message says that it belongs to.
fn what(is_edit: bool, is_file: bool, event: &str) -> &str {
    match (is_edit, is_file) {
        (true, _) => Thread::Edit.words().unwrap_or_default(),
        (_, true) => "file of",
        _ => event,
    }
}

/// The text, cut with a mark where it is longer.
fn shortened(text: &str, most: usize) -> String {
    match text.chars().count() > most {
        true => text.chars().take(most - 1).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

/// Without characters that steer a terminal.
fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn in_json(stored: &Stored) -> Value {
    let message = &stored.message;
    json!({
        "id": stored.id,
        "state": stored.state,
        "queued": stored.queued.to_string(),
        "attempts": stored.attempts,
        "why": stored.why,
        "job": message.job,
        "run": message.run,
        "event": message.event,
        "status": message.status,
        "channel": message.channel,
        "edit": stored.is_edit(),
        "file": stored.is_file(),
        "text": text(message),
        "blocks": message.blocks,
        "color": message.color,
    })
}

/// What a message says. The text that an edit carries is for a message of which nothing is known: it says what it changes.
fn text(message: &Message) -> String {
    if message.thread == Thread::Edit { first_line(message).into_owned() } else { message.text.clone() }
}

/// The messages that were named, or all of a kind.
fn pick_ids(reader: &Reader, pick: &OutboxPick, wanted: impl Fn(&Stored) -> bool) -> Result<Vec<MessageId>, Failure> {
    if !pick.all && !pick.dead {
        return Ok(pick.ids.iter().copied().map(MessageId).collect());
    }
    let mut ids = Vec::new();
    let filter = OutboxFilter { dead: pick.dead, ..OutboxFilter::default() };
    each(reader, filter, |stored| ids.extend(Some(&stored).filter(|stored| wanted(stored)).map(|stored| stored.id)))?;
    Ok(ids)
}

fn report(
    world: &World,
    pick: &OutboxPick,
    ids: &[MessageId],
    done: &[MessageId],
    name: &str,
) -> Result<ExitCode, Failure> {
    let missing: Vec<MessageId> = ids.iter().copied().filter(|id| !done.contains(id)).collect();
    if pick.json {
        world.terminal.out(&format!("{}\n", json!({ name: done, "missing": missing })));
    } else {
        let number = done.len();
        world.terminal.out(&format!("{name} {number} {}\n", if number == 1 { "message" } else { "messages" }));
    }
    if pick.all || pick.dead || missing.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let all = missing.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    Err(Failure::new(format!("not in the outbox: {all}\n  help: `slack-alert outbox` shows what is there")))
}

#[cfg(test)]
mod tests {
    use super::in_words;

    #[test]
    fn a_message_of_the_daemon_itself_begins_with_its_text() {
        assert_eq!(in_words("failure", "a is critical"), "failure: a is critical");
        assert_eq!(in_words("", "2 job files have errors"), "2 job files have errors");
    }
}
