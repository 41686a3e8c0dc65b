//! A computer that answers a connection request and shows a certificate, and remembers what it heard.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use ra_ticket::Endpoint;
use rsa::pkcs8::EncodePrivateKey as _;
use rsa::traits::PublicKeyParts as _;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio_rustls::TlsAcceptor;

/// A key and a certificate, which belong together unless somebody stole one of them.
pub(crate) struct Identity {
    certificate: Vec<u8>,
    key: Vec<u8>,
    public: Option<(Vec<u8>, u32)>,
}

impl Identity {
    /// A fresh one with a small key.
    pub(crate) fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = self_signed(&key);
        Self { certificate, key: key.serialize_der(), public: None }
    }

    /// A fresh one with an RSA key, as every novice of ours has.
    pub(crate) fn rsa() -> Self {
        let key = rsa::RsaPrivateKey::new(&mut rand_core(), 2048).unwrap();
        let exponent = key.e().to_be_bytes_trimmed_vartime();
        let exponent = exponent.iter().fold(0, |sum: u32, &byte| sum << 8 | u32::from(byte));
        let public = (key.n().to_be_bytes_trimmed_vartime().to_vec(), exponent);
        let der = key.to_pkcs8_der().unwrap().as_bytes().to_vec();
        let key = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&der.clone().into(), &rcgen::PKCS_RSA_SHA256).unwrap();
        Self { certificate: self_signed(&key), key: der, public: Some(public) }
    }

    /// A thief's: another one's certificate, and no key for it.
    pub(crate) fn with_certificate_of(self, other: &Self) -> Self {
        Self { certificate: other.certificate.clone(), ..self }
    }

    pub(crate) fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// Modulus and exponent.
    pub(crate) fn rsa_key(&self) -> (Vec<u8>, u32) {
        self.public.clone().unwrap()
    }
}

fn self_signed(key: &rcgen::KeyPair) -> Vec<u8> {
    let params = rcgen::CertificateParams::new(vec!["novice".to_owned()]).unwrap();
    params.self_signed(key).unwrap().der().to_vec()
}

fn rand_core() -> impl rsa::rand_core::CryptoRng {
    rsa::rand_core::UnwrapErr(System)
}

/// The system's generator; a test may stop when it fails.
struct System;

impl rsa::rand_core::TryRng for System {
    type Error = std::io::Error;

    fn try_next_u32(&mut self) -> std::io::Result<u32> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> std::io::Result<u64> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> std::io::Result<()> {
        std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, bytes)
    }
}

impl rsa::rand_core::TryCryptoRng for System {}

/// What it says to a connection request.
#[derive(Clone)]
pub(crate) enum Answer {
    /// Agrees to TLS, listens to one message, closes.
    AtOnce,
    /// Nothing; waits until it is left alone.
    Never,
    /// These bytes, then it closes.
    Bytes(Vec<u8>),
    /// Agrees to TLS, then says these bytes and closes.
    AfterTls(Vec<u8>),
}

/// The computer.
pub(crate) struct Computer {
    addr: SocketAddr,
    shared: Arc<Shared>,
    open: watch::Receiver<usize>,
}

#[derive(Default)]
struct Shared {
    requests: Mutex<Vec<Vec<u8>>>,
    heard: Mutex<Vec<Vec<u8>>>,
    called: Notify,
}

impl Computer {
    pub(crate) async fn start(identity: &Identity, answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(server_config(identity)));
        let shared = Arc::new(Shared::default());
        let (open, watched) = watch::channel(0);
        let seen = Arc::clone(&shared);
        tokio::spawn(async move {
            let open = Arc::new(open);
            while let Ok((stream, _)) = listener.accept().await {
                open.send_modify(|count| *count += 1);
                let (seen, acceptor, answer, open) =
                    (Arc::clone(&seen), acceptor.clone(), answer.clone(), Arc::clone(&open));
                tokio::spawn(async move {
                    let heard = receive(stream, acceptor, answer, &seen).await;
                    seen.heard.lock().unwrap().push(heard);
                    open.send_modify(|count| *count -= 1);
                });
            }
        });
        Self { addr, shared, open: watched }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        self.addr.into()
    }

    /// What came under TLS, for each call; waits until every caller is gone.
    pub(crate) async fn heard(&self) -> Vec<Vec<u8>> {
        self.open.clone().wait_for(|count| *count == 0).await.unwrap();
        self.shared.heard.lock().unwrap().clone()
    }

    /// The connection requests, in the clear.
    pub(crate) fn requests(&self) -> Vec<Vec<u8>> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// Waits for somebody to call.
    pub(crate) async fn called(&self) {
        self.shared.called.notified().await;
    }
}

/// Handles one call to its end; returns what came under TLS.
async fn receive(mut stream: TcpStream, acceptor: TlsAcceptor, answer: Answer, seen: &Shared) -> Vec<u8> {
    let mut header = [0; 4];
    if stream.read_exact(&mut header).await.is_err() {
        return Vec::new();
    }
    let mut request = vec![0; usize::from(u16::from_be_bytes([header[2], header[3]])) - 4];
    stream.read_exact(&mut request).await.unwrap();
    seen.requests.lock().unwrap().push(request);
    seen.called.notify_one();
    let words = match answer {
        Answer::Never => {
            // Anything but the end would be too much.
            let mut rest = Vec::new();
            let _closed = stream.read_to_end(&mut rest).await;
            return rest;
        }
        Answer::Bytes(bytes) => {
            let _closed = stream.write_all(&bytes).await;
            return Vec::new();
        }
        Answer::AtOnce => None,
        Answer::AfterTls(bytes) => Some(bytes),
    };
    stream.write_all(&[3, 0, 0, 19, 14, 0xd0, 0, 0, 0x12, 0x34, 0, 2, 0, 8, 0, 1, 0, 0, 0]).await.unwrap();
    let Ok(mut stream) = acceptor.accept(stream).await else { return Vec::new() };
    let mut heard = vec![0; 4096];
    let length = stream.read(&mut heard).await.unwrap_or_default();
    heard.truncate(length);
    if let Some(words) = words {
        let _closed = stream.write_all(&words).await;
    }
    let _closed = stream.shutdown().await;
    heard
}

/// A server that shows its certificate, whether it has the key for it or not.
pub(crate) fn server_config(identity: &Identity) -> ServerConfig {
    #[derive(Debug)]
    struct Shows(Arc<CertifiedKey>);
    impl ResolvesServerCert for Shows {
        fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
            Some(Arc::clone(&self.0))
        }
    }
    let provider = rustls::crypto::ring::default_provider();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.key.clone()));
    let key = provider.key_provider.load_private_key(key).unwrap();
    let shown = CertifiedKey::new(vec![CertificateDer::from(identity.certificate.clone())], key);
    ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Shows(Arc::new(shown))))
}
