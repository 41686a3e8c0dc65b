//! The invitation as the expert sees it: who asks, whether a password is needed, until when, in local time.
//!
//! Everything here comes out of the file and proves nothing; the name is the novice's own and is shown neutralised.
//! Source: lifecycle R17 to R23.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ra_ticket::{Endpoint, Invitation, Kind, UntrustedName};

/// What is told about an invitation, as text or as JSON.
pub(crate) struct Message<'a> {
    invitation: &'a Invitation,
    now: Timestamp,
    zone: TimeZone,
}

impl<'a> Message<'a> {
    /// The message for an expert whose clock says `now` in `zone`.
    pub(crate) fn new(invitation: &'a Invitation, now: Timestamp, zone: TimeZone) -> Self {
        Self { invitation, now, zone }
    }

    /// The novice's name, fit to be shown.
    pub(crate) fn name(&self) -> String {
        let name = UntrustedName::new(self.invitation.user_name());
        if name.as_str().is_empty() { NAMELESS.to_owned() } else { name.to_string() }
    }

    /// The text of the message that invites the expert to connect.
    pub(crate) fn text(&self) -> String {
        let password = if self.invitation.password_needed() { "needed" } else { "not needed" };
        let mut text = format!("{} invites you to connect to their computer.\n\n", self.name());
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  Name:      {} (as written in the invitation)", self.name());
        let _ = writeln!(text, "  Password:  {password}");
        let _ = writeln!(text, "  Expires:   {}", self.expires());
        text
    }

    /// What `show` adds: the details of the file.
    pub(crate) fn details(&self, encrypted: Option<&[Endpoint]>) -> String {
        let kind = match self.invitation.kind() {
            Kind::Type1 => "1 (readable)",
            Kind::Type2 => "2 (addresses encrypted with the password)",
            Kind::Both => "2 that also carries a readable ticket of type 1",
        };
        let mut text = String::new();
        let start = self.invitation.start().and_then(moment);
        let start = start.map_or_else(|| UNKNOWN.to_owned(), |start| self.local(start));
        let _ = writeln!(text, "  Made:      {start}");
        let _ = writeln!(text, "  Type:      {kind}");
        let readable = self.invitation.rc_ticket().map(|ticket| ticket.addresses()).unwrap_or_default();
        let endpoints = encrypted.unwrap_or(readable);
        if endpoints.is_empty() {
            let _ = writeln!(text, "  Addresses: readable with the password only");
        }
        for (at, endpoint) in endpoints.iter().enumerate() {
            let label = if at == 0 { "Addresses:" } else { "" };
            let _ = writeln!(text, "  {label:10} {endpoint}");
        }
        text
    }

    /// The expiry in RFC 3339, UTC; `None` when the file names a moment that no calendar has.
    pub(crate) fn expires_utc(&self) -> Option<String> {
        self.expiry().map(|expiry| expiry.to_string())
    }

    /// The file says that its time is over, by this computer's clock. The novice's computer decides by its own.
    fn is_expired(&self) -> bool {
        let now = u64::try_from(self.now.as_second()).unwrap_or_default();
        self.invitation.expires().is_some_and(|expiry| expiry.has_passed(now))
    }

    fn expires(&self) -> String {
        let local = self.expiry().map_or_else(|| UNKNOWN.to_owned(), |expiry| self.local(expiry));
        if self.is_expired() {
            format!("{local}: expired by this computer's clock; the novice's computer decides")
        } else {
            local
        }
    }

    fn expiry(&self) -> Option<Timestamp> {
        moment(self.invitation.expires()?.unix_seconds())
    }

    fn local(&self, moment: Timestamp) -> String {
        moment.to_zoned(self.zone.clone()).strftime("%A %-d %B %Y, %H:%M %Z").to_string()
    }
}

/// A moment that a calendar has.
fn moment(unix_seconds: u64) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(unix_seconds).ok()?).ok()
}

