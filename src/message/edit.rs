//! An incident's first message when there is something new to say of it: what it said stays, its headline and its colour
//! change. Pure.
//!
//! Before it: the message as it was posted, and the edit that `report` made. After it: what takes its place.

use std::borrow::Cow;

use serde_json::Value;

use super::words::color;
use super::{Edit, Message, Route};
use crate::exec::Status;
use crate::slack::blocks;
use crate::slack::limits::{ALL_BLOCKS, ATTACHMENT_BLOCKS, BLOCKS, LONGEST_EDIT, PLAIN, SECTION};
use crate::slack::{cut, escape, fit, is_ping, weight};

/// The first message as an edit leaves it.
pub fn edited(first: &Message, edit: &Message) -> Message {
    let Some(change) = &edit.route.edit else { return edit.clone() };
    if matches!(change, Edit::Worse) && first.run.is_some() && first.run == edit.run {
        // The first message that this channel has is about that run itself.
        let (text, blocks, color) = (first.text.clone(), first.blocks.clone(), first.color.clone());
        return Message { text, blocks, color, route: Route { edit: None, ..edit.route.clone() }, ..edit.clone() };
    }
    let (first_line, rest) = first.text.split_once('\n').unwrap_or((&first.text, ""));
    // Of one that Slack took as plain text alone it is the first line.
    let plain_line = Some(first_line).filter(|line| first.blocks.is_empty() && !line.trim().is_empty());
    let old = headline(first).or(plain_line);
    let (block, plain) = match change {
        Edit::Resolved { words } => {
            let mark = ":white_check_mark:";
            let struck = old
                .map(|old| bare(without_note(old)))
                .filter(|old| !old.is_empty())
                .map(|old| format!("~{}~ ", old.replace('~', "∼")));
            let block = format!("{mark} {}{words}", struck.unwrap_or_default());
            (block, format!("{mark} {words}: {}", bare(without_note(first_line))))
        }
        Edit::Gone { words } => {
            let mark = ":black_circle:";
            // Nobody has what nobody watches.
            let kept = old.map(|old| bare(without_note(old))).filter(|old| !old.is_empty());
            let kept = kept.map(|old| format!("{old} · ")).unwrap_or_default();
            (format!("{mark} {kept}{words}"), format!("{mark} {words}: {}", bare(without_note(first_line))))
        }
        Edit::Headline | Edit::Worse => {
            let new = headline(edit).unwrap_or(&edit.text);
            let plain = edit.text.split('\n').next().unwrap_or_default();
            // Whoever has the incident has it still.
            let kept = |new: &str, old: &str| format!("{}{}", without_pings(new), note_of(old));
            (kept(new, old.unwrap_or_default()), kept(plain, first_line))
        }
        Edit::Noted { words } => {
            let note = |text: &str| match words.is_empty() {
                true => without_note(text).to_owned(),
                false => format!("{}{NOTE}{}_", without_note(text), escape(words).replace('_', "-")),
            };
            let old = old.map_or(first_line, |old| old);
            (note(without_pings(old)), note(without_pings(first_line)))
        }
        Edit::Missing { words } => return with_line(first, edit, words),
        Edit::Attached { words } => return without_line(first, edit, words),
    };
    let mut head = blocks::section(&block, SECTION);
    // A button beside the headline stays there.
    if let Some(beside) = old.and_then(|_| first.blocks.first()?.get("accessory")) {
        head["accessory"] = beside.clone();
    }
    let mut all = vec![head];
    // What stays below is about the run that the message told first: it says so.
    let stays = |old: &&str| match change {
        Edit::Worse => true,
        // A count takes the place of a count, and of nothing else.
        Edit::Headline => emoji_of(old) != headline(edit).and_then(emoji_of),
        _ => false,
    };
    let before = old.filter(stays).map(|old| bare(without_note(old)));
    let is_said = rest.starts_with(FIRST) || rest.starts_with(BEFORE);
    let before = before.filter(|old| !old.is_empty() && !is_said && has_room(first));
    // A count has grown since it was told first.
    let label = if old.and_then(emoji_of) == Some(COUNT) { BEFORE } else { FIRST };
    let before = before.map(|old| (format!("{label}{old}"), format!("{label}{}\n", bare(without_note(first_line)))));
    all.extend(before.iter().map(|(block, _)| blocks::context(block)));
    // What is no headline stays below it.
    all.extend(first.blocks.iter().skip(usize::from(old.is_some())).cloned());
    if first.blocks.is_empty() && !rest.is_empty() {
        all.extend(blocks::paragraphs(rest, LONGEST_EDIT).0);
    }
    // A headline that is longer than the one before may be too much for a message that was as long as it can be.
    let all = if weight(&all) > ALL_BLOCKS { fit(all).blocks } else { all };
    let rest = format!("{}{rest}", before.map(|(_, plain)| plain).unwrap_or_default());
    let text = if rest.is_empty() { plain } else { format!("{plain}\n{}", rest.trim_end()) };
    let color = match change {
        Edit::Resolved { .. } => Some(color(Status::Ok).to_owned()),
        Edit::Gone { .. } => Some(color(Status::Unknown).to_owned()),
        Edit::Headline | Edit::Worse => edit.color.clone(),
        Edit::Noted { .. } | Edit::Missing { .. } | Edit::Attached { .. } => first.color.clone(),
    };
    // Of a message that is nothing but text, the text has all of it.
    let longest = if first.blocks.is_empty() { LONGEST_EDIT } else { PLAIN };
    Message {
        text: cut(&text, longest).0,
        blocks: all,
        color: color.filter(|_| first.color.is_some() || first.blocks.len() < 2),
        route: Route { edit: None, ..edit.route.clone() },
        ..edit.clone()
    }
}

