//! From an encrypted line to an RDP connection with our channels joined: the ordinary sequence with the values that
//! make it Remote Assistance. Source: session-protocol section 3.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ironrdp_connector::{
    BitmapConfig, ClientConnector, Config, ConnectionOutcome, ConnectionResult, ConnectorError, ConnectorErrorKind,
    Credentials, DesktopSize, Sequence as _,
};
use ironrdp_core::WriteBuf;
use ironrdp_dvc::DrdynvcClient;
use ironrdp_pdu::gcc::{ConnectionType, KeyboardType};
use ironrdp_pdu::nego::NegoRequestData;
use ironrdp_pdu::rdp::capability_sets::{MajorPlatformType, RailSupportLevel, client_codecs_capabilities};
use ironrdp_pdu::rdp::client_info::{PerformanceFlags, TimezoneInfo};
use ironrdp_tokio::{
    FramedWrite as _, ShouldUpgrade, TokioFramed, connect_begin, mark_as_upgraded, single_sequence_step,
};
use ra_channels::again::AgainExpert;
use ra_channels::encomsp::EncomspExpert;
use ra_channels::remdesk::RemdeskExpert;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tracing::debug;

use super::graphics::Graphics;
use super::{MAX_SIDE, WireError};
use crate::pipeline::Inlet;
use crate::plan::Plan;
use crate::way::Transport;

/// A connection whose channels are joined and whose desktop size is agreed.
pub(crate) struct Joined {
    pub(crate) framed: TokioFramed<TlsStream<Transport>>,
    pub(crate) result: ConnectionResult,
    /// This end's address, where the connection has one.
    pub(crate) local: Option<IpAddr>,
}

/// What every attempt of a plan says about itself. The session id only leaves with Client Info, to the winner.
#[derive(Clone)]
pub(crate) struct Introduction(Config);

/// Both sides agreed to TLS; it has not begun.
pub(crate) struct Agreed {
    local: Option<IpAddr>,
    connector: ClientConnector,
    upgrade: ShouldUpgrade,
}

/// TLS stands; of RDP nothing more than the connection request has been said.
pub(crate) struct Secured {
    local: Option<IpAddr>,
    framed: TokioFramed<TlsStream<Transport>>,
    connector: ClientConnector,
}

impl Introduction {
    pub(crate) fn new(plan: &Plan, client_name: &str) -> Self {
        Self(configuration(plan, client_name))
    }

    /// Asks for TLS; the error is for the log. `local` is this end's address.
    pub(crate) async fn negotiate(self, stream: Transport, local: SocketAddr) -> Result<(Transport, Agreed), String> {
        let mut framed = TokioFramed::new(stream);
        let mut connector = ClientConnector::new(self.0, local);
        let upgrade = connect_begin(&mut framed, &mut connector).await.map_err(|error| error.to_string())?;
        let (stream, early) = framed.into_inner();
        if early.is_empty() {
            let local = Some(local.ip()).filter(|ip| !ip.is_unspecified());
            Ok((stream, Agreed { local, connector, upgrade }))
        } else {
            // Whoever speaks here wants to be heard as part of what follows.
            Err("the other side spoke before the encryption stood".to_owned())
        }
    }
}

impl Agreed {
    pub(crate) fn secured(self, stream: TlsStream<Transport>) -> Secured {
        let Self { local, mut connector, upgrade } = self;
        mark_as_upgraded(upgrade, &mut connector);
        Secured { local, framed: TokioFramed::new(stream), connector }
    }
}

