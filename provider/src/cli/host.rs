//! The local cloud's host, for people: what it does, what its members say, and how to end it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use immutable::cloud::local::{self, Directory, Isolation, LocalCloud, Stopped};
use immutable::model::MemberId;

use crate::cli::printable_lines;

/// Look after the processes of fleets on this machine.
#[derive(Debug, Args)]
pub(super) struct Host {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show fleets, generations, members and releases
    Status(Place),
    /// Show what a member has written; without a name, what the host itself has
    Logs {
        /// The member's id, as `host status` shows it
        member: Option<String>,
        #[command(flatten)]
        place: Place,
    },
    /// End the host and every member; the next terraform command that needs them starts them again
    Stop(Place),
    /// Be the host; the provider starts it by itself
    Run {
        /// Set members apart in this way: namespace, user_namespace or process; by default the best
        /// that the machine allows
        #[arg(long, value_parser = isolation)]
        isolation: Option<Isolation>,
        #[command(flatten)]
        place: Place,
    },
    /// Be one member's first process; the host starts it
    #[command(hide = true)]
    Member {
        /// The member's id, for people who list processes
        id: String,
    },
    /// Print how far members can be set apart on this machine
    #[command(hide = true)]
    Probe,
}

/// Which host is meant.
#[derive(Debug, Args)]
struct Place {
    /// The `directory` of the provider's `local` block
    #[arg(long, default_value = ".immutable")]
    directory: PathBuf,
}

/// Does what the arguments say.
pub(super) fn run(host: Host) -> ExitCode {
    let said = match host.command {
        Command::Run { isolation, place } => be(&place, isolation).map(|()| String::new()),
        Command::Member { .. } => return local::run_member(),
        Command::Probe => return local::probe_isolation(),
        Command::Status(place) => show_status(&place),
        Command::Logs {
            member: Some(member),
            place,
        } => show_log(&place, member),
        Command::Logs {
            member: None,
            place,
        } => show_own_log(&place),
        Command::Stop(place) => stop(&place),
    };
    match said {
        Ok(text) => crate::cli::print(&text),
        Err(words) => crate::cli::fail(&words),
    }
}

fn be(place: &Place, isolation: Option<Isolation>) -> Result<(), String> {
    local::run_host(&directory(place)?, isolation).map_err(|error| crate::cli::words(&*error))
}

fn isolation(text: &str) -> Result<Isolation, String> {
    match text {
        "namespace" => Ok(Isolation::Namespace),
        "user_namespace" => Ok(Isolation::UserNamespace),
        "process" => Ok(Isolation::Process),
        _ => Err("it is namespace, user_namespace or process".to_owned()),
    }
}

fn show_status(place: &Place) -> Result<String, String> {
    let directory = directory(place)?;
    let status = wait_for(LocalCloud::new(directory.clone()).status())?;
    status.map_or_else(|| idle(&directory), |status| Ok(status.to_string()))
}

fn idle(directory: &Directory) -> Result<String, String> {
    let fleets = wait_for(immutable::cloud::Cloud::fleets(&LocalCloud::new(
        directory.clone(),
    )))?;
    let none = format!("no host runs for {}", directory.path().display());
    if fleets.is_empty() {
        return Ok(format!("{none}, and no fleet needs one\n"));
    }
    let names: Vec<String> = fleets.iter().map(ToString::to_string).collect();
    Ok(format!(
        "{none}; the next terraform command starts these fleets again: {}\n",
        names.join(", ")
    ))
}

fn show_log(place: &Place, member: String) -> Result<String, String> {
    let directory = directory(place)?;
    let log = wait_for(LocalCloud::new(directory.clone()).log(&MemberId(member)))?;
    log.map_or_else(|| idle(&directory), |log| Ok(printable_lines(&log)))
}

fn show_own_log(place: &Place) -> Result<String, String> {
    let log = directory(place)?.host_log();
    log.map(|log| printable_lines(&log))
        .map_err(|error| error.to_string())
}

fn stop(place: &Place) -> Result<String, String> {
    let directory = directory(place)?;
    let stopped = wait_for(LocalCloud::new(directory.clone()).stop())?;
    let left = idle(&directory)?;
    Ok(match stopped {
        Stopped::NotRunning => left,
        Stopped::Stopped => format!("the host has ended, and every member with it\n{left}"),
    })
}

fn directory(place: &Place) -> Result<Directory, String> {
    Directory::at(&place.directory)
        .map_err(|error| format!("{}: {error}", place.directory.display()))
}

fn wait_for<T>(asked: impl Future<Output = immutable::cloud::Result<T>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime
        .block_on(asked)
        .map_err(|error| crate::cli::words(&error))
}
