//! The plan: which endpoints in which order, what to expect there, and what to say once the right one answered.

use ra_ticket::{
    ConnectionString2, Endpoint, Invitation, LhTicket, MAX_ADDRESSES, PassStub, Password, Pins, Proof, RcTicket,
    SessionId,
};
use zeroize::Zeroizing;

/// Everything that one attempt needs, taken from an invitation and the password that belongs to it.
pub struct Plan {
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) pins: Pins,
    pub(crate) session_id: SessionId,
    pub(crate) version: Version,
    pub(crate) proof: Option<Proof>,
    pub(crate) connection_string: Zeroizing<String>,
    pub(crate) novice: String,
}

/// Which version of the Remote Assistance exchange the ticket asks for. Source: session-protocol section 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Version {
    /// The ticket is a connection string 1.
    One,
    /// The ticket is a connection string 2.
    Two,
}

/// Why no plan could be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The addresses stand in the encrypted part, and there is no password to read it with.
    #[error("this invitation can only be read with its password")]
    PasswordNeeded,
    /// The encrypted part did not open: one answer for a wrong password and a damaged file.
    #[error("wrong password, or a damaged invitation")]
    Unreadable,
    /// The invitation lists no address that can be dialled.
    #[error("the invitation lists no address")]
    NoAddress,
}

impl Plan {
    /// Makes the plan: by the encrypted connection string 2 if there is one, else by the connection string 1.
    ///
    /// A ticket that needs a password and a file that does not encrypt anything is planned without looking at
    /// the password: the novice's computer judges it, not ours (S27).
    ///
    /// # Errors
    ///
    /// [`OpenError::PasswordNeeded`] and [`OpenError::Unreadable`] concern type 2 files only.
    pub fn open(invitation: &Invitation, password: Option<&Password>) -> Result<Self, OpenError> {
        let proof = |stub: Option<&PassStub>| Some(password?.proof(stub?));
        let novice = invitation.user_name().to_owned();
        if let Some(ticket) = invitation.lh_ticket() {
            let string = decrypt(ticket, password)?;
            return Self::by_connection_string(&string, proof(invitation.pass_stub()), novice);
        }
        if let Some(string) = invitation.bare_connection_string() {
            return Self::by_connection_string(string, None, novice);
        }
        let ticket = invitation.rc_ticket().ok_or(OpenError::NoAddress)?;
        if invitation.password_needed() && password.is_none() {
            return Err(OpenError::PasswordNeeded);
        }
        Self::by_rc_ticket(ticket, proof(invitation.pass_stub()), novice)
    }

    fn by_connection_string(
        string: &ConnectionString2,
        proof: Option<Proof>,
        novice: String,
    ) -> Result<Self, OpenError> {
        Ok(Self {
            endpoints: in_order(string.endpoints())?,
            pins: string.pins(),
            session_id: string.session_id().clone(),
            version: Version::Two,
            proof,
            connection_string: Zeroizing::new(string.to_string()),
            novice,
        })
    }

    fn by_rc_ticket(ticket: &RcTicket, proof: Option<Proof>, novice: String) -> Result<Self, OpenError> {
        Ok(Self {
            endpoints: in_order(ticket.addresses().to_vec())?,
            pins: ticket.pins(),
            session_id: ticket.session_id().clone(),
            version: Version::One,
            proof,
            connection_string: Zeroizing::new(ticket.to_string()),
            novice,
        })
    }

    /// Where the novice may be reached, in the order of the attempts.
    #[must_use]
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// How the novice's computer will be recognised.
    #[must_use]
    pub fn pins(&self) -> &Pins {
        &self.pins
    }
}

fn decrypt(ticket: &LhTicket, password: Option<&Password>) -> Result<ConnectionString2, OpenError> {
    let password = password.ok_or(OpenError::PasswordNeeded)?;
    ticket.decrypt(password).map_err(|_| OpenError::Unreadable)
}

/// The listed order without repetitions; IPv6 link-local addresses go last, since their zone is the novice's, not ours.
fn in_order(listed: Vec<Endpoint>) -> Result<Vec<Endpoint>, OpenError> {
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for endpoint in listed {
        if endpoints.len() < MAX_ADDRESSES && !endpoints.contains(&endpoint) {
            endpoints.push(endpoint);
        }
    }
    endpoints.sort_by_key(|endpoint| endpoint.host.is_link_local());
    if endpoints.is_empty() { Err(OpenError::NoAddress) } else { Ok(endpoints) }
}
