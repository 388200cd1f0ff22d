//! Problems as people read them: the source line, the culprit underlined, the code, the way out; in rustc's manner.
//!
//! Before it: problems and their sources. After it: the terminal. The same finding in many files is one block, which shows
//! the first and lists the other places.

use std::collections::HashMap;

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};

use super::{Problem, Problems, Severity, Source, SourceId, Sources};

/// So many further places of the same finding are listed; the others are counted.
const PLACES: usize = 100;

/// All of them, block by block, each followed by a blank line.
pub fn render_all(problems: &Problems, sources: &Sources, colour: bool) -> String {
    let mut blocks: Vec<Vec<&Problem>> = Vec::new();
    let mut known: HashMap<_, usize> = HashMap::new();
    for problem in problems.iter() {
        // One file's own findings stay apart: each of its lines is looked at by itself.
        let same = known.get(&(problem.code, &problem.message, &problem.help)).map(|at: &usize| &mut blocks[*at]);
        let source = |problem: &Problem| problem.place().map(|place| place.source);
        match same.filter(|block| block.iter().all(|other| source(other) != source(problem))) {
            Some(block) => block.push(problem),
            None => {
                known.insert((problem.code, &problem.message, &problem.help), blocks.len());
                blocks.push(vec![problem]);
            }
        }
    }
    blocks.iter().map(|block| format!("{}\n\n", of_block(block, sources, colour))).collect()
}

/// One problem, ready for the terminal; without `colour` it is plain text. Secrets in the lines shown are blotted out.
pub fn render(problem: &Problem, sources: &Sources, colour: bool) -> String {
    of_block(&[problem], sources, colour)
}

/// The first of a block, and where else it is so.
fn of_block(block: &[&Problem], sources: &Sources, colour: bool) -> String {
    let Some((problem, others)) = block.split_first() else { return String::new() };
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let level = match problem.severity() {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let places = listed(others, sources);
    let mut group = level
        .primary_title(problem.message.as_str())
        .id(problem.code.as_str())
        .elements(Vec::<annotate_snippets::Message<'_>>::new());
    let mut shown: Vec<SourceId> = Vec::new();
    for label in &problem.labels {
        if shown.contains(&label.place.source) {
            continue;
        }
        shown.push(label.place.source);
        let source = sources.get(label.place.source);
        let path = source.shown();
        if source.text.is_empty() {
            group = group.element(Origin::path(path));
            continue;
        }
        let here: Vec<_> =
            problem.labels.iter().enumerate().filter(|(_, other)| other.place.source == label.place.source).collect();
        // Only the lines that are shown are given to the renderer, which looks through all that it is given.
        let start = here.iter().map(|(_, label)| label.place.start).min().unwrap_or(0);
        let end = here.iter().map(|(_, label)| label.place.end).max().unwrap_or(0);
        let (lines, first) = source.lines_around(clamp(&source.text, start..end));
        let annotations = here.into_iter().map(|(index, label)| {
            let kind = if index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
            let span = clamp(&source.text, label.place.span());
            let annotation = kind.span(span.start - lines.start..span.end - lines.start);
            if label.text.is_empty() { annotation } else { annotation.label(label.text.as_str()) }
        });
        let snippet = Snippet::source(&source.masked()[lines.clone()]).line_start(first).path(path);
        group = group.element(snippet.annotations(annotations));
    }
    if let Some(help) = &problem.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    if !places.is_empty() {
        group = group.element(Level::NOTE.message(places.as_str()));
    }
    renderer.render(&[group])
}

/// The places of the others of a block, a line each.
fn listed(others: &[&Problem], sources: &Sources) -> String {
    if others.is_empty() {
        return String::new();
    }
    let plural = if others.len() == 1 { "place" } else { "places" };
    let mut words = format!("the same in {} more {plural}:", others.len());
    for place in others.iter().take(PLACES).filter_map(|problem| problem.place()) {
        let (source, at): (&Source, _) = (sources.get(place.source), sources.position(place.source, place.start));
        match source.text.is_empty() {
            true => words.push_str(&format!("\n{}", source.shown())),
            false => words.push_str(&format!("\n{}:{}:{}", source.shown(), at.line, at.column)),
        }
    }
    if others.len() > PLACES {
        words.push_str(&format!("\nand in {} more", others.len() - PLACES));
    }
    words
}

/// A span that lies within the text, on character boundaries.
fn clamp(text: &str, span: std::ops::Range<usize>) -> std::ops::Range<usize> {
    let floor = |mut at: usize| {
        at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    floor(span.start)..floor(span.end).max(floor(span.start))
}

#[cfg(test)]
mod tests {
    use super::{render, render_all};
    use crate::diagnostic::{Code, Place, Problem, Problems, Sources};

    #[test]
    fn the_same_finding_in_many_files_is_one_block() {
        let (mut sources, mut problems) = (Sources::default(), Problems::default());
        for name in ["a", "b", "c"] {
            let id = sources.add(format!("jobs.d/{name}.toml").as_ref(), "x = 1\ncommand = \"true\"\n");
            problems.push(Problem::new(Code::NoTimeout, Place::new(id, 6..13), "nothing ends it").help("set one"));
            problems.push(Problem::new(Code::UnknownKey, Place::new(id, 0..1), format!("unknown in {name}")));
        }
        let shown = render_all(&problems, &sources, false);
        assert_eq!(shown.matches("nothing ends it").count(), 1, "{shown}");
        assert!(shown.contains("the same in 2 more places:"), "{shown}");
        assert!(shown.contains("jobs.d/b.toml:2:1") && shown.contains("jobs.d/c.toml:2:1"), "{shown}");
        assert_eq!(shown.matches("error[unknown-key]").count(), 3, "{shown}");
    }

    #[test]
    fn a_line_far_down_is_shown_with_its_number() {
        let (mut sources, text) = (Sources::default(), "a = 1\n".repeat(500) + "comand = 2\nb = 3\n");
        let id = sources.add("x.toml".as_ref(), text.as_str());
        let shown = render(&Problem::new(Code::UnknownKey, Place::new(id, 3_000..3_006), "unknown"), &sources, false);
        assert!(shown.contains("x.toml:501:1") && shown.contains("501 | comand = 2"), "{shown}");
        assert!(!shown.contains("b = 3"), "{shown}");
    }

    #[test]
    fn a_path_stays_on_its_line() {
        let mut sources = Sources::default();
        let id = sources.add("jobs.d/\u{1b}[31mred\nline.toml".as_ref(), "x = 1\n");
        let shown = render(&Problem::new(Code::UnknownKey, Place::new(id, 0..1), "unknown"), &sources, false);
        assert!(shown.contains("jobs.d/\\u{1b}[31mred\\nline.toml:1:1"), "{shown}");
    }
}
