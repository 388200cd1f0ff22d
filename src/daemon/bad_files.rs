//! Which files with errors were told of, and which are still to be. Pure; time is an argument.
//!
//! Before it: what a reading of the configuration found. After it: messages. Invariants: an error is told once; its end only
//! when the error itself was told; a file that is being written is given time to become good.

use crate::clock::Mono;
use crate::id::JobName;
use crate::plan::NotLoaded;

/// Files with errors.
#[derive(Debug, Default)]
pub(super) struct BadFiles {
    told: Vec<NotLoaded>,
    waiting: Vec<(NotLoaded, Mono)>,
    config: Option<BadConfig>,
}

/// `slack_alert.toml` itself has an error.
#[derive(Debug)]
struct BadConfig {
    why: String,
    /// When to tell it; `None` once that is done.
    due: Option<Mono>,
    told: bool,
}

/// What is to be told now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Due {
    /// Job files, and folders of them.
    pub(super) files: Vec<NotLoaded>,
    /// The first error of `slack_alert.toml`.
    pub(super) config: Option<String>,
}

/// Files that were told of and have no errors any more.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Over {
    /// Their jobs are loaded.
    pub(super) loaded: Vec<NotLoaded>,
    /// They were taken away.
    pub(super) gone: Vec<NotLoaded>,
}

fn same(one: &NotLoaded, other: &NotLoaded) -> bool {
    one.name == other.name && one.file == other.file
}

impl BadFiles {
    /// The configuration was read. Errors that are new are told at `due`. The answer are files that were told of and have no
    /// errors any more; `is_loaded` tells those that were corrected from those that were taken away. One that `is_away` may come back as
    /// it was.
    pub(super) fn update(
        &mut self,
        bad: &[NotLoaded],
        is_away: &dyn Fn(&NotLoaded) -> bool,
        is_loaded: &dyn Fn(&NotLoaded) -> bool,
        due: Mono,
    ) -> Over {
        let still = |file: &NotLoaded| is_away(file) || bad.iter().any(|bad| same(bad, file));
        let (told, over) = std::mem::take(&mut self.told).into_iter().partition(still);
        self.told = told;
        let before = std::mem::take(&mut self.waiting);
        for file in bad.iter().filter(|file| !self.told.contains(file)) {
            let known = before.iter().find(|(known, _)| same(known, file)).map(|(_, due)| *due);
            self.waiting.push((file.clone(), known.map_or(due, |known| known.min(due))));
        }
        let (loaded, gone) = over.into_iter().partition(is_loaded);
        Over { loaded, gone }
    }

    /// The files that were told of.
    pub(super) fn told(&self) -> impl Iterator<Item = &JobName> {
        self.told.iter().map(|file| &file.name)
    }

    /// `slack_alert.toml` has this error, which is told at `due` unless it was told before.
    pub(super) fn config_has(&mut self, why: &str, due: Mono) {
        match &mut self.config {
            Some(known) if known.why == why => known.due = known.due.map(|known| known.min(due)),
            known => {
                let told = known.as_ref().is_some_and(|known| known.told);
                let before = known.as_ref().and_then(|known| known.due);
                let due = before.map_or(due, |before| before.min(due));
                *known = Some(BadConfig { why: why.to_owned(), due: Some(due), told });
            }
        }
    }

    /// `slack_alert.toml` has no error; whether one was told of.
    pub(super) fn config_is_good(&mut self) -> bool {
        self.config.take().is_some_and(|config| config.told)
    }

    /// When something is to be told next.
    pub(super) fn next(&self) -> Option<Mono> {
        let config = self.config.as_ref().and_then(|config| config.due);
        self.waiting.iter().map(|(_, due)| *due).chain(config).min()
    }

