//! A connection that has come through the connection sequence: what the expert says, and what it is told.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use ironrdp_acceptor::{AcceptorResult, DesktopSize};
use ironrdp_core::{WriteBuf, decode, encode_buf, encode_vec};
use ironrdp_dvc::DrdynvcServer;
use ironrdp_pdu::gcc::ClientEarlyCapabilityFlags;
use ironrdp_pdu::rdp::client_info::CompressionType;
use ironrdp_pdu::rdp::headers::{
    CompressionFlags, ShareControlHeader, ShareControlPdu, ShareDataHeader, ShareDataPdu, StreamPriority,
};
use ironrdp_pdu::rdp::server_error_info::{ErrorInfo, ProtocolIndependentCode, ServerSetErrorInfoPdu};
use ironrdp_pdu::x224::X224;
use ironrdp_pdu::{Action, mcs};
use ironrdp_svc::{StaticChannelSet, SvcMessage, SvcProcessor, server_encode_svc_messages};
use ironrdp_tokio::TokioFramed;
use ra_channels::again::{self, AgainNovice};
use ra_channels::encomsp::{self, EncomspNovice, Rights};
use ra_channels::remdesk::{self, ControlNotice, RemdeskNovice, ResultCode, Version};
use ra_session::{InputEvent, ReturnSecret, RevokedBy, Tell, ViewGate};
use tokio::io::ReadHalf;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::metered::Allowance;
use super::pictures::{FromGraphics, GraphicsClient, GraphicsInbox};
use super::wrapping::Wrapping;
use super::writer::{self, FramesOut, Outbox};
use super::{Stream, capabilities, input};

/// One thing that an expert said or did.
#[derive(Debug)]
pub(crate) enum FromExpert {
    /// It speaks a version that nobody here speaks.
    WrongVersion,
    /// It offers its proof of the password.
    Proof(remdesk::Proof),
    /// Version 1: it asks for the desktop.
    DesktopRequested,
    /// It asks for control.
    RequestControl,
    /// It gives control back.
    ReleaseControl,
    /// A key or the pointer.
    Input(InputEvent),
    /// News of the graphics channel.
    Graphics(FromGraphics),
    /// It does (not) want pictures for now.
    WantsPictures(bool),
    /// It wants the whole picture again.
    Repaint,
    /// It has shown a frame of surface commands.
    Shown(u32),
    /// It leaves in good order.
    Left,
    /// It broke the protocol; the sentence is for the log, the code (24 or 32) for the expert.
    Broken(String, ResultCode),
}

/// The connection can carry nothing any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LineError {
    #[error("the connection broke")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Stuck(#[from] writer::Stuck),
    #[error("a message could not be written")]
    Encode(#[from] ironrdp_core::EncodeError),
}

/// A connection after the connection sequence.
pub(crate) struct Line {
    reader: TokioFramed<ReadHalf<Stream>>,
    to_write: Option<tokio::io::WriteHalf<Stream>>,
    outbox: Option<Outbox>,
    writing: Option<JoinHandle<()>>,
    channels: StaticChannelSet,
    numbers: Numbers,
    heard: VecDeque<FromExpert>,
    graphics: GraphicsInbox,
    client: GraphicsClient,
    tells_errors: bool,
    allowance: Allowance,
    /// What the expert was told the desktop measures.
    size: DesktopSize,
    /// The novice said yes: everything is parsed.
    open: bool,
    /// When anything came last.
    last_heard: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Numbers {
    user: u16,
    io: u16,
    remdesk: u16,
    encomsp: Option<u16>,
    drdynvc: Option<u16>,
    /// Of experts who can come back after a loss.
    again: Option<u16>,
}

impl Line {
    /// `None`: the expert joined no `remdesk` channel, and nothing can be said to it.
    pub(super) fn new(
        framed: TokioFramed<Stream>,
        result: AcceptorResult,
        graphics: GraphicsInbox,
        allowance: Allowance,
        size: DesktopSize,
    ) -> Option<Self> {
        let channels = result.static_channels;
        let numbers = Numbers {
            user: result.user_channel_id,
            io: result.io_channel_id,
            remdesk: channels.get_channel_id_by_type::<RemdeskNovice>()?,
            encomsp: channels.get_channel_id_by_type::<EncomspNovice>(),
            drdynvc: channels.get_channel_id_by_type::<DrdynvcServer>(),
            again: channels.get_channel_id_by_type::<AgainNovice>(),
        };
        let early = result.client_early_capability_flags;
        let client = GraphicsClient {
            pipeline: numbers.drdynvc.is_some() && capabilities::speaks_graphics(early),
            bitmap: capabilities::bitmap_client(&result.capabilities),
            pointer: capabilities::pointer_client(&result.capabilities),
        };
        let (reader, writer) = ironrdp_tokio::split_tokio_framed(framed);
        Some(Self {
            reader,
            to_write: Some(writer.into_inner_no_leftover()),
            outbox: None,
            writing: None,
            channels,
            numbers,
            heard: VecDeque::new(),
            graphics,
            client,
            tells_errors: early.contains(ClientEarlyCapabilityFlags::SUPPORT_ERR_INFO_PDU),
            allowance,
            size,
            open: false,
            last_heard: Instant::now(),
        })
    }

