//! Jinja's own filters that the engine leaves out, with Jinja's arguments. Its crate of extras has most of them, but takes
//! their arguments by name only, and `truncate(20)` is how people write it.
//!
//! Before it: `filters`, which registers them. After it: text that is escaped when it is written, like any other.

use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{Environment, Error, State};

use super::{Mode, as_json, escape_json, percent_encode, refuse, text_of};

/// Registers them.
pub(super) fn register(environment: &mut Environment<'static>, mode: Mode) {
    environment.add_filter("center", |value: Value, width: Option<usize>| center(&text_of(&value), width));
    environment.add_filter("filesizeformat", filesizeformat);
    environment.add_filter("forceescape", move |value: Value| mode.markup(crate::slack::escape(&text_of(&value))));
    environment.add_filter("random", random);
    environment.add_filter("striptags", |value: Value| striptags(&text_of(&value)));
    environment.add_filter("tojson", move |state: &mut State<'_, '_>, value: Value, indent: Option<Value>| {
        tojson(mode, state, &value, indent.as_ref())
    });
    environment.add_filter("truncate", truncate);
    environment.add_filter("urlencode", move |value: Value| {
        // A URL encodes what is written into it: this is encoded already.
        let encoded = |text: String| if mode == Mode::Url { Value::from_safe_string(text) } else { Value::from(text) };
        urlencode(value).map(encoded)
    });
    environment.add_filter("wordcount", |value: Value| text_of(&value).split_whitespace().count());
    environment.add_filter("wordwrap", wordwrap);
    environment.add_filter("xmlattr", xmlattr);
}

/// An argument that is given by its place or by its name.
fn argument<T>(given: Option<T>, kwargs: &Kwargs, name: &str, default: T) -> Result<T, Error>
where
    T: for<'a> minijinja::value::ArgType<'a, Output = T>,
{
    match given {
        Some(given) => Ok(given),
        None if kwargs.has(name) => kwargs.get::<T>(name),
        None => Ok(default),
    }
}

fn center(text: &str, width: Option<usize>) -> String {
    // No message is as wide as that; a width out of hand must not fill the memory.
    let width = width.unwrap_or(80).min(4_000);
    format!("{text:^width$}")
}

fn filesizeformat(value: Value, binary: Option<bool>, kwargs: Kwargs) -> Result<String, Error> {
    let Some(size) = super::number(&value) else { return refuse("`filesizeformat` wants a number") };
    let binary = argument(binary, &kwargs, "binary", false)?;
    kwargs.assert_all_used()?;
    let base: f64 = if binary { 1024.0 } else { 1000.0 };
    let units = if binary { ["KiB", "MiB", "GiB", "TiB", "PiB"] } else { ["kB", "MB", "GB", "TB", "PB"] };
    if size.abs() < base {
        let plural = if (size - 1.0).abs() < f64::EPSILON { "Byte" } else { "Bytes" };
        return Ok(format!("{} {plural}", size.trunc()));
    }
    let (mut size, mut unit) = (size, "");
    for next in units {
        size /= base;
        unit = next;
        if size.abs() < base {
            break;
        }
    }
    Ok(format!("{size:.1} {unit}"))
}

/// One of several, by the number of the run: the same run says the same.
fn random(state: &mut State<'_, '_>, value: Value) -> Result<Value, Error> {
    let items: Vec<Value> = match value.as_str() {
        Some(text) => text.chars().map(Value::from).collect(),
        None => value.try_iter()?.collect(),
    };
    let run = state.lookup("run").and_then(|run| run.get_attr("id").ok()).and_then(|id| id.as_i64()).unwrap_or(0);
    // SplitMix64: neighbouring numbers come far apart.
    let mut mixed = run.cast_unsigned().wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^= mixed >> 31;
    let Some(at) = mixed.checked_rem(items.len() as u64).and_then(|at| usize::try_from(at).ok()) else {
        return refuse("`random` wants something that is not empty");
    };
    Ok(items[at].clone())
}

