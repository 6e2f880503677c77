"""CloudWatch for clients that speak Smithy RPC v2 CBOR only: translated to and from JSON.

Also: a new alarm has no data yet, and a change of state has a time.
"""

import datetime
import io
import json

import botocore.session
import cbor2
from moto.cloudwatch.models import Alarm, CloudWatchBackend

TARGET = "GraniteServiceVersion20100801."
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
moto_put = CloudWatchBackend.put_metric_alarm
moto_update = Alarm.update_state


def install():
    """Puts this module's behaviour into moto."""
    CloudWatchBackend.put_metric_alarm = put_metric_alarm
    Alarm.update_state = update_state


def put_metric_alarm(self, name, *arguments, **options):
    """PutMetricAlarm: a new alarm is INSUFFICIENT_DATA, a known one keeps its state."""
    known = self.alarms.get(name)
    alarm = moto_put(self, name, *arguments, **options)
    if known is None:
        alarm.state_value = "INSUFFICIENT_DATA"
    else:
        alarm.state_value = known.state_value
        alarm.state_reason = known.state_reason
        alarm.state_reason_data = known.state_reason_data
        alarm.state_updated_timestamp = known.state_updated_timestamp
    alarm.state_transitioned_timestamp = alarm.state_updated_timestamp
    return alarm


def update_state(self, reason, reason_data, state_value):
    before = self.state_value
    moto_update(self, reason, reason_data, state_value)
    if before != state_value:
        self.state_transitioned_timestamp = self.state_updated_timestamp


def answer(call, environ, ask_moto):
    """The answer to a CBOR request, by way of moto's JSON."""
    request = cbor2.loads(call.body) if call.body else {}
    body = json.dumps(request, default=seconds).encode()
    environ.update(
        {
            "PATH_INFO": "/",
            "RAW_URI": "/",
            "REQUEST_URI": "/",
            "CONTENT_TYPE": "application/x-amz-json-1.0",
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_X_AMZ_TARGET": TARGET + call.operation,
            "wsgi.input": io.BytesIO(body),
        }
    )
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    status, _, text = ask_moto(environ)
    told = json.loads(text) if text.strip() else {}
    if status < 400:
        told = with_times(told, output_shape(call.operation))
    return status, "application/cbor", cbor2.dumps(told, datetime_as_timestamp=True)


def seconds(value):
    """Times of a request, for JSON."""
    if isinstance(value, datetime.datetime):
        return value.timestamp()
    raise TypeError(f"{value!r} has no place in a request")


def output_shape(operation):
    """What the operation answers, by the SDK's own model."""
    model = botocore.session.get_session().get_service_model("cloudwatch")
    return model.operation_model(operation).output_shape


def with_times(value, shape):
    """The answer with its numbers of seconds as times, and no nulls."""
    if shape is None:
        return value
    if shape.type_name == "structure":
        members = shape.members
        return {key: with_times(item, members[key]) for key, item in value.items() if item is not None and key in members}
    if shape.type_name == "list":
        return [with_times(item, shape.member) for item in value]
    if shape.type_name == "timestamp":
        return time_of(value)
    return value


def time_of(value):
    if isinstance(value, (int, float)):
        return EPOCH + datetime.timedelta(seconds=value)
    return datetime.datetime.fromisoformat(str(value).replace("Z", "+00:00"))
