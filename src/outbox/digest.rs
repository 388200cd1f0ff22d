//! Many alerts as one message: a line for each, none left out. Pure.
//!
//! Before it: messages of one channel that are more than its rate can carry, or that outlived the time in which they
//! could be delivered. After it: one [`Message`] within Slack's limits, and how many of them are in it.

use crate::exec::Status;
use crate::message::{Message, Route, Thread};
use crate::slack::limits::{ALL_BLOCKS, SECTION};
use crate::slack::{blocks, one_line, unformatted, units};
use crate::store::Stored;

/// Lines in one digest.
pub const LINES: usize = 100;

/// Characters in one digest; what the blocks' own frames take besides is within [`ALL_BLOCKS`].
const CHARACTERS: usize = ALL_BLOCKS - 1_000;

/// Characters of one alert's line, without markup.
const LINE: usize = 240;

/// Why there is a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// More wait than the rate can carry.
    Many,
    /// They outlived `outbox_max_age` while Slack could not be reached.
    Late,
}

/// What a digest is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Why there is one.
    pub kind: Kind,
    /// Members at most.
    pub lines: usize,
    /// How many messages there are in all, those of later digests too.
    pub waiting: u64,
    /// It goes on where another digest has ended.
    pub follows: bool,
}

/// Merges as many messages as one digest takes, from the first on; at least one. `members` may be more than that: those
/// are counted by status, so that the first line tells of all. Whom the digests pinged that it goes on after (`before`), it
/// does not ping again.
pub fn merge(scope: Scope, members: &[Stored], before: &[String]) -> Option<(Message, usize)> {
    let kind = scope.kind;
    let first = members.first()?;
    let mut pinged: Vec<String> = Vec::new();
    let mut lines: Vec<String> = Vec::new();
    let mut length = 600;
    for member in members.iter().take(scope.lines.clamp(1, LINES)) {
        let (line, pings) = line(kind, &member.message);
        length += units(&line) + 1;
        if length > CHARACTERS && !lines.is_empty() {
            break;
        }
        lines.push(line);
        for ping in pings {
            if !pinged.contains(&ping) && !before.contains(&ping) && pinged.len() < 10 {
                pinged.push(ping);
            }
        }
    }
    let taken = &members[..lines.len()];
    let head = head(scope, members, taken.len(), &pinged);
    let blocks = sections(&head, &lines);
    let text = format!("{head}\n{}", lines.join("\n"));
    let message = Message {
        job: None,
        run: None,
        event: None,
        status: worst(taken),
        channel: first.message.channel.clone(),
        text,
        blocks,
        color: None,
        incident: None,
        thread: Thread::None,
        attachment: None,
        created: taken.last()?.message.created,
        route: Route::default(),
    };
    Some((message, lines.len()))
}

fn worst(members: &[Stored]) -> Status {
    members.iter().map(|member| member.message.status).max_by_key(|status| status.badness()).unwrap_or_default()
}

/// The first line: how many in all, of which kinds, how many of them are here, and who is pinged.
fn head(scope: Scope, members: &[Stored], taken: usize, pinged: &[String]) -> String {
    let (here, all) = (taken as u64, scope.waiting.max(members.len() as u64));
    let mut kinds = Vec::new();
    for status in Status::ALL {
        let of_it = members.iter().filter(|member| member.message.status == status).count();
        if of_it > 0 {
            kinds.push(format!("{of_it} {}", status.as_str()));
        }
    }
    if all > members.len() as u64 {
        kinds.push(format!("{} not counted yet", all - members.len() as u64));
    }
    let more = if scope.follows { "more " } else { "" };
    let plural = if all == 1 { "" } else { "s" };
    let late = if scope.kind == Kind::Late { " that could not be delivered in time" } else { "" };
    let mut head = format!("*{all} {more}alert{plural}{late}*: {}", kinds.join(", "));
    if all > here {
        head.push_str(&format!(" (the first {here} here, {} follow)", all - here));
    }
    for ping in pinged {
        head.push(' ');
        head.push_str(ping);
    }
    head
}

