//! What `--help` says below the options of each command: examples, and exit codes where they are its own. `-h` leaves it
//! out. tests/it/cli/help.rs tries every example on the parser.
//!
//! Two lines an example, so that both stay within the narrowest terminal: what it is for, and what to type. Sentences have
//! no line breaks of their own: the terminal's width makes them.

/// Below every summary, and below the help of commands without exit codes of their own.
pub(super) const SEE_ALSO: &str = "See slack-alert(1) and slack_alert.toml(5).";

pub(super) const SLACK_ALERT: &str = "\
Examples:
  # the jobs in ./jobs.d, with messages on the terminal, and without a trace
  slack-alert --path . --dry-run
  # is all well with the configuration?
  slack-alert check
  # what does this job do, and what would it say?
  slack-alert once disk
  # why was nobody told?
  slack-alert why disk

Exit status: 0 well; 1 it found problems or failed; 2 wrong usage, or no configuration found.

See slack-alert(1), slack_alert.toml(5), and slack-alert-guide(7) for the first steps.";

pub(super) const RUN: &str = "\
Examples:
  # the jobs in ./jobs.d, with messages on the terminal, and without a trace
  slack-alert run --path . --dry-run
  # refuse to start with any error
  slack-alert run --strict
  # every decision with its reason, one JSON object a line
  slack-alert run -v --log-format json
  # three alerts of each job, then an hour of rest
  slack-alert run --max-alert 3 --pause-time 60

Signals: TERM and INT stop gracefully, a second INT at once; HUP reads the configuration again, file by file.

Exit status: 0 after a stop; 1 it could not start; 2 wrong usage, or no configuration found.";

pub(super) const INIT: &str = "\
Examples:
  # in this folder
  slack-alert init
  # in another one
  slack-alert init alerts

Exit status: 0 well; 1 there is a slack_alert.toml already, or the files cannot be written; 2 wrong usage.";

pub(super) const CHECK: &str = "\
Examples:
  # the configuration that `run` would use
  slack-alert check
  # one job, with the defaults of its configuration
  slack-alert check jobs.d/disk.toml
  # in continuous integration: annotations on the pull request
  slack-alert check --deny-warnings --format github .
  # does Slack take the token, and are all scopes granted?
  slack-alert check --online
  # what does this code mean?
  slack-alert check --explain no-timeout

Exit status: 0 no error; 1 an error, or with --deny-warnings a warning; 2 wrong usage, or no configuration found.";

pub(super) const ONCE: &str = "\
Examples:
  # run it, and show what would be said
  slack-alert once disk
  # and say it
  slack-alert once --post disk
  # as the service would
  sudo -u slack-alert slack-alert once disk

Exit status: that of the command; 124 its time was up; 127 it could not be started; 128 and the signal's number when a \
signal ended it.";

pub(super) const NEXT: &str = "\
Examples:
  # every job's next time
  slack-alert next
  # ten times of one job
  slack-alert next -n 10 db/backup
  # through the night in which clocks go forward
  slack-alert next --from 2026-03-29 --json db/backup";

pub(super) const PREVIEW: &str = "\
Examples:
  # with sample output
  slack-alert preview disk
  # with real output
  df -h | slack-alert preview --stdout - disk
  # a failure
  slack-alert preview --exit 2 --stderr error.txt disk
  # its end
  slack-alert preview --event recovery disk
  # what Slack would get, for its Block Kit Builder
  slack-alert preview --json disk";

pub(super) const SIMULATE: &str = "\
Examples:
  # all jobs, 24 hours from now, all of them well
  slack-alert simulate
  # through the night in which clocks go forward
  slack-alert simulate --from 2026-03-29 --for 6h
  # disk fails every night from three to four
  slack-alert simulate --outcome disk=critical@03:00-04:00 disk
  # everything fails for half an hour
  slack-alert simulate --outcome '*=critical@2026-11-23T02:00-2026-11-23T02:30'
  # everything is silenced for a maintenance, in which disk fails
  slack-alert simulate --outcome disk=critical --silence '*@03:00-04:00'
  # what a job says that always prints something
  slack-alert simulate --stdout queue=hello --for 3h queue";

