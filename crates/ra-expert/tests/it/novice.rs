//! A novice's computer that goes through the whole connection sequence and then says what the test tells it to.

use std::sync::Arc;

use ironrdp_acceptor::{Acceptor, DesktopSize};
use ironrdp_connector::Sequence as _;
use ironrdp_core::{WriteBuf, decode};
use ironrdp_pdu::input::fast_path::{FastPathInput, FastPathInputEvent};
use ironrdp_pdu::nego::SecurityProtocol;
use ironrdp_pdu::rdp::capability_sets::{
    Bitmap, BitmapDrawingFlags, CapabilitySet, General, GeneralExtraFlags, Input, InputFlags, MajorPlatformType,
};
use ironrdp_pdu::x224::X224;
use ironrdp_pdu::{Action, mcs};
use ironrdp_svc::{StaticChannelSet, SvcMessage, server_encode_svc_messages};
use ironrdp_tokio::{FramedWrite as _, TokioFramed};
use ra_channels::ToExpert;
use ra_channels::again::{self, AgainNovice};
use ra_channels::encomsp::{self, EncomspNovice, ParticipantId, Rights};
use ra_channels::remdesk::{self, RemdeskNovice};
use ra_expert::Duplex;
use ra_ticket::Endpoint;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::computer::{Identity, server_config};

/// A port with a novice's computer behind it.
pub(crate) struct Novice {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

/// A joined connection as the novice's side has it.
pub(crate) struct Line {
    framed: TokioFramed<TlsStream<Box<dyn Duplex>>>,
    channels: StaticChannelSet,
    user: u16,
    io: u16,
}

/// What the expert said.
#[derive(Debug)]
pub(crate) enum Heard {
    Remdesk(Vec<remdesk::NoviceEvent>),
    Encomsp(Vec<encomsp::NoviceEvent>),
    /// A secret, or a ping.
    Again(Option<again::Secret>),
    Input(Vec<FastPathInputEvent>),
    Other,
    Closed,
}

impl Novice {
    pub(crate) async fn listen(identity: &Identity) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener, acceptor: TlsAcceptor::from(Arc::new(server_config(identity))) }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        self.listener.local_addr().unwrap().into()
    }

    /// Takes one expert through the sequence.
    pub(crate) async fn accept(&self) -> Line {
        let (stream, _) = self.listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        self.receive(stream).await
    }

    /// Takes an expert through the sequence who is there already.
    pub(crate) async fn receive(&self, stream: impl Duplex + 'static) -> Line {
        let stream: Box<dyn Duplex> = Box::new(stream);
        let size = DesktopSize { width: 64, height: 48 };
        let mut acceptor = Acceptor::new(SecurityProtocol::SSL, size, capabilities(size), None);
        acceptor.attach_static_channel(RemdeskNovice::new());
        acceptor.attach_static_channel(EncomspNovice::new(ParticipantId(5), "Expert").unwrap());
        acceptor.attach_static_channel(AgainNovice::new());
        let mut framed = TokioFramed::new(stream);
        let mut buffer = WriteBuf::new();
        while acceptor.reached_security_upgrade().is_none() {
            step(&mut framed, &mut acceptor, &mut buffer).await;
        }
        let (stream, _) = framed.into_inner();
        let stream = self.acceptor.accept(stream).await.unwrap();
        acceptor.mark_security_upgrade_as_done();
        let mut framed = TokioFramed::new(stream);
        let result = loop {
            if let Some(result) = acceptor.get_result() {
                break result;
            }
            step(&mut framed, &mut acceptor, &mut buffer).await;
        };
        Line { framed, channels: result.static_channels, user: result.user_channel_id, io: result.io_channel_id }
    }

    /// Takes an expert as far as the handshake, in which it goes.
    pub(crate) async fn shake_hands(&self, stream: impl Duplex + 'static) {
        let stream: Box<dyn Duplex> = Box::new(stream);
        let size = DesktopSize { width: 64, height: 48 };
        let mut acceptor = Acceptor::new(SecurityProtocol::SSL, size, capabilities(size), None);
        let mut framed = TokioFramed::new(stream);
        let mut buffer = WriteBuf::new();
        while acceptor.reached_security_upgrade().is_none() {
            step(&mut framed, &mut acceptor, &mut buffer).await;
        }
        let (stream, _) = framed.into_inner();
        // It refuses the certificate, in the handshake or, where ours is finished before it sees that, with the next byte.
        if let Ok(mut stream) = self.acceptor.accept(stream).await {
            let mut heard = Vec::new();
            let _closed = stream.read_to_end(&mut heard).await;
            assert!(heard.is_empty(), "not a byte after the certificate");
        }
    }

    /// Takes one expert as far as Client Info and closes, as for a ticket that is over.
    pub(crate) async fn close_after_client_info(&self) {
        let (stream, _) = self.listener.accept().await.unwrap();
        let size = DesktopSize { width: 64, height: 48 };
        let mut acceptor = Acceptor::new(SecurityProtocol::SSL, size, capabilities(size), None);
        acceptor.attach_static_channel(RemdeskNovice::new());
        let mut framed = TokioFramed::new(stream);
        let mut buffer = WriteBuf::new();
        while acceptor.reached_security_upgrade().is_none() {
            step(&mut framed, &mut acceptor, &mut buffer).await;
        }
        let (stream, _) = framed.into_inner();
        let stream = self.acceptor.accept(stream).await.unwrap();
        acceptor.mark_security_upgrade_as_done();
        let mut framed = TokioFramed::new(stream);
        while acceptor.state().name() != "SecureSettingsExchange" {
            step(&mut framed, &mut acceptor, &mut buffer).await;
        }
        let hint = acceptor.next_pdu_hint().unwrap();
        let _client_info = framed.read_by_hint(hint).await.unwrap();
    }
}

