//! The line of a run's output that tells most: what a headline says. Pure.
//!
//! Before it: output of a run that is not ok. After it: one of its lines. Mostly that is the last; where the last only goes
//! on with an earlier line, or says no more than that it failed, the nearest line that names an error takes its place.

/// So many lines from the end are looked at.
const LAST_LINES: usize = 200;

/// What a program says of an error, in small letters.
const ERRORS: [&str; 17] = [
    "error",
    "fatal",
    "fail",
    "panic",
    "exception",
    "critical",
    "denied",
    "refused",
    "cannot",
    "can't",
    "could not",
    "unable to",
    "no such",
    "not found",
    "timed out",
    "timeout",
    "invalid",
];

/// How hints begin, in small letters, also behind the name of a program: `pg_dump: detail:`.
const HINTS: [&str; 16] = [
    "note:",
    "hint:",
    "help:",
    "detail:",
    "details:",
    "context:",
    "statement:",
    "location:",
    "usage:",
    "try '",
    "try \"",
    "try `",
    "run with ",
    "see also",
    "for more ",
    "see '",
];

/// What stands in lines that only point elsewhere, in small letters.
const POINTERS: [&str; 12] = [
    "and the repository exists",
    "background on this error",
    "complete log of this run",
    "errors above",
    "for details.",
    "for more details",
    "for more information",
    "full stack trace",
    "please make sure",
    "previous error",
    "re-run maven",
    "see above",
];

/// Whole lines that say no more than that it is over, in small letters and without what stands around them.
const ENDS: [&str; 28] = [
    "aborted",
    "aborted (core dumped",
    "aborting",
    "bye",
    "cleaning up",
    "cleanup",
    "compilation terminated",
    "complete",
    "completed",
    "done",
    "error",
    "errors",
    "exit",
    "exiting",
    "failed",
    "failure",
    "finished",
    "killed",
    "lost connection",
    "ok",
    "quit",
    "segmentation fault",
    "segmentation fault (core dumped",
    "shutting down",
    "stopped",
    "stopping",
    "success",
    "terminated",
];

/// How lines begin that say no more than that it failed or how long it took, in small letters.
const EMPTY: [&str; 15] = [
    "[error] [help",
    "build failed",
    "exit status ",
    "exit code ",
    "exit code: ",
    "exited with ",
    "process exited ",
    "command exited with ",
    "command failed with exit ",
    "error command failed with exit ",
    "error: command failed with exit ",
    "begin failed--",
    "node.js v",
    "npm notice ",
    "goroutine ",
];

/// The line of bad output that tells most.
pub(crate) fn telling(text: &str) -> Option<&str> {
    let mut lines: Vec<&str> = text.lines().rev().filter(|line| !line.trim().is_empty()).take(LAST_LINES).collect();
    lines.reverse();
    let last = *lines.last()?;
    let introduced = lines.len() > 1 && points(lines[lines.len() - 2]);
    if !goes_on(last) && !says_little(last) && !introduced {
        return Some(last);
    }
    if let Some(line) = first_of_block(&lines) {
        return Some(line);
    }
    let whole = |line: &&&str| !goes_on(line) && !says_little(line);
    let error = lines.iter().rposition(|line| whole(&line) && is_error(line) && !is_call(line));
    if let Some(at) = error {
        return Some(below(&lines, at));
    }
    if last.contains(char::is_alphanumeric) && !is_hint(last) {
        return Some(last);
    }
    let mut rest = lines.iter().rev().copied();
    lines
        .iter()
        .rev()
        .find(whole)
        .copied()
        .or_else(|| rest.find(|line| line.contains(char::is_alphanumeric)))
        .or(Some(last))
}

/// A line that ends with a colon introduces the one below it: `thread 'main' panicked at src/main.rs:4:5:`.
fn below<'a>(lines: &[&'a str], at: usize) -> &'a str {
    let below = lines.get(at + 1).filter(|line| introduces(lines[at]) && !goes_on(line) && !says_little(line));
    below.unwrap_or(&lines[at])
}

