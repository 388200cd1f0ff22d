//! Problems for other programs: one JSON object a line, with stable fields. Pure.

use serde::{Deserialize, Serialize};

use super::{Problems, Severity, Sources};

/// One problem. The names and their order are part of the contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Its code.
    pub code: String,
    /// `error` or `warning`.
    pub level: String,
    /// What is wrong.
    pub message: String,
    /// In which file.
    pub file: Option<String>,
    /// From this line, counted from 1.
    pub line: Option<usize>,
    /// From this column, in characters, counted from 1.
    pub column: Option<usize>,
    /// To this line.
    pub end_line: Option<usize>,
    /// To before this column.
    pub end_column: Option<usize>,
    /// What to do about it.
    pub help: Option<String>,
}

/// All of them, in their order. Lines and columns count from 1, columns in characters; the end is one past the last
/// character. Secrets are blotted out.
pub fn lines<'a>(problems: &'a Problems, sources: &'a Sources) -> impl Iterator<Item = Line> + 'a {
    problems.iter().map(|problem| {
        let spot = problem.place().map(|place| sources.spot(place));
        let spot = spot.as_ref();
        Line {
            code: problem.code.as_str().to_owned(),
            level: level(problem.severity()).to_owned(),
            message: problem.message.clone(),
            file: spot.map(|spot| spot.file.clone()),
            line: spot.map(|spot| spot.start.line),
            column: spot.map(|spot| spot.start.column),
            end_line: spot.map(|spot| spot.end.line),
            end_column: spot.map(|spot| spot.end.column),
            help: problem.help.clone(),
        }
    })
}

/// All of them, one JSON object a line.
pub fn render(problems: &Problems, sources: &Sources) -> String {
    let mut out = String::new();
    for line in lines(problems, sources) {
        out.push_str(&serde_json::to_string(&line).expect("texts and numbers can always be written as JSON"));
        out.push('\n');
    }
    out
}

/// As the contract has it.
pub(super) fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

#[cfg(test)]
mod tests {
    use super::render;
    use crate::diagnostic::{Code, Place, Problem, Problems, Sources};

    #[test]
    fn a_problem_is_a_line_with_stable_fields() {
        let mut sources = Sources::default();
        let text = "# Größe\nevery = \"5 parsecs\"\n";
        let id = sources.add("jobs.d/disk.toml".as_ref(), text);
        let at = text.find("parsecs").expect("it is there");
        let mut problems = Problems::default();
        problems
            .push(Problem::new(Code::InvalidDuration, Place::new(id, at..at + 7), "not a \"unit\"").help("write `5m`"));
        problems.push(Problem::new(Code::NoTimeout, Place::new(id, 0..0), "xoxb-1-secret"));
        assert_eq!(
            render(&problems, &sources),
            concat!(
                r#"{"code":"invalid-duration","level":"error","message":"not a \"unit\"","file":"jobs.d/disk.toml","#,
                r#""line":2,"column":12,"end_line":2,"end_column":19,"help":"write `5m`"}"#,
                "\n",
                r#"{"code":"no-timeout","level":"warning","message":"xoxb-********","file":"jobs.d/disk.toml","#,
                r#""line":1,"column":1,"end_line":1,"end_column":1,"help":null}"#,
                "\n",
            )
        );
    }

    #[test]
    fn columns_count_characters() {
        let mut sources = Sources::default();
        let id = sources.add("x".as_ref(), "größe = ✓ ?");
        let mut problems = Problems::default();
        problems.push(Problem::new(Code::TomlSyntax, Place::new(id, 10..13), "?"));
        let line = render(&problems, &sources);
        assert!(line.contains(r#""column":9,"end_line":1,"end_column":10"#), "{line}");
    }
}
