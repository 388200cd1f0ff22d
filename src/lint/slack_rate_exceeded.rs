//! `slack-rate-exceeded`: all jobs together send a channel more than its rate.

use std::collections::BTreeMap;
use std::time::Duration;

use super::often::runs_in;
use super::{Scope, Whole};
use crate::diagnostic::{Code, Problem, Problems};
use crate::document::format_duration;
use crate::exec::Status;
use crate::id::Channel;
use crate::plan::{Job, Plan};
use crate::policy::On;

/// So many of the jobs that contribute most are named.
const NAMED: usize = 3;

const MINUTE: Duration = Duration::from_secs(60);

/// What a job can send a channel, in messages a minute.
struct Share<'a> {
    name: &'a str,
    worst: f64,
    expected: f64,
}

/// For every channel the messages a minute are summed over all jobs and compared with `slack.rate`. At worst every run
/// of every job is told, as far as its `rate_limit` lets it; what is expected is what jobs send that do so
/// after every run. A channel above its rate is not lost anything, since alerts that wait are merged into digests, but
/// what is urgent comes late.
pub(super) fn check(whole: &Whole<'_>, scope: &Scope, found: &mut Problems) {
    let slack = &whole.plan.config.slack;
    if !slack.way.capabilities().limited {
        return;
    }
    let allowed = 60.0 * f64::from(slack.rate.count.get()) / slack.rate.per.as_secs_f64();
    // Calendars are slow to walk: not when the rate limits of all jobs together stay below the rate of one channel.
    let limits = whole.plan.jobs.iter().map(|job| job.notify.rate_limit);
    let bound: f64 = limits.map(|limit| 60.0 * f64::from(limit.count.get()) / limit.per.as_secs_f64()).sum();
    if bound <= allowed {
        return;
    }
    let mut channels: BTreeMap<String, Vec<Share<'_>>> = BTreeMap::new();
    for job in whole.plan.jobs.iter().filter(|job| job.timing.enabled) {
        let Some((worst, expected)) = share(job, whole.plan, scope) else { continue };
        for channel in channels_of(job, slack.channel.as_ref()) {
            channels.entry(channel).or_default().push(Share { name: job.name.as_str(), worst, expected });
        }
    }
    for (channel, mut shares) in channels {
        let worst: f64 = shares.iter().map(|share| share.worst).sum();
        let expected: f64 = shares.iter().map(|share| share.expected).sum();
        if worst <= allowed * 1.000_001 {
            continue;
        }
        shares.sort_by(|a, b| b.worst.total_cmp(&a.worst).then(a.name.cmp(b.name)));
        let most: Vec<_> = shares
            .iter()
            .take(NAMED)
            .map(|share| {
                format!("`{}` ({} a minute, {} expected)", share.name, short(share.worst), short(share.expected))
            })
            .collect();
        let message = format!(
            "at worst {} is sent {} messages a minute ({} expected), and its rate is {} ({}/{})",
            if channel.is_empty() { "the channel" } else { &channel },
            short(worst),
            short(expected),
            short(allowed),
            slack.rate.count,
            unit(slack.rate.per),
        );
        let config = &whole.config;
        let place = ["slack.rate", "slack.channel", "slack"].into_iter().find_map(|key| config.find(key));
        let place = place.map_or_else(|| config.start(), |value| value.key_at);
        let help = format!(
            "most comes from {}; of {} job{} in all: run them less often, lower their `rate_limit`, or use more channels",
            most.join(", "),
            shares.len(),
            if shares.len() == 1 { "" } else { "s" },
        );
        found.push(Problem::new(Code::SlackRateExceeded, place, message).help(help));
    }
}

/// At worst, and as expected, in messages a minute; nothing for a job that never sends one.
fn share(job: &Job, plan: &Plan, scope: &Scope) -> Option<(f64, f64)> {
    let on = job.notify.on;
    let sends = on.asks_always()
        || [On::Output, On::Failure, On::Recovery, On::Success, On::Change].iter().any(|each| on.asks(*each));
    if !sends {
        return None;
    }
    let limit = job.notify.rate_limit;
    let allowed = 60.0 * f64::from(limit.count.get()) / limit.per.as_secs_f64();
    let runs = runs_in(plan, job, MINUTE, scope.now)?;
    let worst = runs.min(allowed);
    let each_run = on.asks_always() || on.asks(On::Success);
    let expected = if each_run || (job.timing.counts_alerts() && on.asks(On::Output)) { worst } else { 0.0 };
    Some((worst, expected))
}

/// Everywhere that a failure or good news of the job goes.
fn channels_of(job: &Job, default: Option<&Channel>) -> Vec<String> {
    let status = |status| job.notify.channels_for(status, default);
    let mut names: Vec<_> =
        [Status::Critical, Status::Ok].into_iter().flat_map(status).map(|channel| channel.to_string()).collect();
    names.sort();
    names.dedup();
    if names.is_empty() {
        // An incoming webhook has a channel of its own.
        names.push(String::new());
    }
    names
}

/// What follows the slash of a rate: `m`, `10m`.
fn unit(per: Duration) -> String {
    let words = format_duration(per);
    let unit = words.strip_prefix('1').filter(|unit| unit.starts_with(|c: char| c.is_alphabetic())).map(str::to_owned);
    unit.unwrap_or(words)
}

/// A number with as many digits as it needs.
fn short(number: f64) -> String {
    match number {
        10.0.. => format!("{number:.0}"),
        0.1.. => format!("{number:.1}").trim_end_matches(".0").to_owned(),
        _ => format!("{number:.3}").trim_end_matches(['0', '.']).to_owned() + if number < 0.000_5 { "0" } else { "" },
    }
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn numbers_are_short_and_never_nothing_when_they_are_something() {
        for (number, words) in [
            (0.0, "0"),
            (1.0 / 60.0, "0.017"),
            (0.02, "0.02"),
            (1.0 / 3.0, "0.3"),
            (2.0, "2"),
            (9.96, "10"),
            (61.2, "61"),
        ] {
            assert_eq!(short(number), words);
        }
    }
}
