//! `[http]`: where the status page listens, to whom it answers, and what it shows.
//!
//! Before it: `document`. After it: `http`, which listens, and the rules of `check`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use reqwest::Url;

use crate::diagnostic::{Code, Problem};
use crate::document::{Key, Kind, Reader, Table, Text, Value, default_of};
use crate::notify::secret::{Kind as SecretKind, Source};
use crate::notify::{self, Surroundings};

/// The systemd credential that is found by itself.
const CREDENTIAL: &str = "http-token";

/// The keys of `[http]`.
pub(super) const KEYS: &[Key] = &[
    Key {
        name: "listen",
        kind: Kind::TextOrList,
        default: "",
        about: "Where the status page, metrics, the JSON API and health are served: an address with a port \
                (`127.0.0.1:9187`, `[::1]:9187`), a socket (`unix:/run/slack-alert/page.sock`), or a list of them. Without it \
                nothing is served.",
    },
    Key {
        name: "hosts",
        kind: Kind::List,
        default: "[]",
        about: "Names that are accepted in the Host header, besides those of the loopback, the addresses of `listen`, `host`, \
                and the name in `public_url`.",
    },
    Key {
        name: "token_file",
        kind: Kind::Text,
        default: "",
        about: "The file that holds the token which browsers (HTTP Basic, any user) and scrapers (Bearer) must show; read anew \
                at each reload. Without this key and `token_env` the systemd credential `http-token` is used where there is one.",
    },
    Key { name: "token_env", kind: Kind::Text, default: "", about: "The environment variable that holds the token." },
    Key {
        name: "control",
        kind: Kind::Flag,
        default: "false",
        about: "Whether the page has buttons and the API takes POST and DELETE; needs a token.",
    },
    Key {
        name: "show_output",
        kind: Kind::Flag,
        default: "true on loopback or with a token, else false",
        about: "Whether the page shows what commands print, the commands, and the files that declare them.",
    },
    Key {
        name: "metrics_per_job",
        kind: Kind::Flag,
        default: "true",
        about: "Whether `/metrics` has series of each job.",
    },
    Key {
        name: "public_url",
        kind: Kind::Text,
        default: "",
        about: "The address of the page as people open it, behind a proxy say; its path is where the page's links begin, and \
                messages get an \"Open\" link.",
    },
];

/// Where the page is served.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// An address with a port.
    Tcp(SocketAddr),
    /// A socket of the file system.
    Unix(PathBuf),
}

/// What `[http]` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    /// Where it is served; at least one place.
    pub listen: Vec<Address>,
    /// Names that are accepted in `Host`, in lower case.
    pub hosts: Vec<String>,
    /// Where the token comes from.
    pub token: Option<Source>,
    /// The page has buttons.
    pub control: bool,
    /// Output, commands and files are shown.
    pub show_output: bool,
    /// Metrics have series of each job.
    pub metrics_per_job: bool,
    /// The address of the page as people open it; it ends with a slash.
    pub public_url: Option<String>,
}

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Http {
    pub(super) settings: Option<HttpSettings>,
    /// The environment variable that holds the token: no command inherits it.
    pub(super) secret_variable: Option<String>,
}

impl Address {
    /// Whether only this machine can reach it.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl HttpSettings {
    /// Whether others than this machine can reach it without a token.
    pub fn is_open(&self) -> bool {
        self.token.is_none() && !self.listen.iter().all(Address::is_local)
    }

    /// The path where the page's links begin; it begins and ends with a slash.
    pub fn base_path(&self) -> String {
        let url = self.public_url.as_deref().and_then(|url| Url::parse(url).ok());
        url.map_or_else(|| "/".to_owned(), |url| url.path().to_owned())
    }

    /// The name in `public_url`.
    pub fn public_host(&self) -> Option<String> {
        let url = self.public_url.as_deref().and_then(|url| Url::parse(url).ok())?;
        url.host_str().map(str::to_ascii_lowercase)
    }
}

