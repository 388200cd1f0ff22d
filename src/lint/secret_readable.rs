//! `secret-readable`: a file with a secret that others than its owner and group can read, or others than its owner write.

use std::path::Path;

use super::secret_in_file::is_secret_name;
use super::{Scope, Subject, Whole};
use crate::diagnostic::{Code, Place, Problem, Problems};
use crate::notify::secret::Source;

/// What nobody but the owner needs: writing by the group, and anything by others. `0640` is well.
const TOO_WIDE: u32 = 0o027;

/// The file of `token_file` or `webhook_url_file`, and `slack_alert.toml` itself when the secret is written into it.
/// The files of `http.token_file` and `heartbeat.url_file` likewise. A systemd credential is kept by systemd.
pub(super) fn check(whole: &Whole<'_>, found: &mut Problems) {
    let config = &whole.config;
    if let Some(Source::File(path)) = whole.plan.config.http.as_ref().and_then(|http| http.token.as_ref()) {
        judge(path, config.value("http.token_file"), "http.token_file", found);
    }
    if let Some(Source::File(path)) = whole.plan.config.heartbeat.as_ref().map(|heartbeat| &heartbeat.url) {
        judge(path, config.value("heartbeat.url_file"), "heartbeat.url_file", found);
    }
    let Some(source) = whole.plan.config.slack.way.source() else { return };
    let key = |keys: [&'static str; 2]| keys.into_iter().find(move |key| config.find(key).is_some());
    match source {
        Source::File(path) => {
            let Some(key) = key(["slack.token_file", "slack.webhook_url_file"]) else { return };
            judge(path, config.value(key), key.trim_start_matches("slack."), found);
        }
        Source::Literal(_) => {
            let Some(key) = key(["slack.token", "slack.webhook_url"]) else { return };
            let Some(path) = &whole.plan.config.file else { return };
            judge(path, config.key(key), "slack_alert.toml", found);
        }
        Source::Variable { .. } | Source::Credential(_) => {}
    }
}

/// The file of a job's `ping.url_file`: whoever knows the URL can say that the job is well.
pub(super) fn check_ping(subject: &Subject<'_, '_>, _: &Scope, found: &mut Problems) {
    if let Some(Source::File(path)) = subject.job.ping.as_ref().map(|ping| &ping.url) {
        judge(path, subject.file.value("ping.url_file"), "ping.url_file", found);
    }
}

/// The file of a job's `env_file`, where the name of one of its variables says that it is a secret.
pub(super) fn check_env_file(subject: &Subject<'_, '_>, _: &Scope, found: &mut Problems) {
    let Some((path, value)) = subject.job.command.env_file().zip(subject.find("env_file")) else { return };
    if subject.job.command.env_file_names().any(|name| is_secret_name(&name)) {
        judge(path, value.at, "env_file", found);
    }
}

#[expect(clippy::disallowed_methods, reason = "the door of permissions: who may read a secret")]
fn judge(path: &Path, place: Place, what: &str, found: &mut Problems) {
    let Ok(stat) = rustix::fs::stat(path) else { return };
    let mode = stat.st_mode & 0o777;
    if mode & TOO_WIDE == 0 {
        return;
    }
    let who = match mode {
        _ if mode & 0o002 != 0 => "can be changed by everybody",
        _ if mode & 0o004 != 0 => "can be read by everybody",
        _ if mode & 0o020 != 0 => "can be changed by its group",
        _ => "is open to everybody",
    };
    let message = format!("`{what}` holds a secret and {who} (mode {mode:04o})");
    let problem = Problem::new(Code::SecretReadable, place, message);
    found.push(problem.help(format!("chmod 0600 {}", path.strip_prefix(".").unwrap_or(path).display())));
}
