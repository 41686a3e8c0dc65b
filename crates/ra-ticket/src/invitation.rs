//! The invitation file: what an expert reads and a novice writes.

use core::fmt::Write as _;
use core::ops::Range;

use zeroize::Zeroizing;

use crate::connection_string::HexFault;
use crate::container::Text;
use crate::markup::{self, Ampersand, Attribute, Element, Escaped, Fault};
use crate::{
    ConnectionString2, Expiry, InvitationError, LhTicket, PassStub, Password, Problem, RcTicket, UntrustedName,
};

/// An invitation as it is sent from novice to expert: enough to find the novice and to be asked about, no more.
///
/// The *ticket* is the novice's own record and not here: nothing in this file says whether it is still open (R55),
/// and holding it permits nothing by itself (R16).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    user_name: UntrustedName,
    password_needed: bool,
    start: Option<u32>,
    length_minutes: Option<u32>,
    pass_stub: Option<PassStub>,
    speed: LinkSpeed,
    connection: Connection,
}

/// Which experts can use an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Clear text, for experts of version 1 (Windows XP).
    Type1,
    /// Encrypted, for experts of version 2 (Windows Vista and later).
    Type2,
    /// Both in one file.
    Both,
}

/// How fast the novice's link is (`L`): a hint to be sparing with colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LinkSpeed {
    /// 0, or nothing said.
    #[default]
    Normal,
    /// 1: a modem.
    Slow,
}

/// What the novice says of itself in an invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The name that the expert is shown; the profile's name unless the novice changed it (R9). It is neutralised as
    /// a reader would; an ASCII name reads well everywhere (FreeRDP shows references as they are).
    pub user_name: String,
    /// Now, in seconds since 1970-01-01T00:00:00Z.
    pub start: u64,
    /// How long the ticket is open, in minutes.
    pub length_minutes: u32,
    /// Of the novice's link.
    pub speed: LinkSpeed,
}

/// The ticket part of a new invitation. The constructors hold what belongs together: type 2 always has a password.
#[derive(Debug, Clone)]
pub struct Ticket {
    connection: Connection,
    pass_stub: Option<PassStub>,
}

/// Why an invitation cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// The format has 32 bits for the start: it ends in February 2106.
    #[error("the time of this computer cannot be written into an invitation")]
    Start,
    /// No reader would take it.
    #[error("the invitation would be larger than {} KiB", MAX_FILE_BYTES / 1024)]
    TooLarge,
}

impl Invitation {
    /// Reads a file of either type, of both, or a bare connection string as FreeRDP's tools write it.
    ///
    /// A damaged RC ticket beside a good encrypted one is passed over. The other way round is an error: falling back
    /// to version 1 is for whoever asks for it ([`Invitation::parse_as_type1`]).
    ///
    /// # Errors
    ///
    /// One sentence and the place in the file, for everything in the table of invitation-file.md 7.
    pub fn parse(file: &[u8]) -> Result<Self, InvitationError> {
        Self::read(file, Reading::All)
    }

    /// Reads a file as an expert of version 1 does: `LHTICKET` does not exist for it.
    ///
    /// # Errors
    ///
    /// As [`Invitation::parse`]; a type 2 file without `RCTICKET` has nothing to offer here.
    pub fn parse_as_type1(file: &[u8]) -> Result<Self, InvitationError> {
        Self::read(file, Reading::Type1)
    }

    /// Makes a new invitation.
    ///
    /// # Errors
    ///
    /// When the start is beyond the format or the file would become too large to be read.
    pub fn issue(header: Header, ticket: Ticket) -> Result<Self, IssueError> {
        let invitation = Self {
            user_name: UntrustedName::new(&header.user_name),
            password_needed: ticket.pass_stub.is_some(),
            start: Some(u32::try_from(header.start).map_err(|_| IssueError::Start)?),
            length_minutes: Some(header.length_minutes),
            pass_stub: ticket.pass_stub,
            speed: header.speed,
            connection: ticket.connection,
        };
        if invitation.to_bytes().len() > MAX_FILE_BYTES { Err(IssueError::TooLarge) } else { Ok(invitation) }
    }

