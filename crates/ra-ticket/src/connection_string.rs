//! Connection string 2 and the encrypted ticket that holds it.

use core::fmt;
use core::ops::Range;
use core::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use zeroize::Zeroizing;

use crate::key_hash::decode_base64;
use crate::markup::{self, Ampersand, Element, Fault, MarkupProblem};
use crate::{
    Endpoint, EndpointError, Host, KeyHash, KeyHash2, KeyHashError, MAX_ADDRESSES, Password, Pins, RcTicket, SessionId,
    SessionIdError, crypto,
};

/// What an expert of version 2 needs to find the novice and to recognise its computer.
///
/// It reads and prints as the XML inside `LHTICKET`. Printing it is for encryption, never for a log.
/// Source: invitation-file.md 6.2.
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectionString2 {
    key_hash: KeyHash,
    key_hash2: Option<KeyHash2>,
    certificate: Option<Vec<u8>>,
    session_id: SessionId,
    transports: Vec<Transport>,
    route: Option<String>,
}

/// A group of listeners (`T`): what its two numbers mean is only known for solicited help, where they are 1 and 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transport {
    /// `ID`, as written.
    pub id: String,
    /// `SID`, as written.
    pub session: String,
    /// Listeners with a TCP port, in order of preference; those with a web-socket address only are left out.
    pub listeners: Vec<Endpoint>,
}

/// An encrypted connection string 2 (`LHTICKET`): public bytes that only the password opens.
#[derive(Clone, PartialEq, Eq)]
pub struct LhTicket(Vec<u8>);

/// Why an encrypted ticket does not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// The bytes do not decrypt to a connection string. A wrong password and a damaged file look the same.
    #[error("the password is wrong or the invitation is damaged")]
    WrongPasswordOrDamaged,
    /// They do, but to one that cannot be used.
    #[error("the password opens the invitation, but what it holds cannot be used: {0}")]
    ConnectionString(ConnectionStringProblem),
}

/// Why a text is not a connection string 2, and where in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct ConnectionStringError {
    problem: ConnectionStringProblem,
    span: Range<usize>,
}

/// What is wrong with a connection string 2.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionStringProblem {
    /// Not the XML that it may consist of.
    #[error("the connection string is damaged: {0}")]
    Markup(MarkupProblem),
    /// The outermost element is not `E`.
    #[error("the connection string does not begin with an E element")]
    Root,
    /// `A` or one of its required attributes is missing, or comes twice.
    #[error("the connection string has no single {0}")]
    Missing(&'static str),
    /// `KH` or `KH2` cannot be read.
    #[error("the connection string cannot be used: {0}")]
    KeyHash(KeyHashError),
    /// `CE` is not base64, or not of 1 to [`MAX_CERTIFICATE_BYTES`] bytes.
    #[error("the connection string has a certificate that is not base64 of 1 to {MAX_CERTIFICATE_BYTES} bytes")]
    Certificate,
    /// `ID` cannot be used.
    #[error("the connection string cannot be used: {0}")]
    SessionId(SessionIdError),
    /// A listener is broken.
    #[error("the connection string has a broken listener: {0}")]
    Listener(EndpointError),
    /// No listener can be used.
    #[error("the connection string has no usable listener")]
    NoListener,
    /// More than a writer may list.
    #[error("the connection string has more than {MAX_LISTENERS} listeners")]
    TooManyListeners,
    /// A route that cannot be written.
    #[error("the route is not 1 to {MAX_ROUTE_CHARS} characters of printable ASCII")]
    Route,
}

impl ConnectionString2 {
    /// Makes a connection string for listeners in order of preference.
    ///
    /// FreeRDP 2 passes over hosts of eight characters or fewer (`10.0.0.5`): with only such addresses list a host name
    /// too. Source: invitation-file.md 6.5.
    ///
    /// # Errors
    ///
    /// When there are no listeners or more than [`MAX_LISTENERS`], or one that cannot be written.
    pub fn new(
        key_hash: KeyHash,
        session_id: SessionId,
        listeners: Vec<Endpoint>,
    ) -> Result<Self, ConnectionStringProblem> {
        if listeners.is_empty() {
            return Err(ConnectionStringProblem::NoListener);
        }
        if listeners.len() > MAX_LISTENERS {
            return Err(ConnectionStringProblem::TooManyListeners);
        }
        listeners.iter().try_for_each(Endpoint::check).map_err(ConnectionStringProblem::Listener)?;
        let transport = Transport { id: "1".to_owned(), session: "0".to_owned(), listeners };
        Ok(Self { key_hash, key_hash2: None, certificate: None, session_id, transports: vec![transport], route: None })
    }

