//! Mutual TLS between two processes that know each other's certificate byte for byte.
//!
//! There is no authority here. Terraform passes its certificate through our environment and learns
//! ours from the handshake line; each accepts exactly that one. Without the check on our side any
//! local user who can reach the socket could drive the provider with our credentials.

use std::sync::Arc;

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName as Subject, ServerConfig,
    SignatureScheme,
};

use super::error::Error;

/// Our side of the connection: who we are and whom we let in.
#[derive(Debug)]
pub(super) struct Identity {
    /// Our certificate in DER, as the handshake line carries it.
    pub(super) certificate: CertificateDer<'static>,
    /// Presents it, and accepts Terraform's alone.
    pub(super) config: Arc<ServerConfig>,
}

impl Identity {
    /// Makes a key and a certificate for this process, and pins `client`, Terraform's PEM.
    ///
    /// # Errors
    /// [`Error::ClientCertificate`] if `client` is no certificate, [`Error::Identity`] if ours
    /// cannot be made.
    pub(super) fn pinned_to(client: &str) -> Result<Self, Error> {
        let client = CertificateDer::from_pem_slice(client.as_bytes())
            .map_err(|error| Error::ClientCertificate(error.to_string()))?;
        let (certificate, key) =
            self_signed().map_err(|error| Error::Identity(error.to_string()))?;
        let config = server_config(certificate.clone(), key, client)
            .map_err(|error| Error::Identity(error.to_string()))?;
        Ok(Self {
            certificate,
            config: Arc::new(config),
        })
    }
}

/// A P-256 key, the quickest that Terraform accepts, and a certificate with the one name it asks
/// for.
fn self_signed() -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), rcgen::Error> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::new(["localhost".to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "localhost");
    let certificate = params.self_signed(&key)?;
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    Ok((certificate.into(), key.into()))
}

fn server_config(
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    client: CertificateDer<'static>,
) -> Result<ServerConfig, rustls::Error> {
    // Not ring: Terraform's key is P-521, which ring does not know, and Terraform then sends no
    // certificate at all.
    let crypto = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(Arc::clone(&crypto))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(Pinned { client, crypto }))
        .with_single_cert(vec![certificate], key)?;
    // Terraform 1.12 and later refuse a connection that does not settle on h2.
    config.alpn_protocols = vec![b"h2".to_vec()];
    // One connection for life: nothing to resume.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// Accepts one certificate. The usual verifier cannot: Terraform's is an authority's certificate,
/// which it refuses at the end of a chain.
#[derive(Debug)]
struct Pinned {
    client: CertificateDer<'static>,
    crypto: Arc<CryptoProvider>,
}

impl ClientCertVerifier for Pinned {
    fn root_hint_subjects(&self) -> &[Subject] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        if end_entity.as_ref() == self.client.as_ref() {
            Ok(ClientCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.crypto.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.crypto.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.crypto
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_refused_by_name() {
        for text in [
            "",
            "hello",
            "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
        ] {
            let error = Identity::pinned_to(text)
                .map(|_| ())
                .map_err(|error| error.to_string());
            let named = matches!(&error, Err(text) if text.contains("PLUGIN_CLIENT_CERT"));
            assert!(named, "{text:?}: {error:?}");
        }
    }
}
