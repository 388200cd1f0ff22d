//! The pipes of a shell script whose exit code decides about the run, without running it. Pure, and in doubt silent.
//!
//! The grammar is that of POSIX ("Shell Grammar"), as far as it says which command comes last: lists, pipelines, subshells and
//! groups, `if`, loops, `case`, functions that are called, and what is assigned from a command (`x=$(a | b)`).

use std::collections::HashMap;

use super::script::end_of_part;

/// Commands within commands deeper than this are not followed.
const DEEPEST: usize = 32;

/// A pipe of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pipe {
    /// Where the bar stands.
    pub(super) at: usize,
    /// The first word of the command before it, whose failure it hides; nothing of a command with commands in it.
    pub(super) first: String,
}

/// The pipes that decide the script's exit code: those of its last pipeline, or of any where a failure ends the script
/// (`set -e`); outside of quotes, comments, here-documents and conditions.
pub(super) fn deciding_pipes(script: &str, ends_at_failure: bool) -> Vec<Pipe> {
    let mut walk = Walk {
        text: script.as_bytes(),
        at: 0,
        depth: 0,
        ends_at_failure,
        documents: Vec::new(),
        functions: HashMap::new(),
    };
    let found = walk.list(&[]);
    // What is left has not been understood.
    found.filter(|_| walk.at >= walk.text.len()).unwrap_or_default()
}

/// A walk over a script, from its start.
struct Walk<'t> {
    text: &'t [u8],
    at: usize,
    depth: usize,
    ends_at_failure: bool,
    /// The ends of here-documents that begin at the next line.
    documents: Vec<Vec<u8>>,
    /// The deciding pipes of functions that were defined.
    functions: HashMap<Vec<u8>, Vec<Pipe>>,
}

/// What a command is, as far as it matters what comes before and after it.
#[derive(Default)]
struct Command {
    /// Its first word; nothing where it has commands in it.
    first: Vec<u8>,
    /// The pipes within it that decide its own exit code.
    inner: Vec<Pipe>,
}

