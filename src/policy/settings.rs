//! What a job says about speaking: the keys of `[notify]`, read and defaulted.
//!
//! Before it: `document`. After it: `judge`, which decides by these settings, and `message`, which asks for channels and
//! mentions.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::address::{Mention, parse_channel, parse_mention};
use super::{Event, Repeat};
use crate::diagnostic::{Code, Problem};
use crate::document::{Key, Kind, Rate, Refusal, Table, Text, Value, nearest, parse_rate};
use crate::exec::Status;
use crate::id::Channel;
use crate::schedule::{Hours, parse_hours};

const ON: &[&str] = &["output", "failure", "recovery", "success", "change", "always"];
const STATUSES: &[&str] = &["ok", "warning", "critical", "unknown"];
const ATTACH: &[&str] = &["auto", "always", "never"];

/// Keys of `notify.channels`.
const CHANNELS: &[Key] = &[
    Key { name: "ok", kind: Kind::TextOrList, default: "", about: "Where good news goes." },
    Key { name: "warning", kind: Kind::TextOrList, default: "", about: "Where warnings go." },
    Key { name: "critical", kind: Kind::TextOrList, default: "", about: "Where critical failures go." },
    Key { name: "unknown", kind: Kind::TextOrList, default: "", about: "Where failures of unknown weight go." },
];

/// Keys of `notify.flap`.
const FLAP: &[Key] = &[
    Key {
        name: "changes",
        kind: Kind::Integer(0, MOST_CHANGES as i64),
        default: "6",
        about: "This many changes of status are flapping; 0 turns it off.",
    },
    Key {
        name: "within",
        kind: Kind::Duration,
        default: "\"30m\"",
        about: "The time in which they fall; and how long the status must then stay the same to count as steady.",
    },
];

/// The keys of `[notify]`.
pub const KEYS: &[Key] = &[
    Key {
        name: "on",
        kind: Kind::Choices(ON),
        default: "[\"output\", \"failure\", \"recovery\"]",
        about: "What is worth a word: `output` (ok, and stdout is not blank), `failure` (not ok), `recovery` (ok again \
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
        about: "Failures in a row before the first word.",
    },
    Key {
        name: "repeat",
        kind: Kind::OneOf(&[Kind::Duration, Kind::Choice(&["never", "always"])]),
        default: "\"1h\"",
        about: "A failure that goes on is repeated at most this often. A status that gets worse, and a different \
                failure, speak at once.",
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
        about: "Statuses that speak at once even in `quiet_hours`, and whose recovery then does too.",
    },
    Key {
        name: "normalize",
        kind: Kind::Flag,
        default: "true",
        about: "Outputs that differ only in numbers, times, hex and UUIDs are the same: the same failure, and no change.",
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
        kind: Kind::Table(FLAP),
        default: "{ changes = 6, within = \"30m\" }",
        about: "A status that changes too often is told once, and then not until it is steady.",
    },
];

/// `flap.changes` can be no more: that many times are remembered.
pub(super) const MOST_CHANGES: u32 = 20;

/// What a job may ask to hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum On {
    /// Ok, and stdout is not blank.
    Output,
    /// Not ok.
    Failure,
    /// Ok again after a reported failure.
    Recovery,
    /// Every ok run.
    Success,
    /// Ok, and stdout differs from the last ok run's.
    Change,
    /// Everything.
    Always,
}

/// The set that `on` lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked(u8);

/// A set of statuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Statuses(u8);

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

/// When changes of status are flapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flap {
    /// So many changes; from 2 to 20.
    pub changes: u32,
    /// Within this time; and steady is what does not change for as long.
    pub within: Duration,
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
    pub normalize: bool,
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
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            on: Asked::new(&[On::Output, On::Failure, On::Recovery]),
            channel: None,
            channels: Vec::new(),
            after: 1,
            repeat: Repeat::Every(Duration::from_secs(3_600)),
            rate_limit: parse_rate("20/h").expect("the default is a rate"),
            stuck_after: 3,
            quiet_hours: None,
            quiet_except: Statuses::default(),
            normalize: true,
            mention: Vec::new(),
            mention_allowed: Vec::new(),
            thread: true,
            attach: Attach::Auto,
            flap: Some(Flap { changes: 6, within: Duration::from_secs(1_800) }),
        }
    }
}