pub(super) const WHY: &str = "\
Examples:
  # about its last run
  slack-alert why disk
  # about the run at that time today
  slack-alert why --at 03:14 disk
  # about five runs up to then
  slack-alert why --at 2026-11-23T03:14 -n 5 disk";

pub(super) const LIST: &str = "\
Examples:
  # all jobs
  slack-alert list
  # their names alone
  slack-alert list --json | jq -r '.[].name'";

pub(super) const HISTORY: &str = "\
Examples:
  # the last 20 runs of all jobs
  slack-alert history
  # the last five of one
  slack-alert history -n 5 db/backup
  # what failed since yesterday at this time
  slack-alert history --failed --since 24h
  # one run with everything that it printed
  slack-alert history --run 812
  # which jobs took longer than a minute
  slack-alert history --json | jq '.[] | select(.duration > 60) | .job'";

pub(super) const OUTBOX: &str = "\
Examples:
  # everything that waits, and every dead letter
  slack-alert outbox
  # dead letters, with what Slack said
  slack-alert outbox list --dead
  # send all dead letters again, once the channel is there
  slack-alert outbox retry --dead
  # throw one message away
  slack-alert outbox drop 19";

pub(super) const OUTBOX_LIST: &str = "\
Examples:
  # dead letters, with what Slack said
  slack-alert outbox list --dead
  # what waits for one channel, with the whole messages
  slack-alert outbox list --channel '#ops' --json";

pub(super) const OUTBOX_RETRY: &str = "\
Examples:
  # all dead letters, once the channel is there
  slack-alert outbox retry --dead
  # these two
  slack-alert outbox retry 17 18";

pub(super) const OUTBOX_DROP: &str = "\
Examples:
  # one message
  slack-alert outbox drop 19
  # all dead letters
  slack-alert outbox drop --dead";

pub(super) const STATUS: &str = "\
Examples:
  # what is failing, and who has it?
  slack-alert status
  # everything of the database jobs, the well ones too
  slack-alert status 'db/*'
  # on a screen on the wall
  slack-alert status --watch --failing
  # for a program
  slack-alert status --json | jq '.incidents[] | {job, since, line}'
  # from Nagios or Icinga; 0 ok, 1 warning, 2 critical, 3 unknown
  slack-alert status --nagios 'db/*'
  # for a container: HEALTHCHECK CMD slack-alert status --health
  slack-alert status --health

Exit status: 0 the daemon answered, also when jobs fail; 1 it did not; 2 wrong usage.";

pub(super) const TRIGGER: &str = "\
Examples:
  # its cause is fixed: run it now
  slack-alert trigger db/backup
  # wait for its end, and go on only if it was well
  slack-alert trigger --wait --note 'before the upgrade' db/backup

Exit status: 0 it runs; 1 no daemon, no right, or it runs already; 2 wrong usage. With --wait that of the command; 124 its \
time was up; 127 it could not be started; 128 and the signal's number when a signal ended it.";

pub(super) const PAUSE: &str = "\
Examples:
  # for an hour
  slack-alert pause db/backup
  # all of etl, until four in the afternoon
  slack-alert pause 'etl/*' until 16:00 --note migration
  # everything with a tag, over the night
  slack-alert pause tag:nightly until tomorrow 08:00";

pub(super) const RESUME: &str = "\
Examples:
  # one job
  slack-alert resume db/backup
  # every pause
  slack-alert resume '*'
  # a hold of any kind, by the number that `status` or `why` shows
  slack-alert resume 7";

pub(super) const SILENCE: &str = "\
Examples:
  # two hours of maintenance
  slack-alert silence 'db/*' 2h --note migration
  # until it is ok, at most a day
  slack-alert silence disk 24h --until-ok
  # what is silenced, and end one of them
  slack-alert silence list
  slack-alert silence end 7
  # a job that is called list, end or help itself
  slack-alert silence -- list 2h";

