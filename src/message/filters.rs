//! The filters that templates have on top of Jinja's, and how values are written into a message.
//!
//! Before it: values of `vars`. After it: mrkdwn, JSON, a URL or plain text, by `Mode`. Nothing here can be made to
//! mention anybody by output: `check` lets `mention` be applied only to names that the template itself spells out.

mod jinja;
mod markup;

use std::fmt::Write as _;
use std::time::Duration;

use jiff::fmt::strtime::{BrokenDownTime, Config, PosixCustom};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Output, State};

use super::number::Written;
use super::text::{clean, clean_str};
use super::vars::{Literal, Moment, Span, WRITTEN};
use super::words::format_size;
use crate::document::format_duration;
use crate::slack::{closed, code as inline, escape, fence, literal, mention_markup, urls};

pub(super) use markup::OF_TEXT;

/// A filter on top of Jinja's.
#[derive(Clone, Copy, Debug)]
pub struct Filter {
    /// Its name.
    pub name: &'static str,
    /// As it is written, with its arguments.
    pub usage: &'static str,
    /// What it does: the words of the manual.
    pub about: &'static str,
}

const fn filter(name: &'static str, usage: &'static str, about: &'static str) -> Filter {
    Filter { name, usage, about }
}

/// Every filter on top of Jinja's, in the order of the manual.
pub const FILTERS: &[Filter] = &[
    filter("code", "code", "As a code block that its content cannot break out of; nothing for nothing."),
    filter("literal", "literal", "Text on a line whose `*`, `_`, `~`, `` ` `` and `:emoji:` do not format."),
    filter("tail", "tail(n)", "The last n lines; 10 without n."),
    filter("head", "head(n)", "The first n lines; 10 without n."),
    filter("duration", "duration", "A number of seconds as people say it: `1h 30m`."),
    filter("date", "date(fmt)", "A point in time in the job's zone, as strftime(3) writes it: `%H:%M`."),
    filter("bytes", "bytes", "A number of bytes as people say it: `1.5 MiB`."),
    filter("link", "link(url)", "The text as a link to a URL (http, https, mailto)."),
    filter("urlize", "urlize", "The http and https URLs in it become clickable, nothing else does."),
    filter(
        "mention",
        "mention",
        "Pings `@here`, `@channel`, a user ID or a user-group ID. The name must be written in the template.",
    ),
    filter("strip_ansi", "strip_ansi", "Without terminal escapes; output comes without them anyway."),
];

/// What a template writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Mode {
    /// Slack's mrkdwn.
    Mrkdwn,
    /// JSON: values stand within its strings.
    Json,
    /// A URL: values are percent-encoded.
    Url,
    /// Text that Slack takes literally.
    Plain,
}

impl Mode {
    pub(super) const ALL: [Self; 4] = [Self::Mrkdwn, Self::Json, Self::Url, Self::Plain];

    /// Text that is not mrkdwn, as this mode has it.
    fn escape(self, text: &str) -> String {
        let text = clean_str(text);
        match self {
            Self::Mrkdwn => escape(&closed(&text)),
            Self::Json => json_inside(&escape(&closed(&text))),
            Self::Url => percent_encode(&text, |byte| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte)),
            Self::Plain => text.into_owned(),
        }
    }

    /// Mrkdwn that was written already, by a filter, a block or a macro, without what this mode adds to it.
    fn mrkdwn_of(self, value: &Value) -> Option<String> {
        let text = value.as_str().filter(|_| value.is_safe() && self.is_markup())?;
        if self == Self::Json { serde_json::from_str(&format!("\"{text}\"")).ok() } else { Some(text.to_owned()) }
    }

    /// Mrkdwn made by a filter, as this mode has it: not escaped again.
    fn markup(self, mrkdwn: String) -> Value {
        match self {
            Self::Json => Value::from_safe_string(json_inside(&mrkdwn)),
            _ => Value::from_safe_string(mrkdwn),
        }
    }

    fn is_markup(self) -> bool {
        matches!(self, Self::Mrkdwn | Self::Json)
    }
}

