//! "Did you mean": the known word nearest to one that was mistyped.

/// No word that is known is longer.
const LONGEST: usize = 64;

/// The candidate nearest to `word`, when it is near enough to be a slip: a third of its length in edits, whatever the case.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A longer word is no slip for any that is known.
    let lower: String = word.chars().take(LONGEST).flat_map(char::to_lowercase).collect();
    let limit = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(edits, candidate)| *edits <= limit || (word.len() >= 3 && candidate.starts_with(&lower)))
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// The line of help that names the nearest word.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(word, candidates).map(|candidate| format!("did you mean `{candidate}`?"))
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_is_understood_and_a_stranger_is_not() {
        let keys = ["command", "every", "timeout", "working_hours", "template"];
        for (typed, meant) in [
            ("comand", Some("command")),
            ("evrey", Some("every")),
            ("Timeout", Some("timeout")),
            ("working_hour", Some("working_hours")),
            ("templ", Some("template")),
            ("webhook", None),
            ("x", None),
        ] {
            assert_eq!(nearest(typed, keys), meant, "{typed}");
        }
    }
}
