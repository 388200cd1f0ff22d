//! What the database knows, when no daemon answers: the same dispatcher as the daemon's is given what is recorded, and asked how
//! it is. Nothing is due: nobody would run it.

use std::path::PathBuf;

use jiff::tz::TimeZone;

use super::View;
use crate::api;
use crate::cli::locate::World;
use crate::cli::{Failure, state};
use crate::clock::{Clock, System};
use crate::daemon::dispatcher::Past;
use crate::daemon::{Dispatcher, JobQuery, shown_outage};
use crate::id::JobName;
use crate::outbox::Remembered;
use crate::policy::{self, Health, Told};
use crate::report;
use crate::store::{JobState, MessageState, OutboxFilter, Reader};

/// Messages of the outbox that are counted.
const MOST_MESSAGES: u32 = 100_000;

/// As far as it can be read by this user.
pub(super) fn view(world: &World, asked: &[String]) -> Result<(View, TimeZone), Failure> {
    let plan = world.plan_to_read()?;
    let reader = state::open(world, &plan)?;
    let states = reader.jobs().map_err(state::failed)?;
    let told = reader.told().map_err(state::failed)?;
    let now = System.now();
    let mut dispatcher = Dispatcher::new(plan.config.limits, report::sender(&plan), 1, now);
    let without_file = crate::daemon::jobs_without_file(&reader.notes().unwrap_or_default(), &plan);
    // Holds go on while no daemon runs, and end at their time.
    let holds = reader.holds().map_err(state::failed)?.into_iter().filter(|hold| hold.until > now.wall);
    dispatcher.begin_holds(holds.collect(), 1);
    for job in plan.jobs.iter().chain(&without_file) {
        dispatcher.add(job.clone(), states.get(&job.name).map(|state| past(state, &told)).unwrap_or_default(), now);
    }
    // A job whose file is gone, or cannot be read here, may have an incident that nobody has closed.
    let is_bad = |name: &JobName| plan.not_loaded.iter().any(|bad| bad.name == *name);
    let mut unread: Vec<_> = states.iter().filter(|(name, _)| !dispatcher.has(name)).collect();
    unread.sort_by_key(|(name, _)| *name);
    let (bad, gone): (Vec<_>, Vec<_>) = unread.into_iter().partition(|(name, _)| is_bad(name));
    let mut add = |jobs: Vec<(&JobName, &JobState)>| {
        for (name, state) in jobs {
            let Some(job) = plan.job_without_file(name, "", None) else { continue };
            let past = past(state, &told);
            if !policy::open(&job.notify, &past.health, &job.timing.zone, now.wall).is_empty() {
                dispatcher.add(job, past, now);
            }
        }
        dispatcher.counts()
    };
    let mut counts = add(gone);
    add(bad);
    (counts.running, counts.not_loaded) = (0, plan.not_loaded.len());
    let (mut jobs, _) = dispatcher.job_views(&JobQuery { limit: usize::MAX, ..JobQuery::default() }, now);
    jobs.retain(|job| !is_bad(&job.name));
    for job in &mut jobs {
        job.next = None;
    }
    jobs.extend(plan.not_loaded.iter().map(crate::daemon::not_loaded));
    let status = api::Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        host: plan.config.host.to_string(),
        config: plan.config.file.clone().map(absolute),
        state_dir: world.state_dir(&plan).ok().map(absolute),
        options: api::Options::default(),
        started: now.wall,
        now: now.wall,
        reload: api::Reload { at: now.wall, ok: plan.not_loaded.is_empty(), problems: Vec::new() },
        jobs: counts,
        incidents: dispatcher.incidents(now),
        removed_running: Vec::new(),
        starved: Vec::new(),
        outbox: outbox(&reader)?,
        // Nobody writes.
        store: None,
        holds: dispatcher.hold_views(),
        next: None,
    };
    let zone = plan.config.zone.clone();
    Ok((View { status, jobs, next: Vec::new(), asked: asked.to_vec(), is_live: false, is_silent: false }, zone))
}

fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

/// What is remembered of a job. What this version cannot read counts as not there, as for the daemon.
fn past(state: &JobState, told: &Told) -> Past {
    let mut health: Health = serde_json::from_str(&state.health).unwrap_or_default();
    health.reconcile(told);
    Past { health, saved: serde_json::from_str(&state.cadence).ok() }
}

fn outbox(reader: &Reader) -> Result<api::OutboxState, Failure> {
    let depths = reader.depths().map_err(state::failed)?;
    let notes = reader.notes().map_err(state::failed)?;
    let dead = OutboxFilter { state: Some(MessageState::Dead), limit: MOST_MESSAGES, ..OutboxFilter::default() };
    let dead = reader.outbox_list(&dead).map_err(state::failed)?.len() as u64;
    let waiting: u64 = depths.values().map(|depth| depth.alerts + depth.details + depth.edits + depth.uploads).sum();
    let outage = Remembered::from_notes(&notes).outage;
    let outage = outage.map(shown_outage);
    let late = depths.values().map(|depth| depth.late).sum();
    Ok(api::OutboxState { waiting, late, dead, outage, ..api::OutboxState::default() })
}
