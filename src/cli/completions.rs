//! `slack-alert completions`: scripts that complete commands, options and, where the shell can, names of jobs and numbers of
//! silences.
//!
//! The scripts come from the definition of the command line; bash, zsh and fish ask `slack-alert list --names` for jobs, with
//! `=known` for those that only `wrap` knows too, with `=patterns` for tags too, and `slack-alert silence list --names` for
//! silences, with `=holds` for whatever can be resumed.

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::{CommandFactory, ValueHint};
use clap_complete::Shell;

use super::args::{Cli, CompletionsArgs};
use super::locate::World;

/// The program's name.
const NAME: &str = "slack-alert";

/// The arguments that name jobs.
const JOB_ARGUMENTS: [&str; 3] = ["job", "jobs", "pattern"];

/// What may stand where a command names jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    /// Jobs that have a file.
    Jobs,
    /// Jobs that only `wrap` knows, too.
    Known,
    /// Those, and tags.
    Patterns,
    /// Those, and the numbers of holds.
    Holds,
    /// Silences, by their numbers and patterns.
    Silences,
}

impl Names {
    const ALL: [Self; 5] = [Self::Jobs, Self::Known, Self::Patterns, Self::Holds, Self::Silences];

    /// Of a command.
    fn of(command: &str) -> Self {
        match command {
            "why" | "history" | "ack" => Self::Known,
            "status" | "pause" | "silence" => Self::Patterns,
            "resume" => Self::Holds,
            _ => Self::Jobs,
        }
    }

    /// The commands that print them.
    fn asked(self) -> &'static [&'static str] {
        match self {
            Self::Jobs => &["list --names"],
            Self::Known => &["list --names=known"],
            Self::Patterns => &["list --names=patterns"],
            Self::Holds => &["silence list --names=holds", "list --names=patterns"],
            Self::Silences => &["silence list --names"],
        }
    }

    /// zsh: a hint that nothing else here has marks their places.
    fn hint(self) -> ValueHint {
        match self {
            Self::Jobs => ValueHint::Hostname,
            Self::Known => ValueHint::Url,
            Self::Patterns => ValueHint::EmailAddress,
            Self::Holds => ValueHint::CommandString,
            Self::Silences => ValueHint::Username,
        }
    }

    /// What zsh's script says in the place of that hint.
    fn mark(self) -> &'static str {
        match self {
            Self::Jobs => "_hosts",
            Self::Known => "_urls",
            Self::Patterns => "_email_addresses",
            Self::Holds => "_cmdstring",
            Self::Silences => "_users",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Jobs => "jobs",
            Self::Known => "known",
            Self::Patterns => "patterns",
            Self::Holds => "holds",
            Self::Silences => "silences",
        }
    }
}

/// Prints the script.
pub(super) fn run(world: &World, args: &CompletionsArgs) -> ExitCode {
    world.terminal.out(&script(args.shell));
    ExitCode::SUCCESS
}

/// The script of a shell.
fn script(shell: Shell) -> String {
    let mut command = no_files(Cli::command());
    let takers = job_takers(&command);
    for name in &takers {
        let names = Names::of(name);
        command = command.mut_subcommand(name, |command| {
            command.mut_args(|arg| {
                let names_jobs = JOB_ARGUMENTS.contains(&arg.get_id().as_str());
                if names_jobs { arg.value_hint(names.hint()) } else { arg }
            })
        });
    }
    command = command.mut_subcommand("silence", |silence| {
        silence.mut_subcommand("end", |end| end.mut_arg("hold", |hold| hold.value_hint(Names::Silences.hint())))
    });
    command = command.mut_subcommand("wrap", |wrap| wrap.mut_arg("job", |job| job.value_hint(Names::Known.hint())));
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut command, NAME, &mut bytes);
    let script = String::from_utf8_lossy(&bytes).into_owned();
    match shell {
        // The generator takes the hyphen of the name for the border of a subcommand, in one of two places (seen with
        // clap_complete 4.6): without this no option of a subcommand would be completed.
        Shell::Bash => script.replace("slack__subcmd__alert", "slack__alert") + &bash(&takers, &valued(&command)),
        Shell::Zsh => zsh(&script),
        Shell::Fish => script + &fish(&takers),
        _ => script,
    }
}

/// Values of options that are no paths are no names of files.
fn no_files(command: clap::Command) -> clap::Command {
    let names: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let command = command.mut_args(|arg| {
        let takes_a_word = !arg.is_positional()
            && arg.get_action().takes_values()
            && arg.get_value_hint() == ValueHint::Unknown
            && arg.get_possible_values().is_empty();
        if takes_a_word { arg.value_hint(ValueHint::Other) } else { arg }
    });
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, no_files))
}

/// The options that take a value, of all commands: what follows one of them is no job.
fn valued(command: &clap::Command) -> BTreeSet<String> {
    let own = command.get_opts().filter(|option| option.get_action().takes_values()).flat_map(|option| {
        let short = option.get_short().map(|short| format!("-{short}"));
        short.into_iter().chain(option.get_long().map(|long| format!("--{long}")))
    });
    own.chain(command.get_subcommands().flat_map(valued)).collect()
}

/// The commands that take jobs.
fn job_takers(command: &clap::Command) -> Vec<String> {
    let takes_jobs = |command: &&clap::Command| {
        command.get_positionals().any(|argument| JOB_ARGUMENTS.contains(&argument.get_id().as_str()))
    };
    command.get_subcommands().filter(takes_jobs).map(|command| command.get_name().to_owned()).collect()
}

