//! Who may ask over the network, and what an answer may do in a browser.
//!
//! Before it: a listener of `[http]`. After it: the router, which knows by its [`Peer`] whether something may be changed.
//! Invariants: no request goes on whose `Host` is not one of ours (a foreign page cannot point its name here and read); with a
//! token, nothing but health is told without it; a change needs the token and the page's own origin; there is no CORS.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq as _;

use super::answer::Refusal;
use super::peer::Peer;
use crate::api::Code;
use crate::notify::Secret;
use crate::page::Site;
use crate::plan::{Address, HttpSettings};

/// Probes cannot show a token, and learn nothing but how the daemon is.
const OPEN: [&str; 2] = ["/healthz", "/readyz"];

/// What may be loaded by a page: its own style, script, pictures and events.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// What is asked of every request, by one configuration.
#[derive(Debug)]
pub(super) struct Guard {
    /// How pages are shown to whoever comes this way.
    site: Arc<Site>,
    hosts: Hosts,
    token: Option<Secret>,
    control: bool,
    /// The origin of `public_url`.
    public: Option<String>,
}

/// The names by which this server may be asked.
#[derive(Debug, Default, PartialEq, Eq)]
struct Hosts {
    names: Vec<String>,
    addresses: Vec<IpAddr>,
    /// Every address is one of ours: it listens on all of them. An address needs no name, so nobody can point one here.
    any_address: bool,
}

impl Guard {
    /// By these settings; `host` is the host's name in messages.
    pub(super) fn new(settings: &HttpSettings, host: &str, token: Option<Secret>, site: Site) -> Self {
        let mut hosts = Hosts { names: settings.hosts.clone(), ..Hosts::default() };
        hosts.names.push("localhost".to_owned());
        hosts.names.push(host.to_ascii_lowercase());
        hosts.names.extend(settings.public_host());
        for address in &settings.listen {
            if let Address::Tcp(address) = address {
                hosts.any_address |= address.ip().is_unspecified();
                hosts.addresses.push(address.ip().to_canonical());
            }
        }
        let public = settings.public_url.as_deref().and_then(|url| Some(origin_of(&url.parse().ok()?)));
        Self { site: Arc::new(site), hosts, control: settings.control && token.is_some(), token, public }
    }

    /// Looks at a request before anything is done about it. The answer is who it comes from.
    fn admit(&self, request: &Request, address: SocketAddr) -> Result<Peer, Refusal> {
        let (headers, uri, path) = (request.headers(), request.uri(), request.uri().path());
        let read_only = matches!(*request.method(), Method::GET | Method::HEAD);
        // Probes of load balancers name no host in HTTP/1.0; browsers always do.
        let is_probe = request.version() == Version::HTTP_10 && !headers.contains_key(header::HOST);
        if read_only && is_probe && OPEN.contains(&path) {
            return Ok(Peer::Tcp { address, may_change: false, user: None });
        }
        let host = self.own_host(headers, uri)?;
        if read_only && OPEN.contains(&path) {
            return Ok(Peer::Tcp { address, may_change: false, user: None });
        }
        let user = self.authenticate(headers)?;
        let is_ping = path.starts_with("/ping/");
        if read_only && !is_ping {
            return Ok(Peer::Tcp { address, may_change: false, user });
        }
        if is_ping {
            // Whoever sends it is a program: it has the token, and no origin. A page from elsewhere has neither.
            self.token.as_ref().ok_or_else(|| {
                Refusal::new(Code::ReadOnly, "a ping over the network needs a token")
                    .help("set `http.token_file`, or send it to the control socket")
            })?;
            match headers.contains_key(header::ORIGIN) {
                // Browsers send it, and know the token of whoever has opened the page.
                true => self.own_origin(headers, &host)?,
                false => refuse_other_site(headers)?,
            }
            return Ok(Peer::Tcp { address, may_change: true, user });
        }
        if !self.control {
            return Err(Refusal::new(Code::MethodNotAllowed, "this page shows, and changes nothing").help(
                "`http.control = true`, with a token, lets it change things; or use the commands: slack-alert(1)",
            ));
        }
        self.own_origin(headers, &host)?;
        Ok(Peer::Tcp { address, may_change: true, user })
    }