    /// Adds `KH2`.
    #[must_use]
    pub fn with_key_hash2(mut self, hash: KeyHash2) -> Self {
        self.key_hash2 = Some(hash);
        self
    }

    /// Adds `CE`: the certificate (DER) that the novice will present.
    ///
    /// # Errors
    ///
    /// When it is empty or larger than [`MAX_CERTIFICATE_BYTES`].
    pub fn with_certificate(mut self, der: Vec<u8>) -> Result<Self, ConnectionStringProblem> {
        if !CERTIFICATE_BYTES.contains(&der.len()) {
            return Err(ConnectionStringProblem::Certificate);
        }
        self.certificate = Some(der);
        Ok(self)
    }

    /// Adds `ROUTE`, an attribute of our own that other programs pass over: how the novice's computer is found where no
    /// address leads to it. What stands in it is not this crate's business.
    ///
    /// # Errors
    ///
    /// When it is empty, longer than [`MAX_ROUTE_CHARS`], or has other characters than printable ASCII.
    pub fn with_route(mut self, route: &str) -> Result<Self, ConnectionStringProblem> {
        if !is_route(route) {
            return Err(ConnectionStringProblem::Route);
        }
        self.route = Some(route.to_owned());
        Ok(self)
    }

    /// `ROUTE`, where there is one that can be read.
    #[must_use]
    pub fn route(&self) -> Option<&str> {
        self.route.as_deref()
    }

    /// `KH`: SHA-1 of the novice's public key blob.
    #[must_use]
    pub fn key_hash(&self) -> KeyHash {
        self.key_hash
    }

    /// `KH2`, checked instead of `KH` when present.
    #[must_use]
    pub fn key_hash2(&self) -> Option<&KeyHash2> {
        self.key_hash2.as_ref()
    }

    /// `CE`: a certificate, DER.
    #[must_use]
    pub fn certificate(&self) -> Option<&[u8]> {
        self.certificate.as_deref()
    }

    /// What goes into Client Info `WorkingDir`.
    #[must_use]
    pub fn session_id(&self) -> &SessionId {
        &self.session_id
    }

    /// The groups of listeners; at least one listener is in them.
    #[must_use]
    pub fn transports(&self) -> &[Transport] {
        &self.transports
    }

    /// The addresses to dial, in order, each once, at most [`MAX_ADDRESSES`]. Link-local IPv6 addresses come last,
    /// since nobody can say on which of the expert's own links they are.
    #[must_use]
    pub fn endpoints(&self) -> Vec<Endpoint> {
        let all = || self.transports.iter().flat_map(|transport| &transport.listeners);
        let last = |endpoint: &&Endpoint| matches!(endpoint.host, Host::Ipv6(_)) && endpoint.host.is_link_local();
        let mut endpoints: Vec<Endpoint> = Vec::new();
        for endpoint in all().filter(|endpoint| !last(endpoint)).chain(all().filter(last)) {
            // Whoever made this kept no more than may be dialled.
            if !endpoints.contains(endpoint) {
                endpoints.push(endpoint.clone());
            }
        }
        endpoints
    }

    /// What tells the novice's computer from another.
    #[must_use]
    pub fn pins(&self) -> Pins {
        Pins { certificate: self.certificate.clone(), key_hash2: self.key_hash2.clone(), key_hash: Some(self.key_hash) }
    }

    /// The RC ticket for experts of version 1 beside this one: the same session ID and key hash, IPv4 addresses only.
    /// Nothing when there is none.
    ///
    /// Source: invitation-file.md 1 ([MS-RAI] 6 <21>).
    #[must_use]
    pub fn rc_ticket(&self) -> Option<RcTicket> {
        let addresses = self.endpoints().into_iter().filter(|endpoint| matches!(endpoint.host, Host::Ipv4(_)));
        RcTicket::new(addresses.collect(), self.session_id.clone(), self.key_hash).ok()
    }

    /// Encrypts it for whoever gets the password.
    #[must_use]
    pub fn encrypt(&self, password: &Password) -> LhTicket {
        let plain = crypto::utf16le(&self.to_xml());
        LhTicket(crypto::encrypt(&crypto::ticket_key(password.expose()), &plain))
    }

