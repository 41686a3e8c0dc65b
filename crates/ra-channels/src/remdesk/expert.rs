//! The expert's side of `remdesk`: prove once, wait for the verdict, then talk.

use super::command::{Command, ControlNotice};
use super::pdu::{self, Message, RemdeskError, decode};
use super::{ResultCode, Version};
use crate::queue::Queue;
use crate::wire::{SecretBytes, SecretText, TextError, ToNovice};

/// How the expert proves itself; the caller chooses the version by the ticket that it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// For a ticket of type 1: VERSIONINFO 1.2 and AUTHENTICATE.
    VersionOne {
        /// The RC ticket as the invitation holds it.
        connection_string: SecretText,
        /// Name and PASS, as `ra_ticket::expert_blob` writes them.
        expert_blob: SecretText,
    },
    /// For a ticket of type 2: EXPERT_ON_VISTA and VERIFY_PASSWORD.
    VersionTwo {
        /// The PassStub encrypted with the password: the bytes whose hex is PASS. Empty without a password.
        encrypted_stub: SecretBytes,
        /// Name and PASS, as `ra_ticket::expert_blob` writes them.
        expert_blob: SecretText,
    },
}

/// What the novice said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpertEvent {
    /// The novice said hello and the proof is on its way.
    ProofSent,
    /// Version 1: the proof is right, and now the novice's user is being asked.
    Authenticated,
    /// The novice's user said yes to the view. Input stays off.
    Admitted,
    /// The attempt or the session is over, and this is why; the code's `Display` is the sentence to show.
    /// The machine is deaf from here on.
    Refused(ResultCode),
    /// What became of control.
    Control(ControlNotice),
    /// The novice writes. Untrusted text: strip it before it is shown.
    Chat(String),
    /// The novice gives a name. Untrusted text: strip it before it is shown.
    NoviceName(String),
    /// The novice offered a file. It is turned down already.
    FileOffered {
        /// Its name. Untrusted text: strip it before it is shown.
        name: String,
    },
    /// The novice ends. The machine is deaf from here on.
    Disconnected,
    /// The novice broke the protocol. The machine is deaf from here on: close.
    Malformed(RemdeskError),
}

/// The expert's side of one connection.
#[derive(Debug)]
pub struct RemdeskExpert {
    credentials: Credentials,
    stage: Stage,
    events: Queue<ExpertEvent>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The novice has not said hello.
    Silent,
    /// The proof is sent; a RESULT of 0 leads to what is named here.
    Waiting(Next),
    /// The novice's user said yes.
    Admitted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Version 1: ask for the desktop, then wait for the user.
    AskForDesktop,
    Admission,
}

impl RemdeskExpert {
    /// A connection on which nothing was said.
    ///
    /// # Errors
    ///
    /// [`TextError`] when a text of the credentials is too long for a message or holds a NUL.
    pub fn new(credentials: Credentials) -> Result<Self, TextError> {
        for message in credentials.messages() {
            message.encode()?;
        }
        Ok(Self { credentials, stage: Stage::Silent, events: Queue::new() })
    }

    /// The version that the credentials are for.
    #[must_use]
    pub fn version(&self) -> Version {
        match self.credentials {
            Credentials::VersionOne { .. } => Version::One,
            Credentials::VersionTwo { .. } => Version::Two,
        }
    }

    /// Takes one complete channel PDU and gives what must be answered at once, each a channel PDU of its own; the
    /// events wait in [`Self::take_events`].
    #[must_use]
    pub fn receive(&mut self, pdu: &[u8]) -> Vec<ToNovice> {
        if self.events.is_shut() {
            return Vec::new();
        }
        match decode(pdu) {
            Ok(Some(message)) => self.hear(message),
            Ok(None) => Vec::new(),
            Err(error) => {
                self.events.push_last(ExpertEvent::Malformed(error));
                Vec::new()
            }
        }
    }

