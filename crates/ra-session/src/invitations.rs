//! The table of issued invitations: what the novice's machine remembers of each ticket, and who may redeem one.
//!
//! The invitation is the file that was given away; the ticket is the row here, and only the row decides (KB300692).
//! The table is pure: the engine stores rows, reads clocks and closes connections.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ra_policy::HelperName;
use ra_ticket::{AssistantPassword, Challenge, PassStub, Password, Redeemed, SessionId};

use crate::moment::UnixTime;

/// After so many wrong proofs a ticket is locked for a while (R39).
pub const WRONG_PROOFS_TO_LOCK: u8 = 5;
/// After so many it ends (R39).
pub const WRONG_PROOFS_TO_END: u8 = 15;
/// The first lock; each later one is twice as long (R39).
pub const FIRST_LOCK: Duration = Duration::from_secs(60);
/// After a no, or no answer, the ticket asks again at the earliest after this (R40a).
pub const QUIET_AFTER_REFUSAL: Duration = Duration::from_secs(10);
/// After so many it ends (R40a).
pub const REFUSALS_TO_END: u8 = 3;

/// What an expert sends as `AlternateShell` who leaves the password to the proof.
const ANY_SHELL: &str = "*";

/// All tickets this host knows.
#[derive(Debug, Default)]
pub struct Invitations {
    tickets: Vec<Ticket>,
}

/// One issued invitation, as the novice's machine remembers it.
#[derive(Debug)]
pub struct Ticket {
    /// The short name people use for it.
    pub id: TicketId,
    /// What the expert sends as `WorkingDir`.
    pub session_id: SessionId,
    /// What the expert must prove.
    pub challenge: Challenge,
    /// The PassStub in the invitation, if it has a password.
    pub pass_stub: Option<PassStub>,
    /// When it was made.
    pub issued: UnixTime,
    /// The first second in which it is no longer good.
    pub expires: UnixTime,
    /// Control is never granted on it.
    pub view_only: bool,
    /// The official helper that it was made for, if it was (S105).
    pub helper: Option<HelperName>,
    /// HelpAssistant's password of the time when it was made.
    pub assistant: AssistantPassword,
    /// Whether it can be redeemed.
    pub status: Status,
    /// What went wrong with it so far.
    pub guard: Guard,
}

/// The short name of a ticket: 1 to 16 characters `A-Z 0-9`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TicketId(String);

/// Whether a ticket can be redeemed. There is no way back to `Open` (R63, S108).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// In time and not ended.
    Open,
    /// Its time is over.
    Expired,
    /// Ended before its time.
    Ended(EndCause),
}

/// Why a ticket ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndCause {
    /// The novice or an administrator ended it.
    Owner,
    /// Somebody guessed at the password too often.
    WrongPasswords,
    /// The novice said no too often.
    Refusals,
    /// The host that made it went away in good order.
    HostClosed,
}

/// What went wrong with a ticket so far (R39, R40a). It is stored, so that a restart forgives nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// Wrong proofs, all sources together.
    pub wrong_proofs: u8,
    /// The sources they came from, each once; at most [`WRONG_PROOFS_TO_END`].
    pub failed_from: Vec<Source>,
    /// Until then those sources are refused unread.
    pub locked_until: UnixTime,
    /// How often the novice said no or nothing.
    pub refusals: u8,
    /// Until then nobody is asked again.
    pub quiet_until: UnixTime,
}

/// Where a connection comes from, as far as counting goes: an IPv4 address or an IPv6 /64.
///
/// Whoever has one IPv6 address has the 2^64 beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source(IpAddr);

/// Somebody at this computer who asks about tickets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalUser(Business);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Business {
    /// Whose the table is, or root.
    Owner,
    /// A member of the administrators' groups, at the table of the machine.
    Administrator,
    /// Anybody else, by user number.
    Somebody(u32),
}

