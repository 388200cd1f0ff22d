//! `slack-alert why`: a run's verdict in sentences, and what became of its message.

use std::process::ExitCode;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::args::WhyArgs;
use super::locate::World;
use super::{Failure, state};
use crate::clock::{Clock, System};
use crate::id::JobName;
use crate::plan::{Job, Plan};
use crate::store::{HistoryFilter, OutboxFilter, Reader, RunRow, Standing, Stored};

/// How many messages of the outbox are looked at for the runs in question.
const MOST_MESSAGES: u32 = 100_000;

/// How many runs are looked at for the last word before.
const LOOK_BACK: u32 = 10_000;

/// Explains the verdicts of a job's runs.
pub(super) fn run(world: &World, args: &WhyArgs) -> Result<ExitCode, Failure> {
    let plan = world.plan()?;
    let now = System.now().wall;
    let zone = state::zone(&plan, &args.job);
    let at = args.at.as_deref().map(|text| state::at(text, zone, now)).transpose()?;
    let reader = state::open(world, &plan)?;
    let job = JobName::new(args.job.as_str());
    let filter = HistoryFilter { job: Some(job), until: at, limit: args.count, ..HistoryFilter::default() };
    let rows = reader.history(&filter).map_err(state::failed)?;
    if rows.is_empty() {
        return nothing(world, &plan, args, at, now);
    }
    let page = OutboxFilter { limit: MOST_MESSAGES, ..OutboxFilter::default() };
    let outbox = reader.outbox_list(&page).map_err(state::failed)?;
    let told: Vec<Told<'_>> = rows
        .iter()
        .map(|row| {
            let letters = outbox.iter().filter(|stored| stored.message.run == Some(row.id) && !stored.is_edit());
            Told { row, letters: letters.collect(), job: plan.job(&args.job).map(AsRef::as_ref), zone, now }
        })
        .collect();
    if args.json {
        let all: Vec<Value> = told.iter().map(Told::in_json).collect();
        world.terminal.out(&format!("{}\n", Value::from(all)));
        return Ok(ExitCode::SUCCESS);
    }
    for told in &told {
        world.terminal.out(&format!("{}\n  {}\n", told.headline(), told.explanation()));
    }
    if let Some(last) = rows.last().filter(|row| !was_sent(row)).and_then(|row| word_before(&reader, row)) {
        let (at, event) = (state::told(last.finished, zone, now), last.verdict.trim_start_matches("notified: "));
        world.terminal.out(&format!("the last word before: run {} at {at} ({event})\n", last.id));
    }
    Ok(ExitCode::SUCCESS)
}

/// There is no such run: why not.
fn nothing(
    world: &World,
    plan: &Plan,
    args: &WhyArgs,
    at: Option<Timestamp>,
    now: Timestamp,
) -> Result<ExitCode, Failure> {
    let job = super::locate::job(plan, &args.job)?;
    let zone = &job.timing.zone;
    let when = at.map(|at| format!(" at or before {}", state::told(at, zone, now))).unwrap_or_default();
    let why = if !job.timing.enabled {
        "it is not enabled".to_owned()
    } else {
        let seed = format!("{}@{}", job.name, plan.config.host);
        match job.timing.upcoming(&seed, None, now).next() {
            Some(next) => format!("its next run is due at {}", state::told(next, zone, now)),
            None => "its schedule and its hours never meet".to_owned(),
        }
    };
    if args.json {
        world.terminal.out("[]\n");
        return Ok(ExitCode::SUCCESS);
    }
    world.terminal.out(&format!("no run of {} is known{when}: {why}\n", job.name));
    Ok(ExitCode::SUCCESS)
}

fn was_sent(row: &RunRow) -> bool {
    row.verdict.starts_with("notified: ")
}

/// The last run before this one that was told.
fn word_before(reader: &Reader, row: &RunRow) -> Option<RunRow> {
    let filter = HistoryFilter {
        job: Some(row.job.clone()),
        before: Some(row.id),
        limit: LOOK_BACK,
        ..HistoryFilter::default()
    };
    reader.history(&filter).ok()?.into_iter().find(was_sent)
}

