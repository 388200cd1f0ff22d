//! What a client may see: everything on the control socket; over the network what `[http]` shows.
//!
//! Before it: the guard, which knows the configuration. After it: routes, which leave the rest out.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::page::Site;

/// What a client may see.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight {
    /// What commands print, the commands, and the files that declare them.
    pub(super) output: bool,
}

impl Sight {
    /// Leaves out of each what may not be seen.
    pub(super) fn limit<T>(self, all: &mut [T], hide: impl FnMut(&mut T)) {
        if !self.output {
            all.iter_mut().for_each(hide);
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Sight {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self { output: parts.extensions.get::<Arc<Site>>().is_none_or(|site| site.show_output) })
    }
}