    /// Starts the writer, whose frames pass `gate`, and says hello.
    pub(crate) fn begin(&mut self, gate: ViewGate) -> Result<FramesOut, LineError> {
        let Some(stream) = self.to_write.take() else { return Err(LineError::Stuck(writer::Stuck)) };
        let (outbox, frames, task) = writer::start(stream, gate);
        (self.outbox, self.writing) = (Some(outbox), Some(task));
        let hello = self.remdesk().map(RemdeskNovice::hello).into_iter().flatten();
        let hello = hello.map(SvcMessage::from).collect();
        self.say(self.numbers.remdesk, hello)?;
        Ok(frames)
    }

    /// The peer has proved itself: what it sends is not counted any more.
    pub(crate) fn proved(&mut self) -> Result<(), LineError> {
        self.allowance.lift();
        // Version 1 hears of the proof before it asks for the desktop; version 2 hears one word, after the consent.
        if self.version() == Some(Version::One) {
            self.result(ResultCode::NoError)?;
        }
        Ok(())
    }

    /// The novice said yes: from here on every channel is heard, and the graphics channel is offered.
    pub(crate) fn open_up(&mut self) -> Result<(), LineError> {
        self.open = true;
        if self.client.pipeline
            && let Some(number) = self.numbers.drdynvc
            && let Some(channel) = self.channels.get_by_channel_id_mut(number)
            && let Ok(messages) = channel.start()
        {
            self.say(number, messages)?;
        }
        Ok(())
    }

    /// The next thing the expert said. Cancel safe.
    pub(crate) async fn next(&mut self) -> Result<FromExpert, LineError> {
        loop {
            if let Some(heard) = self.heard.pop_front() {
                return Ok(heard);
            }
            let (action, frame) = self.reader.read_pdu().await?;
            self.last_heard = Instant::now();
            let heard = match action {
                Action::X224 => self.hear_slow(&frame),
                Action::FastPath if self.open => self.hear_fast(&frame),
                Action::FastPath => Ok(()),
            };
            match heard {
                Ok(()) => {}
                Err(Deaf::Broken(what)) => {
                    self.heard.push_back(FromExpert::Broken(what, ResultCode::ProtocolError));
                }
                Err(Deaf::Line(error)) => return Err(error),
            }
        }
    }

    /// Tells the expert what the session decided.
    pub(crate) fn tell(&mut self, tell: Tell) -> Result<(), LineError> {
        match tell {
            Tell::ViewGranted => {
                self.result(ResultCode::NoError)?;
                self.with_encomsp(|encomsp| {
                    let mut orders = Vec::from(encomsp.announce());
                    orders.push(encomsp.rights(Rights::View));
                    orders
                })
            }
            Tell::ViewDeclined => self.result(ResultCode::HelpeeSaidNo),
            Tell::NoAnswer => self.result(ResultCode::HelpeeNeverResponded),
            Tell::HostStopped => self.result(ResultCode::StopListenByUser),
            Tell::TicketGone => self.result(ResultCode::HelpSessionExpired),
            Tell::ProtocolError => self.result(ResultCode::ProtocolError),
            Tell::ControlGranted => self.control(ControlNotice::Granted, Rights::ViewAndInteract),
            Tell::ControlRefused => self.control(ControlNotice::Rejected, Rights::View),
            Tell::ControlDenied => self.control(ControlNotice::Denied, Rights::View),
            Tell::ControlRevoked(RevokedBy::Esc) => self.control(ControlNotice::RevokedByEsc, Rights::View),
            Tell::ControlRevoked(RevokedBy::Stop | RevokedBy::Policy) => {
                self.control(ControlNotice::Revoked, Rights::View)
            }
            // The expert knows: it did so itself.
            Tell::ControlRevoked(RevokedBy::Released) => {
                self.with_encomsp(|encomsp| vec![encomsp.rights(Rights::View)])
            }
            Tell::Goodbye => {
                let goodbye = self.remdesk().map(RemdeskNovice::disconnect);
                let goodbye = goodbye.into_iter().map(SvcMessage::from).collect();
                self.say(self.numbers.remdesk, goodbye)?;
                self.with_encomsp(|encomsp| vec![encomsp.remove()])
            }
        }
    }

