//! The settings of a crontab (`NAME=value`), each of which counts for the entries below it.

use crate::clock;

/// cron's own variables, which mean nothing to a command.
const MAIL_VARIABLES: &[&str] = &["MAILFROM", "CONTENT_TYPE", "CONTENT_TRANSFER_ENCODING"];

/// What the settings above an entry make of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    pub(super) env: Vec<(String, String)>,
    pub(super) shell: Option<String>,
    pub(super) home: Option<String>,
    pub(super) zone: Option<String>,
    pub(super) jitter: Option<String>,
    /// `MAILTO=""`: nobody is told.
    pub(super) silent: bool,
}

/// A setting counts for the entries below it. The answer is what has to be said about it.
pub(super) fn set(settings: &mut Settings, name: &str, value: &str) -> Option<String> {
    let put = |env: &mut Vec<(String, String)>| {
        env.retain(|(known, _)| known != name);
        env.push((name.to_owned(), value.to_owned()));
    };
    match name {
        "SHELL" => {
            settings.shell = Some(value.to_owned()).filter(|shell| shell != "/bin/sh" && !shell.is_empty());
            None
        }
        "MAILTO" => {
            settings.silent = value.is_empty();
            let text = format!(
                "mail went to `{value}`; messages now go to `slack.channel`, or to the `notify.channel` of a job"
            );
            (!value.is_empty()).then_some(text)
        }
        "CRON_TZ" => {
            let zone = value.strip_prefix(':').unwrap_or(value);
            settings.zone = Some(zone.to_owned()).filter(|zone| !zone.is_empty());
            let is_unknown = settings.zone.as_deref().is_some_and(|zone| clock::zone(zone).is_none());
            let text = format!(
                "CRON_TZ: `{zone}` names no time zone that is known here, and cron takes UTC for it: correct the jobs' `time_zone`, \
                 with which they are not loaded"
            );
            is_unknown.then_some(text)
        }
        "RANDOM_DELAY" => match value.parse::<u32>() {
            Ok(minutes) => {
                settings.jitter = (minutes > 0).then(|| format!("{minutes}m"));
                None
            }
            Err(_) => Some(format!("RANDOM_DELAY: `{value}` is no number of minutes")),
        },
        "LOGNAME" => Some("cron does not let a crontab change LOGNAME: left out".to_owned()),
        name if MAIL_VARIABLES.contains(&name) => Some(format!("{name} is about cron's mail: left out")),
        "TZ" => {
            put(&mut settings.env);
            Some("TZ is for the commands alone, as in cron; `time_zone` is for the times".to_owned())
        }
        "HOME" => {
            put(&mut settings.env);
            settings.home = Some(value.to_owned()).filter(|home| home.starts_with('/'));
            None
        }
        _ => {
            put(&mut settings.env);
            None
        }
    }
}
