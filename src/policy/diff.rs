//! What changed in the output, as a unified diff that fits into a message. Pure.
//!
//! Before it: the stdout of two ok runs. After it: `diff` in templates. Invariant: the answer is at most [`LONGEST`]
//! bytes and a few words, whatever the texts.

use std::fmt::Write as _;

use similar::{Algorithm, DiffTag, capture_diff_slices, group_diff_ops};

use super::same::{normal, place};

/// More lines than this of either text are not compared.
const MOST_LINES: usize = 2_000;

/// The diff ends here, and says so.
const LONGEST: usize = 4 << 10;

/// A line longer than this is shown cut; one that took another's place so that what differs is in it.
const LONGEST_LINE: usize = 300;

/// So many characters stand before what differs first.
const BEFORE: usize = 60;

/// Lines around a change that are shown.
const AROUND: usize = 2;

/// Hunks of a unified diff from `old` to `new`, without a header; empty when they say the same. With `normalize`, lines
/// that differ only in what changes from run to run count as equal.
pub(super) fn unified(old: &str, new: &str, normalize: bool) -> String {
    let (old_lines, old_rest) = lines(old);
    let (new_lines, new_rest) = lines(new);
    let key = |line: &&str| if normalize { normal(line) } else { (*line).to_owned() };
    let (old_keys, new_keys): (Vec<_>, Vec<_>) =
        (old_lines.iter().map(key).collect(), new_lines.iter().map(key).collect());
    let ops = capture_diff_slices(Algorithm::Myers, &old_keys, &new_keys);
    let mut out = String::new();
    for group in group_diff_ops(ops, AROUND) {
        if group.iter().all(|op| op.tag() == DiffTag::Equal) {
            continue;
        }
        let _ = writeln!(out, "{}", similar::udiff::UnifiedHunkHeader::new(&group));
        for op in group {
            let (tag, before, after) = op.as_tag_tuple();
            if tag == DiffTag::Equal {
                new_lines[after].iter().for_each(|line| put(&mut out, ' ', (line, 0)));
                continue;
            }
            // Lines that stand at the same place are shown from the same place on.
            let from: Vec<(usize, usize)> = before
                .clone()
                .zip(after.clone())
                .map(|(old, new)| {
                    let at = first_difference(&old_keys[old], &new_keys[new]);
                    let place = |line| if normalize { place(line, at) } else { at };
                    (place(old_lines[old]), place(new_lines[new]))
                })
                .collect();
            let of = |index: usize| from.get(index).copied().unwrap_or_default();
            for (index, line) in old_lines[before].iter().enumerate() {
                put(&mut out, '-', (line, of(index).0));
            }
            for (index, line) in new_lines[after].iter().enumerate() {
                put(&mut out, '+', (line, of(index).1));
            }
        }
        if out.len() > LONGEST {
            shorten(&mut out);
            break;
        }
    }
    if old_rest || new_rest {
        let _ = writeln!(out, "[… only the first {MOST_LINES} lines were compared]");
    }
    out.truncate(out.trim_end_matches('\n').len());
    out
}

fn lines(text: &str) -> (Vec<&str>, bool) {
    let mut lines = text.lines();
    let kept = lines.by_ref().take(MOST_LINES).collect();
    (kept, lines.next().is_some())
}

/// Where two lines differ first, in bytes.
fn first_difference(old: &str, new: &str) -> usize {
    let same = old.chars().zip(new.chars()).take_while(|(old, new)| old == new);
    same.map(|(c, _)| c.len_utf8()).sum()
}

/// A line, and what differs in it first.
fn put(out: &mut String, mark: char, (line, differs): (&str, usize)) {
    // Past the limit nothing more is shown, so nothing more is written.
    if out.len() > LONGEST + LONGEST_LINE {
        return;
    }
    out.push(mark);
    let at = |from: &str, count: usize| from.char_indices().nth(count).map_or(from.len(), |(at, _)| at);
    let mut shown = line;
    if at(line, LONGEST_LINE - BEFORE) < differs.min(line.len()) && at(line, LONGEST_LINE) < line.len() {
        let before = line[..differs].char_indices().rev().nth(BEFORE - 1).map_or(0, |(at, _)| at);
        out.push('…');
        shown = &line[before..];
    }
    let end = at(shown, LONGEST_LINE);
    out.push_str(&shown[..end]);
    if end < shown.len() {
        out.push('…');
    }
    out.push('\n');
}