/// The generated function is asked first; where a job may stand, the jobs' names are in the place of what it found. bash breaks
/// words at colons: those of `tag:NAME` are put together, and what is on the line already is taken off what is offered.
fn bash(takers: &[String], valued: &BTreeSet<String>) -> String {
    let valued = valued.iter().map(String::as_str).filter(|name| *name != "--nagios").collect::<Vec<_>>().join("|");
    let cases: String = takers
        .iter()
        .filter(|taker| *taker != "silence")
        .map(|taker| {
            let asked: Vec<String> = Names::of(taker).asked().iter().map(|words| format!("$(_ask {words})")).collect();
            format!("            {taker}) _offer \"{}\"; return ;;\n", asked.join(" "))
        })
        .collect();
    let (patterns, silences, known) = (Names::Patterns.asked()[0], Names::Silences.asked()[0], Names::Known.asked()[0]);
    let script = format!(
        r#"
_slack__alert_with_jobs() {{
    _slack__alert "$@"
    local cur last i prefix="" words=() options=()
    for (( i = 0; i <= COMP_CWORD; i++ )); do
        if (( i > 1 )) && [[ "${{COMP_WORDS[i]}}" == : || "${{COMP_WORDS[i-1]}}" == : ]]; then
            words[${{#words[@]}}-1]+="${{COMP_WORDS[i]}}"
        else
            words+=("${{COMP_WORDS[i]}}")
        fi
    done
    last=$(( ${{#words[@]}} - 1 ))
    cur="${{words[last]}}"
    [[ "$cur" == "${{COMP_WORDS[COMP_CWORD]}}" ]] || prefix="${{cur%"${{cur##*:}}"}}"
    [[ "$cur" == -* ]] && return
    for (( i = 1; i < last; i++ )); do
        case "${{words[i]}}" in
            --config|--path|--state-dir) options+=("${{words[i]}}" "${{words[i+1]}}") ;;
            --) return ;;
            wrap)
                [[ "${{words[last-1]}}" == --job || "${{words[last-2]}}${{words[last-1]}}" == --job= ]] &&
                    _offer "$(_ask {known})"
                return ;;
        esac
    done
    case "${{words[last-1]}}" in
        --nagios) _offer "$(_ask {patterns})"; return ;;
        =|{valued}) return ;;
    esac
    for (( i = 1; i < last; i++ )); do
        case "${{words[i]}}" in
            silence)
                case "${{words[i+1]}}" in
                    list) [[ $last -gt $((i+1)) ]] && return ;;
                    end) [[ $last -gt $((i+1)) ]] && {{ _offer "$(_ask {silences})"; return; }} ;;
                esac
                [[ $last -gt $((i+1)) ]] && return
                _offer "list end $(_ask {patterns})"
                return ;;
{cases}        esac
    done
}}
_slack__alert_ask() {{
    slack-alert "${{options[@]}}" "$@" 2>/dev/null
}}
_slack__alert_offer() {{
    COMPREPLY=( $(compgen -W "$1" -- "$cur") )
    COMPREPLY=( "${{COMPREPLY[@]#"$prefix"}}" )
}}
complete -F _slack__alert_with_jobs -o nosort -o bashdefault -o default slack-alert 2>/dev/null ||
    complete -F _slack__alert_with_jobs -o bashdefault -o default slack-alert
"#
    );
    script.replace("_ask ", "_slack__alert_ask ").replace("_offer ", "_slack__alert_offer ")
}

fn zsh(script: &str) -> String {
    let marked = Names::ALL.iter().fold(script.to_owned(), |script, names| {
        script.replace(names.mark(), &format!("_slack-alert_{}", names.word()))
    });
    let functions: String = Names::ALL
        .iter()
        .map(|names| {
            let (word, asked) = (names.word(), names.asked());
            let asked: Vec<String> = asked.iter().map(|words| format!("slack-alert {words} 2>/dev/null")).collect();
            let asked = asked.join("; ");
            format!(
                "\n(( $+functions[_slack-alert_{word}] )) ||\n_slack-alert_{word}() {{\n    local -a names\n    \
                 names=(\"${{(@f)$({asked})}}\")\n    names=(${{names:#}})\n    (( ${{#names}} )) && compadd -a names\n}}\n"
            )
        })
        .collect();
    // The functions must be there before the script calls itself, at its end.
    match marked.split_once("\n\n") {
        Some((head, rest)) => format!("{head}\n{functions}\n{rest}"),
        None => marked,
    }
}

fn fish(takers: &[String]) -> String {
    let line = |condition: &str, more: &str, names: Names| {
        let asked: Vec<String> = names.asked().iter().map(|words| format!("slack-alert {words} 2>/dev/null")).collect();
        format!("complete -c slack-alert -n \"{condition}\" {more} -a \"({})\"\n", asked.join("; "))
    };
    let own: String = takers
        .iter()
        .map(|taker| {
            let condition =
                format!("__fish_seen_subcommand_from {taker}; and not __fish_seen_subcommand_from list end");
            line(&condition, "-f", Names::of(taker))
        })
        .collect();
    let end = "__fish_seen_subcommand_from silence; and __fish_seen_subcommand_from end";
    own + &line(end, "-f", Names::Silences) + &line("__fish_seen_subcommand_from wrap", "-l job -x", Names::Known)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap_complete::Shell;

    use super::{Names, job_takers, script};
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
            assert!(text.contains("simulate"), "{shell}");
            assert!(Names::ALL.iter().all(|names| !text.contains(names.mark())), "{shell}");
            let asks = text.contains("slack-alert list --names") || text.contains("_ask list --names");
            assert_eq!(asks, text.contains("silence list --names"), "{shell}");
            assert_eq!(asks, matches!(shell, Shell::Bash | Shell::Zsh | Shell::Fish), "{shell}");
        }
    }
}
