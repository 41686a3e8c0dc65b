//! The address of a relay, as a policy lists it.

use core::fmt;

/// `https://`, a host and perhaps a port; compares as relays do, without case, the usual port and a last `/`.
///
/// What it leads to is for others to say: policy only has to know whether two are the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelayAddress(String);

impl RelayAddress {
    /// The address of a text; `None` for what is none: another scheme, a path, a name or a password, more than 200 characters.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() > MAX_RELAY || !text.is_ascii() {
            return None;
        }
        let lower = text.to_ascii_lowercase();
        let place = lower.strip_prefix(SCHEME)?;
        let place = place.strip_suffix('/').unwrap_or(place);
        let place = place.strip_suffix(USUAL_PORT).unwrap_or(place);
        let within = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
        let named = place.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[');
        (named && place.chars().all(within)).then(|| Self(format!("{SCHEME}{place}")))
    }

    /// `https://relay.example.org`, `https://relay.example.org:8443`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RelayAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const SCHEME: &str = "https://";
const USUAL_PORT: &str = ":443";
/// As in a link. DNS allows 253 characters of a name; nobody's relay has so many.
const MAX_RELAY: usize = 200;
/// As many as a list of relays may have anywhere: a link that names them all is still a line of chat.
pub const MOST_RELAYS: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_relay_is_one_address_however_it_is_written() {
        let address = |text: &str| RelayAddress::new(text).map(|address| address.to_string());
        for text in [" https://Relay.Example.org/ ", "HTTPS://relay.example.org:443", "https://relay.example.org:443/"]
        {
            assert_eq!(address(text).as_deref(), Some("https://relay.example.org"), "{text}");
        }
        assert_eq!(address("https://[2001:db8::1]:8443").as_deref(), Some("https://[2001:db8::1]:8443"));
        for text in [
            "",
            "relay.example.org",
            "http://a",
            "https://",
            "https://:443",
            "https://a/b",
            "https://a?x",
            "https://u@a",
            "https://é",
        ] {
            assert_eq!(address(text), None, "{text}");
        }
        assert_eq!(address(&format!("https://{}", "a".repeat(200))), None);
    }
}