    /// RESULT.
    pub(crate) fn result(&mut self, code: ResultCode) -> Result<(), LineError> {
        let message = self.remdesk().map(|remdesk| remdesk.result(code));
        self.say(self.numbers.remdesk, message.into_iter().map(SvcMessage::from).collect())
    }

    /// RESULT 26 or 61.
    pub(crate) fn wrong_password(&mut self) -> Result<(), LineError> {
        let message = self.remdesk().map(RemdeskNovice::wrong_password);
        self.say(self.numbers.remdesk, message.into_iter().map(SvcMessage::from).collect())
    }

    /// RESULT 47.
    pub(crate) fn wrong_version(&mut self) -> Result<(), LineError> {
        let message = self.remdesk().map(RemdeskNovice::incompatible_version);
        self.say(self.numbers.remdesk, message.into_iter().map(SvcMessage::from).collect())
    }

    /// How the expert is called in the participant orders.
    pub(crate) fn name_expert(&mut self, name: &str) {
        if let Some(encomsp) = self.channel::<EncomspNovice>() {
            // A name that does not fit keeps the one before.
            let _ = encomsp.rename(name);
        }
    }

    /// The version of Remote Assistance that the expert chose.
    pub(crate) fn version(&mut self) -> Option<Version> {
        self.remdesk().and_then(|remdesk| remdesk.version())
    }

    /// Whether the expert knows how to come back after a loss.
    pub(crate) fn can_return(&self) -> bool {
        self.numbers.again.is_some()
    }

    /// Promises that whoever shows this secret on another connection is this expert.
    pub(crate) fn promise(&mut self, secret: &ReturnSecret) -> Result<(), LineError> {
        let Some(number) = self.numbers.again else { return Ok(()) };
        let secret = again::Secret::new(Zeroizing::new(*secret.bytes()));
        let message = self.channel::<AgainNovice>().map(|again| again.promise(&secret));
        self.say(number, message.into_iter().map(SvcMessage::from).collect())
    }

    /// The secret of a connection before, where the expert has shown one.
    pub(crate) fn take_shown(&mut self) -> Option<ReturnSecret> {
        let shown = self.channel::<AgainNovice>().and_then(AgainNovice::take_shown)?;
        Some(ReturnSecret::new(shown.into_bytes()))
    }

    /// When anything came last.
    pub(crate) fn last_heard(&self) -> Instant {
        self.last_heard
    }

    /// What the expert can be shown.
    pub(crate) fn graphics_client(&self) -> GraphicsClient {
        self.client.clone()
    }

    /// The desktop's size as the expert was told it, pixels.
    pub(crate) fn announced_size(&self) -> (u16, u16) {
        (self.size.width, self.size.height)
    }

    /// How payloads of the graphics channel become PDUs on this connection.
    pub(crate) fn wrapping(&self) -> Option<Wrapping> {
        self.numbers.drdynvc.map(|drdynvc| Wrapping { user_channel: self.numbers.user, drdynvc })
    }

    /// Says goodbye in RDP's own words and closes, after at most [`FLUSH`].
    pub(crate) async fn close(mut self) {
        // A peer that cannot be told anything any more needs no goodbye.
        let _ = self.end_rdp();
        drop(self.outbox.take());
        let Some(mut writing) = self.writing.take() else { return };
        let farewell = async {
            let _ = (&mut writing).await;
            // A socket that is closed with something unread in it takes back what was just sent.
            while self.reader.read_pdu().await.is_ok() {}
        };
        if tokio::time::timeout(FLUSH, farewell).await.is_err() {
            writing.abort();
        }
    }

