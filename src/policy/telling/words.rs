//! What a single line of output is worth: whether it names an error, and whether it says more than that something failed.
//!
//! Before it: a line. After it: `telling`, which picks one.

/// What a program says of an error, in small letters.
const ERRORS: [&str; 42] = [
    "error",
    "fatal",
    "fail",
    "panic",
    "exception",
    "critical",
    "caused by: ",
    "denied",
    "refused",
    "rejected",
    "cannot",
    "can't",
    "could not",
    "couldn't",
    "unable to",
    "no such",
    "not found",
    "not exist",
    "n't exist",
    "not permitted",
    "not allowed",
    "no space",
    "no route",
    "no valid",
    "timed out",
    "timeout",
    "invalid",
    "undefined",
    "unexpected ",
    "unknown",
    "unrecognized",
    "unreachable",
    "unauthorized",
    "forbidden",
    "corrupt",
    "missing",
    "expired",
    "mismatch",
    "out of memory",
    "broken pipe",
    "reset by peer",
    "closed by ",
];

/// What stands in lines that only point elsewhere, in small letters.
const POINTERS: [&str; 23] = [
    "background on this error",
    "can be found at",
    "can be found in",
    "documentation about",
    "errors above",
    "for details.",
    "for documentation",
    "for more details",
    "for more information",
    "full stack trace",
    "had errors:",
    "may have more information",
    "mentioned above",
    "more details here",
    "please make sure",
    "and the repository exists",
    "previous error",
    "re-run maven",
    "see above",
    "see the log",
    "to learn more",
    "you are using ",
    "you should consider",
];

/// Words that say no more than that something is over, how it ended, and in what time. A line of these and of numbers alone
/// says little.
const LITTLE: &str = "\
    a abort aborted aborting after an and at b be been begin build bye bytes child cleaning cleanup code command \
    compilation complete completed connection control copied core did do done down due dumped elapsed end ended \
    error errors execution exit exited exiting exits fail failed failure failures fault file files finished \
    finishing for from gb had has have help in is it job kb kib killed loaded lost main mb mib ms non not now \
    occurred of ok out packages pass passed problem process quit quitting ran rc real records recoverable \
    remaining result return returned run s script sec seconds segmentation shutting skipped status stopped \
    stopping subcommand success successful successfully sys task terminated terminating test tests the there time \
    to took total unexplained unsuccessful up user warning warnings was were with zero";

/// How lines begin that say no more than that it failed or how long it took, in small letters.
const EMPTY: [&str; 7] = [
    "[error] [help",
    "begin failed--",
    "node.js v",
    "npm notice ",
    "goroutine ",
    "-- configuring incomplete",
    // It names a kind of error and its code: what happened stands above.
    "rsync error: ",
];

/// What a program says when all is well.
const GOOD: &str = "complete completed done finished healthy ok okay passed succeeded success successful successfully";

/// How loud a line says that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// Nothing is wrong.
    Routine,
    Warning,
    Error,
}

pub(super) fn is_error(line: &str) -> bool {
    let lower = line.to_lowercase();
    ERRORS.iter().any(|word| lower.contains(word)) || level(line) == Some(Level::Error)
}

pub(super) fn points_elsewhere(lower: &str) -> bool {
    POINTERS.iter().any(|words| lower.contains(words))
}

/// Whether a line has words of good news, and names no error.
pub(crate) fn says_well(line: &str) -> bool {
    let lower = line.to_lowercase();
    let has = |all: &str| {
        let mut words = lower.split(|c: char| !c.is_alphanumeric());
        words.any(|word| all.split(' ').any(|one| one == word))
    };
    has(GOOD) && !has("not no") && !is_error(line)
}

/// Whether a line says no more than that it failed, that it is over, what is done next, or where more can be read.
pub(super) fn says_little(line: &str) -> bool {
    let lower = line.trim().to_lowercase();
    EMPTY.iter().any(|words| lower.starts_with(words))
        || points_elsewhere(&lower)
        || only_of_little(&lower)
        || is_make(&lower)
        || is_heading(&lower)
        || is_statistic(&lower)
        || is_progress(&lower)
        || is_bare_address(&lower)
        || lower.starts_with("connection to ") && lower.ends_with(" closed.")
        || level(line) == Some(Level::Routine)
}

