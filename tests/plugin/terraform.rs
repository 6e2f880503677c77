//! Plays Terraform's part: starts the provider, reads its handshake, connects and calls.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use hyper_util::rt::TokioIo;
use immutable_proto::plugin::Empty;
use immutable_proto::plugin::grpc_controller_client::GrpcControllerClient;
use immutable_proto::tfplugin6::get_provider_schema;
use immutable_proto::tfplugin6::provider_client::ProviderClient;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, PKCS_ECDSA_P521_SHA512};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

use crate::{PATIENCE, stub};

const COOKIE: &str = "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2";

/// The provider's executable.
pub(crate) const PROVIDER: &str = env!("CARGO_BIN_EXE_terraform-provider-immutable");

/// A certificate like the one that Terraform makes: P-521, and an authority's.
pub(crate) struct ClientIdentity {
    pub(crate) pem: String,
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl ClientIdentity {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P521_SHA512).unwrap();
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Self {
            pem: certificate.pem(),
            certificate: certificate.into(),
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        }
    }
}

/// How to start a provider. The process dies with the test.
pub(crate) struct Start {
    pub(crate) command: Command,
    identity: Option<ClientIdentity>,
    temporary: TempDir,
}

impl Start {
    /// The real provider, the way Terraform starts it.
    pub(crate) fn provider() -> Self {
        Self::of(Command::new(PROVIDER))
    }

    /// The stub that misbehaves.
    pub(crate) fn stub() -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg(stub::ARGUMENT);
        Self::of(command)
    }

    fn of(mut command: Command) -> Self {
        let identity = ClientIdentity::new();
        // Short, whatever TMPDIR is: the socket is to be found in here.
        let temporary = tempfile::tempdir_in("/tmp").unwrap();
        command
            .env_clear()
            .env("TF_PLUGIN_MAGIC_COOKIE", COOKIE)
            .env("PLUGIN_PROTOCOL_VERSIONS", "6,5")
            .env("PLUGIN_CLIENT_CERT", &identity.pem)
            .env("TMPDIR", temporary.path());
        Self {
            command,
            identity: Some(identity),
            temporary,
        }
    }

    /// As if the user had set `TF_DISABLE_PLUGIN_TLS`.
    pub(crate) fn without_tls(mut self) -> Self {
        self.command.env_remove("PLUGIN_CLIENT_CERT");
        self.identity = None;
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Starts it and does not wait for anything.
    pub(crate) fn spawn(mut self) -> Process {
        self.command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = self.command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let stderr = child.stderr.take().unwrap();
        let Self {
            identity,
            temporary,
            ..
        } = self;
        Process {
            child,
            stdout,
            stderr,
            identity,
            temporary,
            socket: None,
        }
    }

    /// Starts it, reads the handshake and connects.
    pub(crate) async fn connect(self) -> Terraform {
        let mut process = self.spawn();
        let handshake = process.handshake().await;
        let channel = handshake.connect(process.identity.as_ref()).await.unwrap();
        Terraform {
            process,
            handshake,
            channel,
        }
    }
}

/// A started provider.
pub(crate) struct Process {
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: ChildStderr,
    pub(crate) identity: Option<ClientIdentity>,
    temporary: TempDir,
    socket: Option<PathBuf>,
}

impl Drop for Process {
    /// A test that fails kills the process, which then cannot clean up.
    fn drop(&mut self) {
        if let Some(socket) = &self.socket {
            let _ = std::fs::remove_file(socket);
            let _ = socket.parent().map(std::fs::remove_dir);
        }
    }
}

impl Process {
    pub(crate) fn id(&self) -> i32 {
        self.child.id().unwrap().try_into().unwrap()
    }

    /// Sends a signal to this process alone.
    pub(crate) fn signal(&self, signal: i32) {
        // SAFETY: plain system call; the process is our child and has not been waited for.
        assert_eq!(unsafe { libc::kill(self.id(), signal) }, 0);
    }

    /// The next line of its standard output, without the newline.
    pub(crate) async fn line(&mut self) -> String {
        let mut line = String::new();
        timeout(PATIENCE, self.stdout.read_line(&mut line))
            .await
            .unwrap()
            .unwrap();
        line.trim_end_matches('\n').to_owned()
    }

    pub(crate) async fn handshake(&mut self) -> Handshake {
        let line = self.line().await;
        let handshake = Handshake::parse(&line).unwrap_or_else(|| panic!("no handshake: {line:?}"));
        self.socket = Some(handshake.socket.clone());
        handshake
    }

