//! A link: a code with the relays that know the way, to be pasted into any chat.

use core::fmt;
use core::str::FromStr;

use url::Url;
use zeroize::Zeroizing;

use crate::{Code, CodeError};

/// `ra://7K3M-Q9TX-2V6H-PC4D?r=https://relay.example.org`; the relays in the order of the novice's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The code.
    pub code: Code,
    /// At most [`MOST_RELAYS`]; none where a bare code was given.
    pub relays: Vec<RelayUrl>,
}

/// More relays than an organisation has regions, and few enough for a line of chat.
pub const MOST_RELAYS: usize = 20;

/// The address of a relay: `https`, a host, perhaps a port; never a name or a password.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelayUrl(Url);

/// Why a text is no link.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// Longer than any link.
    #[error("this is longer than any link")]
    TooLong,
    /// Its code.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// One of its relays.
    #[error("the link names a relay that cannot be used: {0}")]
    Relay(#[from] RelayUrlError),
    /// More than [`MOST_RELAYS`].
    #[error("the link names more than {MOST_RELAYS} relays")]
    TooManyRelays,
    /// No link and no code.
    #[error("this is neither a link nor a code")]
    Neither,
}

/// Why a text is no relay's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RelayUrlError {
    /// Longer than 200 characters.
    #[error("it is longer than {MAX_RELAY} characters")]
    TooLong,
    /// No URL.
    #[error("it is not an address such as https://relay.example.org")]
    NotAnAddress,
    /// Anything but `https`.
    #[error("it does not begin with https://")]
    NotHttps,
    /// A user name, a password, a query or a fragment.
    #[error("it has more in it than a host and a port")]
    More,
    /// More than [`MOST_RELAYS`] in one list.
    #[error("there are more than {MOST_RELAYS} relays")]
    TooMany,
}

impl Link {
    /// Puts the link together.
    #[must_use]
    pub fn new(code: Code, relays: Vec<RelayUrl>) -> Self {
        Self { code, relays }
    }

    /// As it is pasted. A secret as the code is.
    #[must_use]
    pub fn spoken(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(format!("{SCHEME}{}", *self.code.spoken()));
        for (at, relay) in self.relays.iter().enumerate() {
            text.push_str(if at == 0 { "?r=" } else { "&r=" });
            text.extend(url::form_urlencoded::byte_serialize(relay.as_str().as_bytes()));
        }
        text
    }
}

impl FromStr for Link {
    type Err = LinkError;

    /// Reads a link, or a bare code as a link without relays.
    fn from_str(text: &str) -> Result<Self, LinkError> {
        if text.len() > MAX_LINK {
            return Err(LinkError::TooLong);
        }
        let text = text.trim();
        let Some(rest) = strip_scheme(text) else {
            if text.contains([':', '/', '?']) {
                return Err(LinkError::Neither);
            }
            return Ok(Self { code: text.parse()?, relays: Vec::new() });
        };
        let (code, query) = rest.split_once('?').unwrap_or((rest, ""));
        let code = code.trim_end_matches('/').parse()?;
        let mut relays = Vec::new();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            // What a later version adds is none of ours.
            if name != "r" {
                continue;
            }
            if relays.len() == MOST_RELAYS {
                return Err(LinkError::TooManyRelays);
            }
            relays.push(value.parse()?);
        }
        Ok(Self { code, relays })
    }
}

/// Reads a list of relays: one address a line, what follows `#` is a comment.
///
/// # Errors
///
/// The line, counted from 1, that is no relay's address; or the first one beyond [`MOST_RELAYS`], as
/// [`RelayUrlError::TooMany`].
pub fn relay_list(text: &str) -> Result<Vec<RelayUrl>, (usize, RelayUrlError)> {
    let mut relays = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let relay = line.parse().map_err(|error| (at + 1, error))?;
        if relays.len() == MOST_RELAYS {
            return Err((at + 1, RelayUrlError::TooMany));
        }
        if !relays.contains(&relay) {
            relays.push(relay);
        }
    }
    Ok(relays)
}

fn strip_scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_at_checked(SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME).then_some(rest)
}

impl RelayUrl {
    /// The address with its scheme, `https://relay.example.org/`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The host and, where it is not 443, the port: what a person is told.
    #[must_use]
    pub fn host(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        self.0.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }
}

impl FromStr for RelayUrl {
    type Err = RelayUrlError;