/// Whether a line names that something failed, and not why: a few words, or an exit status. Any other error says more.
pub(super) fn is_weak(line: &str) -> bool {
    if line.contains(": ") && level(line).is_some() && !ends_with_status(line) {
        return false;
    }
    let bare = line.trim_end_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let few = bare.split_whitespace().count() <= 4 && !bare.contains(": ");
    few && [" failed", " failed with errors", " failure"].iter().any(|end| bare.ends_with(end))
        || ends_with_status(line)
}

/// `Command 'x' returned non-zero exit status 1.`
fn ends_with_status(line: &str) -> bool {
    let bare = line.trim_end_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let number = bare.rsplit_once(' ').filter(|(_, last)| last.bytes().all(|b| b.is_ascii_digit()));
    let Some((before, _)) = number else { return bare.ends_with(" exit status") };
    let before = before.trim_end_matches(':');
    [" exit status", " exit code", " error code", " status code", " exited with", " with code", " with status", " rc"]
        .iter()
        .any(|end| before.ends_with(end))
}

/// Numbers, and words that say that it is over.
fn only_of_little(lower: &str) -> bool {
    // The program's name says nothing of what is wrong.
    let said = match lower.split_once(": ") {
        Some((program, rest)) if !program.split(" (").next().unwrap_or_default().contains(' ') => rest,
        _ => lower,
    };
    let words = |text| {
        let words = str::split(text, |c: char| !c.is_alphanumeric());
        words.filter(|word| word.starts_with(char::is_alphabetic))
    };
    let little = |word: &str| LITTLE.split(' ').any(|one| one == word);
    words(said).next().is_some() && words(said).all(little)
}

/// What make(1) says when a rule failed: what failed in it stands above.
fn is_make(lower: &str) -> bool {
    if !lower.trim_start_matches(['g', 'n']).starts_with("make") {
        return false;
    }
    let status =
        lower.split_once("] error ").is_some_and(|(_, number)| number.starts_with(|c: char| c.is_ascii_digit()));
    lower.contains(": *** ") && status
        || [" directory '", " directory `", " not remade because of errors"].iter().any(|words| lower.contains(words))
        || lower.contains("waiting for unfinished jobs")
}

/// `===== 1 failed in 0.12s =====`, `PLAY RECAP *****`.
fn is_heading(lower: &str) -> bool {
    let mark = |c: char| "=*-#_~".contains(c);
    let run = |text: &str| text.chars().take_while(|c| mark(*c)).count();
    let behind: String = lower.chars().rev().take(4).collect();
    run(&behind) >= 4
}

/// `failed=1 ok=3 changed=0`.
fn is_statistic(lower: &str) -> bool {
    let is_count = |word: &&str| {
        let number = word.split_once('=').map(|(_, number)| number);
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
    };
    lower.split_whitespace().filter(is_count).count() >= 3
}

/// How far something is, and what is done next: `Receiving objects: 45% (45/100)`, `Removing temporary files...`.
fn is_progress(lower: &str) -> bool {
    const NO_DOING: [&str; 7] = ["anything", "during", "everything", "missing", "nothing", "something", "warning"];
    if is_error(lower) {
        return false;
    }
    let bar = ["[==", "[##", "[--", "[  ", "[>", "█", "▓", "━━"].iter().any(|bar| lower.contains(bar));
    let share = lower.split_whitespace().any(|word| {
        let number = word.trim_start_matches(['(', '[']).split_once('%').map(|(number, _)| number);
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
    });
    let of = lower.split(|c: char| c.is_whitespace() || "()[],".contains(c)).any(|word| {
        let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        word.split_once('/').is_some_and(|(part, whole)| number(part) && number(whole))
    });
    let first = lower.trim_start_matches("remote: ").split_whitespace().next().unwrap_or_default();
    let first = first.trim_matches(|c: char| !c.is_alphabetic());
    let doing = first.len() > 5 && first.ends_with("ing") && !NO_DOING.contains(&first);
    let dots = lower.ends_with("...") || lower.ends_with('…');
    let short = lower.split_whitespace().count() <= 4 && !lower.contains(": ");
    share && (bar || of) || doing && (share || of || dots || short)
}

/// A line that is an address or a file's name and nothing else.
fn is_bare_address(lower: &str) -> bool {
    let mut words = lower.split_whitespace();
    let (Some(first), None) = (words.next(), words.next()) else { return false };
    first.contains("://")
}

/// The level that a line of a log has, where it says one.
pub(super) fn level(line: &str) -> Option<Level> {
    by_key(line).or_else(|| by_first_mark(line)).or_else(|| by_word(line)).or_else(|| behind_time(line))
}

