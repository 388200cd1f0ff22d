//! When and where a job is reported: the keys of `[notify]`, read and defaulted.
//!
//! Before it: `document`. After it: `judge`, which decides by these settings, and `message`, which asks for channels and
//! mentions.

mod asked;
mod flap;
mod repeat;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use toml::de::DeTable;

pub use self::asked::{Asked, On, Statuses};
pub use self::flap::{Flap, Intermittent};
pub(super) use self::flap::{MOST_CHANGES, MOST_INCIDENTS};
pub use self::repeat::Repeat;
use super::Event;
use super::address::{Mention, parse_channel, parse_mention};
use crate::diagnostic::{Code, Problem, Sources};
use crate::document::{Key, Kind, Rate, Reader, Refusal, Table, Text, parse_rate};
use crate::exec::Status;
use crate::id::Channel;
use crate::schedule::{Hours, parse_hours};

const ON: &[&str] = &["output", "failure", "recovery", "success", "change", "always"];
const STATUSES: &[&str] = &["ok", "warning", "critical", "unknown"];
const ATTACH: &[&str] = &["auto", "always", "never"];
const NORMALIZE: &[&str] = &["failures", "all", "none"];

/// Keys of `notify.channels`.
const CHANNELS: &[Key] = &[
    Key { name: "ok", kind: Kind::TextOrList, default: "", about: "Where good news goes." },
    Key { name: "warning", kind: Kind::TextOrList, default: "", about: "Where warnings go." },
    Key { name: "critical", kind: Kind::TextOrList, default: "", about: "Where critical failures go." },
    Key { name: "unknown", kind: Kind::TextOrList, default: "", about: "Where failures of unknown weight go." },
];

/// The keys of `[notify]`.
pub const KEYS: &[Key] = &[
    Key {
        name: "on",
        kind: Kind::Choices(ON),
        default: "[\"output\", \"failure\", \"recovery\"]",
        about: "What is reported: `output` (ok, and stdout is not blank), `failure` (not ok), `recovery` (ok again \
                after a reported failure), `success` (every ok run), `change` (ok, and stdout differs from the last ok \
                run's), `always` (after every run; a failure is then repeated after every run too, unless `repeat` is \
                set). `[]` is silence.",
    },
    Key {
        name: "channel",
        kind: Kind::TextOrList,
        default: "",
        about: "Where messages go, one channel or several: a name, a channel ID or a user ID. Without it: \
                `slack.channel`.",
    },
    Key {
        name: "channels",
        kind: Kind::Table(CHANNELS),
        default: "",
        about: "Where messages go by status; it wins over `channel`. A recovery also goes wherever the failure was told.",
    },
    Key {
        name: "after",
        kind: Kind::Integer(1, 10_000),
        default: "1",
        about: "Failures in a row before the first message.",
    },
    Key {
        name: "repeat",
        kind: Kind::OneOf(&[Kind::Duration, Kind::Text, Kind::Choice(&["never", "always"])]),
        default: "\"1h..24h\"",
        about: "A failure that goes on is reported again at this interval. A range such as `1h..24h` begins with the \
                first, doubles it each time and ends at the second: after 1, 2, 4 and 8 hours, then every 24 hours. A \
                repetition is a reply in the thread; it is shown in the channel too when nothing of the incident was \
                visible there for 12 hours. A status that gets worse, and a different failure, are reported at once.",
    },
    Key {
        name: "rate_limit",
        kind: Kind::Rate,
        default: "\"20/h\"",
        about: "Alerts of this job: that many at once, and the budget grows back evenly. What is above is counted, and \
                the next message says how many were suppressed. The first alert of an incident and its recovery always \
                go out.",
    },
    Key {
        name: "stuck_after",
        kind: Kind::Integer(0, 1_000_000),
        default: "3",
        about: "Due times skipped in a row because the last run is still going, before an alert says so; 0 is never.",
    },
    Key {
        name: "quiet_hours",
        kind: Kind::TextOrList,
        default: "",
        about: "Hours in which alerts wait, written as `working_hours`; they come as one digest when the hours end. The \
                job runs on.",
    },
    Key {
        name: "quiet_except",
        kind: Kind::Choices(STATUSES),
        default: "[]",
        about: "Statuses that are told at once even in `quiet_hours`, and whose recovery then is too.",
    },
    Key {
        name: "normalize",
        kind: Kind::OneOf(&[Kind::Choice(NORMALIZE), Kind::Flag]),
        default: "\"failures\"",
        about: "Where outputs that differ only in numbers, times, hex and UUIDs are the same: in `failures` (the same \
                failure; `change` compares exactly), in `all`, or in `none`. `true` and `false` of version 0.1 are `all` \
                and `none`.",
    },
    Key {
        name: "mention",
        kind: Kind::TextOrList,
        default: "",
        about: "Who is pinged when a failure is critical, once: `@here`, `@channel`, a user ID, a user-group ID.",
    },
    Key {
        name: "mention_allowed",
        kind: Kind::TextOrList,
        default: "",
        about: "Whom a directive of the script may ping besides.",
    },
    Key {
        name: "thread",
        kind: Kind::Flag,
        default: "true",
        about: "With a token, an incident is one thread: repeats go into it, and on recovery its first message is edited.",
    },
    Key {
        name: "attach",
        kind: Kind::Choice(ATTACH),
        default: "\"auto\"",
        about: "The whole output as a file in the thread: `auto` when it did not fit into the message.",
    },
    Key {
        name: "flap",
        kind: Kind::OneOf(&[Kind::Table(flap::FLAP), Kind::Off]),
        default: "{ changes = 6, within = \"30m\" }",
        about: "A job that changes between ok and not ok too often is reported once, and then not until it is steady; a \
                status worse than was reported is, and a reminder comes as often as `repeat` says. `false` turns it off.",
    },
    Key {
        name: "intermittent",
        kind: Kind::OneOf(&[Kind::Table(flap::INTERMITTENT), Kind::Off]),
        default: "{ incidents = 3, within = \"24h\" }",
        about: "A job that fails now and then: from this many incidents on they are one conversation, with one message \
                that counts, and each failure and recovery in its thread. A failure that lasts is shown in the channel. \
                `false` turns it off.",
    },
    Key {
        name: "slow",
        kind: Kind::Table(SLOW),
        default: "",
        about: "`{ over = \"10m\" }`: one message while a run takes longer than this, a warning. Without it, none.",
    },
];

