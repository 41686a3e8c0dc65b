//! The route in an invitation file: how the novice's computer is found where no address of the file leads to it.

use core::fmt;
use core::str::FromStr;

use crate::link::{MOST_RELAYS, RelayUrl};

/// The key of an endpoint and the relays that know it: `iroh1 HEX URL URL`.
///
/// The key is made up for the one invitation. Who reads it can call that computer and no more: what is called is the
/// same door as its port, with TLS, proof and question behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The public key of the novice's endpoint.
    pub endpoint: [u8; 32],
    /// At least one, at most [`MOST_RELAYS`].
    pub relays: Vec<RelayUrl>,
}

/// A text that is no route of a kind that is known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a route that is known here")]
pub struct RouteError;

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{KIND} ")?;
        self.endpoint.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        self.relays.iter().try_for_each(|relay| write!(f, " {relay}"))
    }
}

impl FromStr for Route {
    type Err = RouteError;

    fn from_str(text: &str) -> Result<Self, RouteError> {
        let mut words = text.split(' ');
        let (Some(KIND), Some(hex)) = (words.next(), words.next()) else { return Err(RouteError) };
        let mut endpoint = [0; 32];
        if hex.len() != 2 * endpoint.len() || !hex.is_ascii() {
            return Err(RouteError);
        }
        for (at, byte) in endpoint.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).map_err(|_| RouteError)?;
        }
        // A relay that cannot be used is no reason to leave out the others.
        let relays: Vec<RelayUrl> = words.take(MOST_RELAYS).filter_map(|word| word.parse().ok()).collect();
        if relays.is_empty() { Err(RouteError) } else { Ok(Self { endpoint, relays }) }
    }
}

/// The kind of network, and the version of this text.
const KIND: &str = "iroh1";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_route_is_read_as_it_was_written() {
        let route = Route {
            endpoint: [0xab; 32],
            relays: vec!["https://eu.example.org".parse().unwrap(), "https://us.example.org:8443".parse().unwrap()],
        };
        let text = route.to_string();
        assert_eq!(text, format!("iroh1 {} https://eu.example.org/ https://us.example.org:8443/", "ab".repeat(32)));
        assert_eq!(text.parse(), Ok(route));
        let hex = "ab".repeat(32);
        for no in [
            String::new(),
            "iroh2 00".to_owned(),
            format!("iroh1 {hex}"),
            format!("iroh1 {hex} http://a"),
            "iroh1 +1 https://a".to_owned(),
        ] {
            assert_eq!(no.parse::<Route>(), Err(RouteError), "{no}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_route_or_an_error(text in "(iroh1 )?[0-9a-f]{60,66}( [ -~]{0,30})?") {
            if let Ok(route) = text.parse::<Route>() {
                prop_assert_eq!(route.to_string().parse(), Ok(route));
            }
        }
    }
}
