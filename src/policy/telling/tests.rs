use super::telling;

#[test]
fn the_line_that_tells_most_is_the_last_unless_that_goes_on_with_another() {
    for (text, line) in [
        ("", None),
        ("\n \n", None),
        ("one\ntwo\n\n", Some("two")),
        ("an error first\nthen words\n", Some("then words")),
        ("Traceback (most recent call last):\n  File \"x\", line 1\nValueError: 7", Some("ValueError: 7")),
        (
            "pg_dump: error: connection to server at \"db1\" failed\npg_dump: detail: Connection refused\n\tIs the server running?",
            Some("pg_dump: error: connection to server at \"db1\" failed"),
        ),
        (
            "pg_dump: error: query failed: ERROR:  permission denied\npg_dump: detail: Query was: LOCK TABLE a",
            Some("pg_dump: error: query failed: ERROR:  permission denied"),
        ),
        ("ERROR:  duplicate key\nDETAIL:  Key (id)=(1) already exists.", Some("ERROR:  duplicate key")),
        ("ERROR:  no such table\nLINE 1: SELECT 1\n          ^\n", Some("ERROR:  no such table")),
        ("error[E0308]: mismatched\n --> a.rs:1:1\n  |\n", Some("error[E0308]: mismatched")),
        ("thread 'main' panicked at a.rs:2:5:\nboom\nnote: run with `RUST_BACKTRACE=1`", Some("boom")),
        ("tar: invalid option -- 'q'\nTry 'tar --help' for more.", Some("tar: invalid option -- 'q'")),
        ("one\n  two\n", Some("  two")),
        ("}\n", Some("}")),
        ("  all of it\n  is indented\n  ^\n", Some("  is indented")),
        ("Errors:\ndisk full\n", Some("disk full")),
        ("error: no route\ndisk=sda1 mount=root host=web\n", Some("disk=sda1 mount=root host=web")),
    ] {
        assert_eq!(telling(text), line, "{text}");
    }
}

