//! What commands write is kept within its bounds, whatever they write and however much.

use std::time::Instant;

use slack_alert::exec::Status;

use super::{BUSY, alone, command, follow, on_one_thread, run, run_script, stderr, stdout};

/// The most memory that this process ever had, in KiB.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc/self/status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn a_gibibyte_is_read_and_little_of_it_is_kept() {
    if !alone("os::exec::output::a_gibibyte_is_read_and_little_of_it_is_kept") {
        return;
    }
    on_one_thread(follow(command("command = ':'")));
    let before = peak_memory();
    let outcome = on_one_thread(follow(command("command = 'head -c 1G /dev/zero'")));
    let grown = peak_memory() - before;
    assert_eq!(outcome.exit_code(), Some(0));
    for captured in [&outcome.output.stdout, &outcome.output.both] {
        let kept = captured.head.len() + captured.tail.len();
        assert_eq!((kept, captured.dropped), (1 << 20, (1 << 30) - (1 << 20)));
    }
    assert!(grown < 24 << 10, "{grown} KiB more");
}

#[test]
fn ten_thousand_short_lines_come_whole_and_in_order() {
    let outcome = run_script("i=0; while [ $i -lt 10000 ]; do echo $i; i=$((i+1)); done");
    let expected: String = (0..10_000).map(|i| format!("{i}\n")).collect();
    assert_eq!(stdout(&outcome), expected);
    assert_eq!(outcome.output.both, outcome.output.stdout);
}

#[test]
fn bytes_that_are_no_text_are_kept_as_they_are() {
    let outcome = run_script(r"printf '\000\377\376\n\033[31m\200'; printf '\000' >&2");
    assert_eq!(outcome.output.stdout.head, b"\x00\xff\xfe\n\x1b[31m\x80");
    assert_eq!(outcome.output.stderr.head, b"\x00");
}

#[test]
fn both_streams_at_once_do_not_stop_each_other() {
    let script = "(yes out | head -c 20M) & (yes err | head -c 20M) >&2; wait";
    let outcome = run(&format!("command = '''{script}'''\nmax_output = '64KiB'"));
    for (captured, line) in [(&outcome.output.stdout, "out\n"), (&outcome.output.stderr, "err\n")] {
        assert_eq!(captured.dropped, (20 << 20) - 65_536);
        assert!(captured.head.starts_with(line.as_bytes()) && captured.tail.ends_with(line.as_bytes()));
    }
    assert_eq!(outcome.output.both.dropped, (40 << 20) - 65_536);
}

#[test]
fn head_and_tail_are_kept_and_the_middle_is_counted() {
    let outcome = run("command = 'seq 1 100000'\nmax_output = 100");
    let captured = &outcome.output.stdout;
    assert!(captured.head.starts_with(b"1\n2\n3\n") && captured.tail.ends_with(b"99999\n100000\n"));
    assert_eq!((captured.head.len() + captured.tail.len()) as u64 + captured.dropped, 588_895);
    let none = run("command = 'echo much; echo more >&2'\nmax_output = 0");
    assert_eq!((none.output.stdout.dropped, none.output.stderr.dropped, none.output.both.dropped), (5, 5, 10));
}

#[test]
fn text_for_stdin_arrives() {
    let outcome = run("command = ['cat']\nstdin = \"one\\ntwo\"");
    assert_eq!(stdout(&outcome), "one\ntwo");
    assert_eq!(stdout(&run("command = 'cat; echo end'")), "end\n");
}

#[test]
fn text_that_nobody_reads_holds_nobody_up() {
    let text = "x".repeat(1 << 20);
    let begun = Instant::now();
    let outcome = run(&format!("command = 'exit 3'\nstdin = '{text}'"));
    assert_eq!(outcome.exit_code(), Some(3));
    assert!(begun.elapsed() < BUSY / 3);
    let counted = run(&format!("command = 'wc -c'\nstdin = '{text}'"));
    assert_eq!(stdout(&counted).trim(), "1048576");
}

