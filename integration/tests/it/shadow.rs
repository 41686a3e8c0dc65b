//! Whose computer is it? Our expert before FreeRDP's shadow server, with a ticket that names another certificate and
//! with one that names none.
//!
//! The shadow server knows no tickets, so they are written here. It shows its desktop to everybody who connects.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use integration::picture::Line;
use integration::xserver::XServer;
use integration::{Failure, Outcome, PASSWORD, PATIENCE, Process, Stage, probe};
use ra_ticket::{ConnectionString2, Header, Invitation, KeyHash, LinkSpeed, PassStub, Password, SessionId, Ticket};

const NEEDED: &[&str] = &["Xvfb", "freerdp-shadow-cli"];

/// A shadow server on a screen of its own.
struct Shadow {
    server: Process,
    screen: XServer,
    certificate: Vec<u8>,
}

impl Shadow {
    fn start(stage: &Stage) -> Result<Self, Failure> {
        let screen = XServer::virtual_screen(640, 480)?;
        let home = stage.path().join("shadow");
        fs::create_dir_all(&home)?;
        let mut command = screen.command("freerdp-shadow-cli");
        command.arg(format!("/port:{}", stage.addr().port())).arg(format!("/bind-address:{}", stage.addr().ip()));
        // `-auth`: anybody may come; its own checks of Remote Assistance fail at PAM.
        command.args(["-auth", "/sec:tls"]).env("HOME", &home).current_dir(&home);
        let server = Process::start(&mut command)?;
        let deadline = Instant::now() + PATIENCE;
        // It says nothing when it listens, so it has to be tried.
        while TcpStream::connect(stage.addr()).is_err() {
            if Instant::now() > deadline || !server.runs() {
                return Err(Failure::new("the shadow server does not listen").seen(server.report()));
            }
            std::thread::yield_now();
        }
        let certificate = certificate(&home.join(".config/freerdp/shadow/shadow.crt"))?;
        Ok(Self { server, screen, certificate })
    }
}

/// The DER in a PEM file.
fn certificate(path: &Path) -> Result<Vec<u8>, Failure> {
    let pem = fs::read_to_string(path)?;
    // FreeRDP ends its files with a NUL.
    let body: String = pem.trim_end_matches('\0').lines().filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(body).map_err(wrong)
}

fn connection(stage: &Stage) -> Result<ConnectionString2, Failure> {
    let endpoint = stage.addr().into();
    let session = SessionId::from_entropy(&[7; 48]);
    ConnectionString2::new(KeyHash::from([7; 20]), session, vec![endpoint]).map_err(wrong)
}

/// An invitation of type 2, as a novice with this certificate would write it.
fn invitation(stage: &Stage, certificate: Vec<u8>) -> Result<Vec<u8>, Failure> {
    let connection = connection(stage)?.with_certificate(certificate).map_err(wrong)?;
    let stub = PassStub::from_entropy(&[9; 32]);
    let ticket = Ticket::type2(&connection, &Password::new(PASSWORD).map_err(wrong)?, stub);
    let header = Header { user_name: "Shadow".into(), start: START, length_minutes: 60, speed: LinkSpeed::Normal };
    Ok(Invitation::issue(header, ticket).map_err(wrong)?.to_bytes())
}

fn wrong(error: impl std::fmt::Display) -> Failure {
    Failure::new(error.to_string())
}

#[test]
fn our_expert_sees_what_freerdps_shadow_server_shares() -> Outcome {
    if !probe::has_all("our_expert_sees_what_freerdps_shadow_server_shares", NEEDED) {
        return Ok(());
    }
    let stage = Stage::new()?;
    let shadow = Shadow::start(&stage)?;
    let screen = &shadow.screen;
    let _xterm = crate::x11::xterm(screen, &stage, "printf 'word: tulips\\n'; exec sleep 1000")?;
    fs::write(stage.invitation(), invitation(&stage, shadow.certificate.clone())?)?;

    let mut expert = stage.expert().watches()?;
    expert.wait_event("authenticated").map_err(|e| e.seen(shadow.server.report()))?;
    expert.wait_event("first_frame").map_err(|e| e.seen(shadow.server.report()))?;
    // Its codecs lose a little, so the pictures are alike and not equal.
    expert.sees("the shared screen", |picture| {
        let source = screen.picture(stage.path()).ok()?;
        (source.text(FIRST_ROW).starts_with("word: tulips") && picture.unlikeness(&source) < 6.0).then_some(())
    })
}

#[test]
fn r041_another_certificate_gets_nothing() -> Outcome {
    if !probe::has_all("r041_another_certificate_gets_nothing", NEEDED) {
        return Ok(());
    }
    let stage = Stage::new()?;
    let shadow = Shadow::start(&stage)?;
    let mut other = shadow.certificate.clone();
    if let Some(last) = other.last_mut() {
        *last ^= 1;
    }
    fs::write(stage.invitation(), invitation(&stage, other)?)?;
    let mut expert = stage.expert().start()?;
    assert_eq!(expert.exit_code()?, Some(89), "{}", expert.report());
    assert!(!expert.has_seen("connected"), "{}", expert.report());
    Ok(())
}

#[test]
fn a_key_that_the_invitation_does_not_name_is_asked_about_and_yes_does_not_answer() -> Outcome {
    if !probe::has_all("a_key_that_the_invitation_does_not_name_is_asked_about_and_yes_does_not_answer", NEEDED) {
        return Ok(());
    }
    let stage = Stage::new()?;
    let _shadow = Shadow::start(&stage)?;
    let ticket = format!("65538,1,{},*,c2Vzc2lvbg==,*,*,*", stage.addr());
    let file = format!(
        r#"<UPLOADINFO TYPE="Escalated"><UPLOADDATA USERNAME="Shadow" RCTICKET="{ticket}" RCTICKETENCRYPTED="0" DtStart="{START}" DtLength="60" L="0"/></UPLOADINFO>"#
    );
    fs::write(stage.invitation(), file)?;
    for (answer, connects) in [("", false), ("no", false), ("y", true)] {
        let mut expert = stage.expert().without("--password-file", 1).start()?;
        expert.wait_terminal("SHA-256")?;
        assert!(!expert.has_seen("connected"), "{}", expert.report());
        expert.type_line(answer)?;
        if connects {
            expert.wait_event("first_frame")?;
        } else {
            assert_eq!(expert.exit_code()?, Some(89), "{}", expert.report());
            assert!(!expert.has_seen("connected"), "{}", expert.report());
        }
    }
    Ok(())
}

/// When the invitation was made; that it is over by now does not matter to anybody here.
const START: u64 = 1_767_225_600;

/// The first row of our xterm.
const FIRST_ROW: Line = Line { x: 0, y: 0, scale: 1, cells: 50, ink: [0; 3], paper: [0xFF; 3] };