/// What becomes of one attempt to redeem a ticket.
#[derive(Debug)]
pub enum Judgement {
    /// The proof is right: the novice may be asked.
    Redeemed(Redeemed),
    /// The proof is wrong.
    Wrong {
        /// It was one too many: the ticket has ended.
        ended: bool,
    },
    /// Not now (RESULT 42).
    Locked,
    /// There is no such ticket any more.
    Gone,
}

impl Invitations {
    /// A table of what the store remembers.
    #[must_use]
    pub fn new(tickets: Vec<Ticket>) -> Self {
        Self { tickets }
    }

    /// Adds a ticket just issued.
    pub fn add(&mut self, ticket: Ticket) {
        self.tickets.push(ticket);
    }

    /// All tickets, oldest first.
    #[must_use]
    pub fn tickets(&self) -> &[Ticket] {
        &self.tickets
    }

    /// The ticket of that short name.
    #[must_use]
    pub fn ticket(&self, id: &TicketId) -> Option<&Ticket> {
        self.tickets.iter().find(|ticket| ticket.id == *id)
    }

    /// The open ticket with that session id, if any (R30).
    ///
    /// Every open ticket is compared, each in constant time, so that the answer takes as long for a near miss as
    /// for a hit.
    #[must_use]
    pub fn find(&self, session_id: &SessionId, now: UnixTime) -> Option<TicketId> {
        let mut found = None;
        for ticket in self.tickets.iter().filter(|ticket| ticket.is_open(now)) {
            if ticket.session_id == *session_id {
                found = Some(ticket.id.clone());
            }
        }
        found
    }

    /// Judges one proof for one ticket and counts it (R38, R39, R40a).
    ///
    /// `proof` is the hexadecimal text of `PASS`, if there was one.
    pub fn judge(&mut self, id: &TicketId, source: Source, proof: Option<&str>, now: UnixTime) -> Judgement {
        let Some(ticket) = self.open(id, now) else { return Judgement::Gone };
        if now < ticket.guard.locked_until && ticket.guard.failed_from.contains(&source) {
            return Judgement::Locked;
        }
        match ticket.challenge.meet(proof) {
            Some(_) if now < ticket.guard.quiet_until => Judgement::Locked,
            Some(redeemed) => Judgement::Redeemed(redeemed),
            None => Judgement::Wrong { ended: ticket.count_wrong_proof(source, now) },
        }
    }

    /// Judges `AlternateShell` of the Client Info; `None` when there is nothing to judge: a `*` proves nothing, and the proof on
    /// `remdesk` is asked for in either case.
    ///
    /// Anything else is a guess at the password, which counts like a proof (R39): the silent close after a wrong one would
    /// else tell a guesser as much as an answer, for nothing. Source: session-protocol.md 3.2.
    pub fn judge_alternate_shell(
        &mut self,
        id: &TicketId,
        source: Source,
        text: &str,
        now: UnixTime,
    ) -> Option<Judgement> {
        if text == ANY_SHELL {
            return None;
        }
        let Some(ticket) = self.open(id, now) else { return Some(Judgement::Gone) };
        // A ticket without a password has nothing that could be guessed, and nothing that fits.
        let Some(stub) = &ticket.pass_stub else { return Some(Judgement::Locked) };
        let proof = Password::new(text).ok().map(|password| password.proof(stub).to_hex());
        // A text that is no password at all must not pass for a missing one.
        let proof = proof.as_ref().map_or("", |proof| proof.as_str());
        Some(self.judge(id, source, Some(proof), now))
    }

    /// The novice said no, or nothing, to a redeemed ticket: true when that was one too many and it has ended (R40a).
    pub fn refused(&mut self, id: &TicketId, now: UnixTime) -> bool {
        let Some(ticket) = self.open(id, now) else { return false };
        ticket.guard.refusals = ticket.guard.refusals.saturating_add(1);
        ticket.guard.quiet_until = now.after(QUIET_AFTER_REFUSAL);
        let ended = ticket.guard.refusals >= REFUSALS_TO_END;
        if ended {
            ticket.status = Status::Ended(EndCause::Refusals);
        }
        ended
    }

