//! The stable names of problems, as `check` prints them and `allow` takes them.

use super::Severity;

/// Declares the codes once: variant, name, severity, and one sentence that says what it means.
macro_rules! codes {
    ($($variant:ident $name:literal $severity:ident $about:literal;)*) => {
        /// What kind of problem it is. Names never change once released.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $about] $variant,)*
        }

        impl Code {
            /// Every code, in the order of the manual.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable name.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Error or warning.
            pub fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)* }
            }

            /// What it means, in one sentence.
            pub fn about(self) -> &'static str {
                match self { $(Self::$variant => $about,)* }
            }

            /// What it means, examples, and the way out; for `check --explain`. Its first line is [`Self::about`].
            pub fn explain(self) -> &'static str {
                match self { $(Self::$variant => include_str!(concat!("explain/", $name, ".md")),)* }
            }
        }
    };
}

codes! {
    TomlSyntax "toml-syntax" Error "The file is not valid TOML.";
    UnknownKey "unknown-key" Error "A key that has no meaning here.";
    WrongType "wrong-type" Error "A value of the wrong type: a number where text is wanted, say.";
    MissingKey "missing-key" Error "A key that must be there is missing.";
    ConflictingKeys "conflicting-keys" Error "Two keys that exclude each other.";
    InvalidValue "invalid-value" Error "A value of the right type that is not allowed here.";
    InvalidDuration "invalid-duration" Error "A length of time that cannot be understood.";
    InvalidRate "invalid-rate" Error "A rate that cannot be understood.";
    InvalidSize "invalid-size" Error "A size that cannot be understood.";
    InvalidHours "invalid-hours" Error "Hours that cannot be understood.";
    InvalidCron "invalid-cron" Error "A calendar that cannot be understood.";
    UnknownTimeZone "unknown-time-zone" Error "A time zone that this machine does not know.";
    InvalidRegex "invalid-regex" Error "A regular expression that cannot be compiled.";
    TemplateSyntax "template-syntax" Error "A template that cannot be compiled, or that fails whatever the command writes.";
    InvalidBlocks "invalid-blocks" Error "Blocks that Slack would refuse.";
    InvalidExpression "invalid-expression" Error "A condition that cannot be understood, that would always fail, or that comes out the same at every run.";
    UnknownVariable "unknown-variable" Error "A template uses a variable that does not exist.";
    UnknownFilter "unknown-filter" Error "A template uses a filter or a test that does not exist.";
    UnknownUser "unknown-user" Error "A user or group that this machine does not know.";
    MissingFile "missing-file" Error "A file or folder that is named and does not exist.";
    UnreadableFile "unreadable-file" Error "A file or folder that cannot be read.";
    CannotSwitchUser "cannot-switch-user" Error "A user, group or niceness that the daemon is not permitted to give a command.";
    InvalidToken "invalid-token" Error "What stands in the place of a token is none.";
    CommandNotFound "command-not-found" Error "The program, or the script that it is given, cannot be found or is not executable here.";
    ShellSyntax "shell-syntax" Error "The shell cannot parse the command.";
    BadFileName "bad-file-name" Error "The name of a job file or folder is not UTF-8 text.";
    DuplicateJob "duplicate-job" Error "Two jobs whose names differ only in case.";
    UnknownJob "unknown-job" Error "A job follows one that does not exist.";
    AfterCycle "after-cycle" Error "Jobs follow each other in a circle, so that none of them would run.";
    NoJobs "no-jobs" Warning "There is no job to run.";
    NoDefaultChannel "no-default-channel" Warning "Messages that belong to no job have no channel of their own.";
    NeverRuns "never-runs" Warning "The calendar and the hours of the job never meet, or it follows a job that is not enabled.";
    DayOrWeekday "day-or-weekday" Warning "Of a day of the month and a day of the week, either is enough.";
    NeverOk "never-ok" Warning "No exit code of the job counts as ok.";
    TimeoutOutlastsInterval "timeout-outlasts-interval" Warning "The command may run for longer than the time to its next run.";
    GraceOutlastsInterval "grace-outlasts-interval" Warning "A single run that does not come is not noticed, since the next one comes within its grace.";
    NoTimeout "no-timeout" Warning "Nothing ends the command when it hangs.";
    HangIsSilent "hang-is-silent" Warning "A command that hangs is neither ended nor told of.";
    IntervalTooShort "interval-too-short" Warning "The job runs more often than once a second.";
    NoisyJob "noisy-job" Warning "The job asks for more messages than its own rate limit lets through.";
    SlackRateExceeded "slack-rate-exceeded" Warning "All jobs together can send a channel more than its rate.";
    SecretInFile "secret-in-file" Warning "A secret is written into a configuration file.";
    SecretReadable "secret-readable" Warning "A file that holds a secret can be read or changed by others.";
    WritableScript "writable-script" Warning "A program that runs as root can be changed by others.";
    UnescapedOutput "unescaped-output" Warning "A template shows the output of a command without escaping it.";
    BurstOverlapsPause "burst-overlaps-pause" Warning "The pause of a burst is over before the next run is due.";
    SameCommand "same-command" Warning "Two jobs run the same command.";
    QuietForEver "quiet-for-ever" Warning "Every run of the job falls into its quiet hours.";
    PipeHidesFailure "pipe-hides-failure" Warning "A pipe hides that its first command failed.";
    CanStarveOthers "can-starve-others" Warning "Runs of the job can pile up until no other job runs.";
    ChattyJob "chatty-job" Warning "Good news more often than anybody reads.";
    LiteralVariable "literal-variable" Warning "A variable in a place where nothing expands it.";
    IdleLine "idle-line" Warning "A line of an `env_file` that sets no variable.";
    MayBeMissing "may-be-missing" Warning "A template needs what will be missing just when it matters.";
    MixedComparison "mixed-comparison" Warning "A template compares a number with text, or numbers as text.";
    CutMarkup "cut-markup" Warning "A template changes text after it has become markup, and takes the markup apart.";
    UnknownTimeZoneEnvironment "unknown-time-zone-environment" Warning "The time zone of this machine is not known, so that times are UTC.";
    PageOpen "page-open" Warning "Others than this machine can open the status page without a token.";
    UserToken "user-token" Warning "The token is a person's, and messages come from that person.";
    UnencryptedToken "unencrypted-token" Warning "The token, or the URL of the webhook, goes over the network unencrypted.";
    NoCertificates "no-certificates" Warning "This machine has no root certificates, so that nothing can be sent.";
    UnusedKey "unused-key" Warning "A key that has no effect beside the others.";
    UnusedAllow "unused-allow" Warning "A code is allowed that nothing gives rise to.";
    SlackUnavailable "slack-unavailable" Error "Slack cannot be reached, or does not accept the credentials.";
    MissingScope "missing-scope" Error "The token lacks a scope that the configuration needs.";
    UnreachableChannel "unreachable-channel" Error "A channel that does not exist, or to which the bot cannot post.";
    UncheckedChannel "unchecked-channel" Warning "A channel of which Slack does not say whether it can be posted to.";
    FailingTest "failing-test" Error "A `[[test]]` of the job does not come out as it says.";
}

