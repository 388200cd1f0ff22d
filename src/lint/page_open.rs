//! `page-open`: a status page that others than this machine can open, without a token.

use super::Whole;
use crate::diagnostic::{Code, Problem, Problems};
use crate::plan::Address;

/// `[http]` beyond the loopback without a token: whoever reaches the port sees what runs here, what fails, and when.
pub(super) fn check(whole: &Whole<'_>, found: &mut Problems) {
    let Some(http) = whole.plan.config.http.as_ref().filter(|http| http.is_open()) else { return };
    let Some(open) = http.listen.iter().find(|address| !Address::is_local(address)) else { return };
    let what = if http.show_output { ", with what its commands print" } else { "" };
    let message = format!("whoever can reach {open} sees every job of this machine{what}");
    let problem = Problem::new(Code::PageOpen, whole.config.value("http.listen"), message);
    found.push(
        problem.help("set `http.token_file`, or listen on `127.0.0.1` alone, behind a proxy that asks who it is"),
    );
}