/// Keys of `notify.slow`.
const SLOW: &[Key] = &[Key {
    name: "over",
    kind: Kind::Duration,
    default: "",
    about: "A run that takes longer than this is told of, once, while it goes on.",
}];

/// When the whole output goes along as a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Attach {
    /// When it did not fit into the message.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// In which outputs numbers, times and the like make no difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Normalize {
    /// In those of failures.
    Failures,
    /// In those of ok runs too, for `change`.
    All,
    /// In none.
    None,
}

/// What `[notify]` says.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `on`.
    pub on: Asked,
    /// `channel`; none: the default of `[slack]`.
    pub channel: Option<Vec<Channel>>,
    /// `channels`, by status.
    pub channels: Vec<(Status, Vec<Channel>)>,
    /// `after`; 1 or more.
    pub after: u32,
    /// `repeat`.
    pub repeat: Repeat,
    /// `rate_limit`.
    pub rate_limit: Rate,
    /// `stuck_after`; 0 is never.
    pub stuck_after: u32,
    /// `quiet_hours`.
    pub quiet_hours: Option<Hours>,
    /// `quiet_except`.
    pub quiet_except: Statuses,
    /// `normalize`.
    pub normalize: Normalize,
    /// `mention`.
    pub mention: Vec<Mention>,
    /// `mention_allowed`.
    pub mention_allowed: Vec<Mention>,
    /// `thread`.
    pub thread: bool,
    /// `attach`.
    pub attach: Attach,
    /// `flap`; none when it is turned off.
    pub flap: Option<Flap>,
    /// `intermittent`; none when it is turned off.
    pub intermittent: Option<Intermittent>,
    /// `slow.over`.
    pub slow: Option<Duration>,
}

impl Default for Settings {
    /// What [`KEYS`] name as the defaults, read as a file would be.
    fn default() -> Self {
        static DEFAULT: LazyLock<Settings> = LazyLock::new(defaults);
        DEFAULT.clone()
    }
}

