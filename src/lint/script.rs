//! What can be seen of a shell script without running it: is its shell one that is known, is it plain, what is its first word.
//! Pure, and in doubt silent.

use std::ops::Range;

/// The shells that read the language of POSIX and take `-n` and `-c`.
const SHELLS: &[&str] = &["sh", "ash", "bash", "dash", "ksh", "ksh93", "mksh", "zsh", "rbash", "yash"];

/// What a shell does by itself, in one shell or another: no program is looked for.
const OWN_WORDS: &str = "\
    ! . : [ [[ { } alias autoload bg bind break builtin caller case cd chdir command compgen complete continue coproc \
    declare dirs disown do done echo elif else enable esac eval exec exit export false fc fg fi for foreach function \
    getopts hash help history if in integer jobs kill let local logout mapfile nocorrect noglob popd print printf pushd \
    pwd read readarray readonly repeat return select set setopt shift shopt source suspend test then time times trap \
    true type typeset ulimit umask unalias unset unsetopt until wait whence while zmodload";

/// Whether these are the words of a shell to which a script is then given: `/bin/sh -c`, `bash -euo pipefail -c`,
/// `/usr/bin/env bash -c`.
pub(super) fn is_posix_shell(words: &[&str]) -> bool {
    let is_env = |word: &&str| word.rsplit('/').next() == Some("env");
    let words = if words.first().is_some_and(is_env) { &words[1..] } else { words };
    let [program, options @ .., last] = words else { return false };
    let name = program.rsplit('/').next().unwrap_or(program);
    let is_cluster = |word: &str| word.starts_with('-') && !word.starts_with("--");
    // After a `-c` that is not the last word, that word is the script, and what is given to the shell an argument of it.
    let mut operand = false;
    let no_script = options.iter().all(|word| {
        let fits = operand || (word.starts_with(['-', '+']) && !(is_cluster(word) && word.contains('c')));
        operand = !operand && !word.starts_with("--") && word.ends_with(['o', 'O']);
        fits
    });
    let takes_script = is_cluster(last) && last.ends_with('c') && !last.contains(['o', 'O']);
    SHELLS.contains(&name) && no_script && !operand && takes_script
}

/// Whether a shell of these words reads files at its start, which may change PATH and execute anything: a login shell, or
/// an interactive one (which besides heeds no `-n`).
pub(super) fn reads_files(words: &[&str]) -> bool {
    words.iter().skip(1).any(|word| word.contains(['l', 'i']) && word.starts_with('-'))
}

/// Words that shells of one kind or another take for the beginning of something longer, wherever they stand.
const RESERVED: &str = "\
    ! [[ ]] { } case coproc do done elif else end esac fi for foreach function if in namespace nocorrect repeat select \
    then time until while";

/// Whether a script is plain enough to see that every shell can parse it: commands of plain words, quoted words, simple
/// variables and redirections, joined by pipes, `&&`, `||`, `;`, `&` and line ends. In doubt it is not.
pub(super) fn is_plain(script: &str) -> bool {
    let text = script.as_bytes();
    let mut at = 0;
    if script.starts_with(['-', '+']) {
        // After `-c` some shells take this for more options.
        return false;
    }
    // Something must come: at the start nothing must, after a bar a command, after `;` a command or a line end.
    let (mut needs_command, mut may_separate) = (false, false);
    while at < text.len() {
        match text[at] {
            b' ' | b'\t' => at += 1,
            b'\n' => {
                at += 1;
                may_separate = false;
            }
            b'|' | b'&' | b';' if may_separate => {
                let double = text.get(at + 1) == Some(&text[at]);
                match (text[at], double) {
                    (b'|', _) | (b'&', true) => needs_command = true,
                    (b'&' | b';', false) => {}
                    _ => return false,
                }
                at += if double { 2 } else { 1 };
                may_separate = false;
            }
            b'<' | b'>' => {
                let sign = text[at];
                at += 1;
                at += usize::from(sign == b'>' && text.get(at) == Some(&b'>'));
                at += usize::from(text.get(at) == Some(&b'&'));
                while text.get(at) == Some(&b' ') {
                    at += 1;
                }
                match plain_word(text, at) {
                    Some(end) if end > at => at = end,
                    _ => return false,
                }
                (needs_command, may_separate) = (false, true);
            }
            _ => match plain_word(text, at) {
                Some(end) if end > at => {
                    if RESERVED.split_ascii_whitespace().any(|word| word.as_bytes() == &text[at..end]) {
                        return false;
                    }
                    at = end;
                    (needs_command, may_separate) = (false, true);
                }
                _ => return false,
            },
        }
    }
    !needs_command
}