    fn end_rdp(&mut self) -> Result<(), LineError> {
        let mut buf = WriteBuf::new();
        if self.tells_errors {
            let info = ErrorInfo::ProtocolIndependentCode(ProtocolIndependentCode::LogoffByUser);
            let pdu = ShareControlHeader {
                share_id: 0,
                pdu_source: self.numbers.io,
                share_control_pdu: ShareControlPdu::Data(ShareDataHeader {
                    share_data_pdu: ShareDataPdu::ServerSetErrorInfo(ServerSetErrorInfoPdu(info)),
                    stream_priority: StreamPriority::Undefined,
                    compression_flags: CompressionFlags::empty(),
                    compression_type: CompressionType::K8,
                }),
            };
            let indication = mcs::SendDataIndication {
                initiator_id: self.numbers.user,
                channel_id: self.numbers.io,
                user_data: encode_vec(&pdu)?.into(),
            };
            encode_buf(&X224(indication), &mut buf)?;
        }
        let ultimatum = mcs::DisconnectProviderUltimatum::from_reason(mcs::DisconnectReason::UserRequested);
        encode_buf(&X224(ultimatum), &mut buf)?;
        self.put(buf.filled().to_vec())
    }

    fn hear_slow(&mut self, frame: &[u8]) -> Result<(), Deaf> {
        let X224(message) =
            decode::<X224<mcs::McsMessage<'_>>>(frame).map_err(|_| Deaf::broken("not an MCS message"))?;
        let data = match message {
            mcs::McsMessage::SendDataRequest(data) => data,
            mcs::McsMessage::DisconnectProviderUltimatum(_) => {
                self.heard.push_back(FromExpert::Left);
                return Ok(());
            }
            _ => return Ok(()),
        };
        let number = data.channel_id;
        if number == self.numbers.remdesk {
            self.hear_channel(number, &data.user_data)?;
            self.hear_remdesk();
        } else if Some(number) == self.numbers.again {
            // Also before the yes: a few bytes that show who it was before, and ask whether anybody is there.
            self.hear_channel(number, &data.user_data)?;
        } else if !self.open {
            // Dropped unread: nobody has said yes to anything yet.
        } else if number == self.numbers.io {
            self.hear_share(&data.user_data)?;
        } else if Some(number) == self.numbers.encomsp {
            self.hear_channel(number, &data.user_data)?;
            self.hear_encomsp();
        } else if Some(number) == self.numbers.drdynvc {
            self.hear_channel(number, &data.user_data)?;
            self.heard.extend(self.graphics.take().into_iter().map(FromExpert::Graphics));
        }
        Ok(())
    }

    /// Gives one chunk to its channel and sends what the channel answers by itself.
    fn hear_channel(&mut self, number: u16, chunk: &[u8]) -> Result<(), Deaf> {
        // ironrdp puts no limit on what a sequence of chunks may declare.
        ra_channels::chunk::admit(chunk).map_err(|error| Deaf::Broken(error.to_string()))?;
        let Some(channel) = self.channels.get_by_channel_id_mut(number) else { return Ok(()) };
        let answers = channel.process(chunk).map_err(|_| Deaf::broken("a channel message cannot be read"))?;
        self.say(number, answers).map_err(Deaf::Line)
    }

    fn hear_remdesk(&mut self) {
        let events = self.remdesk().map(RemdeskNovice::take_events).unwrap_or_default();
        let open = self.open;
        self.heard.extend(events.into_iter().filter_map(|event| match event {
            remdesk::NoviceEvent::IncompatibleVersion { .. } => Some(FromExpert::WrongVersion),
            remdesk::NoviceEvent::Proof(proof) => Some(FromExpert::Proof(proof)),
            remdesk::NoviceEvent::DesktopRequested => Some(FromExpert::DesktopRequested),
            remdesk::NoviceEvent::ControlRequested => open.then_some(FromExpert::RequestControl),
            remdesk::NoviceEvent::ControlReleased => open.then_some(FromExpert::ReleaseControl),
            remdesk::NoviceEvent::Disconnected => Some(FromExpert::Left),
            remdesk::NoviceEvent::Malformed(error) => Some(FromExpert::Broken(error.to_string(), error.result_code())),
            // Chat, names and files are a later issue; a version is asked for where it matters.
            remdesk::NoviceEvent::VersionChosen(_)
            | remdesk::NoviceEvent::Chat(_)
            | remdesk::NoviceEvent::ExpertName(_)
            | remdesk::NoviceEvent::ExpertAddress(_)
            | remdesk::NoviceEvent::FileOffered { .. }
            | remdesk::NoviceEvent::Reported(_) => None,
        }));
    }

