//! Another user for a command: who it is, and whether the daemon may become it.
//!
//! Before it: `user` and `group` as written. After it: the prefix of the command line in `launch`. The switch itself is made
//! by setpriv(1): doing it between fork and exec would take the standard library off `posix_spawn`.

use nix::unistd::{Gid, Group, Uid, User};

use crate::document::did_you_mean;

/// What a command must become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Switch {
    /// The user, unless the daemon is it already.
    pub(super) uid: Option<u32>,
    /// The group, likewise.
    pub(super) gid: Option<u32>,
    /// HOME, USER, LOGNAME and SHELL of the user; empty without `user`.
    pub(super) variables: Vec<(&'static str, String)>,
}

/// What of the kernel's permissions (capabilities(7)) decides here: their bits.
const CAP_SETGID: u32 = 6;
const CAP_SETUID: u32 = 7;
const CAP_SYS_NICE: u32 = 23;

/// The user of a name, or of a number as text. The error is a sentence.
pub(super) fn user(name: &str) -> Result<User, String> {
    let found = match name.parse() {
        Ok(number) => User::from_uid(Uid::from_raw(number)),
        Err(_) => User::from_name(name),
    };
    match found {
        Ok(Some(user)) => Ok(user),
        Ok(None) => Err(format!("there is no user `{name}` on this machine")),
        Err(error) => Err(format!("user `{name}` cannot be looked up: {}", error.desc().to_lowercase())),
    }
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

/// The group of a name, or of a number as text. The error is a sentence.
pub(super) fn group(name: &str) -> Result<Group, String> {
    let found = match name.parse() {
        Ok(number) => Group::from_gid(Gid::from_raw(number)),
        Err(_) => Group::from_name(name),
    };
    match found {
        Ok(Some(group)) => Ok(group),
        Ok(None) => Err(format!("there is no group `{name}` on this machine")),
        Err(error) => Err(format!("group `{name}` cannot be looked up: {}", error.desc().to_lowercase())),
    }
}

/// What must be switched, or a sentence that says why it cannot be.
pub(super) fn switch(user_name: Option<&str>, group_name: Option<&str>) -> Result<Switch, String> {
    let user = user_name.map(user).transpose()?;
    let group = group_name.map(group).transpose()?;
    let gid = group.map(|group| group.gid).or(user.as_ref().map(|user| user.gid)).map(Gid::as_raw);
    let uid = user.as_ref().map(|user| user.uid.as_raw()).filter(|uid| *uid != Uid::effective().as_raw());
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
    let variables = user.map_or(Vec::new(), |user| {
        let (home, shell) = (user.dir.to_string_lossy().into_owned(), user.shell.to_string_lossy().into_owned());
        vec![("HOME", home), ("USER", user.name.clone()), ("LOGNAME", user.name), ("SHELL", shell)]
    });
    Ok(Switch { uid, gid, variables })
}

/// Whether the daemon may start a command at this niceness above its own; a sentence when not.
pub(super) fn may_nice(nice: i8) -> Result<(), String> {
    let floor = rustix::process::getrlimit(rustix::process::Resource::Nice).current.unwrap_or(40);
    if nice >= 0 || may(CAP_SYS_NICE) || i64::from(nice) >= 20 - i64::try_from(floor).unwrap_or(40) {
        return Ok(());
    }
    Err(format!("not permitted to set `nice = {nice}`: only root may go below 0"))
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
    use super::{GROUPS, USERS, group, meant, switch, user};

    #[test]
    fn accounts_are_found_by_name_and_by_number() {
        assert_eq!(user("root").map(|user| user.uid.as_raw()), Ok(0));
        assert_eq!(user("0").map(|user| user.name), Ok("root".to_owned()));
        assert_eq!(group("root").map(|group| group.gid.as_raw()), Ok(0));
        assert_eq!(user("nobody-here").unwrap_err(), "there is no user `nobody-here` on this machine");
        assert_eq!(group("nobody-here").unwrap_err(), "there is no group `nobody-here` on this machine");
    }

    #[test]
    fn a_slip_is_met_with_a_guess() {
        assert_eq!(meant("roto", USERS).as_deref(), Some("did you mean `root`?"));
        assert_eq!(meant("rooot", GROUPS).as_deref(), Some("did you mean `root`?"));
        assert_eq!((meant("frobnicator", USERS), meant("root", "/no/such/file")), (None, None));
    }

    #[test]
    fn to_be_oneself_needs_no_switch() {
        let own = nix::unistd::Uid::effective().to_string();
        let Ok(switch) = switch(Some(&own), None) else { return };
        assert_eq!((switch.uid, switch.variables.len()), (None, 4));
    }
}