    /// The name, with its port, by which the request was sent here; it must be one of ours.
    fn own_host(&self, headers: &HeaderMap, uri: &Uri) -> Result<String, Refusal> {
        let mut named = headers.get_all(header::HOST).iter();
        let host = named.next().and_then(|host| host.to_str().ok());
        let (Some(host), None) = (host, named.next()) else {
            return Err(Refusal::bad_request("a request needs one `Host`"));
        };
        // A proxy's request names the server in its first line too.
        for name in [Some(host), uri.authority().map(axum::http::uri::Authority::as_str)].into_iter().flatten() {
            if !self.hosts.have(name) {
                let name: String = name.chars().take(100).collect();
                return Err(Refusal::new(
                    Code::Misdirected,
                    format!("`{}` is no name of this server", crate::id::in_one_line(&name)),
                )
                .help("ask for the address, or add the name to `http.hosts`"));
            }
        }
        Ok(host.to_ascii_lowercase())
    }

    /// The user's name, where there is one; an error without the token.
    fn authenticate(&self, headers: &HeaderMap) -> Result<Option<String>, Refusal> {
        let Some(token) = &self.token else { return Ok(None) };
        let refused = || Refusal::new(Code::Unauthorized, "this page needs its token");
        let sent = headers.get(header::AUTHORIZATION).and_then(|sent| sent.to_str().ok()).ok_or_else(refused)?;
        let (scheme, credentials) = sent.split_once(' ').ok_or_else(refused)?;
        let (user, shown) = match scheme.to_ascii_lowercase().as_str() {
            "bearer" => (None, credentials.trim().to_owned()),
            "basic" => {
                let decoded = STANDARD.decode(credentials.trim()).ok();
                let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(refused)?;
                let (user, password) = decoded.split_once(':').ok_or_else(refused)?;
                let user: String = user.chars().filter(|c| !c.is_control()).take(32).collect();
                (Some(user).filter(|user| !user.is_empty()), password.to_owned())
            }
            _ => return Err(refused()),
        };
        let is_right: bool = shown.as_bytes().ct_eq(token.expose().as_bytes()).into();
        if is_right { Ok(user) } else { Err(refused()) }
    }

    /// A change comes from the page itself, or from a program that says so.
    fn own_origin(&self, headers: &HeaderMap, host: &str) -> Result<(), Refusal> {
        refuse_other_site(headers)?;
        let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok()).map(str::to_ascii_lowercase);
        // This server speaks HTTP. A proxy that speaks HTTPS for it says so; no page of another site can have that said.
        let proxied =
            headers.get("x-forwarded-proto").is_some_and(|scheme| scheme.as_bytes().eq_ignore_ascii_case(b"https"));
        let scheme = if proxied { "https://" } else { "http://" };
        let own = |origin: &String| origin.strip_prefix(scheme) == Some(host) || self.public.as_ref() == Some(origin);
        match origin {
            Some(origin) if own(&origin) => Ok(()),
            Some(_) => Err(other_site()),
            None => Err(Refusal::new(Code::Forbidden, "a request that changes something says where it comes from")
                .help(format!("send `Origin: http://{host}`; on the machine itself the control socket needs none"))),
        }
    }
}

impl Hosts {
    /// Whether a name, with or without a port, is one of ours.
    fn have(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => (name, true),
            _ => (host.as_str(), false),
        };
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        let address: Option<IpAddr> = match (bare, port) {
            (Some(inner), _) => inner.parse().ok(),
            (None, _) => name.parse().ok().filter(|address: &IpAddr| address.is_ipv4()),
        };
        match address {
            Some(address) => {
                let address = address.to_canonical();
                address.is_loopback() || self.any_address || self.addresses.contains(&address) || self.names_have(name)
            }
            None => self.names_have(name),
        }
    }

    fn names_have(&self, name: &str) -> bool {
        let name = name.strip_suffix('.').unwrap_or(name);
        !name.is_empty() && self.names.iter().any(|known| known == name)
    }
}

/// Browsers say where a request comes from; what comes from another site is refused (Fetch Metadata).
fn refuse_other_site(headers: &HeaderMap) -> Result<(), Refusal> {
    match headers.get("sec-fetch-site") {
        Some(site) if site != "same-origin" => Err(other_site()),
        // Over plain HTTP they do not say it; a link or a form that was followed is known by what a page is asked for with.
        None if is_navigation(headers) => Err(other_site()),
        _ => Ok(()),
    }
}

/// Whether a browser asks for a page to show, and no program.
fn is_navigation(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    headers.contains_key(header::UPGRADE_INSECURE_REQUESTS) || accept.is_some_and(|accept| accept.contains("text/html"))
}

fn other_site() -> Refusal {
    Refusal::new(Code::Forbidden, "the request comes from another site")
        .help("only the page itself may change something; programs use the control socket, or their own `Origin`")
}

