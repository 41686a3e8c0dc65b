//! Two machines each, joined by a wire of chunks, and the people and engines behind them reduced to a script.

use std::collections::VecDeque;

use ra_channels::chunk::{Direction, Reassembler, split};
use ra_channels::encomsp::{self, EncomspExpert, EncomspNovice, ParticipantId, Rights};
use ra_channels::remdesk::{self, Command, ControlNotice, Credentials, Message, RemdeskExpert, RemdeskNovice};
use ra_channels::remdesk::{ResultCode, Version};
use ra_channels::{ToExpert, ToNovice};

/// What ra-ticket and the novice's user say to an expert at the door.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    WrongPassword,
    No,
    Yes,
}

/// What somebody does once all is quiet.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    ExpertAsksForControl,
    ExpertReleasesControl,
    ExpertLeaves,
    NoviceAllowsControl,
    NoviceRefusesControl,
    SettingsForbidControl,
    NovicePressesEsc,
    NoviceEnds,
    BothChat,
    NoviceOffersFile,
    ExpertOffersFile,
}

pub(crate) struct Novice {
    pub(crate) remdesk: RemdeskNovice,
    encomsp: EncomspNovice,
    verdict: Verdict,
    pub(crate) viewing: bool,
    pub(crate) controlling: bool,
    pub(crate) asked_to_view: usize,
    pub(crate) asked_to_control: usize,
    pub(crate) heard: Vec<String>,
    proved: bool,
}

pub(crate) struct Expert {
    pub(crate) remdesk: RemdeskExpert,
    encomsp: EncomspExpert,
    pub(crate) viewing: bool,
    pub(crate) controlling: bool,
    wants_control: bool,
    pub(crate) over: Option<ResultCode>,
    pub(crate) notices: Vec<ControlNotice>,
    pub(crate) heard: Vec<String>,
}

#[derive(Clone, Copy)]
enum Channel {
    Remdesk,
    Encomsp,
}

type Wire = VecDeque<(Channel, Vec<u8>)>;

pub(crate) struct Machines {
    pub(crate) novice: Novice,
    pub(crate) expert: Expert,
    up: Wire,
    down: Wire,
    assembling: [Reassembler; 4],
    /// Chunks delivered so far, both ways.
    pub(crate) carried: usize,
    /// The connection carries nothing after so many chunks.
    pub(crate) cut_after: Option<usize>,
    /// So many chunks go up before one goes down, where there are any.
    pub(crate) lag: usize,
    pub(crate) file_rejections: usize,
}

impl Machines {
    pub(crate) fn new(version: Version, verdict: Verdict) -> Self {
        let credentials = match version {
            Version::One => Credentials::VersionOne {
                connection_string: "65538,1,192.0.2.17:50312,*,v5uUg9,*,*,4K0DX3eD=".into(),
                expert_blob: BLOB.into(),
            },
            Version::Two => Credentials::VersionTwo { encrypted_stub: vec![0xa2; 32].into(), expert_blob: BLOB.into() },
        };
        Self {
            novice: Novice {
                remdesk: RemdeskNovice::new(),
                encomsp: EncomspNovice::new(ParticipantId(1), "Expert").unwrap(),
                verdict,
                viewing: false,
                controlling: false,
                asked_to_view: 0,
                asked_to_control: 0,
                heard: Vec::new(),
                proved: false,
            },
            expert: Expert {
                remdesk: RemdeskExpert::new(credentials).unwrap(),
                encomsp: EncomspExpert::new(),
                viewing: false,
                controlling: false,
                wants_control: false,
                over: None,
                notices: Vec::new(),
                heard: Vec::new(),
            },
            up: Wire::new(),
            down: Wire::new(),
            assembling: Default::default(),
            carried: 0,
            cut_after: None,
            lag: 1,
            file_rejections: 0,
        }
    }

    /// From the hello until all is quiet.
    pub(crate) fn talk(&mut self) {
        let [announce, version] = self.novice.remdesk.hello();
        self.novice_says(Channel::Remdesk, &announce);
        self.novice_says(Channel::Remdesk, &version);
        self.settle();
    }

