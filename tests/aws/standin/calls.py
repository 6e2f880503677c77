"""What an incoming request asks for: service, operation, account, region; and how it is refused."""

import json
import re
import urllib.parse
from xml.sax.saxutils import escape

import cbor2

CREDENTIAL = re.compile(r"Credential=([^/]+)/[^/]*/([^/]*)/([^/]*)/aws4_request")
# An access key `AKIA` and twelve digits belongs to the account of these digits.
ACCOUNT_KEY = re.compile(r"^AKIA(\d{12})$")
DEFAULT_ACCOUNT = "123456789012"
CBOR_PATH = re.compile(r"^/service/([^/]+)/operation/([^/]+)$")
SERVICES = {"elasticloadbalancing": "elbv2", "monitoring": "cloudwatch"}
READS = ("Describe", "Get", "List", "AssumeRole", "Head", "Search", "Lookup")
# IAM's name of a service where it differs from the SDK's.
IAM_PREFIX = {"elbv2": "elasticloadbalancing"}


class Call:
    """One API request."""

    def __init__(self, environ):
        self.body = read_body(environ)
        match = CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
        key, self.region, signed_for = match.groups() if match else ("", "us-east-1", "")
        self.service = SERVICES.get(signed_for, signed_for)
        self.account = account_of(key, environ)
        self.protocol, self.operation = protocol_and_operation(environ, self.body, self.service)

    @property
    def is_read(self):
        return self.operation.startswith(READS)

    @property
    def name(self):
        return f"{self.service}:{self.operation}"


def read_body(environ):
    """The whole body, left in place for whoever reads next."""
    import io

    if environ.get("HTTP_TRANSFER_ENCODING", "").lower() == "chunked":
        body = environ["wsgi.input"].read()
        environ["CONTENT_LENGTH"] = str(len(body))
    else:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def account_of(key, environ):
    """The account that a call is for: told by header, by the access key, or by a role's session."""
    if "HTTP_X_MOTO_ACCOUNT_ID" in environ:
        return environ["HTTP_X_MOTO_ACCOUNT_ID"]
    match = ACCOUNT_KEY.match(key)
    if match:
        return match.group(1)
    from moto.iam.models import get_account_id_from

    return get_account_id_from(key) if key else DEFAULT_ACCOUNT


def protocol_and_operation(environ, body, service):
    match = CBOR_PATH.match(environ.get("PATH_INFO", ""))
    if match:
        return "cbor", match.group(2)
    target = environ.get("HTTP_X_AMZ_TARGET")
    if target:
        return "json", target.rsplit(".", 1)[-1]
    fields = urllib.parse.parse_qs(body.decode("latin-1")) if body else {}
    operation = (fields.get("Action") or [""])[0]
    return ("ec2" if service == "ec2" else "query"), operation


def refusal(call, status, code, message):
    """Status, content type and body of an error in the call's protocol."""
    if call.protocol == "cbor":
        return status, "application/cbor", cbor2.dumps({"__type": code, "message": message})
    if call.protocol == "json":
        body = json.dumps({"__type": code, "message": message})
        return status, "application/x-amz-json-1.1", body.encode()
    inner = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    if call.protocol == "ec2":
        body = f"<Response><Errors><Error>{inner}</Error></Errors><RequestID>standin</RequestID></Response>"
    else:
        kind = "Sender" if status < 500 else "Receiver"
        body = f"<ErrorResponse><Error><Type>{kind}</Type>{inner}</Error><RequestId>standin</RequestId></ErrorResponse>"
    return status, "text/xml", ('<?xml version="1.0" encoding="UTF-8"?>' + body).encode()


def throttling(call):
    """The refusal by which each service asks for patience."""
    if call.protocol == "ec2":
        return refusal(call, 503, "RequestLimitExceeded", "Request limit exceeded.")
    code = {"ssm": "ThrottlingException"}.get(call.service, "Throttling")
    return refusal(call, 400, code, "Rate exceeded")


def denial(call):
    """The refusal of a caller without the permission; it names the permission as AWS does."""
    action = f"{IAM_PREFIX.get(call.service, call.service)}:{call.operation}"
    who = f"arn:aws:iam::{call.account}:user/standin"
    message = f"User: {who} is not authorized to perform: {action} because no identity-based policy allows the {action} action"
    if call.protocol == "ec2":
        return refusal(call, 403, "UnauthorizedOperation", "You are not authorized to perform this operation. " + message)
    code = "AccessDeniedException" if call.protocol == "json" else "AccessDenied"
    return refusal(call, 400 if call.protocol == "json" else 403, code, message)