/// Gives an environment its filters and its way of writing values.
pub(super) fn register(environment: &mut Environment<'static>, mode: Mode) {
    environment.set_formatter(move |out, state, value| write_value(mode, out, state, value));
    jinja::register(environment, mode);
    environment.add_filter("code", move |value: Value| code(mode, &value));
    environment.add_filter(AS_CODE, move |state: &mut State<'_, '_>, value: Value| as_code(mode, state, &value));
    environment.add_filter("tail", move |value: Value, lines: Option<i64>| lines_of(mode, &value, lines, true));
    environment.add_filter("head", move |value: Value, lines: Option<i64>| lines_of(mode, &value, lines, false));
    environment.add_filter("duration", |value: Value| duration(&value));
    environment.add_filter("date", date);
    environment.add_filter("bytes", |value: Value| bytes(&value));
    environment.add_filter("link", move |value: Value, url: String| link(mode, &value, &url));
    environment.add_filter("literal", move |value: Value| literal_text(mode, &value));
    environment.add_filter("urlize", move |value: Value| urlize(mode, &value));
    environment.add_filter("mention", move |value: Value| mention(mode, &value));
    environment.add_filter("strip_ansi", |value: Value| match value.is_safe() {
        true => value,
        false => Value::from(clean_str(&text_of(&value))),
    });
    markup::register(environment, mode);
    if mode == Mode::Json {
        // Unescaped for Slack, and still within its JSON string.
        environment.add_filter("safe", |value: Value| match value.is_safe() {
            true => value,
            false => Value::from_safe_string(json_inside(&text_of(&value))),
        });
    }
}

/// Writes a value that a template puts out.
fn write_value(mode: Mode, out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let written = match (value.kind(), mode) {
        _ if value.is_safe() => out.write_str(value.as_str().unwrap_or_default()),
        (ValueKind::Undefined, _) => Ok(()),
        (ValueKind::None, Mode::Json) => out.write_str("null"),
        (ValueKind::Bool, Mode::Json) => out.write_str(if value.is_true() { "true" } else { "false" }),
        (ValueKind::Number, _) if !value.is_integer() => match as_written(state, value) {
            Some(written) => out.write_str(&written),
            None => write!(out, "{value}"),
        },
        (ValueKind::Number | ValueKind::None | ValueKind::Bool, _) => write!(out, "{value}"),
        (ValueKind::Invalid, _) => {
            return Err(Error::new(ErrorKind::InvalidOperation, format!("no value: {value}")));
        }
        (ValueKind::Seq | ValueKind::Map | ValueKind::Iterable, Mode::Json) => {
            let mut json =
                as_json(state, value).map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))?;
            escape_json(&mut json);
            out.write_str(&json.to_string())
        }
        (ValueKind::Seq | ValueKind::Map, _) => out.write_str(&mode.escape(&shown(state, value))),
        _ => match value.downcast_object_ref::<Literal>() {
            Some(text) if mode == Mode::Json => out.write_str(&json_inside(&literal(&text.0))),
            Some(text) if mode == Mode::Mrkdwn => out.write_str(&literal(&text.0)),
            _ => out.write_str(&mode.escape(&text_of(value))),
        },
    };
    Ok(written?)
}

/// A number as the command wrote it.
fn as_written(state: &State<'_, '_>, value: &Value) -> Option<String> {
    let written = state.lookup(WRITTEN)?;
    let written = written.downcast_object_ref::<Written>()?;
    match value.as_str() {
        Some(text) => written.is_long_number(text).then(|| text.to_owned()),
        None if value.is_integer() => Some(value.to_string()),
        None => written.get(f64::try_from(value.clone()).ok()?).map(str::to_owned),
    }
}