/// What there is to read first: of a message its first line, of an edit what it changes. How the whole will read is not known
/// to it, since what it edits is not in it.
pub fn first_line(message: &Message) -> Cow<'_, str> {
    let line = || message.text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    match &message.route.edit {
        None | Some(Edit::Headline | Edit::Worse) => Cow::Borrowed(line()),
        Some(Edit::Noted { words }) if words.is_empty() => Cow::Borrowed("the note behind the headline is taken away"),
        Some(Edit::Resolved { words } | Edit::Gone { words } | Edit::Noted { words } | Edit::Missing { words }) => {
            Cow::Borrowed(words)
        }
        Some(Edit::Attached { words }) => Cow::Owned(format!("without \"{words}\"")),
    }
}

/// What the message says, and these words below it.
fn with_line(first: &Message, edit: &Message, words: &str) -> Message {
    let mut all = first.blocks.clone();
    if first.text.lines().any(|line| line == words) {
        return kept(first, edit, first.text.clone(), all);
    }
    if !all.is_empty() && has_room(first) {
        all.push(blocks::context(words));
    }
    kept(first, edit, format!("{}\n{words}", first.text), all)
}

/// What the message says, without the lines that begin with these words.
fn without_line(first: &Message, edit: &Message, words: &str) -> Message {
    let begins = |text: &str| text.trim_start().starts_with(words);
    let lines: Vec<&str> = first.text.lines().filter(|line| !begins(line)).collect();
    let says = |block: &Value| block.pointer("/elements/0/text").and_then(Value::as_str).is_some_and(begins);
    let all = first.blocks.iter().filter(|block| !says(block)).cloned().collect();
    kept(first, edit, lines.join("\n"), all)
}

/// An edit that leaves the headline as it is.
fn kept(first: &Message, edit: &Message, text: String, blocks: Vec<Value>) -> Message {
    let route = Route { edit: None, ..edit.route.clone() };
    Message { text: cut(&text, PLAIN).0, blocks, color: first.color.clone(), route, ..edit.clone() }
}

/// Whether a message takes one block more.
fn has_room(message: &Message) -> bool {
    message.blocks.len() < if message.color.is_some() { ATTACHMENT_BLOCKS } else { BLOCKS }
}

/// The headline of a message: its first block, where that is a paragraph above the bar.
fn headline(message: &Message) -> Option<&str> {
    let first = message.blocks.first()?;
    let alone = message.blocks.len() == 1;
    let text = first.get("text").and_then(|text| text.get("text")).and_then(Value::as_str)?;
    let paragraph = first.get("type").and_then(Value::as_str) == Some("section") && first.get("fields").is_none();
    (paragraph && !text.contains('\n') && (message.color.is_some() || alone)).then_some(text)
}

/// What stands before what a message said at first, once its status is worse than it was then.
const FIRST: &str = "reported first: ";

/// The same of what it said just before.
const BEFORE: &str = "before that: ";

/// The emoji of a headline that counts how often a job fails.
const COUNT: &str = ":large_orange_circle:";

/// What stands between a headline and the note behind it, which ends with an underscore.
const NOTE: &str = " · _";

/// A headline without the note behind it.
fn without_note(text: &str) -> &str {
    match text.rsplit_once(NOTE) {
        Some((headline, note)) if note.ends_with('_') && !note.contains('\n') => headline,
        _ => text,
    }
}