    /// What is left in the temporary directory that it was given.
    pub(crate) fn leftovers(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.temporary.path()).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    /// Waits for its end: how it ended, and what it printed to standard output and error.
    pub(crate) async fn ended(&mut self) -> (ExitStatus, String, String) {
        let (mut out, mut err) = (String::new(), String::new());
        let everything = async {
            tokio::join!(
                self.child.wait(),
                self.stdout.read_to_string(&mut out),
                self.stderr.read_to_string(&mut err),
            )
        };
        let (status, ..) = timeout(PATIENCE, everything)
            .await
            .expect("the process goes on");
        (status.unwrap(), out, err)
    }
}

/// What the handshake line says.
#[derive(Debug)]
pub(crate) struct Handshake {
    pub(crate) socket: PathBuf,
    certificate: Option<CertificateDer<'static>>,
}

impl Handshake {
    fn parse(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.split('|').collect();
        let ["1", "6", "unix", socket, "grpc", certificate] = fields[..] else {
            return None;
        };
        let certificate = STANDARD_NO_PAD.decode(certificate).ok()?;
        Some(Self {
            socket: socket.into(),
            certificate: (!certificate.is_empty()).then(|| certificate.into()),
        })
    }

    /// Connects as `identity`, or with nothing to show. Without a certificate of the provider,
    /// without TLS.
    pub(crate) async fn connect(
        &self,
        identity: Option<&ClientIdentity>,
    ) -> Result<Channel, tonic::transport::Error> {
        match &self.certificate {
            Some(certificate) => connect_with_tls(&self.socket, certificate, identity).await,
            None => connect_plainly(&self.socket).await,
        }
    }
}

async fn connect_with_tls(
    socket: &Path,
    server: &CertificateDer<'static>,
    identity: Option<&ClientIdentity>,
) -> Result<Channel, tonic::transport::Error> {
    // Like Terraform: trusts exactly the certificate of the handshake line, by the name localhost.
    let mut roots = RootCertStore::empty();
    roots.add(server.clone()).unwrap();
    let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(crypto)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match identity {
        Some(one) => builder
            .with_client_auth_cert(vec![one.certificate.clone()], one.key.clone_key())
            .unwrap(),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    let connector = TlsConnector::from(Arc::new(config));

    let connect = tower::service_fn({
        let socket = socket.to_owned();
        move |_| {
            let (socket, connector) = (socket.clone(), connector.clone());
            async move {
                let stream = UnixStream::connect(socket).await?;
                let stream = connector
                    .connect("localhost".try_into().unwrap(), stream)
                    .await?;
                assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
                Ok::<_, io::Error>(TokioIo::new(stream))
            }
        }
    });
    endpoint().connect_with_connector(connect).await
}

/// Connects without TLS.
pub(crate) async fn connect_plainly(socket: &Path) -> Result<Channel, tonic::transport::Error> {
    let socket = socket.to_owned();
    let connect = tower::service_fn(move |_| {
        let socket = socket.clone();
        async move { Ok::<_, io::Error>(TokioIo::new(UnixStream::connect(socket).await?)) }
    });
    endpoint().connect_with_connector(connect).await
}

fn endpoint() -> Endpoint {
    Endpoint::from_static("http://localhost").timeout(PATIENCE)
}

/// Calls the one thing that every provider answers.
pub(crate) async fn schema_over(channel: Channel) -> Result<get_provider_schema::Response, Status> {
    let mut provider = ProviderClient::new(channel);
    let answer = provider
        .get_provider_schema(get_provider_schema::Request {})
        .await?;
    Ok(answer.into_inner())
}

/// A provider and Terraform's connection to it.
pub(crate) struct Terraform {
    pub(crate) process: Process,
    pub(crate) handshake: Handshake,
    pub(crate) channel: Channel,
}

impl Terraform {
    pub(crate) fn provider(&self) -> ProviderClient<Channel> {
        ProviderClient::new(self.channel.clone()).max_encoding_message_size(usize::MAX)
    }

    /// Says Shutdown and closes the connection, as at the end of a phase.
    pub(crate) async fn shut_down(self) -> Process {
        GrpcControllerClient::new(self.channel)
            .shutdown(Empty {})
            .await
            .unwrap();
        self.process
    }

    /// Closes the connection without a word, as if it had been killed.
    pub(crate) fn vanish(self) -> Process {
        self.process
    }
}
