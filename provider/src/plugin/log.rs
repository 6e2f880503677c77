//! Log lines in the form that Terraform parses, so that they keep their levels.
//!
//! Each event is one JSON object on standard error, as HashiCorp's hclog writes it. Terraform
//! filters by `TF_LOG_PROVIDER`, else `TF_LOG`; so do we, before anything is formatted.

use std::env;
use std::fmt;
use std::io::Write as _;
use std::time::SystemTime;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

/// Terraform cuts lines at 64 KiB, and what is cut is no JSON any more.
const LONGEST_LINE_BYTES: usize = 60 * 1024;

/// What is kept of a message in a line that was too long. Escaped it grows to six times this.
const LONGEST_MESSAGE_BYTES: usize = 4 * 1024;

/// Starts logging, if Terraform was asked to log.
pub(super) fn start() {
    let level = level(|name| env::var(name).ok());
    if level == LevelFilter::OFF {
        return;
    }
    // Libraries log what they send, which may be secret: only their warnings come through.
    let targets = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target(env!("CARGO_CRATE_NAME"), level);
    let lines = Registry::default().with(HclogLines.with_filter(targets));
    // Fails only where a test has set one already.
    let _ = tracing::subscriber::set_global_default(lines);
}

/// The level that Terraform will show. What it does not know it takes for TRACE, as we do.
fn level(variable: impl Fn(&str) -> Option<String>) -> LevelFilter {
    let set = |name| variable(name).filter(|value| !value.is_empty());
    let Some(wanted) = set("TF_LOG_PROVIDER").or_else(|| set("TF_LOG")) else {
        return LevelFilter::OFF;
    };
    match wanted.to_ascii_uppercase().as_str() {
        "OFF" => LevelFilter::OFF,
        "ERROR" => LevelFilter::ERROR,
        "WARN" => LevelFilter::WARN,
        "INFO" => LevelFilter::INFO,
        "DEBUG" => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    }
}

/// Writes each event as one line, with the fields of the spans around it.
struct HclogLines;

/// The fields of a span, ready for the lines of its events.
struct SpanFields(Map<String, Value>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for HclogLines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(SpanFields(fields.0));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(SpanFields(fields)) = span.extensions_mut().get_mut()
        {
            let mut later = Fields::default();
            values.record(&mut later);
            fields.extend(later.0);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Map::new();
        for span in context
            .event_scope(event)
            .into_iter()
            .flat_map(|scope| scope.from_root())
        {
            if let Some(SpanFields(outer)) = span.extensions().get() {
                fields.extend(outer.clone());
            }
        }
        let mut own = Fields::default();
        event.record(&mut own);
        fields.extend(own.0);

        let metadata = event.metadata();
        let line = line(
            SystemTime::now(),
            *metadata.level(),
            metadata.target(),
            fields,
        );
        // One write for the whole line: others write too. A closed standard error loses the line.
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    }
}