    fn from_str(text: &str) -> Result<Self, RelayUrlError> {
        if text.len() > MAX_RELAY {
            return Err(RelayUrlError::TooLong);
        }
        let url = Url::parse(text.trim()).map_err(|_| RelayUrlError::NotAnAddress)?;
        if url.scheme() != "https" {
            return Err(RelayUrlError::NotHttps);
        }
        let only_a_host = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
            && url.path() == "/";
        if !only_a_host || url.host_str().is_none_or(str::is_empty) {
            return Err(RelayUrlError::More);
        }
        Ok(Self(url))
    }
}

impl fmt::Display for RelayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

const SCHEME: &str = "ra://";
/// Of one relay. DNS allows 253 characters of a name; nobody's relay has so many.
const MAX_RELAY: usize = 200;
/// Twenty relays of the longest kind, percent-encoded.
const MAX_LINK: usize = 64 + MOST_RELAYS * (3 * MAX_RELAY + 3);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn relay(text: &str) -> RelayUrl {
        text.parse().unwrap()
    }

    #[test]
    fn a_link_carries_the_code_and_the_relays_in_their_order() {
        let code: Code = "7K3M-Q9TX-2V6H-PC4D".parse().unwrap();
        let relays = vec![relay("https://eu.example.org"), relay("https://us.example.org:8443")];
        let link = Link::new(code, relays);
        assert_eq!(
            *link.spoken(),
            "ra://7K3M-Q9TX-2V6H-PC4D?r=https%3A%2F%2Feu.example.org%2F&r=https%3A%2F%2Fus.example.org%3A8443%2F"
        );
        assert_eq!(link.spoken().parse::<Link>().unwrap(), link);
        let by_hand = "RA://7k3m-q9tx-2v6h-pc4d/?r=https://eu.example.org&x=1&r=https://us.example.org:8443/";
        assert_eq!(by_hand.parse::<Link>().unwrap(), link);
        assert_eq!(link.relays[1].host(), "us.example.org:8443");
    }

    #[test]
    fn a_bare_code_is_a_link_without_relays() {
        let link: Link = "7K3M Q9TX 2V6H PC4D".parse().unwrap();
        assert!(link.relays.is_empty());
        assert_eq!(*link.spoken(), "ra://7K3M-Q9TX-2V6H-PC4D");
    }

    #[test]
    fn a_link_that_cannot_be_used_says_why() {
        let error = |text: &str| text.parse::<Link>().unwrap_err();
        assert_eq!(error("https://example.org"), LinkError::Neither);
        assert_eq!(error("ra://7K3M-Q9TX-2V6H"), LinkError::Code(CodeError::Groups(3)));
        assert_eq!(error("ra://7K3M-Q9TX-2V6H-PC4D?r=http://relay"), LinkError::Relay(RelayUrlError::NotHttps));
        let many = format!("ra://7K3M-Q9TX-2V6H-PC4D?{}", "r=https://a.b&".repeat(21));
        assert_eq!(error(&many), LinkError::TooManyRelays);
        assert_eq!(error(&"x".repeat(100_000)), LinkError::TooLong);
    }

    #[test]
    fn a_relay_is_a_host_and_perhaps_a_port() {
        for (text, why) in [
            ("relay.example.org", RelayUrlError::NotAnAddress),
            ("ftp://relay", RelayUrlError::NotHttps),
            ("https://name:word@relay", RelayUrlError::More),
            ("https://relay/path", RelayUrlError::More),
            ("https://relay?x", RelayUrlError::More),
        ] {
            assert_eq!(text.parse::<RelayUrl>().unwrap_err(), why, "{text}");
        }
        assert_eq!(format!("https://{}", "a".repeat(300)).parse::<RelayUrl>().unwrap_err(), RelayUrlError::TooLong);
        assert_eq!(relay(" https://Relay.Example ").as_str(), "https://relay.example/");
    }

    #[test]
    fn a_list_of_relays_is_one_a_line() {
        let list = "# ours\nhttps://eu.example.org  # Frankfurt\n\nhttps://us.example.org\nhttps://eu.example.org/\n";
        assert_eq!(relay_list(list).unwrap(), [relay("https://eu.example.org"), relay("https://us.example.org")]);
        assert_eq!(relay_list("\nrelay\n"), Err((2, RelayUrlError::NotAnAddress)));
        let many: String = (0..21).map(|n| format!("https://r{n}.example.org\n")).collect();
        assert_eq!(relay_list(&many), Err((21, RelayUrlError::TooMany)));
    }

    proptest! {
        #[test]
        fn any_text_is_a_link_or_an_error(text in "(ra://)?[-0-9a-zA-Z]{0,20}(\\?r=.{0,40})?") {
            if let Ok(link) = text.parse::<Link>() {
                prop_assert_eq!(link.spoken().parse::<Link>().unwrap(), link);
            }
        }
    }
}