    /// The events since the last call, oldest first; at most [`crate::MAX_WAITING_EVENTS`] and one more.
    #[must_use]
    pub fn take_events(&mut self) -> Vec<ExpertEvent> {
        self.events.take()
    }

    /// Asks for control: REMOTECTRLSTART in version 1. In version 2 there is nothing to say here: ask with
    /// [`crate::encomsp::EncomspExpert::request_control`].
    #[must_use]
    pub fn request_control(&self) -> Option<ToNovice> {
        match self.version() {
            Version::One => Some(ToNovice::new(pdu::encode_fixed_command(&Command::RequestControl))),
            Version::Two => None,
        }
    }

    /// Gives control back: REMOTECTRLEND. Stop input first; in version 2 say it with
    /// [`crate::encomsp::EncomspExpert::release_control`] as well.
    #[must_use]
    pub fn release_control(&self) -> ToNovice {
        ToNovice::new(pdu::encode_fixed_command(&Command::ReleaseControl))
    }

    /// Chat, at most [`super::MAX_CHAT_UNITS`].
    ///
    /// # Errors
    ///
    /// [`TextError`] when the text is too long or holds a NUL.
    pub fn chat(&self, text: &str) -> Result<ToNovice, TextError> {
        Message::Chat(text.to_owned()).encode().map(ToNovice::new)
    }

    /// RAEXPERT_NAME, at most [`super::MAX_NAME_UNITS`]; version 2, once the novice has answered.
    ///
    /// # Errors
    ///
    /// [`TextError`] when the name is too long or holds a NUL.
    pub fn name(&self, name: &str) -> Result<ToNovice, TextError> {
        Message::ExpertName(name.to_owned()).encode().map(ToNovice::new)
    }

    /// DISCONNECT. Deaf from here on.
    #[must_use]
    pub fn disconnect(&mut self) -> ToNovice {
        self.events.shut();
        ToNovice::new(pdu::encode_disconnect())
    }

    fn hear(&mut self, message: Message) -> Vec<ToNovice> {
        match (self.stage, message) {
            (Stage::Silent, Message::ServerAnnounce) => return self.introduce(Next::of(self.version())),
            // FreeRDP's shadow server says VERSIONINFO only. It leaves AUTHENTICATE without an answer and says one
            // RESULT 0 to REMOTE_CONTROL_DESKTOP, so that has to follow at once, as FreeRDP's own expert does it.
            (Stage::Silent, Message::VersionInfo { .. }) => {
                let mut answer = self.introduce(Next::Admission);
                answer.extend(self.ask_for_desktop());
                return answer;
            }
            (_, Message::Result(code)) if !code.is_ok() => self.events.push_last(ExpertEvent::Refused(code)),
            (Stage::Waiting(Next::AskForDesktop), Message::Result(_)) => {
                self.stage = Stage::Waiting(Next::Admission);
                self.tell(ExpertEvent::Authenticated);
                return self.ask_for_desktop().into_iter().collect();
            }
            // In version 2 the first 0 may mean the proof or the user's yes; a novice of ours sends one only.
            (Stage::Waiting(Next::Admission), Message::Result(_)) => {
                self.stage = Stage::Admitted;
                self.tell(ExpertEvent::Admitted);
            }
            (_, Message::Disconnect) => self.events.push_last(ExpertEvent::Disconnected),
            (Stage::Silent, _) => {}
            (Stage::Waiting(_) | Stage::Admitted, message) => return self.hear_talk(message).into_iter().collect(),
        }
        Vec::new()
    }