/// Ends the diff at the last whole line within the limit, and says that there is more.
fn shorten(out: &mut String) {
    let mut end = LONGEST.min(out.len());
    while !out.is_char_boundary(end) {
        end -= 1;
    }
    let end = out[..end].rfind('\n').map_or(end, |at| at + 1);
    out.truncate(end);
    out.push_str("[… more changes, not shown]\n");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{LONGEST, unified};

    #[test]
    fn a_changed_line_is_shown_with_its_neighbours() {
        let old = "root 84%\nhome 20%\nswap off\nvar ok\nopt ok\n";
        let new = "root 84%\nhome 20%\nswap on\nvar ok\nopt ok\n";
        assert_eq!(
            unified(old, new, true),
            "@@ -1,5 +1,5 @@\n root 84%\n home 20%\n-swap off\n+swap on\n var ok\n opt ok"
        );
    }

    #[test]
    fn a_line_that_differs_in_numbers_only_is_no_change_and_is_shown_as_it_is_now() {
        assert_eq!(unified("at 07:13\nup\n", "at 08:00\nup\n", true), "");
        assert_eq!(unified("at 07:13\nup\n", "at 08:00\ndown\n", true), "@@ -1,2 +1,2 @@\n at 08:00\n-up\n+down");
        assert_eq!(unified("at 07:13\n", "at 08:00\n", false), "@@ -1 +1 @@\n-at 07:13\n+at 08:00");
        assert_eq!(unified("up\n", "up \n", false), "@@ -1 +1 @@\n-up\n+up ");
    }

    #[test]
    fn of_a_long_line_the_part_is_shown_that_differs() {
        for (length, normalize) in [(250, false), (299, false), (500, false), (3_000, false), (3_000, true)] {
            let line = |end: &str| format!("{} {end}, and {}\n", "é".repeat(length), "y".repeat(900));
            let diff = unified(&line("state up"), &line("state down"), normalize);
            assert!(diff.contains("é state up, and yy") && diff.contains("é state down, and yy"), "{length}: {diff}");
            assert!(diff.chars().count() < 700, "{length}: {diff}");
        }
        // A number that varies is no difference.
        let line = |number: &str, end: &str| format!("{number} {} {end}", "x".repeat(500));
        let diff = unified(&line("12", "up"), &line("12345", "down"), true);
        assert!(diff.contains("x up\n") && diff.ends_with("x down"), "{diff}");
        let line = |end: &str| format!("{}{end}", "x".repeat(500));
        let diff = unified(&line("abc"), &line("xyz"), true);
        assert!(diff.contains("xabc\n") && diff.ends_with("xxyz"), "{diff}");
        // What was added at the end is in none of the other.
        let diff = unified(&"x".repeat(500), &"x".repeat(501), false);
        assert!(diff.ends_with(&format!("-…{}\n+…{}", "x".repeat(60), "x".repeat(61))), "{diff}");
    }

    #[test]
    fn the_same_text_has_no_diff() {
        for text in ["", "a", "a\nb\n"] {
            assert_eq!(unified(text, text, true), "");
        }
        assert_eq!(unified("", "a\n", true), "@@ -0,0 +1 @@\n+a");
    }

    #[test]
    fn a_long_diff_ends_and_says_so() {
        let new = (0..3_000).map(|n| format!("{}\n", "word ".repeat(n % 7))).collect::<String>();
        let diff = unified("nothing\n", &new, true);
        assert!(diff.len() < LONGEST + 200, "{} bytes", diff.len());
        assert!(diff.contains("[… more changes, not shown]"), "{diff}");
        assert!(diff.ends_with("[… only the first 2000 lines were compared]"), "{diff}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

        #[test]
        fn no_pair_of_texts_makes_a_diff_too_long(old in any::<String>(), new in "(a|b|é|\n){0,3000}") {
            prop_assert!(unified(&old, &new, true).len() < LONGEST + 200);
        }
    }
}
