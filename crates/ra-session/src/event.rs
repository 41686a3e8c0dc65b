//! What can happen to the novice's session. Two types, because it matters from where an event comes.

use crate::consent::{Answer, ConsentToControl, ConsentToView};
use crate::input::InputEvent;

/// Something that happened on the novice's own machine.
#[derive(Debug)]
pub enum LocalEvent {
    /// The novice answered the question whether the expert may see.
    ViewAnswered(Answer<ConsentToView>),
    /// The novice answered the question whether the expert may control.
    ControlAnswered(Answer<ConsentToControl>),
    /// A physical ESC. The watcher has shut the input gate already.
    Esc,
    /// The watcher can no longer promise ESC, so control is not safe any more.
    WatcherLost,
    /// The novice takes control back by other means than ESC: a button, a key of the terminal.
    TakeBack,
    /// Policy or a local switch no longer allows control (P8).
    ControlForbidden,
    /// The injector has lifted every held key and button, and the desktop has seen it.
    KeysReleased,
    /// The novice ends the session.
    Stop,
    /// No place is left where the novice could be asked, or could end the session: as if nobody answered, or as a stop.
    NobodyThere,
    /// The ticket was ended before its time (R49).
    TicketEnded,
    /// The host is going away: a signal, the machine shuts down.
    HostStopping,
    /// The desktop cannot be shared any more.
    DesktopLost,
    /// The expert has acknowledged nothing for too long: the connection counts as lost.
    ExpertSilent,
}

/// Something that the wire brought. No variant can grant anything.
#[derive(Debug)]
pub enum PeerEvent {
    /// The expert asks for control.
    RequestControl,
    /// The expert gives control back, or withdraws the request.
    ReleaseControl,
    /// A key or the pointer.
    Input(InputEvent),
    /// The expert leaves in good order.
    Disconnect,
    /// The connection is gone.
    ConnectionLost,
    /// The expert broke the protocol.
    ProtocolError,
}