/// Shown for a name without a visible character.
const NAMELESS: &str = "Somebody without a name";
/// Shown for a time beyond the calendar.
const UNKNOWN: &str = "unknown";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;

    /// The values of the original's own example: 2001-06-15 23:14:23 UTC, valid for an hour.
    fn file(name: &str, protection: &str) -> Invitation {
        let text = format!(
            r#"<?xml version="1.0" encoding="Unicode" ?><UPLOADINFO TYPE="Escalated"><UPLOADDATA USERNAME="{name}" RCTICKET="65538,1,192.0.2.5:3389;novice.example.test:3389,*,uARKW0ZmEZZmhrFyo+vN44yWMP9b6ykzD+AmFOIg02Q=,*,*,MxHWh5UUF4p+bklj/lXuMcOaqTg=" {protection} DtStart="992646863" DtLength="60" L="0" /></UPLOADINFO>"#
        );
        Invitation::parse(text.as_bytes()).unwrap()
    }

    const PROTECTED: &str = r#"RCTICKETENCRYPTED="1" PassStub="g*3Kdr_7XwzQb0""#;
    const OPEN: &str = r#"RCTICKETENCRYPTED="0""#;

    fn text(invitation: &Invitation, now: &str, zone: &str) -> String {
        Message::new(invitation, now.parse().unwrap(), TimeZone::get(zone).unwrap()).text()
    }

    #[test]
    fn s019_s020_s021_s022_s023_r017_the_message_invites_and_tells_name_password_and_expiry() {
        let told = text(&file("Kim Abercrombie", PROTECTED), "2001-06-15T23:30:00Z", "UTC");
        assert_eq!(
            told,
            "Kim Abercrombie invites you to connect to their computer.\n\n  \
             Name:      Kim Abercrombie (as written in the invitation)\n  \
             Password:  needed\n  \
             Expires:   Saturday 16 June 2001, 00:14 UTC\n"
        );
    }

    #[test]
    fn s022_s026_an_open_invitation_needs_no_password() {
        let told = text(&file("Kim Abercrombie", OPEN), "2001-06-15T23:30:00Z", "UTC");
        assert!(told.contains("Password:  not needed\n"), "{told}");
    }

    #[test]
    fn s029_r018_the_same_moment_is_two_times_in_london_and_amsterdam() {
        let invitation = file("Kim Abercrombie", PROTECTED);
        let london = text(&invitation, "2001-06-15T23:30:00Z", "Europe/London");
        let amsterdam = text(&invitation, "2001-06-15T23:30:00Z", "Europe/Amsterdam");
        assert!(london.contains("Expires:   Saturday 16 June 2001, 01:14 BST\n"), "{london}");
        assert!(amsterdam.contains("Expires:   Saturday 16 June 2001, 02:14 CEST\n"), "{amsterdam}");
    }

    /// The clock of the one who reads decides nothing: a second later the text warns, and that is all it does.
    #[test]
    fn s030_r019_what_the_message_says_about_the_expiry_is_information_only() {
        let invitation = file("Kim Abercrombie", PROTECTED);
        let before = text(&invitation, "2001-06-16T00:14:22Z", "UTC");
        let after = text(&invitation, "2001-06-16T00:14:23Z", "UTC");
        assert!(!before.contains("expired"), "{before}");
        assert!(after.contains("expired by this computer's clock; the novice's computer decides"), "{after}");
    }

    #[test]
    fn s020_a_name_that_would_play_with_the_terminal_is_made_plain() {
        let told = text(&file("\u{202e}Kim  Aal\u{85}bers\u{200b}", OPEN), "2001-06-15T23:30:00Z", "UTC");
        assert!(!told.contains(['\u{202e}', '\u{85}', '\u{200b}']), "{told:?}");
        let nameless = text(&file(" ", OPEN), "2001-06-15T23:30:00Z", "UTC");
        assert!(nameless.starts_with(NAMELESS), "{nameless}");
    }

    #[test]
    fn s038_show_lists_the_addresses_in_their_order() {
        let invitation = file("Kim Abercrombie", PROTECTED);
        let message = Message::new(&invitation, Timestamp::UNIX_EPOCH, TimeZone::UTC);
        assert_eq!(
            message.details(None),
            "  Made:      Friday 15 June 2001, 23:14 UTC\n  \
             Type:      1 (readable)\n  \
             Addresses: 192.0.2.5:3389\n             \
             novice.example.test:3389\n"
        );
    }

    #[test]
    fn a_time_beyond_the_calendar_is_unknown_and_no_harm() {
        let text = r#"<UPLOADINFO TYPE="Escalated"><UPLOADDATA USERNAME="K" RCTICKET="65538,1,192.0.2.5:3389,*,aa==,*,*,MxHWh5UUF4p+bklj/lXuMcOaqTg=" DtStart="4294967295" DtLength="4294967295" /></UPLOADINFO>"#;
        let invitation = Invitation::parse(text.as_bytes()).unwrap();
        let message = Message::new(&invitation, Timestamp::MAX, TimeZone::UTC);
        assert!(message.text().contains("Expires:"), "{}", message.text());
    }
}
