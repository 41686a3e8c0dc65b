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
    pub(crate) fn is_expired(&self) -> bool {
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
