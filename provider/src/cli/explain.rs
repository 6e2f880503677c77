//! A plan as a page for a merge request.

use std::fs;
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use immutable::explain::{Page, html, markdown};

/// Turn a plan into a page for people: what changes, every step of every rollout, who runs and who
/// serves at each moment
#[derive(Debug, Args)]
pub(super) struct Explain {
    /// What `terraform show -json PLAN` printed; `-` reads it from the standard input
    plan: PathBuf,
    /// What the page is written in
    #[arg(long, value_enum, default_value_t = Format::Markdown)]
    format: Format,
    /// Where the page goes; by default to the standard output
    #[arg(long)]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// Tables, for a comment
    Markdown,
    /// One file with pictures, for an artifact
    Html,
}

/// Does what the arguments say.
pub(super) fn run(explain: &Explain) -> ExitCode {
    let page = match page(explain) {
        Ok(page) => page,
        Err(words) => return super::fail(&words),
    };
    match &explain.output {
        None => super::print(&page),
        Some(path) => match fs::write(path, page) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => super::fail(&format!("{}: {error}", path.display())),
        },
    }
}

fn page(explain: &Explain) -> Result<String, String> {
    let name = explain.plan.display();
    let json = if explain.plan.as_os_str() == "-" {
        let mut json = Vec::new();
        let read = io::stdin().lock().read_to_end(&mut json);
        read.map(|_| json)
    } else {
        fs::read(&explain.plan)
    };
    let json = json.map_err(|error| format!("{name}: {error}"))?;
    let page = Page::read(&json).map_err(|error| format!("{name}: {error}"))?;
    Ok(match explain.format {
        Format::Markdown => markdown(&page),
        Format::Html => html(&page),
    })
}