    /// Written so that FreeRDP 2, which searches for these very strings, finds everything (invitation-file.md 6.5).
    fn to_xml(&self) -> Zeroizing<String> {
        let listeners: usize = self.transports.iter().map(|transport| transport.listeners.len()).sum();
        let certificate = self.certificate.as_ref().map_or(0, Vec::len);
        // Enough that it is allocated once and no copy of the session ID stays behind.
        let mut xml = Zeroizing::new(String::with_capacity(2048 + 2 * certificate + 320 * listeners));
        // Writing to a string cannot fail.
        let _ = self.write(&mut *xml);
        xml
    }

    fn write(&self, out: &mut impl fmt::Write) -> fmt::Result {
        write!(out, "<E><A KH=\"{}\"", self.key_hash)?;
        if let Some(hash) = &self.key_hash2 {
            write!(out, " KH2=\"{hash}\"")?;
        }
        if let Some(certificate) = &self.certificate {
            out.write_str(" CE=\"")?;
            let text = BASE64.encode(certificate);
            for (line, start) in (0..text.len()).step_by(CERTIFICATE_LINE).enumerate() {
                let separator = if line == 0 { "" } else { "&#xA;" };
                write!(out, "{separator}{}", &text[start..text.len().min(start + CERTIFICATE_LINE)])?;
            }
            out.write_char('"')?;
        }
        write!(out, " ID=\"{}\"", markup::Escaped(self.session_id.expose()))?;
        if let Some(route) = &self.route {
            write!(out, " ROUTE=\"{}\"", markup::Escaped(route))?;
        }
        out.write_str("/><C>")?;
        for transport in &self.transports {
            let (id, session) = (markup::Escaped(&transport.id), markup::Escaped(&transport.session));
            write!(out, "<T ID=\"{id}\" SID=\"{session}\">")?;
            for Endpoint { host, port } in &transport.listeners {
                write!(out, "<L P=\"{port}\" N=\"{host}\"/>")?;
            }
            out.write_str("</T>")?;
        }
        out.write_str("</C></E>\r\n")
    }

    /// Takes the string out of elements that were read elsewhere; the first is the outermost.
    pub(crate) fn from_elements(elements: &[Element<'_>]) -> Result<Self, ConnectionStringError> {
        let Some(root) = elements.first() else {
            return Err(ConnectionStringError { problem: ConnectionStringProblem::Root, span: 0..0 });
        };
        let fault = |problem, span: &Range<usize>| ConnectionStringError { problem, span: span.clone() };
        if root.name != "E" {
            return Err(fault(ConnectionStringProblem::Root, &root.span));
        }
        let only = |name: &'static str| {
            let mut found = elements.iter().enumerate().filter(|(_, e)| e.parent == Some(0) && e.name == name);
            match (found.next(), found.next()) {
                (Some(one), None) => Ok(one),
                (_, second) => {
                    let span = second.map_or(&root.span, |(_, e)| &e.span);
                    Err(fault(ConnectionStringProblem::Missing(name), span))
                }
            }
        };
        let (_, auth) = only("A")?;
        let (container, _) = only("C")?;

        let required = |name: &'static str| match value(auth, name)? {
            Some(found) => Ok(found),
            None => Err(fault(ConnectionStringProblem::Missing(name), &auth.span)),
        };
        let (key_hash, span) = required("KH")?;
        let key_hash = key_hash.parse().map_err(|e| fault(ConnectionStringProblem::KeyHash(e), &span))?;
        let (session_id, span) = required("ID")?;
        let session_id = SessionId::parse(session_id.trim_ascii())
            .map_err(|e| fault(ConnectionStringProblem::SessionId(e), &span))?;
        let key_hash2 = match value(auth, "KH2")? {
            None => None,
            Some((text, span)) => match text.parse() {
                Ok(hash) => Some(hash),
                // A hash of tomorrow: `KH` is there for those who do not know it.
                Err(KeyHashError::Algorithm) => None,
                Err(e) => return Err(fault(ConnectionStringProblem::KeyHash(e), &span)),
            },
        };
        let certificate = match value(auth, "CE")? {
            None => None,
            Some((text, span)) => Some(
                decode_base64(&text)
                    .filter(|der| CERTIFICATE_BYTES.contains(&der.len()))
                    .ok_or_else(|| fault(ConnectionStringProblem::Certificate, &span))?,
            ),
        };