/// Where each line begins with the same two words (`npm error`), the first that says more than a name and its value.
fn first_of_block<'a>(lines: &[&'a str]) -> Option<&'a str> {
    let lead = |line: &str| line.split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>();
    let words = lead(lines.last()?);
    if words.len() < 2 || !words.concat().to_lowercase().contains("err") {
        return None;
    }
    // A blank line of the block has one word, or the two alone.
    let begin = lines.iter().rposition(|line| lead(line) != words).map_or(0, |at| at + 1);
    let block = &lines[begin..];
    let says = |line: &&&str| line.split_whitespace().count() >= 5 && !points_elsewhere(&line.to_lowercase());
    block.iter().find(says).copied().filter(|_| block.len() >= 3)
}

fn is_error(line: &str) -> bool {
    let line = line.to_lowercase();
    ERRORS.iter().any(|word| line.contains(word))
}

/// Whether a line may say nothing without one before it.
fn goes_on(line: &str) -> bool {
    line.starts_with([' ', '\t']) || is_hint(line) || !line.contains(char::is_alphanumeric)
}

fn introduces(line: &str) -> bool {
    line.trim_end().ends_with(':')
}

/// Whether a line asks, or points elsewhere: the one below it is its object.
fn points(line: &str) -> bool {
    line.trim_end().ends_with('?') || introduces(line) && points_elsewhere(&line.to_lowercase())
}

fn is_hint(line: &str) -> bool {
    let lower = line.trim_start().to_lowercase();
    let behind =
        lower.split_once(": ").filter(|(program, _)| !program.contains(' ')).map(|(_, rest)| rest.trim_start());
    let begins = |text: &str| HINTS.iter().any(|word| text.starts_with(word));
    begins(&lower) || behind.is_some_and(begins)
}

/// Whether a line says no more than that it failed, that it is over, or where more can be read.
fn says_little(line: &str) -> bool {
    let lower = line.trim().to_lowercase();
    let bare = lower.trim_matches(|c: char| !c.is_alphanumeric());
    let makes = lower.starts_with("make") && lower.contains(": *** ");
    let counts = lower.split_whitespace().filter(|word| is_count(word)).count() >= 3;
    ENDS.contains(&bare)
        || EMPTY.iter().any(|words| lower.starts_with(words))
        || points_elsewhere(&lower)
        || makes
        || counts
        || is_timing(&lower)
        || is_routine(line)
}

fn points_elsewhere(lower: &str) -> bool {
    POINTERS.iter().any(|words| lower.contains(words))
}

