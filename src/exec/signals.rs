//! Names of signals (signal(7), Linux).
//!
//! Before it: nothing. After it: `exit_codes`, and the words for how a run ended.

/// Every standard signal, without its `SIG`.
const NAMES: [(&str, i32); 31] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("PWR", 30),
    ("SYS", 31),
];

/// The first real-time signal that programs may use: glibc keeps the two below it for itself.
const RTMIN: i32 = 34;

/// The last real-time signal.
const RTMAX: i32 = 64;

/// The name of a signal: "SIGKILL", "SIGRTMIN+1"; of what has none, the number.
pub fn name(signal: i32) -> String {
    if let Some((name, _)) = NAMES.iter().find(|(_, number)| *number == signal) {
        return format!("SIG{name}");
    }
    match signal - RTMIN {
        0 => "SIGRTMIN".to_owned(),
        above if above > 0 && signal <= RTMAX => format!("SIGRTMIN+{above}"),
        _ => format!("signal {signal}"),
    }
}

/// The signal that a shell means with an exit code above 128.
pub fn of_shell(code: i32) -> Option<i32> {
    (129..=128 + 31).contains(&code).then_some(code - 128)
}

/// The signal of a name, with or without `SIG`, upper or lower case.
pub(super) fn number(name: &str) -> Option<i32> {
    let upper = name.trim().to_ascii_uppercase();
    let bare = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some(above) = bare.strip_prefix("RTMIN") {
        let above = if above.is_empty() { 0 } else { above.strip_prefix('+')?.parse::<u8>().ok()? };
        return Some(RTMIN + i32::from(above)).filter(|signal| *signal <= RTMAX);
    }
    NAMES.iter().find(|(name, _)| *name == bare).map(|(_, number)| *number)
}

/// Every name, with its `SIG`: for "did you mean".
pub(super) fn names() -> Vec<String> {
    NAMES.iter().map(|(name, _)| format!("SIG{name}")).collect()
}

#[cfg(test)]
mod tests {
    use super::{NAMES, name, number};

    #[test]
    fn names_and_numbers_are_those_of_the_kernel() {
        for (bare, signal) in NAMES {
            let known = rustix::process::Signal::from_named_raw(signal).expect("a named signal");
            assert_eq!(known.as_raw(), signal);
            assert_eq!(number(bare), Some(signal));
            assert_eq!(number(&name(signal)), Some(signal));
        }
        for (written, signal) in
            [("sigterm", Some(15)), ("SIGRTMIN+3", Some(37)), ("RTMIN", Some(34)), ("SIGRTMIN+99", None), ("KIL", None)]
        {
            assert_eq!(number(written), signal, "{written}");
        }
        assert_eq!(name(37), "SIGRTMIN+3");
        assert_eq!(name(99), "signal 99");
    }
}
