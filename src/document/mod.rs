//! The only reader of configuration files: bytes on disk become a [`Table`], from which each station takes its own keys.
//!
//! Before it: nothing. After it: `read(&mut Table)` of each station. Every problem of a file is collected in one pass;
//! taking a bad value yields `None` and a problem, never a stop.

mod default;
mod key;
pub mod load;
mod sections;
mod shared;
mod small;
mod suggest;
pub mod syntax;
mod table;
mod text;
mod units;
pub mod watch;
mod ways;

pub use default::{Default, default_of};
pub use key::{Key, Kind};
pub use sections::{Section, sections};
pub use shared::Shared;
pub use small::read_small;
pub use suggest::{did_you_mean, nearest};
pub use table::{Layer, Reader, Table, Value};
pub use text::Text;
pub use units::{Rate, Refusal, calendar_unit, format_duration, parse_duration, parse_rate, parse_size};
pub use ways::why_no_notice;