impl Code {
    /// The code of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == name)
    }

    /// Whether this is about the machine and not about the file: such a problem fails `check`, and the job is loaded,
    /// since the next run may find it well.
    pub fn is_about_the_machine(self) -> bool {
        matches!(
            self,
            Self::CommandNotFound
                | Self::ShellSyntax
                | Self::UnknownUser
                | Self::CannotSwitchUser
                | Self::MissingFile
                | Self::UnreadableFile
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Code;

    #[test]
    fn every_code_has_a_name_of_its_own_and_is_found_by_it() {
        for code in Code::ALL {
            assert_eq!(Code::parse(code.as_str()), Some(*code));
            assert!(code.as_str().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{code:?}");
        }
        assert_eq!(Code::parse("no-such-code"), None);
    }

    #[test]
    fn every_code_is_explained_with_an_example_and_a_way_out() {
        for code in Code::ALL {
            let text = code.explain();
            let mut paragraphs = text.split("\n\n");
            assert_eq!(paragraphs.next(), Some(code.about()), "the first line of {code:?} is what it is about");
            assert!(text.contains("\n\n    "), "{code:?} has an example");
            let last = paragraphs.last().expect("it has more than a line");
            assert!(!last.starts_with("    ") && last.trim_end().ends_with('.'), "{code:?} ends with the way out");
            assert!(text.ends_with('\n') && text.lines().all(|line| line.chars().count() <= 128), "{code:?}");
        }
    }
}
