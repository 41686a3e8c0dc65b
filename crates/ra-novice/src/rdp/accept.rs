//! From a fresh connection to the end of the connection sequence: negotiation, TLS, MCS, Client Info, capabilities.

use std::io;
use std::sync::Arc;

use ironrdp_acceptor::{Acceptor, AcceptorResult, DesktopSize};
use ironrdp_async::FramedWrite as _;
use ironrdp_connector::Sequence as _;
use ironrdp_core::{WriteBuf, decode};
use ironrdp_dvc::DrdynvcServer;
use ironrdp_pdu::nego::SecurityProtocol;
use ironrdp_pdu::x224::X224;
use ironrdp_pdu::{mcs, rdp};
use ironrdp_tokio::TokioFramed;
use ra_channels::again::AgainNovice;
use ra_channels::encomsp::{EncomspNovice, ParticipantId};
use ra_channels::remdesk::RemdeskNovice;
use ra_ticket::KeyFingerprint;
use rustls::ServerConfig;
use tokio::io::AsyncReadExt as _;
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

use super::capabilities::{self, Link};
use super::line::Line;
use super::metered::{Allowance, Metered};
use super::pictures::GraphicsInbox;
use crate::arrival::Duplex;
use crate::client_key;

/// What an expert says of itself before anything is decided. Nothing of it is proved, but for the key.
pub(crate) struct ClientHello {
    /// `WorkingDir` of the Client Info PDU: the session id of the ticket it wants to redeem.
    pub(crate) session_id: String,
    /// `AlternateShell`: `*`, or the password. Never run, never logged.
    pub(crate) alternate_shell: Zeroizing<String>,
    /// The key that the handshake was signed with, where the expert was asked for one and has one. This is proved.
    pub(crate) key: Option<KeyFingerprint>,
}

