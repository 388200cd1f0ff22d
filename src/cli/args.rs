//! What can be typed. What it means is the business of each command.

use std::path::PathBuf;

use clap::{ArgGroup, Args, ColorChoice, Parser, Subcommand, ValueEnum};

/// Runs the commands in jobs.d on schedule, and reports to Slack.
#[derive(Debug, Parser)]
#[command(name = "slack-alert", version, propagate_version = false, disable_help_subcommand = true)]
#[command(
    after_help = "Exit status: 0 well; 1 it found problems or failed; 2 wrong usage, or no configuration found.\n\
                        See slack-alert(1) and slack_alert.toml(5)."
)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// Options of `run`, which plain `slack-alert` is.
    #[command(flatten)]
    pub run: RunArgs,
    /// The command; none is `run`.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Options of every command.
#[derive(Clone, Debug, Default, Args)]
pub struct Global {
    /// The configuration file [default: $SLACK_ALERT_CONFIG, ./slack_alert.toml,
    /// ~/.config/slack-alert/slack_alert.toml, /etc/slack-alert/slack_alert.toml; the first that exists]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Do not look for a configuration in ~/.config and /etc
    #[arg(long, global = true)]
    pub ignore_global_config: bool,
    /// Jobs are in DIR/jobs.d
    #[arg(long, global = true, value_name = "DIR")]
    pub path: Option<PathBuf>,
    /// Working hours of every job, such as `Mon-Fri 09:00-19:00`
    #[arg(long, global = true, value_name = "HOURS")]
    pub working_hours: Option<String>,
    /// Turn every plain interval into a burst of N alerts and then a pause [default with --pause-time: 3]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_alert: Option<u32>,
    /// How long a job pauses after --max-alert alerts, in minutes [default with --max-alert: 60]
    #[arg(long, global = true, value_name = "MINUTES", value_parser = clap::value_parser!(u32).range(1..))]
    pub pause_time: Option<u32>,
    /// Where state is kept
    #[arg(long, global = true, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// When to use colour; NO_COLOR is obeyed
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: ColorChoice,
    /// Say more: every decision with its reason
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

const RUN_EXAMPLES: &str = "\
Examples:
  slack-alert --path . --dry-run         the jobs in ./jobs.d, on the terminal, without a trace
  slack-alert run --strict               refuse to start with any error
  slack-alert -v --log-format json       every decision with its reason, one object a line
  slack-alert --max-alert 3 --pause-time 60

Signals: TERM and INT stop gracefully, a second INT at once; HUP reads the configuration again.";

/// Options of `run`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct RunArgs {
    /// Refuse to start when any job file has errors
    #[arg(long)]
    pub strict: bool,
    /// Do everything, but print messages to the terminal and keep no state
    #[arg(long)]
    pub dry_run: bool,
    /// Which runtime carries the daemon
    #[arg(long, value_enum, value_name = "NAME", default_value_t)]
    pub scheduler: Scheduler,
    /// How logs are written
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
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
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunArgs),
    /// Check the configuration and every job
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArgs),
    /// Run one job now, and show its outcome and message
    #[command(after_help = ONCE_EXAMPLES)]
    Once(OnceArgs),
    /// Show when jobs will run
    #[command(after_help = NEXT_EXAMPLES)]
    Next(NextArgs),
    /// Show what a job's message looks like, without running anything
    #[command(after_help = PREVIEW_EXAMPLES)]
    Preview(PreviewArgs),
    /// Tell what would run, and what would be said, in a stretch of time: nothing is run, nothing is sent
    #[command(after_help = SIMULATE_EXAMPLES)]
    Simulate(SimulateArgs),
    /// Explain why a job spoke, or did not
    #[command(after_help = WHY_EXAMPLES)]
    Why(WhyArgs),
    /// Show the jobs, their schedules and where they are declared
    #[command(after_help = LIST_EXAMPLES)]
    List(ListArgs),
    /// Show the runs of a job, or of all jobs, newest first
    #[command(after_help = HISTORY_EXAMPLES)]
    History(HistoryArgs),
    /// Show alerts that wait for Slack, and those that it would not take
    #[command(after_help = OUTBOX_EXAMPLES, args_conflicts_with_subcommands = true)]
    Outbox(OutboxArgs),
    /// Write job files from a crontab, or from plugins of the Python slack-alert
    #[command(after_help = IMPORT_EXAMPLES)]
    Import(ImportArgs),
    /// Print the JSON Schema of a job file, or of slack_alert.toml
    #[command(after_help = SCHEMA_EXAMPLES)]
    Schema(SchemaArgs),
    /// Print a script that completes commands, options and job names in a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions(CompletionsArgs),
}

