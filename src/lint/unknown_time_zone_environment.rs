//! `unknown-time-zone-environment`: a system whose time zone is not known, so that all times are UTC.

use super::Whole;
use crate::diagnostic::{Code, Problem, Problems};
use crate::document::nearest;

/// `TZ` names no zone, or this machine's zone is in no file (no tzdata, a link that leads nowhere). Without `time_zone` in
/// slack_alert.toml every calendar, every hour and every time in a message is then UTC.
pub(super) fn check(whole: &Whole<'_>, found: &mut Problems) {
    let config = &whole.plan.config;
    if !config.zone.is_unknown() {
        return;
    }
    let variable = config.environment.get("TZ").map(|value| value.to_string_lossy()).filter(|value| !value.is_empty());
    let variable = variable.as_deref();
    let message = match variable {
        Some(name) => format!("the environment's TZ is `{name}`, which names no time zone known here: times are UTC"),
        None => "the time zone of this machine cannot be read (/etc/localtime): times are UTC".to_owned(),
    };
    let known: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
    let near = variable.and_then(|name| nearest(name, known.iter().map(String::as_str)));
    let help = match near {
        Some(near) => format!("did you mean `{near}`? or set `time_zone` in slack_alert.toml"),
        None if known.is_empty() => "install the `tzdata` package, or set `time_zone = \"UTC\"`".to_owned(),
        None => "set `time_zone` in slack_alert.toml".to_owned(),
    };
    found.push(Problem::new(Code::UnknownTimeZoneEnvironment, whole.config.start(), message).help(help));
}