/// Reads `[http]`; the table may be empty.
pub(super) fn read(mut table: Table<'_>, around: &Surroundings<'_>) -> Http {
    let reader = table.reader();
    let listen = table.value("listen").and_then(|value| read_listen(reader, &value, around.config_dir));
    let hosts = table.list("hosts").unwrap_or_default();
    let hosts = hosts.into_iter().filter_map(|text| read_host(&table, &text)).collect();
    let secret_variable = table.own_value("token_env").and_then(|value| Some(value.text()?.value.to_owned()));
    let token = notify::read_token(&mut table, around, SecretKind::Page, CREDENTIAL);
    let named = ["token_file", "token_env"].iter().any(|key| table.own_value(key).is_some());
    let control = table.flag("control").unwrap_or_else(|| default_of(KEYS, "control").value());
    if let Some(value) = table.own_value("control").filter(|_| control && token.is_none() && !named) {
        let problem = Problem::new(Code::MissingKey, value.key_at, "`http.control` needs a token");
        table.push(problem.help(
            "name a file that holds one: `token_file = \"/etc/slack-alert/http-token\"`, made by `head -c 24 /dev/urandom | base64`",
        ));
    }
    let local = listen.as_ref().is_none_or(|listen: &Vec<Address>| listen.iter().all(Address::is_local));
    let show_output = table.flag("show_output").unwrap_or(local || token.is_some());
    let metrics_per_job = table.flag("metrics_per_job").unwrap_or_else(|| default_of(KEYS, "metrics_per_job").value());
    let public_url = table.value("public_url").and_then(|value| read_public_url(&value));
    table.finish();
    let settings =
        listen.map(|listen| HttpSettings { listen, hosts, token, control, show_output, metrics_per_job, public_url });
    Http { settings, secret_variable }
}

fn read_listen(reader: &Reader, value: &Value<'_>, folder: &Path) -> Option<Vec<Address>> {
    let texts = value.texts()?;
    if texts.is_empty() {
        let help = "write an address such as `127.0.0.1:9187`, or take the key out";
        return value.refuse(Code::InvalidValue, "`http.listen` is empty", help);
    }
    let mut all = Vec::new();
    for text in &texts {
        let Some(address) = address(text.value, folder) else {
            let message = format!("`{}` is no address to listen on", text.value);
            let help = "write an IP address with a port, such as `127.0.0.1:9187`, `[::1]:9187` or `0.0.0.0:9187`, or \
                        `unix:` and the path of a socket";
            reader.push(Problem::new(Code::InvalidValue, text.at, message).help(help));
            return None;
        };
        if all.contains(&address) {
            let message = format!("`{}` is written twice", text.value);
            reader.push(Problem::new(Code::InvalidValue, text.at, message).help("remove one of the two"));
            return None;
        }
        all.push(address);
    }
    Some(all)
}

fn address(text: &str, folder: &Path) -> Option<Address> {
    if let Some(path) = text.strip_prefix("unix:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        return (!path.is_empty() && !path.starts_with('~') && !path.contains('\0'))
            .then(|| Address::Unix(folder.join(path)));
    }
    if let Some(port) = text.strip_prefix("localhost:") {
        return Some(Address::Tcp(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port.parse().ok()?)));
    }
    text.parse().ok().map(Address::Tcp)
}

/// A name, as it stands in `Host` without the port.
fn read_host(table: &Table<'_>, text: &Text<'_>) -> Option<String> {
    let name = text.value.trim_end_matches('.').to_ascii_lowercase();
    let name_or_address =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'[' | b']' | b':');
    let has_port = !name.starts_with('[') && name.contains(':');
    if name.is_empty() || has_port || !name.bytes().all(name_or_address) {
        let message = format!("`{}` is no host name", text.value);
        let help = "write the bare name, without scheme, port and path: `ops.example.com`";
        table.push(Problem::new(Code::InvalidValue, text.at, message).help(help));
        return None;
    }
    Some(name)
}