/// One line with its newline. The field `message` is the message; the others are keys.
fn line(now: SystemTime, level: Level, target: &str, mut fields: Map<String, Value>) -> String {
    let message = match fields.remove("message") {
        Some(Value::String(message)) => message,
        // Terraform crashes on a message that is no string.
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let head = |message: &str| {
        Map::from_iter([
            (
                "@level".to_owned(),
                level.as_str().to_ascii_lowercase().into(),
            ),
            ("@message".to_owned(), message.into()),
            ("@module".to_owned(), target.replace("::", ".").into()),
            // Exactly six digits: Terraform takes a line with three or nine for plain text.
            (
                "@timestamp".to_owned(),
                humantime::format_rfc3339_micros(now).to_string().into(),
            ),
        ])
    };
    let mut whole = head(&message);
    whole.extend(fields.into_iter().filter(|(key, _)| !key.starts_with('@')));
    let line = Value::Object(whole).to_string();
    if line.len() < LONGEST_LINE_BYTES {
        return line + "\n";
    }
    let end = message.floor_char_boundary(LONGEST_MESSAGE_BYTES);
    let cut = format!(
        "{} [cut from a line of {} bytes]",
        &message[..end],
        line.len()
    );
    Value::Object(head(&cut)).to_string() + "\n"
}

/// Collects fields as JSON values.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn keep(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.keep(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.keep(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.keep(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.keep(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.keep(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.keep(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.keep(field, value.to_string());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn level_is_the_one_terraform_shows() {
        for (provider, all, wanted) in [
            (None, None, LevelFilter::OFF),
            (None, Some(""), LevelFilter::OFF),
            (None, Some("off"), LevelFilter::OFF),
            (None, Some("ERROR"), LevelFilter::ERROR),
            (None, Some("warn"), LevelFilter::WARN),
            (None, Some("Info"), LevelFilter::INFO),
            (None, Some("DEBUG"), LevelFilter::DEBUG),
            (None, Some("TRACE"), LevelFilter::TRACE),
            (None, Some("JSON"), LevelFilter::TRACE),
            (None, Some("1"), LevelFilter::TRACE),
            (Some("WARN"), Some("TRACE"), LevelFilter::WARN),
            (Some("OFF"), Some("TRACE"), LevelFilter::OFF),
            (Some(""), Some("INFO"), LevelFilter::INFO),
            (Some("DEBUG"), None, LevelFilter::DEBUG),
        ] {
            let answer = level(|name| match name {
                "TF_LOG_PROVIDER" => provider.map(str::to_owned),
                "TF_LOG" => all.map(str::to_owned),
                _ => None,
            });
            assert_eq!(
                answer, wanted,
                "TF_LOG_PROVIDER={provider:?} TF_LOG={all:?}"
            );
        }
    }

    fn fields(pairs: &[(&str, Value)]) -> Map<String, Value> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone()))
            .collect()
    }

    #[test]
    fn line_is_what_terraform_parses() {
        for (micros, stamp) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (1_700_000_000_000_000, "2023-11-14T22:13:20.000000Z"),
            (1_700_000_000_123_400, "2023-11-14T22:13:20.123400Z"),
            (1_700_000_000_000_007, "2023-11-14T22:13:20.000007Z"),
        ] {
            let now = UNIX_EPOCH + Duration::from_micros(micros);
            let pairs = fields(&[("message", "hi\n\"you\"".into()), ("members", 3.into())]);
            assert_eq!(
                line(now, Level::WARN, "immutable::driver", pairs),
                format!(
                    r#"{{"@level":"warn","@message":"hi\n\"you\"","@module":"immutable.driver","@timestamp":"{stamp}","members":3}}"#
                ) + "\n",
            );
        }
    }

    #[test]
    fn message_is_always_a_string_and_the_head_cannot_be_forged() {
        let pairs = fields(&[
            ("message", 5.into()),
            ("@level", 1.into()),
            ("@timestamp", 2.into()),
        ]);
        let line = line(UNIX_EPOCH, Level::INFO, "x", pairs);
        let parsed: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(parsed["@message"], "5");
        assert_eq!(parsed["@level"], "info");
        assert_eq!(parsed["@timestamp"], "1970-01-01T00:00:00.000000Z");
    }

    #[test]
    fn a_long_line_stays_json_and_says_that_it_was_cut() {
        for (message, more) in [
            ("\u{1}".repeat(200_000), String::new()),
            ("é".repeat(200_000), String::new()),
            ("short".to_owned(), "x".repeat(200_000)),
        ] {
            let pairs = fields(&[("message", message.clone().into()), ("more", more.into())]);
            let line = line(UNIX_EPOCH, Level::ERROR, "immutable", pairs);
            assert!(line.len() < 64 * 1024, "{}", line.len());
            let parsed: Value = serde_json::from_str(&line).unwrap();
            let said = parsed["@message"].as_str().unwrap();
            assert!(
                said.starts_with(&message[..4]) && said.contains("cut from a line"),
                "{said}"
            );
        }
    }

    #[test]
    fn levels_are_hclogs() {
        for (level, word) in [
            (Level::TRACE, "trace"),
            (Level::DEBUG, "debug"),
            (Level::INFO, "info"),
            (Level::WARN, "warn"),
            (Level::ERROR, "error"),
        ] {
            let line = line(UNIX_EPOCH, level, "x", Map::new());
            assert!(
                line.starts_with(&format!(r#"{{"@level":"{word}","@message":"","#)),
                "{line}"
            );
        }
    }
}
