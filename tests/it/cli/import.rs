//! `import`: from a crontab or a plugin folder to jobs that pass `check`, as its user runs it.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::program::Sandbox;
use crate::support::skip::skip;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The errors that `check` finds, those about this machine aside: it need not have the programs and users.
fn errors(sandbox: &Sandbox) -> Vec<String> {
    let ran = sandbox.run(&["check", "--format", "json"]);
    let problems = ran.stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("an object a line"));
    let machine = ["command-not-found", "unknown-user", "missing-file", "unreadable-file"];
    problems
        .filter(|problem| problem["level"] == "error" && !machine.iter().any(|code| problem["code"] == *code))
        .map(|problem| problem.to_string())
        .collect()
}

#[test]
fn a_crontab_becomes_jobs_that_pass_check_and_a_second_time_changes_nothing() {
    let sandbox = Sandbox::with(&[("slack_alert.toml", "")]);
    let crontab =
        sandbox.file("mine", "MAILTO=me\n# every night\n30 3 * * Mon-Fri /usr/bin/true --all\n61 * * * * /bin/x\n@reboot /usr/bin/true --boot\n");
    let crontab = crontab.to_string_lossy();
    let ran = sandbox.run(&["import", "crontab", &crontab, "--dry-run"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("+cron = \"30 3 * * mon-fri\"") && ran.stderr.contains("would create"), "{ran:?}");
    assert!(!sandbox.path().join("jobs.d").exists(), "nothing is written");

    let ran = sandbox.run(&["import", "crontab", &crontab]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("created") && ran.stdout.contains("jobs.d/"), "{ran:?}");
    assert!(ran.stderr.contains(":4: ") && ran.stderr.contains("minute: `61`"), "what is left is said: {ran:?}");
    assert_eq!(errors(&sandbox), [""; 0]);
    let listed: Value = serde_json::from_str(&sandbox.run(&["list", "--json"]).stdout).expect("a list");
    assert_eq!(listed.as_array().map(Vec::len), Some(2), "{listed}");
    assert!(listed.to_string().contains("at each boot"), "{listed}");

    let ran = sandbox.run(&["import", "crontab", &crontab, "--json"]);
    let told: Value = serde_json::from_str(&ran.stdout).expect("one object");
    assert!(told["files"].as_array().is_some_and(|files| files.iter().all(|file| file["action"] == "same")), "{told}");
    assert!(told["notes"].as_array().is_some_and(|notes| !notes.is_empty()), "{told}");
}

#[test]
fn a_crontab_of_twenty_real_lines_is_imported_without_an_error_of_ours() {
    let sandbox = Sandbox::new();
    let crontab = root().join("tests/fixtures/import/crontabs/web");
    let ran = sandbox.run(&["import", "crontab", &crontab.to_string_lossy()]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(errors(&sandbox), [""; 0]);
    let warnings = sandbox.run(&["check", "--format", "json"]);
    let warnings = warnings.stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("an object a line"));
    let mut codes: Vec<_> =
        warnings.filter(|problem| problem["level"] == "warning").map(|p| p["code"].to_string()).collect();
    codes.sort();
    codes.dedup();
    assert_eq!(codes, ["\"chatty-job\"", "\"pipe-hides-failure\""], "what is left is about the commands themselves");

    let settings: toml::Table = toml::from_str(&sandbox.read("slack_alert.toml")).expect("TOML");
    let defaults = &settings["defaults"];
    assert_eq!(defaults["timeout"].as_str(), Some("4h"));
    assert_eq!(defaults["shell"].as_array().map(Vec::len), Some(2));
    assert!(defaults["env"]["PATH"].as_str().is_some_and(|path| path.starts_with("/usr/local/sbin:")), "{defaults}");
    let mut names = Vec::new();
    for entry in fs::read_dir(sandbox.path().join("jobs.d")).expect("a folder") {
        let path = entry.expect("an entry").path();
        let job: toml::Table = toml::from_str(&fs::read_to_string(&path).expect("text")).expect("TOML");
        assert!(!job.contains_key("shell") && !job.contains_key("env"), "said once, in [defaults]: {job}");
        names.push(path.file_stem().expect("a name").to_string_lossy().into_owned());
    }
    names.sort();
    let expected = [
        "artisan-schedule-run",
        "backup",
        "certbot",
        "check_disk",
        "console-app-orders-sync",
        "console-app-stock-export",
        "curl-example.com",
        "docker-system",
        "find-var-backups",
        "freshclam",
        "mail-Monthly",
        "mysqldump",
        "pg_dump",
        "poll",
        "rake-report-daily",
        "report",
        "rsync-srv",
        "shop-cron",
        "warm-up",
        "wiki-cron",
    ];
    assert_eq!(names, expected);
    // Each line starts where cron starts it, whether its text names a relative path or not.
    assert!(defaults["working_dir"].as_str().is_some_and(|home| home.starts_with('/')), "{defaults}");

    for words in ["`flock -n` fails", "throws all output away", "sleeps for a random time", "its user's home"] {
        assert!(ran.stderr.contains(words), "{words}: {ran:?}");
    }
    let again = sandbox.run(&["import", "crontab", &crontab.to_string_lossy(), "--json"]);
    let told: Value = serde_json::from_str(&again.stdout).expect("one object");
    assert!(told["files"].as_array().is_some_and(|files| files.iter().all(|file| file["action"] == "same")), "{told}");
}

#[test]
fn a_crontab_is_rewritten_in_place_once_and_with_its_mode() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    let sandbox = Sandbox::new();
    let text = "# Nightly.\nSHELL=/bin/sh\nMAILTO=me\n\n0 3 * * *  root  /usr/bin/true --all\n@reboot root /usr/bin/true\n\
                */5 * * * * root a | b  # end\n61 * * * * root never\n";
    let crontab = sandbox.file("etc/cron.d/shop", text);
    fs::set_permissions(&crontab, fs::Permissions::from_mode(0o640)).expect("a mode");
    fs::create_dir(sandbox.path().join("links")).expect("a folder");
    std::os::unix::fs::symlink(&crontab, sandbox.path().join("links/shop")).expect("a link");
    let import = |arguments: &[&str]| sandbox.run(&[&["import", "crontab", "--wrap", "--system"], arguments].concat());

    let shown = import(&["links/shop"]);
    assert_eq!(shown.code, 0, "{shown:?}");
    assert!(shown.stdout.contains("-0 3 * * *  root  /usr/bin/true --all\n"), "{shown:?}");
    assert!(shown.stdout.contains("wrap --job true-all -- /usr/bin/true --all\n"), "{shown:?}");
    assert_eq!(fs::read_to_string(&crontab).expect("text"), text, "nothing is written");
    assert!(!sandbox.path().join("jobs.d").exists());

    let written = import(&["--write", "links/shop"]);
    assert_eq!(written.code, 0, "{written:?}");
    assert_eq!(written.stdout, shown.stdout, "what was shown is what is done");
    let new = fs::read_to_string(&crontab).expect("text");
    let program = env!("CARGO_BIN_EXE_slack-alert");
    let config = sandbox.path().join("slack_alert.toml");
    let config = config.display();
    let expected = format!(
        "# Nightly.\nSHELL=/bin/sh\nMAILTO=me\n\n\
         0 3 * * *  root  {program} --config {config} wrap --job true-all -- /usr/bin/true --all\n\
         @reboot root {program} --config {config} wrap --job true -- /usr/bin/true\n\
         */5 * * * * root {program} --config {config} wrap --job a -- /bin/sh -c 'a | b  # end'\n\
         61 * * * * root never\n"
    );
    assert_eq!(new, expected);
    let meta = fs::metadata(&crontab).expect("it is there");
    assert_eq!(meta.permissions().mode() & 0o777, 0o640);
    assert_eq!(meta.nlink(), 1);
    assert!(fs::symlink_metadata(sandbox.path().join("links/shop")).expect("a link").is_symlink());
    assert_eq!(
        fs::read_dir(crontab.parent().expect("a folder")).expect("a folder").count(),
        1,
        "no file is left beside it"
    );
    assert!(sandbox.read("jobs.d/true-all.toml").contains("expect = { cron = \"0 3 * * *\", grace = \"2h\" }"));
    assert_eq!(errors(&sandbox), [""; 0]);

    let again = import(&["--write", "links/shop"]);
    assert_eq!((again.code, again.stdout.as_str()), (0, ""), "{again:?}");
    assert_eq!(fs::read_to_string(&crontab).expect("text"), expected);

    // cron's shell starts it, and it is told.
    let line = new.lines().find(|line| line.contains("--job a ")).expect("the line");
    let command = &line[line.find(program).expect("the program")..];
    let mut shell = std::process::Command::new("/bin/sh");
    shell.args(["-c", command]).current_dir("/").env_clear();
    shell.envs(sandbox.command(&[]).get_envs().filter_map(|(name, value)| Some((name, value?))));
    let ran = shell.output().expect("sh(1) exists");
    assert_eq!(ran.status.code(), Some(127), "{ran:?}");
    assert!(sandbox.run(&["history", "a"]).stdout.contains("exited with 127"));
}

