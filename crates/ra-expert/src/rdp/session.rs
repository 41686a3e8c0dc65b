//! The session's own loop: one task that reads frames, paints, hears what the novice says, and sends what it may.

use std::collections::VecDeque;
use std::future::ready;
use std::time::Duration;

use ironrdp_connector::connection_activation::{ConnectionActivationFactory, ConnectionActivationState};
use ironrdp_core::WriteBuf;
use ironrdp_graphics::image_processing::PixelFormat;
use ironrdp_pdu::Action;
use ironrdp_pdu::rdp::autodetect::AutoDetectRequest;
use ironrdp_session::image::DecodedImage;
use ironrdp_session::{ActiveStage, ActiveStageBuilder, ActiveStageOutput};
use ironrdp_svc::{SvcClientProcessor, SvcMessage, SvcProcessorMessages};
use ironrdp_tokio::{FramedWrite as _, TokioFramed, single_sequence_step};
use ra_channels::again::{AgainExpert, Secret};
use ra_channels::encomsp::{self, EncomspExpert, Rights};
use ra_channels::remdesk::{self, ControlNotice, RemdeskExpert, Version};
use ra_session::expert::{Change, Expert, ExpertState, FromNovice};
use ra_session::{InputEvent, RevokedBy};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::client::TlsStream;
use tracing::{debug, info};

use super::connect::{Joined, broken};
use super::frame::Guard;
use super::graphics::Graphics;
use super::life::{Act, Life};
use super::{MAX_SIDE, WireError, cursor, send};
use crate::driver::{Sight, Wishes};
use crate::event::{EndReason, Face, ViewerEvent};
use crate::input::{Controls, Held, Order, typed};
use crate::picture::Rect;
use crate::stats::Codec;
use crate::way::Transport;

/// A joined connection, from the first word of the novice to the last.
pub(crate) struct Session<'a> {
    framed: TokioFramed<TlsStream<Transport>>,
    stage: ActiveStage,
    image: DecodedImage,
    guard: Guard,
    activation: ConnectionActivationFactory,
    expert: Expert,
    held: Held,
    /// What is still to be typed of the text that the expert wished for.
    typing: VecDeque<InputEvent>,
    sight: Sight<'a>,
    face: &'a dyn Face,
    controls: &'a Controls,
    wishes: Wishes,
    /// What is waited for now, and until when; nothing once the expert sees.
    deadline: Option<Instant>,
    time_up: Option<Instant>,
    viewing_since: Option<Instant>,
    authenticated: bool,
    refused: bool,
    proof_sent: bool,
    /// The connection takes the place of one that was lost.
    returns: Option<Secret>,
    /// By what the next one can take the place of this one.
    promise: Option<Secret>,
    life: Life,
    /// The server has announced another size for its bitmaps.
    resized: bool,
    painted: bool,
    first_frame: bool,
}

/// How a session ended.
pub(crate) struct Ending {
    pub(crate) reason: EndReason,
    /// What brings the expert back, where it was promised.
    pub(crate) promise: Option<Secret>,
    /// When the expert wants the end of it, if by the clock.
    pub(crate) time_up: Option<Instant>,
    /// The novice's computer said no, which asking again does not change.
    pub(crate) refused: bool,
}

/// The loop goes on, or the session is over.
enum Step {
    Go,
    End(EndReason),
}

impl<'a> Session<'a> {
    pub(crate) fn new(
        joined: Joined,
        sight: Sight<'a>,
        face: &'a dyn Face,
        controls: &'a Controls,
        wishes: Wishes,
        returns: Option<Secret>,
    ) -> Self {
        let Joined { framed, result, local } = joined;
        let (size, time_up) = (result.desktop_size, wishes.time_up);
        let stage = ActiveStageBuilder {
            static_channels: result.static_channels,
            user_channel_id: result.user_channel_id,
            io_channel_id: result.io_channel_id,
            message_channel_id: result.message_channel_id,
            share_id: result.share_id,
            compression_type: result.compression_type,
            enable_server_pointer: result.enable_server_pointer,
            pointer_software_rendering: result.pointer_software_rendering,
        }
        .build();
        Self {
            framed,
            stage,
            image: DecodedImage::new(PixelFormat::BgrA32, size.width, size.height),
            guard: Guard::default(),
            activation: result.activation_factory,
            expert: Expert::new(),
            held: Held::default(),
            typing: VecDeque::new(),
            sight,
            face,
            controls,
            wishes,
            deadline: Some(Instant::now() + if returns.is_some() { HELLO_AGAIN } else { HELLO }),
            time_up,
            viewing_since: None,
            authenticated: false,
            refused: false,
            proof_sent: false,
            returns,
            promise: None,
            life: Life::new(Instant::now(), local),
            resized: false,
            painted: false,
            first_frame: false,
        }
    }

