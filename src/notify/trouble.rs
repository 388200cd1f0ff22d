//! Why a connection did not come about, in words that name what to change. Pure.

use std::error::Error;
use std::io;

use rustls::CertificateError;

use crate::diagnostic::mask;

/// What keeps a connection from coming about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// The name is not known (DNS).
    UnknownHost,
    /// Nobody listens there.
    Refused,
    /// Who signed the certificate is not known here.
    UnknownIssuer,
    /// The certificate vouches for itself.
    SelfSigned,
    /// It is that of another host.
    OtherHost,
    /// It is not valid any more, or not yet.
    Expired,
    /// What answers does not speak TLS.
    NoTls,
}

/// `address` is what names the host in the configuration: `slack.api_url`, or the webhook's URL.
pub(super) fn words(error: &(dyn Error + 'static), host: &str, address: &str, proxy: bool) -> String {
    let by_way = if proxy { " by way of the proxy" } else { "" };
    let cause = mask::secrets(&root_cause(error)).into_owned();
    if let Some(cause) = cause.strip_prefix("tunnel error: ") {
        return format!(
            "cannot reach {host}: the proxy does not let the connection through ({cause}): check slack.proxy"
        );
    }
    let Some(known) = cause_of(error) else {
        return format!("cannot reach {host}{by_way}: {cause}");
    };
    let (what, change) = match known {
        Cause::UnknownHost => ("its name is not known (DNS)".to_owned(), format!("check {address} or slack.proxy")),
        Cause::Refused => ("the connection was refused".to_owned(), format!("check {address} or slack.proxy")),
        Cause::UnknownIssuer => (
            "its certificate is signed by an authority that is not known here".to_owned(),
            "name a file with that root certificate in slack.ca_file".to_owned(),
        ),
        Cause::SelfSigned => (
            "its certificate is self-signed".to_owned(),
            "name a file with the root certificate that signed it in slack.ca_file; a server's own certificate must not be \
             marked as that of an authority"
                .to_owned(),
        ),
        Cause::OtherHost => {
            ("its certificate is that of another host".to_owned(), format!("check {address} and slack.proxy"))
        }
        Cause::Expired => (
            "its certificate is not valid at this time".to_owned(),
            "check this machine's clock, or have the certificate renewed".to_owned(),
        ),
        Cause::NoTls => (
            "what answers there does not speak TLS".to_owned(),
            format!("check the port and the scheme (http, https) of {address} and slack.proxy"),
        ),
    };
    format!("cannot reach {host}{by_way}: {what}: {change}")
}

/// What is known of an error, from its chain.
fn cause_of(error: &(dyn Error + 'static)) -> Option<Cause> {
    let mut next = Some(error);
    // The chain is short by nature.
    for _ in 0..16 {
        let here = next?;
        if let Some(known) = here.downcast_ref::<rustls::Error>().and_then(of_tls) {
            return Some(known);
        }
        if let Some(io) = here.downcast_ref::<io::Error>() {
            if io.kind() == io::ErrorKind::ConnectionRefused {
                return Some(Cause::Refused);
            }
            // What an I/O error wraps is not the source that it names.
            if let Some(known) = io.get_ref().and_then(|inner| cause_of(inner)) {
                return Some(known);
            }
        }
        // The resolver's error has no type of its own.
        if here.to_string().starts_with("failed to lookup address information") {
            return Some(Cause::UnknownHost);
        }
        next = here.source();
    }
    None
}

fn of_tls(error: &rustls::Error) -> Option<Cause> {
    Some(match error {
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::UnknownIssuer => Cause::UnknownIssuer,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Cause::OtherHost,
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Cause::Expired,
            // webpki's own word for a certificate of an authority in the place of a server's: the usual self-signed one.
            CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => Cause::SelfSigned,
            _ => return None,
        },
        rustls::Error::InvalidMessage(_) => Cause::NoTls,
        _ => return None,
    })
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
