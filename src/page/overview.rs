//! The first page: is anything broken, who has it, does Slack take messages, what runs and what is next. Pure.

use std::collections::HashMap;

use serde::Serialize;

use super::view::{self, Choice, Fact, HoldView, IncidentView, Links, Row, Verdict, address, fact, number};
use super::words::Present;
use super::{Pages, Site};
use crate::api::{self, JobState};

/// Incidents that are shown whole; of more the list below tells.
const INCIDENTS: usize = 12;

/// Holds that are shown; the rest is in `slack-alert status`.
const HOLDS: usize = 20;

/// What the page is made of.
#[derive(Debug)]
pub struct OverviewPage<'a> {
    /// How everything is.
    pub status: &'a api::Status,
    /// The jobs of this page, the worst first.
    pub jobs: &'a [api::Job],
    /// Only jobs of this state.
    pub state: Option<JobState>,
    /// Only jobs that this covers.
    pub pattern: &'a str,
    /// The last job of the page before.
    pub after: Option<&'a str>,
    /// There are more of them.
    pub more: bool,
}

#[derive(Serialize)]
struct Overview<'a> {
    verdict: Verdict,
    facts: Vec<Fact>,
    incidents: Vec<IncidentView>,
    more_incidents: usize,
    problems: Vec<Problem>,
    holds: Vec<HoldView>,
    states: Vec<Choice>,
    state: &'static str,
    pattern: &'a str,
    rows: Vec<Row>,
    pages: Option<Links>,
}

#[derive(Serialize)]
struct Problem {
    job: String,
    error: String,
}

impl Pages {
    /// The first page.
    pub fn overview(&self, site: &Site, data: &OverviewPage<'_>) -> String {
        let present = Present { now: data.status.now, zone: site.zone.clone() };
        let status = data.status;
        let mut incidents: Vec<&api::Incident> = status.incidents.iter().collect();
        // What nobody has comes first, then what is worse, then what is new.
        incidents.sort_by(|one, other| {
            let rank = |incident: &api::Incident| (incident.ack.is_some(), severity(incident.status));
            rank(one).cmp(&rank(other)).then(other.since.cmp(&one.since))
        });
        let narrowed = data.state.is_some() || !data.pattern.is_empty() || data.after.is_some();
        let shown = if narrowed { 0 } else { INCIDENTS };
        let waits: HashMap<_, _> = status.starved.iter().map(|starved| (&starved.job, starved)).collect();
        let overview = Overview {
            verdict: verdict(status),
            facts: facts(status, site, &present),
            incidents: incidents.iter().take(shown).map(|each| IncidentView::new(each, site, &present)).collect(),
            more_incidents: if narrowed { 0 } else { incidents.len().saturating_sub(INCIDENTS) },
            problems: if narrowed { Vec::new() } else { problems(data.status) },
            holds: match narrowed {
                true => Vec::new(),
                false => status.holds.iter().take(HOLDS).map(|hold| HoldView::new(hold, &present)).collect(),
            },
            states: states(status, data, site),
            state: data.state.map_or("", JobState::as_str),
            pattern: data.pattern,
            rows: data.jobs.iter().map(|job| Row::new(job, waits.get(&job.name).copied(), site, &present)).collect(),
            pages: links(data, site),
        };
        self.render(site, status.now, "overview", "overview.html", &overview)
    }
}

fn severity(status: crate::exec::Status) -> u8 {
    use crate::exec::Status::{Critical, Ok, Unknown, Warning};
    match status {
        Critical => 0,
        Unknown => 1,
        Warning => 2,
        Ok => 3,
    }
}

