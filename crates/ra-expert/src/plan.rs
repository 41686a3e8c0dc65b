//! The plan: which endpoints in which order, what to expect there, and what to say once the right one answered.

use ra_ticket::{
    AccountName, AccountPassword, ConnectionString2, Endpoint, Invitation, KeyFingerprint, LhTicket, MAX_ADDRESSES,
    PassStub, Password, Proof, RcTicket, SessionId,
};
use zeroize::Zeroizing;

use crate::pin::Pin;

/// Everything that one attempt needs, taken from an invitation and the password that belongs to it.
pub struct Plan {
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) pin: Pin,
    pub(crate) session_id: SessionId,
    pub(crate) version: Version,
    pub(crate) proof: Option<Proof>,
    pub(crate) connection_string: Zeroizing<String>,
    pub(crate) novice: String,
    pub(crate) account: Option<Account>,
    /// How the novice's computer is found where no address leads to it.
    pub(crate) route: Option<String>,
}

/// The account of the novice's computer that the helper is to be known by.
pub(crate) struct Account {
    pub(crate) name: AccountName,
    /// Without one the [`Face`](crate::Face) is asked, once the computer's key is known.
    pub(crate) password: Option<AccountPassword>,
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

    /// Plans an offer of help to a computer without an invitation.
    ///
    /// `known` is the key that this computer showed before; without one the [`Face`](crate::Face) is asked about it.
    /// Whether offers are wanted there, and from whom, is for the novice's computer to say (R75, R76).
    #[must_use]
    pub fn offer(endpoint: Endpoint, known: Option<KeyFingerprint>) -> Self {
        Self {
            novice: endpoint.host.to_string(),
            endpoints: vec![endpoint],
            pin: Pin::Computer(known),
            session_id: SessionId::unsolicited(),
            version: Version::Two,
            proof: None,
            connection_string: Zeroizing::default(),
            account: None,
            route: None,
        }
    }

    /// An offer by the password of an account of that computer instead of the helper's own key, which is not shown then.
    ///
    /// The password is sent inside TLS to a computer whose key is known, and to no other; without one the
    /// [`Face`](crate::Face) is asked for it, after the question about the key.
    #[must_use]
    pub fn as_account(self, name: AccountName, password: Option<AccountPassword>) -> Self {
        Self { account: Some(Account { name, password }), ..self }
    }

    fn by_connection_string(
        string: &ConnectionString2,
        proof: Option<Proof>,
        novice: String,
    ) -> Result<Self, OpenError> {
        Ok(Self {
            endpoints: in_order(string.endpoints())?,
            pin: Pin::Ticket(string.pins()),
            session_id: string.session_id().clone(),
            version: Version::Two,
            proof,
            connection_string: Zeroizing::new(string.to_string()),
            novice,
            account: None,
            route: string.route().map(str::to_owned),
        })
    }

    fn by_rc_ticket(ticket: &RcTicket, proof: Option<Proof>, novice: String) -> Result<Self, OpenError> {
        Ok(Self {
            endpoints: in_order(ticket.addresses().to_vec())?,
            pin: Pin::Ticket(ticket.pins()),
            session_id: ticket.session_id().clone(),
            version: Version::One,
            proof,
            connection_string: Zeroizing::new(ticket.to_string()),
            novice,
            account: None,
            route: None,
        })
    }

    /// Where the novice may be reached, in the order of the attempts.
    #[must_use]
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// How the novice's computer is found where no address leads to it, as the invitation says; what it means is not this
    /// crate's business.
    #[must_use]
    pub fn route(&self) -> Option<&str> {
        self.route.as_deref()
    }

    /// Whether it knows by which key the novice's computer is known, without asking anybody. Where it does not, that
    /// computer has to be dialled: see [`Way`](crate::Way).
    #[must_use]
    pub fn knows_the_key(&self) -> bool {
        self.pin.tells()
    }

    /// True for help that is offered without an invitation.
    pub(crate) fn is_offer(&self) -> bool {
        matches!(self.pin, Pin::Computer(_))
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