/// Where the plain word ends that begins at `at`; nothing when a part of it is not plain.
fn plain_word(text: &[u8], mut at: usize) -> Option<usize> {
    let start = at;
    while let Some(&byte) = text.get(at) {
        at += match byte {
            b'a'..=b'z'
            | b'A'..=b'Z'
            | b'0'..=b'9'
            | b'_'
            | b'.'
            | b'/'
            | b':'
            | b'='
            | b','
            | b'@'
            | b'%'
            | b'+'
            | b'-' => 1,
            // Alone it is a command, or its end.
            b'[' | b']' if at == start && text.get(at + 1).is_none_or(|next| b" \n;".contains(next)) => 1,
            b'\'' => 2 + text[at + 1..].iter().position(|byte| *byte == b'\'')?,
            b'"' => {
                let mut end = at + 1;
                while *text.get(end)? != b'"' {
                    end += match text[end] {
                        b'\\' | b'`' => return None,
                        b'$' => variable(text, end)?,
                        _ => 1,
                    };
                }
                end + 1 - at
            }
            b'$' => variable(text, at)?,
            b' ' | b'\t' | b'\n' | b'|' | b'&' | b';' | b'<' | b'>' => return Some(at),
            _ => return None,
        };
    }
    Some(at)
}

/// The length of `$NAME` or `$1`; nothing when it is anything else.
fn variable(text: &[u8], at: usize) -> Option<usize> {
    let name = text[at + 1..].iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    (name > 0).then_some(name + 1)
}

/// Whether a failure anywhere in a pipe makes the pipe fail: by an option of the shell, or in the script itself.
pub(super) fn has_pipefail(words: &[&str], script: &str) -> bool {
    words.iter().any(|word| word.contains("pipefail")) || script.contains("pipefail")
}

/// Words of the shell's own after which the script goes on, whatever they do.
const GOES_ON: &str = ": cd export readonly set true ulimit umask";

/// Whether a word is one of those.
pub(super) fn does_prepare(word: &str) -> bool {
    GOES_ON.split_ascii_whitespace().any(|own| own == word)
}

/// The program that a script runs first, where that is plain to see: a word without quotes, variables and patterns that
/// is no word of the shell's own and no function about to be defined. Before it may stand variables for it, and what only prepares
/// for it (`cd /tmp;`), but nothing that decides where programs are found. The answer is its range.
pub(super) fn first_program(script: &str) -> Option<Range<usize>> {
    let at_once = first_word(script);
    if at_once.is_some() || !is_plain(script) {
        return at_once;
    }
    let mut moved = false;
    for Simple { before, words } in simple_commands(script) {
        let mut words = words.into_iter().skip_while(|range| assigns(&script[range.clone()]));
        if !matches!(before, "" | ";" | "&&" | "\n") || script.contains("PATH=") {
            return None;
        }
        let Some(range) = words.next() else { continue };
        let word = &script[range.clone()];
        if does_prepare(word) {
            moved |= word == "cd";
            continue;
        }
        // From which folder a path begins is not known any more.
        return (is_program(word) && !(moved && word.contains('/') && !word.starts_with('/'))).then_some(range);
    }
    None
}

/// A command of a plain script: what joins it to the one before, and its words, those of redirections left out.
#[derive(Debug)]
pub(super) struct Simple {
    pub(super) before: &'static str,
    pub(super) words: Vec<Range<usize>>,
}