#[test]
fn what_the_configuration_says_already_is_not_said_again_and_the_rest_stays_with_the_job() {
    let defaults = "[defaults]\nshell = [\"/bin/bash\", \"-c\"]\ntimeout = \"1h\"\n[defaults.env]\nA = \"1\"\n";
    let sandbox = Sandbox::with(&[("slack_alert.toml", defaults)]);
    let crontab = sandbox.file("tab", "SHELL=/bin/bash\nA=1\nB=2\n@daily /bin/one\nSHELL=/bin/sh\n@daily /bin/two\n");
    let ran = sandbox.run(&["import", "crontab", &crontab.to_string_lossy(), "--user"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(sandbox.read("slack_alert.toml"), defaults, "a file that exists is never touched");
    let (one, two) = (sandbox.read("jobs.d/one.toml"), sandbox.read("jobs.d/two.toml"));
    assert!(!one.contains("shell") && !one.contains("A =") && one.contains("B = \"2\""), "{one}");
    assert!(two.contains("shell = [\"/bin/sh\", \"-c\"]"), "{two}");
    assert!(!ran.stderr.contains("nothing ends a command"), "{ran:?}");

    let bare = Sandbox::with(&[("slack_alert.toml", "")]);
    let ran = bare.run(&["import", "crontab", &crontab.to_string_lossy(), "--user"]);
    assert!(bare.read("jobs.d/one.toml").contains("A = \"1\""), "{ran:?}");
    assert!(ran.stderr.contains("nothing ends a command that hangs"), "{ran:?}");
}

#[test]
fn the_target_is_where_the_configuration_is_or_where_it_is_told() {
    let sandbox = Sandbox::new();
    let crontab = sandbox.file("mine", "0 3 * * * root /usr/bin/true\n");
    let crontab = crontab.to_string_lossy();
    sandbox.file("conf/slack_alert.toml", "");
    for (arguments, written) in [
        (&["--to", "there", "--system"][..], "there/jobs.d/true.toml"),
        (&["--system"], "jobs.d/true.toml"),
        (&["--config", "conf/slack_alert.toml", "--system"], "conf/jobs.d/true.toml"),
    ] {
        let ran = sandbox.run(&[&["import", "crontab", &crontab], arguments].concat());
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
        assert!(sandbox.read(written).contains("user = \"root\""), "{arguments:?}: {ran:?}");
    }
    for (arguments, code) in [
        (&["import", "crontab", "nowhere"][..], 1),
        (&["import", "plugins", "nowhere"], 1),
        (&["import"], 2),
        (&["import", "crontab", "x", "--system", "--user"], 2),
        (&["import", "crontab", &crontab, "--config", "nowhere.toml"], 2),
    ] {
        assert_eq!(sandbox.run(arguments).code, code, "{arguments:?}");
    }
}

#[test]
fn plugins_and_their_configuration_become_jobs_that_pass_check() {
    let sandbox = Sandbox::new();
    let fixtures = root().join("tests/fixtures/import");
    {
        let (from, conf) = (fixtures.join("plugins"), fixtures.join("slack_alert.conf"));
        let (from, conf) = (from.to_string_lossy(), conf.to_string_lossy());
        let ran = sandbox.run(&["import", "plugins", &from, "--conf", &conf]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.stdout.contains("slack_alert.toml"), "{ran:?}");
    }
    assert_eq!(errors(&sandbox), [""; 0], "bursts that wait for their first run are among them");
    assert!(sandbox.run(&["list"]).stdout.lines().count() > 1);
}

#[test]
fn the_python_tools_configuration_is_found_beside_the_plugins_or_at_home() {
    let plugin = "@deco(seconds=2)\ndef one():\n    return 'hello'\n";
    let sandbox =
        Sandbox::with(&[("bot/plugins/a.py", plugin), (".config/slack_alert.conf", "[slack]\nchannel = home\n")]);
    let channel = |from: &str| {
        let ran = sandbox.run(&["import", "plugins", from, "--dry-run", "--to", "new"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.stdout.lines().find_map(|line| line.strip_prefix("+channel = ")).unwrap_or_default().to_owned()
    };
    assert_eq!(channel("bot"), "\"#home\"");
    sandbox.file("bot/slack_alert.conf", "[slack]\nchannel = bot\n");
    assert_eq!((channel("bot").as_str(), channel("bot/plugins").as_str()), ("\"#bot\"", "\"#bot\""));
    let ran = sandbox.run(&["import", "plugins", "bot", "--dry-run", "--ignore-global-config", "--to", "new"]);
    assert!(ran.stderr.contains("the Python tool's configuration is bot/slack_alert.conf"), "{ran:?}");
}

#[test]
fn crontabs_of_debian_packages_pass_check() {
    let mut files = Vec::new();
    let mut folders = vec![root().join("target/cron.d-samples")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() { folders.push(entry.path()) } else { files.push(entry.path()) }
        }
    }
    if files.is_empty() {
        skip("run tests/fetch-crontabs first");
        return;
    }
    for file in files {
        let sandbox = Sandbox::with(&[("slack_alert.toml", "")]);
        let ran = sandbox.run(&["import", "crontab", &file.to_string_lossy()]);
        assert_eq!(ran.code, 0, "{}: {ran:?}", file.display());
        assert_eq!(errors(&sandbox), [""; 0], "{}", file.display());
    }
}

/// Crontabs as they are written: what stands before the command, and the command.
const COMMANDS: &[&str] = &[
    "echo plain",
    "echo one && echo two || echo three; exit 4",
    "test -x /bin/true && echo there",
    "cd /tmp && pwd",
    "A=1 B='2 3' sh -c 'echo $A$B'",
    "echo \"$FOO\" '$FOO' \\$FOO ~ * \"it's\"",
    "date +\\%Y | tr -d 0-9; echo end",
    "cat%first%second",
    "sed s/a/b/%a line \\% of input",
    "echo to stderr >&2; false",
    "echo away > /dev/null 2>&1",
    "( echo in a subshell; exit 3 )",
    "{ echo in a group; }",
    "if true; then echo yes; fi",
    "for i in 1 2 3; do echo $i; done",
    "! true",
    "exec echo replaced",
    ". /dev/null; echo sourced",
    "echo `echo substituted` $(echo too)",
    "echo a # no comment for sh",
    "echo \u{fc}ml\u{e4}ut",
    "no-such-program --at all",
    "echo 'a;b|c&d' \"(e)\"",
    "echo tabs\tand   blanks",
    "kill -9 $$",
    "nice -n 1 echo nice",
    "echo \\\\\\\\",
    "printf '\\%s\\n' percent",
];

/// What cron gives to the shell, and to the command's standard input.
fn as_cron_reads(command: &str) -> (String, String) {
    let (mut words, mut input, mut in_input, mut escaped) = (String::new(), String::new(), false, false);
    for c in command.chars() {
        let out = if in_input { &mut input } else { &mut words };
        match (escaped, c) {
            (true, '%') => {
                out.pop();
                out.push('%');
                escaped = false;
            }
            (true, c) => {
                out.push(c);
                escaped = false;
            }
            (false, '%') if in_input => out.push('\n'),
            (false, '%') => in_input = true,
            (false, c) => {
                out.push(c);
                escaped = c == '\\';
            }
        }
    }
    (words, input)
}

#[test]
fn what_cron_executes_afterwards_is_the_same_command() {
    use std::io::Write as _;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::{Command, Stdio};

    let sandbox = Sandbox::with(&[("slack_alert.toml", "host = 'h'\n[defaults.notify]\non = []\n")]);
    let before: String = COMMANDS.iter().map(|command| format!("*/5 * * * * {command}\n")).collect();
    sandbox.file("tab", &before);
    let ran = sandbox.run(&["import", "crontab", "--user", "--wrap", "--write", "tab"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(sandbox.read("tab.before-wrap"), before, "the crontab as it was is kept");
    let after = sandbox.read("tab");
    assert_eq!(after.lines().count(), COMMANDS.len());
    let environment = sandbox.command(&[]);
    let execute = |line: &str| {
        let (words, input) = as_cron_reads(line.strip_prefix("*/5 * * * * ").expect("its times stay"));
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &words]).current_dir(sandbox.path()).env_clear().env("FOO", "bar  baz");
        shell.envs(environment.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = shell.spawn().expect("sh(1) exists");
        // One that reads nothing closes it.
        let _ = child.stdin.take().expect("it is piped").write_all(input.as_bytes());
        let ended = child.wait_with_output().expect("it ends");
        // A shell that a signal ended, and a wrapper that says so.
        let code = ended.status.code().or(ended.status.signal().map(|signal| 128 + signal));
        (code, String::from_utf8_lossy(&ended.stdout).into_owned(), ended.stderr)
    };
    for (line, wrapped) in before.lines().zip(after.lines()) {
        assert!(wrapped.contains(" wrap --job "), "{wrapped}");
        let (plain, now) = (execute(line), execute(wrapped));
        assert_eq!((now.0, &now.1), (plain.0, &plain.1), "{line}\n{wrapped}");
        if !line.contains("no-such") && !line.contains("kill") {
            assert_eq!(now.2, plain.2, "{line}\n{wrapped}");
        }
    }
}

#[test]
fn wrapped_commands_use_the_state_that_was_named() {
    let sandbox = Sandbox::with(&[("slack_alert.toml", ""), ("tab", "@daily run\n")]);
    let ran = sandbox.run(&["--state-dir", "own state", "import", "crontab", "--user", "--wrap", "tab"]);
    let named = format!(" --state-dir '{}' wrap --job run -- run", sandbox.path().join("own state").display());
    assert!(ran.stdout.contains(&named), "{ran:?}");
}

#[test]
fn a_crontab_on_standard_input_comes_out_in_any_case() {
    let sandbox = Sandbox::with(&[("slack_alert.toml", "host = 'h'\n"), ("jobs.d", "no folder")]);
    let text: &[u8] = b"* * * * * echo \xff\n";
    for (bytes, what) in [(text, "it is not UTF-8"), (b"* * * * * echo a\n", "jobs.d is no folder")] {
        sandbox.file("tab", "");
        fs::write(sandbox.path().join("tab"), bytes).expect("a file");
        let mut command = sandbox.command(&["import", "crontab", "--user", "--wrap", "--write", "-"]);
        command.stdin(fs::File::open(sandbox.path().join("tab")).expect("it was written"));
        let ended = command.output().expect("it starts");
        assert_eq!((ended.status.code(), ended.stdout.as_slice()), (Some(1), bytes), "{what}: {ended:?}");
    }
}

#[test]
fn a_user_whom_this_machine_does_not_know_makes_no_user_crontab_of_the_systems() {
    let text = "0 3 * * * root /usr/bin/true --all\n15 6 * * 1-5 nosuchuser flock -n /run/x /usr/bin/true\n";
    let sandbox = Sandbox::with(&[("slack_alert.toml", ""), ("tab", text)]);
    let ran = sandbox.run(&["import", "crontab", "--wrap", "--write", "tab"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let new = sandbox.read("tab");
    assert!(new.lines().all(|line| line.contains(" root /") || line.contains(" nosuchuser /")), "{new}");
    assert!(new.contains(" -- flock -n /run/x /usr/bin/true") && new.contains(" -- /usr/bin/true --all"), "{new}");
    assert!(ran.stderr.contains("`nosuchuser`") && ran.stderr.contains("--user"), "a guess is told: {ran:?}");
}

#[test]
fn a_crontab_that_may_be_either_is_changed_only_when_it_is_said_which_it_is() {
    let text = "0 3 * * * dbadmin /usr/local/bin/backup\n";
    let sandbox = Sandbox::with(&[("slack_alert.toml", ""), ("tab", text)]);
    let refused = sandbox.run(&["import", "crontab", "--wrap", "--write", "tab"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    for words in ["nothing is written: tab:1: ", "--system", "--user"] {
        assert!(refused.stderr.contains(words), "{words}: {refused:?}");
    }
    assert_eq!(sandbox.read("tab"), text);
    assert!(!sandbox.path().join("jobs.d").exists(), "no job is written either");
    let shown = sandbox.run(&["import", "crontab", "--dry-run", "tab"]);
    assert!(shown.code == 0 && shown.stdout.contains("user = \"dbadmin\""), "{shown:?}");
    assert!(shown.stderr.contains("with --system or --user"), "{shown:?}");
    let ran = sandbox.run(&["import", "crontab", "--wrap", "--write", "--system", "tab"]);
    assert!(ran.code == 0 && sandbox.read("tab").ends_with(" -- /usr/local/bin/backup\n"), "{ran:?}");
}

#[test]
fn two_crontabs_share_no_job() {
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", "host = 'h'\n"),
        ("a", "0 3 * * * /opt/a/backup\n"),
        ("b", "0 4 * * * /opt/b/backup\n@reboot /opt/c/backup\n"),
    ]);
    for tab in ["a", "b"] {
        let ran = sandbox.run(&["import", "crontab", "--user", "--wrap", "--write", tab]);
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    let names = |tab: &str| {
        let text = sandbox.read(tab);
        text.lines()
            .filter_map(|line| Some(line.split("--job ").nth(1)?.split(' ').next()?.to_owned()))
            .collect::<Vec<_>>()
    };
    let (a, b) = (names("a"), names("b"));
    assert!(a == ["backup"] && b.len() == 2 && !b.contains(&a[0]) && b[0] != b[1], "{a:?} {b:?}");
    assert!(sandbox.read("jobs.d/backup.toml").contains("0 3 * * *"));
    assert!(sandbox.read(&format!("jobs.d/{}.toml", b[0])).contains("0 4 * * *"));
}
