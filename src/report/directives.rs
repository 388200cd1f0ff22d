//! What a script may ask for, and what it is granted: pings that the configuration allows, its file, and why not. Pure.
//!
//! Before it: an outcome with its directives. After it: `speak`, which puts them into the notice and the message.

use crate::exec::Outcome;
use crate::message::{self, Attachment};
use crate::policy::{Mention, Settings, parse_mention};

/// Who is pinged because the script asks for it, as Slack writes it; and what is to be said about what it is not given.
/// A name that the configuration does not allow becomes words.
pub fn asked(outcome: &Outcome, settings: &Settings, uploads: bool) -> (Vec<String>, Vec<String>) {
    let said = &outcome.directives;
    let (mut markup, mut notes) = (Vec::new(), said.notes.clone());
    let allowed = |mention: &Mention| settings.mention.contains(mention) || settings.mention_allowed.contains(mention);
    for name in &said.mentions {
        match parse_mention(name).ok().filter(allowed) {
            Some(mention) => markup.push(mention.markup()),
            None => notes.push(format!(
                "{} is not pinged: not in `notify.mention` or `notify.mention_allowed`",
                name.chars().take(60).collect::<String>()
            )),
        }
    }
    if let Some(file) = said.file.as_ref().filter(|_| !uploads) {
        notes.push(format!("{} is not attached: that needs a token", file.name));
    }
    if let [first, more @ ..] = said.misunderstood.as_slice() {
        let more = more.len() as u64 + said.more_misunderstood;
        let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
        notes.push(format!("a directive is not understood: {first}{more}"));
    }
    (markup, notes)
}

/// The file that a directive names, as it is attached.
pub(super) fn file(outcome: &Outcome) -> Option<Attachment> {
    let file = outcome.directives.file.as_ref()?;
    let content = message::clean(&file.content);
    (!content.is_empty()).then(|| Attachment { name: plain(&file.name), content })
}

/// A name without anything that Slack would obey.
pub(super) fn plain(name: &str) -> String {
    message::clean(name.as_bytes()).chars().map(|c| if "<>&`*\n".contains(c) { '_' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{asked, file};
    use crate::exec::{Directives, File, Outcome, Status};
    use crate::policy::{Mention, Settings};

    fn said(directives: Directives) -> Outcome {
        Outcome { directives, ..Outcome::status_only(Status::Warning, Timestamp::UNIX_EPOCH) }
    }

    #[test]
    fn a_script_pings_only_whom_the_configuration_allows() {
        let settings = Settings {
            mention: vec![Mention::Channel],
            mention_allowed: vec![Mention::Here, Mention::User("U024BE7LH".to_owned())],
            ..Settings::default()
        };
        let names = ["@here", "@channel", "<!channel>", "U024BE7LH", "U0000000X", "S0614TZR7", "everyone"];
        let outcome = said(Directives { mentions: names.map(str::to_owned).to_vec(), ..Directives::default() });
        let (markup, notes) = asked(&outcome, &settings, true);
        assert_eq!(markup, ["<!here>", "<!channel>", "<@U024BE7LH>"], "whom critical failures ping may be pinged too");
        assert_eq!(notes.len(), 4);
        assert_eq!(notes[1], "U0000000X is not pinged: not in `notify.mention` or `notify.mention_allowed`");
        assert_eq!(asked(&outcome, &Settings::default(), true).0, Vec::<String>::new());
    }

    #[test]
    fn what_was_not_understood_is_told() {
        let misunderstood = ["there is no such directive: `::slack-alert nonsense=1`", "more", "most"];
        let words = |count: usize| {
            let misunderstood = misunderstood[..count].iter().map(|why| (*why).to_owned()).collect();
            asked(&said(Directives { misunderstood, ..Directives::default() }), &Settings::default(), true).1
        };
        let first = "a directive is not understood: there is no such directive: `::slack-alert nonsense=1`";
        assert_eq!(words(1), [first]);
        assert_eq!(words(3), [format!("{first} (and 2 more)")]);
        let many = Directives { misunderstood: vec!["x".to_owned()], more_misunderstood: 9, ..Directives::default() };
        assert_eq!(asked(&said(many), &Settings::default(), true).1, ["a directive is not understood: x (and 9 more)"]);
    }

    #[test]
    fn a_file_is_text_without_tricks_and_without_a_token_its_absence_is_told() {
        let attached = File { name: "a<b>.log".to_owned(), content: b"\x1b[31mred\x1b[0m\n".to_vec() };
        let outcome = said(Directives { file: Some(attached), ..Directives::default() });
        let shown = file(&outcome).expect("a file");
        assert_eq!((shown.name.as_str(), shown.content.as_str()), ("a_b_.log", "red\n"));
        assert_eq!(asked(&outcome, &Settings::default(), false).1, ["a<b>.log is not attached: that needs a token"]);
        assert!(asked(&outcome, &Settings::default(), true).1.is_empty());
    }
}
