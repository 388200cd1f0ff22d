//! `[slack]` as people write it, well and badly.

#![expect(clippy::disallowed_methods, reason = "a test makes the files it reads")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use toml::de::DeTable;

use super::{KEYS, Settings, Surroundings, Way, read};
use crate::diagnostic::{Code, Problem, Sources, human};
use crate::document::{Reader, Table};
use crate::notify::secret::{Kind, Source};

/// What a `[slack]` table reads as, its problems as `check` shows them, and the codes.
fn read_text(text: &str, folder: &Path, credentials: Option<&Path>) -> (Settings, Vec<Code>, String) {
    let env = |name: &str| (name == "SLACK_TOKEN").then(|| "xoxb-from-env".to_owned());
    let around = Surroundings { env: &env, credentials, config_dir: folder };
    let mut sources = Sources::default();
    let text: Arc<str> = text.into();
    let id = sources.add(Path::new("slack_alert.toml"), Arc::clone(&text));
    let parsed = DeTable::parse(&text).expect("valid TOML");
    let reader = Reader::default();
    let mut table = Table::root(&reader, id, &text, parsed.get_ref());
    let settings = read(&mut table, &around);
    table.finish();
    let problems: Vec<Problem> = reader.into_problems().into_iter().collect();
    let shown = problems.iter().map(|problem| human::render(problem, &sources, false)).collect::<Vec<_>>().join("\n");
    (settings, problems.iter().map(|problem| problem.code).collect(), shown)
}

fn clean(text: &str) -> Settings {
    let (settings, codes, shown) = read_text(text, Path::new("/nowhere"), None);
    assert!(codes.is_empty(), "{text}\n{shown}");
    settings
}

fn refused(text: &str, code: Code, part: &str) {
    let (_, codes, shown) = read_text(text, Path::new("/nowhere"), None);
    assert_eq!(codes, [code], "{text}\n{shown}");
    assert!(shown.contains(part), "{text}\n{shown}");
}

#[test]
fn the_keys_are_those_of_the_manual() {
    let reader = Reader::default();
    let mut table = Table::empty(&reader);
    let around = Surroundings { env: &|_| None, credentials: None, config_dir: Path::new("/") };
    assert_eq!(read(&mut table, &around), Settings::default());
    let mut known: Vec<_> = KEYS.iter().map(|key| key.name).collect();
    known.sort_unstable();
    assert_eq!(table.asked(), known);
}

#[test]
fn nothing_written_means_the_terminal_and_slacks_own_pace() {
    let settings = clean("");
    assert_eq!(settings.way, Way::Console);
    assert_eq!((settings.rate.to_string().as_str(), settings.timeout), ("1/s", Duration::from_secs(10)));
    assert_eq!(settings.api_url, "https://slack.com/api");
}

#[test]
fn everything_written() {
    let settings = clean(
        r##"
        token_env = "SLACK_TOKEN"
        channel = "#ops"
        username = "MovieBot"
        icon_emoji = ":fire:"
        icon_url = "https://example.com/icon.png"
        rate = "5/10s"
        api_url = "http://127.0.0.1:4013/api/"
        proxy = "proxy:3128"
        timeout = "3s"
        "##,
    );
    let Way::Token(source) = &settings.way else { panic!("{settings:?}") };
    assert_eq!(source.resolve(Kind::Token).map(|token| token.expose().to_owned()), Ok("xoxb-from-env".to_owned()));
    assert_eq!(settings.channel.map(|channel| channel.to_string()), Some("#ops".to_owned()));
    assert_eq!(settings.api_url, "http://127.0.0.1:4013/api");
    assert_eq!(settings.proxy.map(|proxy| proxy.expose().to_owned()), Some("http://proxy:3128".to_owned()));
    assert_eq!(settings.secret_variables, ["SLACK_TOKEN"]);
}

#[test]
fn a_credential_of_systemd_is_found_by_itself_and_gives_way_to_what_is_written() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    assert_eq!(read_text("", folder.path(), Some(folder.path())).0.way, Way::Console);
    std::fs::write(folder.path().join("slack-token"), "xoxb-cred\n").expect("a file");
    let (settings, codes, _) = read_text("", folder.path(), Some(folder.path()));
    assert!(matches!(settings.way, Way::Token(Source::Credential(_))) && codes.is_empty(), "{settings:?}");
    let (settings, _, _) = read_text("token_env = 'SLACK_TOKEN'", folder.path(), Some(folder.path()));
    assert!(matches!(settings.way, Way::Token(Source::Variable { .. })), "{settings:?}");
}

#[test]
fn a_secret_in_the_file_is_a_warning_that_does_not_show_it() {
    for text in ["token = \"xoxb-hidden\"", "webhook_url = \"https://gate.example.com/hidden\""] {
        let (settings, codes, shown) = read_text(text, Path::new("/nowhere"), None);
        assert_eq!(codes, [Code::SecretInFile]);
        assert!(!shown.contains("hidden") && shown.contains("****"), "{shown}");
        assert!(!format!("{settings:?}").contains("hidden"));
        assert!(!matches!(settings.way, Way::Console));
    }
}

#[test]
fn a_secret_in_the_wrong_place_is_not_shown_either() {
    for text in [
        "token_env = \"xoxb-hidden\"",
        "token = \"xoxb hidden\"",
        "webhook_url = \"hidden\"",
        "tokne = \"xoxb-hidden\"",
        "token = \"xoxb-hidden\"\ntoken_file = \"/dev/null\"",
        "proxy = \"socks5://me:hidden@proxy\"",
    ] {
        let (_, codes, shown) = read_text(text, Path::new("/nowhere"), None);
        assert!(!codes.is_empty() && !shown.contains("hidden"), "{shown}");
    }
}

