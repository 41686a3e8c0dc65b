//! The novice's side of `remdesk`: hello, then one proof, then talk.

use super::command::{Command, ControlNotice};
use super::pdu::{self, Message, RemdeskError, decode};
use super::{ResultCode, Version};
use crate::queue::Queue;
use crate::wire::{SecretText, TextError, ToExpert};

/// What the expert said, in the order of the protocol: before its proof only the handshake, a farewell and an error are
/// reported, and what else it says then is dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoviceEvent {
    /// The expert chose a version, once and for all.
    VersionChosen(Version),
    /// The expert speaks a version 1 other than 1.2. Answer [`RemdeskNovice::incompatible_version`] and close.
    IncompatibleVersion {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// The expert's one proof of the password on this connection.
    Proof(Proof),
    /// Version 1: the expert asks for the desktop. It may stand right behind the proof, before any answer to it.
    DesktopRequested,
    /// REMOTECTRLSTART: the expert asks for control.
    ControlRequested,
    /// REMOTECTRLEND: the expert gives control back. In version 2 `encomsp` says so too.
    ControlReleased,
    /// The expert writes. Untrusted text: strip it before it is shown.
    Chat(String),
    /// The expert gives a name. Untrusted text: strip it before it is shown.
    ExpertName(String),
    /// Version 1: the expert gives an address, for the log only. Untrusted text.
    ExpertAddress(String),
    /// The expert offered a file. It is turned down already.
    FileOffered {
        /// Its name. Untrusted text: strip it before it is shown.
        name: String,
    },
    /// The expert reported an error of its own, for the log only.
    Reported(ResultCode),
    /// The expert leaves. The machine is deaf from here on.
    Disconnected,
    /// The expert broke the protocol. The machine is deaf from here on: answer the error's code and close.
    Malformed(RemdeskError),
}

/// What an expert offers as proof that it knows the password; ra-ticket judges it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// How it came.
    pub version: Version,
    /// Version 1: the connection string. Compare the session id inside, not the text: peers rewrite it.
    pub connection_string: Option<SecretText>,
    /// Name and PASS, as `ra_ticket::expert_blob` reads them.
    pub expert_blob: SecretText,
}

/// The novice's side of one connection.
///
/// It answers by itself only what needs no decision: the hello, and the refusal of files. Everything else is said when
/// the engine says so.
#[derive(Debug)]
pub struct RemdeskNovice {
    stage: Stage,
    events: Queue<NoviceEvent>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The expert has not said which version it speaks.
    Open,
    /// The version is chosen, the proof is missing.
    Chosen(Version),
    /// The proof has come; version 1 may ask for the desktop once.
    Proved { version: Version, desktop_asked: bool },
}

impl Default for RemdeskNovice {
    fn default() -> Self {
        Self::new()
    }
}

impl RemdeskNovice {
    /// A connection on which nothing was said.
    #[must_use]
    pub fn new() -> Self {
        Self { stage: Stage::Open, events: Queue::new() }
    }

    /// The first words, each a channel PDU of its own: SERVER_ANNOUNCE and VERSIONINFO 1.2.
    ///
    /// Say them once all channels are joined and the connection sequence is over; earlier ones are lost.
    #[must_use]
    pub fn hello(&mut self) -> [ToExpert; 2] {
        [ToExpert::new(pdu::encode_server_announce()), ToExpert::new(pdu::encode_version(1, 2))]
    }

    /// Takes one complete channel PDU and gives what must be answered at once; the events wait in
    /// [`Self::take_events`].
    #[must_use]
    pub fn receive(&mut self, pdu: &[u8]) -> Vec<ToExpert> {
        if self.events.is_shut() {
            return Vec::new();
        }
        match decode(pdu) {
            Ok(Some(message)) => self.hear(message).into_iter().collect(),
            Ok(None) => Vec::new(),
            Err(error) => {
                self.events.push_last(NoviceEvent::Malformed(error));
                Vec::new()
            }
        }
    }

    /// The events since the last call, oldest first; at most [`crate::MAX_WAITING_EVENTS`] and one more.
    #[must_use]
    pub fn take_events(&mut self) -> Vec<NoviceEvent> {
        self.events.take()
    }

