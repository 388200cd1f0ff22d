//! `slack-alert completions`: scripts that complete commands, options and, where the shell can, names of jobs and numbers of
//! silences.
//!
//! The scripts come from the definition of the command line; bash, zsh and fish ask `slack-alert list --names` for jobs, and
//! `slack-alert silence list --names` for silences.

use std::process::ExitCode;

use clap::{CommandFactory, ValueHint};
use clap_complete::Shell;

use super::args::{Cli, CompletionsArgs};
use super::locate::World;

/// The program's name.
const NAME: &str = "slack-alert";

/// The arguments that name jobs.
const JOB_ARGUMENTS: [&str; 3] = ["job", "jobs", "pattern"];

/// zsh: hints that nothing else here has mark the places of job names, and of silences.
const ZSH_MARK: &str = "_hosts";
const ZSH_HOLD_MARK: &str = "_users";

const ZSH_JOBS: &str = r#"
(( $+functions[_slack-alert_jobs] )) ||
_slack-alert_jobs() {
    local -a jobs
    jobs=("${(@f)$(slack-alert list --names 2>/dev/null)}")
    (( ${#jobs} )) && compadd -a jobs
}

(( $+functions[_slack-alert_silences] )) ||
_slack-alert_silences() {
    local -a silences
    silences=("${(@f)$(slack-alert silence list --names 2>/dev/null)}")
    (( ${#silences} )) && compadd -a silences
}
"#;

/// Prints the script.
pub(super) fn run(world: &World, args: &CompletionsArgs) -> ExitCode {
    world.terminal.out(&script(args.shell));
    ExitCode::SUCCESS
}

/// The script of a shell.
fn script(shell: Shell) -> String {
    let mut command = Cli::command();
    let takers = job_takers(&command);
    for name in &takers {
        command = command.mut_subcommand(name, |command| {
            command.mut_args(|arg| {
                let names_jobs = JOB_ARGUMENTS.contains(&arg.get_id().as_str());
                if names_jobs { arg.value_hint(ValueHint::Hostname) } else { arg }
            })
        });
    }
    command = command.mut_subcommand("silence", |silence| {
        silence.mut_subcommand("end", |end| end.mut_arg("hold", |hold| hold.value_hint(ValueHint::Username)))
    });
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut command, NAME, &mut bytes);
    let script = String::from_utf8_lossy(&bytes).into_owned();
    match shell {
        // The generator takes the hyphen of the name for the border of a subcommand, in one of two places (seen with
        // clap_complete 4.6): without this no option of a subcommand would be completed.
        Shell::Bash => script.replace("slack__subcmd__alert", "slack__alert") + &bash(&takers),
        Shell::Zsh => zsh(&script),
        Shell::Fish => script + &fish(&takers),
        _ => script,
    }
}

/// The commands that take jobs.
fn job_takers(command: &clap::Command) -> Vec<String> {
    let takes_jobs = |command: &&clap::Command| {
        command.get_positionals().any(|argument| JOB_ARGUMENTS.contains(&argument.get_id().as_str()))
    };
    command.get_subcommands().filter(takes_jobs).map(|command| command.get_name().to_owned()).collect()
}

/// The generated function is asked first; where a job may stand, the jobs' names are added to what it found.
fn bash(takers: &[String]) -> String {
    let takers = takers.join("|");
    format!(
        r#"
_slack__alert_with_jobs() {{
    _slack__alert "$@"
    local cur="${{COMP_WORDS[COMP_CWORD]}}" word i options=()
    [[ "$cur" == -* || "${{COMP_WORDS[COMP_CWORD-1]}}" == -* ]] && return
    for (( i = 1; i < COMP_CWORD; i++ )); do
        word="${{COMP_WORDS[i]}}"
        case "$word" in
            --config|--path|--state-dir) options+=("$word" "${{COMP_WORDS[i+1]}}") ;;
            silence)
                case "${{COMP_WORDS[i+1]}}" in
                    list) [[ $COMP_CWORD -gt $((i+1)) ]] && return ;;
                    end)
                        if [[ $COMP_CWORD -gt $((i+1)) ]]; then
                            COMPREPLY=( $(compgen -W "$(slack-alert "${{options[@]}}" silence list --names 2>/dev/null)" -- "$cur") )
                            return
                        fi ;;
                esac
                [[ $COMP_CWORD -gt $((i+1)) ]] && return
                COMPREPLY=( $(compgen -W "list end $(slack-alert "${{options[@]}}" list --names 2>/dev/null)" -- "$cur") )
                return ;;
            {takers})
                COMPREPLY=( $(compgen -W "$(slack-alert "${{options[@]}}" list --names 2>/dev/null)" -- "$cur") )
                return ;;
        esac
    done
}}
complete -F _slack__alert_with_jobs -o nosort -o bashdefault -o default slack-alert 2>/dev/null ||
    complete -F _slack__alert_with_jobs -o bashdefault -o default slack-alert
"#
    )
}

fn zsh(script: &str) -> String {
    let marked = script.replace(ZSH_MARK, "_slack-alert_jobs").replace(ZSH_HOLD_MARK, "_slack-alert_silences");
    // The function must be there before the script calls itself, at its end.
    match marked.split_once("\n\n") {
        Some((head, rest)) => format!("{head}\n{ZSH_JOBS}\n{rest}"),
        None => marked,
    }
}

fn fish(takers: &[String]) -> String {
    let takers = takers.join(" ");
    format!(
        "complete -c slack-alert -n \"__fish_seen_subcommand_from {takers}; and not __fish_seen_subcommand_from list end\" -f \
         -a \"(slack-alert list --names 2>/dev/null)\"\n\
         complete -c slack-alert -n \"__fish_seen_subcommand_from silence; and __fish_seen_subcommand_from end\" -f -a \
         \"(slack-alert silence list --names 2>/dev/null)\"\n"
    )
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap_complete::Shell;

    use super::{job_takers, script};
    use crate::cli::args::Cli;

    #[test]
    fn every_command_that_names_a_job_completes_it() {
        let takers = job_takers(&Cli::command());
        for name in [
            "once", "preview", "why", "history", "next", "simulate", "status", "trigger", "pause", "resume", "silence",
            "ack",
        ] {
            assert!(takers.iter().any(|taker| taker == name), "{name} is missing in {takers:?}");
        }
        assert!(!takers.iter().any(|taker| taker == "check"), "{takers:?}");
    }

    #[test]
    fn the_hint_marks_job_names_and_nothing_else() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::Elvish, Shell::PowerShell] {
            let text = script(shell);
            assert!(text.contains("simulate") && !text.contains("_hosts") && !text.contains("_users"), "{shell}");
            let asks = text.contains("slack-alert list --names") || text.contains("}\" list --names");
            assert_eq!(asks, text.contains("silence list --names"), "{shell}");
            assert_eq!(asks, matches!(shell, Shell::Bash | Shell::Zsh | Shell::Fish), "{shell}");
        }
    }
}
