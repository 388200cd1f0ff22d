//! The shape of a Slack message: its limits, its markup and its blocks. Pure.
//!
//! Before it: texts and values. After it: `message`, which writes messages; `outbox`, which merges them; `notify`, which
//! sends them. Nothing here knows of jobs. Every limit and every rule of Slack's markup stands in this folder alone.

pub mod blocks;
mod cut;
mod escape;
mod fit;
pub mod limits;
mod mention;
mod parent;
mod plain;
mod url;
mod validate;
mod weight;

pub use cut::{characters, cut, cut_middle, cut_middle_plain, cut_plain, one_line, split};
pub use escape::{closed, code, escape, fence, has_joined_url, literal, shown, unescape, unformatted, units};
pub use fit::{Fitted, fit};
pub use mention::{is_mention_markup, is_ping, mention_markup, without_pings};
pub use parent::Parent;
pub use plain::plain;
pub use url::urls;
pub use validate::{Flaw, validate};
pub use weight::{weight, weight_of};
