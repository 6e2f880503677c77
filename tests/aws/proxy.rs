//! The way to AWS through a proxy, with the real Terraform.

use crate::account::REGION;
use crate::credentials::{Shop, text};
use crate::place::{Place, endpoint};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// A proxy that passes everything on to the stand-in, whatever host is asked for, and gives nobody a way
/// through.
struct Proxy {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (heard, stopped) = (Arc::clone(&asked), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                let heard = Arc::clone(&heard);
                std::thread::spawn(move || pass_on(stream, &heard).ok());
            }
        });
        Self {
            address,
            asked,
            stop,
            thread: Some(thread),
        }
    }

    /// The first lines of what it was asked.
    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if TcpStream::connect(&self.address).is_ok()
            && let Some(thread) = self.thread.take()
        {
            thread.join().ok();
        }
    }
}

/// Answers one request.
fn pass_on(mut client: TcpStream, heard: &Mutex<Vec<String>>) -> std::io::Result<()> {
    client.set_read_timeout(Some(Duration::from_secs(60)))?;
    let head = head(&mut client)?;
    let (line, fields) = head.split_once("\r\n").unwrap_or((&head, ""));
    heard.lock().unwrap().push(line.to_owned());
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap_or_default());
    if method == "CONNECT" {
        return client.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    }
    let path = target.splitn(4, '/').nth(3).unwrap_or_default();
    let fields: Vec<&str> = fields
        .lines()
        .filter(|field| !field.is_empty() && !field.to_lowercase().starts_with("connection:"))
        .collect();
    let length = fields.iter().find_map(|field| {
        let (name, value) = field.split_once(':')?;
        let is_it = name.eq_ignore_ascii_case("content-length");
        value.trim().parse::<usize>().ok().filter(|_| is_it)
    });
    let mut body = vec![0; length.unwrap_or_default()];
    client.read_exact(&mut body)?;
    let mut server = TcpStream::connect(endpoint())?;
    let fields = fields.join("\r\n");
    write!(
        server,
        "{method} /{path} HTTP/1.1\r\n{fields}\r\nConnection: close\r\n\r\n"
    )?;
    server.write_all(&body)?;
    std::io::copy(&mut server, &mut client).map(drop)
}

/// A request's head, without the empty line that ends it.
fn head(client: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte)?;
        head.extend(byte);
    }
    Ok(String::from_utf8_lossy(&head).trim_end().to_owned())
}

/// A configuration with keys for a place's account, which asks an endpoint; absent: AWS itself.
fn shop(place: &Place, endpoint: Option<&str>) -> Shop {
    let endpoint = endpoint.map(|url| format!("endpoint_url = {url:?}"));
    let aws = format!("region = {REGION:?}\n{}", endpoint.unwrap_or_default());
    Shop::new(&aws, &place.image("1"))
        .with("AWS_ACCESS_KEY_ID", format!("AKIA{}", place.account))
        .with("AWS_SECRET_ACCESS_KEY", "any")
}

#[test]
fn everything_goes_through_the_proxy_that_the_environment_names() {
    let (place, proxy) = (Place::new(), Proxy::new());
    let shop = shop(&place, Some("http://aws.example"))
        .with("HTTP_PROXY", format!("http://{}", proxy.address));
    shop.applies();
    assert!(!place.inventory()["parameters"].is_empty());
    let asked = proxy.asked();
    let is_whole = |line: &String| line.starts_with("POST http://aws.example/ ");
    assert!(!asked.is_empty() && asked.iter().all(is_whole), "{asked:?}");
}

#[test]
fn aws_itself_is_asked_through_the_proxy_for_secure_calls() {
    let (place, proxy) = (Place::new(), Proxy::new());
    let shop = shop(&place, None).with("https_proxy", format!("http://{}", proxy.address));
    let output = shop.terraform("apply");
    assert!(!output.status.success(), "{}", text(&output));
    let asked = proxy.asked();
    let is_aws = |line: &String| {
        line.starts_with("CONNECT ") && line.contains(&format!(".{REGION}.amazonaws.com:443 "))
    };
    assert!(!asked.is_empty() && asked.iter().all(is_aws), "{asked:?}");
}

#[test]
fn what_is_near_and_what_no_proxy_names_is_asked_directly() {
    let port = endpoint().split_once(':').unwrap().1;
    for (endpoint, no_proxy) in [
        (format!("http://127.0.0.1:{port}"), ""),
        (format!("http://0.0.0.0:{port}"), "example.com,0.0.0.0"),
    ] {
        let (place, proxy) = (Place::new(), Proxy::new());
        let shop = shop(&place, Some(&endpoint))
            .with("HTTP_PROXY", format!("http://{}", proxy.address))
            .with("NO_PROXY", no_proxy);
        shop.applies();
        assert!(!place.inventory()["parameters"].is_empty());
        assert_eq!(proxy.asked(), Vec::<String>::new(), "{endpoint}");
    }
}
