//! Problems as workflow commands, which GitHub shows beside the lines of a pull request. Pure.
//!
//! The format: "Workflow commands for GitHub Actions", `::error file=…,line=…::message`. In the message `%`, CR and LF
//! are escaped; in a property `:` and `,` too.

use super::{Problems, Sources, json};

/// All of them, a line each. Columns are given where a problem is within one line, since GitHub takes none otherwise.
pub fn render(problems: &Problems, sources: &Sources) -> String {
    let mut out = String::new();
    for problem in problems.iter() {
        let mut properties = Vec::new();
        if let Some(spot) = problem.place().map(|place| sources.spot(place)) {
            properties.push(format!("file={}", property(&spot.file)));
            // A folder has no lines.
            let has_lines = problem.place().is_some_and(|place| !sources.get(place.source).text.is_empty());
            if has_lines {
                properties.push(format!("line={}", spot.start.line));
                properties.push(format!("endLine={}", spot.end.line));
            }
            if has_lines && spot.start.line == spot.end.line {
                properties.push(format!("col={}", spot.start.column));
                properties.push(format!("endColumn={}", spot.end.column));
            }
        }
        properties.push(format!("title={}", property(problem.code.as_str())));
        let help = problem.help.as_ref().map(|help| format!("\nhelp: {help}")).unwrap_or_default();
        let message = format!("{}{help}", problem.message);
        let level = json::level(problem.severity());
        out.push_str(&format!("::{level} {}::{}\n", properties.join(","), data(&message)));
    }
    out
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::render;
    use crate::diagnostic::{Code, Place, Problem, Problems, Sources};

    fn rendered(path: &str, text: &str, span: std::ops::Range<usize>, message: &str, help: &str) -> String {
        let (mut sources, mut problems) = (Sources::default(), Problems::default());
        let id = sources.add(path.as_ref(), text);
        problems.push(Problem::new(Code::UnknownKey, Place::new(id, span), message).help(help));
        render(&problems, &sources)
    }

    #[test]
    fn a_problem_is_a_workflow_command() {
        assert_eq!(
            rendered(
                "jobs.d/disk.toml",
                "a = 1\ncomand = 2\n",
                6..12,
                "unknown key `comand`",
                "did you mean `command`?"
            ),
            "::error file=jobs.d/disk.toml,line=2,endLine=2,col=1,endColumn=7,title=unknown-key::unknown key \
             `comand`%0Ahelp: did you mean `command`?\n"
        );
        assert_eq!(
            rendered("a,b:c%.toml", "a\nb\n", 0..3, "100%\r\n::error::x", "y"),
            "::error file=a%2Cb%3Ac%25.toml,line=1,endLine=2,title=unknown-key::100%25%0D%0A::error::x%0Ahelp: y\n"
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_a_second_command(path in any::<String>(), message in any::<String>(), help in any::<String>()) {
            let out = rendered(&path, "x", 0..1, &message, &help);
            prop_assert_eq!(out.matches(['\n', '\r']).count(), 1);
            prop_assert!(out.starts_with("::error file=") && out.ends_with('\n'));
        }
    }
}
