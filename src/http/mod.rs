//! \[net\] The daemon's HTTP server: one router for every listener, bounds on whatever a client may do, one shape of errors.
//!
//! Before it: clients of the control socket, and of `[http]`. After it: requests into the daemon's mailbox, and questions to
//! the store. Invariants: it decides nothing; a client that sends slowly, much, or never, costs one of a few connections for a
//! bounded time; an idle server is not woken.
//!
//! **To add a route:** write a module with `pub(super) fn routes() -> Router<Core>`, and merge it in [`router`]. A handler
//! takes `State<Core>`, `Extension<Peer>`, [`Params`] for the parameters of its address and [`Body`] for JSON, and answers
//! `Result<Json<T>, Refusal>` with `T` of [`crate::api`]. Who may change something is asked of [`Peer::may_change`].

mod accept;
mod answer;
mod api;
mod change;
mod core;
mod events;
mod extract;
mod guard;
mod health;
mod links;
mod listener;
mod page;
mod peer;
mod ping;
mod read;
mod sight;
mod tcp;
pub mod unix;
mod wrap;

use axum::Router;

pub use self::accept::{Bounds, KeepOpen, serve};
pub use self::answer::Refusal;
pub use self::change::SUDO_USER;
pub use self::core::{Core, Whose};
pub use self::extract::{Body, Params};
pub use self::listener::{Accepted, Listener, Stream};
pub use self::peer::{Peer, User, named};
pub use self::read::run;
pub use self::tcp::serve_pages;

/// Every route, for every listener. What is not for all of them is refused by the route itself, which knows its [`Peer`].
pub fn router(core: Core) -> Router {
    Router::new()
        .merge(api::routes())
        .merge(change::routes())
        .merge(events::routes())
        .merge(health::routes())
        .merge(page::routes())
        .merge(wrap::routes())
        .merge(ping::routes())
        .fallback(answer::not_found)
        .method_not_allowed_fallback(answer::method_not_allowed)
        .layer(axum::middleware::from_fn_with_state(core.clone(), extract::read_first))
        .with_state(core)
}