    /// The hello, and then each act once all is quiet.
    pub(crate) fn play(&mut self, acts: &[Act]) {
        if self.carried == 0 {
            self.talk();
        }
        for act in acts {
            self.act(*act);
            self.settle();
        }
    }

    /// Both engines notice that the connection is gone.
    pub(crate) fn lose_connection(&mut self) {
        self.novice.close();
        self.expert.close();
    }

    /// Neither side reports anything any more.
    pub(crate) fn both_are_deaf(&mut self) {
        let chat = self.expert.remdesk.chat("still there?").unwrap();
        assert!(self.novice.remdesk.receive(chat.as_bytes()).is_empty());
        assert!(self.novice.remdesk.take_events().is_empty());
        let chat = self.novice.remdesk.chat("still there?").unwrap();
        assert!(self.expert.remdesk.receive(chat.as_bytes()).is_empty());
        assert!(self.expert.remdesk.take_events().is_empty());
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::ExpertAsksForControl if self.expert.viewing => {
                self.expert.wants_control = true;
                match self.expert.remdesk.request_control() {
                    Some(words) => self.expert_says(Channel::Remdesk, &words),
                    None => {
                        let wish = self.expert.encomsp.request_control();
                        self.expert_says(Channel::Encomsp, &wish);
                    }
                }
            }
            Act::ExpertReleasesControl if self.expert.controlling => {
                self.expert.controlling = false;
                if self.expert.remdesk.version() == Version::Two {
                    let wish = self.expert.encomsp.release_control();
                    self.expert_says(Channel::Encomsp, &wish);
                }
                let words = self.expert.remdesk.release_control();
                self.expert_says(Channel::Remdesk, &words);
            }
            Act::ExpertLeaves => {
                let words = self.expert.remdesk.disconnect();
                self.expert_says(Channel::Remdesk, &words);
                self.expert.close();
            }
            Act::NoviceAllowsControl if self.novice.viewing && self.novice.asked_to_control > 0 => {
                self.novice.controlling = true;
                self.notify(ControlNotice::Granted, Rights::ViewAndInteract);
            }
            Act::NoviceRefusesControl if self.novice.viewing => self.notify(ControlNotice::Rejected, Rights::View),
            Act::SettingsForbidControl if self.novice.viewing => self.notify(ControlNotice::Denied, Rights::View),
            Act::NovicePressesEsc if self.novice.controlling => {
                // Input is off first, and only then is anybody told.
                self.novice.controlling = false;
                self.notify(ControlNotice::RevokedByEsc, Rights::View);
            }
            Act::NoviceEnds => {
                self.novice.close();
                let words = self.novice.remdesk.disconnect();
                self.novice_says(Channel::Remdesk, &words);
                let removed = self.novice.encomsp.remove();
                self.novice_says(Channel::Encomsp, &removed);
            }
            Act::BothChat => {
                let words = self.expert.remdesk.chat("grüß dich, 你好 🙂").unwrap();
                self.expert_says(Channel::Remdesk, &words);
                let name = self.novice.remdesk.name("novice-pc").unwrap();
                self.novice_says(Channel::Remdesk, &name);
                let words = self.novice.remdesk.chat("hello").unwrap();
                self.novice_says(Channel::Remdesk, &words);
            }
            Act::NoviceOffersFile => self.put_down(Channel::Remdesk, &file_offer()),
            Act::ExpertOffersFile => self.put_up(Channel::Remdesk, &file_offer()),
            // The script goes on after a cut: what needs a state that was never reached does not happen.
            Act::ExpertAsksForControl
            | Act::ExpertReleasesControl
            | Act::NoviceAllowsControl
            | Act::NoviceRefusesControl
            | Act::SettingsForbidControl
            | Act::NovicePressesEsc => {}
        }
    }

    fn notify(&mut self, notice: ControlNotice, rights: Rights) {
        let words = self.novice.remdesk.control(notice);
        self.novice_says(Channel::Remdesk, &words);
        let order = self.novice.encomsp.rights(rights);
        self.novice_says(Channel::Encomsp, &order);
    }

    /// Delivers until the wire is empty or cut.
    fn settle(&mut self) {
        let mut turn = 0;
        while self.cut_after.is_none_or(|cut| self.carried < cut) {
            let up_first = turn < self.lag;
            turn = if up_first { turn + 1 } else { 0 };
            let (upward, item) = match (up_first, self.up.is_empty(), self.down.is_empty()) {
                (_, true, true) => return,
                (true, false, _) | (_, false, true) => (true, self.up.pop_front()),
                (false, _, false) | (_, true, _) => (false, self.down.pop_front()),
            };
            let (channel, chunk) = item.unwrap();
            self.carried += 1;
            self.deliver(upward, channel, &chunk);
        }
    }

    fn deliver(&mut self, upward: bool, channel: Channel, chunk: &[u8]) {
        let place = usize::from(upward) * 2 + usize::from(matches!(channel, Channel::Encomsp));
        let Some(pdu) = self.assembling[place].push(chunk).unwrap() else { return };
        if let Ok(Some(Message::FileRejected(_))) = remdesk::decode(&pdu) {
            self.file_rejections += usize::from(matches!(channel, Channel::Remdesk));
        }
        match (upward, channel) {
            (true, Channel::Remdesk) => {
                for answer in self.novice.remdesk.receive(&pdu) {
                    self.novice_says(Channel::Remdesk, &answer);
                }
                for event in self.novice.remdesk.take_events() {
                    self.novice_hears(event);
                }
            }
            (true, Channel::Encomsp) => {
                self.novice.encomsp.receive(&pdu);
                for event in self.novice.encomsp.take_events() {
                    match event {
                        encomsp::NoviceEvent::ControlRequested => self.novice.asked_to_control += 1,
                        encomsp::NoviceEvent::ControlReleased => self.released(),
                        other => panic!("nobody says {other:?} here"),
                    }
                }
            }
            (false, Channel::Remdesk) => {
                for answer in self.expert.remdesk.receive(&pdu) {
                    self.expert_says(Channel::Remdesk, &answer);
                }
                for event in self.expert.remdesk.take_events() {
                    self.expert.hears(event);
                }
            }
            (false, Channel::Encomsp) => {
                self.expert.encomsp.receive(&pdu);
                for event in self.expert.encomsp.take_events() {
                    self.expert.hears_rights(event);
                }
            }
        }
        let revocation_on_its_way = !self.down.is_empty();
        assert!(
            !self.expert.controlling || self.novice.controlling || revocation_on_its_way,
            "an expert controls only while the novice says so, or until the revocation arrives"
        );
        assert!(!self.novice.controlling || self.novice.viewing);
    }

    fn novice_hears(&mut self, event: remdesk::NoviceEvent) {
        use remdesk::NoviceEvent as E;
        match event {
            E::VersionChosen(_) => assert!(!self.novice.proved),
            E::Proof(proof) => {
                assert_eq!(proof.expert_blob.expose(), BLOB);
                assert_eq!(proof.connection_string.is_some(), proof.version == Version::One);
                self.novice.proved = true;
                if self.novice.verdict == Verdict::WrongPassword {
                    let words = self.novice.remdesk.wrong_password();
                    self.novice_says(Channel::Remdesk, &words);
                } else if proof.version == Version::One {
                    let words = self.novice.remdesk.result(ResultCode::NoError);
                    self.novice_says(Channel::Remdesk, &words);
                } else {
                    self.ask_to_view();
                }
            }
            E::DesktopRequested => self.ask_to_view(),
            E::ControlRequested => self.novice.asked_to_control += 1,
            E::ControlReleased => self.released(),
            E::Chat(text) => self.novice.heard.push(text),
            E::FileOffered { name } => self.novice.heard.push(format!("file {name}")),
            E::Disconnected => self.novice.close(),
            E::IncompatibleVersion { .. }
            | E::ExpertName(_)
            | E::ExpertAddress(_)
            | E::Reported(_)
            | E::Malformed(_) => panic!("nobody says {event:?} here"),
        }
    }

    fn ask_to_view(&mut self) {
        self.novice.asked_to_view += 1;
        if self.novice.verdict == Verdict::No {
            let words = self.novice.remdesk.result(ResultCode::HelpeeSaidNo);
            self.novice_says(Channel::Remdesk, &words);
            return;
        }
        self.novice.viewing = true;
        let words = self.novice.remdesk.result(ResultCode::NoError);
        self.novice_says(Channel::Remdesk, &words);
        for order in self.novice.encomsp.announce() {
            self.novice_says(Channel::Encomsp, &order);
        }
        let order = self.novice.encomsp.rights(Rights::View);
        self.novice_says(Channel::Encomsp, &order);
    }

    fn released(&mut self) {
        if self.novice.controlling {
            self.novice.controlling = false;
            let order = self.novice.encomsp.rights(Rights::View);
            self.novice_says(Channel::Encomsp, &order);
        }
    }

    fn novice_says(&mut self, channel: Channel, message: &ToExpert) {
        self.put_down(channel, message.as_bytes());
    }

    fn expert_says(&mut self, channel: Channel, message: &ToNovice) {
        self.put_up(channel, message.as_bytes());
    }

    fn put_down(&mut self, channel: Channel, pdu: &[u8]) {
        self.down.extend(split(pdu, Direction::ToExpert, CHUNK).into_iter().map(|chunk| (channel, chunk)));
    }

    fn put_up(&mut self, channel: Channel, pdu: &[u8]) {
        self.up.extend(split(pdu, Direction::ToNovice, CHUNK).into_iter().map(|chunk| (channel, chunk)));
    }
}

