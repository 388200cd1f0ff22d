//! `unused-key`: a key that means nothing beside what else is written.

use super::{Scope, Subject, Whole};
use crate::diagnostic::{Code, Problem, Problems};
use crate::policy::On;
use crate::schedule::{Overlap, Schedule};

/// Why a channel has no effect beside an incoming webhook.
const ONE_CHANNEL: &str = "an incoming webhook posts to the one channel that it was made for";

/// Why a job's files and threads have none.
const NO_FILES: &str = "an incoming webhook takes no files";
const NO_THREADS: &str = "an incoming webhook knows no threads";

/// Keys that mean nothing where nothing listens.
const HTTP: [&str; 7] = [
    "http.hosts",
    "http.token_file",
    "http.token_env",
    "http.control",
    "http.show_output",
    "http.metrics_per_job",
    "http.public_url",
];

/// A key of the job's own file that has no effect: something that it depends on is not there, or something else makes
/// it pointless. Keys of `[defaults]` are for jobs that are not all alike, and are left alone.
pub(super) fn check(subject: &Subject<'_, '_>, _: &Scope, found: &mut Problems) {
    for (key, why, help) in unused(subject).into_iter().chain(unasked(subject)) {
        // Few files have any of these: the text is looked at before it is parsed.
        let name = key.rsplit('.').next().unwrap_or(key);
        if !subject.file.text().contains(name) {
            continue;
        }
        if let Some(value) = subject.file.find(key).filter(|_| subject.has(&[key])) {
            let problem = Problem::new(Code::UnusedKey, value.key_at, format!("`{key}` has no effect: {why}"));
            found.push(problem.help(help));
        }
    }
}