    /// Ends a ticket early (R53); false when it was not open any more.
    pub fn end(&mut self, id: &TicketId, cause: EndCause, now: UnixTime) -> bool {
        let ticket = self.open(id, now);
        let was_open = ticket.is_some();
        if let Some(ticket) = ticket {
            ticket.status = Status::Ended(cause);
        }
        was_open
    }

    /// Ends what has run out of time (R52) and names it. What it once saw expired stays so, whatever the clock does
    /// later (R63).
    pub fn expire(&mut self, now: UnixTime) -> Vec<TicketId> {
        let due = self.tickets.iter_mut().filter(|ticket| ticket.status == Status::Open && ticket.expires <= now);
        due.map(|ticket| {
            ticket.status = Status::Expired;
            ticket.id.clone()
        })
        .collect()
    }

    /// When [`Invitations::expire`] next has something to do.
    #[must_use]
    pub fn next_expiry(&self) -> Option<UnixTime> {
        self.tickets.iter().filter(|ticket| ticket.status == Status::Open).map(|ticket| ticket.expires).min()
    }

    /// Whether any ticket can still be redeemed (R57).
    #[must_use]
    pub fn any_open(&self, now: UnixTime) -> bool {
        self.tickets.iter().any(|ticket| ticket.is_open(now))
    }

    fn open(&mut self, id: &TicketId, now: UnixTime) -> Option<&mut Ticket> {
        self.tickets.iter_mut().find(|ticket| ticket.id == *id && ticket.is_open(now))
    }
}

impl Ticket {
    /// In time, by this clock, and not ended.
    #[must_use]
    pub fn is_open(&self, now: UnixTime) -> bool {
        self.status == Status::Open && now < self.expires
    }

    /// True when it was one too many.
    fn count_wrong_proof(&mut self, source: Source, now: UnixTime) -> bool {
        let guard = &mut self.guard;
        guard.wrong_proofs = guard.wrong_proofs.saturating_add(1);
        if !guard.failed_from.contains(&source) {
            guard.failed_from.push(source);
        }
        if guard.wrong_proofs >= WRONG_PROOFS_TO_END {
            self.status = Status::Ended(EndCause::WrongPasswords);
            return true;
        }
        if guard.wrong_proofs.is_multiple_of(WRONG_PROOFS_TO_LOCK) {
            let doublings = u32::from(guard.wrong_proofs / WRONG_PROOFS_TO_LOCK) - 1;
            guard.locked_until = now.after(FIRST_LOCK * 2_u32.pow(doublings));
        }
        false
    }
}

impl TicketId {
    const MAX: usize = 16;
    /// No 0, 1, I, O: people read these aloud.
    const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

    /// Reads a name as a person types it; case and surrounding white space do not matter.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_uppercase();
        let fits = (1..=Self::MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric());
        fits.then_some(Self(text))
    }

    /// A name of eight characters from forty random bits.
    #[must_use]
    pub fn from_entropy(entropy: [u8; 5]) -> Self {
        let [a, b, c, d, e] = entropy;
        let bits = u64::from_be_bytes([0, 0, 0, a, b, c, d, e]);
        let letter = |i: u32| Self::ALPHABET[usize::from(((bits >> (5 * i)) & 31) as u8)];
        Self((0..8).map(|i| char::from(letter(i))).collect())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl core::fmt::Display for TicketId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.0)
    }
}

impl LocalUser {
    /// Whose the table is; root too.
    #[must_use]
    pub const fn owner() -> Self {
        Self(Business::Owner)
    }

    /// An administrator, by their groups.
    #[must_use]
    pub const fn administrator() -> Self {
        Self(Business::Administrator)
    }

    /// Anybody else, by the number of the account.
    #[must_use]
    pub const fn somebody(uid: u32) -> Self {
        Self(Business::Somebody(uid))
    }

