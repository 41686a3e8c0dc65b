//! Which outside ports to ask a gateway for.

/// The outside ports to try, in order: random ones from the range that nothing else is assigned from.
///
/// 3389 is not among them unless it is asked for: an invitation names the port anyway, and that one is the favourite of
/// whoever scans the Internet.
///
/// Source: R73.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports {
    ports: [u16; TRIES],
    next: usize,
}

impl Ports {
    /// How many random bytes one choice takes.
    pub const ENTROPY: usize = 2 * TRIES;

    /// Chooses ports from random bytes, all different, and none of those that are `taken`.
    #[must_use]
    pub fn from_entropy(entropy: &[u8; Self::ENTROPY], taken: &[u16]) -> Self {
        let mut ports = [0; TRIES];
        for at in 0..TRIES {
            // The range is a power of two, so nothing is more likely than anything else.
            let mut port = FIRST | (u16::from_be_bytes([entropy[2 * at], entropy[2 * at + 1]]) & (SPAN - 1));
            // Ends: fewer ports are taken than there are, see the limits on what a table holds.
            for _ in 0..SPAN {
                if !ports[..at].contains(&port) && !taken.contains(&port) {
                    break;
                }
                port = FIRST | (port.wrapping_add(1) & (SPAN - 1));
            }
            ports[at] = port;
        }
        Self { ports, next: 0 }
    }
}

impl Iterator for Ports {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        let port = self.ports.get(self.next)?;
        self.next += 1;
        Some(*port)
    }
}

/// The first choice, and five more for when that one is taken at the gateway (R73).
const TRIES: usize = 6;
/// The dynamic ports, 49152 to 65535. Source: RFC 6335, 6.
const FIRST: u16 = 0xc000;
const SPAN: u16 = 0x4000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn r073_ports_are_high_all_different_and_not_taken(
            entropy: [u8; Ports::ENTROPY],
            taken in prop::collection::vec(FIRST.., 0..40),
        ) {
            let ports: Vec<u16> = Ports::from_entropy(&entropy, &taken).collect();
            prop_assert_eq!(ports.len(), 6, "one, and five more");
            for (at, port) in ports.iter().enumerate() {
                prop_assert!(*port >= 49152);
                prop_assert!(!taken.contains(port));
                prop_assert!(!ports[..at].contains(port));
            }
        }
    }

    #[test]
    fn r073_the_port_follows_the_entropy() {
        let entropy = [0, 0, 0x3f, 0xff, 0xff, 0xff, 0x12, 0x34, 0, 0, 0, 1];
        let ports: Vec<u16> = Ports::from_entropy(&entropy, &[0xc002]).collect();
        assert_eq!(
            ports,
            [0xc000, 0xffff, 0xc001, 0xd234, 0xc003, 0xc004],
            "what was chosen or is taken is passed over"
        );
    }
}
