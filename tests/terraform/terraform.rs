//! The two Terraforms, and one run of either.

use serde_json::Value;
use std::fs;
use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// No story has a command that takes this long; one that does hangs.
const DEADLINE: Duration = Duration::from_secs(180);

/// A `terraform` command.
#[derive(Clone)]
pub(crate) struct Terraform {
    command: PathBuf,
}

impl Terraform {
    /// The one of the PATH, the newest where the PATH has none. TERRAFORM_INSTALLED overrides.
    pub(crate) fn installed() -> Self {
        let on_path = || {
            std::env::split_paths(&std::env::var_os("PATH")?)
                .map(|directory| directory.join("terraform"))
                .find(|command| command.is_file())
        };
        match std::env::var_os("TERRAFORM_INSTALLED")
            .map(PathBuf::from)
            .or_else(on_path)
        {
            Some(command) => Self { command },
            None => Self::newest(),
        }
    }

    /// The newest that can be had without an account, got on first use. TERRAFORM_NEWEST overrides.
    pub(crate) fn newest() -> Self {
        if let Some(command) = std::env::var_os("TERRAFORM_NEWEST") {
            return Self {
                command: command.into(),
            };
        }
        let get = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/tools/terraform");
        let got = Command::new(get)
            .output()
            .expect("python3 runs tests/tools/terraform");
        assert!(
            got.status.success(),
            "{}",
            String::from_utf8_lossy(&got.stderr)
        );
        let path = String::from_utf8(got.stdout).expect("a path is text");
        Self {
            command: path.trim().into(),
        }
    }

    /// The command itself.
    pub(crate) fn command(&self) -> &Path {
        &self.command
    }

    /// Starts Terraform in a process group of its own, as a terminal would.
    pub(crate) fn start(
        &self,
        directory: &Path,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Run {
        let mut command = Command::new(&self.command);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TF_") {
                command.env_remove(name);
            }
        }
        let mut child = command
            .args(arguments)
            .current_dir(directory)
            .env("TF_CLI_CONFIG_FILE", directory.join("terraform.rc"))
            .env("TF_IN_AUTOMATION", "1")
            .env("TF_INPUT", "0")
            .env("CHECKPOINT_DISABLE", "1")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("terraform starts");
        Run {
            what: arguments.join(" "),
            stdout: Some(read_all(child.stdout.take().expect("stdout is piped"))),
            stderr: Some(read_all(child.stderr.take().expect("stderr is piped"))),
            child,
        }
    }
}

fn read_all(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).expect("a pipe can be read");
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Terraform at work.
pub(crate) struct Run {
    what: String,
    child: Child,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
}

impl Run {
    /// What Ctrl-C in a terminal does: the whole process group is told.
    pub(crate) fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// Whether it has not ended.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child
            .try_wait()
            .expect("our child can be asked")
            .is_none()
    }

    /// Waits for the end; a run that hangs is killed and fails the story.
    pub(crate) fn wait(mut self) -> Output {
        let begin = Instant::now();
        while self.is_running() {
            if begin.elapsed() > DEADLINE {
                self.signal(Signal::KILL);
                panic!("this hangs: {}", self.finish().everything());
            }
            thread::sleep(Duration::from_millis(10));
        }
        self.finish()
    }

    fn finish(&mut self) -> Output {
        let status = self.child.wait().expect("our child ends");
        let text = |reader: &mut Option<JoinHandle<String>>| {
            reader
                .take()
                .map(|reader| reader.join().expect("the reader ends"))
                .unwrap_or_default()
        };
        Output {
            what: self.what.clone(),
            status,
            stdout: text(&mut self.stdout),
            stderr: text(&mut self.stderr),
        }
    }

    fn signal(&self, signal: Signal) {
        let group = Pid::from_child(&self.child);
        // It may have ended by now, which is fine.
        kill_process_group(group, signal).ok();
    }
}

impl Drop for Run {
    /// A story that fails in the middle leaves no Terraform behind.
    fn drop(&mut self) {
        if self.stdout.is_some() && self.is_running() {
            self.signal(Signal::KILL);
            self.child.wait().ok();
        }
    }
}

/// What a run of Terraform ended with.
pub(crate) struct Output {
    what: String,
    status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    /// What a script wrote to `NAME.out`, `NAME.err` and `NAME.code`.
    pub(crate) fn recorded(name: &Path) -> Self {
        let read = |ending| {
            let path = name.with_extension(ending);
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        let code: i32 = read("code")
            .trim()
            .parse()
            .expect("an exit code is a number");
        Self {
            what: name.display().to_string(),
            status: ExitStatus::from_raw(code << 8),
            stdout: read("out"),
            stderr: read("err"),
        }
    }

    /// What another command than Terraform ended with.
    pub(crate) fn of(command: &str, arguments: &[&str], ended: std::process::Output) -> Self {
        Self {
            what: format!("... {command} {}", arguments.join(" ")),
            status: ended.status,
            stdout: String::from_utf8_lossy(&ended.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&ended.stderr).into_owned(),
        }
    }

    /// The exit code; absent: a signal ended it.
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Both streams, as they are.
    pub(crate) fn everything(&self) -> String {
        format!("$ terraform {}\n{}{}", self.what, self.stdout, self.stderr)
    }

    /// What went to standard output, with every run of white space as one space.
    pub(crate) fn flat(&self) -> String {
        flat(&self.stdout)
    }

    /// Fails the story unless the run succeeded.
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code(), Some(0), "{}", self.everything());
        self
    }

    /// Fails the story unless the run failed with an error that holds every fragment.
    #[track_caller]
    pub(crate) fn failed_with(self, fragments: &[&str]) -> Self {
        let missing = self.missing(fragments);
        assert!(
            missing.is_empty(),
            "no {missing:?} in:\n{}",
            self.everything()
        );
        self
    }

    /// What the run lacks of a failure whose error holds every fragment. Terraform wraps its
    /// errors; runs of white space count as one space.
    pub(crate) fn missing<'a>(&self, fragments: &[&'a str]) -> Vec<&'a str> {
        let error = flat(&self.stderr);
        let mut missing: Vec<&str> = fragments
            .iter()
            .copied()
            .filter(|it| !error.contains(it))
            .collect();
        if self.code() != Some(1) {
            missing.push("a failure with exit code 1");
        }
        if [
            "panicked at",
            "Plugin did not respond",
            "bug in the provider",
        ]
        .iter()
        .any(|it| error.contains(it))
        {
            missing.push("an error instead of a crash");
        }
        missing
    }

    /// Fails the story unless the output holds the fragment.
    #[track_caller]
    pub(crate) fn says(self, fragment: &str) -> Self {
        assert!(
            flat(&self.stdout).contains(fragment),
            "no {fragment:?} in:\n{}",
            self.everything()
        );
        self
    }

    /// The output as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("{}", self.everything()))
    }
}

fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
