//! A run that recovers may have something to say besides: what it printed. Its recovery shows that, where people see the recovery
//! who are told of good news; everybody else gets a message about it. Pure.
//!
//! Before it: a recovery. After it: the messages of `report`.

use crate::id::Channel;
use crate::message::{Message, Notice};
use crate::plan::Job;
use crate::policy::{Event, Health, Notification};

use super::{Context, Sender, channels, in_thread, messages, notice, places};
use crate::exec::Status;

/// The channels that are told by a message of its own, and of what. The recovery keeps it where it is shown to others.
pub(super) fn apart(job: &Job, recovery: &mut Notification, sender: &Sender) -> Option<(Event, Vec<Channel>)> {
    let event = recovery.good_news?;
    let of_good_news = places(job.notify.channels_for(Status::Ok, sender.channel.as_ref()), sender);
    let is_hidden = in_thread(recovery, sender) && !recovery.thread.is_visible();
    let shown = if is_hidden { Vec::new() } else { channels(job, recovery, sender) };
    let sees = |channel: &Channel| shown.iter().any(|shown| sender.places.are_same(shown, channel));
    let (with_it, apart): (Vec<Channel>, Vec<Channel>) = of_good_news.into_iter().partition(sees);
    if with_it.is_empty() {
        recovery.good_news = None;
    }
    (!apart.is_empty()).then_some((event, apart))
}

/// The messages for these channels. Whom the script asks for is told by the recovery.
pub(super) fn alone(
    job: &Job,
    health: &Health,
    recovery: &Notification,
    (event, to): (Event, Vec<Channel>),
    context: Context,
    sender: &Sender,
) -> Vec<Message> {
    let told = recovery.good_news_alone(event);
    let about = notice(job, health, &told, context, sender);
    let about = Notice { asked: Vec::new(), notes: Vec::new(), ..about };
    let mut all = messages(job, &told, &about, sender);
    all.retain(|message| to.contains(&message.channel));
    for message in &mut all {
        message.route.also.retain(|channel| to.contains(channel));
    }
    all
}