    /// The file: ASCII only, elements on one line, as every known reader takes it.
    ///
    /// Source: invitation-file.md 2.1, 8.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        if let Connection::Bare(connection) = &self.connection {
            return connection.to_string().into_bytes();
        }
        let mut attributes = format!("USERNAME=\"{}\"", Escaped(self.user_name.as_str()));
        if let Some(ticket) = self.lh_ticket() {
            push(&mut attributes, "LHTICKET", &ticket.to_hex());
        }
        if let Some(ticket) = self.rc_ticket() {
            push(&mut attributes, "RCTICKET", &ticket.to_string());
        }
        if let Some(stub) = &self.pass_stub {
            push(&mut attributes, "PassStub", stub.as_str());
        }
        push(&mut attributes, "RCTICKETENCRYPTED", if self.password_needed { "1" } else { "0" });
        if let Some(start) = self.start {
            push(&mut attributes, "DtStart", &start.to_string());
        }
        if let Some(minutes) = self.length_minutes {
            push(&mut attributes, "DtLength", &minutes.to_string());
        }
        push(&mut attributes, "L", if self.low_speed() { "1" } else { "0" });
        format!("<?xml version=\"1.0\"?>\r\n<UPLOADINFO TYPE=\"{TYPE}\"><UPLOADDATA {attributes}/></UPLOADINFO>")
            .into_bytes()
    }

    /// The name that the novice gave, fit to be shown; a claim by whoever wrote the file. May be empty.
    #[must_use]
    pub fn user_name(&self) -> &str {
        self.user_name.as_str()
    }

    /// Whether the expert has to enter a password (`RCTICKETENCRYPTED`; always for an encrypted ticket).
    #[must_use]
    pub fn password_needed(&self) -> bool {
        self.password_needed
    }

    /// When it was made, in seconds since 1970-01-01T00:00:00Z, if it says.
    #[must_use]
    pub fn start(&self) -> Option<u64> {
        self.start.map(u64::from)
    }

    /// How long it is meant to be open, in minutes, if it says.
    #[must_use]
    pub fn length_minutes(&self) -> Option<u32> {
        self.length_minutes
    }

    /// When it ends by its own account, if it says both start and length. Information only: the novice decides.
    #[must_use]
    pub fn expires(&self) -> Option<Expiry> {
        Some(Expiry::of(self.start?, self.length_minutes?))
    }

    /// The challenge for the proof of the password. Without it no proof can be made, also where a password is needed.
    #[must_use]
    pub fn pass_stub(&self) -> Option<&PassStub> {
        self.pass_stub.as_ref()
    }

    /// Whether the novice has a slow link.
    #[must_use]
    pub fn low_speed(&self) -> bool {
        self.speed == LinkSpeed::Slow
    }

    /// Which experts can use it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.connection {
            Connection::Type1(_) => Kind::Type1,
            Connection::Type2(_) | Connection::Bare(_) => Kind::Type2,
            Connection::Both(..) => Kind::Both,
        }
    }

    /// The clear ticket, for version 1.
    #[must_use]
    pub fn rc_ticket(&self) -> Option<&RcTicket> {
        match &self.connection {
            Connection::Type1(ticket) | Connection::Both(ticket, _) => Some(ticket),
            Connection::Type2(_) | Connection::Bare(_) => None,
        }
    }

    /// The encrypted ticket, for version 2.
    #[must_use]
    pub fn lh_ticket(&self) -> Option<&LhTicket> {
        match &self.connection {
            Connection::Type2(ticket) | Connection::Both(_, ticket) => Some(ticket),
            Connection::Type1(_) | Connection::Bare(_) => None,
        }
    }

    /// The connection string of a file that is nothing else: type 2 in clear, with no name, stub or expiry.
    #[must_use]
    pub fn bare_connection_string(&self) -> Option<&ConnectionString2> {
        match &self.connection {
            Connection::Bare(connection) => Some(connection),
            Connection::Type1(_) | Connection::Type2(_) | Connection::Both(..) => None,
        }
    }

    fn read(file: &[u8], reading: Reading) -> Result<Self, InvitationError> {
        if file.len() > MAX_FILE_BYTES {
            return Err(InvitationError::new(Problem::TooLarge, None));
        }
        let text = Text::decode(file).map_err(|span| InvitationError::new(Problem::Encoding, span))?;
        if text.as_str().trim_ascii().is_empty() {
            return Err(InvitationError::new(Problem::Empty, None));
        }
        Self::from_text(text.as_str(), reading)
            .map_err(|Trouble { problem, span }| InvitationError::new(problem, text.in_file(span)))
    }

    fn from_text(text: &str, reading: Reading) -> Result<Self, Trouble> {
        let elements = markup::elements(text)?;
        let root = elements.first().ok_or(Trouble { problem: Problem::NotAnInvitation, span: 0..text.len() })?;
        if root.name == "E" {
            return match ConnectionString2::from_elements(&elements) {
                Ok(connection) => Ok(Self::bare(connection)),
                Err(error) => Err(trouble(Problem::ConnectionString(error.problem().clone()), error.span())),
            };
        }
        if !root.name.eq_ignore_ascii_case("UPLOADINFO") {
            return Err(trouble(Problem::NotAnInvitation, root.span.clone()));
        }
        match root.attribute("TYPE") {
            Some(attribute) if attribute.value(Ampersand::Reference)? == TYPE => {}
            attribute => return Err(trouble(Problem::Type, attribute.map_or(&root.span, |a| &a.span).clone())),
        }
        let mut data = elements
            .iter()
            .filter(|element| element.parent == Some(0) && element.name.eq_ignore_ascii_case("UPLOADDATA"));
        let first = data.next().ok_or_else(|| trouble(Problem::NoData, root.span.clone()))?;
        match data.next() {
            None => Self::from_data(first, reading),
            Some(second) => Err(trouble(Problem::SeveralData, second.span.clone())),
        }
    }

    fn bare(connection: ConnectionString2) -> Self {
        Self {
            user_name: UntrustedName::default(),
            password_needed: false,
            start: None,
            length_minutes: None,
            pass_stub: None,
            speed: LinkSpeed::Normal,
            connection: Connection::Bare(connection),
        }
    }

    fn from_data(data: &Element<'_>, reading: Reading) -> Result<Self, Trouble> {
        let connection = read_connection(data, reading)?;
        let pass_stub = match data.attribute("PassStub") {
            None => None,
            Some(attribute) => match attribute.value(Ampersand::OrItself)?.as_str() {
                "" => None,
                stub => Some(PassStub::parse(stub).map_err(|e| trouble(Problem::PassStub(e), attribute.span.clone()))?),
            },
        };
        let flag = match data.attribute("RCTICKETENCRYPTED") {
            None => None,
            Some(attribute) => match attribute.value(Ampersand::Reference)?.trim_ascii() {
                "0" => Some(false),
                "1" => Some(true),
                _ => return Err(trouble(Problem::Flag, attribute.span.clone())),
            },
        };
        let encrypted = matches!(connection, Connection::Type2(_) | Connection::Both(..));
        let speed = match optional(data, "L")?.as_deref().map(str::trim_ascii) {
            Some("1") => LinkSpeed::Slow,
            _ => LinkSpeed::Normal,
        };
        Ok(Self {
            user_name: UntrustedName::new(&optional(data, "USERNAME")?.unwrap_or_default()),
            password_needed: encrypted || flag.unwrap_or(pass_stub.is_some()),
            start: read_number(data, "DtStart")?,
            length_minutes: read_number(data, "DtLength")?,
            pass_stub,
            speed,
            connection,
        })
    }
}

