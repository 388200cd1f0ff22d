//! Why a connection did not come about, in words that name what to change. Pure.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, CertificateError};

use crate::diagnostic::mask;

/// What keeps a connection from coming about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// The name is not known (DNS).
    UnknownHost,
    /// Nobody answers who knows names (DNS).
    NoNames,
    /// Nobody listens there.
    Refused,
    /// No way leads there.
    NoRoute,
    /// It was closed while it was made.
    Closed,
    /// This machine forbids it.
    Forbidden,
    /// Of the TLS connection.
    Tls(Tls),
}

/// Why no TLS connection came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tls {
    /// Who signed the certificate is not known here.
    UnknownIssuer,
    /// The certificate vouches for itself.
    SelfSigned,
    /// It is that of another host.
    OtherHost,
    /// It is not valid any more.
    Expired,
    /// It is not valid yet.
    NotYet,
    /// It was called back.
    Revoked,
    /// It is broken, or was made for something else.
    Unusable,
    /// What answers does not speak TLS.
    Plain,
    /// Both sides speak TLS, and have no version or cipher in common.
    NothingInCommon,
    /// The other side wants to see a certificate.
    WantsCertificate,
    /// The other side has no host of that name.
    UnknownName,
    /// It said no, and not why.
    Refused,
}

/// `address` is what names the host in the configuration: `slack.api_url`, or the webhook's URL.
pub(super) fn words(error: &(dyn Error + 'static), host: &str, address: &str, proxy: bool) -> String {
    let cause = mask::secrets(&root_cause(error)).into_owned();
    if let Some((what, change)) = of_proxy(&cause, host) {
        return format!("cannot reach {host}: {what}: {change}");
    }
    let by_way = if proxy { " by way of the proxy" } else { "" };
    let Some(known) = cause_of(error) else {
        return format!("cannot reach {host}{by_way}: {cause}");
    };
    let (what, change) = match known {
        Cause::Tls(tls) => of_certificate(tls, address),
        // Before TLS begins only the proxy has been asked.
        cause if proxy => (of_connection(cause, "the proxy's"), "check slack.proxy".to_owned()),
        cause => {
            let change = match cause {
                Cause::NoNames => "check this machine's network and /etc/resolv.conf".to_owned(),
                Cause::NoRoute => "check this machine's network, or set slack.proxy".to_owned(),
                Cause::Forbidden => {
                    "check this machine's firewall, and RestrictAddressFamilies= and IPAddressDeny= of the unit"
                        .to_owned()
                }
                _ => format!("check {address} or slack.proxy"),
            };
            (of_connection(cause, "its"), change)
        }
    };
    format!("cannot reach {host}{by_way}: {what}: {change}")
}

/// An exchange that broke off, in words.
pub(super) fn broken_off(error: &(dyn Error + 'static), host: &str, address: &str) -> String {
    let cause = mask::secrets(&root_cause(error)).into_owned();
    let closed = ["before message completed", "unexpected end of file", "unexpected EOF", "end of file before"];
    let no_http = ["invalid HTTP", "invalid header", "message head is too large"];
    let has = |parts: &[&str]| parts.iter().any(|part| cause.contains(part));
    let what = match cause_of(error) {
        Some(Cause::Tls(tls)) => {
            let (what, change) = of_certificate(tls, address);
            format!("{what}: {change}")
        }
        Some(Cause::Closed) => "the connection was closed before the answer was there".to_owned(),
        _ if has(&closed) => "the connection was closed before the answer was there".to_owned(),
        _ if has(&no_http) => {
            format!("what answers there does not speak HTTP: check the port of {address} and slack.proxy")
        }
        _ => cause,
    };
    format!("the exchange with {host} broke off: {what}")
}

/// What the proxy said.
fn of_proxy(cause: &str, host: &str) -> Option<(String, String)> {
    let no_way = "the proxy does not let the connection through";
    let tunnel = cause.strip_prefix("tunnel error: ").or_else(|| cause.strip_prefix("SOCKS error: "))?;
    let (what, change) = match tunnel {
        "proxy authorization required" => (
            format!("{no_way} without a login"),
            "write user and password into slack.proxy: `http://user:password@…`".to_owned(),
        ),
        "unsuccessful" => (no_way.to_owned(), format!("allow {host} there, or name another proxy: check slack.proxy")),
        "unexpected end of file" | "io error establishing tunnel" => {
            (format!("{no_way} (it closed the connection)"), "check slack.proxy".to_owned())
        }
        "proxy response headers too long" => {
            ("what answers in the proxy's place is no proxy".to_owned(), "check slack.proxy".to_owned())
        }
        other => (format!("{no_way} ({other})"), "check slack.proxy".to_owned()),
    };
    Some((what, change))
}

/// What failed before TLS; `whose` is the host's or the proxy's.
fn of_connection(cause: Cause, whose: &str) -> String {
    match cause {
        Cause::UnknownHost => format!("{whose} name is not known (DNS)"),
        Cause::NoNames => format!("{whose} name cannot be looked up now: no name server (DNS) answers"),
        Cause::Refused => "the connection was refused".to_owned(),
        Cause::NoRoute => "the network has no route there".to_owned(),
        Cause::Closed => "the connection was closed while it was made".to_owned(),
        Cause::Forbidden | Cause::Tls(_) => "this machine does not permit the connection".to_owned(),
    }
}

/// What is wrong with the certificate or with TLS, and what to do.
fn of_certificate(tls: Tls, address: &str) -> (String, String) {
    let both = format!("check {address} and slack.proxy");
    let (what, change) = match tls {
        Tls::UnknownIssuer => (
            "its certificate is signed by an authority that is not known here",
            "name a file with that root certificate in slack.ca_file".to_owned(),
        ),
        Tls::SelfSigned => (
            "its certificate is self-signed",
            "name a file with the root certificate that signed it in slack.ca_file; a server's own certificate must \
             not be marked as that of an authority"
                .to_owned(),
        ),
        Tls::OtherHost => ("its certificate is that of another host", both),
        Tls::Expired => (
            "its certificate is not valid any more",
            "check this machine's clock, or have the certificate renewed".to_owned(),
        ),
        Tls::NotYet => ("its certificate is not valid yet", "check this machine's clock".to_owned()),
        Tls::Revoked => ("its certificate was revoked", "have it replaced".to_owned()),
        Tls::Unusable => ("its certificate cannot be used", both),
        Tls::Plain => (
            "what answers there does not speak TLS",
            format!("check the port and the scheme (http, https) of {address} and slack.proxy"),
        ),
        Tls::NothingInCommon => (
            "it has no version of TLS and no cipher in common with this program",
            format!("it must speak TLS 1.2 or 1.3: {both}"),
        ),
        Tls::WantsCertificate => ("it asks for a certificate of this machine, and there is none", both),
        Tls::UnknownName => ("it does not know that name", both),
        Tls::Refused => ("it refused the TLS connection", both),
    };
    (what.to_owned(), change)
}

/// What is known of an error, from its chain.
fn cause_of(error: &(dyn Error + 'static)) -> Option<Cause> {
    let mut next = Some(error);
    // The chain is short by nature.
    for _ in 0..16 {
        let here = next?;
        if let Some(tls) = here.downcast_ref::<rustls::Error>() {
            return Some(Cause::Tls(of_tls(tls)));
        }
        if let Some(io) = here.downcast_ref::<io::Error>() {
            // What an I/O error wraps is not the source that it names.
            if let Some(known) = io.get_ref().and_then(|inner| cause_of(inner)) {
                return Some(known);
            }
            if let Some(known) = of_io(io) {
                return Some(known);
            }
        }
        // The resolver's error has no type of its own.
        let words = here.to_string();
        if let Some(why) = words.strip_prefix("failed to lookup address information") {
            let later = ["Temporary failure", "Try again", "System error"].iter().any(|part| why.contains(part));
            return Some(if later { Cause::NoNames } else { Cause::UnknownHost });
        }
        next = here.source();
    }
    None
}

fn of_io(error: &io::Error) -> Option<Cause> {
    Some(match error.kind() {
        io::ErrorKind::ConnectionRefused => Cause::Refused,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown => {
            Cause::NoRoute
        }
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => Cause::Closed,
        io::ErrorKind::PermissionDenied => Cause::Forbidden,
        _ => return None,
    })
}

fn of_tls(error: &rustls::Error) -> Tls {
    match error {
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::UnknownIssuer => Tls::UnknownIssuer,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Tls::OtherHost,
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Tls::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Tls::NotYet,
            CertificateError::Revoked => Tls::Revoked,
            // webpki's own word for a certificate of an authority in the place of a server's: the usual self-signed one.
            CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => Tls::SelfSigned,
            _ => Tls::Unusable,
        },
        rustls::Error::InvalidMessage(_) => Tls::Plain,
        rustls::Error::PeerIncompatible(_) => Tls::NothingInCommon,
        rustls::Error::AlertReceived(alert) => match alert {
            AlertDescription::HandshakeFailure
            | AlertDescription::ProtocolVersion
            | AlertDescription::InsufficientSecurity
            | AlertDescription::NoApplicationProtocol => Tls::NothingInCommon,
            AlertDescription::CertificateRequired
            | AlertDescription::NoCertificate
            | AlertDescription::BadCertificate => Tls::WantsCertificate,
            AlertDescription::UnrecognisedName => Tls::UnknownName,
            _ => Tls::Refused,
        },
        _ => Tls::Refused,
    }
}

/// The innermost error: the outer ones only say that there is one. Its chain is short by nature, and cut all the same.
pub(super) fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    for _ in 0..16 {
        match cause.source() {
            Some(inner) => cause = inner,
            None => break,
        }
    }
    cause.to_string().chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::{fmt, io};

    use rustls::{AlertDescription, CertificateError, InvalidMessage};

    use super::{broken_off, words};

    /// An error as clients wrap one: its own words say nothing.
    #[derive(Debug)]
    struct Outer(Box<dyn Error + Send + Sync + 'static>);

    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("client error (Connect)")
        }
    }

    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&*self.0)
        }
    }

    fn outer(inner: impl Into<Box<dyn Error + Send + Sync + 'static>>) -> Outer {
        Outer(inner.into())
    }

    #[test]
    fn what_keeps_a_connection_from_coming_about_is_said_with_the_host_and_what_to_do() {
        let tls = |error: rustls::Error| outer(io::Error::new(io::ErrorKind::InvalidData, error));
        let certificate = |error| tls(rustls::Error::InvalidCertificate(error));
        let alert = |alert| tls(rustls::Error::AlertReceived(alert));
        let of_kind = |kind: io::ErrorKind| outer(io::Error::from(kind));
        let lookup = |why: &str| outer(io::Error::other(format!("failed to lookup address information: {why}")));
        for (error, what, change) in [
            (lookup("Name or service not known"), "name is not known (DNS)", "check slack.api_url or slack.proxy"),
            (lookup("Temporary failure in name resolution"), "no name server (DNS) answers", "/etc/resolv.conf"),
            (of_kind(io::ErrorKind::ConnectionRefused), "refused", "check slack.api_url"),
            (of_kind(io::ErrorKind::NetworkUnreachable), "no route", "this machine's network"),
            (of_kind(io::ErrorKind::ConnectionReset), "closed while it was made", "check slack.api_url"),
            (of_kind(io::ErrorKind::UnexpectedEof), "closed while it was made", "check slack.api_url"),
            (of_kind(io::ErrorKind::PermissionDenied), "does not permit the connection", "IPAddressDeny="),
            (certificate(CertificateError::UnknownIssuer), "not known here", "slack.ca_file"),
            (certificate(CertificateError::NotValidForName), "another host", "check slack.api_url"),
            (certificate(CertificateError::Expired), "not valid any more", "this machine's clock"),
            (certificate(CertificateError::NotValidYet), "not valid yet", "this machine's clock"),
            (certificate(CertificateError::Revoked), "revoked", "have it replaced"),
            (certificate(CertificateError::BadEncoding), "cannot be used", "check slack.api_url"),
            (tls(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)), "does not speak TLS", "the port"),
            (alert(AlertDescription::ProtocolVersion), "no version of TLS", "TLS 1.2 or 1.3"),
            (alert(AlertDescription::CertificateRequired), "asks for a certificate", "check slack.api_url"),
            (alert(AlertDescription::UnrecognisedName), "does not know that name", "check slack.api_url"),
            (alert(AlertDescription::InternalError), "refused the TLS connection", "check slack.api_url"),
            (outer("tunnel error: proxy authorization required"), "without a login", "into slack.proxy"),
            (outer("tunnel error: unsuccessful"), "does not let the connection through", "allow slack.com there"),
            (outer("tunnel error: unexpected end of file"), "it closed the connection", "check slack.proxy"),
        ] {
            let said = words(&error, "slack.com", "slack.api_url", false);
            assert!(said.starts_with("cannot reach slack.com: ") && said.contains(what), "{said}");
            assert!(said.contains(change), "{said}");
            // The words of libraries help nobody.
            let raw = ["os error", "Error(", "tunnel error", "lookup address", "received fatal alert", "peer "];
            assert!(!raw.iter().any(|raw| said.contains(raw)), "{said}");
        }
    }

    #[test]
    fn by_way_of_a_proxy_what_comes_before_tls_is_told_of_the_proxy() {
        let said = words(&outer(io::Error::from(io::ErrorKind::ConnectionRefused)), "slack.com", "slack.api_url", true);
        assert_eq!(said, "cannot reach slack.com by way of the proxy: the connection was refused: check slack.proxy");
        let lookup = outer(io::Error::other("failed to lookup address information: Name or service not known"));
        let said = words(&lookup, "slack.com", "slack.api_url", true);
        assert!(said.contains("the proxy's name is not known (DNS): check slack.proxy"), "{said}");
    }

    #[test]
    fn an_exchange_that_breaks_off_is_told_without_the_words_of_libraries() {
        for (error, what) in [
            (outer("connection closed before message completed"), "closed before the answer was there"),
            (outer(io::Error::from(io::ErrorKind::ConnectionReset)), "closed before the answer was there"),
            (outer("invalid HTTP version parsed"), "does not speak HTTP: check the port of slack.api_url"),
        ] {
            let said = broken_off(&error, "slack.com", "slack.api_url");
            assert!(said.starts_with("the exchange with slack.com broke off: ") && said.contains(what), "{said}");
        }
        let said = broken_off(&outer("odd: https://me:hidden@proxy/"), "slack.com", "slack.api_url");
        assert!(!said.contains("hidden"), "{said}");
    }
}
