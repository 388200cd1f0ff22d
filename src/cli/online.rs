//! `check --online`, and what `ping` shares with it: asks Slack about the token and about every channel, within a bound of time and of questions. Decides
//! nothing: `lint` judges what came.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{Failure, runtime};
use crate::clock::{Clock, Mono, System, sleep_until};
use crate::document::nearest;
use crate::id::Channel;
use crate::lint::online;
use crate::lint::reach::{self, Reach};
use crate::notify::{self, AuthInfo, Looked, Lookup, Notifier, SendError, Sort, Target};
use crate::plan::Loaded;

/// How long Slack is asked in all, waits that it asks for included; what is left then is told of as not looked for.
const PATIENCE: Duration = Duration::from_secs(60);

/// So many channels and members are asked about by ID. Slack allows some fifty such questions a minute.
const MOST_IDS: usize = 100;

/// So many pages of 200 channels are read, to find channels by their names.
const MOST_PAGES: usize = 100;

/// A configuration that was asked about.
struct Asked {
    file: Option<PathBuf>,
    answer: Result<Option<AuthInfo>, SendError>,
    reached: Vec<(Channel, Reach)>,
}

/// Asks about each configuration once, however many of its files are checked, and adds what is wrong to the findings.
pub(super) fn ask(all: &mut [(Loaded, bool)], notes: &mut Vec<String>) -> Result<(), Failure> {
    let runtime = runtime::of_command()?;
    let mut wanted: HashMap<Option<PathBuf>, Vec<Channel>> = HashMap::new();
    for (loaded, _) in all.iter() {
        let Some(plan) = &loaded.plan else { continue };
        let channels = wanted.entry(plan.config.file.clone()).or_default();
        for channel in reach::channels(plan, &loaded.findings) {
            if !channels.contains(&channel) {
                channels.push(channel);
            }
        }
    }
    let mut asked: Vec<Asked> = Vec::new();
    for (loaded, _) in all {
        let Some(plan) = &loaded.plan else { continue };
        let file = &plan.config.file;
        let at = match asked.iter().position(|known| known.file == *file) {
            Some(at) => at,
            None => {
                let channels = wanted.remove(file).unwrap_or_default();
                let way = &plan.config.slack.way;
                let (answer, reached) = if way.source().is_none() {
                    notes.push("neither a token nor a webhook is configured".to_owned());
                    (Ok(None), Vec::new())
                } else if !way.capabilities().lookups {
                    let words = "an incoming webhook cannot be checked without posting; `slack-alert ping` posts a \
                                 test message";
                    notes.push(words.to_owned());
                    (Ok(None), Vec::new())
                } else {
                    match notify::connect(&plan.config.slack) {
                        Ok(notifier) => runtime.block_on(all_of(&notifier, &channels)),
                        Err(error) => {
                            (Err(SendError::Transient { why: error.to_string(), retry_after: None }), Vec::new())
                        }
                    }
                };
                tell(&answer, &reached, notes);
                let apart = reach::without_files(plan, &reached);
                if !apart.is_empty() {
                    let names: Vec<_> = apart.iter().map(ToString::to_string).collect();
                    notes.push(format!(
                        "files are not attached in {}, which the bot has not joined: /invite it there",
                        names.join(", ")
                    ));
                }
                for (name, id) in reach::named_twice(&reached) {
                    notes.push(format!("{name} and {id} are one channel: an alert that goes to both comes once"));
                }
                asked.push(Asked { file: file.clone(), answer, reached });
                asked.len() - 1
            }
        };
        let Asked { answer, reached, .. } = &asked[at];
        online::judge(plan, answer, &mut loaded.findings);
        if let Ok(Some(info)) = answer {
            reach::judge(plan, info, reached, &mut loaded.findings);
        }
    }
    Ok(())
}