#[test]
fn a_line_that_says_no_more_than_that_it_failed_gives_way_to_the_cause() {
    let go = "panic: runtime error: nil pointer\n\ngoroutine 1 [running]:\nmain.(*Client).handleError(0x0)\n\t/src/m.go:17\nmain.main()\n\t/src/m.go:9\nexit status 2\n";
    let java = "Exception in thread \"main\" a.B: export failed\n\tat c.D.e(D.java:41)\nCaused by: java.sql.SQLException: no listener\n\tat x.Y.z(Y.java:7)\n\t... 1 more\n";
    let node = "/srv/index.js:10\n    throw new Error('no config');\n    ^\n\nError: no config\n    at Object.<anonymous> (/srv/index.js:10:11)\n\nNode.js v22.14.0\n";
    let npm = "npm error code E404\nnpm error 404 Not Found - GET https://r.example/left-pod\nnpm error 404\nnpm error 404  'left-pod@*' is not in this registry.\nnpm error A complete log of this run can be found in: /home/dana/x.log\n";
    let npm6 = "npm ERR! code ENOENT\nnpm ERR! path /srv/package.json\nnpm ERR! enoent ENOENT: no such file or directory, open '/srv/package.json'\nnpm ERR! enoent \n\nnpm ERR! A complete log of this run can be found in:\nnpm ERR!     /home/dana/x.log\n";
    for (text, line) in [
        (go, "panic: runtime error: nil pointer"),
        (java, "Caused by: java.sql.SQLException: no listener"),
        (node, "Error: no config"),
        (npm, "npm error 404 Not Found - GET https://r.example/left-pod"),
        (npm6, "npm ERR! enoent ENOENT: no such file or directory, open '/srv/package.json'"),
        (
            "Unhandled exception. Could not find file '/x'.\n   at Program.Main()\nAborted\n",
            "Unhandled exception. Could not find file '/x'.",
        ),
        (
            "Can't locate DBI.pm in @INC at x.pl line 3.\nBEGIN failed--compilation aborted at x.pl line 3.\n",
            "Can't locate DBI.pm in @INC at x.pl line 3.",
        ),
        (
            "main.c:3:10: fatal error: foo.h: No such file\n    3 | #include\n      |  ^~~\ncompilation terminated.\nmake[1]: *** [Makefile:4: main.o] Error 1\nmake: *** [all] Error 2\n",
            "main.c:3:10: fatal error: foo.h: No such file",
        ),
        (
            "ssh: connect to host db1 port 22: Connection refused\nlost connection\n",
            "ssh: connect to host db1 port 22: Connection refused",
        ),
        (
            "tar: /srv: Cannot open: Permission denied\ntar: Exiting with failure status due to previous errors\n\nreal\t0m0.012s\nuser\t0m0.004s\nsys\t0m0.008s\n",
            "tar: /srv: Cannot open: Permission denied",
        ),
        (
            "fatal: [web1]: FAILED! => {}\n\nPLAY RECAP ****\nweb1 : ok=3 changed=0 unreachable=0 failed=1\n",
            "fatal: [web1]: FAILED! => {}",
        ),
        (
            "Fatal: unable to open repository\nIs there a repository at the following location?\ns3:https://s3.example\n",
            "Fatal: unable to open repository",
        ),
        (
            "{\"level\":\"error\",\"msg\":\"cannot open\"}\n{\"level\": \"info\",\"msg\":\"shutting down\"}\n",
            "{\"level\":\"error\",\"msg\":\"cannot open\"}",
        ),
        (
            "2026-11-28 22:00:00 ERROR db: gone\n2026-11-28 22:00:01 INFO shutting down the pool\n",
            "2026-11-28 22:00:00 ERROR db: gone",
        ),
        ("step 2: upload\ncp: cannot stat '/x'\ncleaning up\ndone\n", "cp: cannot stat '/x'"),
        (
            "> Task :x FAILED\n* What went wrong:\nExecution failed for task ':x'.\n> boom\n\n* Try:\n> Run with --info\n\nBUILD FAILED in 3s\n",
            "Execution failed for task ':x'.",
        ),
        (
            "[ERROR] Failed to execute goal a:b: no x -> [Help 1]\n[ERROR] \n[ERROR] Re-run Maven using the -X switch\n[ERROR] [Help 1] http://x\n",
            "[ERROR] Failed to execute goal a:b: no x -> [Help 1]",
        ),
        (
            "ERROR: Repository not found.\nfatal: Could not read from remote repository.\n\nPlease make sure you have the correct access rights\nand the repository exists.\n",
            "fatal: Could not read from remote repository.",
        ),
        (
            "Job for x.service failed because of y.\nSee \"systemctl status x\" for details.\n",
            "Job for x.service failed because of y.",
        ),
        (
            "docker: Error response from daemon: no such image.\nSee 'docker run --help'.\n",
            "docker: Error response from daemon: no such image.",
        ),
        (
            "ERROR: No matching distribution found for x\n[notice] A new release of pip is available\n",
            "ERROR: No matching distribution found for x",
        ),
        (
            "a.B: (c.D) connection refused\n\n(Background on this error at: https://e.example)\n",
            "a.B: (c.D) connection refused",
        ),
        // What says little says it all where nothing else does.
        ("step 1\nstep 2\nexit status 2\n", "exit status 2"),
        ("rows=3 bad=1 good=2\n", "rows=3 bad=1 good=2"),
        ("Killed\n", "Killed"),
    ] {
        assert_eq!(telling(text), Some(line), "{text}");
    }
}

