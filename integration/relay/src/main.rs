//! A relay for tests and the laboratory: iroh's own relay server, behind a certificate made up at its start.
//!
//! It prints one line, `ready PORT`, once it takes connections, and ends when its standard input does: a test that dies takes
//! it along. What an organisation runs instead stands in docs/RELAYS.md.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use iroh_relay::server::{CertConfig, QuicConfig, RelayConfig, Server, ServerConfig, TlsConfig};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// A relay for tests and the laboratory.
#[derive(Parser)]
struct Options {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1")]
    address: IpAddr,
    /// The HTTPS port; 0 picks a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The UDP port for QUIC address discovery, by which routers are looked through; none without it
    #[arg(long)]
    quic_port: Option<u16>,
    /// The host names and addresses that its certificate is good for
    #[arg(long, required = true)]
    name: Vec<String>,
    /// Where the certificate goes that clients have to trust, for SSL_CERT_FILE
    #[arg(long)]
    write_ca: PathBuf,
    /// Where the relay's own certificate and key are kept: made at the first start, used again at the next
    #[arg(long)]
    keep: Option<PathBuf>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody listens any more where this fails too.
            let _ = writeln!(std::io::stderr(), "lab-relay: {error}");
            ExitCode::FAILURE
        }
    }
}

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn run(options: &Options) -> Outcome<()> {
    let tls = certificate(options)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let mut relay = RelayConfig::new(SocketAddr::new(options.address, 0));
        let at = SocketAddr::new(options.address, options.port);
        relay.tls = Some(TlsConfig::new(at, CertConfig::Manual { server_config: tls }));
        let mut config = ServerConfig::default();
        config.relay = Some(relay);
        config.quic = options.quic_port.map(|port| QuicConfig::new(SocketAddr::new(options.address, port)));
        let server = Server::spawn(config).await.map_err(|error| error.to_string())?;
        let port = server.https_addr().map_or(options.port, |addr| addr.port());
        writeln!(std::io::stdout(), "ready {port}")?;
        std::io::stdout().flush()?;
        // Whoever started it holds the other end.
        tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
        server.shutdown().await.map_err(|error| error.to_string())?;
        Ok(())
    })
}

/// The relay's own certificate: the one that was kept, or a new one by an authority of this run, whose certificate clients get.
fn certificate(options: &Options) -> Outcome<rustls::ServerConfig> {
    let kept = options.keep.as_ref().filter(|keep| keep.exists());
    let (own, key) = match kept {
        Some(keep) => {
            let text = std::fs::read(keep)?;
            (CertificateDer::from_pem_slice(&text)?, PrivateKeyDer::from_pem_slice(&text)?)
        }
        None => made(options)?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.with_no_client_auth().with_single_cert(vec![own], key)?)
}

fn made(options: &Options) -> Outcome<(CertificateDer<'static>, PrivateKeyDer<'static>)> {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "Laboratory");
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    std::fs::write(&options.write_ca, authority.pem())?;

    let key = KeyPair::generate()?;
    let own = CertificateParams::new(options.name.clone())?.signed_by(&key, &authority)?;
    if let Some(keep) = &options.keep {
        // A key of the laboratory, good for names that nobody else knows.
        std::fs::write(keep, format!("{}{}", own.pem(), key.serialize_pem()))?;
    }
    Ok((own.der().clone(), PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()))))
}
