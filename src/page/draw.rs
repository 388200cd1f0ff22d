//! Strips and plots as geometry of SVG: one path for each colour, so that ten thousand bars stay small. Pure.
//!
//! Before it: runs, the oldest first. After it: the templates, which put the paths into the page.

use std::fmt::Write as _;

use serde::Serialize;

use crate::exec::Status;

/// Width of a bar, and with the room beside it; height of a strip.
const BAR: u32 = 4;
const STEP: u32 = 5;
const HEIGHT: u32 = 24;

/// The lowest bar: a run that took no time is a run.
const LOWEST: u32 = 3;

/// Fewer runs than this are no plot: their strip tells all.
const FEWEST: usize = 8;

/// Width and height of a plot.
const PLOT: (f64, f64) = (1_000.0, 160.0);

/// One run of a strip.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bar {
    /// What it came to.
    pub look: Look,
    /// How long it took, where that is known; without it the bar is as low as one can be.
    pub seconds: Option<f64>,
}

/// How a run looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// By its status.
    Status(Status),
    /// Hollow: it counts as not run.
    Hollow,
}

/// A strip of bars.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Strip {
    /// Its width, in the units of its paths.
    pub width: u32,
    /// Its height.
    pub height: u32,
    /// One path for each colour that is in it.
    pub paths: Vec<Shape>,
    /// What it shows, in words.
    pub label: String,
}

/// A path and the class that colours it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shape {
    /// The class.
    pub class: &'static str,
    /// The path.
    pub path: String,
}

/// How long runs took, over time.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Plot {
    /// Its width, in the units of its paths.
    pub width: f64,
    /// Its height.
    pub height: f64,
    /// From the shortest to the longest of each bucket.
    pub band: String,
    /// The medians.
    pub line: String,
    /// Runs that were not ok.
    pub marks: Vec<Shape>,
    /// Where the timeout lies, when it lies within.
    pub timeout: Option<f64>,
    /// The time at the top, in seconds.
    pub most: f64,
}

impl Look {
    /// The class that colours it.
    pub fn class(self) -> &'static str {
        match self {
            Self::Status(status) => status.as_str(),
            Self::Hollow => "hollow",
        }
    }

    /// The worse, the higher.
    fn rank(self) -> u8 {
        match self {
            Self::Hollow => 0,
            Self::Status(Status::Ok) => 1,
            Self::Status(Status::Warning) => 2,
            Self::Status(Status::Unknown) => 3,
            Self::Status(Status::Critical) => 4,
        }
    }
}

/// All looks, in the order in which they are painted and told.
const LOOKS: [Look; 5] = [
    Look::Status(Status::Critical),
    Look::Status(Status::Unknown),
    Look::Status(Status::Warning),
    Look::Status(Status::Ok),
    Look::Hollow,
];

/// A strip with room for `room` bars; the newest run is at its right end. Of more runs each bar shows the worst of several.
pub fn strip(runs: &[Bar], room: usize) -> Strip {
    let bars = buckets(runs, room);
    let most = bars.iter().filter_map(|bar| bar.seconds).fold(0.0, f64::max);
    let first = room.saturating_sub(bars.len());
    let mut paths = Vec::new();
    for look in LOOKS {
        let mut path = String::new();
        for (at, bar) in bars.iter().enumerate().filter(|(_, bar)| bar.look == look) {
            let (x, high) = (units(first + at) * STEP, height(bar.seconds.unwrap_or_default(), most));
            // A hollow bar is drawn by its outline, which lies half a unit inside.
            let drawn = match look {
                Look::Hollow => write!(path, "M{x}.5 {}.5v-{}h{}v{}z", HEIGHT - 1, high - 1, BAR - 1, high - 1),
                Look::Status(_) => write!(path, "M{x} {HEIGHT}v-{high}h{BAR}v{high}z"),
            };
            // Text takes whatever is written.
            let _ = drawn;
        }
        if !path.is_empty() {
            paths.push(Shape { class: look.class(), path });
        }
    }
    Strip { width: units(room) * STEP - (STEP - BAR), height: HEIGHT, paths, label: label(runs) }
}

fn units(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX / STEP)
}