/// One alert's line, and whom the alert pings: they are pinged once, at the top.
fn line(kind: Kind, message: &Message) -> (String, Vec<String>) {
    let mut pings = Vec::new();
    let mut first = None;
    for line in message.text.lines() {
        let (short, more) = one_line(line, LINE);
        pings.extend(more);
        if first.is_none() && !short.is_empty() {
            first = Some(short);
        }
    }
    let said = first.unwrap_or_else(|| "_no words_".to_owned());
    let mut line = "• ".to_owned();
    if kind == Kind::Late {
        let at = message.created;
        let plain = at.strftime("%Y-%m-%d %H:%M UTC");
        line.push_str(&format!("<!date^{}^{{date_num}} {{time}}|{plain}> ", at.as_second()));
    }
    if let Some(job) = &message.job {
        let job = unformatted(job.as_str());
        if !said.contains(&job) {
            line.push_str(&format!("*{job}* "));
        }
    }
    line.push_str(&said);
    (line, pings)
}

/// The lines in as few sections as hold them.
fn sections(head: &str, lines: &[String]) -> Vec<serde_json::Value> {
    let mut texts = vec![head.to_owned()];
    for line in lines {
        match texts.last_mut() {
            Some(text) if units(text) + units(line) < SECTION => {
                text.push('\n');
                text.push_str(line);
            }
            _ => texts.push(line.clone()),
        }
    }
    texts.iter().map(|text| blocks::section(text, SECTION)).collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{CHARACTERS, Kind, LINES, Scope, merge};
    use crate::exec::Status;
    use crate::id::{Channel, JobName};
    use crate::message::{Message, Route, Thread};
    use crate::store::{MessageId, Stored};

    fn stored(id: u64, job: &str, status: Status, text: &str) -> Stored {
        let message = Message {
            job: Some(JobName::new(job)),
            run: None,
            event: None,
            status,
            channel: Channel::new("ops"),
            text: text.to_owned(),
            blocks: Vec::new(),
            color: None,
            incident: None,
            thread: Thread::None,
            attachment: None,
            created: Timestamp::UNIX_EPOCH,
            route: Route::default(),
        };
        Stored::waiting(MessageId(id), message)
    }

    fn text(kind: Kind, members: &[Stored], waiting: u64) -> String {
        merge(scope(kind, waiting), members, &[]).expect("there are members").0.text
    }

    fn scope(kind: Kind, waiting: u64) -> Scope {
        Scope { kind, lines: LINES, waiting, follows: false }
    }

    #[test]
    fn one_line_for_each_with_the_job_where_the_words_do_not_name_it() {
        let members = [
            stored(1, "db/backup", Status::Critical, "*db/backup* failed\nexit 2"),
            stored(2, "a&b", Status::Ok, "\n\nall is well"),
            stored(3, "silent", Status::Warning, "   "),
        ];
        assert_eq!(
            text(Kind::Many, &members, 3),
            "*3 alerts*: 1 critical, 1 warning, 1 ok\n\
             • *db/backup* failed\n• *a&amp;b* all is well\n• *silent* _no words_"
        );
        assert_eq!(
            text(Kind::Late, &members[1..2], 9),
            "*9 alerts that could not be delivered in time*: 1 ok, 8 not counted yet (the first 1 here, 8 follow)\n\
             • <!date^0^{date_num} {time}|1970-01-01 00:00 UTC> *a&amp;b* all is well"
        );
        let (message, taken) = merge(scope(Kind::Many, 3), &members, &[]).expect("there are members");
        assert_eq!((taken, message.status, message.blocks.len()), (3, Status::Critical, 1));
    }

    #[test]
    fn the_first_line_of_a_storm_counts_all_of_it() {
        let status = |id| if id % 10 == 0 { Status::Warning } else { Status::Critical };
        let members: Vec<Stored> = (0..500).map(|id| stored(id, &format!("job-{id}"), status(id), "failed")).collect();
        let first =
            |scope, members| merge(scope, members, &[]).expect("members").0.text.lines().next().map(str::to_owned);
        let storm = scope(Kind::Many, 500);
        let line = first(storm, &members).expect("a line");
        assert_eq!(line, "*500 alerts*: 450 critical, 50 warning (the first 100 here, 400 follow)");
        let next = Scope { waiting: 400, follows: true, ..storm };
        let line = first(next, &members[100..]).expect("a line");
        assert_eq!(line, "*400 more alerts*: 360 critical, 40 warning (the first 100 here, 300 follow)");
        let last = Scope { waiting: 100, follows: true, ..storm };
        assert_eq!(first(last, &members[400..]).as_deref(), Some("*100 more alerts*: 90 critical, 10 warning"));
        assert_eq!(merge(Scope { lines: 7, ..storm }, &members, &[]).map(|(_, taken)| taken), Some(7));
    }

    #[test]
    fn who_would_have_been_pinged_is_pinged_once() {
        let members = [
            stored(1, "a", Status::Critical, "a failed <!here>\nsee <@U1>"),
            stored(2, "b", Status::Critical, "<!here> b failed <!subteam^S1|ops>"),
            stored(3, "c", Status::Critical, "c says <!herewith> <https://x.example|<@no>"),
        ];
        assert_eq!(
            text(Kind::Many, &members, 3).lines().take(3).collect::<Vec<_>>(),
            ["*3 alerts*: 3 critical <!here> <@U1> <!subteam^S1|ops>", "• a failed", "• b failed"]
        );
    }

    #[test]
    fn ten_are_pinged_at_most() {
        let text = (0..12).map(|n| format!("<@U{n:04}>")).collect::<Vec<_>>().join(" ");
        let digest = text_of_many(&text);
        assert_eq!(digest.matches("<@U").count(), 10, "{digest}");
    }

    fn text_of_many(words: &str) -> String {
        text(Kind::Many, &[stored(1, "a", Status::Critical, &format!("a failed {words}"))], 1)
    }

    #[test]
    fn a_line_is_never_cut_inside_an_escape_or_a_link() {
        let long = format!("j {}&lt;{} no space left", "x".repeat(115), "y".repeat(250));
        let cut = text(Kind::Many, &[stored(1, "j", Status::Ok, &long)], 1);
        assert!(cut.contains("x&lt; … y") && cut.ends_with("y no space left"), "{cut}");
        let link = format!("j <https://example.org/{}|here> {}", "p".repeat(3_000), "z".repeat(400));
        let cut = text(Kind::Many, &[stored(1, "j", Status::Ok, &link)], 1);
        assert!(cut.contains("• j here zzz") && cut.ends_with("z") && cut.len() < 400, "{cut}");
        let broken = text(Kind::Many, &[stored(1, "j", Status::Ok, "j < & ; <")], 1);
        assert!(broken.ends_with("• j < & ; <"), "{broken}");
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(32))]
        #[test]
        fn a_digest_is_within_every_limit_takes_at_least_one_and_names_each(
            texts in proptest::collection::vec("[ -~é<>&|`\n]{0,200}", 1..130),
        ) {
            let members: Vec<Stored> = (0_u64..).zip(&texts)
                .map(|(id, text)| stored(id, &format!("job-{id}"), Status::Critical, text)).collect();
            let (message, taken) = merge(scope(Kind::Late, members.len() as u64), &members, &[]).expect("there are members");
            proptest::prop_assert!(taken >= 1 && taken <= LINES.min(members.len()));
            proptest::prop_assert!(message.text.chars().count() <= CHARACTERS);
            proptest::prop_assert!(message.blocks.len() <= 50);
            for block in &message.blocks {
                let length = block["text"]["text"].as_str().map(|text| text.chars().count());
                proptest::prop_assert!(length.is_some_and(|length| length <= 3_000));
            }
            let lines: Vec<&str> = message.text.lines().skip(1).collect();
            proptest::prop_assert_eq!(lines.len(), taken);
            for (id, line) in lines.iter().enumerate() {
                let job = format!("job-{id}");
                proptest::prop_assert!(line.contains(&job), "{} {}", line, job);
            }
        }
    }
}
