//! When a job runs: reads the schedule's keys, and answers what comes next. Pure; time is an argument.
//!
//! Before it: `document`. After it: the dispatcher, which asks a job's [`Cadence`] when it is due and tells it what
//! happened; the [`Agenda`] is one heap for all jobs.