    /// What is to be told by now.
    pub(super) fn due(&mut self, now: Mono) -> Due {
        let mut due = Due::default();
        if self.next().is_none_or(|next| next > now) {
            return due;
        }
        let (ripe, waiting) = std::mem::take(&mut self.waiting).into_iter().partition(|(_, at)| *at <= now);
        self.waiting = waiting;
        let ripe: Vec<(NotLoaded, Mono)> = ripe;
        for (file, _) in ripe {
            self.told.retain(|told| !same(told, &file));
            self.told.push(file.clone());
            due.files.push(file);
        }
        if let Some(config) = self.config.as_mut().filter(|config| config.due.is_some_and(|due| due <= now)) {
            (config.due, config.told) = (None, true);
            due.config = Some(config.why.clone());
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn file(name: &str, why: &str) -> NotLoaded {
        NotLoaded { name: JobName::new(name), file: format!("jobs.d/{name}.toml").into(), why: why.to_owned() }
    }

    fn at(seconds: u64) -> Mono {
        Mono(Duration::from_secs(seconds))
    }

    fn due(files: &[NotLoaded]) -> Due {
        Due { files: files.to_vec(), config: None }
    }

    const THERE: &dyn Fn(&NotLoaded) -> bool = &|_| false;

    const LOADED: &dyn Fn(&NotLoaded) -> bool = &|_| true;

    #[test]
    fn a_file_that_is_bad_for_a_moment_is_never_told() {
        let mut files = BadFiles::default();
        assert_eq!(files.update(&[file("a", "half")], THERE, LOADED, at(10)), Over::default());
        assert_eq!((files.next(), files.due(at(9))), (Some(at(10)), Due::default()));
        assert_eq!(files.update(&[], THERE, LOADED, at(15)), Over::default(), "what was not told has no end to tell");
        assert_eq!((files.next(), files.due(at(60))), (None, Due::default()));
    }

    #[test]
    fn a_file_that_stays_bad_is_told_once_with_its_latest_error_and_so_is_its_end() {
        let mut files = BadFiles::default();
        files.update(&[file("a", "half")], THERE, LOADED, at(10));
        files.update(&[file("a", "typo"), file("b", "typo")], THERE, LOADED, at(15));
        assert_eq!(files.due(at(10)), due(&[file("a", "typo")]), "ten seconds from the first error on");
        assert_eq!(files.due(at(14)), Due::default());
        assert_eq!(files.due(at(15)), due(&[file("b", "typo")]));
        files.update(&[file("a", "typo"), file("b", "other")], THERE, LOADED, at(30));
        assert_eq!(files.due(at(99)), due(&[file("b", "other")]), "another error is news");
        let loaded = Over { loaded: vec![file("a", "typo")], gone: Vec::new() };
        assert_eq!(files.update(&[file("b", "other")], THERE, LOADED, at(99)), loaded);
        let gone = Over { loaded: Vec::new(), gone: vec![file("b", "other")] };
        assert_eq!(
            files.update(&[], THERE, &|_| false, at(99)),
            gone,
            "a bad file that was taken away is not a good one"
        );
        assert_eq!(files.update(&[], THERE, &|_| false, at(99)), Over::default(), "once");
    }

    #[test]
    fn the_configuration_itself_is_told_of_in_the_same_way() {
        let mut files = BadFiles::default();
        files.config_has("half", at(10));
        assert!(!files.config_is_good());
        files.config_has("half", at(20));
        files.config_has("typo", at(25));
        assert_eq!(files.due(at(20)).config.as_deref(), Some("typo"), "ten seconds from the first error on");
        files.config_has("typo", at(40));
        assert_eq!(files.due(at(99)), Due::default(), "once");
        assert!(files.config_is_good());
        assert!(!files.config_is_good());
    }

    #[test]
    fn a_bad_file_that_is_away_for_a_moment_is_still_bad() {
        let mut files = BadFiles::default();
        files.update(&[file("a", "typo")], THERE, LOADED, at(0));
        assert_eq!(files.due(at(0)), due(&[file("a", "typo")]));
        assert_eq!(files.update(&[], &|_| true, &|_| false, at(12)), Over::default());
        assert_eq!(files.update(&[file("a", "typo")], THERE, LOADED, at(15)), Over::default());
        assert_eq!(files.due(at(99)), Due::default(), "it was told");
    }
}
