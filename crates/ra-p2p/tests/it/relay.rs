//! A relay on a free port of loopback, with a certificate that only this test believes.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use iroh_relay::server::{CertConfig, RelayConfig, Server, ServerConfig, TlsConfig};
use ra_p2p::Relays;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

pub(crate) struct Relay {
    _server: Server,
    relays: Relays,
    roots: Vec<CertificateDer<'static>>,
}

impl Relay {
    pub(crate) async fn start() -> Self {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let own = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.der().clone()], key)
            .unwrap();

        let free = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
        let mut relay = RelayConfig::new(free);
        relay.tls = Some(TlsConfig::new(free, CertConfig::Manual { server_config: tls }));
        let mut config = ServerConfig::default();
        config.relay = Some(relay);
        let server = Server::spawn(config).await.unwrap();
        let url = format!("https://127.0.0.1:{}", server.https_addr().unwrap().port());
        let relays = Relays::new(vec![url.parse().unwrap()]).with_roots(vec![authority.der().clone()]);
        Self { _server: server, relays, roots: vec![authority.der().clone()] }
    }

    pub(crate) fn roots(&self) -> Vec<CertificateDer<'static>> {
        self.roots.clone()
    }

    pub(crate) fn relays(&self) -> Relays {
        self.relays.clone()
    }
}
