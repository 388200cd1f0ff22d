//! What a message says that Slack takes long after it was made: "still running after 29s" was true then. Pure.
//!
//! Before it: a message that waited. After it: the same message with one line more; what is kept in the store stays as it was.
//! A digest of what outlived `outbox_max_age` has the time of each on its line.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::between;
use crate::message::Message;
use crate::slack::limits::{ALL_BLOCKS, ATTACHMENT_BLOCKS, BLOCKS, LONGEST_TEXT, PLAIN};
use crate::slack::{blocks, cut_plain, unformatted, units, weight};

/// What comes later than this is late.
const LATE: Duration = Duration::from_secs(120);

/// Units of a host's name.
pub(super) const LONGEST_HOST: usize = 100;

/// How the line begins.
const MARK: &str = ":hourglass:";

/// The message as it is sent at `now`. `failed` is when the way to Slack failed last.
pub(super) fn sent(message: Message, now: Timestamp, failed: Option<Timestamp>) -> Message {
    let made = message.created;
    if between(made, now) <= LATE {
        return message;
    }
    let why = if failed.is_some_and(|failed| made <= failed) { ": Slack could not be reached" } else { "" };
    let plain = made.strftime("%Y-%m-%d %H:%M UTC");
    let date = format!("<!date^{}^{{date_short_pretty}} {{time}}|{plain}>", made.as_second());
    with_note(message, &format!("{MARK} delivered late{why}; made {date}"))
}

/// The line that says that a message is delivered late, where it has one.
pub(super) fn note_of(message: &Message) -> Option<&str> {
    message.text.lines().last().filter(|line| line.starts_with(MARK))
}

/// A message of several jobs says on which host they are, as each of their own does: several hosts may share a channel.
pub(super) fn on_host(message: Message, host: &str) -> Message {
    let host = unformatted(&cut_plain(host, LONGEST_HOST).0);
    if host.is_empty() { message } else { with_note(message, &host) }
}

/// A message with such a line, where there is room for it.
pub(super) fn with_note(message: Message, note: &str) -> Message {
    let mut shown = message.blocks.clone();
    let most = if message.color.is_some() { ATTACHMENT_BLOCKS } else { BLOCKS };
    let block = blocks::context(note);
    if !shown.is_empty() && shown.len() < most && weight(&shown) + weight(std::slice::from_ref(&block)) <= ALL_BLOCKS {
        shown.push(block);
    }
    let longest = if shown.is_empty() { LONGEST_TEXT } else { PLAIN };
    let text = match units(&message.text) + units(note) < longest {
        true => format!("{}\n{note}", message.text),
        false => message.text.clone(),
    };
    Message { text, blocks: shown, ..message }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::sent;
    use crate::clock::shift;
    use crate::exec::Status;
    use crate::id::Channel;
    use crate::message::{Message, Route, Thread};
    use crate::slack::blocks;

    const MADE: Timestamp = Timestamp::UNIX_EPOCH;

    fn after(seconds: u64) -> Timestamp {
        shift(MADE, std::time::Duration::from_secs(seconds))
    }

    fn message(text: &str, shown: usize) -> Message {
        Message {
            job: None,
            run: None,
            event: None,
            status: Status::Critical,
            channel: Channel::new("ops"),
            text: text.to_owned(),
            blocks: vec![blocks::section("a hangs: still running after 29s", 3_000); shown],
            color: None,
            incident: None,
            thread: Thread::Open,
            attachment: None,
            created: MADE,
            route: Route::default(),
        }
    }

    #[test]
    fn what_is_delivered_late_says_so_with_the_time_and_where_that_is_known_the_reason() {
        let date = "<!date^0^{date_short_pretty} {time}|1970-01-01 00:00 UTC>";
        for (at, failed, note) in [
            (120, Some(60), None),
            (121, Some(60), Some(format!("delivered late: Slack could not be reached; made {date}"))),
            (90_000, Some(0), Some(format!("delivered late: Slack could not be reached; made {date}"))),
            (121, None, Some(format!("delivered late; made {date}"))),
        ] {
            let late = sent(message("a hangs", 1), after(at), failed.map(after));
            let Some(note) = note else {
                assert_eq!(late, message("a hangs", 1), "after {at} s");
                continue;
            };
            assert_eq!(late.text, format!("a hangs\n:hourglass: {note}"));
            assert_eq!(late.blocks.len(), 2);
            assert_eq!(late.blocks[0], message("", 1).blocks[0], "nothing else is different");
            assert!(late.blocks[1].to_string().contains(&note), "{}", late.blocks[1]);
        }
        // An outage that was over when it was made is not why it is late.
        let late = sent(Message { created: after(600), ..message("a hangs", 1) }, after(1_200), Some(after(300)));
        assert!(!late.text.contains("could not be reached"), "{}", late.text);
    }

    #[test]
    fn a_message_that_has_no_room_for_it_goes_as_it_is() {
        for (text, shown, color) in [("x".repeat(2_990), 50, None), ("x".repeat(2_990), 20, Some("danger".to_owned()))]
        {
            let full = Message { color, ..message(&text, shown) };
            assert_eq!(sent(full.clone(), after(600), None), full);
        }
        let alone = sent(message("words", 0), after(600), None);
        assert!(alone.blocks.is_empty() && alone.text.contains("delivered late"), "{alone:?}");
    }
}
