//! One HTTP request, bounded in time and size. The door of the network: `slack` and `webhook` reach it through here.
//!
//! A redirect is never followed, since it would carry the token elsewhere. What is said of a failure names the host and
//! never the path, which with webhooks is the credential.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Client, Proxy, Url, redirect};
use rustls::RootCertStore;
use rustls::crypto::{CryptoProvider, KeyProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::SigningKey;

use super::secret::{ConnectError, Secret, read_bytes};
use super::settings::Settings;
use crate::diagnostic::{Code, mask};
use crate::document::format_duration;

/// No answer of Slack is longer; the rest is not read.
const LONGEST_ANSWER: usize = 1 << 20;

/// A bundle of root certificates larger than this is something else.
const LARGEST_BUNDLE: u64 = 4 << 20;

/// JSON as Slack wants it: without the charset it grumbles (`missing_charset`).
pub(super) const JSON: &str = "application/json; charset=utf-8";

/// An answer, as far as anybody looks at it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Raw {
    /// The HTTP status.
    pub status: u16,
    /// The header `Retry-After`.
    pub retry_after: Option<String>,
    /// The header `X-OAuth-Scopes`: what the token may do.
    pub scopes: Option<String>,
    /// The body, at most 1 MiB of it.
    pub body: Vec<u8>,
}

/// No answer came; the text is for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unreachable(pub(super) String);

/// What is posted. The URL is a secret too: a webhook's, an upload's.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) url: Secret,
    pub(super) token: Option<Secret>,
    pub(super) content_type: &'static str,
    pub(super) body: Vec<u8>,
}

/// The client, made when it is first needed: a system without certificates must not keep the daemon from starting.
#[derive(Debug)]
pub(super) struct Http {
    proxy: Option<Secret>,
    ca_file: Option<PathBuf>,
    timeout: Duration,
    client: Mutex<Option<Client>>,
}

impl Http {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            proxy: settings.proxy.clone(),
            ca_file: settings.ca_file.clone(),
            timeout: settings.timeout,
            client: Mutex::new(None),
        }
    }

    /// Posts, and reads the answer whatever its status. Takes `timeout` at most.
    pub(super) async fn post(&self, post: Post) -> Result<Raw, Unreachable> {
        let url = Url::parse(post.url.expose()).map_err(|_| Unreachable("the address is no URL".to_owned()))?;
        let host = url.host_str().unwrap_or("the server").to_owned();
        let client = self.client(url.scheme() == "http")?;
        let mut request = client.post(url).header(CONTENT_TYPE, post.content_type).body(post.body);
        if let Some(token) = post.token {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
                .map_err(|_| Unreachable("the token has characters that no token has".to_owned()))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let failed = |error: reqwest::Error| Unreachable(self.describe(&host, error));
        let mut response = request.send().await.map_err(failed)?;
        let mut raw = Raw {
            status: response.status().as_u16(),
            retry_after: text_of(response.headers(), &reqwest::header::RETRY_AFTER),
            scopes: text_of(response.headers(), &HeaderName::from_static("x-oauth-scopes")),
            body: Vec::new(),
        };
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            let room = LONGEST_ANSWER - raw.body.len();
            raw.body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() > room {
                break;
            }
        }
        Ok(raw)
    }

    /// The client, made if it is not there yet. For plain HTTP the lack of certificates is no hindrance.
    fn client(&self, plain: bool) -> Result<Client, Unreachable> {
        let mut slot = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = slot.as_ref() {
            return Ok(client.clone());
        }
        let client = match self.build(false) {
            Err(_) if plain && self.ca_file.is_none() => self.build(true),
            built => built,
        }?;
        Ok(slot.insert(client).clone())
    }

    fn build(&self, without_roots: bool) -> Result<Client, Unreachable> {
        install_provider();
        let mut builder = Client::builder()
            .user_agent(concat!("slack-alert/", env!("CARGO_PKG_VERSION")))
            .timeout(self.timeout)
            .redirect(redirect::Policy::none())
            .referer(false)
            .http1_only();
        if without_roots {
            builder = builder.tls_certs_only([]);
        }
        if let Some(path) = &self.ca_file {
            let more = certificates(path).map_err(|error| Unreachable(error.to_string()))?;
            builder = builder.tls_certs_merge(more);
        }
        if let Some(proxy) = &self.proxy {
            let proxy = Proxy::all(proxy.expose())
                .map_err(|_| Unreachable("`slack.proxy` is no proxy that can be used".to_owned()))?;
            builder = builder.proxy(proxy);
        }
        builder.build().map_err(|error| {
            let why = root_cause(&error.without_url());
            Unreachable(if why.contains("No CA certificates") {
                "no CA certificates found: install ca-certificates, or name a file with `slack.ca_file`".to_owned()
            } else {
                format!("the HTTP client cannot be made: {}", mask::secrets(&why))
            })
        })
    }

    /// A failed request in words: the host, what went wrong, and never the URL.
    fn describe(&self, host: &str, error: reqwest::Error) -> String {
        let error = error.without_url();
        if error.is_timeout() {
            return format!("no answer from {host} within {}", format_duration(self.timeout));
        }
        let cause = root_cause(&error);
        let cause = mask::secrets(&cause);
        if error.is_connect() {
            let by_way = if self.proxy.is_some() { " by way of the proxy" } else { "" };
            match cause.strip_prefix("tunnel error: ") {
                Some(cause) => format!("cannot reach {host}: the proxy does not let the connection through ({cause})"),
                None => format!("cannot reach {host}{by_way}: {cause}"),
            }
        } else {
            format!("the exchange with {host} broke off: {cause}")
        }
    }
}

