//! What a job may say in `[notify]`, and what is made of it.

use std::time::Duration;

use toml::de::DeTable;

use super::{Attach, Flap, Intermittent, KEYS, Mention, Normalize, On, Repeat, Settings, read};
use crate::diagnostic::{Problems, Sources};
use crate::document::{Reader, Table};
use crate::exec::Status;
use crate::policy::Event;

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
    let hours = |hours: u64| Duration::from_secs(hours * 3_600);
    assert_eq!(settings.repeat, Repeat::Growing { first: hours(1), longest: hours(24) });
    assert_eq!(settings.normalize, Normalize::Failures);
    assert_eq!(settings.flap, Some(Flap { changes: 6, within: Duration::from_secs(1_800) }));
    assert_eq!(settings.intermittent, Some(Intermittent { incidents: 3, within: hours(24) }));
    assert_eq!((settings.after, settings.thread, settings.attach), (1, true, Attach::Auto));
    assert_eq!((settings.rate_limit.to_string(), settings.stuck_after), ("20/h".to_owned(), 3));
}

#[test]
fn the_keys_are_those_that_are_read() {
    let reader = Reader::default();
    let mut keys = KEYS.iter().map(|key| key.name).collect::<Vec<_>>();
    keys.sort_unstable();
    let mut table = Table::empty(&reader);
    super::read_keys(&mut table, Settings::default());
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
    assert_eq!((settings.attach, settings.thread, settings.normalize), (Attach::Never, false, Normalize::None));
    assert!(settings.quiet_hours.is_some() && settings.quiet_except.contains(Status::Critical));
    assert_eq!(settings.flap.map(|flap| flap.changes), Some(4));
}

#[test]
fn whoever_is_named_twice_is_pinged_once() {
    let (settings, problems) = read_over("mention = ['@here', 'U024BE7LH', '@here', 'U024BE7LH']", "");
    assert_eq!((problems, settings.mention), (Vec::new(), vec![Mention::Here, Mention::User("U024BE7LH".to_owned())]));
}

#[test]
fn a_table_over_a_default_that_is_none_stands_alone() {
    let (settings, problems) = read_over("flap = { changes = 3 }", "flap = false");
    assert_eq!((problems, settings.flap.map(|flap| flap.changes)), (Vec::<String>::new(), Some(3)));
    let (settings, problems) = read_over("flap = false", "flap = { changes = 3 }");
    assert_eq!((problems, settings.flap), (Vec::<String>::new(), None));
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
        (r#"repeat = "nevr""#, "invalid-value at `\"nevr\"`: `nevr` is no value for `repeat` (did you mean `never`?)"),
        (
            r#"repeat = "5 parsecs""#,
            "invalid-duration at `parsecs`: `repeat`: `parsecs` is not a unit of time (write a number and a unit, \
             such as `90s`, `5m`, `1h 30m` or `2d`)",
        ),
        (r##"channel = "#Ops""##, "invalid-value at `O`: `#Ops` is no channel (channel names are lower case: `#ops`)"),
        (
            r##"channel = "#ops, #dev""##,
            "invalid-value at `,`: `#ops, #dev` is no channel (several channels are a list: `[\"#ops\", \"#dev\"]`)",
        ),
        (
            "channel = []",
            "invalid-value at `[]`: `channel` names no channel (name one, leave the key out, or use `on = []` for \
             silence)",
        ),
        (r#"mention = "here""#, "invalid-value at `here`: `here` is nobody who can be pinged (did you mean `@here`?)"),
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
        (
            r#"channels = { fatal = "x" }"#,
            "unknown-key at `fatal`: unknown key `fatal` in `channels` (it can be `critical`, `ok`, `unknown`, `warning`)",
        ),
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