/// A run, and what is known of its message.
struct Told<'a> {
    row: &'a RunRow,
    letters: Vec<&'a Stored>,
    job: Option<&'a Job>,
    zone: &'a TimeZone,
    now: Timestamp,
}

impl Told<'_> {
    /// "run 812 failed with 2 at 03:14; not sent: repeat-not-due, next word at 04:00".
    fn headline(&self) -> String {
        let row = self.row;
        let at = state::told(row.finished, self.zone, self.now);
        let next = match row.until {
            Some(until) => format!(", next word at {}", state::told(until, self.zone, row.finished)),
            None => String::new(),
        };
        format!("run {} {} at {at}; {}{next}", row.id, state::ended(row), state::verdict(row))
    }

    /// The reason in a sentence, and where the message is.
    fn explanation(&self) -> String {
        let mut text = self.reason();
        for letter in &self.letters {
            let channel = &letter.message.channel;
            let why = letter.why.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
            let since = state::told(letter.queued, self.zone, self.now);
            text.push_str(&match letter.standing {
                Standing::Waiting => format!("; it waits for {channel} since {since}{why}"),
                Standing::Late => format!("; {channel} did not take it in time, and is told so in a digest{why}"),
                Standing::Dead => {
                    let id = letter.id;
                    format!("; {channel} did not take it{why}; `slack-alert outbox retry {id}` sends it again")
                }
            });
        }
        text
    }

    fn reason(&self) -> String {
        let notify = self.job.map(|job| &job.notify);
        let verdict = self.row.verdict.as_str();
        if let Some(event) = verdict.strip_prefix("notified: ") {
            return sent(event).to_owned();
        }
        match verdict {
            "below-after" => {
                let after = notify.map_or_else(String::new, |notify| format!(" ({})", notify.after));
                format!("it has not failed often enough in a row: `notify.after`{after} says how often that must be")
            }
            "repeat-not-due" => {
                "this failure was told already, and is told again only when `notify.repeat` has passed".to_owned()
            }
            "rate-limited" => {
                "the job has used up its `notify.rate_limit`, or its burst pauses; the next message says how many \
                 alerts were suppressed"
                    .to_owned()
            }
            "quiet-hours" => {
                "it was within `notify.quiet_hours`: it waits, and comes in the digest at their end".to_owned()
            }
            "flapping" => {
                "the job's status changes too often (`notify.flap`): nothing is said until it is steady".to_owned()
            }
            "silenced" => "somebody asked for silence: `slack-alert silence`, or a directive of the script".to_owned(),
            "unchanged" => "the output is the same as that of the last ok run, numbers and times aside".to_owned(),
            "blank" => "there was nothing to say: no output, or the template renders to blanks".to_owned(),
            "not-asked" => "`notify.on` does not ask for messages about such a run".to_owned(),
            "never-reported" => "it is well again, and nobody had been told that it was not".to_owned(),
            "not-run" => "`exit_codes.skip` says that a precondition was not met: the run does not count".to_owned(),
            "replaced" => "the next run took its place (`overlap = \"replace\"`)".to_owned(),
            "" => "the daemon ended before it could decide; it says so at its next start".to_owned(),
            _ => "this version does not know the reason".to_owned(),
        }
    }

    fn in_json(&self) -> Value {
        let mut value = state::in_json(self.row, self.zone);
        value["sent"] = was_sent(self.row).into();
        value["sentence"] = self.headline().into();
        value["explanation"] = self.explanation().into();
        let letter = |letter: &&Stored| json!({"id": letter.id, "state": letter.standing, "channel": letter.message.channel, "why": letter.why});
        value["outbox"] = self.letters.iter().map(letter).collect();
        value
    }
}

/// Why an event is worth a word.
fn sent(event: &str) -> &'static str {
    match event {
        "output" => "it was ok and printed something",
        "failure" => "it failed, and nobody knew of that yet",
        "repeat" => "it still fails: the repetition was due, or it fails differently or worse than before",
        "recovery" => "it is ok again after a failure that was told",
        "success" => "it was ok, and `notify.on` asks for every such run",
        "change" => "it was ok, and its output is another than that of the last ok run",
        "flapping" => "its status changes too often to tell each time, or has stopped doing so",
        "stuck" => "due times passed because the run before was still going",
        _ => "it was worth a word",
    }
}
