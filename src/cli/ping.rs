//! `slack-alert ping`: proves the way to Slack: token, scopes, channel; posts, edits and reads back a test message; compares
//! the clocks. Each step with how long it took.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::args::PingArgs;
use super::locate::World;
use super::online::Questions;
use super::{Failure, runtime};
use crate::clock::{Clock, System, between};
use crate::diagnostic::Code;
use crate::document::format_duration;
use crate::exec::Status;
use crate::id::{Channel, in_one_line};
use crate::lint::{online, reach};
use crate::message::{Message, Route, Thread};
use crate::notify::{self, AuthInfo, Delivery, Looked, Lookup, Notifier, Parent, SendError, Sent, Sort};
use crate::plan::Plan;
use crate::policy::parse_channel;
use crate::slack::escape;

/// The header `Date` counts whole seconds, and an answer is on its way for a while: a smaller difference says nothing.
const CLOCKS_AGREE: Duration = Duration::from_secs(2);

/// With a larger difference the times in messages are of no use.
const CLOCKS_DIFFER: Duration = Duration::from_secs(60);

/// What the text holds only after the edit. Letters alone: Slack returns other characters in forms of its own.
const EDITED: &str = "posted and edited";

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ok,
    Failed,
    /// It could not be tried, and that is no fault.
    Skipped,
}

/// One thing that was tried.
#[derive(Clone, Debug)]
struct Step {
    name: String,
    state: State,
    what: String,
    help: Option<String>,
    took: Option<Duration>,
}

/// Everything that was tried, in order.
#[derive(Debug, Default)]
struct Report {
    steps: Vec<Step>,
    posted: Option<Parent>,
    permalink: Option<String>,
    skew: Option<f64>,
}

