//! What a test does whose counterpart is not on this machine, or that may not do here what it has to do.

use std::io::Write;

/// Says on stderr why a test tries nothing here; the caller then returns.
///
/// In CI a test that tries nothing is a failure: `.ci/run` installs all counterparts. `SLACK_ALERT_CI=0` lets it pass there
/// too, for a machine where a test cannot run (no root, no mounts).
///
/// # Panics
/// In CI.
#[track_caller]
pub(crate) fn skip(why: &str) {
    let variable = |name: &str| std::env::var(name).ok();
    assert!(
        !is_ci(variable("SLACK_ALERT_CI").as_deref(), variable("CI").as_deref()),
        "skipped: {why}\n(in CI every test must run; SLACK_ALERT_CI=0 lets this one be skipped)"
    );
    // Not by `eprintln`, whose text the test harness swallows when a test passes.
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}

fn is_ci(own: Option<&str>, ci: Option<&str>) -> bool {
    let is_set = |value: &str| !matches!(value, "" | "0" | "false");
    own.or(ci).is_some_and(is_set)
}

#[test]
fn a_skipped_test_fails_in_ci_only() {
    for (own, ci, expected) in [
        (None, None, false),
        (None, Some("true"), true),
        (None, Some("false"), false),
        (None, Some(""), false),
        (Some("1"), None, true),
        (Some("0"), Some("true"), false),
        (Some("1"), Some("false"), true),
    ] {
        assert_eq!(is_ci(own, ci), expected, "SLACK_ALERT_CI={own:?} CI={ci:?}");
    }
}
