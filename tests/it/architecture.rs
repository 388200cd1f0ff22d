//! The dependency rule: a module uses only modules that stand above it in [`ORDER`], which `src/lib.rs` shows too, and the
//! files of one folder do not import each other in a circle.
//!
//! The test reads the sources as text: comments, literals and test modules are left out, then every path that begins with
//! `crate`, `super` or `self`, and every `use`, is resolved to the file that it means, through the re-exports of `mod.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// From the first station to the last. Modules on one line may not use each other. A line may name a module that does not
/// exist yet.
const ORDER: &[&[&str]] = &[
    &["id", "clock"],
    &["diagnostic"],
    &["document"],
    &["schedule", "exec"],
    &["policy"],
    &["slack"],
    &["message"],
    &["notify"],
    &["picture"],
    &["store"],
    &["outbox"],
    &["plan"],
    &["report"],
    &["api"],
    &["lint"],
    &["daemon"],
    &["metrics", "page"],
    &["http"],
    &["control"],
    &["simulate"],
    &["import"],
    &["cli"],
];

fn rank(module: &str) -> Option<usize> {
    ORDER.iter().position(|line| line.contains(&module))
}

/// A path in the code, as its segments: `["exec", "process", "Live"]`, from the root of the crate.
type Segments = Vec<String>;

/// One source file of the crate, but for `lib.rs`, `main.rs` and files with tests only.
struct File {
    /// Where it stands below `src`, for people.
    shown: String,
    /// The module that it is.
    module: Segments,
    /// What it names in `use`: the absolute path, and the name that it has here.
    imports: Vec<(Segments, String)>,
    /// All that it names, in `use` and elsewhere.
    named: Vec<Segments>,
}

struct Sources {
    files: Vec<File>,
}

impl Sources {
    fn read() -> Self {
        let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut texts = BTreeMap::new();
        collect(&src, &src, &mut texts);
        texts.retain(|shown, _| shown != "lib.rs" && shown != "main.rs");
        Self::of(texts)
    }

    /// From the texts of files by their places below `src`.
    fn of(texts: BTreeMap<String, String>) -> Self {
        let texts: BTreeMap<String, String> = texts.into_iter().map(|(shown, text)| (shown, code(&text))).collect();
        let mut tests = BTreeSet::new();
        for (shown, text) in &texts {
            tests.extend(test_modules(text).into_iter().map(|(name, file)| {
                let folder = shown.rsplit_once('/').map_or("", |(folder, _)| folder);
                file.map_or_else(|| file_of(shown, &name), |file| format!("{folder}/{file}"))
            }));
        }
        let is_test = |shown: &str| tests.iter().any(|test| shown == test || shown == test.replace(".rs", "/mod.rs"));
        let modules: BTreeSet<Segments> = texts.keys().map(|shown| module_of(shown)).collect();
        let mut files = Vec::new();
        for (shown, text) in &texts {
            if is_test(shown) {
                continue;
            }
            let module = module_of(shown);
            let without_tests = without_test_modules(text);
            let mut imports = Vec::new();
            let mut named = Vec::new();
            for (path, alias) in used(&without_tests) {
                if let Some(path) = absolute(&module, &path, &modules) {
                    let name = alias.or_else(|| path.last().cloned()).unwrap_or_default();
                    imports.push((path.clone(), name));
                    named.push(path);
                }
            }
            named.extend(paths(&without_tests).into_iter().filter_map(|path| absolute(&module, &path, &modules)));
            files.push(File { shown: shown.clone(), module, imports, named });
        }
        Self { files }
    }

    fn find(&self, module: &[String]) -> Option<&File> {
        self.files.iter().find(|file| file.module == module)
    }

    /// The file that a path means: the deepest module on it, or where that one has the name from.
    fn resolve(&self, path: &[String], depth: usize) -> Option<&File> {
        let (at, file) = (1..=path.len()).rev().find_map(|end| Some((end, self.find(&path[..end])?)))?;
        let imported = path.get(at).and_then(|name| file.imports.iter().find(|(_, known)| known == name));
        match imported {
            Some((from, _)) if depth < 10 && from.as_slice() != path => {
                let whole: Segments = from.iter().chain(&path[at + 1..]).cloned().collect();
                self.resolve(&whole, depth + 1).or(Some(file))
            }
            _ => Some(file),
        }
    }

    /// Which files of its own top module a file uses. A folder's own file puts its parts together: it may use them all.
    fn uses(&self, file: &File) -> BTreeSet<&str> {
        let inside = file.named.iter().filter(|path| path.first() == file.module.first());
        inside
            .filter_map(|path| self.resolve(path, 0))
            .filter(|other| other.module != file.module && !other.module.starts_with(&file.module))
            .map(|other| other.shown.as_str())
            .collect()
    }