impl Ticket {
    /// An encrypted ticket only: for experts of version 2.
    #[must_use]
    pub fn type2(connection: &ConnectionString2, password: &Password, stub: PassStub) -> Self {
        Self { connection: Connection::Type2(connection.encrypt(password)), pass_stub: Some(stub) }
    }

    /// An encrypted ticket and beside it one in clear for experts of version 1, with the same session ID, the same key
    /// hash and the IPv4 addresses. Without an IPv4 address it is the encrypted one only.
    #[must_use]
    pub fn both(connection: &ConnectionString2, password: &Password, stub: PassStub) -> Self {
        let encrypted = connection.encrypt(password);
        let connection = match connection.rc_ticket() {
            Some(clear) => Connection::Both(clear, encrypted),
            None => Connection::Type2(encrypted),
        };
        Self { connection, pass_stub: Some(stub) }
    }

    /// A ticket in clear whose password is proved with `stub`: for experts of version 1.
    #[must_use]
    pub fn type1(ticket: RcTicket, stub: PassStub) -> Self {
        Self { connection: Connection::Type1(ticket), pass_stub: Some(stub) }
    }

    /// A ticket in clear that asks for no password; FreeRDP cannot open it.
    #[must_use]
    pub fn type1_without_password(ticket: RcTicket) -> Self {
        Self { connection: Connection::Type1(ticket), pass_stub: None }
    }
}

