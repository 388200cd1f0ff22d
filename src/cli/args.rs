//! What can be typed. What it means is the business of each command.

use std::ffi::OsString;
use std::path::PathBuf;

pub use crate::picture::{PictureWidth, Theme};
use clap::{ArgGroup, Args, ColorChoice, Parser, Subcommand, ValueEnum};

use super::help;

/// Runs the commands in jobs.d on schedule, and reports to Slack
///
/// Each file below jobs.d declares a command, a schedule and, where the default message is not enough, a template.
/// Without a command slack-alert is the daemon that runs them all: it takes the options of `run`. The other commands
/// check what is declared, try it, and tell what happened; `slack-alert COMMAND --help` has examples of each.
#[derive(Debug, Parser)]
#[command(name = "slack-alert", version, propagate_version = false, disable_help_subcommand = true)]
#[command(after_help = help::SEE_ALSO, after_long_help = help::SLACK_ALERT)]
pub struct Cli {
    /// Options of `run`, which plain `slack-alert` is.
    #[command(flatten)]
    pub run: RunArgs,
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// The command; none is `run`.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Options of every command.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// The configuration file
    ///
    /// Without it: $SLACK_ALERT_CONFIG, ./slack_alert.toml, ~/.config/slack-alert/slack_alert.toml,
    /// /etc/slack-alert/slack_alert.toml; the first that exists.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Do not look for a configuration in ~/.config and /etc
    #[arg(long, global = true, hide_short_help = true)]
    pub ignore_global_config: bool,
    /// Jobs are in DIR/jobs.d
    #[arg(long, global = true, value_name = "DIR")]
    pub path: Option<PathBuf>,
    /// Working hours of every job, such as `Mon-Fri 09:00-19:00`
    #[arg(long, global = true, hide_short_help = true, value_name = "HOURS")]
    pub working_hours: Option<String>,
    /// Turn every plain interval into a burst of N alerts and then a pause [default with --pause-time: 3]
    #[arg(long, global = true, hide_short_help = true, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_alert: Option<u32>,
    /// How long a job pauses after --max-alert alerts, in minutes [default with --max-alert: 60]
    #[arg(long, global = true, hide_short_help = true, value_name = "MINUTES", value_parser = clap::value_parser!(u32).range(1..))]
    pub pause_time: Option<u32>,
    /// Where state is kept
    #[arg(long, global = true, hide_short_help = true, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// When to use colour; NO_COLOR is obeyed
    #[arg(long, global = true, hide_short_help = true, value_name = "WHEN", default_value = "auto")]
    pub color: ColorChoice,
    /// Say more: every decision with its reason
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// Options of `run`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct RunArgs {
    /// Refuse to start when any job file has errors
    #[arg(long, hide_short_help = true)]
    pub strict: bool,
    /// Print messages to the terminal, and keep no state
    #[arg(long)]
    pub dry_run: bool,
    /// Which runtime carries the daemon
    #[arg(long, value_enum, hide_short_help = true, value_name = "NAME", default_value_t)]
    pub scheduler: Scheduler,
    /// How logs are written
    #[arg(long, value_enum, hide_short_help = true, value_name = "FORMAT", default_value_t)]
    pub log_format: LogFormat,
}