/// `failed=1`.
fn is_count(word: &str) -> bool {
    word.split_once('=').is_some_and(|(_, number)| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

/// `real 0m0.012s`, as time(1) writes.
fn is_timing(lower: &str) -> bool {
    let mut words = lower.split_whitespace();
    matches!(words.next(), Some("real" | "user" | "sys"))
        && words.next().is_some_and(|time| time.starts_with(|c: char| c.is_ascii_digit()))
        && words.next().is_none()
}

/// A line of a log whose level says that nothing is wrong.
fn is_routine(line: &str) -> bool {
    const LEVELS: [&str; 4] = ["INFO", "DEBUG", "TRACE", "NOTICE"];
    let level = |word: &str| LEVELS.contains(&word.trim_matches(|c: char| !c.is_alphanumeric()));
    let lower = line.to_lowercase().replace(' ', "");
    let named = ["level\":\"", "severity\":\"", "level=", "levelname\":\""].iter().any(|key| {
        lower
            .split_once(key)
            .is_some_and(|(_, value)| LEVELS.iter().any(|level| value.starts_with(&level.to_lowercase())))
    });
    let marked = ["[info]", "[debug]", "[notice]"].iter().any(|mark| lower.starts_with(mark));
    named || marked || line.split_whitespace().take(5).any(level)
}

/// A frame of a stack as Go has it: `main.(*Client).handleError(0x0)`.
fn is_call(line: &str) -> bool {
    let name = line.trim_end().strip_suffix(')').and_then(|line| line.rsplit_once('(')).map(|(name, _)| name);
    name.is_some_and(|name| name.contains('.') && !name.contains(char::is_whitespace) && !name.ends_with(')'))
}

#[cfg(test)]
mod tests {
    use super::telling;

    #[test]
    fn the_line_that_tells_most_is_the_last_unless_that_goes_on_with_another() {
        for (text, line) in [
            ("", None),
            ("\n \n", None),
            ("one\ntwo\n\n", Some("two")),
            ("an error first\nthen words\n", Some("then words")),
            ("Traceback (most recent call last):\n  File \"x\", line 1\nValueError: 7", Some("ValueError: 7")),
            (
                "pg_dump: error: connection to server at \"db1\" failed\npg_dump: detail: Connection refused\n\tIs the server running?",
                Some("pg_dump: error: connection to server at \"db1\" failed"),
            ),
            (
                "pg_dump: error: query failed: ERROR:  permission denied\npg_dump: detail: Query was: LOCK TABLE a",
                Some("pg_dump: error: query failed: ERROR:  permission denied"),
            ),
            ("ERROR:  duplicate key\nDETAIL:  Key (id)=(1) already exists.", Some("ERROR:  duplicate key")),
            ("ERROR:  no such table\nLINE 1: SELECT 1\n          ^\n", Some("ERROR:  no such table")),
            ("error[E0308]: mismatched\n --> a.rs:1:1\n  |\n", Some("error[E0308]: mismatched")),
            ("thread 'main' panicked at a.rs:2:5:\nboom\nnote: run with `RUST_BACKTRACE=1`", Some("boom")),
            ("tar: invalid option -- 'q'\nTry 'tar --help' for more.", Some("tar: invalid option -- 'q'")),
            ("one\n  two\n", Some("  two")),
            ("}\n", Some("}")),
            ("  all of it\n  is indented\n  ^\n", Some("  is indented")),
            ("Errors:\ndisk full\n", Some("disk full")),
            ("error: no route\ndisk=sda1 mount=root host=web\n", Some("disk=sda1 mount=root host=web")),
        ] {
            assert_eq!(telling(text), line, "{text}");
        }
    }

    #[test]
    fn a_line_that_says_no_more_than_that_it_failed_gives_way_to_the_cause() {
        let go = "panic: runtime error: nil pointer\n\ngoroutine 1 [running]:\nmain.(*Client).handleError(0x0)\n\t/src/m.go:17\nmain.main()\n\t/src/m.go:9\nexit status 2\n";
        let java = "Exception in thread \"main\" a.B: export failed\n\tat c.D.e(D.java:41)\nCaused by: java.sql.SQLException: no listener\n\tat x.Y.z(Y.java:7)\n\t... 1 more\n";
        let node = "/srv/index.js:10\n    throw new Error('no config');\n    ^\n\nError: no config\n    at Object.<anonymous> (/srv/index.js:10:11)\n\nNode.js v22.14.0\n";
        let npm = "npm error code E404\nnpm error 404 Not Found - GET https://r.example/left-pod\nnpm error 404\nnpm error 404  'left-pod@*' is not in this registry.\nnpm error A complete log of this run can be found in: /home/dana/x.log\n";
        let npm6 = "npm ERR! code ENOENT\nnpm ERR! path /srv/package.json\nnpm ERR! enoent ENOENT: no such file or directory, open '/srv/package.json'\nnpm ERR! enoent \n\nnpm ERR! A complete log of this run can be found in:\nnpm ERR!     /home/dana/x.log\n";
        for (text, line) in [
            (go, "panic: runtime error: nil pointer"),
            (java, "Caused by: java.sql.SQLException: no listener"),
            (node, "Error: no config"),
            (npm, "npm error 404 Not Found - GET https://r.example/left-pod"),
            (npm6, "npm ERR! enoent ENOENT: no such file or directory, open '/srv/package.json'"),
            (
                "Unhandled exception. Could not find file '/x'.\n   at Program.Main()\nAborted\n",
                "Unhandled exception. Could not find file '/x'.",
            ),
            (
                "Can't locate DBI.pm in @INC at x.pl line 3.\nBEGIN failed--compilation aborted at x.pl line 3.\n",
                "Can't locate DBI.pm in @INC at x.pl line 3.",
            ),
            (
                "main.c:3:10: fatal error: foo.h: No such file\n    3 | #include\n      |  ^~~\ncompilation terminated.\nmake[1]: *** [Makefile:4: main.o] Error 1\nmake: *** [all] Error 2\n",
                "main.c:3:10: fatal error: foo.h: No such file",
            ),
            (
                "ssh: connect to host db1 port 22: Connection refused\nlost connection\n",
                "ssh: connect to host db1 port 22: Connection refused",
            ),
            (
                "tar: /srv: Cannot open: Permission denied\ntar: Exiting with failure status due to previous errors\n\nreal\t0m0.012s\nuser\t0m0.004s\nsys\t0m0.008s\n",
                "tar: /srv: Cannot open: Permission denied",
            ),
            (
                "fatal: [web1]: FAILED! => {}\n\nPLAY RECAP ****\nweb1 : ok=3 changed=0 unreachable=0 failed=1\n",
                "fatal: [web1]: FAILED! => {}",
            ),
            (
                "Fatal: unable to open repository\nIs there a repository at the following location?\ns3:https://s3.example\n",
                "Fatal: unable to open repository",
            ),
            (
                "{\"level\":\"error\",\"msg\":\"cannot open\"}\n{\"level\": \"info\",\"msg\":\"shutting down\"}\n",
                "{\"level\":\"error\",\"msg\":\"cannot open\"}",
            ),
            (
                "2026-11-28 22:00:00 ERROR db: gone\n2026-11-28 22:00:01 INFO shutting down the pool\n",
                "2026-11-28 22:00:00 ERROR db: gone",
            ),
            ("step 2: upload\ncp: cannot stat '/x'\ncleaning up\ndone\n", "cp: cannot stat '/x'"),
            (
                "> Task :x FAILED\n* What went wrong:\nExecution failed for task ':x'.\n> boom\n\n* Try:\n> Run with --info\n\nBUILD FAILED in 3s\n",
                "Execution failed for task ':x'.",
            ),
            (
                "[ERROR] Failed to execute goal a:b: no x -> [Help 1]\n[ERROR] \n[ERROR] Re-run Maven using the -X switch\n[ERROR] [Help 1] http://x\n",
                "[ERROR] Failed to execute goal a:b: no x -> [Help 1]",
            ),
            (
                "ERROR: Repository not found.\nfatal: Could not read from remote repository.\n\nPlease make sure you have the correct access rights\nand the repository exists.\n",
                "fatal: Could not read from remote repository.",
            ),
            (
                "Job for x.service failed because of y.\nSee \"systemctl status x\" for details.\n",
                "Job for x.service failed because of y.",
            ),
            (
                "docker: Error response from daemon: no such image.\nSee 'docker run --help'.\n",
                "docker: Error response from daemon: no such image.",
            ),
            (
                "ERROR: No matching distribution found for x\n[notice] A new release of pip is available\n",
                "ERROR: No matching distribution found for x",
            ),
            (
                "a.B: (c.D) connection refused\n\n(Background on this error at: https://e.example)\n",
                "a.B: (c.D) connection refused",
            ),
            // What says little says it all where nothing else does.
            ("step 1\nstep 2\nexit status 2\n", "exit status 2"),
            ("rows=3 bad=1 good=2\n", "rows=3 bad=1 good=2"),
            ("Killed\n", "Killed"),
        ] {
            assert_eq!(telling(text), Some(line), "{text}");
        }
    }
}