#[test]
fn nothing_redacted_leaves() {
    let outcome =
        run("command = '''printf 'pw=hun'; sleep 0.05; echo noise >&2; echo 'ter2 end'; echo hunter2 >&2; exit 1'''\n\
         redact = ['hunter\\d']");
    assert_eq!((stdout(&outcome).as_str(), stderr(&outcome).as_str()), ("pw=[redacted] end\n", "noise\n[redacted]\n"));
    let debug = format!("{outcome:?} {:?}", String::from_utf8_lossy(&outcome.output.both.bytes()));
    assert!(!debug.contains("hunter2"), "{debug}");
    let outcome = run("command = ['/opt/hunter2/x']\nredact = ['hunter\\d']");
    assert_eq!(outcome.ending.words(), "could not be started: program `/opt/[redacted]/x` does not exist");
}

#[test]
fn a_line_begins_anew_where_the_stream_changes() {
    let outcome = run_script("printf partial; printf x >&2; exit 1");
    let both = String::from_utf8_lossy(&outcome.output.both.bytes()).into_owned();
    assert!(["partial\nx", "x\npartial"].contains(&both.as_str()), "{both:?}");
    assert_eq!((stdout(&outcome).as_str(), stderr(&outcome).as_str()), ("partial", "x"));
}

#[test]
fn colours_within_a_secret_do_not_hide_it() {
    let outcome =
        run("command = 'echo db: password=hunter2zzz | grep --color=always word; exit 1'\nredact = ['password=\\S+']");
    let seen = slack_alert::exec::clean(&outcome.output.both.bytes());
    assert_eq!(seen, "db: [redacted]\n", "{outcome:?}");
}

#[test]
fn the_values_of_env_file_and_secret_variables_are_masked_as_each_run_has_them() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("job.env");
    let job = format!(
        "command = 'echo $FILE_VALUE, $DB_PASSWORD, $api_key, $PLAIN, $SHORT_KEY; cat {0}; exit 1'\nenv_file = '{0}'\n\
         env = {{ DB_PASSWORD = 'pa55word', api_key = 'k3yk3yk3y', PLAIN = 'plainly', SHORT_KEY = 'short' }}\n",
        file.display()
    );
    std::fs::write(&file, "FILE_VALUE=first-value\n").expect("a file");
    let command_of_first = command(&job);
    for value in ["first-value", "other-value"] {
        std::fs::write(&file, format!("FILE_VALUE={value}\n")).expect("a file");
        let outcome = on_one_thread(follow(command_of_first.clone()));
        let expected = "[redacted], [redacted], [redacted], plainly, short\nFILE_VALUE=[redacted]\n";
        assert_eq!(stdout(&outcome), expected, "{value}");
        assert_eq!(outcome.output.both, outcome.output.stdout);
    }
    let open = run(&format!("{job}redact_env = false"));
    assert!(stdout(&open).starts_with("other-value, pa55word, k3yk3yk3y"), "{open:?}");
    // The command as people see it too.
    let shown =
        command(&format!("{}redact = 'x{{9}}'", job.replace("echo ", "echo pa55word first-value other-value; echo ")));
    assert!(shown.source().starts_with("echo [redacted] first-value [redacted]; echo"), "{}", shown.source());
}

#[test]
fn what_makes_a_run_critical_is_seen_in_what_is_dropped_too() {
    let script = "seq 1 20000; echo ERROR here; echo '::slack-alert title=FATAL' ; seq 1 20000";
    let keys = "max_output = '4KiB'\ndirectives = true";
    for (stream, fails) in [("ERROR", true), ("^ERROR here$", true), ("ERROR$", false), ("FATAL", false)] {
        for (to, name) in [("", "stdout"), (">&2", "stderr")] {
            let outcome = run(&format!("command = '''({script}) {to}'''\nfail_on = {{ {name} = '{stream}' }}\n{keys}"));
            // A directive is one on standard output alone.
            let fails = fails || (stream == "FATAL" && name == "stderr");
            let detail = if fails { format!("{name} matched `{stream}`") } else { String::new() };
            assert_eq!((outcome.status != Status::Ok, outcome.detail), (fails, detail));
        }
    }
}