    /// Runs to the end. Whatever way it ends, the other side is told if it still listens.
    pub(crate) async fn run(mut self) -> Ending {
        let mut refused = false;
        let shown = self.show_secret().await;
        let reason = loop {
            if let Err(error) = &shown {
                break self.reason_of(error);
            }
            match self.step().await {
                Ok(Step::Go) => {}
                Ok(Step::End(reason)) => {
                    refused = self.refused;
                    break reason;
                }
                Err(error) => break self.reason_of(&error),
            }
        };
        // Whoever was lost is told nothing: a goodbye that arrives after all would be the end of what may go on.
        if reason != EndReason::Lost
            && let Err(error) = timeout(FAREWELL, self.take_leave()).await.unwrap_or(Err(WireError::TimeOut))
        {
            debug!(%error, "the farewell was not heard");
        }
        // The picture that is left behind is the last one that came.
        let _in_time = timeout(FAREWELL, self.see_the_rest()).await;
        Ending { reason, promise: self.promise, time_up: self.time_up, refused }
    }

    async fn step(&mut self) -> Result<Step, WireError> {
        let deadline = self.deadline;
        let time_up = self.time_up;
        let ask_at = self.promise.is_some().then(|| self.life.next());
        tokio::select! {
            // Whoever sends more than is decoded waits; everything else goes on.
            frame = self.framed.read_pdu(), if self.sight.decoding.has_room() => {
                let (action, frame) = frame?;
                self.life.heard(Instant::now());
                self.sight.counters.received(frame.len());
                self.guard.check(action, &frame, self.activation.io_channel_id())?;
                self.take_in(action, &frame).await
            }
            () = self.sight.decoding.news() => self.look().await,
            () = self.controls.woken() => self.carry_out().await,
            // A frame's worth at a time, so that an ESC in the middle of a long text is heard in the middle.
            () = ready(()), if !self.typing.is_empty() => {
                let events = self.typing.drain(..self.typing.len().min(EVENTS_A_FRAME)).collect();
                self.send(events).await?;
                Ok(Step::Go)
            }
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                info!(state = ?self.expert.state(), "no answer in time");
                Ok(Step::End(if self.proof_sent { EndReason::NoAnswer } else { EndReason::NotReached }))
            }
            () = sleep_until(ask_at.unwrap_or_else(Instant::now)), if ask_at.is_some() => self.ask_after_them().await,
            () = sleep_until(time_up.unwrap_or_else(Instant::now)), if time_up.is_some() => {
                Ok(Step::End(EndReason::Asked))
            }
        }
    }

    /// One frame from the novice's computer.
    async fn take_in(&mut self, action: Action, frame: &[u8]) -> Result<Step, WireError> {
        let outputs = self.stage.process(&mut self.image, action, frame, self.framed.last_read_at())?;
        let mut end = None;
        let length = frame.len();
        for output in outputs {
            match output {
                ActiveStageOutput::ResponseFrame(frame) => self.write(&frame).await?,
                ActiveStageOutput::GraphicsUpdate(_) => self.sight.counters.brought(Codec::Bitmaps, length),
                ActiveStageOutput::DeactivateAll => self.reactivate().await?,
                ActiveStageOutput::Terminate(reason) => {
                    info!(%reason, "the novice's computer ends the connection");
                    // Before the consent this is a closed connection in other words, and means as little (R27).
                    let waiting = self.expert.state() == ExpertState::Waiting;
                    end = Some(if waiting { EndReason::NotReached } else { EndReason::NoviceEnded });
                }
                ActiveStageOutput::AutoDetect(AutoDetectRequest::NetworkCharacteristicsResult {
                    average_rtt_ms,
                    ..
                }) => self.sight.counters.round_trip(Duration::from_millis(average_rtt_ms.into())),
                ActiveStageOutput::ServerRedirection(_) => return Err(WireError::protocol("a redirection")),
                output => {
                    if let Some(cursor) = cursor::change(&output) {
                        self.face.cursor(cursor);
                    }
                }
            }
        }
        self.paint()?;
        match self.listen().await? {
            Step::Go => Ok(end.map_or(Step::Go, Step::End)),
            ended @ Step::End(_) => Ok(ended),
        }
    }

    /// First of all on a connection that takes the place of another one.
    async fn show_secret(&mut self) -> Result<(), WireError> {
        let Some(secret) = self.returns.clone() else { return Ok(()) };
        let message = self.stage.get_svc_processor_mut::<AgainExpert>().map(|again| again.show(&secret));
        match message {
            Some(message) => self.say::<AgainExpert>(message.into()).await,
            None => Ok(()),
        }
    }

    /// Nothing was heard or said for a while: asks whether anybody is there, or gives up.
    async fn ask_after_them(&mut self) -> Result<Step, WireError> {
        if !self.sight.decoding.has_room() {
            // Nothing is heard since nothing is read.
            self.life.heard(Instant::now());
        }
        match self.life.act(Instant::now()) {
            Act::Wait => Ok(Step::Go),
            Act::Ask => {
                let ping = self.stage.get_svc_processor_mut::<AgainExpert>().map(|again| again.ping());
                if let Some(ping) = ping {
                    self.say::<AgainExpert>(ping.into()).await?;
                }
                Ok(Step::Go)
            }
            Act::GiveUp => Err(WireError::Gone(std::io::ErrorKind::TimedOut.into())),
        }
    }

    /// What the decoding thread has to say.
    async fn look(&mut self) -> Result<Step, WireError> {
        let news = self.sight.decoding.take();
        if news.painted {
            self.painted = true;
            self.note_first_frame();
        }
        if let Some(fault) = news.fault {
            return Err(WireError::Protocol(fault));
        }
        if !news.answers.is_empty() {
            let frames = Graphics::frames(&mut self.stage, news.answers)?;
            self.write(&frames).await?;
        }
        Ok(Step::Go)
    }

    /// Waits until all that has come is decoded, or cannot be.
    async fn see_the_rest(&mut self) {
        loop {
            let (idle, news) = (self.sight.decoding.is_idle(), self.sight.decoding.take());
            if news.painted {
                self.painted = true;
                self.note_first_frame();
            }
            if idle {
                return;
            }
            self.sight.decoding.news().await;
        }
    }

    /// Moves what has changed into the picture that the face looks at: bitmaps of a server without the pipeline.
    fn paint(&mut self) -> Result<(), WireError> {
        let (width, height) = (self.image.width(), self.image.height());
        if width > MAX_SIDE || height > MAX_SIDE {
            return Err(WireError::protocol("a desktop of impossible size"));
        }
        let damage = self.stage.take_damage_regions();
        let resized = core::mem::take(&mut self.resized);
        if damage.is_empty() && !(resized && self.painted) {
            return Ok(());
        }
        let mut canvas = self.sight.picture.lock();
        if canvas.is_pipelined() {
            return Ok(());
        }
        canvas.resize(width, height);
        for region in damage {
            let rect = Rect {
                x: region.left,
                y: region.top,
                width: region.right.saturating_sub(region.left).saturating_add(1),
                height: region.bottom.saturating_sub(region.top).saturating_add(1),
            };
            canvas.paint(rect, self.image.data());
            self.painted = true;
        }
        drop(canvas);
        self.sight.counters.frame();
        self.face.picture_changed();
        self.note_first_frame();
        Ok(())
    }

    fn note_first_frame(&mut self) {
        if let (true, false, Some(since)) = (self.painted, self.first_frame, self.viewing_since) {
            self.first_frame = true;
            self.face.event(&ViewerEvent::FirstFrame { after: since.elapsed() });
            if self.wishes.request_control {
                self.controls.ask_for_control();
            }
        }
    }

    /// Hears what `remdesk` and `encomsp` have brought.
    async fn listen(&mut self) -> Result<Step, WireError> {
        if let Some(promise) = self.stage.get_svc_processor_mut::<AgainExpert>().and_then(AgainExpert::take_promise) {
            self.promise = Some(promise);
        }
        for event in
            self.stage.get_svc_processor_mut::<RemdeskExpert>().map(RemdeskExpert::take_events).unwrap_or_default()
        {
            let said = match event {
                remdesk::ExpertEvent::ProofSent => {
                    self.proof_sent = true;
                    self.deadline = Some(Instant::now() + if self.returns.is_some() { HELLO_AGAIN } else { CONSENT });
                    continue;
                }
                remdesk::ExpertEvent::Authenticated => {
                    self.authenticated();
                    continue;
                }
                remdesk::ExpertEvent::Admitted => {
                    self.authenticated();
                    FromNovice::Accepted
                }
                remdesk::ExpertEvent::Refused(code) => {
                    info!(code = code.number(), "the novice's computer says: {code}");
                    self.refused = true;
                    return Ok(Step::End(EndReason::of_result(code.number())));
                }
                remdesk::ExpertEvent::Control(notice) => match notice {
                    ControlNotice::Granted => FromNovice::ControlGranted,
                    ControlNotice::Rejected => FromNovice::ControlRefused,
                    ControlNotice::Denied => FromNovice::ControlDenied,
                    ControlNotice::RevokedByEsc => FromNovice::ControlRevoked(RevokedBy::Esc),
                    ControlNotice::Revoked => FromNovice::ControlRevoked(RevokedBy::Stop),
                },
                remdesk::ExpertEvent::Disconnected => return Ok(Step::End(self.goodbye())),
                remdesk::ExpertEvent::Malformed(error) => return Err(WireError::protocol(error)),
                // No face for these yet: a chat and a file offer are parts of a later issue.
                remdesk::ExpertEvent::Chat(_)
                | remdesk::ExpertEvent::NoviceName(_)
                | remdesk::ExpertEvent::FileOffered { .. } => continue,
            };
            self.hear(said).await?;
        }
        for event in
            self.stage.get_svc_processor_mut::<EncomspExpert>().map(EncomspExpert::take_events).unwrap_or_default()
        {
            let said = match event {
                encomsp::ExpertEvent::Rights(Rights::ViewAndInteract) => FromNovice::ControlGranted,
                // No answer to a request: the novice may have said it before the request arrived.
                encomsp::ExpertEvent::Rights(Rights::View | Rights::Nothing) => {
                    FromNovice::ControlRevoked(RevokedBy::Stop)
                }
                encomsp::ExpertEvent::RequestRefused { .. } => FromNovice::ControlRefused,
                encomsp::ExpertEvent::Removed => return Ok(Step::End(self.goodbye())),
                encomsp::ExpertEvent::Malformed(error) => return Err(WireError::protocol(error)),
                encomsp::ExpertEvent::Paused | encomsp::ExpertEvent::Resumed => continue,
            };
            self.hear(said).await?;
        }
        Ok(Step::Go)
    }

    async fn hear(&mut self, said: FromNovice) -> Result<(), WireError> {
        let Some(change) = self.expert.hear(said) else { return Ok(()) };
        match change {
            Change::Viewing => {
                self.deadline = None;
                self.viewing_since = Some(Instant::now());
                if self.time_up.is_none() {
                    self.time_up = self.wishes.time_limit.map(|limit| Instant::now() + limit);
                }
                let (width, height) = (self.image.width(), self.image.height());
                self.face.event(&match self.returns {
                    Some(_) => ViewerEvent::Returned { width, height },
                    None => ViewerEvent::Viewing { width, height },
                });
                self.note_first_frame();
            }
            Change::Controlling => {
                // What was typed before the yes was not meant for the novice's desktop.
                self.controls.forget_input();
                self.held.forget();
                self.face.event(&ViewerEvent::Controlling);
                if let Some(text) = self.wishes.text.take() {
                    self.typing = typed(&text).into();
                }
            }
            Change::Refused { by_settings } => {
                debug!(by_settings, "control refused");
                self.face.event(&ViewerEvent::ControlRefused);
            }
            Change::Revoked(by) => {
                // The novice's side has lifted what was held before it said so.
                self.controls.forget_input();
                self.typing.clear();
                self.held.forget();
                self.face.event(&ViewerEvent::Revoked { by });
            }
            Change::Ended => {}
        }
        Ok(())
    }

    /// Does what the expert's side wants.
    async fn carry_out(&mut self) -> Result<Step, WireError> {
        let mut events = Vec::new();
        for order in self.controls.take() {
            match order {
                Order::Input(event) => events.push(event),
                Order::Type(text) => {
                    self.send(core::mem::take(&mut events)).await?;
                    if self.expert.permit().is_some() && self.typing.len() < MAX_TYPING {
                        self.typing.extend(typed(&text));
                    }
                }
                Order::LiftAll => {
                    self.send(core::mem::take(&mut events)).await?;
                    let lifted = self.held.lift();
                    self.send(lifted).await?;
                }
                Order::AskForControl => self.ask_for_control().await?,
                Order::GiveControlBack => {
                    self.send(core::mem::take(&mut events)).await?;
                    self.give_control_back().await?;
                }
                Order::End => {
                    self.send(core::mem::take(&mut events)).await?;
                    self.give_control_back().await?;
                    return Ok(Step::End(EndReason::Asked));
                }
            }
        }
        self.send(events).await?;
        Ok(Step::Go)
    }

    async fn ask_for_control(&mut self) -> Result<(), WireError> {
        if !self.expert.ask_control() {
            return Ok(());
        }
        let version_1 = self.remdesk().and_then(|remdesk| remdesk.request_control());
        match version_1 {
            Some(message) => self.say::<RemdeskExpert>(message.into()).await?,
            None => {
                let request = self.encomsp().map(|encomsp| encomsp.request_control());
                if let Some(request) = request {
                    self.say::<EncomspExpert>(request.into()).await?;
                }
            }
        }
        self.face.event(&ViewerEvent::ControlRequested);
        Ok(())
    }

    async fn give_control_back(&mut self) -> Result<(), WireError> {
        let controlled = self.expert.state() == ExpertState::Controlling;
        self.typing.clear();
        let lifted = self.held.lift();
        self.send(lifted).await?;
        if !self.expert.give_back() {
            return Ok(());
        }
        if controlled {
            self.face.event(&ViewerEvent::Revoked { by: RevokedBy::Released });
        }
        let version_2 = self.remdesk().is_some_and(|remdesk| remdesk.version() == Version::Two);
        if version_2 && let Some(release) = self.encomsp().map(|encomsp| encomsp.release_control()) {
            self.say::<EncomspExpert>(release.into()).await?;
        }
        if let Some(release) = self.remdesk().map(|remdesk| remdesk.release_control()) {
            self.say::<RemdeskExpert>(release.into()).await?;
        }
        Ok(())
    }

    /// Sends input, if there is a permit for it; else it is gone.
    async fn send(&mut self, events: Vec<InputEvent>) -> Result<(), WireError> {
        let Some(permit) = self.expert.permit() else { return Ok(()) };
        let mut wire = Vec::with_capacity(events.len());
        for event in events {
            self.held.note(event);
            wire.push(send::fast_path(permit.send(event)));
        }
        for chunk in wire.chunks(EVENTS_A_FRAME) {
            for output in self.stage.process_fastpath_input(&mut self.image, chunk)? {
                if let ActiveStageOutput::ResponseFrame(frame) = output {
                    self.write(&frame).await?;
                }
            }
        }
        Ok(())
    }

    /// The novice's computer changes its desktop: capabilities are agreed anew. Source: [MS-RDPBCGR] 1.3.1.3.
    async fn reactivate(&mut self) -> Result<(), WireError> {
        let mut sequence = self.activation.create();
        let mut buffer = WriteBuf::new();
        let steps = async {
            loop {
                if let state @ ConnectionActivationState::Finalized { .. } = sequence.connection_activation_state() {
                    return Ok::<_, WireError>(state);
                }
                single_sequence_step(&mut self.framed, &mut sequence, &mut buffer).await.map_err(broken)?;
            }
        };
        let state = timeout(REACTIVATION, steps).await.map_err(|_| WireError::TimeOut)??;
        let ConnectionActivationState::Finalized {
            desktop_size: size,
            share_id,
            static_channel_chunk_size,
            enable_server_pointer,
            pointer_software_rendering,
            ..
        } = state
        else {
            return Err(WireError::protocol("a reactivation without an end"));
        };
        if size.width == 0 || size.height == 0 || size.width > MAX_SIDE || size.height > MAX_SIDE {
            return Err(WireError::protocol("a desktop of impossible size"));
        }
        debug!(width = size.width, height = size.height, "the desktop has another size");
        self.image = DecodedImage::new(PixelFormat::BgrA32, size.width, size.height);
        self.resized = true;
        let (io_channel, user_channel) = (sequence.io_channel_id(), sequence.user_channel_id());
        let accepted = self.stage.reactivate(
            io_channel,
            user_channel,
            share_id,
            enable_server_pointer,
            pointer_software_rendering,
            static_channel_chunk_size,
        );
        if accepted { Ok(()) } else { Err(WireError::protocol("channel chunks of impossible size")) }
    }

    /// Says goodbye and closes; after an error this is often said to nobody.
    async fn take_leave(&mut self) -> Result<(), WireError> {
        if let Some(message) = self.stage.get_svc_processor_mut::<RemdeskExpert>().map(RemdeskExpert::disconnect) {
            self.say::<RemdeskExpert>(message.into()).await?;
        }
        let (stream, _) = self.framed.get_inner_mut();
        tokio::io::AsyncWriteExt::shutdown(stream).await?;
        Ok(())
    }

    async fn say<C: SvcClientProcessor + 'static>(&mut self, message: SvcMessage) -> Result<(), WireError> {
        let frame = self.stage.process_svc_processor_messages(SvcProcessorMessages::<C>::new(vec![message]))?;
        self.write(&frame).await
    }

    async fn write(&mut self, frame: &[u8]) -> Result<(), WireError> {
        if frame.is_empty() {
            return Ok(());
        }
        self.life.said(Instant::now());
        timeout(WRITE, self.framed.write_all(frame)).await.map_err(|_| WireError::TimeOut)??;
        Ok(())
    }

    fn authenticated(&mut self) {
        if !self.authenticated {
            self.authenticated = true;
            self.face.event(&ViewerEvent::Authenticated);
        }
    }

    /// The other side ends in good order: a session that ran has ended, one that did not yet run never will.
    fn goodbye(&self) -> EndReason {
        if self.expert.state() == ExpertState::Waiting { EndReason::NoviceStopped } else { EndReason::NoviceEnded }
    }

    /// What an error means to the expert. Before the consent a closed connection is what an expired, an ended and an
    /// unknown ticket look like, and nobody is told which (R27, R32).
    fn reason_of(&self, error: &WireError) -> EndReason {
        info!(%error, "the connection ended");
        match (error, self.expert.state()) {
            (WireError::Protocol(_), _) => EndReason::Protocol,
            (WireError::Gone(_) | WireError::TimeOut, ExpertState::Waiting) => EndReason::NotReached,
            (WireError::Gone(_) | WireError::TimeOut, _) => EndReason::Lost,
        }
    }

    fn remdesk(&mut self) -> Option<&RemdeskExpert> {
        self.stage.get_svc_processor::<RemdeskExpert>()
    }

    fn encomsp(&mut self) -> Option<&EncomspExpert> {
        self.stage.get_svc_processor::<EncomspExpert>()
    }
}

/// The same, and for its word, on a connection that takes the place of another one: nobody has to think.
const HELLO_AGAIN: Duration = Duration::from_secs(10);
/// The novice's computer has this long to say hello once the connection stands. Source: session-protocol 7.2.
const HELLO: Duration = Duration::from_secs(30);
/// A person may think. Ours answers within 120 s or says that nobody did; others know no limit.
const CONSENT: Duration = Duration::from_secs(10 * 60);
/// A change of the desktop's size is a matter of one round trip.
const REACTIVATION: Duration = Duration::from_secs(30);
/// A line that takes nothing for so long is dead.
const WRITE: Duration = Duration::from_secs(30);
/// Leaving is not worth waiting for.
const FAREWELL: Duration = Duration::from_secs(2);
/// Events of a text that wait to be typed when another one is taken on.
const MAX_TYPING: usize = 1 << 20;
/// Input events in one fast-path frame; the short form of its header counts up to 15.
const EVENTS_A_FRAME: usize = 15;