/// tokio's runtimes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Scheduler {
    /// One thread: enough for thousands of runs a second.
    #[default]
    CurrentThread,
    /// A thread for each core.
    MultiThread,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object a line.
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the daemon in the foreground (what plain `slack-alert` does)
    ///
    /// Runs every job on its schedule and posts what is worth a word. A job file with errors is not loaded and is
    /// named in the log and in one message to the default channel; the others run. Errors in slack_alert.toml stop the start.
    /// Without a token or a webhook messages go to the terminal. Alerts wait on disk until Slack has taken them.
    #[command(after_long_help = help::RUN, version, display_name = "slack-alert")]
    Run(RunArgs),
    /// Write a configuration and a first job, explained
    ///
    /// Never overwrites: where there is a slack_alert.toml, nothing is written, and a jobs.d with files in it stays as it is.
    #[command(after_long_help = help::INIT)]
    Init(InitArgs),
    /// Check the configuration and every job
    ///
    /// Reports every problem of every file at once, each with its place, a stable code and a way out, and tries the
    /// [[test]] cases in job files. Nothing is run and nothing is sent. A path is a configuration file, a folder with one,
    /// a folder of jobs, or a single job file, which is read against the nearest slack_alert.toml above it.
    #[command(after_long_help = help::CHECK)]
    Check(CheckArgs),
    /// Run one job now, and show its outcome and message
    ///
    /// Runs the job as the daemon would, but now and as the user who calls it, and shows how it ended and the message that
    /// would be sent. Neither state nor history changes.
    #[command(after_long_help = help::ONCE)]
    Once(OnceArgs),
    /// Show when jobs will run
    ///
    /// Computes due times from the files as they are now and from what the daemon has recorded: pauses, working hours, time
    /// zones and changes of the clocks are in.
    #[command(after_long_help = help::NEXT)]
    Next(NextArgs),
    /// Show what a job's message looks like, without running anything
    ///
    /// Renders the message as Slack will show it, from sample output or from yours.
    #[command(after_long_help = help::PREVIEW)]
    Preview(PreviewArgs),
    /// Tell what would run and be said in a time; nothing is run or sent
    ///
    /// Runs the daemon under a false clock and prints every message with its reason, and a table of what each job did; with -v
    /// every run. Every job begins as one that was never seen before: with `first_run = "now"` it runs at once.
    #[command(after_long_help = help::SIMULATE)]
    Simulate(SimulateArgs),
    /// Explain why a message was sent, or was not
    ///
    /// Every run's verdict is kept with its reason. This tells it in a sentence, with when the next message is possible.
    #[command(after_long_help = help::WHY)]
    Why(WhyArgs),
    /// Show the jobs, their schedules and where they are declared
    ///
    /// Lists every job that can run, with its schedule in words; those with errors, which are not loaded, are named on standard error.
    #[command(after_long_help = help::LIST)]
    List(ListArgs),
    /// Show the runs of a job, or of all jobs, newest first
    ///
    /// Reads the runs that the daemon keeps (`limits.history`: 30 days unless set), beside a running daemon or without
    /// one.
    #[command(after_long_help = help::HISTORY)]
    History(HistoryArgs),
    /// Show what is failing and who has it, what runs and what is next
    ///
    /// Asks the running daemon. Without one it shows what the database knows, says so in its first line, and exits with 1. A
    /// JOB is a name, a pattern in which `*` stands for anything, or `tag:NAME`; jobs that are asked for are shown also when
    /// they are well.
    #[command(after_long_help = help::STATUS)]
    Status(StatusArgs),
    /// Have the daemon run a job now
    ///
    /// A real run, with state, history and messages: an incident whose cause is fixed ends. It runs outside its hours
    /// and while it is paused too. A job that runs already is refused, with its process.
    #[command(after_long_help = help::TRIGGER)]
    Trigger(TriggerArgs),
    /// Do not run a job, or several, for a time
    ///
    /// A pause always ends by itself, survives restarts, and covers jobs that are added later. Due times that pass meanwhile are
    /// counted, and not made up for.
    #[command(after_long_help = help::PAUSE)]
    Pause(PauseArgs),
    /// End a pause before its time
    ///
    /// Ends the pauses of this pattern, and those of jobs that it covers.
    #[command(after_long_help = help::RESUME)]
    Resume(ResumeArgs),
    /// Send no messages about a job, or several, for a time
    ///
    /// A silence always ends by itself and survives restarts. What is owed is kept: what still fails at its end is told then, and
    /// a recovery too.
    #[command(after_long_help = help::SILENCE, subcommand_negates_reqs = true)]
    Silence(SilenceArgs),
    /// Say that you have an open incident: no repeats until it changes
    ///
    /// The incident's first message says who has it. It ends by itself, after 24 hours unless you say otherwise.
    #[command(after_long_help = help::ACK)]
    Ack(AckArgs),
    /// Have the daemon read its configuration now
    ///
    /// Says what changed, and shows every problem as `check` does. With errors in slack_alert.toml nothing changes; a job file
    /// with errors leaves the last good version of its job running.
    #[command(after_long_help = help::RELOAD)]
    Reload(ReloadArgs),
    /// Show alerts that wait for Slack, or that it would not take
    ///
    /// An alert is on disk until Slack has taken it. One that Slack refuses for good, or that could not be delivered within
    /// `limits.outbox_max_age`, becomes a dead letter: kept and listed here until it is sent again or dropped.
    #[command(after_long_help = help::OUTBOX)]
    Outbox(OutboxArgs),
    /// Try the way to Slack: token, scopes, channel, a test message
    ///
    /// Does each step in turn and says how long it took. The message says that it is a test, and stays. Where `check --online`
    /// asks without posting, this proves that posting and editing work.
    #[command(after_long_help = help::PING)]
    Ping(PingArgs),
    /// Run a command that cron or a timer starts under the same rules
    ///
    /// Output, exit code, signals and time are the command's own. What it came to is told to the running daemon; without one
    /// it is judged and sent from here; without the right to do that, it waits in a file for the next daemon. The rules are
    /// those of jobs.d/NAME.toml, whose `expect` says when a run is missing; without that file, those of `[defaults]`.
    #[command(after_long_help = help::WRAP)]
    Wrap(WrapArgs),
    /// Write job files from a crontab, or from the Python tool's plugins
    ///
    /// Nothing that exists is overwritten. What cannot be carried over is said, line by line; `slack-alert check` then
    /// tells whether the new jobs are sound. See slack-alert-migration(7).
    #[command(after_long_help = help::IMPORT)]
    Import(ImportArgs),
    /// Print the JSON Schema of a job file, or of slack_alert.toml
    ///
    /// Editors complete keys and underline mistakes by it (draft 2020-12). The packages have both schemas in
    /// /usr/share/slack-alert/schema.
    #[command(after_long_help = help::SCHEMA)]
    Schema(SchemaArgs),
    /// Print a script that completes commands and job names in a shell
    ///
    /// The packages install those of bash, zsh and fish.
    #[command(after_long_help = help::COMPLETIONS)]
    Completions(CompletionsArgs),
}

