//! The way to AWS, through a proxy where the environment names one.
//!
//! `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` count, in capitals or not, as for every tool
//! that people use beside this one. What is near is asked directly whatever they say: a proxy neither
//! reaches this machine's own metadata service nor an emulator beside us.

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Builder, Connector, tls};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use std::net::{IpAddr, Ipv6Addr};

/// Any of these names a proxy.
const VARIABLES: [&str; 6] = [
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// Makes the client for all calls.
pub(super) fn http_client() -> SharedHttpClient {
    let direct = Builder::new().tls_provider(tls_provider()).build_https();
    let is_named = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if !VARIABLES.into_iter().any(is_named) {
        return direct;
    }
    let proxied = Builder::new().build_with_connector_fn(|settings, components| {
        let mut connector = Connector::builder().proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector.tls_provider(tls_provider()).build()
    });
    SharedHttpClient::new(Ways { direct, proxied })
}

/// The one TLS stack of the whole program.
fn tls_provider() -> tls::Provider {
    tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc)
}

/// Two ways to go.
#[derive(Debug)]
struct Ways {
    direct: SharedHttpClient,
    proxied: SharedHttpClient,
}

impl HttpClient for Ways {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Fork {
            direct: self.direct.http_connector(settings, components),
            proxied: self.proxied.http_connector(settings, components),
        })
    }
}

/// Where the two ways part: at every request.
#[derive(Debug)]
struct Fork {
    direct: SharedHttpConnector,
    proxied: SharedHttpConnector,
}

impl HttpConnector for Fork {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if is_near(host_of(request.uri())) {
            self.direct.call(request)
        } else {
            self.proxied.call(request)
        }
    }
}

/// The host of an address, an IPv6 one without its brackets.
fn host_of(uri: &str) -> &str {
    let (_, rest) = uri.split_once("://").unwrap_or(("", uri));
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    match authority
        .strip_prefix('[')
        .and_then(|v6| v6.split_once(']'))
    {
        Some((address, _)) => address,
        None => authority.split(':').next().unwrap_or(authority),
    }
}

/// Whether a host is this machine, or one of the metadata services that answer to it alone: that of
/// EC2, and those that give containers their roles.
fn is_near(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_link_local(),
        Ok(IpAddr::V6(address)) => address.is_loopback() || is_metadata(address),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

/// `fd00:ec2::/32` is what EC2 answers at.
fn is_metadata(address: Ipv6Addr) -> bool {
    matches!(address.segments(), [0xfd00, 0x0ec2, ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_is_asked_directly() {
        for near in [
            "http://127.0.0.1:5000",
            "http://localhost/",
            "https://[::1]:4566/x",
            "http://169.254.169.254/latest/api/token",
            "http://169.254.170.2/v2/credentials",
            "http://[fd00:ec2::254]/latest",
        ] {
            assert!(is_near(host_of(near)), "{near}");
        }
        for far in [
            "https://ec2.eu-west-1.amazonaws.com/",
            "https://10.0.0.7:443/",
            "https://[2001:db8::1]/",
            "https://localhost.example.com",
        ] {
            assert!(!is_near(host_of(far)), "{far}");
        }
    }
}
