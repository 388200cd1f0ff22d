//! Another user for a command: who it is, and whether the daemon may become it.
//!
//! Before it: `user` and `group` as written. After it: the prefix of the command line in `launch`. The switch itself is made
//! by setpriv(1): doing it between fork and exec would take the standard library off `posix_spawn`.

use std::path::Path;

use nix::unistd::{Gid, Group, Uid, User};

use crate::document::did_you_mean;

/// What a command must become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Switch {
    /// The user, unless the daemon is it already.
    pub(super) uid: Option<u32>,
    /// The group, likewise.
    pub(super) gid: Option<u32>,
    /// Which further groups it has then.
    pub(super) groups: Groups,
    /// HOME, USER, LOGNAME and SHELL of the user; empty without `user`.
    pub(super) variables: Vec<(&'static str, String)>,
}

/// Which further groups a command has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Groups {
    /// The daemon's.
    Kept,
    /// The new user's.
    OfUser,
    /// None: nothing is known of the new user.
    None,
}

/// What makes the switch.
pub(super) const SETPRIV: &str = "/usr/bin/setpriv";

/// What of the kernel's permissions (capabilities(7)) decides here: their bits.
const CAP_SETGID: u32 = 6;
const CAP_SETUID: u32 = 7;
const CAP_SYS_NICE: u32 = 23;

/// A user, as far as the machine knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) uid: u32,
    gid: u32,
    /// HOME, USER, LOGNAME and SHELL.
    variables: Vec<(&'static str, String)>,
    /// It has an entry, and so perhaps further groups.
    known: bool,
}

/// The user of a name, or of a number, which needs no entry on this machine. The error is a sentence.
pub(super) fn user(name: &str) -> Result<Account, String> {
    let found = match (User::from_name(name), number(name)) {
        (Ok(None), Some(number)) => User::from_uid(Uid::from_raw(number)),
        (found, _) => found,
    };
    match (found, number(name)) {
        (Ok(Some(user)), _) => {
            let (home, shell) = (user.dir.to_string_lossy().into_owned(), usable_shell(&user.shell.to_string_lossy()));
            let variables = vec![("HOME", home), ("USER", user.name.clone()), ("LOGNAME", user.name), ("SHELL", shell)];
            Ok(Account { uid: user.uid.as_raw(), gid: user.gid.as_raw(), variables, known: true })
        }
        (Ok(None), Some(number)) => {
            let texts = [("HOME", "/"), ("USER", name), ("LOGNAME", name), ("SHELL", "/bin/sh")];
            let variables = texts.map(|(variable, text)| (variable, text.to_owned())).to_vec();
            Ok(Account { uid: number, gid: number, variables, known: false })
        }
        (Ok(None), None) => Err(format!("there is no user `{name}` on this machine")),
        (Err(error), _) => Err(format!("user `{name}` cannot be looked up: {}", error.desc().to_lowercase())),
    }
}

/// What stands in for a shell in the entries of accounts that nobody logs in to. Programs that give a line to `$SHELL`
/// (`flock -c`, parallel(1)) would run it instead of the line; cron gives every command /bin/sh.
const PLACEHOLDERS: [&str; 5] = ["nologin", "false", "true", "sync", "null"];

/// The shell of an account's entry, where it is one; an empty one means /bin/sh, passwd(5).
fn usable_shell(shell: &str) -> String {
    let name = shell.rsplit('/').next().unwrap_or(shell);
    if name.is_empty() || PLACEHOLDERS.contains(&name) { "/bin/sh".to_owned() } else { shell.to_owned() }
}

/// A user's or a group's number as text; the last one means "none" to the kernel.
fn number(name: &str) -> Option<u32> {
    let digits = name.bytes().all(|byte| byte.is_ascii_digit());
    name.parse().ok().filter(|number| digits && *number != u32::MAX)
}