fn of_name(name: &str) -> Option<Level> {
    Some(match name {
        "trace" | "debug" | "info" | "information" | "notice" | "note" | "system" | "verbose" | "log" => Level::Routine,
        "warn" | "warning" => Level::Warning,
        "err" | "error" | "severe" | "fatal" | "crit" | "critical" | "alert" | "emerg" | "emergency" | "panic" => {
            Level::Error
        }
        _ => return None,
    })
}

/// The first word behind a time: `2026-12-01 03:00:00 info exiting`.
fn behind_time(line: &str) -> Option<Level> {
    let is_of_time = |word: &&str| word.bytes().all(|b| b.is_ascii_digit() || b"TZ:.,+-/[]()".contains(&b));
    let (mut words, mut timed) = (line.split_whitespace().peekable(), false);
    while let Some(word) = words.next_if(is_of_time) {
        timed |= word.contains(':') && word.contains(|c: char| c.is_ascii_digit());
    }
    let name = words.next().filter(|_| timed)?.trim_end_matches(':').to_lowercase();
    // Words that are more than levels.
    of_name(&name).filter(|_| !["log", "note", "system"].contains(&name.as_str()))
}

/// `"level":"info"`, `lvl=info`; pino writes numbers.
fn by_key(line: &str) -> Option<Level> {
    const KEYS: [&str; 6] = ["level\"", "severity\"", "levelname\"", "level=", "lvl=", "severity="];
    let lower = line.to_lowercase();
    let at = KEYS.iter().filter_map(|key| Some(lower.find(key)? + key.len())).min()?;
    let value = lower[at..].trim_start_matches([' ', ':', '"', '\'']);
    let name = value.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    match name.parse::<u32>() {
        Ok(10..=30) => Some(Level::Routine),
        Ok(31..=49) => Some(Level::Warning),
        Ok(50..=60) => Some(Level::Error),
        _ => of_name(name),
    }
}

/// What a line begins with: `N: ` (apt), `I1130 12:00:00.1` (klog, glog), `<6>` (sd-daemon).
fn by_first_mark(line: &str) -> Option<Level> {
    let mut chars = line.chars();
    let first = chars.next()?;
    let rest = chars.as_str();
    if first == '<' {
        let (number, _) = rest.split_once('>')?;
        return match number {
            "0" | "1" | "2" | "3" => Some(Level::Error),
            "4" => Some(Level::Warning),
            "5" | "6" | "7" => Some(Level::Routine),
            _ => None,
        };
    }
    let (first, rest) = match first {
        '[' => (rest.chars().next()?, rest.get(1..)?),
        first => (first, rest),
    };
    let day = rest.bytes().take_while(u8::is_ascii_digit).count();
    let stamped = [4, 8].contains(&day)
        && rest[day..].starts_with(' ')
        && rest[day..].trim_start().as_bytes().get(2) == Some(&b':');
    let marked = rest.starts_with(": ") || line.starts_with('[') && rest.starts_with([' ', ']']);
    match first {
        _ if !stamped && !marked => None,
        'N' | 'I' | 'D' | 'V' | 'T' => Some(Level::Routine),
        'W' => Some(Level::Warning),
        'E' | 'F' | 'C' => Some(Level::Error),
        _ => None,
    }
}

/// A word near the beginning: in capitals, in brackets, or before a colon.
fn by_word(line: &str) -> Option<Level> {
    // What lower-case logs begin with: `info Visit https://…`.
    if line.starts_with("info ") || line.starts_with("debug ") || line.starts_with("notice ") {
        return Some(Level::Routine);
    }
    // What stands before the level of a log's line: a time, a place, a name.
    let mut stamped = false;
    for (at, word) in line.split_whitespace().take(8).enumerate() {
        let leads = at < 2 || stamped;
        stamped |= word.contains(|c: char| c.is_ascii_digit() || "[]|-".contains(c));
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        let bare = bare.split(':').next().unwrap_or_default();
        let lower = bare.to_lowercase();
        let Some(level) = of_name(&lower) else { continue };
        let capitals = leads && bare.len() > 3 && bare.chars().all(|c| c.is_ascii_uppercase());
        let bracketed = word.starts_with('[') && word.contains(']');
        // Words that are more than levels.
        let common = ["log", "note", "system"].contains(&lower.as_str());
        let led = at < 3 && !common && word.contains(&format!("{bare}:"));
        if bracketed || led || capitals && !common || word == "LOG:" {
            return Some(level);
        }
    }
    None
}
