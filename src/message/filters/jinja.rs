//! Jinja's own filters that the engine leaves out, with Jinja's arguments. Its crate of extras has most of them, but takes
//! their arguments by name only, and `truncate(20)` is how people write it.
//!
//! Before it: `filters`, which registers them. After it: text that is escaped when it is written, like any other.

use minijinja::value::{Kwargs, Rest, Value, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, filters};

use super::markup::applied;
use super::{Mode, as_json, escape_json, percent_encode, refuse, text_of};
use crate::slack::characters;

/// No message is as wide as that; a width out of hand must not fill the memory.
const WIDEST: usize = 4_000;

/// How one of the engine's filters wants what Jinja lets people write by place or by name.
#[derive(Clone, Copy)]
enum Wants {
    Places,
    Names,
}

/// The engine's filters that take some arguments in one of the two ways only, with the names that Jinja has for them.
const OF_ENGINE: [(&str, &[&str], Wants); 11] = [
    ("batch", &["linecount", "fill_with"], Wants::Places),
    ("d", &["default_value", "boolean"], Wants::Places),
    ("default", &["default_value", "boolean"], Wants::Places),
    ("dictsort", &["case_sensitive", "by", "reverse"], Wants::Names),
    ("groupby", &["attribute", "default", "case_sensitive"], Wants::Names),
    ("max", &["case_sensitive", "attribute"], Wants::Names),
    ("min", &["case_sensitive", "attribute"], Wants::Names),
    ("slice", &["slices", "fill_with"], Wants::Places),
    ("sort", &["reverse", "case_sensitive", "attribute"], Wants::Names),
    ("trim", &["chars"], Wants::Places),
    ("unique", &["case_sensitive", "attribute"], Wants::Names),
];

/// Registers them.
pub(super) fn register(environment: &mut Environment<'static>, mode: Mode) {
    engines_own(environment);
    for (name, parameters, wants) in OF_ENGINE {
        environment.add_filter(name, move |state: &mut State<'_, '_>, value: Value, args: Rest<ValueOrKwargs>| {
            passed_on(mode, state, (name, parameters, wants), value, args)
        });
    }
    environment.add_filter(" center", center);
    environment.add_filter("filesizeformat", filesizeformat);
    environment.add_filter("forceescape", move |value: Value| mode.markup(crate::slack::escape(&text_of(&value))));
    environment.add_filter("indent", move |value: Value, args: Rest<ValueOrKwargs>| indent(mode, &value, args));
    environment.add_filter("random", random);
    environment.add_filter(" replace", replace);
    environment.add_filter("striptags", |value: Value| striptags(&text_of(&value)));
    environment.add_filter("tojson", move |state: &mut State<'_, '_>, value: Value, args: Rest<ValueOrKwargs>| {
        tojson(mode, state, &value, args)
    });
    environment.add_filter(" truncate", truncate);
    environment.add_filter(" urlencode", move |value: Value| {
        // A URL encodes what is written into it: this is encoded already.
        let encoded = |text: String| if mode == Mode::Url { Value::from_safe_string(text) } else { Value::from(text) };
        urlencode(value).map(encoded)
    });
    environment.add_filter(" wordcount", |value: Value| text_of(&value).split_whitespace().count());
    environment.add_filter(" wordwrap", wordwrap);
    environment.add_filter("xmlattr", move |value: Value, args: Rest<ValueOrKwargs>| xmlattr(mode, &value, args));
}

/// The engine's filters of [`OF_ENGINE`], under names that no template can write.
fn engines_own(environment: &mut Environment<'static>) {
    environment.add_filter(" batch", filters::batch);
    environment.add_filter(" d", filters::default);
    environment.add_filter(" default", filters::default);
    environment.add_filter(" dictsort", filters::dictsort);
    environment.add_filter(" groupby", filters::groupby);
    environment.add_filter(" max", filters::max);
    environment.add_filter(" min", filters::min);
    environment.add_filter(" slice", filters::slice);
    environment.add_filter(" sort", filters::sort);
    environment.add_filter(" trim", filters::trim);
    environment.add_filter(" unique", filters::unique);
}

/// A filter of the engine, with its arguments in the way in which it wants them.
fn passed_on(
    mode: Mode,
    state: &mut State<'_, '_>,
    (name, parameters, wants): (&str, &[&str], Wants),
    value: Value,
    args: Rest<ValueOrKwargs>,
) -> Result<Value, Error> {
    let given = arguments(name, parameters, args)?;
    // Single characters could be a part of markup; blanks are none.
    let characters = name == "trim" && given[0].is_some();
    let mut all = vec![value];
    match wants {
        Wants::Names => {
            let named = parameters.iter().zip(given).filter_map(|(name, given)| Some(((*name).to_owned(), given?)));
            all.push(named.collect::<Kwargs>().into());
        }
        Wants::Places => {
            let last = given.iter().rposition(Option::is_some).map_or(0, |at| at + 1);
            // What is not given before what is: as if it were not there.
            all.extend(given.into_iter().take(last).map(|given| given.unwrap_or(Value::UNDEFINED)));
        }
    }
    let behind = format!(" {name}");
    match characters {
        true => applied(mode, &all, |words| state.apply_filter(&behind, words)),
        false => state.apply_filter(&behind, &all),
    }
}

