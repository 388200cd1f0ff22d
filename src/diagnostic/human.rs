//! Problems as people read them: the source line, the culprit underlined, the code, the way out; in rustc's manner.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::{Problem, Severity, Sources, mask};

/// One problem, ready for the terminal; without `colour` it is plain text. Secrets in the lines shown are blotted out.
pub fn render(problem: &Problem, sources: &Sources, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let level = match problem.severity() {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let message = mask::secrets(&problem.message);
    let help = problem.help.as_deref().map(mask::secrets);
    let labels: Vec<_> = problem.labels.iter().map(|label| mask::secrets(&label.text)).collect();
    let mut group = level
        .primary_title(message.as_ref())
        .id(problem.code.as_str())
        .elements(Vec::<annotate_snippets::Message<'_>>::new());
    let mut shown = Vec::new();
    for label in &problem.labels {
        if shown.contains(&label.place.source) {
            continue;
        }
        shown.push(label.place.source);
        let source = sources.get(label.place.source);
        let path = in_one_line(&source.path.display().to_string());
        if source.text.is_empty() {
            group = group.element(annotate_snippets::Origin::path(path));
            continue;
        }
        let annotations =
            problem.labels.iter().enumerate().filter(|(_, other)| other.place.source == label.place.source);
        let snippet =
            Snippet::source(mask::secrets(&source.text)).path(path).annotations(annotations.map(|(index, label)| {
                let kind = if index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
                let annotation = kind.span(clamp(&source.text, label.place.span()));
                if label.text.is_empty() { annotation } else { annotation.label(labels[index].as_ref()) }
            }));
        group = group.element(snippet);
    }
    if let Some(help) = &help {
        group = group.element(Level::HELP.message(help.as_ref()));
    }
    renderer.render(&[group])
}

/// A path whose line ends and control characters cannot break the line, nor speak to the terminal.
fn in_one_line(path: &str) -> String {
    let mut shown = String::with_capacity(path.len());
    for c in path.chars() {
        if c.is_control() { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
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
    use super::render;
    use crate::diagnostic::{Code, Place, Problem, Sources};

    #[test]
    fn a_path_stays_on_its_line() {
        let mut sources = Sources::default();
        let id = sources.add("jobs.d/\u{1b}[31mred\nline.toml".as_ref(), "x = 1\n");
        let shown = render(&Problem::new(Code::UnknownKey, Place::new(id, 0..1), "unknown"), &sources, false);
        assert!(shown.contains("jobs.d/\\u{1b}[31mred\\nline.toml:1:1"), "{shown}");
    }
}