async fn step<S>(framed: &mut TokioFramed<S>, acceptor: &mut Acceptor, buffer: &mut WriteBuf)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Sync + Unpin,
{
    buffer.clear();
    let stepped = match acceptor.next_pdu_hint() {
        Some(hint) => {
            let pdu = framed.read_by_hint(hint).await.unwrap();
            acceptor.step(&pdu, None, buffer)
        }
        None => acceptor.step_no_input(buffer),
    };
    stepped.unwrap();
    if buffer.filled_len() > 0 {
        framed.write_all(buffer.filled()).await.unwrap();
    }
}

impl Line {
    /// Says hello and waits for the proof.
    pub(crate) async fn hello(&mut self) {
        for message in self.remdesk().hello() {
            self.say_remdesk(message).await;
        }
        loop {
            if let Heard::Remdesk(events) = self.hear().await
                && events.iter().any(|event| matches!(event, remdesk::NoviceEvent::Proof(_)))
            {
                return;
            }
        }
    }

    /// Says yes to the view.
    pub(crate) async fn admit(&mut self) {
        let yes = self.remdesk().result(remdesk::ResultCode::NoError);
        self.say_remdesk(yes).await;
        for order in self.encomsp().announce() {
            self.say_encomsp(order).await;
        }
        self.rights(Rights::View).await;
    }

    pub(crate) async fn rights(&mut self, rights: Rights) {
        let order = self.encomsp().rights(rights);
        self.say_encomsp(order).await;
    }

    pub(crate) async fn say_remdesk(&mut self, message: ToExpert) {
        let channel = self.channels.get_channel_id_by_type::<RemdeskNovice>().unwrap();
        self.say(channel, message).await;
    }

    pub(crate) async fn say_encomsp(&mut self, message: ToExpert) {
        let channel = self.channels.get_channel_id_by_type::<EncomspNovice>().unwrap();
        self.say(channel, message).await;
    }

    /// Any bytes on the `remdesk` channel, as one PDU of it.
    pub(crate) async fn say_raw(&mut self, payload: Vec<u8>) {
        let channel = self.channels.get_channel_id_by_type::<RemdeskNovice>().unwrap();
        self.send(server_encode_svc_messages(vec![payload.into()], channel, self.user).unwrap()).await;
    }