/// A value with all that is in it, as the engine shows it, but that each number is as the command wrote it.
fn shown(state: &State<'_, '_>, value: &Value) -> String {
    let all = |value: &Value| value.try_iter().into_iter().flatten().collect::<Vec<_>>();
    match value.kind() {
        ValueKind::Number | ValueKind::String => as_written(state, value).unwrap_or_else(|| format!("{value:?}")),
        ValueKind::Seq => {
            let items: Vec<String> = all(value).iter().map(|item| shown(state, item)).collect();
            format!("[{}]", items.join(", "))
        }
        ValueKind::Map => {
            let pair = |key: &Value| format!("{key:?}: {}", shown(state, &value.get_item(key).unwrap_or_default()));
            let pairs: Vec<String> = all(value).iter().map(pair).collect();
            format!("{{{}}}", pairs.join(", "))
        }
        _ => format!("{value:?}"),
    }
}

/// A value as JSON; each number is as the command wrote it, where JSON has it so.
fn as_json(state: &State<'_, '_>, value: &Value) -> serde_json::Result<serde_json::Value> {
    match value.kind() {
        ValueKind::Number | ValueKind::String => {
            let written =
                as_written(state, value).and_then(|text| serde_json::from_str::<serde_json::Number>(&text).ok());
            written.map_or_else(|| serde_json::to_value(value), |number| Ok(number.into()))
        }
        ValueKind::Seq => {
            let items = value.try_iter().into_iter().flatten();
            items.map(|item| as_json(state, &item)).collect::<serde_json::Result<Vec<_>>>().map(Into::into)
        }
        ValueKind::Map => {
            let keys = value.try_iter().into_iter().flatten();
            let pair = |key: Value| Ok((text_of(&key), as_json(state, &value.get_item(&key).unwrap_or_default())?));
            keys.map(pair).collect::<serde_json::Result<serde_json::Map<_, _>>>().map(Into::into)
        }
        _ => serde_json::to_value(value),
    }
}

/// A value as text.
fn text_of(value: &Value) -> String {
    match (value.as_str(), value.as_bytes()) {
        (Some(text), _) => text.to_owned(),
        (None, Some(bytes)) => clean(bytes),
        (None, None) => value.to_string(),
    }
}

fn refuse<T>(why: impl Into<String>) -> Result<T, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, why.into()))
}

/// The filter of a value that a template has between back-ticks: it stays code, whatever is in it.
const AS_CODE: &str = "_as_code";

fn as_code(mode: Mode, state: &State<'_, '_>, value: &Value) -> Result<Value, Error> {
    if value.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    if value.is_safe() {
        return Ok(Value::from_safe_string(format!("`{}`", text_of(value))));
    }
    let text = match value.kind() {
        ValueKind::Number | ValueKind::Seq | ValueKind::Map => shown(state, value),
        _ => text_of(value),
    };
    Ok(mode.markup(inline(&clean_str(&text))))
}