        // What cannot be read is of a later version: the addresses are there for those who do not know it.
        let route = value(auth, "ROUTE")?.map(|(text, _)| text.to_string()).filter(|text| is_route(text));

        let mut transports = Vec::new();
        let mut left = MAX_ADDRESSES;
        for (index, element) in elements.iter().enumerate() {
            if element.name != "T" || element.parent != Some(container) {
                continue;
            }
            let mut listeners = Vec::new();
            for listener in elements.iter().filter(|e| e.name == "L" && e.parent == Some(index)) {
                if let Some(endpoint) = read_listener(listener)?.filter(|_| left > 0) {
                    listeners.push(endpoint);
                    left -= 1;
                }
            }
            let text =
                |name| value(element, name).map(|found| found.map_or_else(String::new, |(text, _)| text.to_string()));
            transports.push(Transport { id: text("ID")?, session: text("SID")?, listeners });
        }
        if transports.iter().all(|transport| transport.listeners.is_empty()) {
            let span = elements.get(container).map_or(0..0, |e| e.span.clone());
            return Err(fault(ConnectionStringProblem::NoListener, &span));
        }
        Ok(Self { key_hash, key_hash2, certificate, session_id, transports, route })
    }
}

fn is_route(text: &str) -> bool {
    (1..=MAX_ROUTE_CHARS).contains(&text.len()) && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

type Value = (Zeroizing<String>, Range<usize>);

fn value(element: &Element<'_>, name: &str) -> Result<Option<Value>, ConnectionStringError> {
    let Some(attribute) = element.attribute(name) else { return Ok(None) };
    Ok(Some((Zeroizing::new(attribute.value(Ampersand::Reference)?), attribute.span.clone())))
}

/// Nothing for a listener that is only reached through a web socket, or whose host nobody could dial.
fn read_listener(element: &Element<'_>) -> Result<Option<Endpoint>, ConnectionStringError> {
    let fault = |problem, span: &Range<usize>| ConnectionStringError {
        problem: ConnectionStringProblem::Listener(problem),
        span: span.clone(),
    };
    let Some((port, port_span)) = value(element, "P")? else {
        return match value(element, "U")? {
            Some(_) => Ok(None),
            None => Err(fault(EndpointError::NoPort, &element.span)),
        };
    };
    let port = crate::endpoint::parse_port(port.trim_ascii()).map_err(|e| fault(e, &port_span))?;
    let Some((host, host_span)) = value(element, "N")? else {
        return Err(fault(EndpointError::NoHost, &element.span));
    };
    match host.trim_ascii() {
        "" => Err(fault(EndpointError::NoHost, &host_span)),
        host => Ok(host.parse().ok().map(|host| Endpoint { host, port })),
    }
}

impl FromStr for ConnectionString2 {
    type Err = ConnectionStringError;

    /// Reads the XML; unknown elements and attributes do not matter.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_elements(&markup::elements(text)?)
    }
}

impl fmt::Display for ConnectionString2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f)
    }
}

impl fmt::Debug for ConnectionString2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConnectionString2(..)")
    }
}

impl ConnectionStringError {
    /// What is wrong.
    #[must_use]
    pub fn problem(&self) -> &ConnectionStringProblem {
        &self.problem
    }

    /// Byte range in the text.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }
}

impl From<Fault> for ConnectionStringError {
    fn from(fault: Fault) -> Self {
        Self { problem: ConnectionStringProblem::Markup(fault.problem), span: fault.span }
    }
}

impl LhTicket {
    /// Opens the ticket with the password that came by another way.
    ///
    /// # Errors
    ///
    /// Wrong length, padding, characters and beginning are one error: a wrong password cannot be told from damage.
    /// Source: invitation-file.md 6.1.
    pub fn decrypt(&self, password: &Password) -> Result<ConnectionString2, Unreadable> {
        let text = self.decrypt_text(password.expose()).ok_or(Unreadable::WrongPasswordOrDamaged)?;
        text.parse().map_err(|error: ConnectionStringError| Unreadable::ConnectionString(error.problem))
    }

    fn decrypt_text(&self, password: &str) -> Option<Zeroizing<String>> {
        let plain = crypto::decrypt(&crypto::ticket_key(password), &self.0)?;
        let (units, rest) = plain.as_chunks::<2>();
        if !rest.is_empty() {
            return None;
        }
        let mut text = Zeroizing::new(String::with_capacity(plain.len() / 2 * 3));
        for character in char::decode_utf16(units.iter().copied().map(u16::from_le_bytes)) {
            text.push(character.ok()?);
        }
        let length = text.trim_end_matches(|c: char| c == '\0' || c.is_ascii_whitespace()).len();
        text.truncate(length);
        text.starts_with("<E>").then_some(text)
    }

