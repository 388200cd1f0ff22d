//! `cannot-switch-user`: a job that asks for a user or group that the daemon cannot become, or for a niceness that it cannot give.

use super::service::Service;
use super::{Scope, Subject};
use crate::diagnostic::{Code, Problem, Problems};
use crate::exec;
use crate::id::in_one_line;

/// A job with `user` or `group` is started as somebody else, which only root may do, or a service that was permitted to.
/// Where the configuration is that of the installed service, its unit says who the daemon is; elsewhere it is whoever runs
/// `check`.
pub(super) fn check(subject: &Subject<'_, '_>, _: &Scope, found: &mut Problems) {
    let command = &subject.job.command;
    let (user, group) = (command.user(), command.group());
    if user.is_none() && group.is_none() {
        return;
    }
    let why = match subject.service {
        Some(service) => refused_by(service, user, group),
        None => exec::may_switch(user, group).err(),
    };
    // A switch to oneself needs nothing; where the service may switch, it needs the program all the same.
    let becomes_other =
        user.is_none_or(|user| subject.service.is_none_or(|service| !exec::same_user(user, &service.user)));
    let lacking =
        subject.service.filter(|service| service.may_switch && becomes_other).and_then(|_| exec::lacks_switch());
    let Some(why) = why.or(lacking) else { return };
    let key = if user.is_some() { "user" } else { "group" };
    let place = subject.file.find(key).map_or_else(|| subject.file.key("command"), |value| value.at);
    let lacks_program = why.contains("setpriv(1)");
    let problem = Problem::new(Code::CannotSwitchUser, place, why);
    let help = if lacks_program { "install util-linux" } else { HELP };
    found.push(problem.help(format!("{help}; or leave `{key}` out")));
}

/// The way out under the package, whose drop-in says what it permits.
const HELP: &str = "let the service run as root: copy /usr/share/doc/slack-alert/drop-ins/root.conf to \
                    /etc/systemd/system/slack-alert.service.d/ (or give it CAP_SETUID and CAP_SETGID with \
                    `AmbientCapabilities=`), then `systemctl daemon-reload` and restart";

/// A job with a negative `nice` is started with a higher priority than others, which takes a right as well.
pub(super) fn check_nice(subject: &Subject<'_, '_>, _: &Scope, found: &mut Problems) {
    let Some(nice) = subject.job.command.nice().filter(|nice| *nice < 0) else { return };
    let why = match subject.service {
        Some(service) if service.may_nice => None,
        Some(service) => {
            Some(format!("the service, as `{}`, is not permitted to set `nice = {nice}`", in_one_line(&service.user)))
        }
        None => exec::may_nice(nice).err(),
    };
    let Some(why) = why else { return };
    let place = subject.file.find("nice").map_or_else(|| subject.file.key("command"), |value| value.at);
    let help = match subject.service {
        Some(_) => NICE_HELP,
        None => "let the daemon run as root, or write a number from 0 on",
    };
    found.push(Problem::new(Code::CannotSwitchUser, place, why).help(help));
}

/// The way out under a service: a limit that its user may go down to.
const NICE_HELP: &str = "give the service `LimitNICE=-20` in a drop-in (`systemctl edit slack-alert`) and restart it, or write \
                         a number from 0 on";

/// A sentence, when the service cannot become them.
fn refused_by(service: &Service, user: Option<&str>, group: Option<&str>) -> Option<String> {
    if service.may_switch {
        return None;
    }
    let is_itself = |name: &str| name == service.user || exec::same_user(name, &service.user);
    match (user, group) {
        (Some(user), _) if !is_itself(user) => {
            Some(format!("the service runs as `{}`, which is not permitted to switch to user `{user}`", service.user))
        }
        (None, Some(group)) => {
            Some(format!("the service runs as `{}`, which is not permitted to switch to group `{group}`", service.user))
        }
        _ => None,
    }
}