/// Key, why it has no effect, and what to do, when it is written.
type Unused = (&'static str, &'static str, &'static str);

/// What depends on a key with an error is not known.
fn unused(subject: &Subject<'_, '_>) -> Vec<Unused> {
    let (command, timing, notify) = (&subject.job.command, &subject.job.timing, &subject.job.notify);
    let mut unused = Vec::new();
    let way = &subject.plan.config.slack.way;
    if way.source().is_some() {
        let can = way.capabilities();
        let token = "use a token (`slack.token_file`), or take it out";
        if !can.channels {
            unused.push(("notify.channel", ONE_CHANNEL, token));
            unused.push(("notify.channels", ONE_CHANNEL, token));
        }
        if !can.files {
            unused.push(("notify.attach", NO_FILES, token));
        }
        if !can.threads {
            unused.push(("notify.thread", NO_THREADS, token));
        }
    }
    if notify.quiet_hours.is_none() && subject.has(&["notify.quiet_hours"]) {
        unused.push(("notify.quiet_except", "there are no `quiet_hours`", "add `quiet_hours`, or take it out"));
    }
    if timing.follows_finish() {
        unused.push(("overlap", "an interval from the finish never overlaps", "take it out"));
    }
    if (timing.follows_finish() || timing.overlap == Overlap::Allow) && subject.has(&["overlap"]) {
        unused.push(("notify.stuck_after", "no due time is ever skipped", "take it out"));
    }
    // Messages show times in the job's zone: since when it fails, and what a template shows with `date`.
    let tells_times = notify.on.asks(On::Failure) || notify.on.asks_always() || subject.file.text().contains("date(");
    let by_the_clock = timing.follows_wall_clock() || timing.hours.is_some() || notify.quiet_hours.is_some();
    if !by_the_clock && !tells_times && subject.has(&["cron", "expect", "working_hours", "notify"]) {
        let why = "there is no `cron`, and there are no `working_hours`";
        unused.push(("time_zone", why, "take it out: an interval is the same in every zone"));
    }
    if command.retries().times == 0 && subject.has(&["retries.times", "command"]) {
        unused.push(("retries.delay", "there are no `retries`", "raise `retries.times`, or take it out"));
        unused.push(("retries.factor", "there are no `retries`", "raise `retries.times`, or take it out"));
        unused.push(("retries.max_delay", "there are no `retries`", "raise `retries.times`, or take it out"));
    }
    let retries = command.retries();
    if retries.times > 0 && retries.delay > retries.max_delay && subject.has(&["retries.delay", "retries.max_delay"]) {
        let why = "no wait is longer than `retries.max_delay`, and that is shorter (5m unless set)";
        unused.push(("retries.delay", why, "raise `retries.max_delay`, or take it out"));
    }
    if retries.times == 1 && subject.has(&["retries.times"]) {
        unused.push((
            "retries.factor",
            "there is one wait, which does not grow",
            "raise `retries.times`, or take it out",
        ));
    }
    let longest = command.timeout().map(|timeout| timeout + command.kill_after());
    let ends = retries.times == 0 && subject.has(&["timeout", "kill_after", "retries", "command", "notify.slow"]);
    if ends && !timing.runs_elsewhere() && notify.slow.zip(longest).is_some_and(|(over, longest)| over >= longest) {
        let why = "`timeout` ends a run before it has taken that long";
        unused.push(("notify.slow", why, "shorten `slow.over`, or raise `timeout`"));
    }
    if !command.directives() && subject.has(&["directives"]) {
        let why = "no script can ask for a mention without `directives`";
        unused.push(("notify.mention_allowed", why, "add `directives = true`, or take it out"));
    }
    if timing.schedule == Schedule::Reboot {
        for key in ["jitter", "catch_up"] {
            unused.push((key, "`@reboot` has no times of its own", "take it out"));
        }
    }
    unused
}

/// Keys of messages for which `notify.on` does not ask.
fn unasked(subject: &Subject<'_, '_>) -> Vec<Unused> {
    let on = subject.job.notify.on;
    let mut unused = Vec::new();
    if !subject.has(&["notify.on"]) {
        return unused;
    }
    if on.is_empty() {
        for key in ["notify.slow", "notify.rate_limit", "notify.quiet_hours", "notify.quiet_except"] {
            unused.push((key, "`on = []` is silence", "ask for something in `on`, or take it out"));
        }
    }
    if !on.asks(On::Failure) {
        let (why, help) = ("`on` does not ask for `failure`", "add `failure` to `on`, or take it out");
        let notify = ["notify.after", "notify.repeat", "notify.mention", "notify.flap", "notify.intermittent"];
        let message = ["failure_template", "message.failure", "message.recovery"];
        unused.extend(notify.into_iter().chain(message).map(|key| (key, why, help)));
    }
    if !on.asks(On::Failure) && !on.asks(On::Change) {
        let why = "`on` asks neither for `failure` nor for `change`, and nothing else is compared";
        unused.push(("notify.normalize", why, "add one of them to `on`, or take it out"));
    }
    if ![On::Output, On::Success, On::Change].into_iter().any(|good| on.asks(good)) {
        let why = "`on` does not ask for good news, and nothing else shows it";
        let help = "add `output`, `success` or `change` to `on`, or write `failure_template`";
        unused.extend(["template", "message.body"].map(|key| (key, why, help)));
    }
    unused
}

/// The same for `slack_alert.toml`.
pub(super) fn check_config(whole: &Whole<'_>, found: &mut Problems) {
    let (slack, config) = (&whole.plan.config.slack, &whole.config);
    let mut tell = |key: &str, why: &str| {
        if let Some(value) = config.find(key) {
            let problem = Problem::new(Code::UnusedKey, value.key_at, format!("`{key}` has no effect: {why}"));
            found.push(problem.help("take it out"));
        }
    };
    if whole.plan.config.http.is_none() {
        for key in HTTP {
            tell(key, "without `http.listen` nothing is served");
        }
    }
    if slack.icon_emoji.is_some() {
        tell("slack.icon_url", "`icon_emoji` wins over it");
    }
    let can = slack.way.capabilities();
    if slack.way.source().is_none() {
        return;
    }
    if !can.lookups {
        tell("slack.api_url", "an incoming webhook has an address of its own");
    }
    if !can.channels {
        for key in ["slack.channel", "summary.channel", "defaults.notify.channel", "defaults.notify.channels"] {
            tell(key, ONE_CHANNEL);
        }
    }
    if !can.files {
        tell("defaults.notify.attach", NO_FILES);
    }
    if !can.threads {
        tell("defaults.notify.thread", NO_THREADS);
    }
    if !can.names {
        for key in ["slack.username", "slack.icon_emoji", "slack.icon_url"] {
            tell(key, "an incoming webhook posts under the name and picture of its app");
        }
    }
}