impl Walk<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    /// Commands up to one of these words, or a closing bracket, or the end; the words that end it are left.
    fn list(&mut self, until: &[&str]) -> Option<Vec<Pipe>> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let mut found = Vec::new();
        loop {
            self.skip(true);
            if self.peek(0) == b';' && !until.is_empty() && self.peek(1) == b';' {
                break;
            }
            if matches!(self.peek(0), b';' | b'&') {
                self.at += 1 + usize::from(self.peek(1) == b'&');
                continue;
            }
            if self.at >= self.text.len() || self.peek(0) == b')' || self.is_word_of(until) {
                break;
            }
            let pipes = self.pipeline()?;
            match self.ends_at_failure {
                true => found.extend(pipes),
                false => found = pipes,
            }
            self.skip(false);
            if matches!((self.peek(0), self.peek(1)), (b'|', b'|')) {
                self.at += 2;
            }
        }
        self.depth -= 1;
        Some(found)
    }

    /// Commands joined by bars.
    fn pipeline(&mut self) -> Option<Vec<Pipe>> {
        let negated = self.take_word("!");
        let mut pipes = Vec::new();
        loop {
            self.skip(!pipes.is_empty());
            let begin = self.at;
            let command = self.command()?;
            if self.at == begin {
                return None;
            }
            self.skip(false);
            if self.peek(0) != b'|' || self.peek(1) == b'|' {
                pipes.extend(command.inner);
                return Some(if negated { Vec::new() } else { pipes });
            }
            pipes.push(Pipe { at: self.at, first: String::from_utf8_lossy(&command.first).into_owned() });
            self.at += if self.peek(1) == b'&' { 2 } else { 1 };
        }
    }

    fn command(&mut self) -> Option<Command> {
        let inner = match self.compound()? {
            Some(inner) => inner,
            None => return self.simple(),
        };
        // Behind it stand redirections alone.
        while !self.ends_command() {
            self.word();
            self.skip(false);
        }
        Some(Command { first: Vec::new(), inner })
    }

    /// A command with commands in it: the pipes that decide its exit code. Nothing where it is none.
    fn compound(&mut self) -> Option<Option<Vec<Pipe>>> {
        if (self.peek(0), self.peek(1)) == (b'(', b'(') {
            self.at = end_of_part(self.text, self.at, 0);
            return Some(Some(Vec::new()));
        }
        if self.peek(0) == b'(' {
            self.at += 1;
            let inner = self.list(&[])?;
            return self.take_sign(b')').then_some(Some(inner));
        }
        if self.take_word("{") {
            return self.body("}").map(Some);
        }
        if self.take_word("if") {
            return self.branches().map(Some);
        }
        if self.take_word("while") || self.take_word("until") {
            self.list(&["do"])?;
            return if self.take_word("do") { self.body("done").map(Some) } else { None };
        }
        if self.take_word("for") || self.take_word("select") {
            while !self.is_word_of(&["do"]) {
                let begin = self.at;
                self.word();
                self.skip(true);
                self.at += usize::from(self.peek(0) == b';');
                self.skip(true);
                if self.at == begin {
                    return None;
                }
            }
            return if self.take_word("do") { self.body("done").map(Some) } else { None };
        }
        if self.take_word("case") {
            return self.cases().map(Some);
        }
        Some(None)
    }

    fn body(&mut self, end: &str) -> Option<Vec<Pipe>> {
        let inner = self.list(&[end])?;
        self.take_word(end).then_some(inner)
    }

    /// Behind `if`: what its conditions do is asked for, and hides nothing.
    fn branches(&mut self) -> Option<Vec<Pipe>> {
        let mut found = Vec::new();
        loop {
            self.list(&["then"])?;
            if !self.take_word("then") {
                return None;
            }
            found.extend(self.list(&["elif", "else", "fi"])?);
            if self.take_word("elif") {
                continue;
            }
            if self.take_word("else") {
                found.extend(self.list(&["fi"])?);
            }
            return self.take_word("fi").then_some(found);
        }
    }

    /// Behind `case`.
    fn cases(&mut self) -> Option<Vec<Pipe>> {
        self.skip(true);
        self.word();
        self.skip(true);
        if !self.take_word("in") {
            return None;
        }
        let mut found = Vec::new();
        loop {
            self.skip(true);
            if self.take_word("esac") {
                return Some(found);
            }
            self.at += usize::from(self.peek(0) == b'(');
            while self.peek(0) != b')' {
                if self.at >= self.text.len() {
                    return None;
                }
                self.at = self.after_part();
            }
            self.at += 1;
            found.extend(self.list(&["esac"])?);
            while matches!(self.peek(0), b';' | b'&') {
                self.at += 1;
            }
        }
    }

    /// A command of words. One that only assigns ends as the command ends whose output is assigned.
    fn simple(&mut self) -> Option<Command> {
        let mut command = Command::default();
        let (mut assigned, mut words) = (Vec::new(), 0_usize);
        loop {
            self.skip(false);
            if self.ends_command() {
                break;
            }
            let start = self.at;
            let is_redirection = matches!(self.peek(0), b'<' | b'>') || self.redirects_number();
            self.word();
            if self.at == start {
                return None;
            }
            if is_redirection {
                continue;
            }
            let word = &self.text[start..self.at];
            if words == 0 && is_assignment(word) {
                let value = start + word.iter().position(|byte| *byte == b'=').unwrap_or_default() + 1;
                // The last command decides whose output is a part of a value.
                if word.contains(&b'`') || word.windows(2).any(|two| two == b"$(") {
                    assigned = self.substituted(value)?;
                }
                continue;
            }
            words += 1;
            if words == 1 || words == 2 && command.first == b"time" {
                command.first = word.to_vec();
                if let Some(name) = word.windows(2).position(|two| two == b"()") {
                    self.at = start + name + 2;
                    return self.definition(command.first[..name].to_vec());
                }
                if self.defines() {
                    return self.definition(command.first);
                }
            } else if words == 2 && command.first == b"function" {
                let name = word.to_vec();
                self.defines();
                return self.definition(name);
            }
        }
        let called = self.functions.get(&command.first).cloned().unwrap_or_default();
        command.inner = if words == 0 { assigned } else { called };
        Some(command)
    }

    /// Whether the brackets of a function's definition come; they are passed.
    fn defines(&mut self) -> bool {
        let rest = &self.text[self.at..];
        let blanks = rest.iter().take_while(|byte| **byte == b' ').count();
        let defines = rest.get(blanks) == Some(&b'(') && rest[blanks + 1..].trim_ascii_start().first() == Some(&b')');
        if defines {
            self.at += blanks + 1;
            self.at += self.text[self.at..].iter().position(|byte| *byte == b')').unwrap_or_default() + 1;
        }
        defines
    }

    fn definition(&mut self, name: Vec<u8>) -> Option<Command> {
        self.skip(true);
        let inner = self.compound()??;
        self.functions.insert(name, inner);
        Some(Command::default())
    }

    /// The deciding pipes of `$(…)` that is the whole of a value.
    fn substituted(&mut self, value: usize) -> Option<Vec<Pipe>> {
        let end = self.at;
        let quoted = self.text.get(value) == Some(&b'"');
        let begin = value + usize::from(quoted);
        let written = &self.text[begin..end];
        let is_command = written.starts_with(b"$(") && !written.starts_with(b"$((");
        if !is_command || end_of_part(self.text, begin, 0) + usize::from(quoted) != end {
            return Some(Vec::new());
        }
        let documents = std::mem::take(&mut self.documents);
        self.at = begin + 2;
        let inner = self.list(&[])?;
        let ends = self.peek(0) == b')';
        (self.at, self.documents) = (end, documents);
        ends.then_some(inner)
    }

    /// Past one word, or the sign of a redirection. Of a here-document the word is noted that ends it.
    fn word(&mut self) {
        if (self.peek(0), self.peek(1)) == (b'<', b'<') && self.peek(2) != b'<' {
            return self.take_document();
        }
        while matches!(self.peek(0), b'<' | b'>') {
            self.at += 1;
            let joined = matches!(self.peek(0), b'&' | b'|');
            self.at += usize::from(joined);
            if self.peek(0) == b'(' {
                self.at = end_of_part(self.text, self.at, 0);
                return;
            }
        }
        if self.peek(0) == b'&' && self.peek(1) == b'>' {
            self.at += 2;
        }
        self.skip(false);
        while self.at < self.text.len() && !b" \t\r\n;&|)<>".contains(&self.peek(0)) {
            self.at = self.after_part();
        }
    }

    /// One past the character here, or past the quoted or bracketed part.
    fn after_part(&self) -> usize {
        match self.peek(0) {
            b'\\' => (self.at + 2).min(self.text.len()),
            b'\'' | b'"' | b'`' | b'(' | b'$' => end_of_part(self.text, self.at, 0),
            _ => self.at + 1,
        }
    }

    /// `2>`, `10<`, `&>`.
    fn redirects_number(&self) -> bool {
        let digits = self.text[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        digits > 0 && matches!(self.peek(digits), b'<' | b'>') || (self.peek(0), self.peek(1)) == (b'&', b'>')
    }

    fn ends_command(&self) -> bool {
        b"\n;&|)\0".contains(&self.peek(0)) && (self.peek(0), self.peek(1)) != (b'&', b'>')
    }

    fn take_sign(&mut self, sign: u8) -> bool {
        self.skip(true);
        let is_there = self.peek(0) == sign;
        self.at += usize::from(is_there);
        is_there
    }

    /// Whether one of these words of the shell comes.
    fn is_word_of(&self, words: &[&str]) -> bool {
        words.iter().any(|word| {
            self.text[self.at..].starts_with(word.as_bytes()) && b" \t\r\n;&|()<>\0".contains(&self.peek(word.len()))
        })
    }

    fn take_word(&mut self, word: &str) -> bool {
        self.skip(false);
        let is_there = self.is_word_of(&[word]);
        self.at += if is_there { word.len() } else { 0 };
        is_there
    }

    /// Past blanks, comments and continued lines; with `lines`, past line ends and the here-documents behind them too.
    fn skip(&mut self, lines: bool) {
        loop {
            match (self.peek(0), self.peek(1)) {
                (b' ' | b'\t' | b'\r', _) => self.at += 1,
                (b'\\', b'\n') => self.at += 2,
                (b'\n', _) if lines => {
                    self.at += 1;
                    self.skip_documents();
                }
                (b'#', _) if self.at == 0 || b" \t\n;|&(".contains(&self.text[self.at - 1]) => {
                    while self.at < self.text.len() && self.peek(0) != b'\n' {
                        self.at += 1;
                    }
                }
                _ => return,
            }
        }
    }

    /// `<<END`, `<<-'END'`: notes the word that ends the document.
    fn take_document(&mut self) {
        self.at += if self.peek(2) == b'-' { 3 } else { 2 };
        self.skip(false);
        let mut end = Vec::new();
        while self.at < self.text.len() && !b" \t\n;|&<>()".contains(&self.peek(0)) {
            if !b"'\"\\".contains(&self.peek(0)) {
                end.push(self.peek(0));
            }
            self.at += 1;
        }
        self.documents.push(end);
    }

    fn skip_documents(&mut self) {
        for end in std::mem::take(&mut self.documents) {
            while self.at < self.text.len() {
                let rest = &self.text[self.at..];
                let length = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
                self.at += (length + 1).min(rest.len());
                if rest[..length].trim_ascii_start() == end {
                    break;
                }
            }
        }
    }
}

