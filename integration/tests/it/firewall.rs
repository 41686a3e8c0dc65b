//! Two ways to forbid help: the port, which forbids it to every remote desktop, and policy, which forbids nothing else.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;

use integration::hostile::{CONNECTION_REQUEST, call};
use integration::{Failure, Outcome, Process, Stage, probe};

#[test]
fn s082_r066_policy_turns_help_off_and_leaves_another_remote_desktop_alone() -> Outcome {
    let (stage, other) = (Stage::new()?, Stage::new()?);
    let desktop = other_remote_desktop(other.addr())?;
    let mut novice = stage.novice().invites("Kim Aalbers").start()?;
    novice.wait_event("listening")?;
    answers(desktop)?;

    stage.policy("fAllowToGetHelp = 0\n")?;
    let mut expert = stage.expert().start()?;
    assert_eq!(expert.exit_code()?, Some(69), "{}", expert.report());
    answers(desktop)?;
    // Policy is looked at before any port, so it does not matter either that this one is taken.
    let save = stage.path().join("another.MsRcIncident");
    let invite = stage.novice().invites("Kim Aalbers").with("--save", &save);
    let mut refused = invite.with("--listen", desktop.to_string()).start()?;
    assert_eq!(refused.exit_code()?, Some(77), "{}", refused.report());
    answers(desktop)
}

/// In a network of its own, with a packet filter of its own: the firewall between the two.
#[test]
fn s073_s080_r065_r068_a_firewall_allows_or_forbids_it_with_port_3389() -> Outcome {
    let test = "s073_s080_r065_r068_a_firewall_allows_or_forbids_it_with_port_3389";
    if let Err(answer) = probe::namespaces(&["--net"]) {
        probe::skip(test, &answer);
        return Ok(());
    }
    if !probe::has_all(test, &["nft", "ip", "ss", "nsenter"]) {
        return Ok(());
    }
    let stage = Stage::new()?;
    let inside = ["unshare", "--net", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"];
    let invite = stage.novice().invites("Kim Aalbers").without("--listen", 1).with("--advertise", "127.0.0.1:3389");
    let mut novice = invite.through(inside).start()?;
    novice.wait_event("listening")?;
    let host = novice.process().id().to_string();
    let enter = ["nsenter", "--target", &host, "--net"];
    let tool = |words: &[&str]| -> Result<String, Failure> {
        let output = Process::run(Command::new(enter[0]).args(&enter[1..]).args(words))?;
        assert_eq!(output.code(), Some(0), "{words:?}: {}", output.err);
        Ok(output.out)
    };

    tool(&["nft", "add table inet fw; add chain inet fw in { type filter hook input priority 0; }"])?;
    tool(&["nft", "add rule inet fw in tcp dport 3389 reject with tcp reset"])?;
    let mut expert = stage.expert().through(enter).start()?;
    assert_eq!(expert.exit_code()?, Some(69), "{}", expert.report());
    assert!(!expert.has_seen("connected") && !novice.has_seen("expert_connecting"), "{}", novice.report());

    tool(&["nft", "flush chain inet fw in"])?;
    let mut expert = stage.expert().through(enter).start()?;
    novice.says("y", "view")?;
    expert.wait_event("first_frame")?;
    // That port is all there is to close: nothing else is listened on, spoken through or sent.
    let listening = tool(&["ss", "-Hltn"])?;
    assert!(!listening.is_empty() && listening.lines().all(|line| line.contains(":3389 ")), "{listening}");
    let spoken = tool(&["ss", "-Htn", "state", "established"])?;
    assert!(!spoken.is_empty() && spoken.lines().all(|line| line.contains(":3389 ")), "{spoken}");
    assert_eq!(tool(&["ss", "-Huan"])?, "");
    Ok(())
}

/// Answers as an RDP server does, until the test's process ends.
fn other_remote_desktop(addr: SocketAddr) -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind(addr)?;
    let addr = listener.local_addr()?;
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut request = vec![0; CONNECTION_REQUEST.len()];
            if stream.read_exact(&mut request).is_ok() {
                let _gone = stream.write_all(CONNECTION_CONFIRM);
            }
        }
    });
    Ok(addr)
}

/// The other remote desktop is there, and it is that one which answers.
#[track_caller]
fn answers(addr: SocketAddr) -> Outcome {
    let Some(mut stream) = call([127, 0, 0, 1].into(), addr)? else {
        return Err(Failure::new("the other remote desktop does not listen any more"));
    };
    stream.write_all(CONNECTION_REQUEST)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    assert_eq!(answer, CONNECTION_CONFIRM);
    Ok(())
}

/// Source: [MS-RDPBCGR] 2.2.1.2, with the reference 0x1234 as its mark.
const CONNECTION_CONFIRM: &[u8] =
    &[0x03, 0x00, 0x00, 0x13, 0x0E, 0xD0, 0x00, 0x00, 0x12, 0x34, 0x00, 0x02, 0x00, 0x08, 0x00, 0x01, 0x00, 0x00, 0x00];