/// `https://ops.example.com`: scheme, name and port of an address.
fn origin_of(url: &Uri) -> String {
    let authority = url.authority().map(|authority| authority.as_str().to_ascii_lowercase()).unwrap_or_default();
    format!("{}://{authority}", url.scheme_str().unwrap_or("http"))
}

/// Looks at each request, and gives each answer what browsers need to know.
pub(super) async fn watch(State(guard): State<Arc<Guard>>, mut request: Request, next: Next) -> Response {
    let address = match request.extensions().get::<Peer>() {
        Some(Peer::Tcp { address, .. }) => *address,
        _ => SocketAddr::from(([127, 0, 0, 1], 0)),
    };
    let path = request.uri().path().to_owned();
    let mut response = match below(&guard.site.base, request.uri()).map(|uri| *request.uri_mut() = uri) {
        _ if request.uri().path().len() > 4_096 => Refusal::bad_request("the address is too long").into_response(),
        _ => match guard.admit(&request, address) {
            Ok(peer) => {
                request.extensions_mut().insert(peer);
                request.extensions_mut().insert(Arc::clone(&guard.site));
                next.run(request).await
            }
            Err(refusal) => {
                let unauthorized = refusal.0.error.code == Code::Unauthorized;
                let method = refusal.0.error.code == Code::MethodNotAllowed;
                let mut response = refusal.into_response();
                if unauthorized {
                    let challenge = HeaderValue::from_static("Basic realm=\"slack-alert\", charset=\"UTF-8\"");
                    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
                }
                if method {
                    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
                }
                response
            }
        },
    };
    protect(response.headers_mut(), path.contains("/assets/"));
    response
}

/// The address below the page's own path; a proxy may have taken that away already.
fn below(base: &str, uri: &Uri) -> Option<Uri> {
    let rest = uri.path_and_query()?.as_str();
    let inner = rest.strip_prefix(base.trim_end_matches('/')).filter(|_| base != "/")?;
    let inner = match inner {
        "" => "/".to_owned(),
        inner if inner.starts_with('?') => format!("/{inner}"),
        inner if inner.starts_with('/') => inner.to_owned(),
        _ => return None,
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(inner.parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// What every answer says to browsers.
fn protect(headers: &mut HeaderMap, kept: bool) {
    let mut put = |name: HeaderName, value: &'static str| {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    };
    put(header::CONTENT_SECURITY_POLICY, POLICY);
    put(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(header::REFERRER_POLICY, "no-referrer");
    put(header::X_FRAME_OPTIONS, "DENY");
    put(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    put(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    put(header::CACHE_CONTROL, if kept { "no-cache" } else { "no-store" });
}

#[cfg(test)]
mod tests {
    use super::{Hosts, below};

    #[test]
    fn a_name_that_is_not_ours_is_refused_whatever_its_port() {
        let one = Hosts {
            names: ["localhost", "web-1", "ops.example.com"].map(str::to_owned).into(),
            addresses: vec!["192.0.2.7".parse().expect("an address")],
            any_address: false,
        };
        let all = Hosts { any_address: true, ..Hosts::default() };
        for (host, ours, any) in [
            ("localhost", true, false),
            ("LOCALHOST:9187", true, false),
            ("localhost.:9187", true, false),
            ("127.0.0.1:9187", true, true),
            ("127.8.9.1", true, true),
            ("[::1]:9187", true, true),
            ("[::1]", true, true),
            ("[::ffff:127.0.0.1]:1", true, true),
            ("192.0.2.7:9187", true, true),
            ("192.0.2.8:9187", false, true),
            ("web-1", true, false),
            ("ops.example.com:443", true, false),
            ("evil.example", false, false),
            ("localhost.evil.example:9187", false, false),
            ("127.0.0.1.evil.example", false, false),
            ("evil.example:localhost", false, false),
            ("", false, false),
            (":9187", false, false),
            ("2130706433", false, false),
            ("0x7f.1", false, false),
        ] {
            assert_eq!((one.have(host), all.have(host)), (ours, any), "{host}");
        }
    }

    #[test]
    fn a_path_is_the_same_with_and_without_the_proxys_own() {
        let at = |base: &str, uri: &str| below(base, &uri.parse().expect("an address")).map(|uri| uri.to_string());
        for (base, uri, inner) in [
            ("/alerts/", "/alerts/job/a?x=1", Some("/job/a?x=1")),
            ("/alerts/", "/alerts", Some("/")),
            ("/alerts/", "/alerts?x=1", Some("/?x=1")),
            ("/alerts/", "/job/a", None),
            ("/alerts/", "/alertsjob", None),
            ("/", "/job/a", None),
        ] {
            assert_eq!(at(base, uri).as_deref(), inner, "{base} {uri}");
        }
    }
}
