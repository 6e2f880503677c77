//! The front door beside HAProxy: requests per second, 99th percentile, memory.
//!
//! `tests/bench/front` runs it. It needs `wrk` and `haproxy` on the PATH. Everything runs on
//! loopback, in processes of its own: two members, the front, HAProxy. A round measures the
//! members directly, then each proxy; the machine is shared and noisy, so rounds are interleaved
//! and medians reported.

#![allow(clippy::unwrap_used, missing_docs)]

use std::convert::Infallible;
use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use immutable::cloud::local::front::{Clients, Front, Protocol, Route, Target};

const ROUNDS: usize = 5;
const CONNECTIONS: &str = "32";
const DURATION: &str = "4s";

fn main() {
    let arguments: Vec<String> = env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    match arguments.first().map(String::as_str) {
        Some("member") => run_member(),
        Some("front") => run_front(&arguments[1..]),
        _ => measure(),
    }
}

/// A process that is ended with the benchmark, however it ends.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One thing that is measured.
struct Subject {
    name: &'static str,
    address: SocketAddr,
    pid: Option<u32>,
    rounds: Vec<Round>,
}

#[derive(Clone, Copy)]
struct Round {
    requests_per_second: f64,
    p99_milliseconds: f64,
    errors: u64,
}

fn measure() {
    let (_first, one) = start(&["member"]);
    let (_second, two) = start(&["member"]);
    let (ours, front) = start(&["front", &one.to_string(), &two.to_string()]);
    let (haproxy, theirs) = start_haproxy([one, two]);
    let mut subjects = [
        Subject {
            name: "direct",
            address: one,
            pid: None,
            rounds: Vec::new(),
        },
        Subject {
            name: "haproxy",
            address: theirs,
            pid: Some(haproxy.0.id()),
            rounds: Vec::new(),
        },
        Subject {
            name: "front",
            address: front,
            pid: Some(ours.0.id()),
            rounds: Vec::new(),
        },
    ];
    for _ in 0..ROUNDS {
        for subject in &mut subjects {
            subject.rounds.push(wrk(subject.address));
        }
    }
    report(&subjects);
}

fn report(subjects: &[Subject]) {
    println!("wrk -t1 -c{CONNECTIONS} -d{DURATION}, median of {ROUNDS} interleaved rounds");
    println!(
        "{:<10}{:>12}{:>12}{:>12}{:>12}{:>10}",
        "", "req/s", "best", "p99 ms", "RSS MB", "errors"
    );
    for subject in subjects {
        let rates = sorted(subject, |round| round.requests_per_second);
        let p99 = sorted(subject, |round| round.p99_milliseconds);
        let errors: u64 = subject.rounds.iter().map(|round| round.errors).sum();
        let memory = subject.pid.map_or("-".to_owned(), |pid| {
            format!("{:.1}", resident_megabytes(pid))
        });
        println!(
            "{:<10}{:>12.0}{:>12.0}{:>12.2}{:>12}{:>10}",
            subject.name,
            rates[ROUNDS / 2],
            rates[ROUNDS - 1],
            p99[ROUNDS / 2],
            memory,
            errors
        );
    }
    let rate = |subject: &Subject| sorted(subject, |round| round.requests_per_second)[ROUNDS / 2];
    println!(
        "front / haproxy: {:.2}",
        rate(&subjects[2]) / rate(&subjects[1])
    );
}

fn sorted(subject: &Subject, value: fn(&Round) -> f64) -> Vec<f64> {
    let mut values: Vec<f64> = subject.rounds.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    values
}

fn wrk(address: SocketAddr) -> Round {
    let output = Command::new("wrk")
        .args([
            "-t1",
            "-c",
            CONNECTIONS,
            "-d",
            DURATION,
            "--latency",
            &format!("http://{address}/"),
        ])
        .output()
        .expect("wrk is on the PATH");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Round {
        requests_per_second: field(&text, "Requests/sec:").parse().unwrap(),
        p99_milliseconds: milliseconds(&field(&text, "99%")),
        errors: errors(&text),
    }
}

fn field(text: &str, label: &str) -> String {
    let line = text.lines().find(|line| line.trim().starts_with(label));
    let line = line.unwrap_or_else(|| panic!("wrk did not print {label}:\n{text}"));
    line.split_whitespace().nth(1).unwrap().to_owned()
}

fn milliseconds(text: &str) -> f64 {
    let unit = text.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '.');
    let number: f64 = text[..text.len() - unit.len()].parse().unwrap();
    match unit {
        "us" => number / 1_000.0,
        "ms" => number,
        _ => number * 1_000.0,
    }
}

/// `Non-2xx or 3xx responses: 3` and `Socket errors: connect 0, read 0, write 0, timeout 0`.
fn errors(text: &str) -> u64 {
    let lines = text
        .lines()
        .filter(|line| line.contains("Non-2xx") || line.contains("Socket errors"));
    let counts = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(_, counts)| counts);
    counts
        .flat_map(|counts| counts.split([' ', ',']))
        .filter_map(|word| word.parse::<u64>().ok())
        .sum()
}

/// Starts this program again in another role; it prints its address when it listens.
fn start(arguments: &[&str]) -> (Process, SocketAddr) {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    (Process(child), line.trim().parse().unwrap())
}

/// HAProxy with the same duties: keep-alive on both sides, the same forwarding headers.
fn start_haproxy(members: [SocketAddr; 2]) -> (Process, SocketAddr) {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let configuration = format!(
        "global\n  nbthread 2\n  maxconn 2000\ndefaults\n  mode http\n  timeout connect 3s\n  timeout client 60s\n  timeout server 60s\n  \
         option forwardfor\n  http-reuse always\nfrontend f\n  bind {free}\n  http-request set-header X-Forwarded-Proto http\n  \
         http-request set-header X-Forwarded-Host %[req.hdr(host)]\n  default_backend b\nbackend b\n  balance leastconn\n  \
         server one {} check\n  server two {} check\n",
        members[0], members[1]
    );
    let file = env::temp_dir().join(format!("front-bench-{}.cfg", std::process::id()));
    fs::write(&file, configuration).unwrap();
    let child = Command::new("haproxy")
        .args(["-db", "-q", "-f"])
        .arg(&file)
        .spawn()
        .expect("haproxy is on the PATH");
    let process = Process(child);
    let started = Instant::now();
    while TcpStream::connect(free).is_err() {
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "haproxy does not listen"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    fs::remove_file(&file).unwrap();
    (process, free)
}

fn resident_megabytes(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap();
    let kilobytes: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes / 1024.0
}

fn run_member() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            socket.set_nodelay(true).unwrap();
            tokio::spawn(
                http1::Builder::new().serve_connection(TokioIo::new(socket), service_fn(hello)),
            );
        }
    });
}

async fn hello(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::new(Bytes::from_static(
        b"Hello from a member.\n",
    ))))
}

/// The front in the kind of runtime the host has.
fn run_front(members: &[String]) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let front = Front::bind(
            "127.0.0.1:0".parse().unwrap(),
            Protocol::Http,
            &Clients::at_most(10_000),
        )
        .unwrap();
        let targets = members.iter().map(|address| Target {
            member: address.clone(),
            address: address.parse().unwrap(),
            eligible: true,
            draining: false,
        });
        front.route(&[Route {
            generation: 1,
            weight: 100,
            targets: targets.collect(),
        }]);
        println!("{}", front.address());
        std::future::pending::<()>().await;
    });
}
