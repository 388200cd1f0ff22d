//! The status page of a fixed state as one HTML file, for its picture: `cargo run --example page < page.json > page.html`.

#![expect(clippy::disallowed_macros, reason = "a picture is drawn outside the doors")]

use std::io::stdin;

use jiff::tz::TimeZone;
use serde::Deserialize;
use slack_alert::api;
use slack_alert::page::{OverviewPage, Pages, Site};

/// What the API would tell.
#[derive(Deserialize)]
struct State {
    status: api::Status,
    jobs: Vec<api::Job>,
}

fn main() {
    let state: State = serde_json::from_reader(stdin()).expect("a state as JSON");
    let site = Site {
        host: state.status.host.clone(),
        base: "/".to_owned(),
        zone: TimeZone::get("Europe/Berlin").expect("a known zone"),
        control: false,
        show_output: true,
    };
    let (status, jobs) = (&state.status, state.jobs.as_slice());
    let pages = Pages::default();
    let data = OverviewPage { status, jobs, state: None, pattern: "", after: None, more: false };
    let page = pages.overview(&site, &data).replace("&#x2f;", "/");
    let name = page.split("/assets/").find_map(|rest| rest.split('"').next().filter(|name| name.ends_with(".css")));
    let style = name.and_then(|name| pages.asset(name)).expect("the page names its style sheet").content;
    // What is loaded from the server is put in, or left out.
    let kept = page.lines().filter(|line| !line.contains("/assets/") && !line.contains("<noscript>"));
    let page: String = kept.map(|line| format!("{line}\n")).collect();
    print!("{}", page.replacen("</head>", &format!("<style>{style}</style></head>"), 1));
}