/// What a filter is given for each of its parameters, by its place or by its name.
fn arguments(filter: &str, parameters: &[&str], args: Rest<ValueOrKwargs>) -> Result<Vec<Option<Value>>, Error> {
    let takes = || match parameters {
        [one] => format!("`{filter}` takes one argument: `{one}`"),
        all => {
            let all: Vec<String> = all.iter().map(|name| format!("`{name}`")).collect();
            format!("`{filter}` takes {} arguments: {}", all.len(), all.join(", "))
        }
    };
    let mut given: Vec<Option<Value>> = vec![None; parameters.len()];
    let mut places = args.into_values();
    let named = match places.last() {
        Some(last) if last.is_kwargs() => places.pop(),
        _ => None,
    };
    if places.len() > parameters.len() {
        return refuse(takes());
    }
    for (slot, value) in given.iter_mut().zip(places) {
        *slot = Some(value);
    }
    for key in named.iter().flat_map(Value::try_iter).flatten() {
        let Some(at) = parameters.iter().position(|name| key.as_str() == Some(*name)) else {
            return refuse(format!("`{key}` is none of them: {}", takes()));
        };
        if given[at].is_some() {
            return refuse(format!("`{filter}` is given `{key}` twice"));
        }
        given[at] = named.as_ref().map(|named| named.get_item(&key)).transpose()?;
    }
    Ok(given)
}

/// A whole number, 0 or more.
fn size(filter: &str, name: &str, given: Option<&Value>, default: usize) -> Result<usize, Error> {
    match given {
        None => Ok(default),
        Some(value) => match value.as_i64().map(usize::try_from) {
            Some(Ok(size)) if value.is_number() => Ok(size),
            _ => refuse(format!("`{filter}`: `{name}` wants a whole number, 0 or more")),
        },
    }
}

/// Text; without it, the default.
fn text(given: Option<&Value>, default: &str) -> String {
    given.filter(|value| !value.is_none()).map_or_else(|| default.to_owned(), text_of)
}

fn yes(given: Option<&Value>, default: bool) -> bool {
    given.map_or(default, Value::is_true)
}

/// In the middle, as Python does it: of an odd room the greater part is on the left where the width is odd.
fn center(value: Value, args: Rest<ValueOrKwargs>) -> Result<String, Error> {
    let given = arguments("center", &["width"], args)?;
    let width = size("center", "width", given[0].as_ref(), 80)?.min(WIDEST);
    let text = text_of(&value);
    let room = width.saturating_sub(text.chars().count());
    let left = room / 2 + (room & width & 1);
    Ok(format!("{}{text}{}", " ".repeat(left), " ".repeat(room - left)))
}

/// Every line but the first, and but those that are blank, with blanks or a text of one's own before it.
fn indent(mode: Mode, value: &Value, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let given = arguments("indent", &["width", "first", "blank"], args)?;
    let (first, blank) = (yes(given[1].as_ref(), false), yes(given[2].as_ref(), false));
    let lead = match given[0].as_ref().and_then(Value::as_str) {
        // Before markup it would be taken for markup, whoever wrote it.
        Some(lead) if value.is_safe() && !given[0].as_ref().is_some_and(Value::is_safe) => mode.escape(lead),
        Some(lead) => lead.to_owned(),
        None => " ".repeat(size("indent", "width", given[0].as_ref(), 4)?.min(WIDEST)),
    };
    let text = text_of(value);
    let mut out = String::new();
    for (at, line) in text.lines().enumerate() {
        if at > 0 {
            out.push('\n');
        }
        let leads = if at == 0 { first } else { blank || !line.is_empty() };
        if leads {
            out.push_str(&lead);
        }
        out.push_str(line);
    }
    Ok(if value.is_safe() { Value::from_safe_string(out) } else { Value::from(out) })
}

fn replace(value: Value, args: Rest<ValueOrKwargs>) -> Result<String, Error> {
    let given = arguments("replace", &["old", "new", "count"], args)?;
    let [Some(old), Some(new), count] = &given[..] else {
        return Err(ErrorKind::MissingArgument.into());
    };
    let count = size("replace", "count", count.as_ref(), usize::MAX)?;
    Ok(text_of(&value).replacen(&text_of(old), &text_of(new), count))
}

