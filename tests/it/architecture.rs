//! The dependency rule: a module uses only modules that stand above it. It is an ordered list, so a cycle cannot pass.

use std::fs;
use std::path::{Path, PathBuf};

/// From the top of the street to its end. Modules on one line may not use each other.
const ORDER: &[&[&str]] = &[
    &["order"],
    &["id", "clock", "diagnostic"],
    &["document"],
    &["schedule", "exec"],
    &["policy"],
    &["message"],
    &["notify"],
    &["store"],
    &["outbox"],
    &["plan"],
    &["lint"],
    &["daemon"],
    &["simulate"],
    &["http"],
    &["import"],
    &["cli"],
];

fn rank(module: &str) -> Option<usize> {
    ORDER.iter().position(|line| line.contains(&module))
}

/// Every `.rs` file below a folder.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("src can be read") {
        let path = entry.expect("src can be read").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// The top module that a file belongs to.
fn module_of(file: &Path, src: &Path) -> String {
    let below = file.strip_prefix(src).expect("a file below src");
    let first = below.iter().next().expect("a file name").to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// The top modules that a line of code names: `crate::module` and members of `use crate::{a, b::c}`.
fn named(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 1;
            let mut word = String::new();
            let mut fresh = true;
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ',' if depth == 1 => fresh = true,
                    c if c.is_alphanumeric() || c == '_' => {
                        if fresh {
                            word.push(c);
                        }
                        continue;
                    }
                    _ => {}
                }
                if !word.is_empty() {
                    all.push(std::mem::take(&mut word));
                    fresh = c == ',' && depth == 1;
                }
                if depth == 0 {
                    break;
                }
            }
        } else {
            all.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    all
}

#[test]
fn a_module_uses_only_modules_above_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = Vec::new();
    files(&src, &mut all);
    let mut broken = Vec::new();
    for file in &all {
        let module = module_of(file, &src);
        if module == "lib" || module == "main" {
            continue;
        }
        let here = rank(&module).unwrap_or_else(|| panic!("{module} is not in the order; add it to architecture.rs"));
        let text = fs::read_to_string(file).expect("a source file can be read");
        let code: String =
            text.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect();
        for used in named(&code) {
            if used == module {
                continue;
            }
            if let Some(there) = rank(&used)
                && there >= here
            {
                broken.push(format!("{}: {module} uses {used}, which does not stand above it", file.display()));
            }
        }
    }
    assert!(broken.is_empty(), "the rule is broken:\n{}", broken.join("\n"));
    assert!(all.len() > 20, "the test looked at {} files only", all.len());
}

#[test]
fn unsafe_code_stands_in_one_file_at_most() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = Vec::new();
    files(&src, &mut all);
    let holders: Vec<_> = all
        .iter()
        .filter(|file| fs::read_to_string(file).expect("a source file can be read").contains("unsafe {"))
        .map(|file| module_of(file, &src))
        .collect();
    assert!(holders.is_empty() || holders == ["exec"], "unsafe in {holders:?}");
}

#[test]
fn groups_of_imports_are_understood() {
    assert_eq!(named("use crate::{notify, outbox::Queue, plan::{Job, Plan}};"), ["notify", "outbox", "plan"]);
    assert_eq!(named("use crate::exec::{self, Run}; let x = crate::clock::now();"), ["exec", "clock"]);
}