    fn hear_talk(&mut self, message: Message) -> Option<ToNovice> {
        match message {
            Message::Command(Command::Control(notice)) => self.tell(ExpertEvent::Control(notice)),
            Message::Command(Command::OfferFile { name, channel, .. }) => {
                self.tell(ExpertEvent::FileOffered { name });
                return Some(ToNovice::new(pdu::encode_file_reject(&channel)));
            }
            Message::Chat(text) => self.tell(ExpertEvent::Chat(text)),
            Message::NoviceName(name) => self.tell(ExpertEvent::NoviceName(name)),
            // Said by experts, of version 3, said twice, or of no meaning.
            Message::Result(_)
            | Message::Command(
                Command::RequestControl | Command::ReleaseControl | Command::ExpertAddress(_) | Command::Setting { .. },
            )
            | Message::RemoteControlDesktop { .. }
            | Message::Authenticate { .. }
            | Message::ServerAnnounce
            | Message::Disconnect
            | Message::VersionInfo { .. }
            | Message::IsConnected
            | Message::VerifyPassword { .. }
            | Message::ExpertOnVista { .. }
            | Message::ExpertName(_)
            | Message::FileRejected(_) => {}
        }
        None
    }

    fn introduce(&mut self, next: Next) -> Vec<ToNovice> {
        self.stage = Stage::Waiting(next);
        self.tell(ExpertEvent::ProofSent);
        self.say(self.credentials.messages())
    }

    /// REMOTE_CONTROL_DESKTOP, which version 2 does not have.
    fn ask_for_desktop(&self) -> Vec<ToNovice> {
        match &self.credentials {
            Credentials::VersionOne { connection_string, .. } => {
                self.say([Message::RemoteControlDesktop { connection_string: connection_string.clone() }])
            }
            Credentials::VersionTwo { .. } => Vec::new(),
        }
    }

    /// `new` has checked the texts, so nothing is left out here.
    fn say(&self, messages: impl IntoIterator<Item = Message>) -> Vec<ToNovice> {
        messages.into_iter().filter_map(|message| message.encode().ok()).map(ToNovice::new).collect()
    }

    fn tell(&mut self, event: ExpertEvent) {
        self.events.push(event, || ExpertEvent::Malformed(RemdeskError::Flood));
    }
}

impl Credentials {
    fn messages(&self) -> [Message; 2] {
        match self {
            Self::VersionOne { connection_string, expert_blob } => [
                Message::VersionInfo { major: 1, minor: 2 },
                Message::Authenticate {
                    connection_string: connection_string.clone(),
                    expert_blob: expert_blob.clone(),
                },
            ],
            Self::VersionTwo { encrypted_stub, expert_blob } => [
                Message::ExpertOnVista { encrypted_stub: encrypted_stub.clone() },
                Message::VerifyPassword { expert_blob: expert_blob.clone() },
            ],
        }
    }
}