/// Whose the token is, and how many channels were found.
fn tell(answer: &Result<Option<AuthInfo>, SendError>, reached: &[(Channel, Reach)], notes: &mut Vec<String>) {
    let Ok(Some(info)) = answer else { return };
    let found = reached.iter().filter(|(_, reach)| matches!(reach, Reach::Seen(_))).count();
    notes.push(format!("the token is that of {} in {} ({})", info.user, info.team, info.url));
    if !reached.is_empty() {
        let are = if reached.len() == 1 { "channel is" } else { "channels are" };
        notes.push(format!("{found} of {} {are} known to Slack", reached.len()));
    }
}

/// The token, and with a good one the channels.
async fn all_of(
    notifier: &Arc<dyn Notifier>,
    channels: &[Channel],
) -> (Result<Option<AuthInfo>, SendError>, Vec<(Channel, Reach)>) {
    let mut questions = Questions::new(notifier.as_ref());
    let answer = questions.patiently(|notifier| notifier.auth_test()).await;
    let reached = match &answer {
        Ok(Some(info)) => questions.look(channels, info.scopes.as_deref()).await,
        _ => Vec::new(),
    };
    (answer, reached)
}

/// Asking, within its bounds.
pub(super) struct Questions<'a> {
    notifier: &'a dyn Notifier,
    clock: System,
    until: Mono,
    /// Why nothing more is asked: a server that does not answer is not waited for once for each channel.
    stopped: Option<String>,
}

impl<'a> Questions<'a> {
    /// The time begins.
    pub(super) fn new(notifier: &'a dyn Notifier) -> Self {
        Self { notifier, clock: System, until: System.now().mono + PATIENCE, stopped: None }
    }

    /// One question, asked again where Slack says when, as long as there is time.
    pub(super) async fn patiently<T>(
        &self,
        question: impl Fn(&dyn Notifier) -> notify::Doing<T>,
    ) -> Result<T, SendError> {
        loop {
            match question(self.notifier).await {
                Err(SendError::Transient { why, retry_after: Some(wait) }) => {
                    let again = self.clock.now().mono + wait;
                    if again >= self.until {
                        return Err(SendError::Transient { why, retry_after: Some(wait) });
                    }
                    sleep_until(&self.clock, again).await;
                }
                other => return other,
            }
        }
    }

    async fn ask(&mut self, lookup: Lookup) -> Result<Looked, Reach> {
        if self.stopped.is_none() && self.clock.now().mono >= self.until {
            self.stopped = Some(format!("Slack took longer than {} s", PATIENCE.as_secs()));
        }
        if let Some(why) = &self.stopped {
            return Err(Reach::Unasked { why: why.clone() });
        }
        match self.patiently(|notifier| notifier.look_up(lookup.clone())).await {
            Ok(looked) => Ok(looked.unwrap_or(Looked::Unknown)),
            Err(error) => {
                self.stopped = Some(error.to_string());
                Err(Reach::Unasked { why: error.to_string() })
            }
        }
    }

    /// What can be said of each channel. `scopes` are those that the token has, as far as Slack says.
    pub(super) async fn look(&mut self, channels: &[Channel], scopes: Option<&[String]>) -> Vec<(Channel, Reach)> {
        let (ids, names): (Vec<_>, Vec<_>) = channels.iter().cloned().partition(Channel::is_id);
        let mut reached = Vec::with_capacity(channels.len());
        for (index, channel) in ids.into_iter().enumerate() {
            let reach = match index {
                ..MOST_IDS => self.by_id(&channel).await,
                _ => Reach::Unasked { why: format!("{MOST_IDS} channels were looked for by ID already") },
            };
            reached.push((channel, reach));
        }
        if !names.is_empty() {
            reached.extend(self.by_name(names, scopes).await);
        }
        reached
    }