/// `NAME=value`.
fn is_assignment(word: &[u8]) -> bool {
    let name = word.split(|byte| *byte == b'=').next().unwrap_or_default();
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    name.len() < word.len() && name.first().is_some_and(|first| !first.is_ascii_digit()) && name.iter().all(is_name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::deciding_pipes;

    #[test]
    fn the_pipes_that_decide() {
        for (script, firsts) in [
            ("df / | tail -1", &["df"][..]),
            ("a | b | c", &["a", "b"]),
            ("a | b; c", &[]),
            ("c; a | b", &["a"]),
            ("c && a | b\n\n# end | x\n", &["a"]),
            ("a |\n b", &["a"]),
            ("a |& b", &["a"]),
            ("a || b", &[]),
            ("a && b || c | d &", &["c"]),
            ("a & b | c", &["b"]),
            ("X=1 a | b", &["a"]),
            ("time a | b", &["a"]),
            ("echo 'a | b'", &[]),
            ("echo \"a | b $(c | d \"e | f\")\"", &[]),
            ("echo a\\|b", &[]),
            ("a >| b", &[]),
            ("a 2>&1 | b", &["a"]),
            ("2>x a <y | b", &["a"]),
            ("a &> x", &[]),
            ("a &> x | b", &["a"]),
            ("diff <(a | b) <(c | d)", &[]),
            ("! a | b", &[]),
            ("case $x in a|b) c;; esac", &[]),
            ("cat <<EOF\na | b\nEOF\n", &[]),
            ("cat <<-'EOF' | b\nc; d\n\tEOF\n", &["cat"]),
            ("été.sh | wc", &["été.sh"]),
            ("echo ${x#a|b}", &[]),
            ("echo ${#x} | b # c | d", &["echo"]),
            ("[[ $x =~ (a|b) ]]", &[]),
            ("x=(a b) c | d", &["c"]),
            // Commands in commands.
            ("(a | b)", &["a"]),
            ("(cd x; a | b) > y", &["a"]),
            ("(a | b); c", &[]),
            ("{ a | b; }", &["a"]),
            ("{ a; b; } | c", &[""]),
            ("c && { d; a | b; } || e", &[]),
            ("if a | b; then c; fi", &[]),
            ("if a; then b | c; fi", &["b"]),
            ("if a; then b; elif c | d; then e | f; else\n g | h\nfi", &["e", "g"]),
            ("for x in 1 2; do a $x | b; done", &["a"]),
            ("for x\ndo a; c | d; done\n", &["c"]),
            ("for ((i = 0; i < 3; i++)); do a | b; done", &["a"]),
            ("while read x; do a | b; done < y", &["a"]),
            ("until a | b; do c; done", &[]),
            ("for x in 1; do a; done | sort", &[""]),
            ("case $x in a|b) c | d;; (e) f | g;; *) h; esac", &["c", "f"]),
            ("x=$(a | b)", &["a"]),
            ("x=\"$(a | b)\" y=1\n", &["a"]),
            ("x=$(a | b); c", &[]),
            ("x=$(a | b)/c", &[]),
            ("x=$((1 | 2))", &[]),
            ("x=$(a | b) c", &[]),
            ("f() { a | b; }; f", &["a"]),
            ("f () (\n a | b\n)\nf 1\n", &["a"]),
            ("function f { a | b; }; f", &["a"]),
            ("f() { a | b; }; c", &[]),
            ("f() { a | b; }", &[]),
            ("f(){ a | b; }\nf", &["a"]),
            ("((a | b))", &[]),
            // Not understood.
            ("a | b; done", &[]),
            ("if a; then b | c", &[]),
            ("(a | b", &[]),
            ("a | b)", &[]),
        ] {
            let pipes = deciding_pipes(script, false);
            assert_eq!(pipes.iter().map(|pipe| pipe.first.as_str()).collect::<Vec<_>>(), firsts, "{script}");
            assert!(pipes.iter().all(|pipe| script.as_bytes()[pipe.at] == b'|'), "{script}");
        }
    }

    #[test]
    fn where_a_failure_ends_the_script_every_pipe_decides() {
        for (script, firsts) in [
            ("a | b; c", &["a"][..]),
            ("x=$(a | b); c; for y in 1; do d | e; f; done; g", &["a", "d"]),
            ("f() { a | b; }; f; c", &["a"]),
            ("if a | b; then c; fi; echo $(d | e)", &[]),
        ] {
            let pipes = deciding_pipes(script, true);
            assert_eq!(pipes.iter().map(|pipe| pipe.first.as_str()).collect::<Vec<_>>(), firsts, "{script}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_walked_to_its_end(
            script in any::<String>(),
            shell in "(if |then |fi|for |do |done|case |in |esac|f\\(\\) |\\{ |\\}|\\(|\\)|\\$\\(|x=|<<E|[a|b&;'\"`$\\\\<>\n #E]){0,40}",
        ) {
            for text in [&script, &shell] {
                let _ = (deciding_pipes(text, true), deciding_pipes(text, false));
            }
        }
    }
}