/// Options of `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The folder, which is made if it is not there [default: this one]
    pub dir: Option<PathBuf>,
}

/// Options of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Configurations to check: files or folders [default: the configuration that `run` would use]
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// How problems are shown
    #[arg(long, value_enum, default_value_t)]
    pub format: CheckFormat,
    /// The same as `--format json`
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
    /// Exit with 1 for warnings too
    #[arg(long)]
    pub deny_warnings: bool,
    /// Ask Slack too: whether it takes the token, has granted the scopes, and lets the bot post to each channel
    #[arg(long)]
    pub online: bool,
    /// Explain a code, and check nothing
    #[arg(long, value_name = "CODE")]
    pub explain: Option<String>,
}

/// How problems are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum CheckFormat {
    /// For people, with the source line.
    #[default]
    Human,
    /// One object a line.
    Json,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// Workflow commands, for annotations on pull requests.
    Github,
}

/// Options of `once`.
#[derive(Debug, Args)]
pub struct OnceArgs {
    /// The job
    pub job: String,
    /// Send the message too
    #[arg(long)]
    pub post: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Options of `next`.
#[derive(Debug, Args)]
pub struct NextArgs {
    /// The jobs [default: all]
    pub jobs: Vec<String>,
    /// How many times of each job [default: 1 for all jobs, 5 for named ones]
    #[arg(short = 'n', long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub count: Option<u32>,
    /// From when on, that time included [default: now]; `18:00`, `tomorrow 08:00`, `2026-03-29`, `2026-03-29T01:30` or RFC 3339
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Print the names alone, one a line: for completion
    #[arg(long, hide = true, conflicts_with = "json", num_args = 0..=1, require_equals = true, value_enum)]
    #[arg(default_missing_value = "jobs")]
    pub names: Option<ListedNames>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Names for completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ListedNames {
    /// Of jobs that have a file.
    Jobs,
    /// Of those that only `wrap` knows, too.
    Known,
    /// Those, and `tag:NAME`.
    Patterns,
}

/// Options of `history`.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// The job [default: all]
    pub job: Option<String>,
    /// Only runs that were not ok
    #[arg(long)]
    pub failed: bool,
    /// Only runs that ended since then, or go on: a time (`03:00`, `2026-03-29`, `2026-03-29T01:30`) or how long ago (`24h`)
    #[arg(long, value_name = "TIME|DURATION")]
    pub since: Option<String>,
    /// At most so many
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub count: u32,
    /// Show this run, with its output
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["job", "failed", "since", "count"])]
    pub run: Option<u64>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `why`.
