//! Root certificates, and the cryptography that TLS is done with.
//!
//! Before it: `slack.ca_file`. After it: the HTTP client.

use std::path::Path;
use std::sync::{Arc, Once};

use reqwest::Certificate;
use rustls::RootCertStore;
use rustls::crypto::{CryptoProvider, KeyProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::SigningKey;

use super::secret::{ConnectError, read_bytes};
use crate::diagnostic::Code;

/// A bundle of root certificates larger than this is something else.
const LARGEST_BUNDLE: u64 = 4 << 20;

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
pub(super) fn install_provider() {
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
