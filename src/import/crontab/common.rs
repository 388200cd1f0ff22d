//! What all entries of a crontab have in common stands once, in `[defaults]`, and not in every job.

use std::path::PathBuf;

use super::super::{NewFile, quote};
use super::line::When;
use super::settings::Settings;

/// How long an imported command may take unless its job says otherwise. cron ends none; a backup of a night has room.
const TIMEOUT: &str = "4h";

/// What stands in `[defaults]`.
#[derive(Clone, Debug, Default)]
pub(super) struct Common {
    settings: Settings,
    timeout: bool,
    /// What `[defaults]` says of the shell counts for every job: one that wants sh(1) has to say so.
    shell: bool,
}

impl Common {
    /// What all entries say, where there are at least two: then it is written to a new file.
    pub(super) fn of<'a>(entries: impl Iterator<Item = (&'a Settings, &'a When)>) -> Self {
        let entries: Vec<_> = entries.collect();
        let mut common = Self { timeout: true, ..Self::default() };
        let Some(((first, _), others)) = entries.split_first().filter(|(_, others)| !others.is_empty()) else {
            return common;
        };
        let all = |same: &dyn Fn(&Settings) -> bool| others.iter().all(|(settings, _)| same(settings));
        let timed = entries.iter().all(|(_, when)| matches!(when, When::Cron(..)));
        let mut env = first.env.clone();
        env.retain(|pair| all(&|other| other.env.contains(pair)));
        common.settings = Settings {
            env,
            shell: first.shell.clone().filter(|_| all(&|other| other.shell == first.shell)),
            home: first.home.clone().filter(|_| all(&|other| other.home == first.home)),
            zone: first.zone.clone().filter(|_| all(&|other| other.zone == first.zone)),
            jitter: first.jitter.clone().filter(|_| timed && all(&|other| other.jitter == first.jitter)),
            silent: first.silent && all(&|other| other.silent),
        };
        common.shell = common.settings.shell.is_some();
        common
    }

    /// What `[defaults]` of a file says that is there already.
    pub(super) fn written(defaults: &toml::Table) -> Self {
        let text = |key: &str| defaults.get(key).and_then(|value| value.as_str()).map(str::to_owned);
        let shell = defaults.get("shell").and_then(toml::Value::as_array);
        let shell = shell.map(|list| list.iter().map(toml::Value::as_str).collect::<Vec<_>>());
        let pairs = defaults.get("env").and_then(|env| env.as_table());
        let env =
            pairs.into_iter().flatten().filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
        let on = defaults.get("notify").and_then(|notify| notify.get("on")).and_then(|on| on.as_array());
        Self {
            settings: Settings {
                env: env.collect(),
                shell: shell.as_ref().and_then(|words| match words.as_slice() {
                    [Some(shell), Some("-c")] => Some((*shell).to_owned()),
                    _ => None,
                }),
                home: text("working_dir"),
                zone: text("time_zone"),
                jitter: text("jitter"),
                silent: on.is_some_and(Vec::is_empty),
            },
            timeout: defaults.contains_key("timeout"),
            shell: shell.is_some(),
        }
    }

    /// The keys that all entries have to say alike, where there are at least two: `[defaults]` could say them once.
    pub(super) fn repeated<'a>(&self, entries: impl Iterator<Item = (&'a Settings, &'a When)>) -> Vec<String> {
        let left: Vec<_> = entries.map(|(settings, when)| (self.taken_from(settings), when)).collect();
        let Settings { env, shell, home, zone, jitter, silent } =
            Self::of(left.iter().map(|(settings, when)| (settings, *when))).settings;
        let keys = [
            ("shell", shell.is_some()),
            ("working_dir", home.is_some()),
            ("time_zone", zone.is_some()),
            ("jitter", jitter.is_some()),
            ("notify.on", silent),
        ];
        let keys = keys.iter().filter(|(_, same)| *same).map(|(key, _)| (*key).to_owned());
        keys.chain(env.iter().map(|(name, _)| format!("env.{name}"))).collect()
    }

    pub(super) fn has_timeout(&self) -> bool {
        self.timeout
    }

    /// What of an entry's settings its job still has to say.
    pub(super) fn taken_from(&self, entry: &Settings) -> Settings {
        let common = &self.settings;
        let mut left = entry.clone();
        left.env.retain(|pair| !common.env.contains(pair));
        if entry.shell == common.shell {
            left.shell = None;
        } else if entry.shell.is_none() && self.shell {
            left.shell = Some("/bin/sh".to_owned());
        }
        left.home = entry.home.clone().filter(|home| Some(home) != common.home.as_ref());
        left.zone = entry.zone.clone().filter(|zone| Some(zone) != common.zone.as_ref());
        left.jitter = entry.jitter.clone().filter(|jitter| Some(jitter) != common.jitter.as_ref());
        left.silent = entry.silent && !common.silent;
        left
    }

    /// `slack_alert.toml`, where there was none.
    pub(super) fn write(&self, file_name: &str) -> NewFile {
        let settings = &self.settings;
        let mut out = quote::comment(&format!("Imported from {file_name}: what its jobs have in common"));
        out.push_str(
            "\n[slack]\n# Until there is a token, messages go to the terminal, or to the journal.\n\
             # token_file = \"slack.token\"\n# channel    = \"#ops\"\n\n[defaults]\n\
             # cron ends no command. This ends one that hangs; a job that takes longer has a `timeout` of its own.\n",
        );
        out.push_str(&format!("timeout = {}\n", quote::text(TIMEOUT)));
        if let Some(shell) = &settings.shell {
            out.push_str(&format!("shell = {}\n", quote::list([shell.as_str(), "-c"])));
        }
        for (key, value) in
            [("working_dir", &settings.home), ("time_zone", &settings.zone), ("jitter", &settings.jitter)]
        {
            if let Some(value) = value {
                out.push_str(&format!("{key} = {}\n", quote::text(value)));
            }
        }
        if !settings.env.is_empty() {
            out.push_str("\n[defaults.env]\n");
            for (name, value) in &settings.env {
                out.push_str(&format!("{} = {}\n", quote::key(name), quote::text(value)));
            }
        }
        if settings.silent {
            out.push_str("\n# MAILTO=\"\": nobody is told\n[defaults.notify]\non = []\n");
        }
        NewFile { path: PathBuf::from("slack_alert.toml"), content: out, secret: false, line: None }
    }
}
