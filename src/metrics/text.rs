//! Prometheus' text format: families of samples, one after the other, so that only one is in memory beside the text.
//!
//! Before it: names, help and values. After it: the encoder of the `prometheus` crate, which escapes and formats. The series
//! of single jobs, of which ten thousand jobs have 170,000, are written here: the encoder wants each as an object of a dozen parts.

use std::fmt::{Display, Write};

use prometheus::proto::{Bucket, Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{TextEncoder, proto};

use crate::daemon::numbers::{Histogram, JobNumbers};

/// The label that names a job. Not `job`, which is the label that a scrape puts on every series.
const JOB: &str = "job_name";

/// The text so far.
#[derive(Debug, Default)]
pub(super) struct Text(String);

impl Text {
    pub(super) fn finish(self) -> String {
        self.0
    }

    /// One value.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.gauges(name, help, [(&[][..], value)]);
    }

    /// Values with labels.
    pub(super) fn gauges<'l>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (&'l [(&'l str, &'l str)], f64)>,
    ) {
        let samples = samples.into_iter().map(|(labels, value)| gauge(pairs(labels), value));
        self.family(&format!("slack_alert_{name}"), help, MetricType::GAUGE, samples);
    }

    /// One value for each word of a label.
    pub(super) fn by<'l>(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        samples: impl IntoIterator<Item = (&'l str, usize)>,
    ) {
        let samples = samples.into_iter().map(|(word, number)| gauge(pairs(&[(label, word)]), super::count(number)));
        self.family(&format!("slack_alert_{name}"), help, MetricType::GAUGE, samples);
    }

    /// One count for each word of a label.
    pub(super) fn counts<'l>(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        samples: impl IntoIterator<Item = (&'l str, u64)>,
    ) {
        let samples = samples.into_iter().map(|(word, number)| counter(pairs(&[(label, word)]), as_float(number)));
        self.family(&format!("slack_alert_{name}"), help, MetricType::COUNTER, samples);
    }

    /// How long something took.
    pub(super) fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        let mut below = 0;
        let bucket = |(bound, number): (&f64, &u64)| {
            below += number;
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(*bound);
            bucket.set_cumulative_count(below);
            bucket
        };
        let buckets = histogram.bounds.iter().zip(&histogram.buckets).map(bucket).collect();
        let mut value = proto::Histogram::default();
        value.set_bucket(buckets);
        value.set_sample_count(histogram.count);
        value.set_sample_sum(histogram.sum);
        let mut metric = Metric::default();
        metric.set_histogram(value);
        self.family(&format!("slack_alert_{name}"), help, MetricType::HISTOGRAM, [metric]);
    }

    /// For each job one count for each word of a label.
    pub(super) fn job_counts<'j, const N: usize>(
        &mut self,
        (name, help): (&str, &str),
        label: &str,
        words: &[&str; N],
        jobs: &[LabelledJob<'j>],
        of: fn(&'j JobNumbers) -> &'j [u64; N],
    ) {
        self.job_head(name, help, "counter", jobs);
        for (labels, job) in jobs {
            for (word, number) in words.iter().zip(of(job)) {
                self.sample(name, format_args!("{labels},{label}=\"{word}\""), number);
            }
        }
    }

    /// For each job how often and how long.
    pub(super) fn job_summaries(
        &mut self,
        (name, help): (&str, &str),
        jobs: &[LabelledJob<'_>],
        of: fn(&JobNumbers) -> (u64, f64),
    ) {
        self.job_head(name, help, "summary", jobs);
        let (sums, counts) = (format!("{name}_sum"), format!("{name}_count"));
        for (labels, job) in jobs {
            let (number, sum) = of(job);
            self.sample(&sums, format_args!("{labels}"), sum);
            self.sample(&counts, format_args!("{labels}"), number);
        }
    }

    /// For each job one value.
    pub(super) fn job_gauges(
        &mut self,
        (name, help): (&str, &str),
        jobs: &[LabelledJob<'_>],
        of: fn(&JobNumbers) -> f64,
    ) {
        self.job_head(name, help, "gauge", jobs);
        // No alert is to go by how a job was that is not enabled. Its runs, which people ask for, are counted.
        for (labels, job) in jobs.iter().filter(|(_, job)| job.is_watched) {
            self.sample(name, format_args!("{labels}"), of(job));
        }
    }

    /// A family without samples is left out.
    fn job_head(&mut self, name: &str, help: &str, kind: &str, jobs: &[LabelledJob<'_>]) {
        if !jobs.is_empty() {
            let _ = writeln!(self.0, "# HELP slack_alert_{name} {help}\n# TYPE slack_alert_{name} {kind}");
        }
    }

    fn sample(&mut self, name: &str, labels: std::fmt::Arguments<'_>, value: impl Display) {
        let _ = writeln!(self.0, "slack_alert_{name}{{{labels}}} {value}");
    }

    /// One value under a name of its own.
    pub(super) fn named(&mut self, name: &str, help: &str, kind: MetricType, value: f64) {
        let sample = if kind == MetricType::COUNTER { counter(Vec::new(), value) } else { gauge(Vec::new(), value) };
        self.family(name, help, kind, [sample]);
    }

    /// A family without samples is left out.
    fn family(&mut self, name: &str, help: &str, kind: MetricType, samples: impl IntoIterator<Item = Metric>) {
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        family.set_metric(samples.into_iter().collect());
        // It fails only for a family without a name or a sample.
        let _ = TextEncoder::new().encode_utf8(&[family], &mut self.0);
    }
}

/// A job with its label as text.
pub(super) type LabelledJob<'j> = (String, &'j JobNumbers);

/// The label that names a job, as it stands in each of its series.
pub(super) fn labelled_job(job: &JobNumbers) -> LabelledJob<'_> {
    let mut label = format!("{JOB}=\"");
    for c in job.name.as_str().chars() {
        match c {
            '\\' => label.push_str("\\\\"),
            '"' => label.push_str("\\\""),
            '\n' => label.push_str("\\n"),
            c => label.push(c),
        }
    }
    label.push('"');
    (label, job)
}

fn pairs(labels: &[(&str, &str)]) -> Vec<LabelPair> {
    let pair = |(name, value): &(&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    labels.iter().map(pair).collect()
}

fn labelled(labels: Vec<LabelPair>) -> Metric {
    let mut metric = Metric::default();
    metric.set_label(labels);
    metric
}

fn gauge(labels: Vec<LabelPair>, value: f64) -> Metric {
    let (mut metric, mut gauge) = (labelled(labels), Gauge::default());
    gauge.set_value(value);
    metric.set_gauge(gauge);
    metric
}

fn counter(labels: Vec<LabelPair>, value: f64) -> Metric {
    let (mut metric, mut counter) = (labelled(labels), Counter::default());
    counter.set_value(value);
    metric.set_counter(counter);
    metric
}

#[expect(clippy::cast_precision_loss, reason = "a double counts to 2^53")]
fn as_float(number: u64) -> f64 {
    number as f64
}
