//! \[db\] A row of the outbox: its columns, what the rows beside it mean for it, and how it is read.
//!
//! What other waiting messages of its incident mean for a message is asked for in SQL, so that of ten thousand only those are
//! read that may go next. While the disk fails `overlay` has the same rules for what is in memory: the tests of `store` hold
//! both equal.

use jiff::Timestamp;
use rusqlite::{Result, Row};

use super::columns::{count, maybe_text, number, text, time};
use super::types::{MessageId, MessageState, Progress, Stored};
use crate::exec::Status;
use crate::id::{Channel, JobName};
use crate::message::{Message, Route, Thread};
use crate::notify::Parent;

/// An edit that a later one follows.
pub(super) const OUTDATED_EDIT: &str = "edit = 1 AND EXISTS (SELECT 1 FROM message AS later WHERE later.channel = message.channel \
     AND later.state = 0 AND later.edit = 1 AND later.id > message.id AND later.incident = message.incident)";

/// That its channel was told of it in a digest of late messages, as column `forwarded` has it beside the 1 of a message that
/// was told elsewhere.
pub(super) const ANNOUNCED: i64 = 2;

/// The first message of an incident that was refused, and that a later first message of the same incident follows, or whose
/// channel has taken a later message since that says what fails. That the job keeps changing does not say it.
pub(super) const OUTDATED_FIRST: &str = "edit = 0 AND state = 0 AND refusals > 0 AND part = 1 \
     AND (CASE WHEN json_valid(thread.first) THEN json_extract(thread.first, '$.event') <> 'flapping' END IS TRUE \
       OR EXISTS (SELECT 1 FROM message AS later WHERE later.channel = message.channel \
          AND later.state = 0 AND later.edit = 0 AND later.id > message.id AND later.incident = message.incident \
          AND later.part = 1))";

/// Another message of an incident that waits for another try, or waits behind one, and that a later one of the same incident
/// takes the place of: what it says is no longer so. What is shown in the channel stays until something else is, or the end.
pub(super) const OUTDATED_OTHER: &str = "edit = 0 AND state = 0 AND part > 1 \
     AND EXISTS (SELECT 1 FROM message AS later WHERE later.channel = message.channel \
     AND later.state = 0 AND later.edit = 0 AND later.part > 0 AND later.id > message.id AND later.queued > message.queued \
     AND later.incident = message.incident \
     AND (message.refusals > 0 AND (later.part = 2 \
         OR CASE WHEN json_valid(message.body) THEN json_extract(message.body, '$.thread') END IS 'reply' \
         OR CASE WHEN json_valid(later.body) THEN json_extract(later.body, '$.thread') END IS NOT 'reply') \
       OR later.part = 1 AND EXISTS (SELECT 1 FROM message AS earlier WHERE earlier.channel = message.channel \
         AND earlier.state = 0 AND earlier.edit = 0 AND earlier.id < message.id AND earlier.incident = message.incident \
         AND earlier.refusals > 0)))";

/// A message of an incident whose end waits behind it.
const OVER: &str = "edit = 0 AND part <> 2 \
     AND EXISTS (SELECT 1 FROM message AS later WHERE later.channel = message.channel \
     AND later.state = 0 AND later.id > message.id AND later.incident = message.incident AND later.part = 2)";

/// A message of an incident, not its first, before which another one was refused and waits for another try: it comes behind that.
pub(super) const BEHIND_WAITING: &str = "part > 1 \
     AND EXISTS (SELECT 1 FROM message AS earlier WHERE earlier.channel = message.channel AND earlier.state = 0 \
          AND earlier.edit = 0 AND earlier.id < message.id AND earlier.incident = message.incident \
          AND earlier.refusals > 0 AND earlier.not_before > ?3)";

/// What [`row`] reads.
pub(super) fn columns() -> String {
    format!(
        "message.id, state, queued, attempts, why, message.channel, body, thread.place, thread.ts, \
         ({OUTDATED_EDIT}) OR ({OUTDATED_FIRST}) OR ({OUTDATED_OTHER}), message.job, not_before, timeouts, refusals, forwarded, \
         CASE edit WHEN 1 THEN thread.first END, message.dropped, ({OVER})"
    )
}

/// Where [`columns`] come from.
pub(super) const TABLES: &str =
    "message LEFT JOIN thread ON thread.incident = message.incident AND thread.channel = message.channel";

/// A message, out of [`columns`].
pub(super) fn row(row: &Row<'_>) -> Result<Stored> {
    let thread = maybe_text(row, 7)?.zip(maybe_text(row, 8)?).map(|(channel, ts)| Parent { channel, ts });
    let (id, queued) = (MessageId(count(row, 0)?), time(row, 2)?);
    let channel = Channel::new(&text(row, 5)?);
    let message = match serde_json::from_str::<Message>(&text(row, 6)?) {
        // The column says where it goes now.
        Ok(message) => Message { channel, ..message },
        Err(error) => {
            let job = maybe_text(row, 10)?.map(JobName::new);
            unreadable(id, channel, job, queued, &error.to_string())
        }
    };
    let small = |column| -> Result<u32> { Ok(u32::try_from(count(row, column)?).unwrap_or(u32::MAX)) };
    Ok(Stored {
        id,
        state: MessageState::from_number(number(row, 1)?),
        queued,
        attempts: small(3)?,
        why: maybe_text(row, 4)?,
        dropped: maybe_text(row, 16)?.and_then(|dropped| serde_json::from_str(&dropped).ok()),
        progress: Progress {
            not_before: (number(row, 11)? > 0).then(|| time(row, 11)).transpose()?,
            timeouts: small(12)?,
            refusals: small(13)?,
            forwarded: number(row, 14)? & 1 == 1,
            announced: number(row, 14)? & ANNOUNCED == ANNOUNCED,
        },
        parent: message.route.target.clone().or(thread),
        // One that cannot be read is as one that is not known: the edit takes its place as it stands.
        first: maybe_text(row, 15)?.and_then(|first| serde_json::from_str(&first).ok()),
        message,
        superseded: number(row, 9)? == 1,
        over: number(row, 17)? == 1,
    })
}

/// What is sent in the place of a message whose content is damaged: all that is known of it.
pub(super) fn unreadable(
    id: MessageId,
    channel: Channel,
    job: Option<JobName>,
    queued: Timestamp,
    why: &str,
) -> Message {
    let of = job.as_ref().map(|job| format!(" of job {job}")).unwrap_or_default();
    let since = queued.strftime("%Y-%m-%d %H:%M:%S UTC");
    Message {
        job,
        run: None,
        event: None,
        status: Status::Unknown,
        channel,
        text: crate::slack::escape(&format!(
            "a message that cannot be read: number {id} in the outbox{of}, queued {since}. Its row in the database is damaged ({why}); \
             `slack-alert history` may still show the run."
        )),
        blocks: Vec::new(),
        color: None,
        incident: None,
        thread: Thread::None,
        attachment: None,
        created: queued,
        route: Route::default(),
    }
}
