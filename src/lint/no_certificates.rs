//! `no-certificates`: a machine without root certificates, on which nothing can be sent.

use std::path::Path;

use super::Whole;
use crate::diagnostic::{Code, Problem, Problems};
use crate::notify::Way;

/// Where distributions keep the roots that programs trust: one file, or a folder of them.
const PLACES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/etc/ssl/certs",
];

/// Slack is reached over TLS, there is no `ca_file`, and this machine has no root certificates: an image without the package
/// `ca-certificates`. Every message would wait for ever.
pub(super) fn check(whole: &Whole<'_>, found: &mut Problems) {
    let slack = &whole.plan.config.slack;
    let over_tls = match &slack.way {
        Way::Console => false,
        Way::Token(_) => slack.api_url.starts_with("https:"),
        Way::Webhook(_) => true,
    };
    if !over_tls || slack.ca_file.is_some() {
        return;
    }
    let variable = |name: &str| whole.plan.config.environment.get(name).map(|path| Path::new(path).to_owned());
    let named: Vec<_> = ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter().filter_map(variable).collect();
    let holds_any = match named.is_empty() {
        true => PLACES.iter().any(|path| has_content(Path::new(path))),
        false => named.iter().any(|path| has_content(path)),
    };
    if holds_any {
        return;
    }
    let place = whole.config.find("slack").map_or_else(|| whole.config.start(), |slack| slack.key_at);
    let message = "this machine has no root certificates, without which Slack is not trusted and nothing is sent";
    let help = "install the `ca-certificates` package, or name a file with `slack.ca_file`";
    found.push(Problem::new(Code::NoCertificates, place, message).help(help));
}

/// Whether a file has bytes, or a folder has entries.
#[expect(clippy::disallowed_methods, reason = "the door of root certificates: whether there are any")]
fn has_content(path: &Path) -> bool {
    let Ok(stat) = rustix::fs::stat(path) else { return false };
    if !rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir() {
        return stat.st_size > 0;
    }
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC;
    let Ok(folder) = rustix::fs::open(path, flags, rustix::fs::Mode::empty()) else { return false };
    let Ok(entries) = rustix::fs::Dir::read_from(&folder) else { return false };
    let is_own = |name: &[u8]| name == b"." || name == b"..";
    entries.filter_map(Result::ok).any(|entry| !is_own(entry.file_name().to_bytes()))
}