fn filesizeformat(value: Value, args: Rest<ValueOrKwargs>) -> Result<String, Error> {
    let given = arguments("filesizeformat", &["binary"], args)?;
    let Some(size) = super::number(&value) else { return refuse("`filesizeformat` wants a number") };
    let binary = yes(given[0].as_ref(), false);
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

/// JSON: within a JSON template a value of its own, anywhere else text. With `indent`, over several lines.
fn tojson(mode: Mode, state: &State<'_, '_>, value: &Value, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let given = arguments("tojson", &["indent"], args)?;
    let indent = match given[0].as_ref() {
        None => None,
        Some(indent) if indent.is_none() || indent.kind() == ValueKind::Bool => indent.is_true().then_some(2),
        indent => Some(size("tojson", "indent", indent, 0)?.min(16)),
    };
    // What is markup already is escaped, and has to be quoted alone.
    let written = mode.mrkdwn_of(value).filter(|_| mode == Mode::Json);
    let escaped = written.is_some();
    let json = written.map_or_else(|| as_json(state, value), |mrkdwn| Ok(mrkdwn.into()));
    let mut json = json.or_else(|error| refuse(error.to_string()))?;
    if mode == Mode::Json && !escaped {
        escape_json(&mut json);
    }
    let text = match indent {
        None => json.to_string(),
        Some(indent) => {
            let lead = " ".repeat(indent);
            let mut out = Vec::new();
            let format = serde_json::ser::PrettyFormatter::with_indent(lead.as_bytes());
            let mut writer = serde_json::Serializer::with_formatter(&mut out, format);
            serde::Serialize::serialize(&json, &mut writer).or_else(|error| refuse(error.to_string()))?;
            String::from_utf8_lossy(&out).into_owned()
        }
    };
    Ok(if mode == Mode::Json { Value::from_safe_string(text) } else { Value::from(text) })
}

fn truncate(value: Value, args: Rest<ValueOrKwargs>) -> Result<String, Error> {
    let given = arguments("truncate", &["length", "killwords", "end", "leeway"], args)?;
    let length = size("truncate", "length", given[0].as_ref(), 255)?;
    let killwords = yes(given[1].as_ref(), false);
    let end = text(given[2].as_ref(), "...");
    let leeway = match given[3].as_ref() {
        Some(none) if none.is_none() => 5,
        leeway => size("truncate", "leeway", leeway, 5)?,
    };
    let text = text_of(&value);
    // What keeps marks from formatting takes no room.
    let seen = || text.char_indices().filter(|(_, c)| *c != '\u{2060}');
    if seen().count() <= length.saturating_add(leeway) {
        return Ok(text);
    }
    let room = length.saturating_sub(end.chars().count());
    let at = seen().nth(room).map_or(text.len(), |(at, _)| at);
    let at = characters(&text).map(|(start, _)| start).chain([text.len()]).take_while(|start| *start <= at).last();
    let cut = &text[..at.unwrap_or_default()];
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

fn wordwrap(value: Value, args: Rest<ValueOrKwargs>) -> Result<String, Error> {
    let parameters = ["width", "break_long_words", "wrapstring", "break_on_hyphens"];
    let given = arguments("wordwrap", &parameters, args)?;
    let width = size("wordwrap", "width", given[0].as_ref(), 79)?.max(1);
    let break_long_words = yes(given[1].as_ref(), true);
    let wrapstring = text(given[2].as_ref(), "\n");
    let on_hyphens = yes(given[3].as_ref(), true);
    let mut lines = Vec::new();
    for line in text_of(&value).lines() {
        let (mut current, mut used) = (String::new(), 0);
        for (at, word) in line.split(' ').enumerate() {
            let parts = if on_hyphens { hyphenated(word) } else { vec![word] };
            let parts =
                parts.into_iter().flat_map(|part| pieces(part, if break_long_words { width } else { usize::MAX }));
            for (part_at, part) in parts.enumerate() {
                let gap = usize::from(at > 0 && part_at == 0 && used > 0);
                let length = part.chars().count();
                if used > 0 && used + gap + length > width {
                    lines.push(std::mem::take(&mut current));
                    used = 0;
                } else if gap > 0 {
                    current.push(' ');
                    used += 1;
                }
                current.push_str(part);
                used += length;
            }
        }
        lines.push(current);
    }
    Ok(lines.join(&wrapstring))
}

/// A word's parts, each but the last with its hyphen: `read-only` can be broken behind it.
fn hyphenated(word: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut begin, mut before) = (0, None);
    for (at, c) in word.char_indices() {
        let next = word[at + c.len_utf8()..].chars().next();
        if c == '-' && before.is_some_and(char::is_alphabetic) && next.is_some_and(char::is_alphabetic) {
            parts.push(&word[begin..=at]);
            begin = at + 1;
        }
        before = Some(c);
    }
    parts.push(&word[begin..]);
    parts
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

/// Attributes of XML. What they hold is escaped once: as XML wants it, and so does Slack.
fn xmlattr(mode: Mode, value: &Value, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let given = arguments("xmlattr", &["autospace"], args)?;
    let autospace = yes(given[0].as_ref(), true);
    let quote = |text: &str| {
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        text.replace('"', "&#34;").replace('\'', "&#39;")
    };
    let mut items = Vec::new();
    for key in value.try_iter()? {
        let value = value.get_item(&key)?;
        let name = text_of(&key);
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || "/>=".contains(c)) {
            return refuse(format!("`{name}` is no name of an attribute"));
        }
        if !value.is_none() && !value.is_undefined() {
            items.push(format!("{}=\"{}\"", quote(&name), quote(&text_of(&value))));
        }
    }
    let lead = if autospace && !items.is_empty() { " " } else { "" };
    let out = format!("{lead}{}", items.join(" "));
    Ok(if mode.is_markup() { mode.markup(out) } else { Value::from(out) })
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