const CHECK_EXAMPLES: &str = "\
Examples:
  slack-alert check                      the configuration that `run` would use
  slack-alert check jobs.d/disk.toml     one job, with the defaults of its configuration
  slack-alert check --deny-warnings --format github .
  slack-alert check --explain no-timeout

Exit status: 0 no error; 1 an error, or with --deny-warnings a warning.";

/// Options of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Configurations to check: files or folders [default: the configuration that `run` would use]
    pub paths: Vec<PathBuf>,
    /// How problems are shown
    #[arg(long, value_enum, default_value_t)]
    pub format: CheckFormat,
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

const ONCE_EXAMPLES: &str = "\
Examples:
  slack-alert once disk                  run it, and show what would be said
  slack-alert once disk --post           and say it
  sudo -u slack-alert slack-alert once disk
                                         as the service would

Exit status: that of the command.";

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

const NEXT_EXAMPLES: &str = "\
Examples:
  slack-alert next                       every job's next time
  slack-alert next db/backup -n 10
  slack-alert next db/backup --from 2026-03-29 --json";

/// Options of `next`.
#[derive(Debug, Args)]
pub struct NextArgs {
    /// The jobs [default: all]
    pub jobs: Vec<String>,
    /// How many times of each job [default: 1 for all jobs, 5 for named ones]
    #[arg(short = 'n', long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub count: Option<u32>,
    /// From when [default: now]; `2026-03-29`, `2026-03-29T01:30` or RFC 3339
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

const LIST_EXAMPLES: &str = "\
Examples:
  slack-alert list
  slack-alert list --json | jq -r '.[].name'";

/// Options of `list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Print the names alone, one a line: for completion
    #[arg(long, hide = true, conflicts_with = "json")]
    pub names: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

const HISTORY_EXAMPLES: &str = "\
Examples:
  slack-alert history                    the last 20 runs of all jobs
  slack-alert history db/backup -n 5     the last five of one
  slack-alert history --failed --since 24h
  slack-alert history --run 812          one run with everything that it printed
  slack-alert history --json | jq '.[] | select(.duration > 60) | .job'";

/// Options of `history`.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// The job [default: all]
    pub job: Option<String>,
    /// Only runs that were not ok
    #[arg(long)]
    pub failed: bool,
    /// Only runs that ended since then: a time (`2026-03-29`, `2026-03-29T01:30`, RFC 3339) or how long ago (`24h`)
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

const WHY_EXAMPLES: &str = "\
Examples:
  slack-alert why disk                     about its last run
  slack-alert why disk --at 03:14          about the run at that time today
  slack-alert why disk --at 2026-11-23T03:14 -n 5
  slack-alert why disk --json";

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

const OUTBOX_EXAMPLES: &str = "\
Examples:
  slack-alert outbox                     everything that waits, and every dead letter
  slack-alert outbox list --dead         dead letters, with what Slack said
  slack-alert outbox retry --dead        send all dead letters again, once the channel is there
  slack-alert outbox retry 17 18
  slack-alert outbox drop 19";

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
    List(OutboxListArgs),
    /// Set messages waiting again: a running daemon sends them within seconds
    Retry(OutboxPick),
    /// Throw messages away: nobody will hear of them
    Drop(OutboxPick),
}