/// The note behind a headline, with what stands between them.
fn note_of(text: &str) -> &str {
    text.get(without_note(text).len()..).unwrap_or_default()
}

/// A headline without whom it pings.
fn without_pings(text: &str) -> &str {
    let mut rest = text.trim_start();
    while let Some((token, after)) = rest.split_once(' ') {
        if !is_ping(token) {
            break;
        }
        rest = after.trim_start();
    }
    rest
}

/// A headline without whom it pings, and without its emoji.
fn bare(text: &str) -> &str {
    let rest = without_pings(text);
    rest.strip_prefix(emoji_of(text).unwrap_or_default()).unwrap_or(rest).trim()
}

/// The emoji with which a headline begins.
fn emoji_of(text: &str) -> Option<&str> {
    let (first, _) = without_pings(text).split_once(' ')?;
    (first.len() > 2 && first.starts_with(':') && first.ends_with(':')).then_some(first)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::{edited, first_line};
    use crate::exec::Status;
    use crate::id::Channel;
    use crate::message::{Edit, Message, Route, Thread};
    use crate::slack::blocks;

    fn message(text: &str, blocks: Vec<Value>, color: Option<&str>) -> Message {
        Message {
            job: None,
            run: None,
            event: None,
            status: Status::Critical,
            channel: Channel::new("ops"),
            text: text.to_owned(),
            blocks,
            color: color.map(str::to_owned),
            incident: Some(7),
            thread: Thread::Open,
            attachment: None,
            created: Timestamp::UNIX_EPOCH,
            route: Route::default(),
        }
    }

    fn first() -> Message {
        let headline = "<!here> :red_circle: *dump* critical: refused";
        let all = vec![blocks::section(headline, 3_000), blocks::section("detail: port 5432", 3_000)];
        message("<!here> :red_circle: dump critical: refused\ndetail: port 5432", all, Some("danger"))
    }

    fn edit(change: Edit, blocks: Vec<Value>) -> Message {
        let route = Route { edit: Some(change), ..Route::default() };
        Message { thread: Thread::Edit, route, ..message("another text", blocks, Some("warning")) }
    }

    #[test]
    fn an_edit_in_a_list_says_what_it_changes() {
        let words = |text: &str| text.to_owned();
        for (change, said) in [
            (Edit::Resolved { words: words("resolved after 42m") }, "resolved after 42m"),
            (Edit::Gone { words: words("no longer watched") }, "no longer watched"),
            (Edit::Noted { words: words("dana has it until 14:00") }, "dana has it until 14:00"),
            (Edit::Noted { words: String::new() }, "the note behind the headline is taken away"),
            (Edit::Missing { words: words("its file is not there") }, "its file is not there"),
            (Edit::Attached { words: words("its file is not there") }, "without \"its file is not there\""),
            (Edit::Headline, "another text"),
        ] {
            assert_eq!(first_line(&edit(change.clone(), Vec::new())), said, "{change:?}");
        }
        assert_eq!(first_line(&message("\nits first\nand second", Vec::new(), None)), "its first");
    }

    fn texts(message: &Message) -> Vec<&str> {
        message.blocks.iter().filter_map(|block| block["text"]["text"].as_str()).collect()
    }

    #[test]
    fn the_end_strikes_the_headline_through_and_keeps_what_stands_below_it() {
        let resolved = || Edit::Resolved { words: "resolved after 42m (3 failures)".to_owned() };
        let over = edited(&first(), &edit(resolved(), Vec::new()));
        let headline = ":white_check_mark: ~*dump* critical: refused~ resolved after 42m (3 failures)";
        assert_eq!(texts(&over), [headline, "detail: port 5432"]);
        assert!(
            over.text.ends_with("\ndetail: port 5432") && over.text.contains("resolved after 42m"),
            "{}",
            over.text
        );
        assert_eq!((over.color.as_deref(), over.thread, over.incident), (Some("#2eb67d"), Thread::Edit, Some(7)));
        assert!(!over.text.contains("<!here>"), "nobody is pinged again: {}", over.text);

        // Slack took it as plain text alone: that stays too.
        let plain = Message { blocks: Vec::new(), color: None, ..first() };
        let over = edited(&plain, &edit(resolved(), Vec::new()));
        let headline = ":white_check_mark: ~dump critical: refused~ resolved after 42m (3 failures)";
        assert_eq!(texts(&over), [headline, "detail: port 5432"]);
    }

    #[test]
    fn of_a_job_that_nobody_watches_nobody_has_the_incident() {
        let noted = edited(&first(), &edit(Edit::Noted { words: "dana has it".to_owned() }, Vec::new()));
        assert!(texts(&noted)[0].contains("dana has it"), "{noted:?}");
        let gone = edited(&noted, &edit(Edit::Gone { words: "no longer watched since 14:02".to_owned() }, Vec::new()));
        assert_eq!(texts(&gone)[0], ":black_circle: *dump* critical: refused · no longer watched since 14:02");
        assert!(!gone.text.contains("dana"), "{}", gone.text);
    }

    #[test]
    fn a_message_without_a_bar_has_a_headline_where_that_is_all_it_has() {
        let end = edit(Edit::Resolved { words: "resolved".to_owned() }, Vec::new());
        let section = |text| blocks::section(text, 3_000);
        let struck = ":white_check_mark: ~*dump* critical~ resolved";
        let whole = ":white_check_mark: resolved";
        for (blocks, color, expected) in [
            (vec![section("*dump* critical")], None, vec![struck]),
            (vec![section("*dump* critical"), section("more")], None, vec![whole, "*dump* critical", "more"]),
            (vec![section("*dump* critical"), section("more")], Some("danger"), vec![struck, "more"]),
            (vec![section("two\nlines")], None, vec![whole, "two\nlines"]),
        ] {
            let has_bar = color.is_some() || blocks.len() == 1;
            let over = edited(&message("dump critical", blocks, color), &end);
            assert_eq!((texts(&over), over.color.is_some()), (expected, has_bar), "{color:?}");
        }
    }

    #[test]
    fn what_got_worse_has_a_new_headline_over_the_old_text() {
        let new = vec![blocks::section(":red_circle: *dump* critical, was warning: disk full", 3_000)];
        let worse = edited(&first(), &edit(Edit::Headline, new));
        assert_eq!(texts(&worse), [":red_circle: *dump* critical, was warning: disk full", "detail: port 5432"]);
        assert_eq!(worse.color.as_deref(), Some("warning"), "the colour is that of the edit");
    }

    /// All texts of the blocks, those in small print too.
    fn all_texts(message: &Message) -> Vec<&str> {
        message
            .blocks
            .iter()
            .filter_map(|block| block["text"]["text"].as_str().or_else(|| block["elements"][0]["text"].as_str()))
            .collect()
    }

    #[test]
    fn what_got_worse_says_of_the_text_below_it_that_it_was_reported_first() {
        let worse = |words: &str| {
            let mut worse = edit(Edit::Worse, vec![blocks::section(&format!(":red_circle: {words}"), 3_000)]);
            worse.text = format!(":red_circle: {words}\nits output");
            worse
        };
        let mut began = first();
        began.blocks[0] = blocks::section("<!here> :large_yellow_circle: *dump* warning: slow · _dana has it_", 3_000);
        began.text = "<!here> :large_yellow_circle: dump warning: slow\ndetail: port 5432".to_owned();
        let once = edited(&began, &worse("*dump* unknown: gone"));
        let below = ["reported first: *dump* warning: slow", "detail: port 5432"];
        assert_eq!(all_texts(&once), [":red_circle: *dump* unknown: gone · _dana has it_", below[0], below[1]]);
        let plain = ":red_circle: *dump* unknown: gone\nreported first: dump warning: slow\ndetail: port 5432";
        assert_eq!(once.text, plain);
        let twice = edited(&once, &worse("*dump* critical: full"));
        assert_eq!(all_texts(&twice)[1..], below, "what it said first is said once");
        let over = edited(&twice, &edit(Edit::Resolved { words: "resolved".to_owned() }, Vec::new()));
        assert_eq!(all_texts(&over)[1..], below);
        // Where the worse run itself is what the channel was told first, that stands there already.
        let run = Some(crate::id::RunId(9));
        let same = edited(&Message { run, ..began.clone() }, &Message { run, ..worse("*dump* critical: full") });
        assert_eq!(all_texts(&same), all_texts(&began));
        // Of one that Slack took as plain text alone it is the first line that stands below.
        let plain = Message { blocks: Vec::new(), color: None, ..began.clone() };
        let once = edited(&plain, &worse("*dump* critical: full"));
        assert_eq!(all_texts(&once)[1..], ["reported first: dump warning: slow", "detail: port 5432"]);
        // A message that is as long as it can be loses no block of its own.
        let full = Message { blocks: vec![blocks::section("*dump* warning", 3_000); 20], ..began };
        assert_eq!(edited(&full, &worse("*dump* critical")).blocks.len(), 20);
    }

    #[test]
    fn a_count_takes_the_place_of_a_count_and_leaves_what_failed() {
        let counted = |count: u32| {
            let text = format!(":large_orange_circle: *dump* fails now and then: {count} of 84 runs");
            Message { text: text.clone(), ..edit(Edit::Headline, vec![blocks::section(&text, 3_000)]) }
        };
        let once = edited(&first(), &counted(3));
        let texts = |message: &Message| all_texts(message).into_iter().map(str::to_owned).collect::<Vec<_>>();
        let below = ["reported first: *dump* critical: refused", "detail: port 5432"];
        assert_eq!(texts(&once)[1..], below);
        let twice = edited(&once, &counted(4));
        assert!(texts(&twice)[0].contains("4 of 84") && texts(&twice)[1..] == below, "{twice:?}");
        let began = Message { blocks: counted(3).blocks, text: counted(3).text, ..first() };
        let mut worse = edit(Edit::Worse, vec![blocks::section(":red_circle: *dump* critical: gone", 3_000)]);
        worse.text = ":red_circle: dump critical: gone".to_owned();
        let worse = edited(&edited(&began, &counted(4)), &worse);
        let before = "before that: *dump* fails now and then: 4 of 84 runs";
        assert_eq!(all_texts(&worse)[1], before, "it was 3 when it was told first");
        assert_eq!(edited(&began, &counted(4)).blocks.len(), 1, "a count needs no count below it");
    }

    #[test]
    fn that_a_file_is_missing_stands_below_what_a_message_says_until_it_is_there() {
        let note = ":paperclip: out.txt could not be attached";
        let missing = edit(Edit::Missing { words: format!("{note}: missing_scope") }, Vec::new());
        let over = edited(&first(), &edit(Edit::Resolved { words: "resolved".to_owned() }, Vec::new()));
        for before in [first(), over, Message { blocks: Vec::new(), ..first() }] {
            let noted = edited(&before, &missing);
            assert_eq!(noted.text, format!("{}\n{note}: missing_scope", before.text));
            assert_eq!(noted.blocks.len(), before.blocks.len() + usize::from(!before.blocks.is_empty()));
            assert_eq!(edited(&noted, &missing).text, noted.text, "it is said once");
            let there = edited(&noted, &edit(Edit::Attached { words: note.to_owned() }, Vec::new()));
            assert_eq!((&there.text, &there.blocks, &there.color), (&before.text, &before.blocks, &before.color));
        }
    }

    #[test]
    fn who_has_an_incident_stands_behind_its_headline_until_it_is_over() {
        let noted = edited(&first(), &edit(Edit::Noted { words: "dana_k has it until 14:00".to_owned() }, Vec::new()));
        let headline = ":red_circle: *dump* critical: refused";
        assert_eq!(texts(&noted), [&format!("{headline} · _dana-k has it until 14:00_"), "detail: port 5432"]);
        assert_eq!(noted.color.as_deref(), Some("danger"));
        let new = vec![blocks::section(":red_circle: *dump* critical, was warning", 3_000)];
        let worse = edited(&noted, &edit(Edit::Headline, new));
        let kept = ":red_circle: *dump* critical, was warning · _dana-k has it until 14:00_";
        assert_eq!(texts(&worse), [kept, "detail: port 5432"]);
        let taken_away = edited(&noted, &edit(Edit::Noted { words: String::new() }, Vec::new()));
        assert_eq!(texts(&taken_away), [headline, "detail: port 5432"]);
        let over = edited(&noted, &edit(Edit::Resolved { words: "resolved".to_owned() }, Vec::new()));
        assert!(!over.text.contains("has it") && !texts(&over)[0].contains("has it"), "{over:?}");
    }

    #[test]
    fn a_button_beside_the_headline_stays_when_the_headline_changes() {
        let button =
            json!({"type": "button", "text": {"type": "plain_text", "text": "Log"}, "url": "https://x.example"});
        let mut began = first();
        began.blocks[0]["accessory"] = button.clone();
        let over = edited(&began, &edit(Edit::Resolved { words: "resolved".to_owned() }, Vec::new()));
        assert_eq!(over.blocks[0]["accessory"], button);
    }

    #[test]
    fn an_edit_of_its_own_text_takes_the_place_of_the_first() {
        let whole = Message { route: Route::default(), ..edit(Edit::Headline, vec![json!({"type": "divider"})]) };
        assert_eq!(edited(&first(), &whole), whole);
    }
}