    async fn say(&mut self, channel: u16, message: impl Into<SvcMessage>) {
        self.send(server_encode_svc_messages(vec![message.into()], channel, self.user).unwrap()).await;
    }

    /// Any bytes at all.
    pub(crate) async fn send(&mut self, frame: Vec<u8>) {
        // Whoever has gone does not hear it.
        let _gone = self.framed.write_all(&frame).await;
    }

    /// A channel's data, in an MCS envelope.
    pub(crate) async fn send_on(&mut self, channel: u16, data: &[u8]) {
        let pdu = mcs::SendDataIndication { initiator_id: self.user, channel_id: channel, user_data: data.into() };
        self.send(ironrdp_core::encode_vec(&X224(pdu)).unwrap()).await;
    }

    pub(crate) fn io_channel(&self) -> u16 {
        self.io
    }

    /// The next thing that the expert says.
    pub(crate) async fn hear(&mut self) -> Heard {
        let Ok((action, frame)) = self.framed.read_pdu().await else { return Heard::Closed };
        if action == Action::FastPath {
            let input: FastPathInput = decode(&frame).unwrap();
            return Heard::Input(input.input_events().to_vec());
        }
        let Ok(X224(mcs::McsMessage::SendDataRequest(data))) = decode::<X224<mcs::McsMessage<'_>>>(&frame) else {
            return Heard::Other;
        };
        let channel = data.channel_id;
        let Some(processor) = self.channels.get_by_channel_id_mut(channel) else { return Heard::Other };
        let _answers = processor.process(&data.user_data).unwrap();
        if self.channels.get_channel_id_by_type::<RemdeskNovice>() == Some(channel) {
            Heard::Remdesk(self.remdesk().take_events())
        } else if self.channels.get_channel_id_by_type::<AgainNovice>() == Some(channel) {
            Heard::Again(self.again().take_shown())
        } else {
            Heard::Encomsp(self.encomsp().take_events())
        }
    }

    /// Promises a way back.
    pub(crate) async fn promise(&mut self, secret: u8) {
        let channel = self.channels.get_channel_id_by_type::<AgainNovice>().unwrap();
        let promise = self.again().promise(&secret_of(secret));
        self.say(channel, promise).await;
    }

    fn again(&mut self) -> &mut AgainNovice {
        let channel = self.channels.get_by_type_mut::<AgainNovice>().unwrap();
        channel.channel_processor_downcast_mut().unwrap()
    }

    pub(crate) fn remdesk(&mut self) -> &mut RemdeskNovice {
        let channel = self.channels.get_by_type_mut::<RemdeskNovice>().unwrap();
        channel.channel_processor_downcast_mut().unwrap()
    }

    pub(crate) fn encomsp(&mut self) -> &mut EncomspNovice {
        let channel = self.channels.get_by_type_mut::<EncomspNovice>().unwrap();
        channel.channel_processor_downcast_mut().unwrap()
    }
}

/// A secret of a test.
pub(crate) fn secret_of(byte: u8) -> again::Secret {
    again::Secret::new(zeroize::Zeroizing::new([byte; again::SECRET_BYTES]))
}

fn capabilities(size: DesktopSize) -> Vec<CapabilitySet> {
    vec![
        CapabilitySet::General(General {
            major_platform_type: MajorPlatformType::UNIX,
            extra_flags: GeneralExtraFlags::FASTPATH_OUTPUT_SUPPORTED,
            ..General::default()
        }),
        CapabilitySet::Bitmap(Bitmap {
            pref_bits_per_pix: 32,
            desktop_width: size.width,
            desktop_height: size.height,
            desktop_resize_flag: true,
            drawing_flags: BitmapDrawingFlags::ALLOW_SKIP_ALPHA,
        }),
        CapabilitySet::Input(Input {
            input_flags: InputFlags::SCANCODES | InputFlags::FASTPATH_INPUT | InputFlags::UNICODE,
            keyboard_layout: 0,
            keyboard_type: None,
            keyboard_subtype: 0,
            keyboard_function_key: 0,
            keyboard_ime_filename: String::new(),
        }),
    ]
}
