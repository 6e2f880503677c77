//! The executable as people use it: by hand, not through Terraform.

mod explain;
mod host;
mod watch;

use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use immutable::plugin::Mode;

use crate::SOURCE_ADDRESS;

/// Terraform provider for immutable image fleets
///
/// Terraform starts this program by itself; to use it, name it in a configuration and run
/// `terraform init`. What is here is for people who develop or look after it.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
struct Arguments {
    /// Stay in the foreground for a debugger, and print how to point Terraform here
    #[arg(long)]
    debug: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Explain(explain::Explain),
    /// Look after the processes of fleets on this machine
    Host(host::Host),
    Watch(watch::Watch),
}

/// Does what the arguments say.
pub(crate) fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        // Asked-for help and version go to standard output and are no failure; `exit_code` knows.
        Err(refusal) => {
            let _ = refusal.print();
            return ExitCode::from(u8::try_from(refusal.exit_code()).unwrap_or(1));
        }
    };
    match arguments {
        Arguments {
            command: Some(Command::Explain(explain)),
            ..
        } => explain::run(&explain),
        Arguments {
            command: Some(Command::Watch(watch)),
            ..
        } => watch::run(&watch),
        Arguments {
            command: Some(Command::Host(host)),
            ..
        } => host::run(host),
        Arguments {
            debug: true,
            command: None,
        } => crate::serve(Mode::Debug {
            address: SOURCE_ADDRESS.to_owned(),
        }),
        Arguments {
            debug: false,
            command: None,
        } => introduce(),
    }
}

/// Tells someone who started the program by hand what it is and how to use it.
pub(crate) fn introduce() -> ExitCode {
    let version = env!("CARGO_PKG_VERSION");
    let _ = write!(
        io::stderr(),
        r#"This is a Terraform provider, version {version}: it replaces fleets of machines by new ones made
from a new image, under live traffic. Terraform starts it; there is nothing to see here.

To use it, put this into a .tf file and run "terraform init":

    terraform {{
      required_providers {{
        immutable = {{ source = "immutable-fleets/immutable" }}
      }}
    }}

To use this very file, without a registry, name its directory in ~/.terraformrc:

    provider_installation {{
      dev_overrides {{ "immutable-fleets/immutable" = "{directory}" }}
      direct {{}}
    }}

Try --help for what else this program can do.
"#,
        directory = directory(),
    );
    ExitCode::FAILURE
}

/// Prints what was asked for. A reader that has gone, such as `head`, has had enough, and nothing is
/// wrong.
pub(crate) fn print(text: &str) -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// A text without what a terminal would obey, in one line.
pub(crate) fn printable(text: impl AsRef<str>) -> String {
    text.as_ref().replace(char::is_control, " ")
}

/// The same of a text of several lines.
pub(crate) fn printable_lines(text: &str) -> String {
    let is_obeyed = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\t');
    text.replace(is_obeyed, " ")
}

/// Says why the program failed.
pub(crate) fn fail(error: &dyn Display) -> ExitCode {
    let _ = writeln!(io::stderr(), "terraform-provider-immutable: {error}");
    ExitCode::FAILURE
}

/// Joins an error with what caused it.
pub(crate) fn words(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

/// The directory that holds this program, for copying into a configuration.
fn directory() -> String {
    let executable = std::env::current_exe().ok();
    let directory = executable.as_deref().and_then(|path| path.parent());
    directory.map_or_else(
        || "/path/to/its/directory".to_owned(),
        |path| path.display().to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_obeys_nothing_that_a_member_wrote() {
        let wrote = "\u{1b}[2Jgone\tfor\never";
        assert_eq!(printable(wrote), " [2Jgone for ever");
        assert_eq!(printable_lines(wrote), " [2Jgone\tfor\never");
    }
}
