//! The installed service, as its unit says: who the daemon will be. The door of unit files.
//!
//! Before it: the configuration's path. After it: the rules about users. Only where the unit names this very configuration:
//! a project elsewhere is run by whoever runs it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where systemd looks for units, the first that has one wins (systemd.unit(5), "UNIT FILE LOAD PATH").
const FOLDERS: [&str; 6] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
    "/etc/systemd/system.control",
];

const UNIT: &str = "slack-alert.service";

/// Its drop-ins: those of all services, those of all whose names begin alike, its own.
const DROP_INS: [&str; 3] = ["service.d", "slack-.service.d", "slack-alert.service.d"];

/// Who the service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Service {
    /// Its `User=`; where it names none `root`, or with `DynamicUser=` a user that is made for it.
    pub(super) user: String,
    /// It is root, or has the capabilities to become others.
    pub(super) may_switch: bool,
    /// It may give a command a higher priority than others have: a limit says so, or a capability.
    pub(super) may_nice: bool,
}

impl Service {
    /// The service that runs this configuration, when one is installed.
    pub(super) fn of(config: Option<&Path>) -> Option<Self> {
        let folders: Vec<PathBuf> = FOLDERS.iter().map(PathBuf::from).collect();
        Self::installed(&folders, config?)
    }

    fn installed(folders: &[PathBuf], config: &Path) -> Option<Self> {
        let unit = folders.iter().find_map(|folder| read(&folder.join(UNIT)))?;
        let mut text = unit;
        // Drop-ins of all folders, by their names; of one name, that of the first folder counts.
        let mut drop_ins = BTreeMap::new();
        for folder in folders.iter().rev() {
            for path in DROP_INS.iter().flat_map(|name| entries(&folder.join(name))) {
                if let (Some(name), true) = (path.file_name(), path.extension().is_some_and(|end| end == "conf")) {
                    drop_ins.insert(name.to_owned(), path.clone());
                }
            }
        }
        for path in drop_ins.values() {
            text.push('\n');
            text.push_str(&read(path).unwrap_or_default());
        }
        let text = of_service(&text);
        let config = std::path::absolute(config).ok()?;
        starts_with(&text, &config).then(|| Self::from(text.as_str()))
    }
}

/// The settings of `[Service]`, each on one line (systemd.syntax(7)): a backslash at its end joins a line with the next one,
/// past comments.
fn of_service(text: &str) -> String {
    let (mut section, mut found, mut begun) = (String::new(), String::new(), String::new());
    for line in text.lines().map(str::trim) {
        if line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(begin) = line.strip_suffix('\\') {
            begun.push_str(begin);
            begun.push(' ');
            continue;
        }
        let line = std::mem::take(&mut begun) + line;
        match line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            Some(name) => name.clone_into(&mut section),
            None if section == "Service" => found.extend([line.as_str(), "\n"]),
            None => {}
        }
    }
    found
}

/// Where the program looks when nothing names a configuration.
const USUAL: &str = "/etc/slack-alert/slack_alert.toml";

/// Whether a unit starts the program with this configuration, in the order in which the program looks for one.
fn starts_with(unit: &str, config: &Path) -> bool {
    let all = |key: &'static str| unit.lines().filter_map(move |line| value(line, key));
    let Some(start) = all("ExecStart").rfind(|start| !start.is_empty()) else { return false };
    let named: Vec<&str> = std::iter::once(start).chain(all("Environment")).collect();
    if named.iter().any(|line| line.contains(config.to_str().unwrap_or("\0"))) {
        return true;
    }
    let words = || start.split([' ', '\t', '=']).map(|word| word.trim_matches(['"', '\'']));
    if let Some(path) = words().skip_while(|word| *word != "--path").nth(1) {
        return config.parent().is_some_and(|folder| folder == Path::new(path));
    }
    if words().any(|word| word == "--config") || named.iter().any(|line| line.contains("SLACK_ALERT_CONFIG=")) {
        return false;
    }
    let folder = all("WorkingDirectory").next_back().unwrap_or("/");
    config == Path::new(folder).join("slack_alert.toml") || config == Path::new(USUAL)
}