    async fn by_id(&mut self, channel: &Channel) -> Reach {
        let id = channel.as_str().to_owned();
        let is_member = id.starts_with(['U', 'W']);
        let usual = match id.as_bytes()[0] {
            b'U' | b'W' => "users:read",
            b'D' => "im:read",
            b'G' => "groups:read",
            _ => "channels:read",
        };
        match self.ask(if is_member { Lookup::Member(id) } else { Lookup::Channel(id) }).await {
            Ok(Looked::Found(target)) => Reach::Seen(target),
            Ok(Looked::MissingScope { scope }) => Reach::MissingScope { scope: first_scope(scope.as_deref(), usual) },
            Ok(Looked::Unknown | Looked::Page { .. } | Looked::Message(_)) => {
                Reach::Unknown { near: None, public_only: false }
            }
            Err(reach) => reach,
        }
    }

    /// Reads the list of channels until every name is found; for what is not, once more with those that are archived.
    async fn by_name(&mut self, names: Vec<Channel>, scopes: Option<&[String]>) -> Vec<(Channel, Reach)> {
        let may = |scope: &str| scopes.is_none_or(|scopes| scopes.iter().any(|known| known == scope));
        let mut search =
            Search { found: HashMap::new(), live: Vec::new(), private: may("groups:read"), pages: MOST_PAGES };
        let ended = match may("channels:read") {
            false => Some(Reach::MissingScope { scope: "channels:read".to_owned() }),
            true => match self.walk(&mut search, &names, false).await {
                Some(ended) => Some(ended),
                None => self.walk(&mut search, &names, true).await,
            },
        };
        let of = |channel: Channel| {
            let reach = match (search.found.get(channel.as_str()), &ended) {
                (Some(target), _) => Reach::Seen(target.clone()),
                (None, Some(ended)) => ended.clone(),
                (None, None) => Reach::Unknown {
                    near: nearest(channel.as_str(), search.live.iter().map(String::as_str)).map(str::to_owned),
                    public_only: !search.private,
                },
            };
            (channel, reach)
        };
        names.into_iter().map(of).collect()
    }

    /// Page after page; the answer is why the end was not reached.
    async fn walk(&mut self, search: &mut Search, names: &[Channel], archived: bool) -> Option<Reach> {
        let mut cursor = String::new();
        loop {
            if names.iter().all(|name| search.found.contains_key(name.as_str())) {
                return None;
            }
            if search.pages == 0 {
                let why =
                    format!("the workspace has more channels than {MOST_PAGES} pages show; write the channel's ID");
                return Some(Reach::Unasked { why });
            }
            search.pages -= 1;
            let private = search.private;
            match self.ask(Lookup::Page { cursor: cursor.clone(), private, archived }).await {
                Ok(Looked::Page { channels, next }) => {
                    search.take(channels, names);
                    cursor = next?;
                }
                Ok(Looked::MissingScope { .. }) if private => search.private = false,
                Ok(Looked::MissingScope { scope }) => {
                    return Some(Reach::MissingScope { scope: first_scope(scope.as_deref(), "channels:read") });
                }
                Ok(Looked::Found(_) | Looked::Unknown | Looked::Message(_)) => {
                    return Some(Reach::Unasked { why: "Slack did not give a list of channels".to_owned() });
                }
                Err(reach) => return Some(reach),
            }
        }
    }
}

/// The scope that Slack names first; they are alternatives to each other.
fn first_scope(said: Option<&str>, usual: &str) -> String {
    said.and_then(|said| said.split(',').find(|scope| *scope == usual).or_else(|| said.split(',').next()))
        .unwrap_or(usual)
        .to_owned()
}

/// A search for channels by name.
struct Search {
    found: HashMap<String, Target>,
    /// Names of channels that can be meant.
    live: Vec<String>,
    /// Whether private channels are in the list.
    private: bool,
    /// So many pages may still be read.
    pages: usize,
}

impl Search {
    fn take(&mut self, channels: Vec<Target>, names: &[Channel]) {
        for target in channels {
            if !target.closed && !matches!(target.sort, Sort::Direct) {
                self.live.push(target.name.clone());
            }
            if names.iter().any(|name| name.as_str() == target.name) {
                self.found.entry(target.name.clone()).or_insert(target);
            }
        }
    }
}
