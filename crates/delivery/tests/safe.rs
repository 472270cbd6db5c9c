//! Messages over TLS, to a server whose authority is known or not.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use recoup_delivery::{Message, Webhook};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// An authority, and the address of a server that it has signed for.
fn server(authority: &Path) -> String {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(authority, issuer.pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("localhost:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(connection, stream);
            let mut text = Vec::new();
            let mut buffer = [0; 4096];
            while !text.ends_with(b"{\"id\":1}") {
                match stream.read(&mut buffer) {
                    Ok(count) if count > 0 => text.extend_from_slice(&buffer[..count]),
                    _ => break,
                }
            }
            let _ = stream.write_all(b"HTTP/1.1 204 Taken\r\n\r\n");
            let _ = stream.flush();
        }
    });
    format!("https://localhost:{port}/SECRET")
}

#[test]
fn only_a_known_authority_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, others) = (folder.path().join("ours"), folder.path().join("others"));
    server(&others);
    let mut hook = Webhook::new(&server(&ours)).unwrap();
    hook.heeds_proxies = false;
    hook.timeout = Duration::from_secs(30);
    hook.authorities = Some(ours);
    let message = Message {
        json: "{\"id\":1}".to_owned(),
        ..Message::default()
    };
    hook.deliver(&message).unwrap();
    hook.authorities = Some(others);
    let error = hook.deliver(&message).unwrap_err().to_string();
    assert!(error.contains("certificate"), "{error}");
    assert!(!error.contains("SECRET"), "{error}");
    hook.authorities = Some(folder.path().join("missing"));
    let error = hook.deliver(&message).unwrap_err().to_string();
    assert!(error.contains("can't read `ca`"), "{error}");
}
