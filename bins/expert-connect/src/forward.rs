//! `expert-connect forward`: a port of this computer that leads to the novice's, for any client of Remote Assistance.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ra_p2p::{Met, P2pError};
use ra_ticket::{ConnectionString2, Endpoint, Header, Invitation, LinkSpeed, Password, Ticket};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::cli::Forward;
use crate::code::{BROKEN, link, meet, read, tell_met};
use crate::engine::Signals;
use crate::failure::Failure;
use crate::relayed::runtime;
use crate::report::{self, Report};
use crate::terminal::Terminal;

/// `expert-connect forward CODE|LINK`
pub(crate) fn forward(options: &Forward) -> Result<(), Failure> {
    let Forward { code, relay, listen, save, password, common } = options;
    // Nothing has to be ended in good order here: a signal ends the program.
    let _signals = Signals::watch().map_err(|error| Failure::Engine(error.to_string()))?;
    let link = link(code.as_deref(), relay)?;
    let runtime = runtime()?;
    let listener = runtime.block_on(TcpListener::bind(*listen));
    let listener = listener.map_err(|error| Failure::CannotListen { addr: *listen, error })?;
    let listen = listener.local_addr().map_err(|error| Failure::CannotListen { addr: *listen, error })?;

    let mut met = meet(&runtime, link, password, common)?;
    let (invitation, key) = read(&met.take_slip().ok_or(Failure::Meeting(P2pError::BrokeOff))?)?;
    let report = Report::new(common.json, invitation.user_name().to_owned());
    tell_met(&met, &report, common);
    write(save, &led_here(&invitation, &key, listen).ok_or(BROKEN)?.to_bytes())?;
    report.note("forwarding", &json!({ "addr": listen.to_string(), "file": save.to_string_lossy() }));
    if !common.json {
        report::print(&format!(
            "{listen} leads to the novice's computer while this program runs\n  \
             invitation for it: {}",
            save.display()
        ));
    }
    // What opens the file is for the one who sits here, and stands nowhere else.
    match Terminal::open() {
        Ok(mut terminal) => {
            let text = zeroize::Zeroizing::new(format!("  its password: {}\n", key.expose()));
            terminal.say(&text).map_err(Failure::PasswordSource)?;
        }
        Err(_) => return Err(Failure::NoTerminal { missing: "to show the password of the forwarded invitation" }),
    }
    runtime.block_on(lead(listener, met));
    report.note("ended", &json!({ "reason": "novice_ended" }));
    if !common.json {
        report::print("the novice's computer is gone");
    }
    Ok(())
}

/// The same invitation, for whoever dials this computer.
fn led_here(invitation: &Invitation, password: &Password, listen: SocketAddr) -> Option<Invitation> {
    let handed = invitation.lh_ticket()?.decrypt(password).ok()?;
    let here: Endpoint = listen.to_string().parse().ok()?;
    let mut connection = ConnectionString2::new(handed.key_hash(), handed.session_id().clone(), vec![here]).ok()?;
    if let Some(hash) = handed.key_hash2() {
        connection = connection.with_key_hash2(hash.clone());
    }
    if let Some(certificate) = handed.certificate() {
        connection = connection.with_certificate(certificate.to_vec()).ok()?;
    }
    let header = Header {
        user_name: invitation.user_name().to_owned(),
        start: invitation.start()?,
        length_minutes: invitation.length_minutes()?,
        speed: LinkSpeed::Normal,
    };
    Invitation::issue(header, Ticket::both(&connection, password, invitation.pass_stub()?.clone())).ok()
}

/// For its owner only, and never over something else.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(bytes)
    };
    write().map_err(|error| Failure::CannotWrite { path: path.display().to_string(), error })
}

/// Leads each connection on, until the novice's computer is gone.
async fn lead(listener: TcpListener, met: Met) {
    let met = Arc::new(met);
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut lost = None;
    loop {
        // One that has to wait for a place waits unaccepted.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else { continue };
        let Ok(pipe) = met.pipe().await else {
            // Whoever was let in tries again, for as long as the novice's computer waits for them.
            if lost.get_or_insert_with(Instant::now).elapsed() < RETURNS_WITHIN {
                continue;
            }
            return;
        };
        lost = None;
        tokio::spawn(async move {
            carry(stream, pipe).await;
            drop(place);
        });
    }
}

async fn carry(mut stream: TcpStream, mut pipe: ra_p2p::Pipe) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "keys may come late");
    }
    if let Err(error) = tokio::io::copy_bidirectional(&mut stream, &mut pipe.stream).await {
        tracing::debug!(%error, "a forwarded connection ended");
    }
}

/// A lost expert may come back so long. Source: issue 5, the secret of a session.
const RETURNS_WITHIN: Duration = Duration::from_secs(60);
/// A session, and a client that tries anew while the last one is still closing.
const AT_ONCE: usize = 4;