/// Options of `outbox list`.
#[derive(Clone, Debug, Default, Args)]
pub struct OutboxListArgs {
    /// Only dead letters
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
#[command(group(ArgGroup::new("which").required(true).args(["ids", "all", "dead"])))]
pub struct OutboxPick {
    /// Their numbers, as `outbox list` shows them
    #[arg(value_name = "NUMBER")]
    pub ids: Vec<u64>,
    /// All of them
    #[arg(long)]
    pub all: bool,
    /// All dead letters
    #[arg(long)]
    pub dead: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

const PREVIEW_EXAMPLES: &str = "\
Examples:
  slack-alert preview disk                               with sample output
  df -h | slack-alert preview disk --stdout -            with real output
  slack-alert preview disk --exit 2 --stderr error.txt   a failure
  slack-alert preview disk --event recovery
  slack-alert preview disk --json                        what Slack would get, for its Block Kit Builder";

/// Options of `preview`.
#[derive(Debug, Args)]
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
}

const SIMULATE_EXAMPLES: &str = "\
Examples:
  slack-alert simulate                                          all jobs, 24 hours from now, all ok
  slack-alert simulate --from 2026-03-29 --for 6h               through the night in which clocks go forward
  slack-alert simulate disk --outcome disk=critical@03:00-04:00 disk fails every night from three to four
  slack-alert simulate --outcome '*=critical@2026-11-23T02:00-2026-11-23T02:30' --json
  slack-alert simulate burst --stdout burst=hello --for 3h      what a job says that always prints something

Every job begins as one that was never seen before: with `first_run = \"now\"` it runs at once.";

/// Options of `simulate`.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// The jobs [default: all]
    pub jobs: Vec<String>,
    /// From when [default: now]; `2026-03-29`, `2026-03-29T01:30` or RFC 3339
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
    /// How long each run takes
    #[arg(long, value_name = "DURATION", default_value = "1s")]
    pub took: String,
    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
}

const SCHEMA_EXAMPLES: &str = "\
Examples:
  slack-alert schema job > job.schema.json
  slack-alert schema config > slack_alert.schema.json

Editors with Even Better TOML or taplo take it from the first line of a file:
  #:schema ./job.schema.json";

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

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  slack-alert completions bash > /usr/share/bash-completion/completions/slack-alert
  slack-alert completions zsh > /usr/local/share/zsh/site-functions/_slack-alert
  slack-alert completions fish > ~/.config/fish/completions/slack-alert.fish";

/// Options of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

const IMPORT_EXAMPLES: &str = "\
Examples:
  slack-alert import crontab /etc/cron.d/backup --dry-run
  crontab -l | slack-alert import crontab - --to ~/.config/slack-alert
  slack-alert import plugins ~/slack-alert --conf ~/slack_alert.conf

Nothing that exists is overwritten. What cannot be carried over is said, line by line; then `slack-alert check` tells
whether the new jobs are sound.";

/// Options of `import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// From what.
    #[command(subcommand)]
    pub from: ImportFrom,
}

/// What can be imported.
#[derive(Debug, Subcommand)]
pub enum ImportFrom {
    /// The entries of a crontab: user's or system's
    Crontab(ImportCrontabArgs),
    /// The functions of a plugin folder that the Python slack-alert schedules
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
    /// Where to.
    #[command(flatten)]
    pub target: ImportTarget,
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
    /// Where to.
    #[command(flatten)]
    pub target: ImportTarget,
}

/// Where an import goes.
#[derive(Debug, Args)]
pub struct ImportTarget {
    /// Show what would be written, and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// The folder that holds, or will hold, slack_alert.toml and jobs.d [default: that of the configuration found, else
    /// the current one]
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
    /// Print JSON: each file with what happens to it, and the notes
    #[arg(long)]
    pub json: bool,
}
