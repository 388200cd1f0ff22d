//! The status page: what the API tells, as HTML for people.
//!
//! Before it: the answers of `api`. After it: `http`, which serves it. Pure: time is an argument. Invariants: every value is
//! escaped by its template; a page is whole without its script; nothing comes from elsewhere; a colour is never the only sign.

pub mod draw;
mod job;
mod overview;
mod run;
mod view;
mod words;

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::Environment;
use minijinja::value::Serde;
use serde::Serialize;

pub use job::JobPage;
pub use overview::OverviewPage;
pub use run::{NextPage, OutboxPage, RunPage, Stream};
pub use words::Present;

use crate::clock::Now;

/// The templates, by their names.
const TEMPLATES: [(&str, &str); 8] = [
    ("layout.html", include_str!("templates/layout.html")),
    ("macros.html", include_str!("templates/macros.html")),
    ("overview.html", include_str!("templates/overview.html")),
    ("job.html", include_str!("templates/job.html")),
    ("run.html", include_str!("templates/run.html")),
    ("outbox.html", include_str!("templates/outbox.html")),
    ("next.html", include_str!("templates/next.html")),
    ("error.html", include_str!("templates/error.html")),
];

/// What a page is shown with.
#[derive(Clone, Debug)]
pub struct Site {
    /// The host's name in messages.
    pub host: String,
    /// The path where links begin; it begins and ends with a slash.
    pub base: String,
    /// The zone in which times are told.
    pub zone: TimeZone,
    /// There are buttons.
    pub control: bool,
    /// Output, commands and files are shown.
    pub show_output: bool,
}

/// A file of the page.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// What it is.
    pub content_type: &'static str,
    /// What is in it.
    pub content: &'static str,
}

/// The page's templates, ready to be filled in.
pub struct Pages {
    templates: Environment<'static>,
    style: String,
    script: String,
    icon: String,
}

/// What every page has.
#[derive(Debug, Serialize)]
struct Frame<'a> {
    host: &'a str,
    base: &'a str,
    version: &'static str,
    here: &'static str,
    iso: String,
    clock: String,
    live: bool,
    control: bool,
    style: &'a str,
    script: &'a str,
    icon: &'a str,
}

/// A page with what every page has.
#[derive(Serialize)]
struct Framed<'a, T> {
    frame: Frame<'a>,
    #[serde(flatten)]
    page: &'a T,
}

impl Default for Pages {
    fn default() -> Self {
        let mut templates = Environment::new();
        templates.set_undefined_behavior(minijinja::UndefinedBehavior::SemiStrict);
        templates.add_filter("typed", |text: &str| crate::id::typed(text));
        for (name, text) in TEMPLATES {
            templates.add_template(name, text).expect("the page's own templates can be compiled: a test does it");
        }
        let named = |content: &str, ending: &str| format!("page-{:016x}.{ending}", hash(content));
        Self { templates, style: named(STYLE, "css"), script: named(SCRIPT, "js"), icon: named(ICON, "svg") }
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").finish_non_exhaustive()
    }
}

const STYLE: &str = include_str!("assets/page.css");
const SCRIPT: &str = include_str!("assets/page.js");
const ICON: &str = include_str!("assets/icon.svg");

/// A name that changes with the content: browsers keep such a file for ever.
fn hash(content: &str) -> u64 {
    use std::hash::Hasher as _;
    let mut hasher = fnv::FnvHasher::default();
    hasher.write(content.as_bytes());
    hasher.finish()
}

impl Pages {
    /// The file of this name.
    pub fn asset(&self, name: &str) -> Option<Asset> {
        let (content_type, content) = match name {
            name if name == self.style => ("text/css; charset=utf-8", STYLE),
            name if name == self.script => ("text/javascript; charset=utf-8", SCRIPT),
            name if name == self.icon => ("image/svg+xml", ICON),
            _ => return None,
        };
        Some(Asset { content_type, content })
    }

    fn render<T: Serialize>(&self, site: &Site, now: Timestamp, here: &'static str, name: &str, page: &T) -> String {
        let present = Present { now, zone: site.zone.clone() };
        let frame = Frame {
            host: &site.host,
            base: &site.base,
            version: env!("CARGO_PKG_VERSION"),
            here,
            iso: now.to_string(),
            clock: present.clock(),
            live: here != "next",
            control: site.control,
            style: &self.style,
            script: &self.script,
            icon: &self.icon,
        };
        let template = self.templates.get_template(name).expect("the page has this template");
        match template.render(Serde(Framed { frame, page })) {
            Ok(text) => text,
            Err(error) => {
                tracing::error!(page = name, %error, "the status page cannot be rendered: please report it");
                "<!doctype html><title>slack-alert</title><p>This page cannot be shown; the log says why.".to_owned()
            }
        }
    }

    /// An error, for people.
    pub fn error(&self, site: &Site, now: Now, message: &str, help: Option<&str>) -> String {
        #[derive(Serialize)]
        struct Words<'a> {
            message: &'a str,
            help: Option<&'a str>,
        }
        self.render(site, now.wall, "", "error.html", &Words { message, help })
    }
}

impl Site {
    /// The address of a job's page.
    pub fn job(&self, name: &str) -> String {
        format!("{}job/{}", self.base, encode(name))
    }

    /// The address of a run's page.
    pub fn run(&self, id: u64) -> String {
        format!("{}run/{id}", self.base)
    }
}

/// Text as part of an address: everything but what needs no escape there, and the slash, as `%NN`.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::{Pages, Site, encode};
    use crate::clock::{Mono, Now};

    fn site() -> Site {
        Site {
            host: "web-1".to_owned(),
            base: "/alerts/".to_owned(),
            zone: TimeZone::UTC,
            control: false,
            show_output: true,
        }
    }

    #[test]
    fn what_others_wrote_is_text_and_no_markup() {
        let now = Now { wall: "2026-11-23T08:00:00Z".parse().expect("a time"), mono: Mono::default() };
        let page = Pages::default().error(&site(), now, "</script><img onerror=x>", Some("\" onload='x'"));
        assert!(page.contains("&lt;&#x2f;script&gt;&lt;img onerror=x&gt;"), "{page}");
        assert!(!page.contains("<img") && !page.contains("\" onload"), "{page}");
        assert!(page.replace("&#x2f;", "/").contains("href=\"/alerts/outbox\""), "{page}");
    }

    #[test]
    fn a_name_in_an_address_is_escaped_and_keeps_its_slashes() {
        assert_eq!(encode("db/back up?<é>"), "db/back%20up%3F%3C%C3%A9%3E");
        assert_eq!(site().job("a/b"), "/alerts/job/a/b");
    }

    #[test]
    fn the_files_of_the_page_have_names_that_change_with_their_content() {
        let pages = Pages::default();
        for name in [&pages.style, &pages.script, &pages.icon] {
            assert!(pages.asset(name).is_some(), "{name}");
        }
        assert!(pages.asset("page.css").is_none() && pages.asset("../Cargo.toml").is_none());
        for asset in [super::STYLE, super::SCRIPT] {
            assert!(!asset.contains("http://") && !asset.contains("https://"), "nothing comes from elsewhere");
        }
        assert!(super::SCRIPT.len() < 12_000, "one small script");
    }
}
