//! Why a file cannot be used as an invitation, and where in it.

use core::ops::Range;

use crate::invitation::MAX_FILE_BYTES;
use crate::markup::MarkupProblem;
use crate::{ConnectionStringProblem, PassStubError, RcTicketProblem};

/// Why a file cannot be used as an invitation.
///
/// The range is in bytes of the file as it was given, whatever its encoding, so it can label the source for a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct InvitationError {
    problem: Problem,
    span: Option<Range<usize>>,
}

/// What is wrong with a file that should be an invitation: one sentence each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Nothing but white space.
    #[error("this is not an invitation: the file is empty")]
    Empty,
    /// Refused before anything is parsed.
    #[error("this is not an invitation: the file is larger than {} KiB", MAX_FILE_BYTES / 1024)]
    TooLarge,
    /// A file of 16-bit characters with an odd length or half a character.
    #[error("this is not an invitation: the file breaks off inside a character")]
    Encoding,
    /// Not the XML that an invitation may consist of.
    #[error("this is not an invitation: {0}")]
    Markup(MarkupProblem),
    /// XML of another kind.
    #[error("this is not an invitation: it does not begin with an UPLOADINFO element")]
    NotAnInvitation,
    /// `TYPE` is missing or something else.
    #[error("this is not an invitation: TYPE is not \"Escalated\"")]
    Type,
    /// The element with the data is missing.
    #[error("the invitation is incomplete: UPLOADDATA is missing")]
    NoData,
    /// The element with the data comes twice.
    #[error("the invitation is ambiguous: there is more than one UPLOADDATA")]
    SeveralData,
    /// Neither kind of ticket is there.
    #[error("the invitation is incomplete: it has neither RCTICKET nor LHTICKET")]
    NoTicket,
    /// A time is not a decimal number of 32 bits.
    #[error("{attribute} is not a whole number from 0 to 4294967295")]
    Number {
        /// `DtStart` or `DtLength`.
        attribute: &'static str,
    },
    /// `RCTICKETENCRYPTED` is neither `0` nor `1`.
    #[error("RCTICKETENCRYPTED is neither 0 nor 1")]
    Flag,
    /// The stub cannot be used.
    #[error("{0}")]
    PassStub(PassStubError),
    /// `RCTICKET` cannot be used and there is nothing else.
    #[error("{0}")]
    RcTicket(RcTicketProblem),
    /// `LHTICKET` is not hexadecimal.
    #[error("LHTICKET is damaged: it is not an even number of hexadecimal digits")]
    LhTicketDigits,
    /// `LHTICKET` is not a number of cipher blocks.
    #[error("LHTICKET is damaged: its length is not a multiple of 16 bytes")]
    LhTicketLength,
    /// The file is a bare connection string, and a broken one.
    #[error("{0}")]
    ConnectionString(ConnectionStringProblem),
}

impl InvitationError {
    pub(crate) fn new(problem: Problem, span: impl Into<Option<Range<usize>>>) -> Self {
        Self { problem, span: span.into() }
    }

    /// What is wrong.
    #[must_use]
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// Byte range in the file that the error is about.
    #[must_use]
    pub fn span(&self) -> Option<Range<usize>> {
        self.span.clone()
    }
}