fn striptags(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('<') {
        let (before, tag) = rest.split_at(open);
        out.push_str(before);
        let end =
            if tag.starts_with("<!--") { tag.find("-->").map(|at| at + 3) } else { tag.find('>').map(|at| at + 1) };
        // What never ends is no tag.
        let Some(end) = end else {
            out.push_str(tag);
            rest = "";
            break;
        };
        rest = &tag[end..];
    }
    out.push_str(rest);
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&nbsp;", " "), ("&amp;", "&")];
    let text = entities.iter().fold(out, |text, (entity, c)| text.replace(entity, c));
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// JSON: within a JSON template a value of its own, anywhere else text.
fn tojson(mode: Mode, state: &State<'_, '_>, value: &Value, indent: Option<&Value>) -> Result<Value, Error> {
    let mut json = as_json(state, value).or_else(|error| refuse(error.to_string()))?;
    if mode == Mode::Json {
        escape_json(&mut json);
    }
    let pretty = indent.is_some_and(Value::is_true);
    let text = if pretty { serde_json::to_string_pretty(&json) } else { serde_json::to_string(&json) };
    let text = text.or_else(|error| refuse(error.to_string()))?;
    Ok(if mode == Mode::Json { Value::from_safe_string(text) } else { Value::from(text) })
}

fn truncate(
    value: Value,
    length: Option<usize>,
    killwords: Option<bool>,
    end: Option<String>,
    kwargs: Kwargs,
) -> Result<String, Error> {
    let length = argument(length, &kwargs, "length", 255)?;
    let killwords = argument(killwords, &kwargs, "killwords", false)?;
    let end = argument(end, &kwargs, "end", "...".to_owned())?;
    let leeway = argument(None, &kwargs, "leeway", 5)?;
    kwargs.assert_all_used()?;
    let text = text_of(&value);
    if text.chars().count() <= length.saturating_add(leeway) {
        return Ok(text);
    }
    let room = length.saturating_sub(end.chars().count());
    let cut = text.char_indices().nth(room).map_or(text.as_str(), |(at, _)| &text[..at]);
    let kept = if killwords { cut } else { cut.rsplit_once(' ').map_or(cut, |(kept, _)| kept) };
    Ok(format!("{kept}{end}"))
}

fn urlencode(value: Value) -> Result<String, Error> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let query = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if !matches!(value.kind(), ValueKind::Map) {
        return Ok(percent_encode(&text_of(&value), plain));
    }
    let mut pairs = Vec::new();
    for key in value.try_iter()? {
        let value = value.get_item(&key)?;
        if !value.is_none() && !value.is_undefined() {
            pairs.push(format!(
                "{}={}",
                percent_encode(&text_of(&key), query),
                percent_encode(&text_of(&value), query)
            ));
        }
    }
    Ok(pairs.join("&"))
}

fn wordwrap(
    value: Value,
    width: Option<usize>,
    break_long_words: Option<bool>,
    wrapstring: Option<String>,
    kwargs: Kwargs,
) -> Result<String, Error> {
    let width = argument(width, &kwargs, "width", 79)?.max(1);
    let break_long_words = argument(break_long_words, &kwargs, "break_long_words", true)?;
    let wrapstring = argument(wrapstring, &kwargs, "wrapstring", "\n".to_owned())?;
    kwargs.assert_all_used()?;
    let mut lines = Vec::new();
    for line in text_of(&value).lines() {
        let (mut current, mut used) = (String::new(), 0);
        for word in line.split(' ').flat_map(|word| pieces(word, if break_long_words { width } else { usize::MAX })) {
            let length = word.chars().count();
            if used > 0 && used + 1 + length > width {
                lines.push(std::mem::take(&mut current));
                used = 0;
            }
            if used > 0 {
                current.push(' ');
                used += 1;
            }
            current.push_str(word);
            used += length;
        }
        lines.push(current);
    }
    Ok(lines.join(&wrapstring))
}

/// A word in pieces of at most `most` characters.
fn pieces(word: &str, most: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = word;
    while let Some((at, _)) = rest.char_indices().nth(most) {
        pieces.push(&rest[..at]);
        rest = &rest[at..];
    }
    pieces.push(rest);
    pieces
}

fn xmlattr(value: Value) -> Result<String, Error> {
    let quote = |text: &str| {
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        text.replace('"', "&#34;").replace('\'', "&#39;")
    };
    let mut out = String::new();
    for key in value.try_iter()? {
        let value = value.get_item(&key)?;
        if !value.is_none() && !value.is_undefined() {
            out.push_str(&format!(" {}=\"{}\"", quote(&text_of(&key)), quote(&text_of(&value))));
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use minijinja::{Environment, context};

    #[test]
    fn over_many_runs_each_of_several_comes_as_often_and_a_run_always_says_the_same() {
        let mut environment = Environment::new();
        environment.add_filter("random", super::random);
        let template = environment.template_from_str("{{ [0, 1, 2, 3] | random }}").expect("it compiles");
        let says = |id: u64| template.render(context! { run => context! { id } }).expect("it renders");
        let mut counts = [0; 4];
        for id in 0..4_000 {
            assert_eq!(says(id), says(id));
            counts[says(id).parse::<usize>().expect("a number")] += 1;
        }
        assert!(counts.iter().all(|count| (900..1_100).contains(count)), "{counts:?}");
    }
}
