//! Where output was cut, what may be the beginning or the end of a match whose rest was thrown away.
//!
//! Before it: the patterns of `redact`. After it: `redact`, which shows none of that. A match may be longer than anything that is
//! kept, so no length bounds it: a pattern is turned into one that matches each beginning of its matches. The end of a
//! match is a beginning once both are read backwards.

use regex::bytes::Regex;
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Hir, HirKind, Repetition};

/// A pattern that takes more memory than this is not compiled, since it would take as much time: then all of the text may be
/// a part of a match, and none of it is shown.
const LARGEST: usize = 2 << 20;

/// Where in a text, at the end of which something was cut off, the beginning of a match may begin; its length where none can.
pub(super) fn begins_at(pattern: &Regex, text: &[u8]) -> usize {
    let text = whole_characters(text);
    match beginnings(pattern, false) {
        Some(beginnings) => beginnings.find(text).map_or(text.len(), |found| found.start()),
        None => 0,
    }
}

/// Where in a text, before which something was cut off, the end of a match may end; 0 where none can.
pub(super) fn ends_at(pattern: &Regex, text: &[u8]) -> usize {
    let Some(beginnings) = beginnings(pattern, true) else { return text.len() };
    let backwards: Vec<u8> = match std::str::from_utf8(text) {
        Ok(text) => text.chars().rev().collect::<String>().into_bytes(),
        Err(_) => text.iter().rev().copied().collect(),
    };
    beginnings.find(&backwards).map_or(0, |found| backwards.len() - found.start())
}

/// A text without the character at its end that is cut in two.
fn whole_characters(text: &[u8]) -> &[u8] {
    let last = text.iter().rev().take(4).position(|byte| byte & 0b1100_0000 != 0b1000_0000).unwrap_or(0);
    let start = text.len().saturating_sub(last + 1);
    let cut = text.get(start..).is_some_and(|rest| std::str::from_utf8(rest).is_err_and(|e| e.error_len().is_none()));
    if cut { &text[..start] } else { text }
}

/// Matches, at the end of a text, whatever a match may begin with; nothing where that is too large.
fn beginnings(pattern: &Regex, backwards: bool) -> Option<Regex> {
    let mut parser = ParserBuilder::new().utf8(false).multi_line(true).build();
    let mut hir = without_looks(&parser.parse(pattern.as_str()).ok()?);
    if backwards {
        hir = reversed(&hir);
    }
    let text = format!(r"(?:{})\z", beginning(&hir));
    regex::bytes::RegexBuilder::new(&text).size_limit(LARGEST).build().ok()
}

/// What matches each beginning of what this matches, the empty one too.
fn beginning(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Hir::empty(),
        HirKind::Literal(literal) => {
            let parts: Vec<Hir> = characters(&literal.0).into_iter().map(Hir::literal).collect();
            first_of(&parts)
        }
        HirKind::Class(_) => Hir::alternation(vec![hir.clone(), Hir::empty()]),
        HirKind::Repetition(repetition) => {
            let max = repetition.max.map(|max| max.saturating_sub(1));
            let sub = repetition.sub.clone();
            let before = Hir::repetition(Repetition { min: 0, max, greedy: true, sub });
            Hir::concat(vec![before, beginning(&repetition.sub)])
        }
        HirKind::Capture(capture) => beginning(&capture.sub),
        HirKind::Concat(parts) => first_of(parts),
        HirKind::Alternation(parts) => Hir::alternation(parts.iter().map(beginning).collect()),
    }
}

/// The beginnings of parts that follow each other: of the first, or all of it and a beginning of the others.
fn first_of(parts: &[Hir]) -> Hir {
    let Some((last, before)) = parts.split_last() else { return Hir::empty() };
    before.iter().rev().fold(beginning_of_one(last), |rest, part| {
        Hir::alternation(vec![Hir::concat(vec![part.clone(), rest]), beginning_of_one(part)])
    })
}