/// The sentence that is read first.
fn verdict(status: &api::Status) -> Verdict {
    let jobs = &status.jobs;
    let bad: Vec<String> = [(jobs.critical, "critical"), (jobs.unknown, "unknown"), (jobs.warning, "warning")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{} {word}", number(count)))
        .collect();
    let class = match (jobs.critical, jobs.unknown, jobs.warning) {
        (1.., _, _) => "critical",
        (0, 1.., _) => "unknown",
        (0, 0, 1..) => "warning",
        (0, 0, 0) => "ok",
    };
    let text = match bad.is_empty() {
        false => bad.join(", "),
        true if jobs.total == 0 => "No job yet".to_owned(),
        true if jobs.ok == jobs.total && jobs.total > 1 => format!("All {} are ok", view::jobs(jobs.total)),
        true if jobs.ok == 0 => format!("{}, none has run yet", view::jobs(jobs.total)),
        true if jobs.ok == jobs.total => format!("{} is ok", view::jobs(jobs.total)),
        true => format!("{} ok, none is failing", number(jobs.ok)),
    };
    Verdict { class: if jobs.total == 0 || bad.is_empty() && jobs.ok == 0 { "never" } else { class }, text }
}

fn facts(status: &api::Status, site: &Site, present: &Present) -> Vec<Fact> {
    let (jobs, mut facts) = (&status.jobs, Vec::new());
    let bad = jobs.critical + jobs.warning + jobs.unknown;
    if bad > 0 {
        facts.push(fact(format!("{} ok", number(jobs.ok))));
    }
    if jobs.running > 0 {
        facts.push(fact(format!("{} running", number(jobs.running))));
    }
    let linked = |count: usize, word: &str, state: JobState, class: Option<&'static str>| {
        let href = Some(address(&site.base, &[("state", state.as_str())]));
        (count > 0).then(|| Fact { class, text: format!("{} {word}", number(count)), href })
    };
    facts.extend(linked(jobs.paused, "paused", JobState::Paused, None));
    if jobs.ok > 0 {
        facts.extend(linked(jobs.never, "not run yet", JobState::Never, None));
    }
    if jobs.not_loaded > 0 {
        let text = match jobs.not_loaded {
            1 => "1 job file has errors".to_owned(),
            files => format!("{} job files have errors", number(files)),
        };
        facts.push(Fact { class: Some("warning"), text, href: None });
    }
    let delivery = view::delivery(&status.outbox, present);
    let href = Some(format!("{}outbox", site.base));
    let class = (delivery.class != "ok").then_some(delivery.class);
    let stopped = status.outbox.suspended.is_some() || status.outbox.outage.is_some();
    let error = status.outbox.last_error.as_ref().filter(|_| status.outbox.waiting > 0 && !stopped);
    let error = error.map(|error| format!("; last error: {error}")).unwrap_or_default();
    facts.push(Fact { class, text: format!("{}{error}", delivery.text), href });
    if let Some(trouble) = &status.store {
        let text = format!("the state cannot be written: {}; {}", trouble.why, trouble.advice);
        facts.push(Fact { class: Some("critical"), text, href: None });
    }
    if let Some(next) = &status.next {
        let href = Some(format!("{}next", site.base));
        let text = format!("next: {} {}", next.job, present.time(next.at).away);
        facts.push(Fact { class: None, text, href });
    }
    facts
}

fn problems(status: &api::Status) -> Vec<Problem> {
    let errors = status.reload.problems.iter().filter(|problem| problem.level == "error").take(INCIDENTS);
    let place = |problem: &api::Problem| {
        let file = problem.file.clone().unwrap_or_default();
        problem.line.map_or(file.clone(), |line| format!("{file}:{line}"))
    };
    errors.map(|problem| Problem { job: place(problem), error: problem.message.clone() }).collect()
}

fn states(status: &api::Status, data: &OverviewPage<'_>, site: &Site) -> Vec<Choice> {
    let jobs = &status.jobs;
    let all = [
        (None, "all", jobs.total),
        (Some(JobState::Critical), "critical", jobs.critical),
        (Some(JobState::Unknown), "unknown", jobs.unknown),
        (Some(JobState::Warning), "warning", jobs.warning),
        (Some(JobState::Paused), "paused", jobs.paused),
        (Some(JobState::Never), "not run yet", jobs.never),
        (Some(JobState::Ok), "ok", jobs.ok),
    ];
    let shown = all.into_iter().filter(|(state, _, count)| *count > 0 || *state == data.state || state.is_none());
    shown
        .map(|(state, word, count)| Choice {
            word: word.to_owned(),
            number: number(count),
            href: address(&site.base, &[("state", state.map_or("", JobState::as_str)), ("job", data.pattern)]),
            here: state == data.state,
        })
        .collect()
}

fn links(data: &OverviewPage<'_>, site: &Site) -> Option<Links> {
    if data.after.is_none() && !data.more {
        return None;
    }
    let to = |after: &str| {
        let state = data.state.map_or("", JobState::as_str);
        address(&site.base, &[("state", state), ("job", data.pattern), ("after", after)])
    };
    let last = data.jobs.last().filter(|_| data.more);
    Some(Links {
        before: data.after.map(|_| to("")),
        here: format!("{} on this page", view::jobs(data.jobs.len())),
        after: last.map(|last| to(last.name.as_str())),
    })
}