    fn hear_encomsp(&mut self) {
        let events = self.channel::<EncomspNovice>().map(EncomspNovice::take_events).unwrap_or_default();
        self.heard.extend(events.into_iter().flat_map(|event| match event {
            encomsp::NoviceEvent::ControlRequested => vec![FromExpert::WantsPictures(true), FromExpert::RequestControl],
            encomsp::NoviceEvent::ControlReleased => vec![FromExpert::WantsPictures(true), FromExpert::ReleaseControl],
            encomsp::NoviceEvent::ViewReleased => vec![FromExpert::ReleaseControl, FromExpert::WantsPictures(false)],
            encomsp::NoviceEvent::Malformed(error) => {
                vec![FromExpert::Broken(error.to_string(), ResultCode::ProtocolError)]
            }
        }));
    }

    fn hear_share(&mut self, data: &[u8]) -> Result<(), Deaf> {
        let header: ShareControlHeader = decode(data).map_err(|_| Deaf::broken("a share PDU cannot be read"))?;
        let ShareControlPdu::Data(data) = header.share_control_pdu else { return Ok(()) };
        match data.share_data_pdu {
            ShareDataPdu::Input(pdu) => {
                self.heard.extend(input::from_slow_path(&pdu).into_iter().map(FromExpert::Input))
            }
            ShareDataPdu::SuppressOutput(pdu) => {
                self.heard.push_back(FromExpert::WantsPictures(pdu.desktop_rect.is_some()));
            }
            ShareDataPdu::RefreshRectangle(_) => self.heard.push_back(FromExpert::Repaint),
            ShareDataPdu::FrameAcknowledge(pdu) => self.heard.push_back(FromExpert::Shown(pdu.frame_id)),
            ShareDataPdu::ShutdownRequest => self.heard.push_back(FromExpert::Left),
            _ => {}
        }
        Ok(())
    }

    fn hear_fast(&mut self, frame: &[u8]) -> Result<(), Deaf> {
        let events = input::from_fast_path(frame).map_err(|_| Deaf::broken("an input PDU cannot be read"))?;
        self.heard.extend(events.into_iter().map(FromExpert::Input));
        Ok(())
    }

    fn control(&mut self, notice: ControlNotice, rights: Rights) -> Result<(), LineError> {
        let message = self.remdesk().map(|remdesk| remdesk.control(notice));
        self.say(self.numbers.remdesk, message.into_iter().map(SvcMessage::from).collect())?;
        self.with_encomsp(|encomsp| vec![encomsp.rights(rights)])
    }

    fn with_encomsp(
        &mut self,
        orders: impl FnOnce(&mut EncomspNovice) -> Vec<ra_channels::ToExpert>,
    ) -> Result<(), LineError> {
        let Some(number) = self.numbers.encomsp else { return Ok(()) };
        let orders = self.channel::<EncomspNovice>().map(orders).unwrap_or_default();
        self.say(number, orders.into_iter().map(SvcMessage::from).collect())
    }

    fn remdesk(&mut self) -> Option<&mut RemdeskNovice> {
        self.channel::<RemdeskNovice>()
    }

    fn channel<T: SvcProcessor + 'static>(&mut self) -> Option<&mut T> {
        self.channels.get_by_type_mut::<T>()?.channel_processor_downcast_mut::<T>()
    }

    fn say(&self, number: u16, messages: Vec<SvcMessage>) -> Result<(), LineError> {
        if messages.is_empty() {
            return Ok(());
        }
        self.put(server_encode_svc_messages(messages, number, self.numbers.user)?)
    }

    fn put(&self, bytes: Vec<u8>) -> Result<(), LineError> {
        match &self.outbox {
            Some(outbox) => Ok(outbox.send(bytes)?),
            None => Err(LineError::Stuck(writer::Stuck)),
        }
    }
}

impl Drop for Line {
    /// A task that is cancelled leaves no writer behind.
    fn drop(&mut self) {
        if let Some(writing) = self.writing.take() {
            writing.abort();
        }
    }
}

/// Why a PDU was not taken in.
enum Deaf {
    Broken(String),
    Line(LineError),
}

impl Deaf {
    fn broken(what: &str) -> Self {
        Self::Broken(what.to_owned())
    }
}

/// How long a last word may take to leave. An expert on a bad line gets it; a dead one does not hold us.
const FLUSH: Duration = Duration::from_secs(2);