    /// The circles: every list of files each of which reaches all others.
    fn circles(&self) -> Vec<Vec<&str>> {
        let edges: BTreeMap<&str, BTreeSet<&str>> =
            self.files.iter().map(|file| (file.shown.as_str(), self.uses(file))).collect();
        let reach: BTreeMap<&str, BTreeSet<&str>> = edges.keys().map(|file| (*file, reached(file, &edges))).collect();
        let mut circles: BTreeSet<Vec<&str>> = BTreeSet::new();
        for (file, there) in &reach {
            let both: Vec<&str> = there.iter().copied().filter(|other| reach[other].contains(file)).collect();
            if both.len() > 1 {
                circles.insert(both);
            }
        }
        circles.into_iter().collect()
    }
}

fn reached<'a>(from: &'a str, edges: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open = vec![from];
    while let Some(file) = open.pop() {
        for next in edges.get(file).into_iter().flatten() {
            if found.insert(*next) {
                open.push(next);
            }
        }
    }
    found
}

fn collect(folder: &Path, src: &Path, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).expect("src can be read") {
        let path = entry.expect("src can be read").path();
        if path.is_dir() {
            collect(&path, src, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let shown = path.strip_prefix(src).expect("a file below src").to_string_lossy().into_owned();
            found.insert(shown, fs::read_to_string(&path).expect("a source file can be read"));
        }
    }
}

fn module_of(shown: &str) -> Segments {
    let path = shown.trim_end_matches(".rs");
    path.strip_suffix("/mod").unwrap_or(path).split('/').map(str::to_owned).collect()
}

/// Where a module declared in a file is.
fn file_of(shown: &str, name: &str) -> String {
    format!("{}/{name}.rs", module_of(shown).join("/"))
}

/// The text without comments and without what stands in literals.
fn code(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
        } else if rest.starts_with("/*") {
            rest = rest.find("*/").map_or("", |end| &rest[end + 2..]);
        } else if let Some(end) = raw_literal(rest) {
            out.push_str("\"\"");
            rest = &rest[end..];
        } else if c == '"' {
            let end = literal(rest);
            // A `#[path = "…"]` says where a module is.
            if out.ends_with("path = ") {
                out.push_str(&rest[..end]);
            } else {
                out.push_str("\"\"");
            }
            rest = &rest[end..];
        } else if let Some(end) = character(rest) {
            out.push(' ');
            rest = &rest[end..];
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

/// The length of a raw text literal that begins here.
fn raw_literal(text: &str) -> Option<usize> {
    let after = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let inner = after[hashes..].strip_prefix('"')?;
    let end = inner.find(&format!("\"{}", "#".repeat(hashes)))?;
    Some(text.len() - inner.len() + end + 1 + hashes)
}

/// The length of a text literal that begins here.
fn literal(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a character literal that begins here; a lifetime is none.
fn character(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('\'')?;
    let first = inner.chars().next()?;
    let end = if first == '\\' { 1 + inner[1..].chars().next()?.len_utf8() } else { first.len_utf8() };
    let close = inner[end..].find('\'')?;
    (first == '\\' || close == 0).then_some(1 + end + close + 1)
}

/// The modules that are declared for tests only, with the file that a `#[path]` names.
fn test_modules(code: &str) -> Vec<(String, Option<String>)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("#[cfg(test)]") {
        let item = &code[at + "#[cfg(test)]".len()..];
        let head = &item[..item.find([';', '{']).unwrap_or(item.len())];
        if let Some((before, name)) = head.rsplit_once("mod ") {
            let file = before.split_once("path = \"").and_then(|(_, rest)| rest.split_once('"'));
            found.push((name.trim().to_owned(), file.map(|(file, _)| file.to_owned())));
        }
    }
    found
}

/// The code without the items that are for tests only.
fn without_test_modules(code: &str) -> String {
    let mut out = String::new();
    let mut rest = code;
    while let Some(at) = rest.find("#[cfg(test)]") {
        out.push_str(&rest[..at]);
        let item = &rest[at + "#[cfg(test)]".len()..];
        rest = &item[end_of_item(item)..];
    }
    out.push_str(rest);
    out
}

/// Where the item that begins here ends: at its semicolon, or behind its braces.
fn end_of_item(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            ';' if depth == 0 => return at + 1,
            '{' => depth += 1,
            '}' if depth == 1 => return at + 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

/// What the `use` items name: paths with the other name that `as` gives.
fn used(code: &str) -> Vec<(Segments, Option<String>)> {
    let mut all = Vec::new();
    for (at, _) in code.match_indices("use ") {
        let before = code[..at].chars().next_back();
        if before.is_none_or(char::is_whitespace) {
            let rest = &code[at + "use ".len()..];
            let tree = &rest[..rest.find(';').unwrap_or(rest.len())];
            branches(tree, &[], &mut all);
        }
    }
    all
}

/// One tree of a `use`, as its paths.
fn branches(tree: &str, before: &[String], all: &mut Vec<(Segments, Option<String>)>) {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        let (path, alias) = tree.split_once(" as ").map_or((tree, None), |(path, alias)| (path, Some(alias)));
        let mut whole = before.to_vec();
        whole.extend(path.split("::").map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned));
        // `{self, Run}` names the module itself.
        if whole.len() > 1 && whole.last().is_some_and(|last| last == "self") {
            whole.pop();
        }
        all.push((whole, alias.map(|alias| alias.trim().to_owned())));
        return;
    };
    let mut stem = before.to_vec();
    stem.extend(tree[..open].split("::").map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned));
    let inner = tree[open + 1..].trim_end().strip_suffix('}').unwrap_or(&tree[open + 1..]);
    let (mut depth, mut start) = (0_usize, 0);
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                branches(&inner[start..at], &stem, all);
                start = at + 1;
            }
            _ => {}
        }
    }
    if !inner[start..].trim().is_empty() {
        branches(&inner[start..], &stem, all);
    }
}