/// The commands of a script that is plain.
pub(super) fn simple_commands(script: &str) -> Vec<Simple> {
    let text = script.as_bytes();
    let mut all = vec![Simple { before: "", words: Vec::new() }];
    let (mut at, mut redirects) = (0, false);
    while at < text.len() {
        let join = match (text[at], text.get(at + 1)) {
            (b'|', Some(b'|')) => Some("||"),
            (b'&', Some(b'&')) => Some("&&"),
            (b'|', _) => Some("|"),
            (b'&', _) => Some("&"),
            (b';', _) => Some(";"),
            (b'\n', _) => Some("\n"),
            _ => None,
        };
        if let Some(before) = join {
            at += before.len();
            // An empty line joins nothing.
            let is_empty = all.last().is_none_or(|last| last.words.is_empty());
            if !(is_empty && before == "\n") {
                all.push(Simple { before, words: Vec::new() });
            }
            continue;
        }
        match text[at] {
            b' ' | b'\t' => at += 1,
            b'<' | b'>' => {
                at += 1;
                at += text[at..].iter().take_while(|byte| b">&".contains(byte)).count();
                redirects = true;
            }
            _ => {
                let Some(end) = plain_word(text, at).filter(|end| *end > at) else { return all };
                // `2>file`: the number is none of the command's words.
                let number = text[at..end].iter().all(u8::is_ascii_digit) && matches!(text.get(end), Some(b'<' | b'>'));
                if !std::mem::take(&mut redirects) && !number {
                    all.last_mut().expect("there is a first one").words.push(at..end);
                }
                at = end;
            }
        }
    }
    all
}

/// `NAME=value` before a command.
pub(super) fn assigns(word: &str) -> bool {
    let name = word.split_once('=').map_or("", |(name, _)| name);
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(is_name)
}

/// Whether a word is plainly that of a program: the shell changes nothing in it, and does not take it for its own.
pub(super) fn is_program(word: &str) -> bool {
    // What lies beyond ASCII is a part of a name, but for white space, which some shells divide at.
    let beyond = |c: char| !c.is_ascii() && !c.is_whitespace() && !c.is_control();
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./+@%,:".contains(c) || beyond(c);
    let named = word.starts_with(|c: char| c.is_ascii_alphanumeric() || "./_".contains(c) || beyond(c));
    let is_own = OWN_WORDS.split_ascii_whitespace().any(|own| own == word);
    named && word.chars().all(plain) && !is_own
}

/// The first word of a script, where it is that of a program.
fn first_word(script: &str) -> Option<Range<usize>> {
    let start = script.len() - script.trim_start().len();
    let rest = &script[start..];
    let end = rest.find(|c: char| c.is_ascii_whitespace() || ";|&<>()".contains(c)).unwrap_or(rest.len());
    let (word, after) = rest.split_at(end);
    let defines = after.trim_start().starts_with('(');
    // A redirection may begin with a number: `2>/dev/null command`.
    let number = word.bytes().all(|byte| byte.is_ascii_digit());
    (is_program(word) && !defines && !number).then(|| start..start + end)
}

/// Commands that print nothing when all is well.
const SILENT: &str = "true false : test [ [[ sleep exit wait cd export set umask trap kill mkdir rmdir touch rm cp mv ln chmod chown sync";

/// Whether a script plainly prints nothing when all is well: commands that never do, or output that is thrown away. In doubt
/// it is not.
pub(super) fn is_silent(script: &str) -> bool {
    let plain = |command: &str| {
        let to_nothing = [">/dev/null", "> /dev/null"].iter().any(|end| command.contains(end));
        let first = command.split_whitespace().next().unwrap_or_default();
        let name = first.rsplit('/').next().unwrap_or(first);
        to_nothing || SILENT.split_ascii_whitespace().any(|silent| silent == name)
    };
    // `2>&1` joins no commands, and sends one stream where the other goes.
    let script = script
        .replace("2>/dev/null", "")
        .replace("2> /dev/null", "")
        .replace("2>&1", "")
        .replace("&>", ">")
        .replace(">&2", "")
        .replace(">>", ">");
    let commands = script.split(['\n', ';', '&', '|']).map(str::trim).filter(|command| !command.is_empty());
    !script.contains(['`', '(', '#']) && commands.clone().next().is_some() && commands.into_iter().all(plain)
}

