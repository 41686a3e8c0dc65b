//! The way to a display of this computer: its name, and the key that its X server asks for.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use x11rb::reexports::x11rb_protocol::connect::Connect;
use x11rb::reexports::x11rb_protocol::xauth::{Family, get_auth};
use x11rb::rust_connection::{DefaultStream, RustConnection};
use zeroize::Zeroizing;

use crate::OpenError;

/// What is needed to open a display of this computer, wherever it comes from.
///
/// Only displays behind a socket of this computer can be named (`:1`, `:1.0`), since whoever names one may be another
/// process: it must not make this one call somewhere in a network. The cookie is wiped, and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct X11Access {
    number: u16,
    screen: u16,
    cookie: Option<Zeroizing<Vec<u8>>>,
}

impl X11Access {
    /// The display that `DISPLAY` names, with the cookie that the Xauthority file has for it; `None` when there is no
    /// such variable or it names no display of this computer.
    #[must_use]
    pub fn from_environment() -> Option<Self> {
        let mut access = Self::named(&std::env::var("DISPLAY").ok()?, None)?;
        let host = rustix::system::uname();
        // A file that cannot be read is as good as none: a server may ask for no cookie.
        let found = get_auth(Family::LOCAL, host.nodename().to_bytes(), access.number).ok().flatten();
        let (name, data) = found.unwrap_or_default();
        let data = Zeroizing::new(data);
        access.cookie = (name == COOKIE_NAME && (1..=LONGEST_COOKIE).contains(&data.len())).then_some(data);
        Some(access)
    }

    /// A display by its name, with a cookie; `None` when that is no display of this computer, or no cookie.
    #[must_use]
    pub fn named(display: &str, cookie: Option<Zeroizing<Vec<u8>>>) -> Option<Self> {
        let place = display.strip_prefix("unix").unwrap_or(display).strip_prefix(':')?;
        let (number, screen) = place.split_once('.').unwrap_or((place, "0"));
        let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit()).then(|| text.parse().ok())?;
        if cookie.as_ref().is_some_and(|cookie| !(1..=LONGEST_COOKIE).contains(&cookie.len())) {
            return None;
        }
        Some(Self { number: digits(number)?, screen: digits(screen)?, cookie })
    }

    /// The name of the display, such as `:1`; the first screen is not mentioned.
    #[must_use]
    pub fn display(&self) -> String {
        match self.screen {
            0 => format!(":{}", self.number),
            screen => format!(":{}.{screen}", self.number),
        }
    }

    /// The cookie, for whoever hands it on.
    #[must_use]
    pub fn cookie(&self) -> Option<&[u8]> {
        self.cookie.as_ref().map(|cookie| cookie.as_slice())
    }

    /// Whether an X server is there and lets us in. Waits for it no longer than [`ANSWERS_WITHIN`] for each step.
    #[must_use]
    pub fn answers(&self) -> bool {
        self.shake_hands().is_ok_and(|status| status == ADMITTED)
    }

    fn shake_hands(&self) -> io::Result<u8> {
        let mut stream = self.call()?;
        let (_, request) = Connect::with_authorization(self.auth_name(), self.auth_data());
        stream.write_all(&Zeroizing::new(request))?;
        let mut status = [0];
        stream.read_exact(&mut status)?;
        Ok(status[0])
    }

    /// Connects to the socket; a server whose queue is full does not hold this up for ever.
    fn call(&self) -> io::Result<UnixStream> {
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        for way in [Timeout::Send, Timeout::Recv] {
            set_socket_timeout(&socket, way, Some(ANSWERS_WITHIN))?;
        }
        let address = SocketAddrUnix::new(format!("{SOCKETS}{}", self.number))?;
        rustix::net::connect(&socket, &address)?;
        Ok(UnixStream::from(socket))
    }

    pub(super) fn connect(&self) -> Result<(RustConnection, usize), OpenError> {
        let failed = |error: &dyn fmt::Display| OpenError::Connect(error.to_string());
        let stream = UnixStream::connect(format!("{SOCKETS}{}", self.number)).map_err(|error| failed(&error))?;
        let (stream, _) = DefaultStream::from_unix_stream(stream).map_err(|error| failed(&error))?;
        let screen = self.screen.into();
        let connected =
            RustConnection::connect_to_stream_with_auth_info(stream, screen, self.auth_name(), self.auth_data());
        Ok((connected.map_err(|error| failed(&error))?, screen))
    }

    fn auth_name(&self) -> Vec<u8> {
        if self.cookie.is_some() { COOKIE_NAME.to_vec() } else { Vec::new() }
    }

    fn auth_data(&self) -> Vec<u8> {
        self.cookie.as_ref().map(|cookie| cookie.to_vec()).unwrap_or_default()
    }
}

impl fmt::Debug for X11Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cookie = if self.cookie.is_some() { "a cookie" } else { "no cookie" };
        write!(f, "X11Access({}, {cookie})", self.display())
    }
}

/// How long an X server may take for each step of its greeting: it is on this computer.
pub const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// The one kind of key that X servers of today ask for.
const COOKIE_NAME: &[u8] = b"MIT-MAGIC-COOKIE-1";
/// Cookies have 16 bytes; this is room enough for others.
const LONGEST_COOKIE: usize = 64;
/// Where the sockets of the displays of this computer lie.
const SOCKETS: &str = "/tmp/.X11-unix/X";
/// The server says: success.
const ADMITTED: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_displays_of_this_computer_have_a_name() {
        for (text, name) in [(":0", ":0"), (":12.0", ":12"), ("unix:3.1", ":3.1"), (":65535", ":65535")] {
            assert_eq!(X11Access::named(text, None).map(|access| access.display()).as_deref(), Some(name), "{text}");
        }
        for text in ["", ":", ":a", ":-1", ":+1", ":65536", "localhost:10.0", "192.0.2.7:0", ":1/../x", ":1.", "tcp/:1"]
        {
            assert_eq!(X11Access::named(text, None), None, "{text}");
        }
        assert_eq!(X11Access::named(":0", Some(Zeroizing::new(vec![7; LONGEST_COOKIE + 1]))), None);
    }

    #[test]
    fn a_cookie_is_never_printed() {
        let access = X11Access::named(":4", Some(Zeroizing::new(vec![0xAB; 16]))).unwrap();
        assert_eq!(format!("{access:?}"), "X11Access(:4, a cookie)");
    }

    #[test]
    fn a_display_that_nobody_serves_does_not_answer() {
        assert!(!X11Access::named(":64999", None).unwrap().answers());
    }
}
