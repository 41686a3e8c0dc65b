//! Making an invitation: the ticket goes into the table, the file to the novice, and both or none exist afterwards.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ra_policy::{HelpAllowed, HelperName};
use ra_session::UnixTime;
use ra_session::invitations::{Guard, Status, TicketId};
use ra_ticket::{
    Challenge, ConnectionString2, ConnectionStringProblem, Endpoint, Header, Host, Invitation, IssueError, LinkSpeed,
    PassStub, Password, RcTicket, SessionId, Ticket, TicketWithoutPassword,
};

use crate::durable::Pending;
use crate::identity::Identity;
use crate::store::{MappingKey, Store, StoreError, TicketKind, TicketRow};

/// What the novice decided about an invitation.
#[derive(Debug)]
pub struct Wish {
    /// The name that the expert is shown.
    pub name: String,
    /// Whether and how the expert proves that the invitation was meant for it.
    pub password: PasswordWish,
    /// Which connection strings the file carries.
    pub kind: TicketKind,
    /// For how long it can be used; the caller has already cut it to what policy allows.
    pub length: Duration,
    /// Where the novice can be reached, best first.
    pub endpoints: Vec<Endpoint>,
    /// How it is found where no address leads to it; not written into files of kind v1.
    pub route: Option<String>,
    /// The mappings at gateways that some of these stand for (R61).
    pub mappings: Vec<MappingKey>,
    /// True when the novice will not be asked for control.
    pub view_only: bool,
    /// The official helper that it is for, where it is for one (S105).
    pub helper: Option<HelperName>,
    /// Where the file goes; without a place it is not written, and only handed back.
    pub file: Option<PathBuf>,
}

/// What the novice decided about the password.
#[derive(Debug)]
pub enum PasswordWish {
    /// One is made up: twelve characters `A-Z 0-9`.
    Generated,
    /// The novice gave one.
    Given(Password),
    /// None; only type 1 can do without (R12).
    None,
}

/// An invitation that was made.
#[derive(Debug)]
pub struct Invited {
    /// The ticket, as it stands in the table.
    pub ticket: TicketRow,
    /// The password, to be told by another way than the file (R15).
    pub password: Option<Password>,
    /// The file, as an absolute path, where one was written.
    pub file: Option<PathBuf>,
    /// What stands in it.
    pub invitation: Invitation,
}

/// Makes a ticket and its invitation.
///
/// The file gets mode 0600 and its name at once; an older invitation of that name is replaced, anything else is not.
/// The value `allowed` is policy's word that this may happen.
///
/// # Errors
/// [`InviteError`]; then there is neither a ticket nor a file, and what was there before is untouched.
pub fn create(
    identity: &Identity,
    store: &mut Store,
    allowed: HelpAllowed,
    wish: Wish,
    now: UnixTime,
) -> Result<Invited, InviteError> {
    // The proof has served here: policy is asked again at each connection (R28).
    let HelpAllowed { .. } = allowed;
    let absolute = |file: PathBuf| std::path::absolute(&file).map_err(|source| InviteError::file(&file, source));
    let file = wish.file.map(absolute).transpose()?;
    if let Some(file) = &file {
        refuse_to_overwrite(file)?;
    }

    let entropy = Entropy::draw()?;
    let password = match wish.password {
        PasswordWish::Generated => Some(Password::from_entropy(&entropy.password)),
        PasswordWish::Given(password) => Some(password),
        PasswordWish::None => None,
    };
    let stub = password.as_ref().map(|_| PassStub::from_entropy(&entropy.stub));
    let session_id = SessionId::from_entropy(&entropy.session);

    let endpoints = wish.endpoints.iter().map(ToString::to_string).collect();
    let connection = ConnectionString2::new(identity.key_hash(), session_id.clone(), wish.endpoints)?
        .with_key_hash2(identity.key_hash2())
        .with_certificate(identity.certificate().to_vec())?;
    let connection = match &wish.route {
        Some(route) => connection.with_route(route)?,
        None => connection,
    };
    let header = Header {
        user_name: wish.name.clone(),
        start: now.0,
        // The file knows minutes; the ticket itself ends to the second.
        length_minutes: u32::try_from(wish.length.as_secs().div_ceil(60)).unwrap_or(u32::MAX),
        speed: LinkSpeed::Normal,
    };
    let ticket = match (wish.kind, &password, stub.clone()) {
        (TicketKind::Both, Some(password), Some(stub)) => Ticket::both(&connection, password, stub),
        (TicketKind::V2, Some(password), Some(stub)) => Ticket::type2(&connection, password, stub),
        (TicketKind::V1, _, stub) => {
            // Names and IPv4 (S43); the clear ticket beside an encrypted one has IPv4 only, as the format asks.
            let mut addresses = connection.endpoints();
            addresses.retain(|endpoint| !matches!(endpoint.host, Host::Ipv6(_)));
            let ticket = RcTicket::new(addresses, session_id.clone(), identity.key_hash());
            let ticket = ticket.map_err(|_| InviteError::NothingForV1)?;
            match stub {
                Some(stub) => Ticket::type1(ticket, stub),
                None => Ticket::type1_without_password(ticket),
            }
        }
        (TicketKind::Both | TicketKind::V2, ..) => return Err(InviteError::PasswordNeeded),
    };
    let invitation = Invitation::issue(header, ticket)?;
    let challenge = match (&password, &stub) {
        (Some(password), Some(stub)) => Challenge::from(password.proof(stub)),
        _ => Challenge::from(TicketWithoutPassword::of(&invitation).ok_or(InviteError::PasswordNeeded)?),
    };

    let mut row = TicketRow {
        id: TicketId::from_entropy(entropy.id),
        session_id,
        name: invitation.user_name().to_owned(),
        needs_password: password.is_some(),
        challenge: Some(challenge.to_stored()),
        pass_stub: stub.map(|stub| stub.as_str().to_owned()),
        start: now,
        length: wish.length.as_secs(),
        kind: wish.kind,
        view_only: wish.view_only,
        owner: rustix::process::getuid().as_raw(),
        helper: wish.helper,
        assistant: None,
        status: Status::Open,
        ended: None,
        file: file.clone(),
        endpoints,
        guard: Guard::default(),
    };
    // File first, without its name; then the ticket; then the name. After a crash between any two of these there is
    // at worst a ticket that nobody holds an invitation for, never an invitation without a ticket.
    let write = |file: &PathBuf| {
        let pending = Pending::write(file, ".invitation-", &invitation.to_bytes());
        pending.map_err(|source| InviteError::file(file, source))
    };
    let pending = file.as_ref().map(write).transpose()?;
    store.insert_mapped(&mut row, &wish.mappings)?;
    if let Some((pending, file)) = pending.zip(file.as_ref())
        && let Err(source) = pending.commit()
    {
        store.remove(&row.id, now)?;
        return Err(InviteError::file(file, source));
    }
    tracing::info!(ticket = %row.id, "made an invitation");
    Ok(Invited { ticket: row, password, file, invitation })
}