fn defaults() -> Settings {
    let written = KEYS.iter().filter(|key| !key.default.is_empty());
    let text = written.map(|key| format!("{} = {}\n", key.name, key.default)).collect::<String>();
    let (mut sources, reader) = (Sources::default(), Reader::default());
    let id = sources.add("(defaults)".as_ref(), text.as_str());
    let parsed = DeTable::parse(&text).expect("the defaults are TOML").into_inner();
    let mut table = Table::root(&reader, id, &text, &parsed);
    let nothing = Settings {
        on: Asked::default(),
        channel: None,
        channels: Vec::new(),
        after: 1,
        repeat: Repeat::Never,
        rate_limit: parse_rate("1/s").expect("it is a rate"),
        stuck_after: 0,
        quiet_hours: None,
        quiet_except: Statuses::default(),
        normalize: Normalize::None,
        mention: Vec::new(),
        mention_allowed: Vec::new(),
        thread: false,
        attach: Attach::Never,
        flap: None,
        intermittent: None,
        slow: None,
    };
    read_keys(&mut table, nothing)
}

/// Reads `[notify]`, possibly layered over `[defaults.notify]`, possibly empty. What cannot be understood is a problem,
/// and stays at its default.
pub fn read(mut table: Table<'_>) -> Settings {
    let settings = read_keys(&mut table, Settings::default());
    table.finish();
    settings
}

fn read_keys(table: &mut Table<'_>, mut settings: Settings) -> Settings {
    if let Some(on) = table.choices::<On>("on", ON) {
        settings.on = Asked::new(&on);
        if settings.on.asks_always() {
            settings.repeat = Repeat::Always;
        }
    }
    settings.channel = channels(table, "channel");
    settings.channels = by_status(table.table_or_empty("channels"));
    set(&mut settings.after, count(table.integer("after", 1..=10_000)));
    set(&mut settings.repeat, table.value("repeat").and_then(|value| repeat::read(&value)));
    set(&mut settings.rate_limit, table.rate("rate_limit"));
    set(&mut settings.stuck_after, count(table.integer("stuck_after", 0..=1_000_000)));
    settings.quiet_hours = quiet_hours(table);
    let except = table.choices::<Status>("quiet_except", STATUSES).unwrap_or_default();
    settings.quiet_except = except.into_iter().collect();
    set(&mut settings.normalize, normalize(table));
    settings.mention = mentions(table, "mention");
    settings.mention_allowed = mentions(table, "mention_allowed");
    set(&mut settings.thread, table.flag("thread"));
    set(&mut settings.attach, table.choice("attach", ATTACH));
    settings.flap = flap::flap(table, settings.flap);
    settings.intermittent = flap::intermittent(table, settings.intermittent);
    settings.slow = slow(table);
    settings
}

fn slow(table: &mut Table<'_>) -> Option<Duration> {
    let written = table.value("slow")?;
    let mut table = table.table_or_empty("slow");
    let over = table.duration("over");
    if written.is_table() && over.is_none() && table.own_value("over").is_none() {
        let message = format!("`over` is missing in `{}`", written.path());
        let help = "write how long a run may take: `slow = { over = \"10m\" }`";
        table.push(Problem::new(Code::MissingKey, written.key_at, message).help(help));
    }
    if over.is_some_and(|over| over.is_zero())
        && let Some(value) = table.value("over")
    {
        let help = "write a length of time such as `10m`";
        let _: Option<()> = value.refuse(Code::InvalidDuration, "every run takes longer than no time", help);
    }
    table.finish();
    over.filter(|over| !over.is_zero())
}

fn set<T>(to: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *to = value;
    }
}

fn count(number: Option<i64>) -> Option<u32> {
    number.and_then(|number| u32::try_from(number).ok())
}

/// Notes what a parser of ours refused, at the exact characters; always `None`.
fn refuse<T>(table: &Table<'_>, text: &Text<'_>, code: Code, refusal: Refusal) -> Option<T> {
    let at = if text.value.is_empty() { text.at } else { text.inside(refusal.span) };
    table.push(Problem::new(code, at, refusal.message).help(refusal.help));
    None
}

fn normalize(table: &mut Table<'_>) -> Option<Normalize> {
    let value = table.value("normalize")?;
    match value.as_flag() {
        Some(true) => Some(Normalize::All),
        Some(false) => Some(Normalize::None),
        None => table.choice("normalize", NORMALIZE),
    }
}

