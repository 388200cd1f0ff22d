//! Jobs that follow others (`after`): whether there are such jobs, and whether their chain has a beginning. Pure.
//!
//! Before it: every job file, with the names that it follows. After it: problems, each at the name that is wrong.

use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;

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
                    let own = names.get(link.job);
                    let others = names.iter().filter(|name| own != Some(name)).map(|name| name.as_str());
                    let help = did_you_mean(name.as_str(), others);
                    let help = help.unwrap_or_else(|| "see `slack-alert list` for the jobs that there are".to_owned());
                    let problem = Problem::new(Code::UnknownJob, *at, format!("there is no job `{name}`"));
                    found.push((link.job, problem.help(help)));
                }
            }
        }
    }
    let left = on_circles(&edges);
    // A circle is looked for once, and told to each of its jobs.
    let mut circles: HashMap<usize, (Rc<[usize]>, usize)> = HashMap::new();
    for link in links.iter().filter(|link| left.contains(&link.job)) {
        if !circles.contains_key(&link.job) {
            let members: Rc<[usize]> = circle(link.job, &edges, &left).into();
            for (position, member) in members.iter().enumerate() {
                circles.entry(*member).or_insert_with(|| (Rc::clone(&members), position));
            }
        }
        let Some((members, own)) = circles.get(&link.job) else { continue };
        let name = |step: usize| names[members[(own + step) % members.len()]].as_str();
        let message = match members.len() {
            1 => format!("the job `{}` follows itself", name(0)),
            length => format!("these jobs follow each other in a circle: {}", in_short(length, name)),
        };
        let next = members[(own + 1) % members.len()];
        let Some((_, at)) = edges[&link.job].iter().find(|(before, _)| *before == next) else { continue };
        let help = "let one of them have another schedule, which begins the chain";
        found.push((link.job, Problem::new(Code::AfterCycle, *at, message).help(help)));
    }
    found
}

/// So many jobs of a circle are named from its beginning; of a longer one the last two are named beside them. Each job of a
/// circle has a message of its own.
const NAMED: usize = 8;

/// A circle of so many jobs in words, the long ones without their middle; `name` is that of the job so many steps on.
fn in_short<'n>(length: usize, name: impl Fn(usize) -> &'n str) -> String {
    let words = |steps: std::ops::RangeInclusive<usize>| steps.map(&name).collect::<Vec<_>>().join(" after ");
    match (length + 1).checked_sub(NAMED + 2) {
        None | Some(0) => words(0..=length),
        Some(more) => format!("{} after … ({more} more) … after {}", words(0..=NAMED - 1), words(length - 1..=length)),
    }
}

/// The jobs that are on a circle, or between two: most have none before them, or none after them, and need no search.
fn on_circles(edges: &HashMap<usize, Vec<(usize, Place)>>) -> HashSet<usize> {
    let mut before: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut after: HashMap<usize, Vec<usize>> = HashMap::new();
    for (job, links) in edges {
        for (earlier, _) in links {
            before.entry(*job).or_default().push(*earlier);
            after.entry(*earlier).or_default().push(*job);
        }
    }
    let left = without_ends(edges.keys().copied().collect(), &before, &after);
    without_ends(left, &after, &before)
}

/// Takes away, again and again, each job from which no way leads to another one that is left.
fn without_ends(
    mut left: HashSet<usize>,
    ways: &HashMap<usize, Vec<usize>>,
    back: &HashMap<usize, Vec<usize>>,
) -> HashSet<usize> {
    let open = |job: &usize| ways.get(job).into_iter().flatten().filter(|next| left.contains(next)).count();
    let mut counts: HashMap<usize, usize> = left.iter().map(|job| (*job, open(job))).collect();
    let mut ends: Vec<usize> = counts.iter().filter(|(_, count)| **count == 0).map(|(job, _)| *job).collect();
    while let Some(end) = ends.pop() {
        left.remove(&end);
        for job in back.get(&end).into_iter().flatten() {
            let Some(count) = counts.get_mut(job) else { continue };
            *count = count.saturating_sub(1);
            if *count == 0 {
                ends.push(*job);
            }
        }
    }
    left
}

/// The shortest way from a job to itself, without its end; nothing where there is none.
fn circle(job: usize, edges: &HashMap<usize, Vec<(usize, Place)>>, left: &HashSet<usize>) -> Vec<usize> {
    let mut came_from: HashMap<usize, usize> = HashMap::new();
    let (mut seen, mut next) = (HashSet::new(), VecDeque::from([job]));
    while let Some(at) = next.pop_front() {
        for (before, _) in edges.get(&at).into_iter().flatten().filter(|(before, _)| left.contains(before)) {
            if *before == job {
                let mut path = vec![at];
                while let Some(step) = path.last().filter(|step| **step != job) {
                    path.push(came_from[step]);
                }
                path.reverse();
                return path;
            }
            if seen.insert(*before) {
                came_from.insert(*before, at);
                next.push_back(*before);
            }
        }
    }
    Vec::new()
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
        let two =
            told(&[("a", &["b"]), ("b", &["a", "x"]), ("x", &["c"]), ("c", &["d", "d"]), ("d", &["c"]), ("e", &["e"])]);
        assert_eq!(
            two.iter().map(|told| told.split(" (").next().unwrap_or_default()).collect::<Vec<_>>(),
            [
                "a: after-cycle: these jobs follow each other in a circle: a after b after a",
                "b: after-cycle: these jobs follow each other in a circle: b after a after b",
                "c: after-cycle: these jobs follow each other in a circle: c after d after c",
                "d: after-cycle: these jobs follow each other in a circle: d after c after d",
                "e: after-cycle: the job `e` follows itself",
            ],
            "what stands between two circles is on none"
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

    #[test]
    fn a_chain_and_a_circle_of_many_thousands_of_jobs_are_judged_in_a_moment() {
        let count = 20_000;
        let names: Vec<String> = (0..count).map(|n| format!("j{n}")).collect();
        let before: Vec<[&str; 1]> = (0..count).map(|n| [names[(n + 1) % count].as_str()]).collect();
        let mut jobs: Vec<(&str, &[&str])> =
            names.iter().zip(&before).map(|(name, before)| (&**name, &before[..])).collect();
        assert_eq!(told(&jobs).len(), count);
        jobs[0].1 = &[];
        assert_eq!(told(&jobs).len(), 0);
    }
}