pub(super) const SILENCE_LIST: &str = "\
Examples:
  # what is silenced, until when, by whom
  slack-alert silence list
  # for a program
  slack-alert silence list --json | jq -r '.[].pattern'";

pub(super) const SILENCE_END: &str = "\
Examples:
  # by its number
  slack-alert silence end 7
  # by its pattern
  slack-alert silence end 'db/*'";

pub(super) const ACK: &str = "\
Examples:
  # I have it
  slack-alert ack db/backup
  # until the morning, and what is done about it
  slack-alert ack db/backup until 08:00 --note 'new disk is on its way'";

pub(super) const RELOAD: &str = "\
Examples:
  # take changed files now, and see what came of it
  slack-alert reload
  # for a program
  slack-alert reload --json | jq .not_loaded

Exit status: 0 no file has errors; 1 one has, or there is no daemon; 2 wrong usage.";

pub(super) const PING: &str = "\
Examples:
  # the default channel
  slack-alert ping
  # another one, as the service sees it
  sudo -u slack-alert slack-alert ping '#pager'

Exit status: 0 every step went well; 1 a step failed; 2 wrong usage, or no channel is known.";

pub(super) const IMPORT: &str = "\
Examples:
  # what would become of this crontab?
  slack-alert import crontab --dry-run /etc/cron.d/backup
  # one's own crontab, into one's own configuration
  crontab -l | slack-alert import crontab --to ~/.config/slack-alert -
  # plugins of the Python slack-alert, with their configuration
  slack-alert import plugins --conf ~/slack_alert.conf ~/slack-alert";

pub(super) const WRAP: &str = "\
Examples:
  # a line of a crontab: cron starts it, slack-alert tells of it
  0 3 * * *  slack-alert wrap --job db/backup -- /usr/local/bin/backup --all
  # what a shell has to read first
  slack-alert wrap --job logs -- sh -c 'cd /srv/logs && rotate | mail ops'
  # no mail of cron when all is well
  slack-alert wrap --quiet --timeout 1h -- /usr/local/bin/sync
  # without a file for the job: missing when it does not come each day
  slack-alert wrap --job certs --expect 1d --grace 2h -- certbot renew";

pub(super) const IMPORT_CRONTAB: &str = "\
Examples:
  # what would become of this crontab?
  slack-alert import crontab --dry-run /etc/cron.d/backup
  # one's own crontab, into one's own configuration
  crontab -l | slack-alert import crontab --to ~/.config/slack-alert -
  # cron goes on starting the commands, each under wrap: see the change, make it
  slack-alert import crontab --wrap /etc/cron.d/backup
  slack-alert import crontab --wrap --write /etc/cron.d/backup
  slack-alert import crontab --wrap --write tab";

pub(super) const IMPORT_PLUGINS: &str = "\
Examples:
  # what would become of these plugins?
  slack-alert import plugins --dry-run ~/slack-alert
  # with the Python tool's configuration, which becomes slack_alert.toml
  slack-alert import plugins --conf ~/slack_alert.conf --to jobs ~/slack-alert";

pub(super) const SCHEMA: &str = "\
Examples:
  # of job files
  slack-alert schema job > job.schema.json
  # of slack_alert.toml
  slack-alert schema config > slack_alert.schema.json

Editors with Even Better TOML or taplo take it from the first line of a file: #:schema ./job.schema.json";

pub(super) const COMPLETIONS: &str = "\
Examples:
  # for this shell
  source <(slack-alert completions bash)
  # for every bash of this machine
  slack-alert completions bash > /etc/bash_completion.d/slack-alert
  slack-alert completions zsh > /usr/local/share/zsh/site-functions/_slack-alert
  slack-alert completions fish > ~/.config/fish/completions/slack-alert.fish";