/// The file of this machine's users, and that of its groups (passwd(5), group(5)): for a guess at what was meant.
pub(super) const USERS: &str = "/etc/passwd";
pub(super) const GROUPS: &str = "/etc/group";

/// The nearest name of such a file, in a sentence. Accounts that come from elsewhere are not guessed.
#[expect(clippy::disallowed_methods, reason = "the door of accounts: names that are not asked for one by one")]
pub(super) fn meant(name: &str, file: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    did_you_mean(name, text.lines().filter_map(|line| line.split(':').next()).filter(|known| !known.is_empty()))
}

/// The group of a name, or of a number, which needs no entry on this machine. The error is a sentence.
pub fn group(name: &str) -> Result<u32, String> {
    match (Group::from_name(name), number(name)) {
        (Ok(Some(group)), _) => Ok(group.gid.as_raw()),
        (Ok(None), Some(number)) => Ok(number),
        (Ok(None), None) => Err(format!("there is no group `{name}` on this machine")),
        (Err(error), _) => Err(format!("group `{name}` cannot be looked up: {}", error.desc().to_lowercase())),
    }
}

/// What must be switched, or a sentence that says why it cannot be.
pub(super) fn switch(user_name: Option<&str>, group_name: Option<&str>) -> Result<Switch, String> {
    let user = user_name.map(user).transpose()?;
    let group = group_name.map(group).transpose()?;
    let gid = group.or(user.as_ref().map(|user| user.gid));
    let uid = user.as_ref().map(|user| user.uid).filter(|uid| *uid != Uid::effective().as_raw());
    // With another user the group is always set, and the user's further groups with it.
    let gid = gid.filter(|gid| uid.is_some() || *gid != Gid::effective().as_raw());
    let lacks_uid = uid.is_some() && !may(CAP_SETUID);
    if lacks_uid || (gid.is_some() && !may(CAP_SETGID)) {
        let whom = match (user_name, group_name) {
            (Some(name), _) if uid.is_some() => format!("user `{name}`"),
            (_, Some(name)) => format!("group `{name}`"),
            (name, None) => format!("user `{}`", name.unwrap_or_default()),
        };
        let own = Uid::effective();
        return Err(format!("not permitted to switch to {whom}: slack-alert runs as uid {own}, only root may switch"));
    }
    if uid.is_some() || gid.is_some() {
        lacks_setpriv(Path::new(SETPRIV)).map_or(Ok(()), Err)?;
    }
    let groups = match &user {
        Some(user) if uid.is_some() && user.known => Groups::OfUser,
        Some(_) if uid.is_some() => Groups::None,
        _ => Groups::Kept,
    };
    Ok(Switch { uid, gid, groups, variables: user.map(|user| user.variables).unwrap_or_default() })
}

/// A sentence, where the program is not there that makes the switch.
#[expect(clippy::disallowed_methods, reason = "the door of accounts: whether the program that switches is there")]
fn lacks_setpriv(program: &Path) -> Option<String> {
    let is_there = rustix::fs::access(program, rustix::fs::Access::EXEC_OK).is_ok();
    (!is_there).then(|| {
        let program = program.display();
        format!("to switch to another user or group takes setpriv(1) of util-linux, and `{program}` is not there")
    })
}

/// What this machine lacks to start a command as somebody else, whoever the daemon is; a sentence.
pub fn lacks_switch() -> Option<String> {
    lacks_setpriv(Path::new(SETPRIV))
}

/// Whether this process may start a command as this user and group; a sentence when not. Of names that are not known nothing
/// is said.
pub fn may_switch(user_name: Option<&str>, group_name: Option<&str>) -> Result<(), String> {
    let known = user_name.is_none_or(|name| user(name).is_ok()) && group_name.is_none_or(|name| group(name).is_ok());
    if known { switch(user_name, group_name).map(|_| ()) } else { Ok(()) }
}

/// Whether two names or numbers are the same user.
pub fn same_user(one: &str, other: &str) -> bool {
    matches!((user(one), user(other)), (Ok(one), Ok(other)) if one.uid == other.uid)
}

