//! The languages that gateways are asked in.

/// How a gateway is asked for a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MappedBy {
    /// UPnP Internet Gateway Device: what seeds A and B know.
    Upnp,
    /// Port Control Protocol. Source: RFC 6887.
    Pcp,
    /// NAT Port Mapping Protocol, which PCP replaces. Source: RFC 6886.
    NatPmp,
}

impl MappedBy {
    /// The word for it, in names of gateways and in the event `mapped`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Upnp => "upnp",
            Self::Pcp => "pcp",
            Self::NatPmp => "nat-pmp",
        }
    }

    /// The protocol of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Upnp, Self::Pcp, Self::NatPmp].into_iter().find(|known| known.name() == name)
    }

    /// True where a gateway keeps at most one mapping for each inside address and port, and finds it by those: the outside port is
    /// the gateway's to choose, and a removal names the inside only.
    ///
    /// Source: RFC 6887, 11.3 and 15; RFC 6886, 3.3 and 3.4.
    #[must_use]
    pub const fn keeps_one_for_each_inside(self) -> bool {
        match self {
            Self::Upnp => false,
            Self::Pcp | Self::NatPmp => true,
        }
    }
}
