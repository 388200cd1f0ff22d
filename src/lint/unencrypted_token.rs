//! `unencrypted-token`: a token, or the URL of a webhook, that anybody on its way can read.

use std::net::IpAddr;

use super::Whole;
use super::invalid_token::place;
use crate::diagnostic::{Code, Problem, Problems};
use crate::notify::Way;
use crate::notify::secret::Kind;

/// `slack.api_url`, or the webhook's URL, is not over TLS and leads to another machine: each request carries the secret.
pub(super) fn check(whole: &Whole<'_>, found: &mut Problems) {
    let slack = &whole.plan.config.slack;
    let (at, what, host) = match &slack.way {
        Way::Token(_) => {
            (whole.config.value("slack.api_url"), "the token goes", unencrypted(&slack.api_url).map(str::to_owned))
        }
        Way::Webhook(source) => {
            let url = source.resolve(Kind::Webhook).ok();
            let host = url.and_then(|url| unencrypted(url.expose()).map(str::to_owned));
            (place(whole), "the webhook's URL and the messages go", host)
        }
        Way::Console => return,
    };
    let Some(host) = host else { return };
    let message = format!("{what} to {host} unencrypted, and whoever is on the way can read it");
    let problem = Problem::new(Code::UnencryptedToken, at, message);
    found.push(problem.help("write `https://`, or let a proxy on this machine carry it on (`http://127.0.0.1`)"));
}

/// The host of a URL without TLS, unless it is this machine.
fn unencrypted(url: &str) -> Option<&str> {
    let scheme = url.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("http://"))?;
    let authority = url[scheme.len()..].split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        None => host.split(':').next()?,
    };
    let lower = name.to_ascii_lowercase();
    let is_local = name.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
        || lower == "localhost"
        || lower.ends_with(".localhost");
    (!is_local).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::unencrypted;

    #[test]
    fn another_machine_without_tls_is_told_from_this_one() {
        for (url, host) in [
            ("https://slack.com/api", None),
            ("http://slack.com/api", Some("slack.com")),
            ("HTTP://proxy:8080", Some("proxy:8080")),
            ("http://user:word@10.0.0.7:80/api", Some("10.0.0.7:80")),
            ("http://[fd00::1]:80/api", Some("[fd00::1]:80")),
            ("http://127.0.0.1:4000/api", None),
            ("http://127.3.2.1", None),
            ("http://[::1]:4000/api", None),
            ("http://[::ffff:127.0.0.1]/api", None),
            ("http://localhost/api", None),
            ("http://slack.localhost:1/api", None),
            ("http://localhost.example.com/api", Some("localhost.example.com")),
        ] {
            assert_eq!(unencrypted(url), host, "{url}");
        }
    }
}
