//! Who may call the provider.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::PATIENCE;
use crate::terraform::{ClientIdentity, Handshake, Start, connect_plainly, schema_over};

/// Whether someone with this identity, or with none, gets an answer.
async fn is_let_in(handshake: &Handshake, identity: Option<&ClientIdentity>) -> bool {
    match handshake.connect(identity).await {
        Ok(channel) => schema_over(channel).await.is_ok(),
        Err(_) => false,
    }
}

pub(crate) async fn only_terraforms_own_certificate_is_let_in() {
    let terraform = Start::provider().connect().await;
    let handshake = &terraform.handshake;
    assert!(!is_let_in(handshake, None).await);
    assert!(!is_let_in(handshake, Some(&ClientIdentity::new())).await);
    // A refused stranger is no reason to refuse Terraform, then or later.
    assert!(is_let_in(handshake, terraform.process.identity.as_ref()).await);
    schema_over(terraform.channel).await.unwrap();
}

pub(crate) async fn garbage_on_the_socket_harms_nobody() {
    let terraform = Start::provider().connect().await;
    let socket = &terraform.handshake.socket;
    let silent = UnixStream::connect(socket).await.unwrap();
    for garbage in [
        &b""[..],
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\xff\xff",
        &[0xff; 70_000],
    ] {
        let mut stranger = UnixStream::connect(socket).await.unwrap();
        // Either side may close first.
        let _ = stranger.write_all(garbage).await;
        let _ = stranger.shutdown().await;
        let mut answer = Vec::new();
        let _ = timeout(PATIENCE, stranger.read_to_end(&mut answer))
            .await
            .unwrap();
        schema_over(terraform.channel.clone()).await.unwrap();
    }
    // Someone who says nothing keeps nobody waiting.
    assert!(is_let_in(&terraform.handshake, terraform.process.identity.as_ref()).await);
    drop(silent);
}

pub(crate) async fn without_tls_only_when_terraform_says_so() {
    let open = Start::provider().without_tls().connect().await;
    schema_over(open.channel).await.unwrap();

    let secured = Start::provider().connect().await;
    let plain = match connect_plainly(&secured.handshake.socket).await {
        Ok(channel) => schema_over(channel).await.is_ok(),
        Err(_) => false,
    };
    assert!(!plain);
}

pub(crate) async fn a_broken_client_certificate_is_no_reason_to_go_without() {
    for broken in ["", "no certificate"] {
        let mut process = Start::provider().env("PLUGIN_CLIENT_CERT", broken).spawn();
        let (status, out, err) = process.ended().await;
        assert_eq!((status.code(), out.as_str()), (Some(1), ""), "{broken:?}");
        assert!(err.contains("PLUGIN_CLIENT_CERT"), "{err}");
        assert!(process.leftovers().is_empty());
    }
}