/// Whether a failure ends the script: `set -e`, or the same among the words of the shell.
pub(super) fn ends_at_failure(words: &[&str], script: &str) -> bool {
    let has_e = |word: &str| word.starts_with('-') && !word.starts_with("--") && word.contains('e');
    let set = script.split(['\n', ';']).map(str::trim_start).filter_map(|line| line.strip_prefix("set "));
    words.iter().skip(1).any(|word| has_e(word))
        || set.flat_map(str::split_whitespace).any(|word| has_e(word) || word == "errexit")
}

/// Brackets nested deeper than this are not followed.
const DEEPEST: usize = 64;

/// Where the quoted or bracketed part ends that begins at `at`: one past its last byte, or the end of the text.
pub(super) fn end_of_part(text: &[u8], at: usize, depth: usize) -> usize {
    let close = match (text[at], text.get(at + 1)) {
        _ if depth > DEEPEST => return text.len(),
        (b'$', Some(b'(')) => return end_of_part(text, at + 1, depth + 1),
        (b'$', Some(b'{')) => b'}',
        (b'$', _) => return at + 1,
        (b'(', _) => b')',
        (quote, _) => quote,
    };
    let mut at = at + if close == b'}' { 2 } else { 1 };
    while at < text.len() {
        at = match text[at] {
            byte if byte == close => return at + 1,
            b'\\' if close != b'\'' => at + 2,
            b'$' if close != b'\'' && close != b'`' => end_of_part(text, at, depth + 1),
            b'\'' | b'`' | b'"' | b'(' if matches!(close, b')' | b'}') => end_of_part(text, at, depth + 1),
            b'`' if close == b'"' => end_of_part(text, at, depth + 1),
            _ => at + 1,
        };
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    use super::{ends_at_failure, first_program, is_plain, is_posix_shell};

    #[test]
    fn the_shells_that_are_known() {
        for (words, known) in [
            (&["/bin/sh", "-c"][..], true),
            (&["bash", "-euo", "pipefail", "-c"], true),
            (&["bash", "-ec"], true),
            (&["/usr/bin/env", "bash", "-c"], true),
            (&["/usr/bin/env", "-S", "bash", "-c"], false),
            (&["env", "X=1", "bash", "-c"], false),
            (&["env"], false),
            (&["bash", "-lc"], true),
            (&["bash"], false),
            (&["ssh", "host", "-c"], false),
            (&["python3", "-c"], false),
            (&["fish", "-c"], false),
            (&["bash", "--norc", "-O", "extglob", "+x", "-c"], true),
            (&["sh", "-c", "touch executed", "-c"], false),
            (&["sh", "-ec", "-c"], false),
            (&["bash", "-o", "-c"], false),
            (&["bash", "--rcfile", "x", "-c"], false),
            (&["bash", "-c", "-o", "x", "-c"], false),
            (&[], false),
        ] {
            assert_eq!(is_posix_shell(words), known, "{words:?}");
        }
    }

    #[test]
    fn a_command_whose_output_is_thrown_away_prints_nothing() {
        for script in [
            "run >/dev/null 2>&1",
            "cd /srv && run --all >> /dev/null 2>&1",
            "run &> /dev/null",
            "run > /dev/null; rm -f x",
            "run >/dev/null 2>/dev/null",
        ] {
            assert!(super::is_silent(script), "{script}");
        }
        for script in ["run 2>/dev/null", "run 2>&1", "run > /dev/null && report", "run >> log 2>&1"] {
            assert!(!super::is_silent(script), "{script}");
        }
    }

    #[test]
    fn what_is_plain() {
        for script in [
            "",
            " \n",
            "df / | tail -1",
            "/opt/x --a=b 'it is' \"$HOME and $1\" > /tmp/x 2>&1",
            "a && b || c;\nd &\n\ne\n",
            "[ -f x ] && y <z >>log;",
            "X=1 y=\"a|b;c\" z",
        ] {
            assert!(is_plain(script), "{script}");
        }
        for script in [
            "|", "a |", "a &&\n", ";", "a;;b", "a & ; b", "a\n; b", "'", "\"", "\"$(a)\"", "$(a)", "`a`", "a\\", "(a)",
            "if a", "a <<X", "a >", "a > | b", "a #b", "${a", "$", "a {", "done", "[[ a ]]", "a ]]", "a[", "a>|b",
            "a <> b", "a >&", "größe",
        ] {
            assert!(!is_plain(script), "{script}");
        }
    }

    #[test]
    fn what_ends_a_script() {
        assert!(ends_at_failure(&["sh", "-ec"], "a"));
        assert!(ends_at_failure(&["sh", "-c"], "set -eu\na"));
        assert!(ends_at_failure(&["sh", "-c"], "set -o errexit; a"));
        assert!(!ends_at_failure(&["sh", "-c"], "set -u\nreset -e"));
    }

    #[test]
    fn the_first_program() {
        for (script, program) in [
            ("/opt/backup.sh --all", Some("/opt/backup.sh")),
            ("  ./x;y", Some("./x")),
            ("curl -s x", Some("curl")),
            ("df|tail", Some("df")),
            ("été.sh | wc", Some("été.sh")),
            ("日本語 x", Some("日本語")),
            ("/opt/zürich/x.sh a", Some("/opt/zürich/x.sh")),
            ("a\u{a0}b c", None),
            ("cd /tmp && x", Some("x")),
            ("cd /tmp; x", Some("x")),
            ("cd /tmp\n\n./x", None),
            ("cd /tmp && /opt/x", Some("/opt/x")),
            ("cd /tmp || x", None),
            ("X=1 y", Some("y")),
            ("X=\"a b\" Y=2 ./y", Some("./y")),
            ("set -e\numask 022\n y z", Some("y")),
            ("2>/dev/null x", Some("x")),
            ("X=1", None),
            ("PATH=/opt/bin y", None),
            ("export PATH=/opt/bin; y", None),
            ("command -v y; y", None),
            ("X=1 exec y", None),
            ("$X y", None),
            ("\"my program\"", None),
            ("~/bin/x", None),
            ("f() { x; }; f", None),
            ("(x)", None),
            ("# a comment", None),
            ("", None),
        ] {
            assert_eq!(first_program(script).map(|range| &script[range]), program, "{script}");
        }
    }

    /// Whatever is made of the signs and words that a shell is particular about: what is plain, shells can parse.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test asks real shells")]
    fn what_is_plain_is_parsed_by_shells() {
        let parts = [
            "a", " ", " ", "|", "&", ";", "\n", "'", "\"", "$", "x", "1", ">", "<", "=", "[", "]", "-", "if", "then",
            "do", "in", "time", "a b", " > y", "'q'", "\"q\"", "{", "!", "(", ")", "#", "~", "*",
        ];
        let mut runner = TestRunner::deterministic();
        let scripts = prop::collection::vec(prop::sample::select(parts.to_vec()), 1..12);
        let mut seen = Vec::new();
        while seen.len() < 1_500 {
            let script = scripts.new_tree(&mut runner).expect("a script").current().concat();
            if is_plain(&script) {
                seen.push(script);
            }
        }
        for shell in ["/bin/sh", "/bin/bash"] {
            // Each in a shell of its own, so that nothing hides what another one broke.
            for script in &seen {
                let read = duct::cmd(shell, ["-n", "-c", script]).stdout_null().stderr_capture().unchecked().run();
                let read = read.expect("a shell");
                let words = String::from_utf8_lossy(&read.stderr).into_owned();
                assert!(read.status.success() && words.is_empty(), "{shell}: {script:?}: {words}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_is_walked_to_its_end(script in any::<String>(), shell in "[a|b&;()'\"`$\\\\{}<>\n #E]{0,60}") {
            for text in [&script, &shell] {
                let _ = first_program(text);
            }
        }
    }
}