fn configuration(plan: &Plan, client_name: &str) -> Config {
    let codecs = client_codecs_capabilities(&[]).unwrap_or_default();
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
        // No secret: the name is the invitation's own, and the star says that Remote Assistance is meant.
        credentials: Credentials::UsernamePassword { username: plain_name(&plan.novice), password: STAR.to_owned() },
        domain: None,
        client_build: CLIENT_BUILD,
        client_name: client_name.to_owned(),
        keyboard_type: KeyboardType::IBM_ENHANCED,
        keyboard_subtype: 0,
        keyboard_functional_keys_count: 12,
        keyboard_layout: US_ENGLISH,
        connection_type: ConnectionType::Lan,
        ime_file_name: String::new(),
        bitmap: Some(BitmapConfig { lossy_compression: true, color_depth: 32, codecs }),
        dig_product_id: String::new(),
        client_dir: String::new(),
        alternate_shell: STAR.to_owned(),
        work_dir: plan.session_id.expose().to_owned(),
        remote_application_mode: false,
        rail_support_level: RailSupportLevel::empty(),
        platform: MajorPlatformType::UNIX,
        hardware_id: None,
        // The cookie travels before TLS, so it names nobody.
        request_data: Some(NegoRequestData::cookie(COOKIE.to_owned())),
        autologon: false,
        enable_audio_playback: false,
        enable_audio_capture: false,
        performance_flags: PerformanceFlags::default(),
        license_cache: None,
        timezone_info: TimezoneInfo::default(),
        // Announced is only what can be undone; nothing here needs it, since the pictures are compressed already.
        compression_type: None,
        enable_server_pointer: true,
        pointer_software_rendering: false,
        multitransport_flags: None,
        support_dyn_vc_gfx_protocol: true,
    }
}

/// Goes through the connection sequence: Client Info, licence, capabilities, finalisation.
pub(crate) async fn join(
    line: Secured,
    remdesk: RemdeskExpert,
    graphics: Inlet,
    patience: Duration,
) -> Result<Joined, WireError> {
    let Secured { local, mut framed, mut connector } = line;
    connector.attach_static_channel(remdesk);
    connector.attach_static_channel(EncomspExpert::new());
    connector.attach_static_channel(AgainExpert::new());
    connector.attach_static_channel(DrdynvcClient::new().with_dynamic_channel(Graphics::new(graphics)));

    let outcome = timeout(patience, sequence(&mut framed, &mut connector)).await.map_err(|_| WireError::TimeOut)??;
    let result = match outcome {
        ConnectionOutcome::Connected(result) => result,
        // A novice's computer is this one and no other: the invitation named it.
        ConnectionOutcome::Redirected(_) => return Err(WireError::protocol("a redirection")),
    };
    let size = result.desktop_size;
    if size.width == 0 || size.height == 0 || size.width > MAX_SIDE || size.height > MAX_SIDE {
        return Err(WireError::protocol("a desktop of impossible size"));
    }
    Ok(Joined { framed, result, local })
}

async fn sequence(
    framed: &mut TokioFramed<TlsStream<Transport>>,
    connector: &mut ClientConnector,
) -> Result<ConnectionOutcome, WireError> {
    let mut buffer = WriteBuf::new();
    loop {
        if connector.should_perform_multitransport() {
            buffer.clear();
            let written = connector.skip_multitransport(&mut buffer).map_err(WireError::protocol)?;
            if written.size().is_some() {
                framed.write_all(buffer.filled()).await?;
            }
        } else {
            debug!(state = connector.state().name(), "connection sequence");
            single_sequence_step(framed, connector, &mut buffer).await.map_err(broken)?;
        }
        if let Some(outcome) = connector.state.take_outcome() {
            return Ok(outcome);
        }
    }
}

/// Tells a closed connection from a broken protocol: the first is what an ended ticket looks like (R32).
pub(crate) fn broken(error: ConnectorError) -> WireError {
    let mut cause: Option<&(dyn core::error::Error + 'static)> = Some(&error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            let kind = std::io::Error::from(io.kind());
            return if io.kind() == std::io::ErrorKind::Other { WireError::protocol(io) } else { kind.into() };
        }
        cause = error.source();
    }
    match error.kind() {
        ConnectorErrorKind::AccessDenied => WireError::Gone(std::io::ErrorKind::PermissionDenied.into()),
        _ => WireError::Protocol(error.report().to_string()),
    }
}

/// The name as an account name could be: no control characters, no more than the field of an old server takes.
fn plain_name(name: &str) -> String {
    name.chars().filter(|character| !character.is_control()).take(MAX_NAME).collect()
}

/// What stands for "no password here": the proof goes over `remdesk`. Source: [MS-RA] 2.2.7.2.
const STAR: &str = "*";
/// `mstshash` of every expert of this program.
const COOKIE: &str = "expert";
/// Characters of a user name that are sent; Windows allows 20 for an account, FreeRDP sends what stands in the file.
const MAX_NAME: usize = 64;
/// A build number, since the field must hold one; servers choose nothing by it.
const CLIENT_BUILD: u32 = 2600;
/// The layout that our scancodes are written against; the novice's own layout turns them into characters.
const US_ENGLISH: u32 = 0x409;