#[test]
fn two_ways_to_authenticate_conflict() {
    refused(
        "token_env = \"A\"\nwebhook_url_env = \"B\"",
        Code::ConflictingKeys,
        "`webhook_url_env` cannot stand beside `token_env`",
    );
    let (_, codes, _) =
        read_text("webhook_url_env = \"A\"\ntoken_env = \"B\"\ntoken_file = \"/none\"", Path::new("/"), None);
    assert_eq!(codes, [Code::ConflictingKeys, Code::ConflictingKeys, Code::MissingFile]);
}

#[test]
fn files_are_looked_into_at_once_and_relative_to_the_configuration() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    for (name, content) in [("token", "xoxb-1\n"), ("empty", "\n"), ("bad.pem", "-----BEGIN"), ("none.pem", "hello")] {
        std::fs::write(folder.path().join(name), content).expect("a file");
    }
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    std::fs::write(folder.path().join("broken.pem"), broken).expect("a file");
    for (text, wanted, part) in [
        ("token_file = 'token'", None, ""),
        ("token_file = 'nowhere'", Some(Code::MissingFile), "token_file"),
        ("token_file = '.'", Some(Code::UnreadableFile), "cannot be read"),
        ("token_file = 'empty'", Some(Code::InvalidToken), "is empty"),
        ("webhook_url_file = 'token'", Some(Code::InvalidValue), "is no URL"),
        ("ca_file = 'nowhere'", Some(Code::MissingFile), "does not exist"),
        ("ca_file = '.'", Some(Code::UnreadableFile), "cannot be read"),
        ("ca_file = 'bad.pem'", Some(Code::InvalidValue), "PEM"),
        ("ca_file = 'none.pem'", Some(Code::InvalidValue), "holds no certificate"),
        ("ca_file = 'broken.pem'", Some(Code::InvalidValue), "broken certificate"),
    ] {
        let (_, codes, shown) = read_text(text, folder.path(), None);
        assert_eq!(codes, Vec::from_iter(wanted), "{text}\n{shown}");
        assert!(shown.contains(part) && !shown.contains("xoxb-1"), "{text}\n{shown}");
    }
}

#[test]
fn values_that_cannot_be_meant() {
    for (text, part) in [
        ("username = ' '", "up to 80"),
        ("icon_emoji = 'fire'", "`:fire:`"),
        ("icon_emoji = '::'", "`:fire:`"),
        ("icon_url = 'fire.png'", "URL of a picture"),
        ("api_url = 'slack.com'", "https://slack.com/api"),
        ("api_url = 'ftp://slack.com'", "https://slack.com/api"),
        ("api_url = 'https://slack.com/api?x=1'", "https://slack.com/api"),
        ("proxy = 'socks5://proxy'", "HTTP proxy"),
        ("proxy = ''", "HTTP proxy"),
        ("timeout = '0s'", "at most 10 minutes"),
        ("timeout = '1h'", "at most 10 minutes"),
        ("token_env = '$SLACK_TOKEN'", "bare name"),
        ("token_env = ''", "bare name"),
        ("webhook_url = 'xyz'", "is no URL"),
        ("token = ''", "is empty"),
    ] {
        let code = if text.starts_with("token =") { Code::InvalidToken } else { Code::InvalidValue };
        refused(text, code, part);
    }
    refused("rate = 'fast'", Code::InvalidRate, "1/s");
    refused("rate = 1", Code::InvalidRate, "no unit");
    refused("timeout = 10", Code::InvalidDuration, "no unit");
    refused("token_env = 7", Code::WrongType, "text");
    refused("chanel = '#ops'", Code::UnknownKey, "did you mean `channel`?");
}

#[test]
fn channels_as_people_write_them() {
    for (written, sent) in [
        ("#ops", "ops"),
        ("ops", "ops"),
        ("ops-2_a.b", "ops-2_a.b"),
        ("#großraum", "großraum"),
        ("#運用", "運用"),
        ("#हिन्दी", "हिन्दी"),
        ("C05DED65D5", "C05DED65D5"),
        ("#C05DED65D5", "C05DED65D5"),
        ("G024BE91L", "G024BE91L"),
        ("D024BE91L", "D024BE91L"),
        ("U024BE7LH", "U024BE7LH"),
        ("7", "7"),
    ] {
        let settings = clean(&format!("channel = \"{written}\""));
        assert_eq!(settings.channel.expect(written).as_str(), sent);
    }
}

#[test]
fn channels_that_are_none() {
    let long = "x".repeat(81);
    for (written, part) in [
        ("", "write a channel"),
        ("#", "write a channel"),
        ("#Ops", "lower case: `#ops`"),
        ("ops alerts", "letters in lower case"),
        ("##ops", "letters in lower case"),
        ("@mira", "user ID"),
        ("ops!", "letters in lower case"),
        ("<!channel>", "letters in lower case"),
        ("https://ops.slack.com/archives/C05DED65D5", "`C05DED65D5`"),
        ("https://ops.slack.com/archives/C05DED65D5/p1?x", "`C05DED65D5`"),
        ("/archives/", "``"),
        (&long, "at most 80"),
    ] {
        refused(&format!("channel = \"{written}\""), Code::InvalidValue, part);
    }
    let (_, _, shown) = read_text("channel = \"#My Ops\"", Path::new("/"), None);
    assert!(shown.contains("slack_alert.toml:1:13"), "the first character that is wrong is underlined\n{shown}");
}