/// A template in which each value between back-ticks is written by a filter that keeps it code.
pub(super) fn with_inline_code(mode: Mode, text: &str) -> String {
    if !mode.is_markup() || text.contains("raw") && text.contains("{%") {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("`{{") {
        let inner = &rest[start + 3..];
        let alone = !rest[..start].ends_with('`');
        let end = inner.find("}}").filter(|end| {
            let (expression, after) = (&inner[..*end], &inner[end + 2..]);
            let plain = !expression.contains(['`', '{', '-', '"', '\'']);
            alone && plain && after.starts_with('`') && !after.starts_with("``")
        });
        match end {
            Some(end) => {
                out.push_str(&rest[..start]);
                out.push_str(&format!("{{{{ ({}) | {AS_CODE} }}}}", inner[..end].trim()));
                rest = &inner[end + 3..];
            }
            None => {
                out.push_str(&rest[..start + 3]);
                rest = inner;
            }
        }
    }
    out + rest
}

fn code(mode: Mode, value: &Value) -> Value {
    let text = text_of(value);
    if !mode.is_markup() || text.trim().is_empty() {
        return Value::from(text.trim_end());
    }
    match (mode.mrkdwn_of(value), value.is_safe()) {
        (Some(mrkdwn), _) => mode.markup(fence(&mrkdwn)),
        (None, true) => Value::from_safe_string(fence(&text)),
        (None, false) => mode.markup(fence(&escape(&clean_str(&text)))),
    }
}

/// Text that Slack shows as it stands, on one line.
fn literal_text(mode: Mode, value: &Value) -> Value {
    let text = text_of(value);
    if value.is_safe() {
        return value.clone();
    }
    let text = clean_str(&text).split_whitespace().collect::<Vec<_>>().join(" ");
    if mode.is_markup() { mode.markup(literal(&text)) } else { Value::from(text) }
}

/// Text in which what looks like a URL can be clicked.
fn urlize(mode: Mode, value: &Value) -> Value {
    let text = text_of(value);
    if !mode.is_markup() || value.is_safe() {
        return value.clone();
    }
    let text = clean_str(&text);
    let (mut out, mut at) = (String::new(), 0);
    for range in urls(&text) {
        let url = &text[range.clone()];
        out.push_str(&escape(&text[at..range.start]));
        match link_url(url) {
            // A bar would end the address.
            Some(target) => out.push_str(&format!("<{target}|{}>", escape(&url.replace('|', "%7C")))),
            None => out.push_str(&escape(url)),
        }
        at = range.end;
    }
    out.push_str(&escape(&text[at..]));
    mode.markup(out)
}

fn lines_of(mode: Mode, value: &Value, count: Option<i64>, last: bool) -> Value {
    let count = usize::try_from(count.unwrap_or(10).max(0)).unwrap_or(usize::MAX);
    let text = text_of(value);
    match mode.mrkdwn_of(value) {
        Some(mrkdwn) => mode.markup(match mrkdwn.strip_prefix("```\n").and_then(|rest| rest.strip_suffix("\n```")) {
            // A block of code stays one.
            Some(code) if !code.contains("```") => fence(some_lines(code, count, last)),
            _ => some_lines(&mrkdwn, count, last).to_owned(),
        }),
        None if value.is_safe() => Value::from_safe_string(some_lines(&text, count, last).to_owned()),
        None => Value::from(some_lines(&text, count, last)),
    }
}

fn some_lines(text: &str, count: usize, last: bool) -> &str {
    let body = text.strip_suffix('\n').unwrap_or(text);
    match last {
        _ if count == 0 => "",
        true => {
            let start = body.rmatch_indices('\n').nth(count - 1).map_or(0, |(at, _)| at + 1);
            &body[start..]
        }
        false => {
            let end = body.match_indices('\n').nth(count - 1).map_or(body.len(), |(at, _)| at);
            &body[..end]
        }
    }
}

/// A number, or text that is one.
fn number(value: &Value) -> Option<f64> {
    match value.as_str() {
        Some(text) => text.trim().parse().ok(),
        None => f64::try_from(value.clone()).ok(),
    }
}

fn duration(value: &Value) -> Result<String, Error> {
    if let Some(span) = value.downcast_object_ref::<Span>() {
        return Ok(span.to_string());
    }
    match number(value).map(Duration::try_from_secs_f64) {
        Some(Ok(length)) => Ok(format_duration(length)),
        _ => refuse("`duration` wants a number of seconds, 0 or more"),
    }
}

fn bytes(value: &Value) -> Result<String, Error> {
    match number(value) {
        Some(size) if size >= 0.0 && size.is_finite() => Ok(format_size(size.abs())),
        _ => refuse("`bytes` wants a number, 0 or more"),
    }
}

fn date(state: &mut State<'_, '_>, value: Value, format: Option<String>) -> Result<String, Error> {
    let format = format.as_deref().unwrap_or("%Y-%m-%d %H:%M:%S");
    let zone = || match state.lookup("started") {
        Some(started) => started.downcast_object_ref::<Moment>().map_or(TimeZone::UTC, Moment::zone),
        None => TimeZone::UTC,
    };
    let stamp = || match (value.as_str(), value.as_i64()) {
        (Some(text), _) => text.trim().parse::<Timestamp>().ok(),
        (None, Some(epoch)) => Timestamp::from_second(epoch).ok(),
        (None, None) => f64::try_from(value.clone()).ok().and_then(|s| Timestamp::from_duration(to_signed(s)?).ok()),
    };
    let zoned = match value.downcast_object_ref::<Moment>() {
        Some(moment) => moment.0.clone(),
        None => match stamp() {
            Some(stamp) => stamp.to_zoned(zone()),
            None => return refuse("`date` wants a point in time: seconds since 1970, or text in RFC 3339"),
        },
    };
    strftime(&zoned, format).or_else(refuse)
}

fn to_signed(seconds: f64) -> Option<jiff::SignedDuration> {
    jiff::SignedDuration::try_from_secs_f64(seconds).ok()
}

/// A point in time as strftime(3) writes it; an error says what is wrong with the format.
pub(super) fn strftime(at: &Zoned, format: &str) -> Result<String, String> {
    let mut text = String::new();
    let config = Config::new().custom(PosixCustom::new());
    let written = BrokenDownTime::from(at).format_with_config(&config, format, &mut text);
    written.map(|()| text).map_err(|error| format!("`{format}` is no format for `date`: {error}"))
}

fn link(mode: Mode, value: &Value, url: &str) -> Result<Value, Error> {
    let url = url.trim();
    let Some(url) = link_url(url) else {
        return refuse("`link` wants a URL that begins with http://, https:// or mailto:");
    };
    if !mode.is_markup() {
        return Ok(Value::from(text_of(value)));
    }
    let label = text_of(&markup::words(mode, value));
    let label = clean_str(&label).split_whitespace().collect::<Vec<_>>().join(" ");
    Ok(mode.markup(match label.as_str() {
        "" => format!("<{url}>"),
        label => format!("<{url}|{}>", escape(label)),
    }))
}

/// A URL as it can stand in a link; `None` for another scheme than http, https and mailto.
fn link_url(url: &str) -> Option<String> {
    let lower = url.to_ascii_lowercase();
    let schemes = ["http://", "https://", "mailto:"];
    let known = schemes.iter().any(|scheme| lower.len() > scheme.len() && lower.starts_with(scheme));
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"<>|\"`\\^{}".contains(&byte);
    known.then(|| percent_encode(url, plain).replace('&', "&amp;"))
}

fn mention(mode: Mode, value: &Value) -> Result<Value, Error> {
    let mut names = Vec::new();
    match value.as_str() {
        Some(name) => names.push(name.to_owned()),
        None => names.extend(value.try_iter()?.map(|name| text_of(&name))),
    }
    let mut markup = Vec::new();
    for name in names.iter().map(|name| name.trim()).filter(|name| !name.is_empty()) {
        let Some(ping) = mention_markup(name) else { return refuse(nobody(name)) };
        markup.push(ping);
    }
    match mode.is_markup() {
        true => Ok(mode.markup(markup.join(" "))),
        false => Ok(Value::from(names.join(" "))),
    }
}

/// What is said of a name that nobody has.
pub(super) fn nobody(name: &str) -> String {
    format!("`{name}` is nobody whom Slack can ping: write @here, @channel, a user ID (U…) or a user-group ID (S…)")
}

pub(super) fn percent_encode(text: &str, plain: impl Fn(u8) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if plain(byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a string takes whatever is written");
        }
    }
    out
}

/// Text as it stands inside a JSON string, without the quotes.
fn json_inside(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// Escapes every text of a JSON value for Slack.
fn escape_json(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(text) => *text = escape(&clean_str(text)),
        serde_json::Value::Array(list) => list.iter_mut().for_each(escape_json),
        serde_json::Value::Object(map) => {
            let escaped = std::mem::take(map).into_iter().map(|(key, mut value)| {
                escape_json(&mut value);
                (escape(&clean_str(&key)), value)
            });
            *map = escaped.collect();
        }
        _ => {}
    }
}
