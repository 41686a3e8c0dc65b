//! The RC ticket: Remote Assistance connection string 1, eight fields in clear text.

use core::fmt;
use core::ops::Range;
use core::str::FromStr;

use crate::endpoint::split_port;
use crate::{Endpoint, EndpointError, KeyHash, MAX_ADDRESSES, Pins, SessionId, SessionIdError};

/// What an expert of version 1 needs to find the novice: addresses in order, the session ID and a key hash.
///
/// It reads and prints as `RCTICKET`. Printing it is for the file and for the wire, never for a log.
/// Source: invitation-file.md 4.
#[derive(Clone, PartialEq, Eq)]
pub struct RcTicket {
    addresses: Vec<Endpoint>,
    session_id: SessionId,
    key_hash: Option<KeyHash>,
}

/// Why a text is not an RC ticket, and where in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct RcTicketError {
    problem: RcTicketProblem,
    span: Range<usize>,
}

/// What is wrong with an RC ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RcTicketProblem {
    /// Not eight fields.
    #[error("the RC ticket has {0} fields separated by commas, it should have 8")]
    Fields(usize),
    /// The first field is not 65538.
    #[error("the RC ticket has an unknown version; only 65538 is known")]
    Version,
    /// The second field is not 1.
    #[error("the RC ticket has an unknown protocol type; only 1 is known")]
    ProtocolType,
    /// An entry of the address list is broken.
    #[error("the RC ticket has a broken address: {0}")]
    Address(EndpointError),
    /// No entry of the address list can be used.
    #[error("the RC ticket has no usable address")]
    NoAddress,
    /// The session ID cannot be used.
    #[error("the RC ticket cannot be used: {0}")]
    SessionId(SessionIdError),
}

impl RcTicket {
    /// Makes a ticket of at most [`MAX_ADDRESSES`] addresses; further ones are dropped, as a reader would.
    ///
    /// The order is the order in which an expert tries them: external, then host name, then private (R8). FreeRDP 3
    /// cannot read an IPv6 address here and FreeRDP 2 loses the first one (invitation-file.md 4.1).
    ///
    /// # Errors
    ///
    /// When there is no address, or one that cannot be written.
    pub fn new(
        mut addresses: Vec<Endpoint>,
        session_id: SessionId,
        key_hash: KeyHash,
    ) -> Result<Self, RcTicketProblem> {
        addresses.truncate(MAX_ADDRESSES);
        if addresses.is_empty() {
            return Err(RcTicketProblem::NoAddress);
        }
        addresses.iter().try_for_each(Endpoint::check).map_err(RcTicketProblem::Address)?;
        Ok(Self { addresses, session_id, key_hash: Some(key_hash) })
    }

    /// The novice's addresses in the order of connection attempts; never empty.
    #[must_use]
    pub fn addresses(&self) -> &[Endpoint] {
        &self.addresses
    }

    /// What goes into Client Info `WorkingDir`.
    #[must_use]
    pub fn session_id(&self) -> &SessionId {
        &self.session_id
    }

    /// SHA-1 of the novice's public key blob; nothing when the writer put something else into field 8.
    #[must_use]
    pub fn key_hash(&self) -> Option<KeyHash> {
        self.key_hash
    }

    /// What tells the novice's computer from another.
    #[must_use]
    pub fn pins(&self) -> Pins {
        Pins { key_hash: self.key_hash, ..Pins::default() }
    }
}

impl RcTicketError {
    /// What is wrong.
    #[must_use]
    pub fn problem(&self) -> &RcTicketProblem {
        &self.problem
    }

    /// Byte range in the text of the ticket.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }
}

impl FromStr for RcTicket {
    type Err = RcTicketError;

    /// Reads the eight fields. White space around fields and addresses does not count (KB300692 prints the ticket
    /// wrapped), fields 4, 6 and 7 are not looked at, and a host that nobody could dial is left out.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |problem, span: Range<usize>| RcTicketError { problem, span };
        let count = text.split(',').count();
        let fields: [Part<'_>; FIELDS] = parts(text, 0, ',')
            .collect::<Vec<_>>()
            .try_into()
            .map_err(|_| error(RcTicketProblem::Fields(count), 0..text.len()))?;
        let [version, protocol, list, _account, session_id, _session_name, _session_password, parameters] = fields;
        if version.text != VERSION {
            return Err(error(RcTicketProblem::Version, version.span()));
        }
        if protocol.text != PROTOCOL_TYPE {
            return Err(error(RcTicketProblem::ProtocolType, protocol.span()));
        }

        let mut addresses = Vec::new();
        for item in parts(list.text, list.start, ';').filter(|item| !item.text.is_empty()) {
            let (host, port) =
                split_port(item.text).map_err(|problem| error(RcTicketProblem::Address(problem), item.span()))?;
            if let Ok(host) = host.parse() {
                addresses.push(Endpoint { host, port });
            }
        }
        addresses.truncate(MAX_ADDRESSES);
        if addresses.is_empty() {
            return Err(error(RcTicketProblem::NoAddress, list.span()));
        }

        // The sample of 2001 is wrapped anywhere; base64 has no white space of its own.
        let id: String = session_id.text.split_ascii_whitespace().collect();
        let session_id =
            SessionId::parse(&id).map_err(|problem| error(RcTicketProblem::SessionId(problem), session_id.span()))?;
        Ok(Self { addresses, session_id, key_hash: parameters.text.parse().ok() })
    }
}

impl fmt::Display for RcTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{VERSION},{PROTOCOL_TYPE},")?;
        for (place, address) in self.addresses.iter().enumerate() {
            let separator = if place == 0 { "" } else { ";" };
            write!(f, "{separator}{address}")?;
        }
        write!(f, ",*,{},*,*,", self.session_id.expose())?;
        match &self.key_hash {
            Some(hash) => hash.fmt(f),
            None => f.write_str("*"),
        }
    }
}

impl fmt::Debug for RcTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RcTicket(..)")
    }
}

/// A trimmed piece of a text that knows where it stood.
#[derive(Debug)]
struct Part<'a> {
    text: &'a str,
    start: usize,
}

impl Part<'_> {
    /// The piece itself, or the separator behind it when there is nothing to point at.
    fn span(&self) -> Range<usize> {
        self.start..self.start + self.text.len().max(1)
    }
}

fn parts(text: &str, offset: usize, separator: char) -> impl Iterator<Item = Part<'_>> {
    let mut next = offset;
    text.split(separator).map(move |piece| {
        let start = next + (piece.len() - piece.trim_ascii_start().len());
        next += piece.len() + separator.len_utf8();
        Part { text: piece.trim_ascii(), start }
    })
}

/// 0x10002. Source: [MS-RAI] 2.2.1.
const VERSION: &str = "65538";
const PROTOCOL_TYPE: &str = "1";
const FIELDS: usize = 8;