    /// Reads hexadecimal digits in either case, with white space between.
    pub(crate) fn from_hex(text: &str) -> Result<Self, HexFault> {
        if let Some((at, c)) = text.char_indices().find(|(_, c)| !c.is_ascii_hexdigit() && !c.is_ascii_whitespace()) {
            return Err(HexFault::Digits(at..at + c.len_utf8()));
        }
        let digits: String = text.split_ascii_whitespace().collect();
        let bytes = hex::decode(digits).map_err(|_| HexFault::Digits(0..text.len()))?;
        if bytes.is_empty() || bytes.len() % BLOCK_BYTES != 0 { Err(HexFault::Length) } else { Ok(Self(bytes)) }
    }

    /// Upper-case hexadecimal, as `LHTICKET` holds it.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex::encode_upper(&self.0)
    }
}

/// What is wrong with the digits of an encrypted ticket.
#[derive(Debug)]
pub(crate) enum HexFault {
    Digits(Range<usize>),
    Length,
}

impl fmt::Debug for LhTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LhTicket({} bytes)", self.0.len())
    }
}

/// The most listeners that are written. Source: invitation-file.md 6.5.
pub const MAX_LISTENERS: usize = 16;
/// The largest certificate: hexadecimal of UTF-16 of base64 makes six times of it, which with the rest has to stay
/// below the largest invitation. Genuine ones have about 800 bytes.
pub const MAX_CERTIFICATE_BYTES: usize = 6 * 1024;
/// Of a [`route`](ConnectionString2::route): a key and twenty relays, with room.
pub const MAX_ROUTE_CHARS: usize = 5000;
const CERTIFICATE_BYTES: core::ops::RangeInclusive<usize> = 1..=MAX_CERTIFICATE_BYTES;
/// Characters of base64 in a line, as in genuine tickets.
const CERTIFICATE_LINE: usize = 76;
const BLOCK_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_travels_inside_and_whoever_does_not_know_it_passes_it_over() {
        let listener = vec!["192.168.1.5:3389".parse().unwrap()];
        let session = SessionId::from_entropy(&[1; 48]);
        let bare = ConnectionString2::new(KeyHash::from([7; 20]), session, listener).unwrap();
        assert_eq!(bare.to_string().parse::<ConnectionString2>().unwrap().route(), None);
        let routed = bare.clone().with_route("iroh1 00ff https://relay.example.org/?a=\"&b").unwrap();
        let read: ConnectionString2 = routed.to_string().parse().unwrap();
        assert_eq!(read, routed);
        assert_eq!(read.route(), Some("iroh1 00ff https://relay.example.org/?a=\"&b"));
        // FreeRDP takes the first ID that it finds.
        let text = routed.to_string();
        assert!(text.find(" ID=\"").unwrap() < text.find(" ROUTE=\"").unwrap(), "{text}");
        for wrong in ["", "a\n", "é", &"x".repeat(MAX_ROUTE_CHARS + 1)] {
            assert!(bare.clone().with_route(wrong).is_err());
        }
        let damaged = text.replace("iroh1", "\u{7f}");
        assert_eq!(damaged.parse::<ConnectionString2>().unwrap().route(), None, "read without it");
    }

    #[test]
    fn what_stands_behind_the_text_of_a_ticket_is_cut_off() {
        let password = Password::new("A1B2C3D4E5F6").unwrap();
        let listeners = vec!["192.0.2.17:50312".parse().unwrap()];
        let connection = ConnectionString2::new([6; 20].into(), SessionId::from_entropy(&[5; 48]), listeners).unwrap();
        let encrypt =
            |text: &str| LhTicket(crypto::encrypt(&crypto::ticket_key(password.expose()), &crypto::utf16le(text)));
        for end in ["", "\0", "\r\n\0\0 "] {
            assert_eq!(encrypt(&format!("{connection}{end}")).decrypt(&password).unwrap(), connection, "{end:?}");
        }
        let inside = encrypt(&format!("{connection}\0x")).decrypt(&password);
        assert!(matches!(inside, Err(Unreadable::ConnectionString(_))), "{inside:?}");
    }
}