/// Tries the way to Slack; exits with 1 when a step failed.
pub(super) fn run(world: &World, args: &PingArgs) -> Result<ExitCode, Failure> {
    let channel = args.channel.as_deref().map(parse_channel).transpose();
    let channel = channel
        .map_err(|refusal| Failure::usage(format!("{}\n  help: {}", refusal.message, in_one_line(&refusal.help))))?;
    let plan = world.plan_to_read()?;
    let settings = &plan.config.slack;
    if settings.way.source().is_none() {
        if plan.unread.is_some() {
            return Err(Failure::new("whether a token is configured is not known: nothing was tried"));
        }
        return Err(Failure::new(
            "neither a token nor a webhook is configured: messages go to the terminal\n  help: put the bot's token into \
             a file and name it with `token_file` in [slack]; slack-alert-guide(7) leads there",
        ));
    }
    let can = settings.way.capabilities();
    let channel = match channel.or_else(|| settings.channel.clone()) {
        _ if !can.channels => Channel::unnamed(),
        Some(channel) => channel,
        None => {
            return Err(Failure::usage(
                "there is no channel to post to: `slack.channel` is not set\n  help: name one: `slack-alert ping '#ops'`",
            ));
        }
    };
    if !can.channels && args.channel.is_some() {
        world.terminal.err("slack-alert: a webhook posts to the channel that it was made for, and to no other");
    }
    let runtime = runtime::of_command()?;
    let mut report = Report::default();
    match notify::connect(settings) {
        Ok(notifier) if can.lookups => runtime.block_on(report.with_token(&plan, notifier.as_ref(), &channel)),
        Ok(notifier) => runtime.block_on(report.with_webhook(&plan, notifier.as_ref())),
        Err(error) => {
            let name = if can.lookups { "token" } else { "webhook" };
            report.failed(name, None, error.why, error.help);
        }
    }
    report.show(world, args, &channel);
    Ok(if report.is_well() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Report {
    fn is_well(&self) -> bool {
        self.steps.iter().all(|step| step.state != State::Failed)
    }

    fn step(&mut self, name: &str, state: State, took: Option<Duration>, what: impl Into<String>) {
        self.steps.push(Step { name: name.to_owned(), state, what: what.into(), help: None, took });
    }

    fn ok(&mut self, name: &str, took: Option<Duration>, what: impl Into<String>) {
        self.step(name, State::Ok, took, what);
    }

    fn failed(&mut self, name: &str, took: Option<Duration>, what: impl Into<String>, help: impl Into<String>) {
        let help = Some(help.into()).filter(|help| !help.is_empty());
        self.steps.push(Step { name: name.to_owned(), state: State::Failed, what: what.into(), help, took });
    }

    /// Each step needs what the one before it has shown; the scopes do not stop anything, since posting proves more.
    async fn with_token(&mut self, plan: &Plan, notifier: &dyn Notifier, channel: &Channel) {
        let mut questions = Questions::new(notifier);
        let source = plan.config.slack.way.source().map(|source| source.describe(notify::secret::Kind::Token));
        let (answer, took, at) = timed(questions.patiently(|notifier| notifier.auth_test())).await;
        let info = match answer {
            Ok(info) => info.unwrap_or_default(),
            Err(error) => {
                let (what, help) = online::refusal(&error);
                return self.failed("token", took, what, help);
            }
        };
        let whose = format!("{} in {} ({}), from {}", info.user, info.team, info.url, source.unwrap_or_default());
        self.ok("token", took, whose);
        self.scopes(plan, &info);
        if self.channel(&mut questions, channel, &info).await {
            self.message(plan, &questions, channel, &info).await;
        }
        self.clocks(info.date, at);
    }

    fn scopes(&mut self, plan: &Plan, info: &AuthInfo) {
        let Some(scopes) = &info.scopes else {
            return self.step("scopes", State::Skipped, None, "Slack does not say which scopes this token has");
        };
        let missing = online::missing_scopes(plan, info);
        if missing.is_empty() {
            self.ok("scopes", None, scopes.join(", "));
        }
        for (what, help) in missing {
            self.failed("scopes", None, what, help);
        }
    }

    /// Whether the bot may try to post there.
    async fn channel(&mut self, questions: &mut Questions<'_>, channel: &Channel, info: &AuthInfo) -> bool {
        let channels = std::slice::from_ref(channel);
        let (reached, took, _) = timed(questions.look(channels, info.scopes.as_deref())).await;
        let Some((_, found)) = reached.into_iter().next() else { return true };
        let name = shown(channel);
        match (reach::complaint(channel, &found, info), &found) {
            (Some((Code::UnreachableChannel, what, help)), _) => {
                self.failed(&name, took, what, help);
                return false;
            }
            // What cannot be asked is shown by the message itself.
            (Some((_, what, _)), _) => self.step(&name, State::Skipped, took, what),
            (None, reach::Reach::Seen(target)) => {
                let what = match (target.sort, target.joined) {
                    (Sort::Person | Sort::Bot, _) => format!("{}, a member: a direct message", target.id),
                    (Sort::Direct, _) => format!("{}, a direct message", target.id),
                    (_, Some(true)) => format!("{}, and the bot is in it", target.id),
                    (_, Some(false)) => {
                        format!("{}; the bot is not in it, and may post, but files need a member", target.id)
                    }
                    (_, None) => target.id.clone(),
                };
                self.ok(&name, took, what);
            }
            (None, _) => self.step(&name, State::Skipped, took, "it was not looked for"),
        }
        true
    }

    async fn message(&mut self, plan: &Plan, questions: &Questions<'_>, channel: &Channel, info: &AuthInfo) {
        let message = message(plan, channel, "it was posted, and is about to be edited");
        let (sent, took, _) = timed(send(questions, message, None)).await;
        let posted = match sent {
            Ok(posted) => posted,
            Err(error) => return self.failed("post", took, error.to_string(), ""),
        };
        let Some(posted) = posted else {
            return self.failed("post", took, "Slack took the message and did not name it", "check `slack.api_url`");
        };
        let link = notify::permalink(&info.url, &posted);
        self.ok("post", took, link.clone().unwrap_or_else(|| format!("{} in {}", posted.ts, posted.channel)));
        self.permalink = link;
        self.posted = Some(posted.clone());

        let text = format!("it was {EDITED}. Nothing needs to be done");
        let edit = Message { thread: Thread::Edit, ..self::message(plan, channel, &text) };
        let (sent, took, _) = timed(send(questions, edit, Some(posted.clone()))).await;
        if let Err(error) = sent {
            let help = "the bot can edit what it has posted itself; without it repeats and recoveries are not shown in \
                        the first message";
            return self.failed("edit", took, error.to_string(), help);
        }
        self.ok("edit", took, "the text was replaced");
        self.read_back(questions, &posted, info).await;
    }

    async fn read_back(&mut self, questions: &Questions<'_>, posted: &Parent, info: &AuthInfo) {
        let has = |scope: &str| info.scopes.as_ref().is_none_or(|scopes| scopes.iter().any(|known| known == scope));
        let history = ["channels:history", "groups:history", "im:history", "mpim:history"];
        let lookup = match () {
            () if has("reactions:read") => Lookup::Reactions(posted.clone()),
            () if history.into_iter().any(has) => Lookup::History(posted.clone()),
            () => {
                let what =
                    "not tried: the token has neither `reactions:read` nor `channels:history`, and needs neither";
                return self.step("read", State::Skipped, None, what);
            }
        };
        let (looked, took, _) = timed(questions.patiently(|notifier| notifier.look_up(lookup.clone()))).await;
        match looked {
            Ok(Some(Looked::Message(text))) if text.contains(EDITED) => {
                self.ok("read", took, "the edited text came back");
            }
            Ok(Some(Looked::Message(_))) => {
                let help = "look at the message in Slack; something between here and Slack may answer in its place";
                self.failed("read", took, "the message came back with another text than that of the edit", help);
            }
            Ok(Some(Looked::Unknown)) => {
                self.failed(
                    "read",
                    took,
                    "Slack does not know the message that it has just taken",
                    "look for it in Slack",
                );
            }
            Ok(Some(Looked::MissingScope { scope })) => {
                let what = format!("not tried: the token lacks `{}`, which is not needed", scope.unwrap_or_default());
                self.step("read", State::Skipped, took, what);
            }
            Ok(_) => self.step("read", State::Skipped, took, "Slack's answer shows no message"),
            // Some stand-ins for Slack have no such method.
            Err(error @ SendError::Permanent { .. }) => {
                self.step("read", State::Skipped, took, format!("it could not be read: {error}"));
            }
            Err(error) => self.failed("read", took, format!("it could not be read: {error}"), "try again"),
        }
    }

    /// `local` is the time of this machine in the middle of the exchange.
    fn clocks(&mut self, slack: Option<Timestamp>, local: Timestamp) {
        let Some(slack) = slack else {
            return self.step("clock", State::Skipped, None, "Slack's answer does not say what time it is");
        };
        let (apart, ahead) =
            if slack >= local { (between(local, slack), true) } else { (between(slack, local), false) };
        self.skew = Some(if ahead { apart.as_secs_f64() } else { -apart.as_secs_f64() });
        let whole = format_duration(Duration::from_secs(apart.as_secs()));
        let words = format!("this machine's clock is {whole} {} Slack's", if ahead { "behind" } else { "ahead of" });
        match apart {
            _ if apart <= CLOCKS_AGREE => self.ok("clock", None, "this machine's clock agrees with Slack's"),
            _ if apart <= CLOCKS_DIFFER => self.ok("clock", None, words),
            _ => {
                let help =
                    "set it, or have it set: `timedatectl set-ntp true`; schedules and times in messages go by it";
                self.failed("clock", None, words, help);
            }
        }
    }

    /// A webhook can post, and nothing else: its credentials are shown to be good by that alone.
    async fn with_webhook(&mut self, plan: &Plan, notifier: &dyn Notifier) {
        let source = plan.config.slack.way.source().map(|source| source.describe(notify::secret::Kind::Webhook));
        self.ok("webhook", None, source.unwrap_or_default());
        let questions = Questions::new(notifier);
        let text = "it was posted by a webhook. Nothing needs to be done";
        let (sent, took, _) = timed(send(&questions, message(plan, &Channel::unnamed(), text), None)).await;
        match sent {
            Ok(_) => self.ok("post", took, "Slack took it, for the channel that the webhook was made for"),
            Err(error) => return self.failed("post", took, error.to_string(), ""),
        }
        let what = "a webhook cannot edit, answer in threads or attach files, and cannot be asked about its channel";
        self.step("edit", State::Skipped, None, what);
    }

    fn show(&self, world: &World, args: &PingArgs, channel: &Channel) {
        if args.json {
            let value = self.in_json(channel);
            return world.terminal.out(&format!("{value}\n"));
        }
        let width = self.steps.iter().map(|step| step.name.chars().count()).max().unwrap_or(0);
        let colour = |style: anstyle::AnsiColor, word: &str| {
            let style = anstyle::Style::new().fg_color(Some(style.into()));
            format!("{style}{word:<7}{style:#}")
        };
        let mut text = String::new();
        for step in &self.steps {
            let state = match step.state {
                State::Ok => colour(anstyle::AnsiColor::Green, "ok"),
                State::Failed => colour(anstyle::AnsiColor::Red, "failed"),
                State::Skipped => format!("{:<7}", "-"),
            };
            let took = step.took.map(format_duration).unwrap_or_default();
            text.push_str(&format!("{:<width$}  {state}  {took:>6}  {}\n", step.name, in_one_line(&step.what)));
            if let Some(help) = &step.help {
                text.push_str(&format!("{:<width$}  help: {}\n", "", in_one_line(help)));
            }
        }
        world.terminal.out(&text);
    }

    fn in_json(&self, channel: &Channel) -> Value {
        let step = |step: &Step| {
            json!({
                "step": step.name,
                "state": match step.state { State::Ok => "ok", State::Failed => "failed", State::Skipped => "skipped" },
                "what": step.what,
                "help": step.help,
                "took": step.took.map(|took| took.as_secs_f64()),
            })
        };
        json!({
            "ok": self.is_well(),
            "channel": Some(channel).filter(|channel| !channel.is_unnamed()),
            "posted": self.posted.as_ref().map(|posted| json!({ "channel": posted.channel, "ts": posted.ts })),
            "permalink": self.permalink,
            "clock_skew": self.skew,
            "steps": self.steps.iter().map(step).collect::<Vec<_>>(),
        })
    }
}

/// The result, how long it took, and this machine's time in the middle of it.
async fn timed<T>(work: impl Future<Output = T>) -> (T, Option<Duration>, Timestamp) {
    let before = System.now();
    let done = work.await;
    let took = System.now().mono - before.mono;
    (done, Some(took), before.wall.saturating_add(took / 2).unwrap_or(before.wall))
}

/// Sends, and again where Slack says when.
async fn send(
    questions: &Questions<'_>,
    message: Message,
    parent: Option<Parent>,
) -> Result<Option<Parent>, SendError> {
    let delivery =
        Delivery { message: Arc::new(message), attempt: 1, plain: None, parent, timeouts: 0, sent: Sent::default() };
    Ok(questions.patiently(|notifier| notifier.send(delivery.clone())).await?.posted)
}

/// What is posted. It says that it is a test.
fn message(plan: &Plan, channel: &Channel, what: &str) -> Message {
    let now = System.now().wall;
    let at = now.to_zoned(plan.config.zone.clone()).strftime("%H:%M:%S").to_string();
    let host = escape(&plan.config.host);
    Message {
        job: None,
        run: None,
        event: None,
        status: Status::Ok,
        channel: channel.clone(),
        text: format!("Test message of slack-alert on {host} at {at} (`slack-alert ping`): {what}."),
        blocks: Vec::new(),
        color: None,
        incident: None,
        thread: Thread::None,
        attachment: None,
        created: now,
        route: Route::default(),
    }
}

/// A channel as people write it.
fn shown(channel: &Channel) -> String {
    if channel.is_id() { channel.as_str().to_owned() } else { format!("#{}", channel.as_str()) }
}