/// Whether a file name or path ends in `.MsRcIncident`, in any letter case.
#[must_use]
pub fn has_invitation_extension(path: &str) -> bool {
    path.rsplit(['/', '\\'])
        .next()
        .and_then(|name| name.rsplit_once('.'))
        .is_some_and(|(stem, extension)| !stem.is_empty() && extension.eq_ignore_ascii_case(EXTENSION))
}

/// The extension of a new invitation. Source: KB300692.
pub const EXTENSION: &str = "MsRcIncident";
/// The largest file that is looked at; genuine ones have at most about 6 KB. Source: invitation-file.md 7.
pub const MAX_FILE_BYTES: usize = 64 * 1024;
const TYPE: &str = "Escalated";

#[derive(Debug, Clone, PartialEq, Eq)]
enum Connection {
    Type1(RcTicket),
    Type2(LhTicket),
    Both(RcTicket, LhTicket),
    Bare(ConnectionString2),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    All,
    Type1,
}

/// A problem and its place in the decoded text.
struct Trouble {
    problem: Problem,
    span: Range<usize>,
}

fn trouble(problem: Problem, span: Range<usize>) -> Trouble {
    Trouble { problem, span }
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        trouble(Problem::Markup(fault.problem), fault.span)
    }
}

fn read_connection(data: &Element<'_>, reading: Reading) -> Result<Connection, Trouble> {
    let clear = read_ticket(data, "RCTICKET", |attribute, text| {
        text.parse::<RcTicket>().map_err(|e| trouble(Problem::RcTicket(*e.problem()), attribute.place(text, e.span())))
    })?;
    let encrypted = match reading {
        Reading::Type1 => None,
        Reading::All => read_ticket(data, "LHTICKET", |attribute, text| {
            LhTicket::from_hex(text).map_err(|fault| match fault {
                HexFault::Digits(span) => trouble(Problem::LhTicketDigits, attribute.place(text, span)),
                HexFault::Length => trouble(Problem::LhTicketLength, attribute.span.clone()),
            })
        })?,
    };
    match (clear, encrypted) {
        (None, None) => Err(trouble(Problem::NoTicket, data.span.clone())),
        (Some(clear), None) => Ok(Connection::Type1(clear?)),
        (None | Some(Err(_)), Some(encrypted)) => Ok(Connection::Type2(encrypted?)),
        (Some(Ok(clear)), Some(encrypted)) => Ok(Connection::Both(clear, encrypted?)),
    }
}

type Judged<T> = Option<Result<T, Trouble>>;

/// A ticket attribute that is there and not empty, judged by `read`.
fn read_ticket<T>(
    data: &Element<'_>,
    name: &str,
    read: impl FnOnce(&Attribute<'_>, &str) -> Result<T, Trouble>,
) -> Result<Judged<T>, Trouble> {
    let Some(attribute) = data.attribute(name) else { return Ok(None) };
    let text = Zeroizing::new(attribute.value(Ampersand::Reference)?);
    Ok((!text.trim_ascii().is_empty()).then(|| read(attribute, &text)))
}

fn optional(data: &Element<'_>, name: &str) -> Result<Option<String>, Trouble> {
    Ok(data.attribute(name).map(|attribute| attribute.value(Ampersand::Reference)).transpose()?)
}

fn read_number(data: &Element<'_>, name: &'static str) -> Result<Option<u32>, Trouble> {
    let Some(attribute) = data.attribute(name) else { return Ok(None) };
    let text = attribute.value(Ampersand::Reference)?;
    let digits = text.trim_ascii();
    // `parse` alone would take a sign; hexadecimal and octal, which FreeRDP reads, never were meant.
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    match digits.parse() {
        Ok(number) if plain => Ok(Some(number)),
        _ => Err(trouble(Problem::Number { attribute: name }, attribute.span.clone())),
    }
}

fn push(attributes: &mut String, name: &str, value: &str) {
    // Writing to a string cannot fail.
    let _ = write!(attributes, " {name}=\"{}\"", Escaped(value));
}
