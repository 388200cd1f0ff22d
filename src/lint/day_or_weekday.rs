//! `day-or-weekday`: a calendar that says a day of the month and a day of the week, of which either is enough.

use super::{Scope, Subject};
use crate::diagnostic::{Code, Problem, Problems};
use crate::document::Value;
use crate::schedule::Cron;

/// Both day fields are restricted, and neither begins with `*`: as in crontab(5) a day that one of them names will do, where most
/// who write it mean a day that both name.
pub(super) fn check(subject: &Subject<'_, '_>, _: &Scope, found: &mut Problems) {
    let Some(either) = subject.job.timing.cron().and_then(Cron::either_days) else { return };
    let written = subject.file.find("cron").or_else(|| subject.file.find("expect.cron"));
    let Some(text) = written.as_ref().filter(|value| value.is_text()).and_then(Value::text) else { return };
    let message = format!("this is {}", either.meaning());
    let help = match either.nth() {
        Some(instead) => format!("for the days that both name write `{instead}`; "),
        None => "for the days that both name let one of the two be `*`, and the command test the other; ".to_owned(),
    };
    let place = text.inside(either.place());
    let problem = Problem::new(Code::DayOrWeekday, place, message);
    found.push(problem.help(format!("{help}if it is meant so, accept it: `allow = [\"day-or-weekday\"]`")));
}
