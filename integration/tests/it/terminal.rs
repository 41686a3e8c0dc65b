//! A novice whose terminal lies on the shared desktop: the expert can type into it, and gets nothing by it.

use integration::xserver::XServer;
use integration::{Outcome, PASSWORD, Stage, probe};

use crate::peers::{FREERDP, FreeRdp};
use crate::x11::{XTERM, focus_xterm};

#[test]
fn s054_r043_an_expert_who_types_y_ahead_into_the_novices_terminal_gets_nothing_by_it() -> Outcome {
    let name = "s054_r043_an_expert_who_types_y_ahead_into_the_novices_terminal_gets_nothing_by_it";
    if !probe::has_all(name, &[FREERDP, &["Xephyr", "xterm"]].concat()) {
        return Ok(());
    }
    let stage = Stage::new()?;
    let screen = XServer::with_hardware(1280, 720)?;
    // The program runs inside the terminal window that it shares; its events go where xterm's own output goes.
    let inside = [&["xterm"], XTERM, &["-e", "sh", "-c", "exec \"$@\" >/proc/$PPID/fd/1", "sh"]].concat();
    let invite = stage.novice().invites_on("x11", "Kim Aalbers").arg("--password-file").arg(stage.password_file());
    let invite = invite.env("DISPLAY", screen.display()).env("LC_ALL", "C.UTF-8").env("PASSWORD", PASSWORD);
    let mut novice = invite.through(inside).start()?;
    novice.wait_event("listening")?;
    focus_xterm(&screen)?;
    // Kim's own keyboard.
    let kim_says = |answer: &str| screen.hardware_tool("xdotool", &["type", "--delay", "20", &format!("{answer}\n")]);

    let expert = FreeRdp::opens(&stage, PASSWORD, &["+auto-request-control"])?;
    novice.wait_event("consent_asked")?;
    kim_says("y")?;
    novice.wait_event("viewing")?;
    novice.wait_event("consent_asked")?;
    kim_says("y")?;
    novice.wait_event("controlling")?;

    // In control: types ahead, gives control back and asks for it again, all on one line.
    expert.focus()?;
    expert.hands(&["type", "--delay", "5", "y\ny\nyes\n"])?;
    expert.hands(&["type", "--delay", "5", "y"])?;
    expert.toggles_control()?;
    assert_eq!(novice.wait_event("revoked")?.text("by"), Some("released"));
    expert.toggles_control()?;
    let question = novice.wait_event("consent_asked")?;
    assert_eq!(question.text("kind"), Some("control"));
    // And goes on typing while Kim is being asked.
    expert.hands(&["type", "--delay", "5", "y\nyes\n"])?;
    kim_says("n")?;
    // A line that is no yes ended the question; one of the expert's, or a half one before Kim's, would have granted.
    expert.toggles_control()?;
    expert.toggles_control()?;
    novice.wait_event("control_requested")?;
    let granted = novice.story().iter().filter(|e| *e == "controlling").count();
    assert_eq!(granted, 1, "{}", novice.report());
    Ok(())
}