#[derive(Debug, Args)]
pub struct WhyArgs {
    /// The job
    pub job: String,
    /// About the run at this time, in the job's zone: `03:14`, `2026-03-29T01:30`, RFC 3339 [default: now]
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// About so many runs, the newest first
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub count: u32,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `outbox`.
#[derive(Debug, Args)]
pub struct OutboxArgs {
    /// What to do; none is `list`.
    #[command(subcommand)]
    pub command: Option<OutboxCommand>,
    /// Options of `list`.
    #[command(flatten)]
    pub list: OutboxListArgs,
}

/// What can be done with the outbox.
#[derive(Debug, Subcommand)]
pub enum OutboxCommand {
    /// Show what waits and what is dead, oldest first
    ///
    /// Each with its number, its channel, since when it waits, how often it was tried, and Slack's last answer.
    #[command(after_long_help = help::OUTBOX_LIST)]
    List(OutboxListArgs),
    /// Set messages waiting again: a running daemon sends them within seconds
    ///
    /// For dead letters once their cause is gone, and for messages that wait out a long back-off.
    #[command(after_long_help = help::OUTBOX_RETRY)]
    Retry(OutboxPick),
    /// Throw messages away: nobody will hear of them
    ///
    /// Waiting messages and dead letters alike; `outbox list --json` shows first what they say.
    #[command(after_long_help = help::OUTBOX_DROP)]
    Drop(OutboxPick),
}

/// Options of `outbox list`.
#[derive(Clone, Debug, Default, Args)]
pub struct OutboxListArgs {
    /// Only dead letters, and messages that wait since their channel refused them
    #[arg(long)]
    pub dead: bool,
    /// Only messages for this channel
    #[arg(long, value_name = "CHANNEL")]
    pub channel: Option<String>,
    /// Print JSON, with the whole messages
    #[arg(long)]
    pub json: bool,
}

/// Which messages.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").args(["ids", "all", "dead"])))]
pub struct OutboxPick {
    /// Their numbers, as `outbox list` shows them
    #[arg(value_name = "NUMBER")]
    pub ids: Vec<u64>,
    /// All of them
    #[arg(long)]
    pub all: bool,
    /// All dead letters; of `retry` also what its channel refuses and waits
    #[arg(long)]
    pub dead: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Only these jobs: names, patterns with `*`, or `tag:NAME` [default: all]
    #[arg(value_name = "JOB|PATTERN")]
    pub jobs: Vec<String>,
    /// Show only what fails
    #[arg(long)]
    pub failing: bool,
    /// Go on, and show it anew whenever something changes
    #[arg(long)]
    pub watch: bool,
    /// Print JSON: the answer of /api/v1/status, with the jobs in `jobs.list`
    #[arg(long)]
    pub json: bool,
    /// Print one line for Nagios or Icinga, with performance data, and exit with 0 to 3 [default: all jobs]
    #[arg(long, value_name = "PATTERN", num_args = 0..=1, conflicts_with_all = ["jobs", "failing", "watch", "json"])]
    pub nagios: Option<Option<String>>,
    /// Say nothing, and exit with 0 when the daemon answers and with 1 when it does not
    #[arg(long, conflicts_with_all = ["jobs", "failing", "watch", "json", "nagios"])]
    pub health: bool,
}

/// Options of `trigger`.
#[derive(Debug, Args)]
pub struct TriggerArgs {
    /// The job
    pub job: String,
    /// Wait until the run is over, and exit with the command's own code
    #[arg(long)]
    pub wait: bool,
    /// Why, for the history
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `pause`.
#[derive(Debug, Args)]
pub struct PauseArgs {
    /// A job, a pattern in which `*` stands for anything, or `tag:NAME`
    #[arg(value_name = "JOB|PATTERN")]
    pub pattern: String,
    /// How long: `2h`, `1h 30m`, `until 16:00`, `until 2026-11-30T08:00`; at most 30d [default: 1h]
    #[arg(value_name = "DURATION|until TIME", num_args = 0..)]
    pub length: Vec<String>,
    /// Why, for everybody who looks
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `resume`.
#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// The job or the pattern that was paused, or the number of any hold; `*` ends every pause
    #[arg(value_name = "JOB|PATTERN|ID")]
    pub pattern: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `silence`.
#[derive(Debug, Args)]
pub struct SilenceArgs {
    /// What to do; none is to begin one.
    #[command(subcommand)]
    pub command: Option<SilenceCommand>,
    /// A job, a pattern in which `*` stands for anything, or `tag:NAME`
    #[arg(required = true)]
    pub pattern: Option<String>,
    /// How long: `2h`, `1h 30m`, `until 16:00`, `until 2026-11-30T08:00`; at most a year
    #[arg(value_name = "DURATION|until TIME", num_args = 0..)]
    pub length: Vec<String>,
    /// End it as soon as all of these jobs are ok
    #[arg(long)]
    pub until_ok: bool,
    /// Why, for everybody who looks
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What can be done with silences.
#[derive(Debug, Subcommand)]
pub enum SilenceCommand {
    /// Show what is silenced, until when, by whom and why
    ///
    /// The newest first, each with the number by which it can be ended.
    #[command(after_long_help = help::SILENCE_LIST)]
    List(SilenceListArgs),
    /// End a silence before its time
    ///
    /// By its number, or by its pattern. What failed meanwhile and still fails is told now.
    #[command(after_long_help = help::SILENCE_END)]
    End(SilenceEndArgs),
}

/// Options of `silence list`.
#[derive(Debug, Args)]
pub struct SilenceListArgs {
    /// Print numbers and patterns alone, one a line: for completion
    #[arg(long, hide = true, conflicts_with = "json", num_args = 0..=1, require_equals = true, value_enum)]
    #[arg(default_missing_value = "silences")]
    pub names: Option<ListedHolds>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Holds for completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ListedHolds {
    /// Silences: numbers and patterns.
    Silences,
    /// Whatever `resume` ends: the numbers of all holds, and the patterns of pauses.
    Holds,
}

/// Options of `silence end`.
#[derive(Debug, Args)]
pub struct SilenceEndArgs {
    /// Its number, as `silence list` shows it, or its pattern
    #[arg(value_name = "ID|PATTERN")]
    pub hold: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `ack`.
#[derive(Debug, Args)]
pub struct AckArgs {
    /// The job
    pub job: String,
    /// How long at most: `2h`, `until 16:00`; at most a year [default: 24h]
    #[arg(value_name = "DURATION|until TIME", num_args = 0..)]
    pub length: Vec<String>,
    /// Why, for everybody who looks
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `reload`.
#[derive(Debug, Args)]
pub struct ReloadArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `ping`.
#[derive(Debug, Args)]
pub struct PingArgs {
    /// Where to post: a channel's name or ID, or a user ID [default: `slack.channel`]
    pub channel: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `preview`.
#[derive(Clone, Debug, Args)]
pub struct PreviewArgs {
    /// The job
    pub job: String,
    /// The command's exit code; the job's `exit_codes` say what it means [default: one that fits --event, else 0]
    #[arg(long, value_name = "CODE", value_parser = clap::value_parser!(i32).range(0..=255))]
    pub exit: Option<i32>,
    /// What the command printed: a file, or - for standard input [default: a sample]
    #[arg(long, value_name = "FILE")]
    pub stdout: Option<PathBuf>,
    /// What the command said on standard error: a file, or - for standard input [default: a sample, when it failed]
    #[arg(long, value_name = "FILE")]
    pub stderr: Option<PathBuf>,
    /// What the message is about [default: what the exit code and the output make of it]
    #[arg(long, value_enum, value_name = "EVENT")]
    pub event: Option<PreviewEvent>,
    /// Print the payload that Slack would get
    #[arg(long)]
    pub json: bool,
    /// Write a picture of the message, as SVG
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    pub svg: Option<PathBuf>,
    /// The colours of the picture
    #[arg(long, value_enum, value_name = "THEME", default_value_t = Theme::Light, requires = "svg")]
    pub theme: Theme,
    /// How wide the picture is
    #[arg(long, value_enum, value_name = "WIDTH", default_value_t = PictureWidth::Desktop, requires = "svg")]
    pub width: PictureWidth,
}

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PreviewEvent {
    /// Ok, and something was printed.
    Output,
    /// Not ok: the first word of an incident.
    Failure,
    /// Not ok still.
    Repeat,
    /// Ok again.
    Recovery,
    /// Ok.
    Success,
    /// Ok, and the output is another than before.
    Change,
    /// The status changes too often.
    Flapping,
    /// The run does not end.
    Stuck,
    /// An expected run did not come.
    Missing,
    /// The run takes long.
    Slow,
    /// Its runs wait because other runs hold every place.
    Starved,
    /// A whole incident: its first message, what follows in its thread, its end.
    Incident,
}

/// Options of `simulate`.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// The jobs, by name, `db/*` or `tag:NAME` [default: all]
    pub jobs: Vec<String>,
    /// From when on, that time included [default: now]; `18:00`, `tomorrow 08:00`, `2026-03-29`, `2026-03-29T01:30` or RFC 3339
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// How long
    #[arg(long = "for", value_name = "DURATION", default_value = "24h")]
    pub length: String,
    /// What runs come to, `JOB=STATUS` or `JOB=STATUS@FROM-TO` with times of day or dates with times, in the job's
    /// zone; `*` is every job; of several that fit the last counts; may be given again [default: ok]
    #[arg(long = "outcome", value_name = "JOB=STATUS@FROM-TO")]
    pub outcomes: Vec<String>,
    /// What every run prints; `*` is every job; may be given again [default: nothing]
    #[arg(long = "stdout", value_name = "JOB=TEXT")]
    pub printed: Vec<String>,
    /// A person pauses jobs: a name with `*`, or `tag:NAME`; times of day or dates with times; may be given again
    #[arg(long = "pause", value_name = "PATTERN@FROM-TO")]
    pub pauses: Vec<String>,
    /// A person silences jobs
    #[arg(long = "silence", value_name = "PATTERN@FROM-TO")]
    pub silences: Vec<String>,
    /// A person acknowledges the open incident of a job, for 24 hours or until TO
    #[arg(long = "ack", value_name = "JOB@FROM[-TO]")]
    pub acks: Vec<String>,
    /// A person asks for a run
    #[arg(long = "trigger", value_name = "JOB@TIME")]
    pub triggers: Vec<String>,
    /// How long each run takes
    #[arg(long, value_name = "DURATION", default_value = "1s")]
    pub took: String,
    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// Options of `schema`.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// Of which file
    #[arg(value_enum, default_value_t)]
    pub of: SchemaOf,
}

/// The kinds of files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// slack_alert.toml
    Config,
    /// A file in jobs.d
    #[default]
    Job,
}

/// Options of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// Options of `wrap`.
#[derive(Clone, Debug, Args)]
pub struct WrapArgs {
    /// The job whose run this is [default: wrap/ and the program's name]
    #[arg(long, value_name = "NAME")]
    pub job: Option<String>,
    /// End the command after so long: SIGTERM, then SIGKILL; the exit code is 124 [default: the job's `timeout`]
    #[arg(long, value_name = "DURATION")]
    pub timeout: Option<String>,
    /// Print nothing when the run was ok and is recorded
    #[arg(long)]
    pub quiet: bool,
    /// For a job without a file: how often a run is to come, such as 1d; one that does not is an alert of the daemon
    #[arg(long, value_name = "EVERY")]
    pub expect: Option<String>,
    /// With --expect: how late it may be [default: a tenth of EVERY, a minute at least]
    #[arg(long, value_name = "DURATION")]
    pub grace: Option<String>,
    /// The command and its words
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// Options of `import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Where to.
    #[command(flatten)]
    pub target: ImportTarget,
    /// From what.
    #[command(subcommand)]
    pub from: ImportFrom,
}

/// What can be imported.
#[derive(Debug, Subcommand)]
pub enum ImportFrom {
    /// Write job files from the entries of a crontab: a user's or the system's
    ///
    /// Each entry becomes a job, or a remark that says why not. Then remove the entry: two schedulers run a job twice.
    #[command(after_long_help = help::IMPORT_CRONTAB)]
    Crontab(ImportCrontabArgs),
    /// Write job files from the functions that the Python slack-alert schedules
    ///
    /// The plugins are read, not run; this needs python3. Each job calls its function, so that it works as it is.
    #[command(after_long_help = help::IMPORT_PLUGINS)]
    Plugins(ImportPluginsArgs),
}

/// Options of `import crontab`.
#[derive(Debug, Args)]
pub struct ImportCrontabArgs {
    /// The crontab, or - for standard input
    pub file: PathBuf,
    /// A user stands before each command, as in /etc/crontab and /etc/cron.d [default: told from the file]
    #[arg(long, conflicts_with = "user")]
    pub system: bool,
    /// No user stands before the commands, as `crontab -l` prints them [default: told from the file]
    #[arg(long)]
    pub user: bool,
    /// Let cron go on starting the commands, each under `slack-alert wrap`: show the crontab's new lines, and the jobs that
    /// expect their runs
    #[arg(long)]
    pub wrap: bool,
    /// With --wrap: change the crontab, and write the jobs
    #[arg(long, requires = "wrap", conflicts_with = "import_dry_run")]
    pub write: bool,
}

/// Options of `import plugins`.
#[derive(Debug, Args)]
pub struct ImportPluginsArgs {
    /// The folder of plugins, or the one above that holds `plugins`
    pub dir: PathBuf,
    /// The Python tool's slack_alert.conf, which becomes slack_alert.toml [default: the one beside the plugins, else
    /// ~/.config/slack_alert.conf]
    #[arg(long, value_name = "FILE")]
    pub conf: Option<PathBuf>,
}

/// Where an import goes.
#[derive(Debug, Args)]
pub struct ImportTarget {
    /// Show what would be written, and write nothing
    #[arg(id = "import_dry_run", long = "dry-run", global = true)]
    pub dry_run: bool,
    /// The folder that holds, or will hold, slack_alert.toml and jobs.d [default: that of the configuration found, else
    /// the current one]
    #[arg(long, global = true, value_name = "DIR")]
    pub to: Option<PathBuf>,
    /// Print JSON: each file with what happens to it, and the notes
    #[arg(long, global = true)]
    pub json: bool,
}
