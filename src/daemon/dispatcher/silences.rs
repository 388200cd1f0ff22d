//! Silences that scripts ask for by themselves (the directive `silence=`): which there are, and how a person ends them. Pure.
//!
//! Before it: a run's directives, and requests. After it: the jobs' states, and what was owed in the silence. Such a silence is of
//! one job, has no number, and ends by the name of its job.

use super::super::mailbox::Asker;
use super::view::covers;
use super::{Dispatcher, Turn};
use crate::api;
use crate::clock::Now;
use crate::policy::Pattern;

impl Dispatcher {
    /// Those in effect.
    pub fn script_silences(&self, now: Now) -> Vec<api::ScriptSilence> {
        let all = (0_u32..).zip(&self.jobs).filter(|(_, tracked)| !tracked.removed);
        all.filter_map(|(index, _)| self.script_silence(index, now)).collect()
    }

    /// Those of jobs that a pattern names.
    pub(super) fn script_silences_of(&self, pattern: &Pattern, now: Now) -> Vec<api::ScriptSilence> {
        let named = (0_u32..).zip(&self.jobs).filter(|(_, tracked)| !tracked.removed && covers(pattern, tracked));
        named.filter_map(|(index, _)| self.script_silence(index, now)).collect()
    }

    fn script_silence(&self, index: u32, now: Now) -> Option<api::ScriptSilence> {
        let tracked = &self.jobs[index as usize];
        let until = tracked.health.silenced_by_script().filter(|until| *until > now.wall)?;
        Some(api::ScriptSilence { job: tracked.job.name.clone(), since: tracked.health.silenced_since(), until })
    }

    /// A person ends them: what is owed is told as at any other end of a silence.
    pub(super) fn end_script_silences(
        &mut self,
        ended: &[api::ScriptSilence],
        asker: &Asker,
        now: Now,
        turn: &mut Turn,
    ) {
        for silence in ended {
            let Some(&index) = self.by_name.get(&silence.job) else { continue };
            tracing::info!(job = %silence.job, by = %asker.by.name, "the silence that the job's own script asked for is ended");
            let tracked = &mut self.jobs[index as usize];
            tracked.health.silence(None, now.wall);
            turn.entries.push(tracked.changed(Vec::new(), now));
            self.arm(index, now);
        }
    }
}
