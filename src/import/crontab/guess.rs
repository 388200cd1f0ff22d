//! Whether a crontab has a user before each command: the two formats look alike.

use super::line::word;

/// Users that nearly every system has, and no program is called.
const USERS: &[&str] = &[
    "root",
    "nobody",
    "daemon",
    "bin",
    "www-data",
    "apache",
    "nginx",
    "http",
    "postgres",
    "mysql",
    "redis",
    "backup",
    "news",
    "list",
    "proxy",
    "ntp",
    "munin",
    "nagios",
    "icinga",
    "logcheck",
    "amavis",
    "git",
    "ubuntu",
    "debian",
    "admin",
    "ec2-user",
    "vagrant",
    "_apt",
    "uucp",
    "lp",
    "man",
    "games",
    "irc",
    "gnats",
    "rabbitmq",
    "mongodb",
    "elasticsearch",
    "jenkins",
    "gitlab",
    "nextcloud",
    "zabbix",
    "smmsp",
    "debian-spamd",
    "vmail",
    "cyrus",
    "asterisk",
    "tomcat",
    "deploy",
];

/// Whether each command has a user before it; and whether path or comments say so, or it only looks like it.
pub(super) fn is_system<'t>(file_name: &str, text: &str, rests: impl Iterator<Item = &'t str>) -> (bool, bool) {
    let path = file_name.trim_start_matches("./");
    if path.contains("cron.d/") || path.ends_with("etc/crontab") {
        return (true, true);
    }
    if path.contains("cron/crontabs/") || path.contains("spool/cron/") || path.contains("cron/tabs/") {
        return (false, true);
    }
    for line in text.lines() {
        if let Some(words) = line.trim_start().strip_prefix('#').filter(|words| is_header(words)) {
            return (words.to_lowercase().contains("user"), true);
        }
    }
    let (with, without) = rests.partition::<Vec<_>, _>(|rest| user_of(rest).is_some());
    (!with.is_empty() && without.is_empty(), false)
}

/// The user that seems to stand before a command.
pub(super) fn user_of(rest: &str) -> Option<&str> {
    let (user, command) = word(rest);
    let user = user.split([':', '/']).next().unwrap_or(user);
    (!command.is_empty() && USERS.contains(&user)).then_some(user)
}

/// Whether a comment names the columns: `m h dom mon dow user command`.
pub(super) fn is_header(comment: &str) -> bool {
    let words: Vec<String> = comment.split_whitespace().map(str::to_lowercase).collect();
    let has = |names: &[&str]| words.iter().any(|word| names.contains(&word.as_str()));
    has(&["command", "cmd", "commands"])
        && has(&["m", "min", "minute", "minutes", "mm"])
        && has(&["h", "hour", "hours", "hh"])
        && words.len() < 20
}

#[cfg(test)]
mod tests {
    use super::{is_header, is_system};

    #[test]
    fn a_user_column_is_told_by_path_then_header_then_the_users_themselves() {
        for (file, text, rests, system) in [
            ("/etc/cron.d/php", "", &["run it"][..], (true, true)),
            ("etc/crontab", "", &["run it"], (true, true)),
            ("/var/spool/cron/crontabs/root", "", &["root x"], (false, true)),
            ("tab", "# m h  dom mon dow   command\n", &["root x"], (false, true)),
            ("tab", "#m h dom mon dow user  command\n", &["amavis x"], (true, true)),
            ("tab", "", &["root /bin/x", "www-data:www-data php x"], (true, false)),
            ("tab", "", &["root /bin/x", "backup"], (false, false)),
            ("tab", "", &["/bin/x"], (false, false)),
            ("tab", "", &[], (false, false)),
        ] {
            assert_eq!(is_system(file, text, rests.iter().copied()), system, "{file} {text} {rests:?}");
        }
        assert!(!is_header("every hour, this command says what it is about"));
    }
}