/// A literal of one character has no beginning but nothing and itself.
fn beginning_of_one(part: &Hir) -> Hir {
    match part.kind() {
        HirKind::Literal(literal) if characters(&literal.0).len() == 1 => {
            Hir::alternation(vec![part.clone(), Hir::empty()])
        }
        _ => beginning(part),
    }
}

/// The same without what asks for a place: where a text was cut, nobody knows what stood there.
fn without_looks(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Look(_) => Hir::empty(),
        HirKind::Repetition(repetition) => {
            let sub = Box::new(without_looks(&repetition.sub));
            Hir::repetition(Repetition { sub, ..repetition.clone() })
        }
        HirKind::Capture(capture) => without_looks(&capture.sub),
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(without_looks).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.iter().map(without_looks).collect()),
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) => hir.clone(),
    }
}

/// What matches the same texts, read from their ends.
fn reversed(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Literal(literal) => {
            let mut characters = characters(&literal.0);
            characters.reverse();
            Hir::literal(characters.concat())
        }
        HirKind::Repetition(repetition) => {
            let sub = Box::new(reversed(&repetition.sub));
            Hir::repetition(Repetition { sub, ..repetition.clone() })
        }
        HirKind::Capture(capture) => reversed(&capture.sub),
        HirKind::Concat(parts) => Hir::concat(parts.iter().rev().map(reversed).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.iter().map(reversed).collect()),
        HirKind::Empty | HirKind::Look(_) | HirKind::Class(_) => hir.clone(),
    }
}

/// The characters of a literal; of one that is no text, its bytes.
fn characters(literal: &[u8]) -> Vec<Vec<u8>> {
    match std::str::from_utf8(literal) {
        Ok(text) => text.chars().map(|c| c.to_string().into_bytes()).collect(),
        Err(_) => literal.iter().map(|byte| vec![*byte]).collect(),
    }
}

#[cfg(test)]
mod tests {
    use regex::bytes::Regex;

    use super::{begins_at, ends_at};

    #[test]
    fn what_may_be_a_part_of_a_match_that_is_cut_is_known_by_its_pattern() {
        for (pattern, text, head, tail) in [
            // What stands before the cut, and what stands behind it.
            ("s3cret-[a-z]{8}", "A word s3cret-abc", "A word ", "A word s3cret-abc"),
            ("s3cret-[a-z]+", "word: s3cret-abc", "word: ", ": s3cret-abc"),
            ("s3cret-[a-z]+", "nothing 42!", "nothing 42!", " 42!"),
            ("(?s)BEGIN.*?END", "a\nBEGIN\nxx\nyy", "a\n", "a\nBEGIN\nxx\nyy"),
            ("(?s)BEGIN.*?END", "xx\nyy\nEND\nz", "xx\nyy\nEND\nz", "\nz"),
            ("\"password\": *\"[^\"]*\"", "{\"password\": \"hun", "{", "password\": \"hun"),
            ("[A-Za-z0-9+/]{40}", "key: AbCd", "key: ", ": AbCd"),
            ("^token \\w+$", "x\ntoken ab", "x\n", "\ntoken ab"),
            ("é+x", "aéé", "a", "aéé"),
            ("a{3,5}b|cd", "zzaac", "zzaa", "zzaac"),
        ] {
            let regex = Regex::new(pattern).expect(pattern);
            let (begin, end) = (begins_at(&regex, text.as_bytes()), ends_at(&regex, text.as_bytes()));
            assert_eq!((&text[..begin], &text[end..]), (head, tail), "{pattern} in {text:?}");
        }
        let regex = Regex::new("(?-u)\\xff[^ ]+").expect("a pattern");
        assert_eq!((begins_at(&regex, b"a \xff\xfe"), ends_at(&regex, b"\xfeb c")), (2, 2));
        assert_eq!(begins_at(&Regex::new("é+x").expect("a pattern"), "aé".as_bytes()[..2].as_ref()), 1);
    }
}
