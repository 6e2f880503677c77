//! What the host itself has to say. Its standard error is its log, unless a person started it.

use crate::model::Timestamp;
use rustix::fs::FileType;
use std::fmt::{Debug, Write as _};
use std::io::{self, Write as _};
use std::time::SystemTime;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

/// The size at which the log begins anew. A host lives for months, and a member that cannot be
/// reached is told with every request that was meant for it.
const SIZE: i64 = 1 << 20;

/// Sends warnings and errors to the log from here on.
pub(super) fn begin() {
    let lines = tracing_subscriber::registry().with(Lines);
    // It fails where somebody listens already, as in a test.
    let _ = tracing::subscriber::set_global_default(lines);
}

/// Writes each event as a line.
struct Lines;

impl<S: Subscriber> Layer<S> for Lines {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        *metadata.level() <= tracing::Level::WARN
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::WARN)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line::default();
        event.record(&mut line);
        let now = Timestamp::from(SystemTime::now());
        write(&format!("{now} {}{}\n", line.message, line.fields));
    }
}

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a text cannot fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

/// A full disk must not stop the host: then the log lacks something.
fn write(line: &str) {
    let mut log = io::stderr().lock();
    let is_long = rustix::fs::fstat(&log).is_ok_and(|stat| {
        FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && stat.st_size > SIZE
    });
    if is_long {
        let _ = rustix::fs::ftruncate(&log, 0);
    }
    let _ = log.write_all(line.as_bytes());
}