/// The paths outside `use` items that begin with `crate`, `super` or `self`.
fn paths(code: &str) -> Vec<Segments> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut all = Vec::new();
    for start in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| is_word(c) || c == ':') {
                continue;
            }
            let end = code[at..].find(|c: char| !is_word(c) && c != ':').map_or(code.len(), |length| at + length);
            let path = code[at..end].split("::").filter(|part| !part.is_empty());
            all.push(path.map(|part| part.trim_end_matches(':').to_owned()).collect());
        }
    }
    all
}

/// A path as seen from the root of the crate; `None` when it leads out of it.
fn absolute(module: &[String], path: &[String], modules: &BTreeSet<Segments>) -> Option<Segments> {
    let mut here = module.to_vec();
    let mut rest = path;
    match rest.first()?.as_str() {
        "crate" => return Some(rest[1..].to_vec()).filter(|path| !path.is_empty()),
        "self" => rest = &rest[1..],
        "super" => {
            while rest.first().is_some_and(|part| part == "super") {
                here.pop()?;
                rest = &rest[1..];
            }
        }
        // In a `use` a path may begin with a module of the file's own.
        first => {
            here.push(first.to_owned());
            return modules.contains(&here).then(|| module.iter().chain(path).cloned().collect());
        }
    }
    here.extend(rest.iter().cloned());
    Some(here)
}

#[test]
fn a_module_uses_only_modules_above_it() {
    let sources = Sources::read();
    let mut broken = Vec::new();
    for file in &sources.files {
        let module = &file.module[0];
        let here = rank(module).unwrap_or_else(|| panic!("{module} is not in the order; add it to architecture.rs"));
        for path in &file.named {
            let used = path.first().expect("a path is not empty");
            if used != module && rank(used).is_some_and(|there| there >= here) {
                broken.push(format!("{}: {module} uses {used}, which does not stand above it", file.shown));
            }
        }
    }
    broken.dedup();
    assert!(broken.is_empty(), "the rule is broken:\n{}", broken.join("\n"));
    assert!(sources.files.len() > 100, "the test looked at {} files only", sources.files.len());
}

/// Whether a file is part of the crate: the one that it belongs to, or another beside it with `#[path]`, names it.
fn is_named(shown: &str, all: &BTreeMap<String, String>) -> bool {
    let module = module_of(shown);
    let Some((name, folder)) = module.split_last() else { return true };
    let folder = folder.join("/");
    let declared = format!("mod {name};");
    let belongs_to = match folder.as_str() {
        "" => vec!["lib.rs".to_owned(), "main.rs".to_owned()],
        folder => vec![format!("{folder}/mod.rs"), format!("{folder}.rs")],
    };
    let by_path = format!("\"{}\"", shown.rsplit('/').next().unwrap_or(shown));
    let beside = |other: &str| module_of(other).split_last().is_some_and(|(_, at)| at.join("/") == folder);
    belongs_to.iter().filter_map(|file| all.get(file)).any(|text| text.contains(&declared))
        || all.iter().any(|(other, text)| (beside(other) || belongs_to.contains(other)) && text.contains(&by_path))
}