fn channels(table: &mut Table<'_>, key: &'static str) -> Option<Vec<Channel>> {
    let texts = table.texts(key)?;
    let read = |text: &Text<'_>| match parse_channel(text.value) {
        Ok(channel) => Some(channel),
        Err(refusal) => refuse(table, text, Code::InvalidValue, refusal),
    };
    let mut channels = texts.iter().filter_map(read).collect::<Vec<_>>();
    let mut seen = Vec::new();
    channels.retain(|channel| {
        !seen.contains(channel) && {
            seen.push(channel.clone());
            true
        }
    });
    // None is the default channel, and must not come of a list that was refused whole or left empty.
    if channels.is_empty() && texts.is_empty() {
        let value = table.value(key)?;
        return value.refuse(
            Code::InvalidValue,
            format!("`{}` names no channel", value.path()),
            "name one, leave the key out, or use `on = []` for silence",
        );
    }
    Some(channels)
}

fn by_status(mut table: Table<'_>) -> Vec<(Status, Vec<Channel>)> {
    let all = [
        (Status::Ok, "ok"),
        (Status::Warning, "warning"),
        (Status::Critical, "critical"),
        (Status::Unknown, "unknown"),
    ];
    let read = all.into_iter().filter_map(|(status, key)| Some((status, channels(&mut table, key)?))).collect();
    table.finish();
    read
}

fn quiet_hours(table: &mut Table<'_>) -> Option<Hours> {
    let texts = table.texts("quiet_hours")?;
    let read = |text: &Text<'_>| match parse_hours(text.value) {
        Ok(hours) => Some(hours),
        Err(refusal) => refuse(table, text, Code::InvalidHours, refusal),
    };
    texts.iter().filter_map(read).reduce(|all, hours| all.and(&hours))
}

fn mentions(table: &mut Table<'_>, key: &'static str) -> Vec<Mention> {
    let texts = table.texts(key).unwrap_or_default();
    let read = |text: &Text<'_>| match parse_mention(text.value) {
        Ok(mention) => Some(mention),
        Err(refusal) => refuse(table, text, Code::InvalidValue, refusal),
    };
    // Whoever is named twice is pinged once.
    texts.iter().filter_map(read).fold(Vec::new(), |mut all, mention| {
        if !all.contains(&mention) {
            all.push(mention);
        }
        all
    })
}

impl Normalize {
    /// Whether it holds for the outputs of failures.
    pub(super) fn failures(self) -> bool {
        self != Self::None
    }

    /// Whether it holds for the outputs of ok runs.
    pub(super) fn changes(self) -> bool {
        self == Self::All
    }
}

impl Settings {
    /// Where a message of this status goes: `channels`, else `channel`, else the default. Empty when none is
    /// configured.
    pub fn channels_for(&self, status: Status, default: Option<&Channel>) -> Vec<Channel> {
        let own = self.channels.iter().find(|(of, _)| *of == status).map(|(_, channels)| channels.clone());
        own.or_else(|| self.channel.clone()).unwrap_or_else(|| default.cloned().into_iter().collect())
    }

    /// Where something may be told, whatever the status: by what is asked for, and in any case where critical failures go.
    pub fn all_channels(&self, default: Option<&Channel>) -> Vec<Channel> {
        let news = [On::Output, On::Success, On::Change].iter().any(|on| self.on.asks(*on));
        let apart = self.channels.iter().any(|(of, _)| *of == Status::Ok);
        let may_be = |status: &Status| match status {
            Status::Critical => true,
            // A recovery goes where its failure was told, too.
            Status::Ok => news || (apart && self.on.asks(On::Recovery)),
            Status::Warning | Status::Unknown => self.on.asks(On::Failure),
        };
        Status::ALL.iter().filter(|status| may_be(status)).flat_map(|of| self.channels_for(*of, default)).collect()
    }

    /// Who is pinged, as Slack writes it in mrkdwn: on the first message of a critical failure. Of a notification ask
    /// [`Notification::mentions`](super::Notification::mentions), which also knows of a status that got worse.
    pub fn mentions_for(&self, event: Event, status: Status) -> Vec<String> {
        let pings = event == Event::Failure && status == Status::Critical;
        self.mention.iter().filter(|_| pings).map(Mention::markup).collect()
    }
}