/// The root certificates of a PEM file.
pub(super) fn certificates(path: &Path) -> Result<Vec<Certificate>, ConnectError> {
    let refuse = |code, what: String, help: &str| {
        Err(ConnectError { code, why: format!("ca_file {} {what}", path.display()), help: help.to_owned() })
    };
    let help = "it must hold root certificates as PEM: `-----BEGIN CERTIFICATE-----` …";
    let bytes = match read_bytes(path, LARGEST_BUNDLE) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return refuse(Code::MissingFile, "does not exist".to_owned(), "check the path");
        }
        Err(error) => {
            return refuse(Code::UnreadableFile, format!("cannot be read ({error})"), "check owner and mode");
        }
    };
    let Ok(found) = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>() else {
        return refuse(Code::InvalidValue, "is broken".to_owned(), help);
    };
    let mut store = RootCertStore::empty();
    let mut certificates = Vec::new();
    for der in found {
        match Certificate::from_der(&der) {
            Ok(certificate) if store.add(der).is_ok() => certificates.push(certificate),
            _ => return refuse(Code::InvalidValue, "holds a broken certificate".to_owned(), help),
        }
    }
    if certificates.is_empty() {
        return refuse(Code::InvalidValue, "holds no certificate".to_owned(), help);
    }
    Ok(certificates)
}

/// TLS by ring, once a process. If somebody was faster, theirs is as good.
fn install_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let provider = CryptoProvider { key_provider: &NoKeys, ..ring::default_provider() };
        let _ = provider.install_default();
    });
}

/// Loads no private key: this client has no certificate of its own, and so ring's part that signs stays out of the program.
#[derive(Debug)]
struct NoKeys;

impl KeyProvider for NoKeys {
    fn load_private_key(&self, _: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, rustls::Error> {
        Err(rustls::Error::General("this client has no certificate of its own".to_owned()))
    }
}

fn text_of(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.trim().to_owned())
}

/// The innermost error: the outer ones only say that there is one. Its chain is short by nature, and cut all the same.
fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    for _ in 0..16 {
        match cause.source() {
            Some(inner) => cause = inner,
            None => break,
        }
    }
    cause.to_string().chars().take(200).collect()
}