    /// The version that the expert chose.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        match self.stage {
            Stage::Open => None,
            Stage::Chosen(version) | Stage::Proved { version, .. } => Some(version),
        }
    }

    /// RESULT. After any other code than 0 the machine is deaf, and the engine closes after a short flush: FreeRDP does
    /// not go by itself.
    #[must_use]
    pub fn result(&mut self, code: ResultCode) -> ToExpert {
        if !code.is_ok() {
            self.events.shut();
        }
        ToExpert::new(pdu::encode_result(code))
    }

    /// RESULT for a wrong password: 26 in version 1, 61 in version 2. Deaf from here on.
    #[must_use]
    pub fn wrong_password(&mut self) -> ToExpert {
        self.result(match self.version() {
            Some(Version::One) => ResultCode::InvalidPassword,
            Some(Version::Two) | None => ResultCode::PasswordsDoNotMatch,
        })
    }

    /// RESULT 47, for an expert of an unsuitable version 1. Deaf from here on.
    #[must_use]
    pub fn incompatible_version(&mut self) -> ToExpert {
        self.result(ResultCode::IncompatibleVersion)
    }

    /// Says what became of control. Shut the gate before you say that it is shut.
    #[must_use]
    pub fn control(&self, notice: ControlNotice) -> ToExpert {
        ToExpert::new(pdu::encode_fixed_command(&Command::Control(notice)))
    }

    /// Chat, at most [`super::MAX_CHAT_UNITS`].
    ///
    /// # Errors
    ///
    /// [`TextError`] when the text is too long or holds a NUL.
    pub fn chat(&self, text: &str) -> Result<ToExpert, TextError> {
        Message::Chat(text.to_owned()).encode().map(ToExpert::new)
    }

    /// RANOVICE_NAME, at most [`super::MAX_NAME_UNITS`].
    ///
    /// # Errors
    ///
    /// [`TextError`] when the name is too long or holds a NUL.
    pub fn name(&self, name: &str) -> Result<ToExpert, TextError> {
        Message::NoviceName(name.to_owned()).encode().map(ToExpert::new)
    }

    /// DISCONNECT. Deaf from here on.
    #[must_use]
    pub fn disconnect(&mut self) -> ToExpert {
        self.events.shut();
        ToExpert::new(pdu::encode_disconnect())
    }

    fn hear(&mut self, message: Message) -> Option<ToExpert> {
        match (self.stage, message) {
            (_, Message::Disconnect) => self.events.push_last(NoviceEvent::Disconnected),
            (Stage::Open, Message::VersionInfo { major: 1, minor: 2 }) => self.choose(Version::One),
            (Stage::Open, Message::VersionInfo { major, minor }) => {
                self.tell(NoviceEvent::IncompatibleVersion { major, minor });
            }
            // Its stub is evidence of nothing that VERIFY_PASSWORD does not prove.
            (Stage::Open, Message::ExpertOnVista { .. }) => self.choose(Version::Two),
            (Stage::Chosen(Version::One), Message::Authenticate { connection_string, expert_blob }) => {
                self.prove(Version::One, Some(connection_string), expert_blob);
            }
            (Stage::Chosen(Version::Two), Message::VerifyPassword { expert_blob }) => {
                self.prove(Version::Two, None, expert_blob);
            }
            (Stage::Proved { version: Version::One, desktop_asked: false }, Message::RemoteControlDesktop { .. }) => {
                self.stage = Stage::Proved { version: Version::One, desktop_asked: true };
                self.tell(NoviceEvent::DesktopRequested);
            }
            (Stage::Proved { .. }, message) => return self.hear_proved(message),
            // Out of sequence, or of the version that was not chosen: dropped without an answer.
            (Stage::Open | Stage::Chosen(_), _) => {}
        }
        None
    }

    fn hear_proved(&mut self, message: Message) -> Option<ToExpert> {
        match message {
            Message::Command(Command::RequestControl) => self.tell(NoviceEvent::ControlRequested),
            Message::Command(Command::ReleaseControl) => self.tell(NoviceEvent::ControlReleased),
            Message::Command(Command::ExpertAddress(address)) => self.tell(NoviceEvent::ExpertAddress(address)),
            Message::Command(Command::OfferFile { name, channel, .. }) => {
                self.tell(NoviceEvent::FileOffered { name });
                return Some(ToExpert::new(pdu::encode_file_reject(&channel)));
            }
            Message::Chat(text) => self.tell(NoviceEvent::Chat(text)),
            Message::ExpertName(name) => self.tell(NoviceEvent::ExpertName(name)),
            Message::Result(code) if !code.is_ok() => self.tell(NoviceEvent::Reported(code)),
            // Said by novices, of version 3, said twice, or of no meaning.
            Message::Result(_)
            | Message::Command(Command::Control(_) | Command::Setting { .. })
            | Message::RemoteControlDesktop { .. }
            | Message::Authenticate { .. }
            | Message::ServerAnnounce
            | Message::Disconnect
            | Message::VersionInfo { .. }
            | Message::IsConnected
            | Message::VerifyPassword { .. }
            | Message::ExpertOnVista { .. }
            | Message::NoviceName(_)
            | Message::FileRejected(_) => {}
        }
        None
    }

    fn choose(&mut self, version: Version) {
        self.stage = Stage::Chosen(version);
        self.tell(NoviceEvent::VersionChosen(version));
    }

    fn prove(&mut self, version: Version, connection_string: Option<SecretText>, expert_blob: SecretText) {
        self.stage = Stage::Proved { version, desktop_asked: false };
        self.tell(NoviceEvent::Proof(Proof { version, connection_string, expert_blob }));
    }

    fn tell(&mut self, event: NoviceEvent) {
        self.events.push(event, || NoviceEvent::Malformed(RemdeskError::Flood));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(novice: &mut RemdeskNovice, message: &Message) -> Vec<NoviceEvent> {
        assert!(novice.receive(&message.encode().unwrap()).is_empty());
        novice.take_events()
    }

    fn vista() -> Message {
        Message::ExpertOnVista { encrypted_stub: vec![7; 32].into() }
    }

    fn verify() -> Message {
        Message::VerifyPassword { expert_blob: "11;NAME=Expert".into() }
    }

    fn authenticate() -> Message {
        Message::Authenticate { connection_string: "65538,1".into(), expert_blob: "11;NAME=Expert".into() }
    }

    const VERSION: Message = Message::VersionInfo { major: 1, minor: 2 };

    #[test]
    fn the_first_versioned_message_decides_for_good() {
        let mut novice = RemdeskNovice::new();
        assert_eq!(say(&mut novice, &vista()), [NoviceEvent::VersionChosen(Version::Two)]);
        assert_eq!(say(&mut novice, &VERSION), []);
        assert_eq!(say(&mut novice, &authenticate()), [], "a message of version 1 is dropped in version 2");
        assert!(matches!(say(&mut novice, &verify())[..], [NoviceEvent::Proof(_)]));

        let mut novice = RemdeskNovice::new();
        assert_eq!(say(&mut novice, &VERSION), [NoviceEvent::VersionChosen(Version::One)]);
        assert_eq!(say(&mut novice, &vista()), []);
        assert_eq!(say(&mut novice, &verify()), [], "a message of version 2 is dropped in version 1");
        assert!(matches!(say(&mut novice, &authenticate())[..], [NoviceEvent::Proof(_)]));
    }

    #[test]
    fn one_connection_gives_one_proof() {
        let mut novice = RemdeskNovice::new();
        say(&mut novice, &vista());
        assert_eq!(say(&mut novice, &verify()).len(), 1);
        assert_eq!(say(&mut novice, &verify()), [], "a second guess needs a second connection");
    }

    #[test]
    fn before_the_proof_nothing_but_the_handshake_is_reported() {
        let talk = [
            Message::Chat("let me in".into()),
            Message::ExpertName("mum".into()),
            Message::Command(Command::RequestControl),
            Message::Command(Command::ExpertAddress("192.0.2.1".into())),
            Message::RemoteControlDesktop { connection_string: "65538,1".into() },
            Message::Result(ResultCode::InternalError),
        ];
        for first in [None, Some(VERSION), Some(vista())] {
            let mut novice = RemdeskNovice::new();
            if let Some(first) = &first {
                say(&mut novice, first);
            }
            for message in &talk {
                assert_eq!(say(&mut novice, message), [], "{message:?} after {first:?}");
            }
        }
    }

    #[test]
    fn after_the_proof_the_talk_of_either_version_is_reported() {
        for handshake in [[VERSION, authenticate()], [vista(), verify()]] {
            let mut novice = RemdeskNovice::new();
            handshake.iter().for_each(|message| drop(say(&mut novice, message)));
            for (message, event) in [
                (Message::Chat("hello".into()), NoviceEvent::Chat("hello".into())),
                (Message::ExpertName("Mum".into()), NoviceEvent::ExpertName("Mum".into())),
                (Message::Command(Command::RequestControl), NoviceEvent::ControlRequested),
                (Message::Command(Command::ReleaseControl), NoviceEvent::ControlReleased),
                (
                    Message::Command(Command::ExpertAddress("192.0.2.1".into())),
                    NoviceEvent::ExpertAddress("192.0.2.1".into()),
                ),
                (Message::Result(ResultCode::InternalError), NoviceEvent::Reported(ResultCode::InternalError)),
            ] {
                assert_eq!(say(&mut novice, &message), [event]);
            }
            for message in [
                Message::Result(ResultCode::NoError),
                Message::IsConnected,
                Message::ServerAnnounce,
                Message::NoviceName("not yours to say".into()),
                Message::Command(Command::Control(ControlNotice::Granted)),
            ] {
                assert_eq!(say(&mut novice, &message), [], "{message:?}");
            }
        }
    }

    #[test]
    fn the_burst_of_freerdp_in_version_1_comes_in_order() {
        let mut novice = RemdeskNovice::new();
        for message in [VERSION, authenticate(), Message::RemoteControlDesktop { connection_string: "65538".into() }] {
            assert!(novice.receive(&message.encode().unwrap()).is_empty());
        }
        let events = novice.take_events();
        assert!(
            matches!(
                &events[..],
                [NoviceEvent::VersionChosen(Version::One), NoviceEvent::Proof(_), NoviceEvent::DesktopRequested]
            ),
            "{events:?}"
        );
    }

    #[test]
    fn the_desktop_is_asked_for_once_and_never_in_version_2() {
        let desktop = Message::RemoteControlDesktop { connection_string: "65538".into() };
        let mut novice = RemdeskNovice::new();
        say(&mut novice, &VERSION);
        say(&mut novice, &authenticate());
        assert_eq!(say(&mut novice, &desktop), [NoviceEvent::DesktopRequested]);
        assert_eq!(say(&mut novice, &desktop), []);

        let mut novice = RemdeskNovice::new();
        say(&mut novice, &vista());
        say(&mut novice, &verify());
        assert_eq!(say(&mut novice, &desktop), []);
    }

    #[test]
    fn another_version_1_is_reported_and_answered_with_47() {
        let mut novice = RemdeskNovice::new();
        let events = say(&mut novice, &Message::VersionInfo { major: 1, minor: 1 });
        assert_eq!(events, [NoviceEvent::IncompatibleVersion { major: 1, minor: 1 }]);
        assert_eq!(decode(novice.incompatible_version().as_bytes()), Ok(Some(Message::Result(47.into()))));
        assert_eq!(say(&mut novice, &vista()), [], "deaf after a refusal");
    }

    #[test]
    fn after_a_refusal_a_farewell_or_garbage_it_is_deaf() {
        let ends: [fn(&mut RemdeskNovice); 5] = [
            |novice| drop(novice.result(ResultCode::HelpeeSaidNo)),
            |novice| drop(novice.wrong_password()),
            |novice| drop(novice.disconnect()),
            |novice| drop(novice.receive(&[1, 2, 3])),
            |novice| drop(novice.receive(&pdu::encode_disconnect())),
        ];
        for end in ends {
            let mut novice = RemdeskNovice::new();
            say(&mut novice, &vista());
            end(&mut novice);
            let _ = novice.take_events();
            assert_eq!(say(&mut novice, &verify()), []);
        }
    }

    #[test]
    fn a_flood_ends_in_one_last_event() {
        let mut novice = RemdeskNovice::new();
        say(&mut novice, &vista());
        say(&mut novice, &verify());
        for _ in 0..10 * crate::MAX_WAITING_EVENTS {
            let _ = novice.receive(&Message::Chat("x".into()).encode().unwrap());
        }
        let events = novice.take_events();
        assert_eq!(events.len(), crate::MAX_WAITING_EVENTS + 1);
        assert_eq!(events.last(), Some(&NoviceEvent::Malformed(RemdeskError::Flood)));
        assert_eq!(RemdeskError::Flood.result_code(), ResultCode::ProtocolError);
    }

    #[test]
    fn a_proof_does_not_print() {
        let mut novice = RemdeskNovice::new();
        say(&mut novice, &VERSION);
        let printed = format!("{:?}", say(&mut novice, &authenticate()));
        assert!(!printed.contains("NAME") && !printed.contains("65538"), "{printed}");
    }
}