impl Next {
    fn of(version: Version) -> Self {
        match version {
            Version::One => Self::AskForDesktop,
            Version::Two => Self::Admission,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one() -> RemdeskExpert {
        let credentials =
            Credentials::VersionOne { connection_string: "65538,1".into(), expert_blob: "11;NAME=Expert".into() };
        RemdeskExpert::new(credentials).unwrap()
    }

    fn two() -> RemdeskExpert {
        let credentials =
            Credentials::VersionTwo { encrypted_stub: vec![7; 32].into(), expert_blob: "11;NAME=Expert".into() };
        RemdeskExpert::new(credentials).unwrap()
    }

    fn hear(expert: &mut RemdeskExpert, message: &Message) -> Vec<Message> {
        let answers = expert.receive(&message.encode().unwrap());
        answers.iter().map(|answer| decode(answer.as_bytes()).unwrap().unwrap()).collect()
    }

    const VERSION: Message = Message::VersionInfo { major: 1, minor: 2 };
    const OK: Message = Message::Result(ResultCode::NoError);

    #[test]
    fn the_first_word_of_the_novice_starts_it_once() {
        for (first, second) in [(Message::ServerAnnounce, VERSION), (VERSION, Message::ServerAnnounce)] {
            let mut expert = two();
            let said = hear(&mut expert, &first);
            assert!(matches!(said[..], [Message::ExpertOnVista { .. }, Message::VerifyPassword { .. }]), "{said:?}");
            assert_eq!(hear(&mut expert, &second), []);
            assert_eq!(hear(&mut expert, &first), []);
            assert_eq!(expert.take_events(), [ExpertEvent::ProofSent]);
        }
    }

    #[test]
    fn version_1_asks_for_the_desktop_between_two_results() {
        let mut expert = one();
        let said = hear(&mut expert, &Message::ServerAnnounce);
        assert!(matches!(said[..], [VERSION, Message::Authenticate { .. }]), "{said:?}");
        assert_eq!(hear(&mut expert, &VERSION), []);
        let said = hear(&mut expert, &OK);
        assert!(matches!(said[..], [Message::RemoteControlDesktop { .. }]), "{said:?}");
        assert_eq!(hear(&mut expert, &OK), []);
        assert_eq!(expert.take_events(), [ExpertEvent::ProofSent, ExpertEvent::Authenticated, ExpertEvent::Admitted]);
    }

    #[test]
    fn version_2_is_admitted_by_the_first_result_and_not_by_a_second() {
        let mut expert = two();
        hear(&mut expert, &Message::ServerAnnounce);
        hear(&mut expert, &OK);
        hear(&mut expert, &OK);
        assert_eq!(expert.take_events(), [ExpertEvent::ProofSent, ExpertEvent::Admitted]);
    }

    #[test]
    fn the_shadow_server_of_freerdp_needs_all_at_once_and_says_one_result() {
        let mut expert = one();
        let said = hear(&mut expert, &VERSION);
        assert!(
            matches!(said[..], [VERSION, Message::Authenticate { .. }, Message::RemoteControlDesktop { .. }]),
            "{said:?}"
        );
        hear(&mut expert, &OK);
        assert_eq!(expert.take_events(), [ExpertEvent::ProofSent, ExpertEvent::Admitted]);
    }

    #[test]
    fn every_other_result_ends_it_at_any_time() {
        for code in ResultCode::NAMED.iter().copied().filter(|code| !code.is_ok()).chain([ResultCode::other(4711)]) {
            for before in [&[][..], &[Message::ServerAnnounce][..], &[Message::ServerAnnounce, OK][..]] {
                for mut expert in [one(), two()] {
                    before.iter().for_each(|message| drop(hear(&mut expert, message)));
                    let _ = expert.take_events();
                    assert_eq!(hear(&mut expert, &Message::Result(code)), []);
                    assert_eq!(expert.take_events(), [ExpertEvent::Refused(code)]);
                    assert_eq!(hear(&mut expert, &OK), []);
                    assert_eq!(expert.take_events(), []);
                }
            }
        }
    }

    #[test]
    fn a_yes_before_the_proof_is_no_yes() {
        let mut expert = two();
        hear(&mut expert, &OK);
        hear(&mut expert, &Message::Command(Command::Control(ControlNotice::Granted)));
        assert_eq!(expert.take_events(), []);
        assert!(!hear(&mut expert, &Message::ServerAnnounce).is_empty());
    }

    #[test]
    fn credentials_that_cannot_be_said_are_refused_at_once() {
        let credentials =
            Credentials::VersionTwo { encrypted_stub: vec![].into(), expert_blob: "11;NAME=Exp\0rt".into() };
        assert_eq!(RemdeskExpert::new(credentials).unwrap_err(), TextError::HoldsNul { field: "expert blob" });
        let connection_string = "x".repeat(20_000).into();
        let credentials = Credentials::VersionOne { connection_string, expert_blob: "6;NAME=E".into() };
        let error = RemdeskExpert::new(credentials).unwrap_err();
        assert!(matches!(error, TextError::TooLong { field: "connection string", .. }), "{error}");
    }

    #[test]
    fn control_is_asked_for_here_in_version_1_only() {
        assert!(two().request_control().is_none());
        let asked = one().request_control().unwrap();
        assert_eq!(decode(asked.as_bytes()), Ok(Some(Message::Command(Command::RequestControl))));
    }
}