/// Why a connection came to nothing before the engine had a say, or by its word. The peer is told none of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the connection broke")]
    Io(#[from] io::Error),
    #[error("the connection sequence was not kept")]
    Sequence(#[source] ironrdp_acceptor::ConnectorError),
    #[error("a preconnection PDU of an impossible size")]
    Preconnection,
    #[error("not the protocol that was negotiated")]
    Security,
    #[error("the Client Info PDU cannot be read")]
    ClientInfo,
    #[error("there is no such open ticket")]
    Ticket,
    #[error("it joined no remdesk channel")]
    NoRemdesk,
}

/// Takes a stream to the end of the connection sequence.
///
/// `tls` is asked when it is time for TLS. `admit` judges the Client Info; `false` closes the connection without a word (R30 to R32).
pub(crate) async fn accept(
    stream: Box<dyn Duplex>,
    allowance: Allowance,
    tls: impl FnOnce() -> Arc<ServerConfig>,
    (size, link): (ra_desktop::Size, Link),
    admit: impl FnOnce(ClientHello) -> bool,
) -> Result<Line, Refusal> {
    let mut stream = Metered::new(stream, allowance.clone());
    let leftover = skip_preconnection(&mut stream).await?;

    let size = DesktopSize { width: size.width, height: size.height };
    let graphics = GraphicsInbox::default();
    let mut acceptor = Acceptor::new(SecurityProtocol::SSL, size, capabilities::announced(size, link), None);
    acceptor.attach_static_channel(RemdeskNovice::new());
    if let Ok(encomsp) = EncomspNovice::new(EXPERT, "Expert") {
        acceptor.attach_static_channel(encomsp);
    }
    acceptor.attach_static_channel(AgainNovice::new());
    acceptor.attach_static_channel(DrdynvcServer::new().with_dynamic_channel(graphics.channel()));

    let mut framed = TokioFramed::new_with_leftover(stream, leftover);
    let mut buf = WriteBuf::new();
    while acceptor.reached_security_upgrade().is_none() {
        step(&mut framed, &mut acceptor, &mut buf, &mut Unheard).await?;
    }
    let (stream, leftover) = framed.into_inner();
    if !leftover.is_empty() {
        // Somebody who sends more before the handshake is not waiting for our choice of protocol.
        return Err(Refusal::Security);
    }
    let stream = TlsAcceptor::from(tls()).accept(stream).await?;
    let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let key = certificates.first().and_then(client_key::fingerprint);
    acceptor.mark_security_upgrade_as_done();

    let mut framed = TokioFramed::new(stream);
    let mut tap = ClientInfoTap { admit: Some(admit), key };
    let result: AcceptorResult = loop {
        if let Some(result) = acceptor.get_result() {
            break result;
        }
        step(&mut framed, &mut acceptor, &mut buf, &mut tap).await?;
    };
    if tap.admit.is_some() {
        return Err(Refusal::ClientInfo);
    }
    Line::new(framed, result, graphics, allowance, size).ok_or(Refusal::NoRemdesk)
}

/// Hears every PDU of the expert before the acceptor does.
trait Tap {
    fn hear(&mut self, state: &str, pdu: &[u8]) -> Result<(), Refusal>;
}

struct Unheard;

impl Tap for Unheard {
    fn hear(&mut self, _: &str, _: &[u8]) -> Result<(), Refusal> {
        Ok(())
    }
}

struct ClientInfoTap<F> {
    admit: Option<F>,
    key: Option<KeyFingerprint>,
}

impl<F: FnOnce(ClientHello) -> bool> Tap for ClientInfoTap<F> {
    /// The acceptor reads the Client Info PDU but keeps neither `WorkingDir` nor `AlternateShell`.
    fn hear(&mut self, state: &str, pdu: &[u8]) -> Result<(), Refusal> {
        if state != "SecureSettingsExchange" {
            return Ok(());
        }
        let admit = self.admit.take().ok_or(Refusal::ClientInfo)?;
        let X224(data) = decode::<X224<mcs::SendDataRequest<'_>>>(pdu).map_err(|_| Refusal::ClientInfo)?;
        let info: rdp::ClientInfoPdu = decode(data.user_data.as_ref()).map_err(|_| Refusal::ClientInfo)?;
        let hello = ClientHello {
            session_id: info.client_info.work_dir,
            alternate_shell: Zeroizing::new(info.client_info.alternate_shell),
            key: self.key,
        };
        if admit(hello) { Ok(()) } else { Err(Refusal::Ticket) }
    }
}

/// One step of the acceptor: at most one PDU in, at most one out.
async fn step<S>(
    framed: &mut TokioFramed<S>,
    acceptor: &mut Acceptor,
    buf: &mut WriteBuf,
    tap: &mut impl Tap,
) -> Result<(), Refusal>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Sync + Unpin,
{
    buf.clear();
    let stepped = if let Some(hint) = acceptor.next_pdu_hint() {
        let pdu = framed.read_by_hint(hint).await?;
        tap.hear(acceptor.state().name(), &pdu)?;
        acceptor.step(&pdu, framed.last_read_at(), buf)
    } else {
        acceptor.step_no_input(buf)
    };
    // A refused negotiation fails *and* leaves RDP_NEG_FAILURE to be sent.
    if buf.filled_len() > 0 {
        framed.write_all(buf.filled()).await?;
    }
    stepped.map(|_| ()).map_err(Refusal::Sequence)
}

/// Reads and discards a preconnection PDU ([MS-RDPEPS] 2.2.1.1), which sharing clients send before X.224. Returns
/// what was read too far.
async fn skip_preconnection(stream: &mut Metered<Box<dyn Duplex>>) -> Result<bytes::BytesMut, Refusal> {
    let mut read = bytes::BytesMut::new();
    while read.is_empty() {
        if stream.read_buf(&mut read).await? == 0 {
            return Err(Refusal::Io(io::ErrorKind::UnexpectedEof.into()));
        }
    }
    if read[0] == TPKT_VERSION {
        return Ok(read);
    }
    let mut wanted = PRECONNECTION_SIZE;
    loop {
        if read.len() >= 4 {
            let size = u32::from_le_bytes([read[0], read[1], read[2], read[3]]);
            wanted = usize::try_from(size)
                .ok()
                .filter(|size| (PRECONNECTION_SIZE..=PRECONNECTION_LIMIT).contains(size))
                .ok_or(Refusal::Preconnection)?;
            if read.len() >= wanted {
                return Ok(read.split_off(wanted));
            }
        }
        debug_assert!(read.len() < wanted, "nothing else keeps the loop going");
        if stream.read_buf(&mut read).await? == 0 {
            return Err(Refusal::Io(io::ErrorKind::UnexpectedEof.into()));
        }
    }
}

/// The only participant there is. FreeRDP takes any number.
const EXPERT: ParticipantId = ParticipantId(1);
/// The first byte of X.224 in TPKT.
const TPKT_VERSION: u8 = 3;
/// The smallest preconnection PDU, bytes.
const PRECONNECTION_SIZE: usize = 16;
/// The largest that is read, bytes: \[EPS\] has no limit, and nobody needs more than a name.
const PRECONNECTION_LIMIT: usize = 4096;