/// An address that links can be made of; it ends with a slash.
fn read_public_url(value: &Value<'_>) -> Option<String> {
    let text = value.text()?.value;
    let url = Url::parse(text).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            // A link that begins with two slashes leads to another host.
            && !url.path().contains("//")
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    });
    let Some(mut url) = url else {
        return value.refuse(
            Code::InvalidValue,
            "`http.public_url` is no address of a page",
            "write it as people open it: `https://ops.example.com/alerts/`",
        );
    };
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Some(url.into())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{HttpSettings, KEYS, read};
    use crate::diagnostic::{Code, Sources};
    use crate::document::{Reader, Table};
    use crate::notify::Surroundings;

    /// Reads an `[http]`, and gives what came of it with the codes of all problems.
    fn settings(text: &str) -> (Option<HttpSettings>, Vec<Code>) {
        let mut sources = Sources::default();
        let id = sources.add(Path::new("slack_alert.toml"), text);
        let parsed = toml::de::DeTable::parse(text).expect("the tests write valid TOML");
        let reader = Reader::default();
        let mut root = Table::root(&reader, id, text, parsed.get_ref());
        let env = |name: &str| (name == "PAGE_TOKEN").then(|| "a-token-of-the-page".to_owned());
        let around = Surroundings { env: &env, credentials: None, config_dir: Path::new("/etc/slack-alert") };
        let settings = read(root.table_or_empty("http"), &around).settings;
        (settings, reader.into_problems().iter().map(|problem| problem.code).collect())
    }

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for (listen, shown) in [
            ("'127.0.0.1:9187'", "127.0.0.1:9187"),
            ("'localhost:9187'", "127.0.0.1:9187"),
            ("'[::1]:9187'", "[::1]:9187"),
            ("'0.0.0.0:80'", "0.0.0.0:80"),
            ("'unix:/run/page.sock'", "unix:/run/page.sock"),
            ("'unix:///run/page.sock'", "unix:/run/page.sock"),
            ("'unix:page.sock'", "unix:/etc/slack-alert/page.sock"),
            ("['127.0.0.1:1', '[::1]:1']", "127.0.0.1:1 [::1]:1"),
        ] {
            let (settings, problems) = settings(&format!("http.listen = {listen}"));
            let listen = settings.map(|settings| settings.listen).unwrap_or_default();
            let listen: Vec<String> = listen.iter().map(ToString::to_string).collect();
            assert_eq!((listen.join(" ").as_str(), problems), (shown, vec![]), "{listen:?}");
        }
        for listen in
            ["''", "[]", "'9187'", "':9187'", "'127.0.0.1'", "'web-1:9187'", "'unix:'", "['[::1]:1', '[::1]:1']"]
        {
            let (settings, problems) = settings(&format!("http.listen = {listen}"));
            assert_eq!((settings, problems), (None, vec![Code::InvalidValue]), "{listen}");
        }
    }

    #[test]
    fn output_is_shown_where_only_this_machine_or_who_has_the_token_sees_it() {
        for (text, shown, open) in [
            ("listen = '127.0.0.1:1'", true, false),
            ("listen = ['[::1]:1', 'unix:/p']", true, false),
            ("listen = '0.0.0.0:1'", false, true),
            ("listen = ['127.0.0.1:1', '192.0.2.1:1']", false, true),
            ("listen = '0.0.0.0:1'\ntoken_env = 'PAGE_TOKEN'", true, false),
            ("listen = '0.0.0.0:1'\nshow_output = true", true, true),
            ("listen = '127.0.0.1:1'\nshow_output = false", false, false),
        ] {
            let (settings, problems) = settings(&format!("[http]\n{text}"));
            let settings = settings.expect("it can be read");
            assert_eq!((settings.show_output, settings.is_open(), problems), (shown, open, vec![]), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_has_its_code() {
        for (text, codes) in [
            ("control = true", vec![Code::MissingKey]),
            ("listen = '127.0.0.1:1'\ncontrol = true", vec![Code::MissingKey]),
            ("control = true\ntoken_env = 'PAGE_TOKEN'", vec![]),
            ("token_env = 'PAGE_TOKEN'\ntoken_file = '/none'", vec![Code::ConflictingKeys, Code::MissingFile]),
            ("hosts = ['https://ops']", vec![Code::InvalidValue]),
            ("hosts = ['ops:9187', '']", vec![Code::InvalidValue, Code::InvalidValue]),
            ("hosts = ['ops.example.com', '[2001:db8::1]']", vec![]),
            ("public_url = 'ops.example.com'", vec![Code::InvalidValue]),
            ("public_url = 'https://ops/?x=1'", vec![Code::InvalidValue]),
            ("public_url = 'https://me:secret@ops/'", vec![Code::InvalidValue]),
            ("port = 1", vec![Code::UnknownKey]),
        ] {
            assert_eq!(settings(&format!("[http]\n{text}")).1, codes, "{text}");
        }
    }

    #[test]
    fn links_begin_at_the_path_of_the_public_address() {
        for (url, path) in [
            ("https://ops.example.com", "/"),
            ("https://ops.example.com/alerts", "/alerts/"),
            ("https://ops.example.com/alerts/", "/alerts/"),
        ] {
            let (settings, _) = settings(&format!("[http]\nlisten = '127.0.0.1:1'\npublic_url = '{url}'"));
            let settings = settings.expect("it can be read");
            assert_eq!(settings.base_path(), path, "{url}");
            assert_eq!(settings.public_host().as_deref(), Some("ops.example.com"));
        }
        assert_eq!(KEYS.len(), 8);
    }
}