fn height(seconds: f64, most: f64) -> u32 {
    if most <= 0.0 {
        return LOWEST;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of the height of a strip")]
    let high = (f64::from(HEIGHT) * (seconds / most).clamp(0.0, 1.0)).round() as u32;
    high.clamp(LOWEST, HEIGHT)
}

/// At most `room` bars: each the worst of its neighbours, and of equally bad ones the longest.
fn buckets(runs: &[Bar], room: usize) -> Vec<Bar> {
    if room == 0 {
        return Vec::new();
    }
    let length = |bar: &Bar| bar.seconds.unwrap_or_default();
    let worst = |bucket: &[Bar]| {
        let worse = |one: &&Bar, other: &&Bar| {
            one.look.rank().cmp(&other.look.rank()).then(length(one).total_cmp(&length(other)))
        };
        bucket.iter().max_by(worse).copied()
    };
    let number = runs.len().min(room);
    let edge = |at: usize| at * runs.len() / number.max(1);
    (0..number).filter_map(|at| worst(&runs[edge(at)..edge(at + 1)])).collect()
}

/// `last 40 runs: 2 critical, 38 ok`.
fn label(runs: &[Bar]) -> String {
    let counts = LOOKS.iter().filter_map(|look| {
        let number = runs.iter().filter(|bar| bar.look == *look).count();
        let word = if *look == Look::Hollow { "not run" } else { look.class() };
        (number > 0).then(|| format!("{number} {word}"))
    });
    let counts: Vec<String> = counts.collect();
    match runs.len() {
        0 => "no run yet".to_owned(),
        1 => format!("last run: {}", counts.join(", ")),
        number => format!("last {number} runs: {}", counts.join(", ")),
    }
}

/// A plot of how long runs took, as far as that is known, the newest at the right end; nothing for a few runs.
pub fn plot(runs: &[Bar], room: usize, timeout: Option<f64>) -> Option<Plot> {
    let runs = runs.iter().filter(|bar| bar.look != Look::Hollow);
    let runs: Vec<(Look, f64)> = runs.filter_map(|bar| Some((bar.look, bar.seconds?))).collect();
    if runs.len() < FEWEST || room < 2 {
        return None;
    }
    let (width, height) = PLOT;
    let longest = runs.iter().map(|(_, seconds)| *seconds).fold(0.0, f64::max);
    let timeout = timeout.filter(|timeout| *timeout > 0.0 && *timeout <= longest * 1.5);
    let most = longest.max(timeout.unwrap_or_default()).max(0.001) * 1.05;
    let y = |seconds: f64| ((1.0 - seconds / most) * height * 10.0).round() / 10.0;
    let number = runs.len().min(room);
    let edge = |at: usize| at * runs.len() / number;
    #[expect(clippy::cast_precision_loss, reason = "bars are few")]
    let x = |at: usize| (at as f64 * width / (number - 1) as f64 * 10.0).round() / 10.0;
    let (mut top, mut bottom, mut line) = (String::new(), Vec::new(), String::new());
    let mut marks: Vec<Shape> = Vec::new();
    for at in 0..number {
        let bucket = &runs[edge(at)..edge(at + 1)];
        let mut times: Vec<f64> = bucket.iter().map(|(_, seconds)| *seconds).collect();
        times.sort_unstable_by(f64::total_cmp);
        let (low, middle, high) = (times[0], times[times.len() / 2], times[times.len() - 1]);
        let step = if at == 0 { 'M' } else { 'L' };
        let _ = write!(top, "{step}{} {}", x(at), y(high));
        let _ = write!(line, "{step}{} {}", x(at), y(middle));
        bottom.push((x(at), y(low)));
        let worst = bucket.iter().max_by_key(|(look, _)| look.rank()).copied();
        if let Some((look, seconds)) = worst.filter(|(look, _)| look.rank() > 1) {
            let class = look.class();
            let path = format!("M{} {}h.01", x(at), y(seconds));
            match marks.iter_mut().find(|shape| shape.class == class) {
                Some(shape) => shape.path.push_str(&path),
                None => marks.push(Shape { class, path }),
            }
        }
    }
    for (x, y) in bottom.into_iter().rev() {
        let _ = write!(top, "L{x} {y}");
    }
    top.push('z');
    Some(Plot { width, height, band: top, line, marks, timeout: timeout.map(y), most })
}

/// How many things happen in each part of a time, as bars.
pub fn busy(counts: &[u32]) -> Strip {
    let most = counts.iter().copied().max().unwrap_or_default();
    let mut path = String::new();
    for (at, number) in counts.iter().enumerate().filter(|(_, number)| **number > 0) {
        let (x, high) = (units(at) * STEP, height(f64::from(*number), f64::from(most)));
        let _ = write!(path, "M{x} {HEIGHT}v-{high}h{BAR}v{high}z");
    }
    let paths = if path.is_empty() { Vec::new() } else { vec![Shape { class: "due", path }] };
    Strip { width: units(counts.len()) * STEP - (STEP - BAR), height: HEIGHT, paths, label: String::new() }
}

#[cfg(test)]
mod tests {
    use super::{Bar, Look, Status, plot, strip};

    fn bar(status: Status, seconds: f64) -> Bar {
        Bar { look: Look::Status(status), seconds: Some(seconds) }
    }

    #[test]
    fn a_bar_is_as_high_as_its_share_of_the_longest_run() {
        let runs = [bar(Status::Ok, 5.0), bar(Status::Critical, 10.0), Bar { look: Look::Hollow, seconds: None }];
        let strip = strip(&runs, 3);
        let paths: Vec<(&str, &str)> = strip.paths.iter().map(|shape| (shape.class, shape.path.as_str())).collect();
        assert_eq!(
            paths,
            [("critical", "M5 24v-24h4v24z"), ("ok", "M0 24v-12h4v12z"), ("hollow", "M10.5 23.5v-2h3v2z")]
        );
        assert_eq!((strip.width, strip.label.as_str()), (14, "last 3 runs: 1 critical, 1 ok, 1 not run"));
    }

    #[test]
    fn the_newest_run_is_at_the_right_and_a_run_without_length_is_seen() {
        let strip = strip(&[bar(Status::Ok, 0.0)], 40);
        assert_eq!(strip.paths[0].path, "M195 24v-3h4v3z");
        assert_eq!(strip.label, "last run: 1 ok");
    }

    #[test]
    fn a_bar_of_several_runs_shows_the_worst_of_them() {
        let mut runs = vec![bar(Status::Ok, 9.0); 80];
        runs[41] = bar(Status::Critical, 1.0);
        let strip = strip(&runs, 40);
        let red = strip.paths.iter().find(|shape| shape.class == "critical").map(|shape| shape.path.as_str());
        assert_eq!(red, Some("M100 24v-3h4v3z"), "one of 80 failures is not averaged away");
        assert_eq!(strip.paths.len(), 2, "one path for each colour");
    }

    #[test]
    fn a_job_that_never_ran_has_an_empty_strip_and_no_plot() {
        assert_eq!((strip(&[], 40).paths.len(), strip(&[], 40).label.as_str()), (0, "no run yet"));
        assert_eq!(plot(&[bar(Status::Ok, 1.0)], 200, None), None);
    }

    #[test]
    fn a_run_of_which_it_is_not_known_how_long_it_took_is_a_low_bar_and_no_point() {
        let unknown = Bar { look: Look::Status(Status::Ok), seconds: None };
        assert_eq!(strip(&[unknown], 40).paths[0].path, "M195 24v-3h4v3z");
        assert_eq!(plot(&[unknown; 20], 200, None), None);
        let mut runs = [bar(Status::Ok, 40.0); 9];
        runs[3] = unknown;
        let known = plot(&runs, 200, None).expect("eight runs are a plot");
        assert_eq!(known.line.matches(['M', 'L']).count(), 8);
    }

    #[test]
    fn a_timeout_is_drawn_when_runs_come_near_it() {
        let mut runs = [bar(Status::Ok, 40.0); 8];
        runs[7] = bar(Status::Critical, 50.0);
        let near = plot(&runs, 200, Some(60.0)).expect("eight runs are a plot");
        assert!(near.timeout.is_some() && near.most > 60.0);
        assert_eq!(near.marks.len(), 1, "the failure is marked");
        let far = plot(&runs, 200, Some(600.0)).expect("eight runs are a plot");
        assert_eq!(far.timeout, None, "one that is far away would press the plot flat");
    }
}