impl Novice {
    fn close(&mut self) {
        self.controlling = false;
        self.viewing = false;
    }
}

impl Expert {
    fn hears(&mut self, event: remdesk::ExpertEvent) {
        use remdesk::ExpertEvent as E;
        match event {
            E::ProofSent => {}
            E::Authenticated => assert!(!self.viewing && self.remdesk.version() == Version::One),
            E::Admitted => self.viewing = true,
            E::Refused(code) => {
                self.over = Some(code);
                self.close();
            }
            E::Control(notice) => {
                self.notices.push(notice);
                // What comes late to an expert that no longer wants control changes nothing.
                self.controlling = notice == ControlNotice::Granted && self.wants_control;
                self.wants_control = self.controlling;
            }
            E::Chat(text) | E::NoviceName(text) => self.heard.push(text),
            E::FileOffered { name } => self.heard.push(format!("file {name}")),
            E::Disconnected => self.close(),
            E::Malformed(error) => panic!("{error}"),
        }
    }

    fn hears_rights(&mut self, event: encomsp::ExpertEvent) {
        use encomsp::ExpertEvent as E;
        match event {
            E::Rights(Rights::ViewAndInteract) => self.controlling |= self.wants_control,
            E::Rights(Rights::Nothing | Rights::View) => self.controlling = false,
            E::Removed => self.close(),
            E::RequestRefused { .. } | E::Paused | E::Resumed => panic!("nobody says {event:?} here"),
            E::Malformed(error) => panic!("{error}"),
        }
    }

    fn close(&mut self) {
        self.controlling = false;
        self.viewing = false;
    }
}

fn file_offer() -> Vec<u8> {
    let channel = remdesk::FileChannel::parse("RA_FX").unwrap();
    let offer = Command::OfferFile { name: "note.txt".into(), size: "12".into(), channel, internal: None };
    Message::Command(offer).encode().unwrap().to_vec()
}

/// Bytes of data in a chunk: few, so that every message is cut.
const CHUNK: usize = 16;

const BLOB: &str = "11;NAME=Expert69;PASS=A21F8247C1C6C7A65F008791D657688F569EE3754307B1967D62DC4ED98926F5";
