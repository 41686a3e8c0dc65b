//! Strangers who speak the whole protocol and name a ticket that is not theirs to redeem.
//!
//! What the shipped viewer does up to Client Info, on a plain blocking socket and from an address of choice, so that
//! thousands of them cost little and come from everywhere.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;

use integration::hostile::call;
use integration::{Failure, PATIENCE};
use ironrdp_connector::{
    BitmapConfig, ClientConnector, Config, ConnectorResult, Credentials as Account, DesktopSize, Sequence as _,
};
use ironrdp_core::WriteBuf;
use ironrdp_pdu::gcc::{ConnectionType, KeyboardType};
use ironrdp_pdu::nego::NegoRequestData;
use ironrdp_pdu::rdp::capability_sets::{MajorPlatformType, RailSupportLevel, client_codecs_capabilities};
use ironrdp_pdu::rdp::client_info::{PerformanceFlags, TimezoneInfo};
use ra_channels::remdesk::{Credentials, RemdeskExpert};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};

/// How a claimant's connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turned {
    /// Closed by the host before the session id was said.
    AtTheDoor,
    /// Closed by the host after it, and not a byte was said about it (R32).
    InSilence,
    /// The host went on with the connection sequence: it took the claim for good.
    LetIn,
}

/// What all claimants have in common: a way to speak TLS that trusts everybody.
#[derive(Clone)]
pub(crate) struct Claimants(Arc<ClientConfig>);

impl Claimants {
    /// They shake hands anew each time, which is what costs a host most.
    pub(crate) fn new() -> Result<Self, Failure> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let trusting = Arc::new(Trusting(Arc::clone(&provider)));
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.map_err(wrong)?.dangerous().with_custom_certificate_verifier(trusting);
        let mut config = config.with_no_client_auth();
        config.resumption = Resumption::disabled();
        Ok(Self(Arc::new(config)))
    }

    /// Comes from an address, says that it wants to redeem the ticket of this session id, and waits for the end.
    pub(crate) fn claim(&self, session_id: &str, from: Ipv4Addr, host: SocketAddr) -> Result<Turned, Failure> {
        let Some(stream) = call(from, host)? else { return Ok(Turned::AtTheDoor) };
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut connector = ClientConnector::new(introduction(session_id), (from, 0).into());
        connector.attach_static_channel(remdesk()?);
        let mut said = false;
        match self.speak(stream, host, &mut connector, &mut said) {
            Ok(()) => Ok(Turned::LetIn),
            Err(error) if is_out_of_patience(&error) => {
                Err(Failure::new("a claimant was neither let in nor turned away"))
            }
            Err(_) if said => Ok(Turned::InSilence),
            Err(_) => Ok(Turned::AtTheDoor),
        }
    }

    /// Goes through the sequence until the host has answered Client Info; `said` tells whether that was sent.
    fn speak(
        &self,
        mut stream: TcpStream,
        host: SocketAddr,
        connector: &mut ClientConnector,
        said: &mut bool,
    ) -> io::Result<()> {
        while !connector.should_perform_security_upgrade() {
            step(&mut stream, connector)?;
        }
        let tls = ClientConnection::new(Arc::clone(&self.0), ServerName::IpAddress(host.ip().into()));
        let mut stream = StreamOwned::new(tls.map_err(io::Error::other)?, stream);
        connector.mark_security_upgrade_as_done();
        while connector.state().name() != "SecureSettingsExchange" {
            step(&mut stream, connector)?;
        }
        step(&mut stream, connector)?;
        *said = true;
        // Whatever is answered is an answer: the right one is the end of the stream.
        let mut answer = [0; 1];
        if stream.read(&mut answer)? == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}

/// One step of the connector: at most one PDU in, at most one out.
fn step(stream: &mut (impl Read + Write), connector: &mut ClientConnector) -> io::Result<()> {
    let mut answer = WriteBuf::new();
    let stepped: ConnectorResult<_> = match connector.next_pdu_hint() {
        None => connector.step_no_input(&mut answer),
        Some(hint) => {
            let mut pdu = Vec::new();
            loop {
                let size = hint.find_size(&pdu).map_err(|error| io::Error::other(error.to_string()))?;
                let missing = size.map_or(1, |(_, size)| size.saturating_sub(pdu.len()));
                if missing == 0 {
                    break;
                }
                let known = pdu.len();
                pdu.resize(known + missing, 0);
                stream.read_exact(&mut pdu[known..])?;
            }
            connector.step(&pdu, None, &mut answer)
        }
    };
    stepped.map_err(|error| io::Error::other(error.to_string()))?;
    stream.write_all(answer.filled())?;
    stream.flush()
}

fn is_out_of_patience(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// A channel as an expert joins it; it is not used before the proof, to which no claimant comes.
fn remdesk() -> Result<RemdeskExpert, Failure> {
    RemdeskExpert::new(Credentials::VersionTwo { encrypted_stub: Vec::new().into(), expert_blob: "".into() })
        .map_err(wrong)
}

/// What the shipped viewer says of itself. Source: session-protocol section 3.
fn introduction(session_id: &str) -> Config {
    Config {
        desktop_size: DesktopSize { width: 1024, height: 768 },
        monitor_layout: None,
        desktop_scale_factor: 0,
        desktop_physical_size: None,
        desktop_orientation: None,
        device_scale_factor: None,
        monitor_extended_layout: None,
        relative_mouse_input: false,
        enable_tls: true,
        enable_credssp: false,
        enable_standard_rdp_security: false,
        credentials: Account::UsernamePassword { username: "Kim Aalbers".to_owned(), password: "*".to_owned() },
        domain: None,
        client_build: 2600,
        client_name: "stranger".to_owned(),
        keyboard_type: KeyboardType::IBM_ENHANCED,
        keyboard_subtype: 0,
        keyboard_functional_keys_count: 12,
        keyboard_layout: 0x409,
        connection_type: ConnectionType::Lan,
        ime_file_name: String::new(),
        bitmap: Some(BitmapConfig {
            lossy_compression: true,
            color_depth: 32,
            codecs: client_codecs_capabilities(&[]).unwrap_or_default(),
        }),
        dig_product_id: String::new(),
        client_dir: String::new(),
        alternate_shell: "*".to_owned(),
        work_dir: session_id.to_owned(),
        remote_application_mode: false,
        rail_support_level: RailSupportLevel::empty(),
        platform: MajorPlatformType::UNIX,
        hardware_id: None,
        request_data: Some(NegoRequestData::cookie("expert".to_owned())),
        autologon: false,
        enable_audio_playback: false,
        enable_audio_capture: false,
        performance_flags: PerformanceFlags::default(),
        license_cache: None,
        timezone_info: TimezoneInfo::default(),
        compression_type: None,
        enable_server_pointer: true,
        pointer_software_rendering: false,
        multitransport_flags: None,
        support_dyn_vc_gfx_protocol: true,
    }
}

/// Takes every computer for the right one.
#[derive(Debug)]
struct Trusting(Arc<CryptoProvider>);

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

fn wrong(error: impl std::fmt::Display) -> Failure {
    Failure::new(error.to_string())
}
