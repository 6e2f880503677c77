//! The stand-in for AWS, and an account of its own on it with a network and images.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Where everything happens.
pub(crate) const REGION: &str = "us-east-1";

/// Answers every request with its version, but at `/is/` followed by another one; `/healthz` is ill
/// where the file `SICK` names exists.
const MEMBER: &str = r#"#!/usr/bin/env python3
import http.server, os, signal, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        sick = os.environ.get("SICK", "/nonexistent")
        code = 500 if os.path.exists(sick) and "healthz" in self.path else 200
        version = os.environ.get("VERSION", "none")
        if self.path.startswith("/is/") and not version.endswith("@" + self.path[4:]):
            code = 404
        body = (version + " " + os.environ["INSTANCE_ID"]).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *arguments):
        pass
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 256
print("member", os.environ.get("VERSION"), "starts", flush=True)
if os.environ.get("CRASH"):
    sys.exit("it cannot go on")
Server((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"#;

/// Names the stand-in of the process that started this one.
pub(crate) const ADDRESS: &str = "STANDIN_ADDRESS";

/// The stand-in of this process. It ends when its standard input does, which is when we end.
pub(crate) struct StandIn {
    pub(crate) address: String,
    /// Absent: it is our parent's.
    _process: Option<Child>,
}

pub(crate) fn standin() -> &'static StandIn {
    static ONE: OnceLock<StandIn> = OnceLock::new();
    ONE.get_or_init(|| {
        if let Ok(address) = std::env::var(ADDRESS) {
            return StandIn {
                address,
                _process: None,
            };
        }
        let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/aws/standin/run");
        let mut process = Command::new(run)
            .args(["--port", "0"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let output = process.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("ready http://").unwrap();
        StandIn {
            address: address.to_owned(),
            _process: Some(process),
        }
    })
}

/// An account with a network in one region.
pub(crate) struct Account {
    pub(crate) region: String,
    pub(crate) account: String,
    pub(crate) network: Value,
    pub(crate) directory: tempfile::TempDir,
    /// The network that was made for this value alone, and goes with it; absent: another's.
    octet: Option<u64>,
    /// What exists from the beginning, by kind.
    given: BTreeMap<String, Vec<String>>,
}

impl Account {
    pub(crate) fn new() -> Self {
        Self::with("application")
    }

    /// An account whose load balancer is of a kind: `application` or `network`.
    pub(crate) fn with(kind: &str) -> Self {
        static ACCOUNTS: AtomicU64 = AtomicU64::new(1);
        let number = ACCOUNTS.fetch_add(1, Ordering::Relaxed);
        Self::in_region(format!("{number:012}"), REGION).with_network(kind)
    }

    /// A region of an account, without a network.
    pub(crate) fn in_region(account: String, region: &str) -> Self {
        let mut made = Self::of(account, region, Value::Null);
        made.given = made.inventory();
        made
    }

    /// The same account, where a fleet can be. All stand-ins of a machine share some 190 networks.
    pub(crate) fn with_network(mut self, kind: &str) -> Self {
        let wish = json!({ "account": self.account, "region": self.region, "kind": kind });
        self.network = control("POST", "network", &wish);
        self.octet = self.network["octet"].as_u64();
        self.given = self.inventory();
        self
    }

    /// An account that exists, seen by another process.
    pub(crate) fn of(account: String, region: &str, network: Value) -> Self {
        Self {
            region: region.to_owned(),
            account,
            network,
            directory: tempfile::tempdir().unwrap(),
            octet: None,
            given: BTreeMap::new(),
        }
    }

    /// What a process needs to see this account instead of AWS.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL", format!("http://{}", standin().address)),
            ("AWS_ACCESS_KEY_ID", format!("AKIA{}", self.account)),
            ("AWS_SECRET_ACCESS_KEY", "any".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ]
    }

    pub(crate) fn text(&self, key: &str) -> String {
        self.network[key].as_str().unwrap().to_owned()
    }

    /// The image of a version; the same version is the same image.
    pub(crate) fn image(&self, version: &str) -> String {
        let file = self.directory.path().join(format!("image-{version}"));
        if let Ok(image) = std::fs::read_to_string(&file) {
            return image;
        }
        let program = self.program("member", MEMBER);
        let image = self.register(version, program.to_str().unwrap());
        std::fs::write(&file, &image).unwrap();
        image
    }

    fn program(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        if !path.exists() {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        path
    }

    /// Registers an image that runs a command; returns its id.
    pub(crate) fn register(&self, name: &str, command: &str) -> String {
        let answer = self.ec2(&[
            ("Action", "RegisterImage"),
            ("Name", name),
            ("Architecture", "x86_64"),
            ("RootDeviceName", "/dev/xvda"),
            ("TagSpecification.1.ResourceType", "image"),
            ("TagSpecification.1.Tag.1.Key", "standin:command"),
            ("TagSpecification.1.Tag.1.Value", command),
        ]);
        between(&answer, "<imageId>", "</imageId>")
    }

    /// One call of EC2, by hand: what a person does at the console.
    pub(crate) fn ec2(&self, parameters: &[(&str, &str)]) -> String {
        self.query("ec2", "2016-11-15", parameters)
    }

    /// One call of a service that speaks the query protocol.
    pub(crate) fn query(
        &self,
        service: &str,
        version: &str,
        parameters: &[(&str, &str)],
    ) -> String {
        let mut body = format!("Version={version}");
        for (name, value) in parameters {
            body.push_str(&format!("&{name}={}", encoded(value)));
        }
        let form = "Content-Type: application/x-www-form-urlencoded\r\n";
        let headers = format!("{form}{}", self.signed(service));
        let (status, answer) = request("POST", "/", &headers, &body);
        assert_eq!(status, 200, "{parameters:?}: {answer}");
        answer
    }

    /// One call of a service that speaks JSON.
    pub(crate) fn json(&self, service: &str, target: &str, body: &Value) -> Value {
        let headers = format!(
            "Content-Type: application/x-amz-json-1.1\r\nX-Amz-Target: {target}\r\n{}",
            self.signed(service)
        );
        let (status, answer) = request("POST", "/", &headers, &body.to_string());
        assert_eq!(status, 200, "{target}: {answer}");
        serde_json::from_str(&answer).unwrap_or(Value::Null)
    }

    fn signed(&self, service: &str) -> String {
        let (account, region) = (&self.account, &self.region);
        format!(
            "Authorization: AWS4-HMAC-SHA256 \
             Credential=AKIA{account}/20260101/{region}/{service}/aws4_request\r\n"
        )
    }

    /// Everything that exists in the account, by kind.
    pub(crate) fn inventory(&self) -> BTreeMap<String, Vec<String>> {
        let query = format!("inventory?account={}&region={}", self.account, self.region);
        let told = control("GET", &query, &Value::Null);
        serde_json::from_value(told).unwrap()
    }

    /// Everything that was made and still exists, by kind; the kinds of which there is nothing are
    /// left out.
    pub(crate) fn made(&self) -> BTreeMap<String, Vec<String>> {
        let mut made = self.inventory();
        for (kind, things) in &mut made {
            let given = self.given.get(kind);
            things.retain(|thing| given.is_none_or(|given| !given.contains(thing)));
        }
        made.retain(|_, things| !things.is_empty());
        made
    }

    /// The calls made since they were last forgotten, by operation.
    pub(crate) fn calls(&self) -> BTreeMap<String, u64> {
        let told = control(
            "GET",
            &format!("calls?account={}", self.account),
            &Value::Null,
        );
        serde_json::from_value(told).unwrap()
    }

    pub(crate) fn forget_calls(&self) {
        control(
            "DELETE",
            &format!("calls?account={}", self.account),
            &Value::Null,
        );
    }

    /// Orders a fault for this account's calls; returns the order's number.
    pub(crate) fn fault(&self, mut order: Value) -> u64 {
        order["account"] = json!(self.account);
        control("POST", "faults", &order)["id"].as_u64().unwrap()
    }

    /// Has EC2 answer this account in pages of one, before they are filtered.
    pub(crate) fn small_pages(&self) {
        let wish = json!({ "account": self.account, "size": 1 });
        control("POST", "pages", &wish);
    }

    /// Ends all faults of this account.
    pub(crate) fn end_faults(&self) {
        let path = format!("faults?account={}", self.account);
        control("DELETE", &path, &Value::Null);
    }

    /// An order as the stand-in tells it.
    pub(crate) fn told(&self, order: u64) -> Value {
        let orders = control("GET", "faults", &Value::Null);
        let mut orders = orders.as_array().unwrap().iter();
        orders.find(|told| told["id"] == order).unwrap().clone()
    }

    /// Whether a call waits because of an order.
    pub(crate) fn holds(&self, order: u64) -> bool {
        self.told(order)["holding"] == 1
    }

    /// Lets the calls that an order holds go on.
    pub(crate) fn release(&self, order: u64) {
        control("POST", "release", &json!({ "id": order }));
    }
}

impl Drop for Account {
    /// The account's processes and its network go; the stand-in itself ends with us.
    fn drop(&mut self) {
        self.end_faults();
        for group in self.inventory().remove("groups").unwrap_or_default() {
            let headers = format!(
                "Content-Type: application/x-www-form-urlencoded\r\n{}",
                self.signed("autoscaling")
            );
            let body = format!(
                "Action=DeleteAutoScalingGroup&AutoScalingGroupName={group}&ForceDelete=true&\
                 Version=2011-01-01"
            );
            request("POST", "/", &headers, &body);
        }
        if let Some(octet) = self.octet {
            request("DELETE", &format!("/standin/network?octet={octet}"), "", "");
        }
    }
}

/// One request to the stand-in itself.
pub(crate) fn control(method: &str, path: &str, body: &Value) -> Value {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let (status, answer) = request(method, &format!("/standin/{path}"), "", &body);
    assert_eq!(status, 200, "{path}: {answer}");
    serde_json::from_str(&answer).unwrap()
}

fn request(method: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
    let address = &standin().address;
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split_whitespace().nth(1).unwrap().parse().unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    (status, body.to_owned())
}

fn encoded(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let bytes = value.bytes();
    bytes
        .map(|byte| {
            if plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

/// The text between two others.
pub(crate) fn between(text: &str, before: &str, after: &str) -> String {
    let start = text
        .find(before)
        .unwrap_or_else(|| panic!("no {before} in {text}"))
        + before.len();
    let end = text[start..].find(after).unwrap() + start;
    text[start..end].to_owned()
}