/// Reads `[notify]`, possibly layered over `[defaults.notify]`, possibly empty. What cannot be understood is a problem,
/// and stays at its default.
pub fn read(mut table: Table<'_>) -> Settings {
    let settings = read_keys(&mut table);
    table.finish();
    settings
}

fn read_keys(table: &mut Table<'_>) -> Settings {
    let mut settings = Settings::default();
    if let Some(on) = table.choices::<On>("on", ON) {
        settings.on = Asked::new(&on);
        if settings.on.asks_always() {
            settings.repeat = Repeat::Always;
        }
    }
    settings.channel = channels(table, "channel");
    settings.channels = by_status(table.table_or_empty("channels"));
    set(&mut settings.after, count(table.integer("after", 1..=10_000)));
    set(&mut settings.repeat, table.value("repeat").and_then(|value| repeat(&value)));
    set(&mut settings.rate_limit, table.rate("rate_limit"));
    set(&mut settings.stuck_after, count(table.integer("stuck_after", 0..=1_000_000)));
    settings.quiet_hours = quiet_hours(table);
    let except = table.choices::<Status>("quiet_except", STATUSES).unwrap_or_default();
    settings.quiet_except = except.into_iter().collect();
    set(&mut settings.normalize, table.flag("normalize"));
    settings.mention = mentions(table, "mention");
    settings.mention_allowed = mentions(table, "mention_allowed");
    set(&mut settings.thread, table.flag("thread"));
    set(&mut settings.attach, table.choice("attach", ATTACH));
    settings.flap = flap(table.table_or_empty("flap"));
    settings
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

fn repeat(value: &Value<'_>) -> Option<Repeat> {
    let word = if value.is_text() { value.text()?.value } else { "" };
    match word {
        "never" => Some(Repeat::Never),
        "always" => Some(Repeat::Always),
        _ if word.starts_with(|c: char| c.is_alphabetic()) => {
            let help = match nearest(word, ["never", "always"]) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "write a length of time such as `1h`, or `never`, or `always`".to_owned(),
            };
            value.refuse(Code::InvalidValue, format!("`{word}` is no value for `{}`", value.path()), help)
        }
        _ => value.duration().map(Repeat::Every),
    }
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
    texts.iter().filter_map(read).collect()
}

fn flap(mut table: Table<'_>) -> Option<Flap> {
    let changes = count(table.integer("changes", 0..=i64::from(MOST_CHANGES))).unwrap_or(6);
    let within = table.duration("within").unwrap_or(Duration::from_secs(1_800));
    if changes == 1
        && let Some(value) = table.value("changes")
    {
        let help = "write 2 or more, or 0 to turn it off";
        let _: Option<()> = value.refuse(Code::InvalidValue, "one change is no flapping", help);
    }
    if within.is_zero()
        && let Some(value) = table.value("within")
    {
        let help = "write a length of time such as `30m`; `changes = 0` turns it off";
        let _: Option<()> = value.refuse(Code::InvalidDuration, "nothing changes within no time", help);
    }
    table.finish();
    (changes >= 2 && !within.is_zero()).then_some(Flap { changes, within })
}

impl Settings {
    /// Where a message of this status goes: `channels`, else `channel`, else the default. Empty when none is
    /// configured.
    pub fn channels_for(&self, status: Status, default: Option<&Channel>) -> Vec<Channel> {
        let own = self.channels.iter().find(|(of, _)| *of == status).map(|(_, channels)| channels.clone());
        own.or_else(|| self.channel.clone()).unwrap_or_else(|| default.cloned().into_iter().collect())
    }

    /// Who is pinged, as Slack writes it in mrkdwn: on the first word of a critical failure. Of a word of `judge` ask
    /// [`Word::mentions`](super::Word::mentions), which also knows of a status that got worse.
    pub fn mentions_for(&self, event: Event, status: Status) -> Vec<String> {
        let pings = event == Event::Failure && status == Status::Critical;
        self.mention.iter().filter(|_| pings).map(Mention::markup).collect()
    }
}

impl Asked {
    /// The set of these.
    pub fn new(on: &[On]) -> Self {
        Self(on.iter().fold(0, |set, on| set | 1 << *on as u8))
    }

    /// Whether this is worth a word.
    pub fn asks(self, on: On) -> bool {
        self.asks_always() || self.0 & 1 << on as u8 != 0
    }

    /// Whether everything is.
    pub fn asks_always(self) -> bool {
        self.0 & 1 << On::Always as u8 != 0
    }
}

