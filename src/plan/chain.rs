//! Jobs that follow others (`after`): whether there are such jobs, and whether their chain has a beginning. Pure.
//!
//! Before it: every job file, with the names that it follows. After it: problems, each at the name that is wrong.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::diagnostic::{Code, Place, Problem};
use crate::document::did_you_mean;
use crate::id::JobName;

/// A job that follows others.
#[derive(Debug)]
pub(super) struct Link {
    /// Its index among the files.
    pub(super) job: usize,
    /// The jobs that it follows, and where they are named.
    pub(super) after: Vec<(JobName, Place)>,
}

/// What is wrong, with the index of the job that has it. `hidden` tells of names that may be there and cannot be seen.
pub(super) fn problems(names: &[&JobName], links: &[Link], hidden: &dyn Fn(&str) -> bool) -> Vec<(usize, Problem)> {
    let known: HashMap<&JobName, usize> = names.iter().enumerate().map(|(index, name)| (*name, index)).collect();
    let mut found = Vec::new();
    let mut edges: HashMap<usize, Vec<(usize, Place)>> = HashMap::new();
    for link in links {
        for (name, at) in &link.after {
            match known.get(name) {
                Some(before) => edges.entry(link.job).or_default().push((*before, *at)),
                None if hidden(name.as_str()) => {}
                None => {
                    let help = did_you_mean(name.as_str(), names.iter().map(|name| name.as_str()));
                    let help = help.unwrap_or_else(|| "see `slack-alert list` for the jobs that there are".to_owned());
                    let problem = Problem::new(Code::UnknownJob, *at, format!("there is no job `{name}`"));
                    found.push((link.job, problem.help(help)));
                }
            }
        }
    }
    for link in links {
        if let Some((path, at)) = circle(link.job, &edges) {
            let shown: Vec<&str> = path.iter().map(|index| names[*index].as_str()).collect();
            let message = match shown.as_slice() {
                [own, _] => format!("the job `{own}` follows itself"),
                _ => format!("these jobs follow each other in a circle: {}", in_short(&shown)),
            };
            let help = "let one of them have another schedule, which begins the chain";
            found.push((link.job, Problem::new(Code::AfterCycle, at, message).help(help)));
        }
    }
    found
}

/// So many jobs of a circle are named from its beginning; of a longer one the last two are named beside them. Each job of a
/// circle has a message of its own.
const NAMED: usize = 8;

/// A circle in words, the long ones without their middle.
fn in_short(names: &[&str]) -> String {
    match names.len().checked_sub(NAMED + 2) {
        None | Some(0) => names.join(" after "),
        Some(more) => {
            let (first, last) = (names[..NAMED].join(" after "), names[NAMED + more..].join(" after "));
            format!("{first} after … ({more} more) … after {last}")
        }
    }
}

/// The shortest way from a job to itself, and where its first step is written.
fn circle(job: usize, edges: &HashMap<usize, Vec<(usize, Place)>>) -> Option<(Vec<usize>, Place)> {
    let mut came_from: HashMap<usize, usize> = HashMap::new();
    let (mut seen, mut next) = (HashSet::new(), VecDeque::from([job]));
    while let Some(at) = next.pop_front() {
        for (before, _) in edges.get(&at).into_iter().flatten() {
            if *before == job {
                let mut path = vec![job, at];
                let mut step = at;
                while step != job {
                    step = came_from[&step];
                    path.push(step);
                }
                if at == job {
                    path.truncate(2);
                }
                path.reverse();
                let first = path[1];
                let place = edges[&job].iter().find(|(before, _)| *before == first).map(|(_, place)| *place)?;
                return Some((path, place));
            }
            if seen.insert(*before) {
                came_from.insert(*before, at);
                next.push_back(*before);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Link, problems};
    use crate::diagnostic::{Place, Sources};
    use crate::id::JobName;

    fn told(jobs: &[(&str, &[&str])]) -> Vec<String> {
        let source = Sources::default().add(Path::new("job.toml"), "");
        let names: Vec<JobName> = jobs.iter().map(|(name, _)| JobName::new(*name)).collect();
        let named: Vec<&JobName> = names.iter().collect();
        let links: Vec<Link> = jobs
            .iter()
            .enumerate()
            .map(|(job, (_, after))| Link {
                job,
                after: after.iter().map(|name| (JobName::new(*name), Place::new(source, 0..0))).collect(),
            })
            .collect();
        let all = problems(&named, &links, &|name| name.starts_with("hidden/"));
        all.iter()
            .map(|(job, problem)| {
                let help = problem.help.as_deref().unwrap_or_default();
                format!("{}: {}: {} ({help})", names[*job], problem.code.as_str(), problem.message)
            })
            .collect()
    }

    #[test]
    fn a_chain_has_a_beginning_and_its_links_exist() {
        assert_eq!(told(&[("a", &[]), ("b", &["a"]), ("c", &["a", "b"]), ("d", &["hidden/x"])]), [] as [String; 0]);
        assert_eq!(
            told(&[("db/backup", &[]), ("b", &["db/bakup"]), ("c", &["weather"])]),
            [
                "b: unknown-job: there is no job `db/bakup` (did you mean `db/backup`?)",
                "c: unknown-job: there is no job `weather` (see `slack-alert list` for the jobs that there are)"
            ]
        );
        let help = "(let one of them have another schedule, which begins the chain)";
        assert_eq!(told(&[("a", &["a"])]), [format!("a: after-cycle: the job `a` follows itself {help}")]);
        assert_eq!(
            told(&[("a", &["c"]), ("b", &["a"]), ("c", &["b"]), ("d", &["c"])]),
            [
                format!("a: after-cycle: these jobs follow each other in a circle: a after c after b after a {help}"),
                format!("b: after-cycle: these jobs follow each other in a circle: b after a after c after b {help}"),
                format!("c: after-cycle: these jobs follow each other in a circle: c after b after a after c {help}"),
            ],
            "what follows a circle is no part of it"
        );
    }

    #[test]
    fn a_long_circle_is_named_by_its_beginning_and_its_end() {
        let names: Vec<String> = (0..500).map(|n| format!("j{n}")).collect();
        let before: Vec<[&str; 1]> = (0..500).map(|n| [names[(n + 1) % 500].as_str()]).collect();
        let jobs: Vec<(&str, &[&str])> =
            names.iter().zip(&before).map(|(name, before)| (&**name, &before[..])).collect();
        let told = told(&jobs);
        assert_eq!(told.len(), 500);
        assert_eq!(
            told[0],
            "j0: after-cycle: these jobs follow each other in a circle: j0 after j1 after j2 after j3 after j4 after j5 \
             after j6 after j7 after … (491 more) … after j499 after j0 (let one of them have another schedule, which \
             begins the chain)"
        );
    }
}
