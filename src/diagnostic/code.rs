//! The stable names of problems, as `check` prints them and `allow` takes them (SPEC: `check`).

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
    TemplateSyntax "template-syntax" Error "A template that cannot be compiled.";
    UnknownVariable "unknown-variable" Error "A template uses a variable that does not exist.";
    UnknownFilter "unknown-filter" Error "A template uses a filter or a test that does not exist.";
    UnknownUser "unknown-user" Error "A user or group that this machine does not know.";
    MissingFile "missing-file" Error "A file or folder that is named and does not exist.";
    UnreadableFile "unreadable-file" Error "A file or folder that cannot be read.";
    CommandNotFound "command-not-found" Error "The program cannot be found or is not executable.";
    DuplicateJob "duplicate-job" Error "Two jobs whose names differ only in case.";
    NoJobs "no-jobs" Warning "There is no job to run.";
    NeverRuns "never-runs" Warning "The calendar and the hours of the job never meet.";
    NoTimeout "no-timeout" Warning "Nothing ends the command when it hangs.";
    SecretInFile "secret-in-file" Warning "A secret is written into a configuration file.";
}

impl Code {
    /// The code of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == name)
    }

    /// Whether this is about the machine and not about the file: such a problem fails `check`, and sets no job aside,
    /// since it may be mended before the next run (SPEC 1).
    pub fn is_about_the_machine(self) -> bool {
        matches!(self, Self::CommandNotFound | Self::UnknownUser | Self::MissingFile | Self::UnreadableFile)
    }
}
