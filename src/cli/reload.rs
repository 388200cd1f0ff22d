//! `slack-alert reload`: the daemon reads its configuration now, and this says what changed and every problem.

use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use super::Failure;
use super::args::ReloadArgs;
use super::client::words::count;
use super::client::{self, Trouble};
use super::locate::World;
use crate::api::{self, ReloadAnswer};
use crate::diagnostic::{self, Code, Place, Problems, Sources, human};
use crate::document::load;
use crate::id::in_one_line;

/// Asks for a reading; exits with 1 when a file has errors.
pub(super) fn run(world: &World, args: &ReloadArgs) -> Result<ExitCode, Failure> {
    let daemon = client::open_to_change(world)?;
    let answer: ReloadAnswer = match daemon.client.post("/api/v1/reload", &json!({})) {
        Ok(answer) => answer,
        Err(Trouble::Refused(failure)) if failure.error.code == api::Code::Unprocessable => {
            return Ok(refused(world, args, &failure));
        }
        Err(trouble) => return Err(daemon.failure_to_change(&trouble)),
    };
    let errors = answer.problems.iter().filter(|problem| problem.level == "error").count();
    if args.json {
        world.terminal.out(&format!("{}\n", json!(answer)));
    } else {
        world.terminal.out(&shown(&answer.problems, world.terminal.colour()));
        world.terminal.out(&sentence(&answer));
    }
    Ok(if errors > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Nothing has changed.
fn refused(world: &World, args: &ReloadArgs, failure: &api::Failure) -> ExitCode {
    if args.json {
        world.terminal.out(&format!("{}\n", json!(failure)));
        return ExitCode::FAILURE;
    }
    world.terminal.out(&shown(&failure.problems, world.terminal.colour()));
    let mut words = format!("slack-alert: {}", in_one_line(&failure.error.message));
    if let Some(help) = &failure.error.help {
        words.push_str(&format!("\n  help: {}", in_one_line(help)));
    }
    world.terminal.err(&words);
    ExitCode::FAILURE
}

/// "142 jobs: 1 added, 2 changed, 1 removed; 1 job file has errors and is not loaded."
fn sentence(answer: &ReloadAnswer) -> String {
    let ReloadAnswer { jobs, added, changed, removed, not_loaded, going_on, .. } = answer;
    let jobs = count(*jobs as u64, "job", "jobs");
    let changes: Vec<String> = [(added, "added"), (changed, "changed"), (removed, "removed")]
        .iter()
        .filter(|(number, _)| **number > 0)
        .map(|(number, word)| format!("{number} {word}"))
        .chain(answer.also.iter().map(|what| in_one_line(what).to_string()))
        .collect();
    let changes = if changes.is_empty() { "nothing changed".to_owned() } else { changes.join(", ") };
    let bad = api::bad_files(*not_loaded, *going_on).map(|bad| format!("; {bad}")).unwrap_or_default();
    let notes: String = answer.notes.iter().map(|note| format!("{}.\n", in_one_line(note))).collect();
    format!("{jobs}: {changes}{bad}.\n{notes}")
}

/// The daemon's problems as `check` shows them, with the lines that they are about where these can be read here.
fn shown(found: &[api::Problem], colour: bool) -> String {
    let (mut sources, mut problems) = (Sources::default(), Problems::default());
    let mut unknown = String::new();
    for problem in found {
        let Some(code) = Code::parse(&problem.code) else {
            // A daemon of another version.
            let file = problem.file.as_deref().unwrap_or_default();
            unknown.push_str(&format!("{file}: {} [{}]\n", in_one_line(&problem.message), problem.code));
            continue;
        };
        let place = place(problem, &mut sources);
        problems.push(diagnostic::Problem::new(code, place, problem.message.clone()).maybe_help(problem.help.clone()));
    }
    format!("{}{unknown}", human::render_all(&problems, &sources, colour))
}

/// Where a problem is, with the text of its file.
fn place(problem: &api::Problem, sources: &mut Sources) -> Place {
    let path = problem.file.as_deref().unwrap_or("(no file)");
    let known = sources.iter().find(|(_, source)| source.path == Path::new(path)).map(|(id, _)| id);
    let id = known.unwrap_or_else(|| {
        let id = sources.add(Path::new(path), "");
        let (text, _) = load::read(Path::new(path), id);
        sources.fill(id, text);
        id
    });
    let text = sources.get(id).text.clone();
    let offset = |line: Option<usize>, column: Option<usize>| offset(&text, line?, column?);
    match (offset(problem.line, problem.column), offset(problem.end_line, problem.end_column)) {
        (Some(start), end) => Place::new(id, start..end.unwrap_or(start).max(start)),
        // It cannot be read here, or is another file by now: then the place is a part of its name.
        (None, _) => match problem.line {
            // A folder has no lines, and what cannot be read shows none.
            Some(1) if problem.column.is_none_or(|column| column == 1) => Place::new(id, 0..0),
            Some(line) => {
                let column = problem.column.unwrap_or(1);
                Place::new(sources.add(Path::new(&format!("{path}:{line}:{column}")), ""), 0..0)
            }
            None => Place::new(id, 0..0),
        },
    }
}

/// The byte of a line and column, which count from 1, columns in characters.
fn offset(text: &str, line: usize, column: usize) -> Option<usize> {
    let start = match line {
        1 if text.starts_with('\u{feff}') => '\u{feff}'.len_utf8(),
        1 => 0,
        _ => text.match_indices('\n').nth(line.checked_sub(2)?)?.0 + 1,
    };
    let rest = text.get(start..)?;
    if text.is_empty() {
        return None;
    }
    let end = rest.find('\n').unwrap_or(rest.len());
    let inside = rest[..end].char_indices().nth(column.checked_sub(1)?).map_or(end, |(at, _)| at);
    Some(start + inside)
}

#[cfg(test)]
mod tests {
    use super::{offset, sentence};
    use crate::api::ReloadAnswer;

    #[test]
    fn places_are_found_again_by_line_and_column() {
        let text = "ä = 1\nbb = 2\n";
        for (line, column, expected) in [
            (1, 1, Some(0)),
            (1, 2, Some(2)),
            (2, 1, Some(7)),
            (2, 3, Some(9)),
            (2, 99, Some(13)),
            (3, 1, Some(14)),
            (9, 1, None),
            (0, 1, None),
        ] {
            assert_eq!(offset(text, line, column), expected, "{line}:{column}");
        }
        assert_eq!(offset("", 1, 1), None);
    }

    fn with_errors(not_loaded: usize, going_on: usize) -> ReloadAnswer {
        ReloadAnswer { jobs: 2, not_loaded, going_on, ..ReloadAnswer::default() }
    }

    #[test]
    fn what_changed_is_said_in_numbers() {
        for (answer, words) in [
            (ReloadAnswer { jobs: 1, ..ReloadAnswer::default() }, "1 job: nothing changed.\n"),
            (
                ReloadAnswer { jobs: 142, added: 1, changed: 2, removed: 3, not_loaded: 1, ..ReloadAnswer::default() },
                "142 jobs: 1 added, 2 changed, 3 removed; 1 job file has errors and is not loaded.\n",
            ),
            (
                ReloadAnswer {
                    jobs: 1,
                    also: vec!["the credentials for Slack changed".into()],
                    ..ReloadAnswer::default()
                },
                "1 job: the credentials for Slack changed.\n",
            ),
            (with_errors(1, 1), "2 jobs: nothing changed; 1 job file has errors, and its last good version goes on.\n"),
            (with_errors(3, 0), "2 jobs: nothing changed; 3 job files have errors and are not loaded.\n"),
            (
                with_errors(3, 1),
                "2 jobs: nothing changed; 3 job files have errors, and the last good version of 1 goes on.\n",
            ),
            (
                with_errors(3, 3),
                "2 jobs: nothing changed; 3 job files have errors, and their last good versions go on.\n",
            ),
        ] {
            assert_eq!(sentence(&answer), words);
        }
    }
}