impl Statuses {
    /// Whether it is in the set.
    pub fn contains(self, status: Status) -> bool {
        self.0 & 1 << status as u8 != 0
    }

    /// Puts it in.
    pub fn insert(&mut self, status: Status) {
        self.0 |= 1 << status as u8;
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those in the set, the worst first.
    pub fn iter(self) -> impl Iterator<Item = Status> {
        [Status::Critical, Status::Unknown, Status::Warning, Status::Ok]
            .into_iter()
            .filter(move |status| self.contains(*status))
    }
}

impl FromIterator<Status> for Statuses {
    fn from_iter<I: IntoIterator<Item = Status>>(statuses: I) -> Self {
        let mut set = Self::default();
        statuses.into_iter().for_each(|status| set.insert(status));
        set
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use toml::de::DeTable;

    use super::{Attach, KEYS, Mention, On, Settings, read};
    use crate::diagnostic::{Problems, Sources};
    use crate::document::{Reader, Table};
    use crate::exec::Status;
    use crate::policy::{Event, Repeat};

    /// Reads `text` as `[notify]` over `defaults`: the settings, and each problem as its source and its message.
    fn read_over(text: &str, defaults: &str) -> (Settings, Vec<String>) {
        let (mut sources, reader) = (Sources::default(), Reader::default());
        let id = sources.add("job.toml".as_ref(), text);
        let below = sources.add("defaults.toml".as_ref(), defaults);
        let own = DeTable::parse(text).expect("valid TOML").into_inner();
        let layer = DeTable::parse(defaults).expect("valid TOML").into_inner();
        let table = Table::root(&reader, id, text, &own).over(&Table::root(&reader, below, defaults, &layer));
        let settings = read(table);
        (settings, shown(reader.into_problems(), &sources))
    }

    fn shown(problems: Problems, sources: &Sources) -> Vec<String> {
        let show = |problem: crate::diagnostic::Problem| {
            let place = problem.place().expect("a place");
            let part = &sources.get(place.source).text[place.span()];
            format!("{} at `{part}`: {} ({})", problem.code.as_str(), problem.message, problem.help.unwrap_or_default())
        };
        problems.into_iter().map(show).collect()
    }

    #[test]
    fn nothing_said_is_the_contract() {
        let (settings, problems) = read_over("", "");
        assert_eq!((settings.clone(), problems), (Settings::default(), vec![]));
        assert!([On::Output, On::Failure, On::Recovery].iter().all(|on| settings.on.asks(*on)));
        assert!(![On::Success, On::Change, On::Always].iter().any(|on| settings.on.asks(*on)));
        assert_eq!(settings.repeat, Repeat::Every(Duration::from_secs(3_600)));
        assert_eq!((settings.rate_limit.to_string(), settings.stuck_after), ("20/h".to_owned(), 3));
    }

    #[test]
    fn the_keys_are_those_that_are_read() {
        let reader = Reader::default();
        let mut keys = KEYS.iter().map(|key| key.name).collect::<Vec<_>>();
        keys.sort_unstable();
        let mut table = Table::empty(&reader);
        super::read_keys(&mut table);
        assert_eq!(table.asked(), keys);
    }

    #[test]
    fn everything_can_be_said() {
        let (settings, problems) = read_over(
            r##"
            on = ["failure", "change"]
            channel = ["#ops", "C05DED65D5", "ops"]
            channels = { critical = "#pager", ok = ["#log", "#all"] }
            after = 3
            repeat = "never"
            rate_limit = "5/10m"
            stuck_after = 0
            quiet_hours = ["22:00-06:00", "Sat,Sun 00:00-24:00"]
            quiet_except = ["critical"]
            normalize = false
            mention = "@here"
            mention_allowed = ["U024BE7LH", "S0614TZR7"]
            thread = false
            attach = "never"
            flap = { changes = 4, within = "10m" }
            "##,
            "",
        );
        assert_eq!(problems, Vec::<String>::new());
        let channels = |status| settings.channels_for(status, None).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(channels(Status::Critical), ["#pager"]);
        assert_eq!(channels(Status::Ok), ["#log", "#all"]);
        assert_eq!(channels(Status::Warning), ["#ops", "C05DED65D5"]);
        assert_eq!((settings.after, settings.repeat, settings.stuck_after), (3, Repeat::Never, 0));
        assert_eq!(settings.mention, [Mention::Here]);
        assert_eq!((settings.attach, settings.thread, settings.normalize), (Attach::Never, false, false));
        assert!(settings.quiet_hours.is_some() && settings.quiet_except.contains(Status::Critical));
        assert_eq!(settings.flap.map(|flap| flap.changes), Some(4));
    }

    #[test]
    fn what_the_job_does_not_say_the_defaults_do() {
        let defaults = "repeat = \"2h\"\nafter = 2\nflap = { within = \"1h\" }";
        let (settings, problems) = read_over("after = 5\nflap = { changes = 3 }", defaults);
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!((settings.after, settings.repeat), (5, Repeat::Every(Duration::from_secs(7_200))));
        let flap = settings.flap.expect("it is on");
        assert_eq!((flap.changes, flap.within), (3, Duration::from_secs(3_600)));
    }

    #[test]
    fn always_repeats_after_every_run_unless_told_otherwise() {
        assert_eq!(read_over("on = [\"always\"]", "").0.repeat, Repeat::Always);
        let hourly = Repeat::Every(Duration::from_secs(3_600));
        assert_eq!(read_over("on = [\"always\"]\nrepeat = \"1h\"", "").0.repeat, hourly);
    }

    #[test]
    fn each_mistake_is_shown_with_its_place_and_the_way_out() {
        for (text, problem) in [
            (
                r#"on = ["failures"]"#,
                "invalid-value at `\"failures\"`: `failures` is no value for `on` (did you mean `failure`? it can be \
                 `output`, `failure`, `recovery`, `success`, `change`, `always`)",
            ),
            (
                r#"repeat = "nevr""#,
                "invalid-value at `\"nevr\"`: `nevr` is no value for `repeat` (did you mean `never`?)",
            ),
            (
                r#"repeat = "5 parsecs""#,
                "invalid-duration at `parsecs`: `repeat`: `parsecs` is not a unit of time (write a number and a unit, \
                 such as `90s`, `5m`, `1h 30m` or `2d`)",
            ),
            (
                r##"channel = "#Ops""##,
                "invalid-value at `O`: `#Ops` is no channel (channel names are lower case: `#ops`)",
            ),
            (
                r##"channel = "#ops, #dev""##,
                "invalid-value at `,`: `#ops, #dev` is no channel (several channels are a list: `[\"#ops\", \"#dev\"]`)",
            ),
            (
                "channel = []",
                "invalid-value at `[]`: `channel` names no channel (name one, leave the key out, or use `on = []` for \
                 silence)",
            ),
            (
                r#"mention = "here""#,
                "invalid-value at `here`: `here` is nobody who can be pinged (did you mean `@here`?)",
            ),
            (
                r#"quiet_hours = "22:00-25:00""#,
                "invalid-hours at `25:00`: `25:00` is no time of day (write hours and minutes, from `00:00` to `24:00`)",
            ),
            ("after = 0", "invalid-value at `0`: `after` is out of range (it must be from 1 to 10000)"),
            (
                "flap = { changes = 1 }",
                "invalid-value at `1`: one change is no flapping (write 2 or more, or 0 to turn it off)",
            ),
            (
                "rate_limit = 20",
                "invalid-rate at `20`: `rate_limit` has no unit (write a rate such as \"1/s\", in quotes; the number alone is `20`)",
            ),
            ("treads = true", "unknown-key at `treads`: unknown key `treads` (did you mean `thread`?)"),
            (r#"channels = { fatal = "x" }"#, "unknown-key at `fatal`: unknown key `fatal` in `channels` ()"),
        ] {
            assert_eq!(read_over(text, "").1, [problem], "{text}");
        }
    }

    #[test]
    fn flapping_can_be_turned_off() {
        assert_eq!(read_over("flap = { changes = 0 }", ""), (Settings { flap: None, ..Settings::default() }, vec![]));
    }

    #[test]
    fn a_ping_is_for_the_first_word_of_a_critical_failure() {
        let settings = Settings { mention: vec![Mention::Here], ..Settings::default() };
        assert_eq!(settings.mentions_for(Event::Failure, Status::Critical), ["<!here>"]);
        assert_eq!(settings.mentions_for(Event::Failure, Status::Warning), Vec::<String>::new());
        assert_eq!(settings.mentions_for(Event::Repeat, Status::Critical), Vec::<String>::new());
    }
}
