//! Shows what is told of messages that do not arrive as they were meant: in the place of a channel, after they were dropped,
//! and of jobs that are gone.

use slack_alert::notify::Fault;

use super::told::{CONF, MORNING, minutes, told};
use crate::support::notifier::{lasting, ok};
use crate::support::world::{World, fails, says};

#[tokio::test(start_paused = true)]
async fn an_alert_that_several_channels_refuse_is_told_once_in_the_default_channel_and_closed_there() {
    let job = "command = 'a'\nevery = '10m'\nnotify.repeat = 'never'\nnotify.channel = ['#a', '#b', '#c']";
    for thread in ["", "\nnotify.thread = false"] {
        let job = format!("{job}{thread}");
        let world = World::started(MORNING, &[("slack_alert.toml", CONF), ("jobs.d/a.toml", &job)], |_, at| {
            if (1..=2).contains(&(at.as_secs() / 600)) { fails("boom") } else { says("") }
        })
        .await;
        world.slack.play(|delivery, _| match delivery.message.channel.as_str() {
            "ops" => ok(),
            _ => lasting(Fault::Channel),
        });
        world.pass(minutes(40)).await;
        let ops = told(&world, "ops");
        let count = |words: &str| ops.iter().filter(|line| line.contains(words)).count();
        assert_eq!(
            count("a critical: boom / exit code 2"),
            if thread.is_empty() { 2 } else { 1 },
            "one, edited: {ops:#?}"
        );
        assert_eq!((count(" either: "), count("could not be posted to #c either")), (2, 1), "{ops:#?}");
        assert_eq!(count(" Open "), usize::from(thread.is_empty()), "{ops:#?}");
        assert_eq!(count("is well again"), 1, "{ops:#?}");
    }
}