/// Why no invitation was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InviteError {
    /// The file cannot be written.
    #[error("cannot write {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something else has that name.
    #[error("{path} is there already and is not an invitation")]
    Occupied {
        /// The file.
        path: PathBuf,
    },
    /// A type 2 file is encrypted with the password (R12).
    #[error("an invitation without a password can only be of kind v1")]
    PasswordNeeded,
    /// Type 1 lists names and IPv4 addresses only.
    #[error("no address that an invitation of kind v1 can list: it takes names and IPv4 addresses only")]
    NothingForV1,
    /// The addresses cannot be written into an invitation.
    #[error(transparent)]
    Connection(#[from] ConnectionStringProblem),
    /// The format cannot hold it.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// The table of tickets.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Entropy(#[source] getrandom::Error),
}

impl InviteError {
    fn file(path: &Path, source: io::Error) -> Self {
        Self::File { path: path.to_owned(), source }
    }

    /// True when a file or the state could not be written: full, forbidden or occupied. Nothing has changed.
    #[must_use]
    pub const fn is_about_writing(&self) -> bool {
        matches!(self, Self::File { .. } | Self::Occupied { .. } | Self::Store(_))
    }
}

/// An older invitation may be replaced; whatever else somebody keeps under that name may not.
fn refuse_to_overwrite(file: &Path) -> Result<(), InviteError> {
    match fs::symlink_metadata(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(InviteError::file(file, source)),
        Ok(metadata) if metadata.is_file() && metadata.len() == 0 => Ok(()),
        Ok(metadata) if metadata.is_file() && metadata.len() <= ra_ticket::MAX_FILE_BYTES as u64 => {
            let bytes = fs::read(file).map_err(|source| InviteError::file(file, source))?;
            match Invitation::parse(&bytes) {
                Ok(_) => Ok(()),
                Err(_) => Err(InviteError::Occupied { path: file.to_owned() }),
            }
        }
        Ok(_) => Err(InviteError::Occupied { path: file.to_owned() }),
    }
}

/// All the randomness of one invitation, drawn at once so that a failure leaves nothing half-made.
#[derive(zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
struct Entropy {
    session: [u8; 48],
    password: [u8; 32],
    stub: [u8; 32],
    id: [u8; 5],
}

impl Entropy {
    fn draw() -> Result<Self, InviteError> {
        let mut drawn = Self { session: [0; 48], password: [0; 32], stub: [0; 32], id: [0; 5] };
        for part in [&mut drawn.session[..], &mut drawn.password, &mut drawn.stub, &mut drawn.id] {
            getrandom::fill(part).map_err(InviteError::Entropy)?;
        }
        Ok(drawn)
    }
}

#[cfg(test)]
mod tests;