#[test]
fn every_source_file_is_part_of_the_crate() {
    let mut all = BTreeMap::new();
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    collect(&src, &src, &mut all);
    let left: Vec<&String> =
        all.keys().filter(|shown| !matches!(shown.as_str(), "lib.rs" | "main.rs") && !is_named(shown, &all)).collect();
    assert!(left.is_empty() && all.len() > 100, "no module names these: {left:?}");
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let sources = Sources::read();
    let broken: Vec<String> = sources
        .circles()
        .iter()
        .map(|circle| {
            let uses = |file: &str| {
                let file = sources.files.iter().find(|other| other.shown == file).expect("it is there");
                let inside: Vec<&str> = sources.uses(file).into_iter().filter(|used| circle.contains(used)).collect();
                format!("  {} uses {}", file.shown, inside.join(", "))
            };
            circle.iter().map(|file| uses(file)).collect::<Vec<_>>().join("\n")
        })
        .collect();
    assert!(broken.is_empty(), "these files import each other in a circle:\n{}", broken.join("\n\n"));
}

#[test]
fn the_map_in_lib_rs_shows_the_same_order_of_the_modules_that_there_are() {
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).expect("lib.rs");
    let rule = lib.split_once("**The rule.**").expect("lib.rs has the rule").1;
    let block = rule.split("//! ```").nth(1).expect("a block with the order");
    let shown: Vec<Vec<&str>> = block
        .lines()
        .skip(1)
        .map(|line| line.trim_start_matches("//!").split_whitespace().collect::<Vec<_>>())
        .filter(|line| !line.is_empty())
        .collect();
    let modules: BTreeSet<&str> = lib
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ").or_else(|| line.strip_prefix("mod ")))
        .map(|line| line.trim_end_matches(';'))
        .collect();
    let here = |line: &&[&'static str]| line.iter().copied().filter(|module| modules.contains(module)).collect();
    let ordered: Vec<Vec<&str>> = ORDER.iter().map(here).filter(|line: &Vec<&str>| !line.is_empty()).collect();
    assert_eq!(shown, ordered, "lib.rs and architecture.rs show two orders");
    let ordered: BTreeSet<&str> = ORDER.concat().into_iter().collect();
    assert!(modules.is_subset(&ordered), "not in the order: {:?}", modules.difference(&ordered));
}

#[test]
fn unsafe_code_stands_nowhere() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut texts = BTreeMap::new();
    collect(&src, &src, &mut texts);
    let holders: Vec<_> =
        texts.iter().filter(|(_, text)| code(text).contains("unsafe {")).map(|(file, _)| file).collect();
    assert!(holders.is_empty(), "unsafe in {holders:?}");
}

fn sources(texts: &[(&str, &str)]) -> Sources {
    Sources::of(texts.iter().map(|(shown, text)| ((*shown).to_owned(), (*text).to_owned())).collect())
}

#[test]
fn a_circle_is_seen_through_groups_nested_modules_and_names_that_mod_rs_passes_on() {
    let circle = |texts: &[(&str, &str)]| {
        let sources = sources(texts);
        sources
            .circles()
            .iter()
            .map(|circle| circle.iter().map(|file| (*file).to_owned()).collect())
            .collect::<Vec<Vec<String>>>()
    };
    let both = vec![vec!["x/a.rs".to_owned(), "x/b.rs".to_owned()]];
    let mod_rs = ("x/mod.rs", "mod a;\nmod b;\npub use a::A;\npub use b::{B, C as D};");
    for (a, b) in [
        ("use super::b::B;", "use super::a::A;"),
        ("use super::B;", "use crate::x::A;"),
        ("use crate::{id, x::{b::{self, B}}};", "fn f() { super::a::g() }"),
        ("use super::D;", "fn f() -> crate::x::A {}"),
    ] {
        assert_eq!(circle(&[mod_rs, ("x/a.rs", a), ("x/b.rs", b)]), both, "{a} | {b}");
    }
    for (a, b) in [
        ("use super::b::B;", "use crate::y::A;"),
        ("use super::B;", "// use super::A;\nconst TEXT: &str = \"super::A\";"),
        ("use super::B;", "#[cfg(test)]\nmod tests { use super::super::A; }"),
        ("use super::B;", "use super::Parent;"),
    ] {
        assert_eq!(circle(&[mod_rs, ("x/a.rs", a), ("x/b.rs", b)]), Vec::<Vec<String>>::new(), "{a} | {b}");
    }
    let with_tests = ("x/b.rs", "#[cfg(test)]\n#[path = \"b_tests.rs\"]\nmod tests;");
    assert!(circle(&[mod_rs, ("x/a.rs", "use super::B;"), with_tests, ("x/b_tests.rs", "use super::A;")]).is_empty());
}

#[test]
fn what_stands_in_comments_and_literals_is_no_code() {
    assert_eq!(code("a // b\nc /* d */ \"e \\\" f\" 'g' '\\'' &'h str r#\"i\"# j"), "a \nc  \"\"     &'h str \"\" j");
}