    /// Whether this user may see and end a ticket that user number `owner` made (R53, R54).
    #[must_use]
    pub const fn may_end(self, owner: u32) -> bool {
        match self.0 {
            Business::Owner | Business::Administrator => true,
            Business::Somebody(uid) => uid == owner,
        }
    }

    /// Whether they may end whatever is there: then a ticket that is not there is no secret from them either.
    #[must_use]
    pub const fn may_end_all(self) -> bool {
        matches!(self.0, Business::Owner | Business::Administrator)
    }

    /// Whether they may add to what the host serves.
    #[must_use]
    pub const fn owns_table(self) -> bool {
        matches!(self.0, Business::Owner)
    }
}

impl Source {
    /// Everybody who comes through a relay: who is behind one is only that relay's word, so all of them are counted
    /// together. It stands as 0.0.0.0, an address that no connection comes from.
    pub const RELAYED: Self = Self(IpAddr::V4(Ipv4Addr::UNSPECIFIED));

    /// The address itself, or the network of an IPv6 address. An IPv4 address in IPv6 clothes counts as what it is.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(IpAddr::V4(v4)),
            IpAddr::V6(v6) => {
                let network = u128::from(v6) & !u128::from(u64::MAX);
                Self(IpAddr::V6(network.into()))
            }
        }
    }

    /// The address that stands for the whole source.
    #[must_use]
    pub fn address(self) -> IpAddr {
        self.0
    }
}

impl Default for Source {
    fn default() -> Self {
        Self(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }
}

impl Status {
    /// The one-word name in the table, in events and in the store.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Expired => "expired",
            Self::Ended(cause) => cause.name(),
        }
    }
}

impl EndCause {
    /// The one-word name in the table, in events and in the store.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Owner => "ended",
            Self::WrongPasswords => "wrong_passwords",
            Self::Refusals => "refusals",
            Self::HostClosed => "host_closed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_000_000);

    fn stub() -> PassStub {
        PassStub::parse("g*3Kdr_7XwzQb0").unwrap()
    }

    fn pass(password: &str) -> String {
        Password::new(password).unwrap().proof(&stub()).to_hex().to_string()
    }

    fn table() -> (Invitations, TicketId) {
        let id = TicketId::parse("abc").unwrap();
        let ticket = Ticket {
            id: id.clone(),
            session_id: SessionId::parse("uARKW0ZmEZZmhrFyo+vN44yWMP9b6ykzD+AmFOIg02Q=").unwrap(),
            challenge: Password::new("Tulip-4711").unwrap().proof(&stub()).into(),
            pass_stub: Some(stub()),
            issued: NOW,
            expires: NOW.after(Duration::from_secs(3600)),
            view_only: false,
            helper: None,
            assistant: AssistantPassword::from_entropy(&[7; 32]),
            status: Status::Open,
            guard: Guard::default(),
        };
        (Invitations::new(vec![ticket]), id)
    }