/// What well-known programs write when they fail, as far as it matters; `«` stands in the line that a person would pick.
const TOOLS: &[(&str, &str)] = &[
    (
        "apt update",
        "«E: The repository 'http://x bookworm Release' does not have a Release file.»\nN: Updating from such a repository can't be done securely, and is therefore disabled by default.\nN: See apt-secure(8) manpage for repository creation and user configuration details.\n",
    ),
    (
        "apt install",
        "Reading package lists...\nBuilding dependency tree...\nReading state information...\n«E: Unable to locate package postgre»\n",
    ),
    (
        "dpkg",
        "dpkg: error processing package x (--configure):\n«installed x package post-installation script subprocess returned error exit status 1»\n",
    ),
    (
        "klog",
        "E1130 22:00:00.123456   12345 backup.go:40] «upload failed: access denied\nI1130 22:00:01.123456   12345 backup.go:52] Shutting down the upload queue\n",
    ),
    (
        "glog",
        "F20261130 22:00:00.123456 12345 main.cc:40] «Check failed: fd >= 0\nI20261130 22:00:01.123456 12345 main.cc:52] flushed the caches\n",
    ),
    (
        "kubectl",
        "E1130 12:00:01.123456   12345 memcache.go:265] couldn't get current server API group list: dial tcp 10.0.0.1:6443\n«The connection to the server 10.0.0.1:6443 was refused - did you specify the right host or port?»\n",
    ),
    (
        "kubectl exec",
        "«pg_dump: error: connection to server failed: FATAL:  role \"x\" does not exist»\ncommand terminated with exit code 1\n",
    ),
    ("helm", "«Error: UPGRADE FAILED: timed out waiting for the condition»\n"),
    (
        "yarn",
        "yarn run v1.22.19\n$ node x.js\n«Error: no config»\n    at Object.<anonymous> (/srv/x.js:1:7)\nerror Command failed with exit code 1.\ninfo Visit https://yarnpkg.com/en/docs/cli/run for documentation about this command.\nDone in 3.2s.\n",
    ),
    (
        "npm",
        "npm error code ENOENT\nnpm error syscall open\n«npm error enoent Could not read package.json: Error: ENOENT: no such file or directory, open '/srv/package.json'»\nnpm error enoent This is related to npm not being able to find a file.\nnpm error enoent\nnpm error A complete log of this run can be found in: /root/.npm/_logs/x.log\n",
    ),
    (
        "npm, of which only the end is there",
        "«Error: Cannot find module 'pg'»\nnpm ERR! A complete log of this run can be found in:\nnpm ERR!     /root/.npm/_logs/x.log\n",
    ),
    (
        "pnpm",
        "«ERR_PNPM_OUTDATED_LOCKFILE  Cannot install with \"frozen-lockfile\" because pnpm-lock.yaml is not up to date»\n\nNote that in CI environments this setting is true by default.\n",
    ),
    (
        "pip",
        "ERROR: Could not find a version that satisfies the requirement foo (from versions: none)\n«ERROR: No matching distribution found for foo»\nWARNING: You are using pip version 20.0.2; however, version 23.0 is available.\nYou should consider upgrading via the '/usr/bin/python3 -m pip install --upgrade pip' command.\n",
    ),
    (
        "cargo",
        "«error[E0308]: mismatched types»\n --> src/main.rs:2:18\n  |\n2 |     let x: i32 = \"a\";\n  |                  ^^^ expected `i32`, found `&str`\n\nFor more information about this error, try `rustc --explain E0308`.\nerror: could not compile `x` (bin \"x\") due to 1 previous error\n",
    ),
    (
        "make and gcc",
        "cc -c main.c\n«main.c:3:5: error: 'x' undeclared (first use in this function)»\n    3 |     x = 1;\n      |     ^\nmain.c:3:5: note: each undeclared identifier is reported only once\nmake[1]: *** [Makefile:4: main.o] Error 1\nmake[1]: Leaving directory '/srv/x'\nmake: *** [Makefile:2: all] Error 2\n",
    ),
    (
        "make without a rule",
        "warning: Error handling is off\n«make: *** No rule to make target 'x', needed by 'all'.  Stop.»\n",
    ),
    (
        "the linker",
        "«/usr/bin/ld: main.o: undefined reference to `foo'»\ncollect2: error: ld returned 1 exit status\nmake: *** [Makefile:2: all] Error 1\n",
    ),
    (
        "ninja",
        "FAILED: main.o\n/usr/bin/cc -c main.c\n«main.c:3:5: error: 'x' undeclared»\nninja: build stopped: subcommand failed.\n",
    ),
    (
        "cmake",
        "CMake Error at CMakeLists.txt:3 (find_package):\n«  Could not find a package configuration file provided by \"Foo\" with any of»\n  the following names:\n\n    FooConfig.cmake\n\n-- Configuring incomplete, errors occurred!\n",
    ),
    ("go build", "# example.com/x\n«./main.go:3:2: undefined: foo»\n"),
    (
        "go panic",
        "«panic: assignment to entry in nil map»\n\ngoroutine 1 [running]:\nmain.main()\n\t/srv/main.go:5 +0x2c\ncreated by main.failover in goroutine 1\n\t/srv/main.go:9 +0x1d\nexit status 2\n",
    ),
    (
        "python, chained",
        "Traceback (most recent call last):\n  File \"x.py\", line 1, in <module>\nKeyError: 'a'\n\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  File \"x.py\", line 4, in <module>\n    raise RuntimeError(\"no such key\")\n«RuntimeError: no such key»\n",
    ),
    (
        "python, of a program",
        "«pg_dump: error: connection to server at \"db1\" failed: Connection refused»\nTraceback (most recent call last):\n  File \"x.py\", line 4, in <module>\n    raise CalledProcessError(retcode, process.args)\nsubprocess.CalledProcessError: Command '['pg_dump', 'x']' returned non-zero exit status 1.\n",
    ),
    (
        "pydantic",
        "«pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings»\ndb_url\n  Field required [type=missing, input_value={}, input_type=dict]\n    For further information visit https://errors.pydantic.dev/2.9/v/missing\n",
    ),
    (
        "pytest",
        "«FAILED tests/test_x.py::test_y - AssertionError: assert 1 == 2»\n========================= 1 failed, 3 passed in 0.12s =========================\n",
    ),
    (
        "unittest",
        "Traceback (most recent call last):\n  File \"t.py\", line 5, in test_a\n«AssertionError: 1 != 2»\n\n----------------------------------------------------------------------\nRan 3 tests in 0.001s\n\nFAILED (failures=1)\n",
    ),
    (
        "java",
        "Exception in thread \"main\" java.lang.IllegalStateException: export failed\n\tat a.B.c(B.java:41)\n«Caused by: java.net.ConnectException: Connection refused»\n\tat d.E.f(E.java:7)\n\t... 12 more\n",
    ),
    (
        "spring boot",
        "***************************\nAPPLICATION FAILED TO START\n***************************\n\nDescription:\n\n«Web server failed to start. Port 8080 was already in use.»\n\nAction:\n\nIdentify and stop the process that's listening on port 8080.\n",
    ),
    (
        "maven",
        "[INFO] BUILD FAILURE\n[INFO] Total time:  3.2 s\n[INFO] Finished at: 2026-11-30T22:00:00Z\n«[ERROR] Failed to execute goal a:b: Could not resolve dependencies -> [Help 1]»\n[ERROR] \n[ERROR] Re-run Maven using the -X switch to enable full debug logging.\n[ERROR] [Help 1] http://cwiki.apache.org/x\n",
    ),
    (
        "dotnet",
        "«/srv/a.cs(3,5): error CS0103: The name 'x' does not exist in the current context [/srv/a.csproj]»\n    0 Warning(s)\n    1 Error(s)\n\nTime Elapsed 00:00:01.23\n",
    ),
    (
        "ruby",
        "«/srv/app.rb:3:in `<main>': undefined method `foo' for nil (NoMethodError)»\n\tfrom /srv/x.rb:4:in `y'\n",
    ),
    (
        "php",
        "«PHP Fatal error:  Uncaught Exception: no db in /srv/x.php:3»\nStack trace:\n#0 {main}\n  thrown in /srv/x.php on line 3\n",
    ),
    (
        "rsync",
        "«rsync: [sender] link_stat \"/srv/x\" failed: No such file or directory (2)»\nrsync error: some files/attrs were not transferred (see previous errors) (code 23) at main.c(1338) [sender=3.2.7]\n",
    ),
    (
        "rsync to a full disk",
        "«[sender] write error: No space left on device (28)»\nrsync error: error in file IO (code 11) at receiver.c(400)\n",
    ),
    (
        "rsync alone",
        "sending incremental file list\n«rsync error: timeout in data send/receive (code 30) at io.c(201) [sender=3.2.7]»\n",
    ),
    (
        "rsync over ssh",
        "«ssh: connect to host backup port 22: Connection refused»\nrsync: connection unexpectedly closed (0 bytes received so far) [Receiver]\nrsync error: unexplained error (code 255) at io.c(228) [Receiver=3.2.7]\n",
    ),
    (
        "pg_dump",
        "«pg_dump: error: query failed: ERROR:  permission denied for table a»\npg_dump: detail: Query was: LOCK TABLE public.a IN ACCESS SHARE MODE\n",
    ),
    (
        "psql",
        "«psql:x.sql:3: ERROR:  relation \"error_log\" does not exist»\nLINE 1: select * from error_log;\n                      ^\n",
    ),
    (
        "mysqldump",
        "mysqldump: [Warning] Using a password on the command line interface can be insecure.\n«mysqldump: Got error: 1045: \"Access denied for user 'root'@'localhost'\" when trying to connect»\n",
    ),
    (
        "mysqld",
        "2026-11-30T22:00:00Z 0 [ERROR] [MY-010457] [Server] «--initialize specified but the data directory has files in it. Aborting.\n2026-11-30T22:00:00Z 0 [System] [MY-010910] [Server] /usr/sbin/mysqld: Shutdown complete (mysqld 8.0)\n",
    ),
    (
        "postgres",
        "2026-11-30 22:00:00 UTC [1] «FATAL:  could not open file \"x\": Permission denied\n2026-11-30 22:00:00 UTC [1] LOG:  database system is shut down\n",
    ),
    ("docker run", "«docker: Error response from daemon: pull access denied for x.»\nSee 'docker run --help'.\n"),
    (
        "docker build",
        "------\n > [2/3] RUN npm ci:\n------\n«ERROR: failed to solve: process \"/bin/sh -c npm ci\" did not complete successfully: exit code: 254»\n",
    ),
    (
        "terraform",
        "╷\n│ Error: «Invalid provider configuration\n│ \n│   with provider[\"aws\"],\n│   on main.tf line 1:\n│ \n│ Set the region.\n╵\n",
    ),
    (
        "ansible",
        "«fatal: [web1]: UNREACHABLE! => {\"changed\": false, \"msg\": \"Failed to connect to the host via ssh\"}»\n\nPLAY RECAP *********************\nweb1 : ok=0    changed=0    unreachable=1    failed=0\n",
    ),
    (
        "git push",
        " ! [rejected]        main -> main (fetch first)\n«error: failed to push some refs to 'origin'»\nhint: Updates were rejected because the remote contains work\nhint: See the 'Note about fast-forwards' in 'git push --help' for details.\n",
    ),
    (
        "git clone",
        "Cloning into 'x'...\nremote: Compressing objects: 100% (3/3), done.\n«fatal: could not read Username for 'https://github.com': terminal prompts disabled»\n",
    ),
    (
        "systemctl",
        "«Job for nginx.service failed because the control process exited with error code.»\nSee \"systemctl status nginx.service\" and \"journalctl -xeu nginx.service\" for details.\n",
    ),
    (
        "the journal",
        "nginx[812]: «bind() to 0.0.0.0:80 failed (98: Address already in use)\nnginx.service: Control process exited, code=exited, status=1/FAILURE\nnginx.service: Failed with result 'exit-code'.\n",
    ),
    (
        "nginx -t",
        "«nginx: [emerg] unknown directive \"foo\" in /etc/nginx/nginx.conf:3»\nnginx: configuration file /etc/nginx/nginx.conf test failed\n",
    ),
    (
        "apachectl",
        "AH00526: Syntax error on line 3 of /etc/apache2/x.conf:\n«Invalid command 'Foo', perhaps misspelled or defined by a module not included»\nAction 'configtest' failed.\nThe Apache error log may have more information.\n",
    ),
    (
        "curl",
        "«curl: (60) SSL certificate problem: unable to get local issuer certificate»\nMore details here: https://curl.se/docs/sslcerts.html\n\ncurl failed to verify the legitimacy of the server and therefore could not\nestablish a secure connection to it. To learn more about this situation and\nhow to fix it, please visit the web page mentioned above.\n",
    ),
    (
        "an API, indented",
        "{\n  \"error\": {\n    \"code\": 5,\n    «\"message\": \"the instance is gone\",»\n    \"status\": \"NOT_FOUND\"\n  }\n}\n",
    ),
    ("an API, cut", "{\n    «\"msg\": \"quota is used up\",»\n    \"code\": 5\n"),
    (
        "gcloud",
        "«ERROR: (gcloud.sql.backups.create) PERMISSION_DENIED: Permission 'x' denied»\n- '@type': type.googleapis.com/google.rpc.ErrorInfo\n  domain: iam.googleapis.com\n  reason: IAM_PERMISSION_DENIED\n",
    ),
    (
        "aws",
        "«upload failed: ./x to s3://b/x An error occurred (AccessDenied) when calling the PutObject operation: Access Denied»\nCompleted 1.0 MiB/5.0 MiB (2.0 MiB/s) with 1 file(s) remaining\n",
    ),
    (
        "tar",
        "«tar (child): x.tgz: Cannot open: No such file or directory»\ntar (child): Error is not recoverable: exiting now\ntar: Child returned status 2\ntar: Error is not recoverable: exiting now\n",
    ),
    (
        "dd",
        "«dd: error writing '/mnt/x': No space left on device»\n1+0 records in\n0+0 records out\n1048576 bytes (1.0 MB, 1.0 MiB) copied, 0.5 s, 2.1 GB/s\n",
    ),
    (
        "rclone",
        "2026/11/30 22:00:00 ERROR : «x: Failed to copy: AccessDenied\n2026/11/30 22:00:00 INFO  : There was nothing to transfer\n",
    ),
    (
        "borg",
        "«Connection closed by remote host. Is borg working on the server?»\nterminating with error status, rc 2\n",
    ),
    ("gpg", "gpg: encrypted with 3072-bit RSA key, ID 1\n      \"Dana\"\n«gpg: decryption failed: No secret key»\n"),
    (
        "mount",
        "«mount: /mnt: wrong fs type, bad option, bad superblock on /dev/sdb1, missing codepage or helper program, or other error.»\n       dmesg(1) may have more information after failed mount system call.\n",
    ),
    ("lvm", "«  Volume group \"vg0\" has insufficient free space (0 extents): 256 required.»\n"),
    ("a shell with -x", "+ pg_dump x\n«pg_dump: error: aborting because of server version mismatch»\n+ exit 1\n"),
    ("ssh -t", "«rm: cannot remove '/x': Permission denied»\nConnection to web1 closed.\n"),
    ("a script with a last word", "«cp: cannot stat '/x': No such file or directory»\nbackup failed!\n"),
    (
        "a script that cleans up",
        "«cp: cannot stat '/x': No such file or directory»\nRemoving temporary files...\nProcess exited with code 1\n",
    ),
    ("a script that warns", "«error: cannot write the archive»\nwarning: 3 files were skipped\n"),
    ("a script that only warns", "all hosts were asked\n«warning: 3 files were skipped»\n"),
    ("a download", "«error: disk quota exceeded»\nDownloading x.tar 45% [=======>        ]\n"),
    (
        "python's logging",
        "2026-11-30 22:00:00,123 - backup - «ERROR - upload failed: 403\n2026-11-30 22:00:00,124 - backup - INFO - closing the pool\nINFO:root:bye bye\n",
    ),
    (
        "ruby's logger",
        "E, [2026-11-30T22:00:00.1 #1] ERROR -- : «no connection to redis\nI, [2026-11-30T22:00:00.2 #1]  INFO -- : the worker is gone\n",
    ),
    ("pino", "«{\"level\":50,\"time\":1,\"msg\":\"cannot reach redis\"}»\n{\"level\":30,\"time\":2,\"msg\":\"bye\"}\n"),
    ("logfmt", "«time=\"x\" level=error msg=\"cannot reach redis\"»\ntime=\"x\" level=info msg=\"closing\"\n"),
    ("a daemon with priorities", "<3>«cannot reach redis\n<6>closing\n"),
    (
        "a github action",
        "«Error: Input required and not supplied: token»\n##[error]Process completed with exit code 1.\n",
    ),
];

