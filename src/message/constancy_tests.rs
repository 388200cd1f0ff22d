use super::fault;

#[test]
fn a_condition_that_comes_out_the_same_at_every_run_is_found() {
    for (source, message) in [
        ("1/0", "this divides by 0"),
        ("json.x > 1/0", "this divides by 0"),
        ("json.x % 0 > 1", "this divides by 0"),
        ("duration / (1 - 1) > 1", "this divides by 0"),
        ("not false", "`false` looks at nothing of the run: it is always false"),
        ("1 > 2", "`1 > 2` looks at nothing of the run: it is always false"),
        ("'a' in 'abc'", "looks at nothing of the run: it is always true"),
        ("json.x > 5 or true", "`true` looks at nothing"),
        ("exit_code > 300", "`exit_code > 300` is never true"),
        ("exit_code < 0", "`exit_code < 0` is never true"),
        ("exit_code >= 0", "`exit_code >= 0` is always true"),
        ("256 == exit_code", "`256 == exit_code` is never true"),
        ("exit_code == 1.5", "is never true"),
        ("exit_code in [256, 300]", "is never true"),
        ("exit_code in []", "is never true"),
        ("json.up and duration < 0", "`duration < 0` is never true"),
        ("duration >= 0", "is always true"),
        ("stdout | length < 0", "is never true"),
        ("stdout | length > 2.5 and stdout | length < 2.8", "are never true together"),
        ("stdout == none", "is never true"),
        ("stdout == 'ok\\n'", "is never true"),
        ("previous.status == 'CRITICAL'", "is never true"),
        ("previous > 5", "`previous > 5` fails at every run"),
        ("stdout - 5 > 3", "fails at every run"),
        ("stdout + 5 > 3", "fails at every run"),
        ("stdout is defined", "is always true"),
        ("exit_code is string", "is never true"),
        ("exit_code == exit_code", "is always true"),
        ("json.x < json.x", "is never true"),
        ("json.x > 5 and json.x < 3", "`json.x > 5` and `json.x < 3` are never true together"),
        ("json.x > 5 and json.up and 3 > json.x", "`json.x > 5` and `json.x < 3` are never true together"),
        ("json.s == 'a' and json.s == 'b'", "`json.s == 'a'` and `json.s == 'b'` are never true together"),
        ("json.s != 'a' or json.s != 'b'", "`json.s != 'a'` or `json.s != 'b'` are always true, one or the other"),
        ("json.x > 3 or json.x < 5", "are always true, one or the other"),
        ("9 < json.x < 1", "`json.x > 9` and `json.x < 1` are never true together"),
    ] {
        let found = fault(source).unwrap_or_else(|| panic!("{source}: nothing is found"));
        assert!(found.message.contains(message), "{source}: {}", found.message);
        assert!(!found.help.is_empty(), "{source}");
    }
}

#[test]
fn what_may_come_out_one_way_or_the_other_is_left_alone() {
    for source in [
        "true",
        "false",
        "exit_code > 1",
        "exit_code == 255",
        "exit_code in [1, 300]",
        "exit_code == none",
        "exit_code != 0 and exit_code != 2",
        "exit_code is none",
        "duration > 0",
        "duration > 0.5 and duration < 0.6",
        "stdout != ''",
        "stdout | length == 0",
        "stdout | int > 5 or stdout | int < 3",
        "stdout < 'm' and stdout > 'a'",
        "previous is none",
        "previous and previous.status == 'ok'",
        "previous.status != 'ok'",
        "json.x == none",
        "json.x == '5' or json.x == 5",
        "json.x > 5 and json.x < 6",
        "json.x >= 5 and json.x <= 5",
        "json.x > 89445385320123456788",
        "json.x > 89445385320123456788 and json.x < 89445385320123456790",
        "json.a < 1 and json.b > 2",
        "json.x > 3 or json.x < 2",
        "json.x != 1 or json.y != 1",
        "1 < json.x < 2",
        "1 < json.x < 2 or json.x > 1",
        "json.x / 2 > 1",
        "duration / exit_code > 1",
        "duration + 1 > previous.finished",
        "'ERROR' in stdout",
        "json.status not in ['ok', 'warn']",
        "json.list | length > 0",
        "(stdout | lines)[3] | int > 5",
        "range(3) | length > 2",
        "json.x is defined and json.x",
        "stdout is startingwith('x')",
    ] {
        assert!(fault(source).is_none(), "{source}: {:?}", fault(source));
    }
}
