//! The secret of a way out as it is used now. A file is read again after Slack refused what was in it before, so that one that
//! was put right is taken with the next try.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use super::secret::{ConnectError, Kind, Secret, Source};
use super::{Fault, SendError};

/// A secret and where it comes from.
#[derive(Debug)]
pub(super) struct Current {
    source: Source,
    kind: Kind,
    secret: RwLock<Secret>,
    refused: AtomicBool,
}

impl Current {
    /// As it is now.
    pub(super) fn new(source: &Source, kind: Kind) -> Result<Self, ConnectError> {
        let secret = RwLock::new(source.resolve(kind)?);
        Ok(Self { source: source.clone(), kind, secret, refused: AtomicBool::new(false) })
    }

    /// Where it comes from.
    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    /// What is used.
    pub(super) fn get(&self) -> Secret {
        self.secret.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads it again. What cannot be read stays as it was.
    pub(super) fn read_again(&self) {
        if let Ok(secret) = self.source.resolve(self.kind) {
            *self.secret.write().unwrap_or_else(PoisonError::into_inner) = secret;
        }
    }

    /// Before a try: reads it again where Slack refused it.
    pub(super) fn before_try(&self) {
        if self.refused.load(Ordering::Relaxed) {
            self.read_again();
        }
    }

    /// After a try.
    pub(super) fn after_try<T>(&self, answer: &Result<T, SendError>) {
        let refused = matches!(answer, Err(SendError::Permanent { fault: Fault::Credentials, .. }));
        self.refused.store(refused, Ordering::Relaxed);
    }
}
