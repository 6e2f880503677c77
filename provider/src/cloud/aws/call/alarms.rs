//! `CloudWatch`: what alarms say.

use super::{Calls, said};
use crate::cloud::aws::failure::Result;
use crate::rollout::AlarmState;
use aws_sdk_cloudwatch::types::{AlarmType, StateValue};
use std::collections::BTreeMap;

/// As many names fit in one question, and their alarms on one page.
const NAMES_AT_ONCE: usize = 100;

impl Calls {
    /// Tells the state of each alarm that exists, composite ones too.
    pub(in super::super) async fn alarms(
        &self,
        names: &[String],
    ) -> Result<BTreeMap<String, AlarmState>> {
        let mut states = BTreeMap::new();
        for some in names.chunks(NAMES_AT_ONCE) {
            let answer = self
                .alarms
                .describe_alarms()
                .set_alarm_names(Some(some.to_vec()))
                .alarm_types(AlarmType::MetricAlarm)
                .alarm_types(AlarmType::CompositeAlarm)
                .max_records(100)
                .send()
                .await;
            let answer = said("cloudwatch:DescribeAlarms", answer)?;
            for alarm in answer.metric_alarms.unwrap_or_default() {
                let state = state(alarm.state_value.as_ref(), alarm.state_reason);
                states.extend(alarm.alarm_name.map(|name| (name, state)));
            }
            for alarm in answer.composite_alarms.unwrap_or_default() {
                let state = state(alarm.state_value.as_ref(), alarm.state_reason);
                states.extend(alarm.alarm_name.map(|name| (name, state)));
            }
        }
        Ok(states)
    }
}

fn state(value: Option<&StateValue>, reason: Option<String>) -> AlarmState {
    let why = |otherwise: &str| {
        reason
            .filter(|reason| !reason.is_empty())
            .unwrap_or_else(|| otherwise.to_owned())
    };
    match value {
        Some(StateValue::Ok) => AlarmState::Quiet,
        Some(StateValue::Alarm) => AlarmState::Firing {
            why: why("it gives no reason"),
        },
        Some(StateValue::InsufficientData) => AlarmState::Unreadable {
            why: why("it has no data"),
        },
        Some(other) => AlarmState::Unreadable {
            why: format!("its state is {}", other.as_str()),
        },
        None => AlarmState::Unreadable {
            why: "it tells no state".to_owned(),
        },
    }
}