impl From<&str> for Service {
    /// From the text of a unit and its drop-ins, in their order.
    fn from(text: &str) -> Self {
        let last = |key| text.lines().filter_map(|line| value(line, key)).next_back();
        let dynamic = last("DynamicUser").is_some_and(|value| matches!(value, "yes" | "true" | "on" | "1"));
        let usual = if dynamic { UNIT.trim_end_matches(".service") } else { "root" };
        let user = last("User").filter(|user| !user.is_empty()).unwrap_or(usual).to_owned();
        let ambient: Vec<&str> =
            text.lines().filter_map(|line| value(line, "AmbientCapabilities")).fold(Vec::new(), |mut all, value| {
                // An empty value takes back what stood before.
                if value.is_empty() {
                    all.clear();
                } else {
                    all.extend(value.split_whitespace());
                }
                all
            });
        let has = |name: &str| ambient.contains(&name);
        let is_root = matches!(user.as_str(), "root" | "0");
        let may_switch = is_root || (has("CAP_SETUID") && has("CAP_SETGID"));
        let may_nice = last("LimitNICE").is_some() || has(NICE) || is_root && is_within_bounds(text);
        Self { user, may_switch, may_nice }
    }
}

/// The capability of whoever may give a higher priority.
const NICE: &str = "CAP_SYS_NICE";

/// Whether root keeps that capability within `CapabilityBoundingSet=` (systemd.exec(5)): lines add up, an empty one takes back
/// all, `~` excludes.
fn is_within_bounds(text: &str) -> bool {
    let mut within = None;
    for value in text.lines().filter_map(|line| value(line, "CapabilityBoundingSet")) {
        let (excludes, names) = value.strip_prefix('~').map_or((false, value), |names| (true, names));
        let is_named = names.split_whitespace().any(|name| name == NICE);
        within = Some(match (value.is_empty(), excludes) {
            (true, _) => false,
            (false, true) => within.unwrap_or(true) && !is_named,
            (false, false) => within.unwrap_or(false) || is_named,
        });
    }
    within.unwrap_or(true)
}

/// The value of a setting on this line.
fn value<'l>(line: &'l str, key: &str) -> Option<&'l str> {
    let (name, value) = line.split_once('=')?;
    (name.trim() == key).then_some(value.trim())
}

#[expect(clippy::disallowed_methods, reason = "the door of unit files: who the service is stands nowhere else")]
fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