#[test]
fn of_what_well_known_programs_write_the_line_that_a_person_would_pick_is_told() {
    let mut wrong = Vec::new();
    for (tool, text) in TOOLS {
        let begin = text.find('«').expect("marked");
        let written = text.replace(['«', '»'], "");
        let start = text[..begin].rfind('\n').map_or(0, |at| at + 1);
        let length = text[start..].find('\n').unwrap_or(text.len() - start);
        let line = text[start..start + length].replace(['«', '»'], "");
        let line = line.trim_start_matches("│ ");
        let told = telling(&written).unwrap_or_default();
        if told.trim() != line.trim() {
            wrong.push(format!("{tool}: {told:?} and not {line:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), TOOLS.len(), wrong.join("\n"));
}

#[test]
fn a_last_line_that_says_something_stays_whatever_stands_above_it() {
    for (text, last) in [
        ("cp: cannot open x: Permission denied\n", "disk / is 97% full"),
        ("error: not the first time\n", "the backup of db1 is 3 days old"),
        ("connecting to db1 failed: refused\n", "Missing index on table x"),
        ("warning: access to x denied\n", "load is 8.1, and 4 is the limit"),
        ("error: the table is gone\n", "Could not parse the INFO block of x"),
        ("cannot open x\n", "Something else is wrong with y"),
        ("ERROR one\n", "ERROR two"),
        ("error: one\n", "disk sda: error: failed"),
        ("cannot open x\n", "5 hosts are down"),
        ("cannot open x\n", "Connection to db1 was cut by the firewall"),
        ("cannot open x\n", "Fehler: die Platte ist voll"),
        ("cannot open x\n", "<1> of 3 disks"),
    ] {
        assert_eq!(telling(&format!("{text}{last}\n")), Some(last), "{text}");
    }
    // Nothing else is there.
    for alone in
        ["95%", "Process exited", "N: a note", "\"code\": 5", "https://x.example", "I1130 22:00:00.1 1 x.go:4] bye"]
    {
        assert_eq!(telling(&format!("{alone}\n")), Some(alone));
    }
}

#[test]
fn a_line_of_a_level_below_an_error_does_not_stand_for_one() {
    for (text, line) in [
        ("[ERROR] COMPILATION ERROR : \n[INFO] Total time: 2 s", "[ERROR] COMPILATION ERROR : "),
        ("[ERROR] COMPILATION ERROR\n[ERROR] \n[INFO] Total time: 2 s", "[ERROR] COMPILATION ERROR"),
        ("disk full\n[INFO] exiting", "disk full"),
        ("disk full\n  on /var\n[INFO] exiting", "disk full"),
        (
            "2026-12-01T03:00:00Z error disk full\n2026-12-01T03:00:00Z info exiting",
            "2026-12-01T03:00:00Z error disk full",
        ),
        (
            "2026-12-01 03:00:00,123 disk full\n2026-12-01 03:00:00,124 info bye all",
            "2026-12-01 03:00:00,123 disk full",
        ),
        ("03:00:00 gone\n03:00:00 system halted", "03:00:00 system halted"),
        ("3 found\n3 info lines", "3 info lines"),
        (
            "npm ERR! code ELIFECYCLE\nnpm ERR! A complete log of this run can be found in:\nnpm ERR!     /root/.npm/_logs/x.log",
            "npm ERR! code ELIFECYCLE",
        ),
        ("[INFO] one\n[INFO] two", "[INFO] two"),
    ] {
        assert_eq!(telling(text), Some(line), "{text}");
    }
}
