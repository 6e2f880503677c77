//! What changes in the heads that pass through: addresses, hop-by-hop headers, forwarding notes.

use std::net::{IpAddr, SocketAddr};

use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version, request, response};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const PLAIN_HTTP: HeaderValue = HeaderValue::from_static("http");
const CHUNKED: HeaderValue = HeaderValue::from_static("chunked");
const UPGRADES: HeaderValue = HeaderValue::from_static("upgrade");

/// Headers that speak of one connection only (RFC 9110, 7.6.1), beside those that `connection`
/// names. `upgrade` is put back where a protocol really is switched.
const HOP_BY_HOP: [HeaderName; 7] = [
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("proxy-authenticate"),
    HeaderName::from_static("proxy-authorization"),
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Both ends of a client's connection, as the headers want them.
#[derive(Debug)]
pub(super) struct Ends {
    client: HeaderValue,
    listener: HeaderValue,
}

impl Ends {
    pub(super) fn new(client: IpAddr, listener: SocketAddr) -> Self {
        Self {
            client: text(&client.to_canonical().to_string()),
            listener: text(&listener.to_string()),
        }
    }
}

/// Turns the head of a client's request into the one that a member gets.
///
/// # Errors
///
/// The request is malformed in a way that members could understand differently; the text says how.
pub(super) fn prepare_request(head: &mut request::Parts, ends: &Ends) -> Result<(), &'static str> {
    if head.method == Method::CONNECT {
        return Err("this is not a proxy for CONNECT");
    }
    take_origin_form(head)?;
    check_host(head, ends)?;
    let upgrade = wanted_upgrade(head);
    let is_chunked = strip_framing(&mut head.headers);
    if is_chunked {
        // Without it a GET or HEAD is sent on as if it had no body.
        head.headers.insert(TRANSFER_ENCODING, CHUNKED);
    }
    // Answered by the front itself as soon as it reads the body.
    head.headers.remove(EXPECT);
    add_forwarding(&mut head.headers, ends);
    restore_upgrade(&mut head.headers, upgrade);
    head.version = Version::HTTP_11;
    Ok(())
}

/// Turns the head of a member's response into the one that the client gets.
pub(super) fn prepare_response(head: &mut response::Parts) {
    let upgrade = (head.status == http::StatusCode::SWITCHING_PROTOCOLS)
        .then(|| head.headers.get(UPGRADE).cloned())
        .flatten();
    strip_framing(&mut head.headers);
    restore_upgrade(&mut head.headers, upgrade);
    head.version = Version::HTTP_11;
}

/// Whether the prepared request asks to switch protocols.
pub(super) fn asks_for_upgrade(headers: &HeaderMap) -> bool {
    headers.contains_key(UPGRADE)
}

/// `GET http://host/path` is answered like `GET /path` with that host (RFC 9112, 3.2.2).
fn take_origin_form(head: &mut request::Parts) -> Result<(), &'static str> {
    let Some(authority) = head.uri.authority() else {
        return Ok(());
    };
    // Who asks is not part of whom it asks (RFC 9110, 7.2); a password would end up in logs.
    let host = authority.as_str().rsplit('@').next().unwrap_or_default();
    let host = HeaderValue::from_str(host).map_err(|_| "the address has an unusable host")?;
    head.headers.insert(HOST, host);
    let path = head.uri.path_and_query().cloned();
    head.uri = Uri::from(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    Ok(())
}

fn check_host(head: &mut request::Parts, ends: &Ends) -> Result<(), &'static str> {
    let mut hosts = head.headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(_), None) => Ok(()),
        (Some(_), Some(_)) => Err("there is more than one Host header"),
        (None, _) if head.version == Version::HTTP_11 => Err("there is no Host header"),
        (None, _) => {
            head.headers.insert(HOST, ends.listener.clone());
            Ok(())
        }
    }
}

fn wanted_upgrade(head: &request::Parts) -> Option<HeaderValue> {
    let asks = head.version == Version::HTTP_11
        && connection_options(&head.headers).any(|option| option.eq_ignore_ascii_case("upgrade"));
    asks.then(|| head.headers.get(UPGRADE).cloned()).flatten()
}

fn connection_options(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

/// Removes what speaks of this connection alone, and tells whether the body came in chunks. Then they
/// are what frames it (RFC 9112, 6.3): a length beside them is the stuff of smuggling, or cuts it off.
fn strip_framing(headers: &mut HeaderMap) -> bool {
    let is_chunked = headers.contains_key(TRANSFER_ENCODING);
    if is_chunked {
        headers.remove(CONTENT_LENGTH);
    }
    strip_hop_by_hop(headers);
    is_chunked
}

fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = connection_options(headers)
            .filter_map(|option| option.parse().ok())
            .collect();
        // What frames or addresses the message is not the client's to remove.
        for name in named
            .iter()
            .filter(|name| **name != HOST && **name != CONTENT_LENGTH)
        {
            headers.remove(name);
        }
        headers.remove(CONNECTION);
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

fn restore_upgrade(headers: &mut HeaderMap, upgrade: Option<HeaderValue>) {
    if let Some(protocol) = upgrade {
        headers.insert(CONNECTION, UPGRADES);
        headers.insert(UPGRADE, protocol);
    }
}

/// `x-forwarded-for` grows by the client; the other two are kept when a proxy before this one,
/// which knows better, has set them.
fn add_forwarding(headers: &mut HeaderMap, ends: &Ends) {
    let forwarded_for = joined_with(headers, &ends.client);
    headers.insert(FORWARDED_FOR, forwarded_for);
    if !headers.contains_key(FORWARDED_PROTO) {
        headers.insert(FORWARDED_PROTO, PLAIN_HTTP);
    }
    if !headers.contains_key(FORWARDED_HOST)
        && let Some(host) = headers.get(HOST).cloned()
    {
        headers.insert(FORWARDED_HOST, host);
    }
}

/// The proxies so far and this client, in one header, because many programs read only the first.
fn joined_with(headers: &HeaderMap, client: &HeaderValue) -> HeaderValue {
    let mut addresses: Vec<&[u8]> = headers
        .get_all(FORWARDED_FOR)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if addresses.is_empty() {
        return client.clone();
    }
    addresses.push(client.as_bytes());
    HeaderValue::from_bytes(&addresses.join(&b", "[..])).unwrap_or_else(|_| client.clone())
}

/// Addresses print as plain ASCII, which is always a valid header value.
fn text(address: &str) -> HeaderValue {
    HeaderValue::from_str(address).unwrap_or(HeaderValue::from_static("unknown"))
}

#[cfg(test)]
mod tests {
    use super::{CONTENT_LENGTH, TRANSFER_ENCODING, prepare_response};

    #[test]
    fn an_answer_in_chunks_is_not_cut_to_the_length_beside_them() {
        let answer = http::Response::builder()
            .header(CONTENT_LENGTH, "5")
            .header(TRANSFER_ENCODING, "chunked");
        let (mut head, ()) = answer.body(()).expect("it is a response").into_parts();
        prepare_response(&mut head);
        assert!(!head.headers.contains_key(CONTENT_LENGTH));
    }
}
