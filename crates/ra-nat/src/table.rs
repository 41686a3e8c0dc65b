//! Table 1 of seed B: who reaches whom, when the novice, the expert or both sit behind a router.
//!
//! All eighteen cells follow from one rule: whoever dials must find the other side open. A file that was mailed is dialled by
//! the expert alone; where both sides have something to talk over (Messenger then, the telephone now) either of them may.

/// How the invitation came to the expert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// As a file, by mail or by hand: only the expert dials.
    File,
    /// Over something that both sides hear: either side may dial.
    Messenger,
}

/// How a side is seen from elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// It has a public address of its own.
    Public,
    /// Behind a router that sends on what arrives for it.
    Mapped,
    /// Behind a router, or several, that send nothing on.
    Closed,
}

/// The router of a side, in the words of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Router {
    /// Internet Connection Sharing of Windows XP: UPnP of the first version.
    XpIcs,
    /// One that knows no UPnP, and none of its cousins.
    NonUpnp,
    /// One that knows UPnP; here also PCP or NAT-PMP.
    Upnp,
}

/// Who sits behind the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Behind {
    /// The novice alone.
    Novice,
    /// The expert alone.
    Expert,
    /// Both, each behind one of the kind.
    Both,
}

/// Who has to dial so that the two meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dials {
    /// The expert, as usual.
    Expert,
    /// The novice: the connection is reversed.
    Novice,
}

impl Side {
    /// How somebody behind this router is seen from elsewhere.
    #[must_use]
    pub const fn behind(router: Router) -> Self {
        match router {
            Router::XpIcs | Router::Upnp => Self::Mapped,
            Router::NonUpnp => Self::Closed,
        }
    }

    /// True when somebody elsewhere can dial it.
    #[must_use]
    pub const fn is_open(self) -> bool {
        match self {
            Self::Public | Self::Mapped => true,
            Self::Closed => false,
        }
    }
}

/// Who has to dial, with TCP alone and nobody in between; `None`: the two do not meet.
///
/// Source: R69, R70; S85, S89 to S91.
#[must_use]
pub const fn meets(route: Route, novice: Side, expert: Side) -> Option<Dials> {
    match (route, novice.is_open(), expert.is_open()) {
        (_, true, _) => Some(Dials::Expert),
        (Route::Messenger, false, true) => Some(Dials::Novice),
        (Route::File, false, _) | (Route::Messenger, false, false) => None,
    }
}

/// One cell of the table: "Yes" or "No". Whoever does not sit behind the router has a public address.
///
/// Source: S92.
#[must_use]
pub const fn cell(route: Route, behind: Behind, router: Router) -> bool {
    let there = Side::behind(router);
    let (novice, expert) = match behind {
        Behind::Novice => (there, Side::Public),
        Behind::Expert => (Side::Public, there),
        Behind::Both => (there, there),
    };
    meets(route, novice, expert).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table as seed B prints it.
    #[test]
    fn r069_r070_r071_the_rule_gives_table_1() {
        let routers = [Router::XpIcs, Router::NonUpnp, Router::Upnp];
        for (route, behind, printed) in [
            (Route::Messenger, Behind::Novice, [true, true, true]),
            (Route::Messenger, Behind::Expert, [true, true, true]),
            (Route::Messenger, Behind::Both, [true, false, true]),
            (Route::File, Behind::Novice, [true, false, true]),
            (Route::File, Behind::Expert, [true, true, true]),
            (Route::File, Behind::Both, [true, false, true]),
        ] {
            let ours = routers.map(|router| cell(route, behind, router));
            assert_eq!(ours, printed, "{route:?} {behind:?}");
        }
    }

    #[test]
    fn r070_a_novice_that_nobody_reaches_dials() {
        assert_eq!(meets(Route::Messenger, Side::Closed, Side::Public), Some(Dials::Novice));
        assert_eq!(meets(Route::Messenger, Side::Closed, Side::Mapped), Some(Dials::Novice));
        assert_eq!(meets(Route::Messenger, Side::Mapped, Side::Closed), Some(Dials::Expert));
        assert_eq!(meets(Route::File, Side::Closed, Side::Public), None, "S89");
    }
}