/// Whether the daemon may start a command at this niceness above its own; a sentence when not.
pub fn may_nice(nice: i8) -> Result<(), String> {
    let floor = rustix::process::getrlimit(rustix::process::Resource::Nice).current.unwrap_or(40);
    if nice >= 0 || may(CAP_SYS_NICE) || i64::from(nice) >= 20 - i64::try_from(floor).unwrap_or(40) {
        return Ok(());
    }
    Err(format!(
        "not permitted to set `nice = {nice}`: below 0 takes root, with CAP_SYS_NICE, or a limit (RLIMIT_NICE)"
    ))
}

/// Whether this process has the capability. Where that cannot be learnt, whether it is root.
#[expect(clippy::disallowed_methods, reason = "the door of permissions: the kernel tells them in /proc only")]
fn may(capability: u32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    match effective.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()) {
        Some(bits) => bits & (1 << capability) != 0,
        None => Uid::effective().is_root(),
    }
}

#[cfg(test)]
mod tests {
    use super::{GROUPS, USERS, group, meant, switch, usable_shell, user};

    #[test]
    fn accounts_are_found_by_name_and_by_number() {
        assert_eq!(user("root").map(|user| user.uid), Ok(0));
        assert_eq!(user("0"), user("root"));
        assert_eq!((group("root"), group("0")), (Ok(0), Ok(0)));
        // A number needs no entry: containers have users that nobody named.
        let unnamed = user("1000680000").expect("a number");
        assert_eq!((unnamed.uid, unnamed.gid, unnamed.known), (1_000_680_000, 1_000_680_000, false));
        assert_eq!(unnamed.variables[0], ("HOME", "/".to_owned()));
        assert_eq!(group("1000680000"), Ok(1_000_680_000));
        for name in ["4294967295", "4294967296", "-1", "+5", ""] {
            assert!(user(name).is_err() && group(name).is_err(), "{name}");
        }
        assert_eq!(user("nobody-here").unwrap_err(), "there is no user `nobody-here` on this machine");
        assert_eq!(group("nobody-here").unwrap_err(), "there is no group `nobody-here` on this machine");
    }

    #[test]
    fn an_account_that_nobody_logs_in_to_has_a_shell_that_runs_lines() {
        for (entry, shell) in [
            ("/usr/sbin/nologin", "/bin/sh"),
            ("/sbin/nologin", "/bin/sh"),
            ("/bin/false", "/bin/sh"),
            ("/usr/bin/true", "/bin/sh"),
            ("/bin/sync", "/bin/sh"),
            ("/dev/null", "/bin/sh"),
            ("", "/bin/sh"),
            ("/bin/bash", "/bin/bash"),
            ("/usr/bin/fish", "/usr/bin/fish"),
        ] {
            assert_eq!(usable_shell(entry), shell, "{entry}");
        }
    }

    #[test]
    fn a_slip_is_met_with_a_guess() {
        assert_eq!(meant("roto", USERS).as_deref(), Some("did you mean `root`?"));
        assert_eq!(meant("rooot", GROUPS).as_deref(), Some("did you mean `root`?"));
        assert_eq!((meant("frobnicator", USERS), meant("root", "/no/such/file")), (None, None));
    }

    #[test]
    fn without_the_program_that_switches_it_is_named() {
        let lacks = super::lacks_setpriv(std::path::Path::new("/no/such/setpriv")).unwrap_or_default();
        assert!(lacks.contains("setpriv(1) of util-linux, and `/no/such/setpriv` is not there"), "{lacks}");
        assert_eq!(super::lacks_setpriv(std::path::Path::new("/bin/sh")), None);
    }

    #[test]
    fn to_be_oneself_needs_no_switch() {
        let own = nix::unistd::Uid::effective().to_string();
        let Ok(switch) = switch(Some(&own), None) else { return };
        assert_eq!((switch.uid, switch.variables.len()), (None, 4));
    }
}