    fn from(last: u8) -> Source {
        Source::of(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)))
    }

    fn is_redeemed(judgement: &Judgement) -> bool {
        matches!(judgement, Judgement::Redeemed(_))
    }

    #[test]
    fn s027_r038_the_right_proof_redeems_and_a_wrong_one_does_not() {
        let (mut table, id) = table();
        assert!(matches!(table.judge(&id, from(1), Some(&pass("wrong")), NOW), Judgement::Wrong { ended: false }));
        assert!(matches!(table.judge(&id, from(1), None, NOW), Judgement::Wrong { .. }));
        assert!(is_redeemed(&table.judge(&id, from(1), Some(&pass("Tulip-4711")), NOW)));
    }

    #[test]
    fn r039_five_wrong_proofs_lock_and_the_lock_doubles() {
        let (mut table, id) = table();
        let mut now = NOW;
        for lock in [60, 120] {
            for _ in 0..5 {
                assert!(matches!(table.judge(&id, from(1), Some("00"), now), Judgement::Wrong { ended: false }));
            }
            let right = pass("Tulip-4711");
            assert!(matches!(table.judge(&id, from(1), Some(&right), now), Judgement::Locked));
            assert!(is_redeemed(&table.judge(&id, from(2), Some(&right), now)), "an address that never failed passes");
            now = now.after(Duration::from_secs(lock - 1));
            assert!(matches!(table.judge(&id, from(1), Some(&right), now), Judgement::Locked));
            now = now.after(Duration::from_secs(1));
            assert!(is_redeemed(&table.judge(&id, from(1), Some(&right), now)));
        }
    }

    #[test]
    fn r039_fifteen_wrong_proofs_from_anywhere_end_the_ticket() {
        let (mut table, id) = table();
        for last in 0..14 {
            assert!(matches!(table.judge(&id, from(last), Some("00"), NOW), Judgement::Wrong { ended: false }));
        }
        assert!(matches!(table.judge(&id, from(99), Some("00"), NOW), Judgement::Wrong { ended: true }));
        assert!(matches!(table.judge(&id, from(200), Some(&pass("Tulip-4711")), NOW), Judgement::Gone));
        assert_eq!(table.ticket(&id).unwrap().status, Status::Ended(EndCause::WrongPasswords));
    }

    #[test]
    fn r040a_after_a_refusal_the_ticket_is_quiet_and_after_three_it_ends() {
        let (mut table, id) = table();
        let right = pass("Tulip-4711");
        let mut now = NOW;
        for nth in 1..=3 {
            assert!(is_redeemed(&table.judge(&id, from(1), Some(&right), now)));
            assert_eq!(table.refused(&id, now), nth == 3);
            let soon = now.after(Duration::from_secs(9));
            let early = table.judge(&id, from(1), Some(&right), soon);
            assert!(matches!(early, Judgement::Locked | Judgement::Gone));
            now = now.after(Duration::from_secs(10));
        }
        assert!(matches!(table.judge(&id, from(1), Some(&right), now), Judgement::Gone));
    }

    #[test]
    fn s060_r052_r063_what_was_seen_expired_stays_expired_when_the_clock_goes_back() {
        let (mut table, id) = table();
        let end = NOW.after(Duration::from_secs(3600));
        assert!(table.expire(UnixTime(end.0 - 1)).is_empty());
        assert_eq!(table.expire(end), std::slice::from_ref(&id));
        assert!(matches!(table.judge(&id, from(1), Some(&pass("Tulip-4711")), NOW), Judgement::Gone));
        assert!(!table.any_open(NOW));
    }

    #[test]
    fn s032_s035_r030_an_expired_ticket_is_not_found_to_the_second() {
        let (table, id) = table();
        let session = SessionId::parse("uARKW0ZmEZZmhrFyo+vN44yWMP9b6ykzD+AmFOIg02Q=").unwrap();
        assert_eq!(table.find(&session, UnixTime(NOW.0 + 3599)), Some(id));
        assert_eq!(table.find(&session, UnixTime(NOW.0 + 3600)), None);
    }

    #[test]
    fn s031_r053_an_ended_ticket_is_gone_at_once() {
        let (mut table, id) = table();
        assert!(table.end(&id, EndCause::Owner, NOW));
        assert!(!table.end(&id, EndCause::Owner, NOW), "only once");
        assert_eq!(table.find(&table.tickets()[0].session_id, NOW), None);
    }

    #[test]
    fn s061_r053_r054_a_ticket_is_ended_by_its_owner_and_by_administrators_only() {
        assert!(LocalUser::owner().may_end(1000) && LocalUser::administrator().may_end(1000));
        assert!(LocalUser::somebody(1000).may_end(1000));
        assert!(!LocalUser::somebody(1001).may_end(1000) && !LocalUser::somebody(1001).may_end_all());
        assert!(!LocalUser::administrator().owns_table() && !LocalUser::somebody(0).owns_table());
    }

    #[test]
    fn an_ipv6_neighbour_and_an_ipv4_address_in_disguise_are_the_same_source() {
        let of = |text: &str| Source::of(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }

    #[test]
    fn alternate_shell_is_a_star_or_the_password() {
        let (mut table, id) = table();
        assert!(table.judge_alternate_shell(&id, from(1), "*", NOW).is_none());
        let right = table.judge_alternate_shell(&id, from(1), "Tulip-4711", NOW);
        assert!(is_redeemed(&right.unwrap()));
        assert_eq!(table.ticket(&id).unwrap().guard, Guard::default(), "neither is counted");
        for wrong in ["", "xterm", &"long".repeat(1000)] {
            let judged = table.judge_alternate_shell(&id, from(1), wrong, NOW);
            assert!(matches!(judged, Some(Judgement::Wrong { ended: false })), "{wrong}");
        }
    }

    #[test]
    fn r039_guessing_by_alternate_shell_is_counted_and_locked_like_any_guess() {
        let (mut table, id) = table();
        for _ in 0..5 {
            table.judge_alternate_shell(&id, from(1), "guess", NOW);
        }
        let locked = table.judge_alternate_shell(&id, from(1), "Tulip-4711", NOW);
        assert!(matches!(locked, Some(Judgement::Locked)), "the right one looks like a wrong one");
        assert!(matches!(table.judge(&id, from(1), Some(&pass("Tulip-4711")), NOW), Judgement::Locked));
    }

    #[test]
    fn the_table_says_what_is_open_and_what_expires_next() {
        let (mut table, first) = table();
        let second = TicketId::parse("def").unwrap();
        let (soon, late) = (UnixTime(NOW.0 + 60), NOW.after(Duration::from_secs(3600)));
        let session_id = SessionId::from_entropy(&[7; 48]);
        let challenge = Password::new("Tulip-4711").unwrap().proof(&stub()).into();
        table.add(Ticket {
            id: second.clone(),
            session_id: session_id.clone(),
            challenge,
            pass_stub: Some(stub()),
            issued: NOW,
            expires: soon,
            view_only: true,
            helper: None,
            assistant: AssistantPassword::from_entropy(&[7; 32]),
            status: Status::Open,
            guard: Guard::default(),
        });
        assert_eq!(table.find(&session_id, NOW), Some(second.clone()));
        assert!(table.ticket(&second).unwrap().view_only && !table.ticket(&first).unwrap().view_only);
        assert_eq!((table.next_expiry(), table.any_open(NOW)), (Some(soon), true));
        assert_eq!(table.expire(soon), [second]);
        assert_eq!((table.next_expiry(), table.any_open(soon)), (Some(late), true));
        assert!(table.end(&first, EndCause::Owner, soon));
        assert_eq!((table.next_expiry(), table.any_open(soon)), (None, false));
    }

    #[test]
    fn every_status_has_its_word() {
        let ended = [EndCause::Owner, EndCause::WrongPasswords, EndCause::Refusals, EndCause::HostClosed];
        let all = [Status::Open, Status::Expired].into_iter().chain(ended.map(Status::Ended));
        let words: Vec<_> = all.map(Status::name).collect();
        assert_eq!(words, ["open", "expired", "ended", "wrong_passwords", "refusals", "host_closed"]);
    }

    #[test]
    fn forty_bits_of_entropy_make_eight_letters() {
        let id = TicketId::from_entropy([0x39, 0x8A, 0x41, 0x88, 0x20]);
        assert_eq!((id.as_str(), id.to_string()), ("ABCDEFGH", "ABCDEFGH".to_owned()));
        assert_eq!(TicketId::from_entropy([0xFF; 5]).as_str(), "99999999");
    }

    #[test]
    fn a_ticket_name_survives_being_typed() {
        let id = TicketId::from_entropy([1, 2, 3, 4, 5]);
        assert_eq!(id.as_str().len(), 8);
        assert_eq!(TicketId::parse(&format!(" {} ", id.as_str().to_lowercase())), Some(id));
        assert!(TicketId::parse("../../etc").is_none() && TicketId::parse("").is_none());
    }
}