#[expect(clippy::disallowed_methods, reason = "the door of unit files: who the service is stands nowhere else")]
fn entries(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test makes the files it reads")]
mod tests {
    use super::{Service, UNIT, USUAL, starts_with};

    fn service(user: &str, may_switch: bool) -> Service {
        Service { user: user.to_owned(), may_switch, may_nice: user == "root" }
    }

    #[test]
    fn who_may_give_a_higher_priority() {
        for (text, may) in [
            ("User=a\n", false),
            ("User=root\n", true),
            ("User=a\nLimitNICE=-20\n", true),
            ("User=a\nAmbientCapabilities=CAP_SYS_NICE\n", true),
            // As the package's unit is with its drop-in root.conf.
            ("User=a\nCapabilityBoundingSet=\nUser=root\nCapabilityBoundingSet=CAP_SETUID CAP_KILL\n", false),
            ("User=root\nCapabilityBoundingSet=CAP_SETUID\nCapabilityBoundingSet=CAP_SYS_NICE\n", true),
            ("User=root\nCapabilityBoundingSet=~CAP_SYS_ADMIN\n", true),
            ("User=root\nCapabilityBoundingSet=~CAP_SYS_NICE\n", false),
        ] {
            assert_eq!(Service::from(text).may_nice, may, "{text}");
        }
    }

    #[test]
    fn who_the_service_is() {
        for (text, is) in [
            ("[Service]\nUser=slack-alert\n", service("slack-alert", false)),
            ("[Service]\nUser=slack-alert\n[Service]\nUser=root\n", service("root", true)),
            ("[Service]\nExecStart=/bin/x\n", service("root", true)),
            ("User = a\nAmbientCapabilities=CAP_SETUID CAP_SETGID\n", service("a", true)),
            ("User=a\nAmbientCapabilities=CAP_SETUID CAP_SETGID\nAmbientCapabilities=\n", service("a", false)),
            ("User=a\nAmbientCapabilities=CAP_SETUID\n", service("a", false)),
            ("DynamicUser=yes\n", service("slack-alert", false)),
            ("User=root\nDynamicUser=no\n", service("root", true)),
        ] {
            assert_eq!(Service::from(text), is, "{text}");
        }
    }

    #[test]
    fn a_unit_need_not_name_the_configuration_that_it_starts_with() {
        for (lines, config, starts) in [
            ("ExecStart=/usr/bin/slack-alert run", USUAL, true),
            ("ExecStart=/usr/bin/slack-alert run", "/srv/a/slack_alert.toml", false),
            ("ExecStart=/usr/bin/slack-alert\nWorkingDirectory=/srv/a", "/srv/a/slack_alert.toml", true),
            ("ExecStart=/usr/bin/slack-alert --path /srv/a", "/srv/a/slack_alert.toml", true),
            ("ExecStart=/usr/bin/slack-alert run --path=/srv/a", USUAL, false),
            ("ExecStart=/x --config /srv/b.toml", USUAL, false),
            ("ExecStart=/x --config '/srv/b.toml' run", "/srv/b.toml", true),
            ("ExecStart=/x run\nEnvironment=A=1 SLACK_ALERT_CONFIG=/srv/b.toml", "/srv/b.toml", true),
            ("ExecStart=/x run\nEnvironment=A=1 SLACK_ALERT_CONFIG=/srv/b.toml", USUAL, false),
            // A drop-in takes the command back and gives another.
            ("ExecStart=/x --config /srv/c.toml\nExecStart=\nExecStart=/x run", USUAL, true),
            ("ExecStart=/x --config /srv/c.toml\nExecStart=\nExecStart=/x run", "/srv/c.toml", false),
            ("WorkingDirectory=/etc/slack-alert", USUAL, false),
        ] {
            assert_eq!(starts_with(lines, config.as_ref()), starts, "{config}: {lines}");
        }
    }

    #[test]
    fn a_unit_counts_for_the_configuration_that_it_names() {
        let root = tempfile::tempdir().expect("a scratch folder");
        let (etc, lib) = (root.path().join("etc"), root.path().join("lib"));
        std::fs::create_dir_all(etc.join(format!("{UNIT}.d"))).expect("folders");
        std::fs::create_dir_all(&lib).expect("folders");
        let start = "[Service]\nUser=slack-alert\nExecStart=/usr/bin/slack-alert run --config /etc/slack-alert/slack_alert.toml\n";
        std::fs::write(lib.join(UNIT), start).expect("a unit");
        let folders = [etc.clone(), lib];
        let of = |config: &str| Service::installed(&folders, config.as_ref());
        assert_eq!(of("/etc/slack-alert/slack_alert.toml"), Some(service("slack-alert", false)));
        assert_eq!(of("/srv/project/slack_alert.toml"), None);
        let drop_in = |name: &str, text: &str| {
            std::fs::create_dir_all(etc.join(name)).expect("a folder");
            std::fs::write(etc.join(name).join("own.conf"), text).expect("a drop-in");
        };
        for (name, text, is) in [
            ("service.d", "[Service]\nUser = \\\n# who\n  backup\n", service("backup", false)),
            ("slack-.service.d", "[Unit]\nUser=root\n", service("slack-alert", false)),
            ("slack-alert.service.d", "[Service]\nUser=root\n", service("root", true)),
        ] {
            drop_in(name, text);
            assert_eq!(of("/etc/slack-alert/slack_alert.toml"), Some(is), "{name}");
        }
    }
}
