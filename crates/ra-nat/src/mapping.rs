//! A mapping as it is kept, and what is to be done about it now.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ra_session::UnixTime;

use crate::gateway::{Ask, GatewayId, Granted};
use crate::lease::{LONGEST_LEASE, Lease};
use crate::transport::Transport;

/// A mapping that may exist at a gateway: asked for, made, or being removed.
///
/// INVARIANT: whatever a gateway may have of ours is at most what this says: it is written before the gateway is asked, and
/// [`gone_by`](Self::gone_by) is never earlier than the moment in which the gateway forgets it by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Where it is.
    pub gateway: GatewayId,
    /// TCP or UDP.
    pub transport: Transport,
    /// Where the gateway sends to.
    pub internal: SocketAddr,
    /// The gateway's outside address.
    pub external: IpAddr,
    /// The outside port.
    pub external_port: u16,
    /// Its lease, counted from `made`.
    pub lease: Lease,
    /// When it was asked for, or last renewed.
    pub made: UnixTime,
    /// From when on the gateway has certainly forgotten it; `None` when it never does by itself.
    pub gone_by: Option<UnixTime>,
    /// How far it has come.
    pub stage: Stage,
    /// Until then it stays although nobody uses it: whoever asked for it is making the ticket that will.
    pub held_until: UnixTime,
}

/// How far a mapping has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The gateway is being asked, or was and did not answer.
    Asked,
    /// The gateway said yes.
    Made,
    /// Nobody wants it any more, and the gateway has not confirmed that it is gone. It is not used again.
    Leaving,
}

/// What is to be done about a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing before then.
    Wait(UnixTime),
    /// Ask the gateway for another lease.
    Renew(Ask),
    /// Ask the gateway to remove it.
    Remove,
    /// The gateway has forgotten it; do the same. It is not asked: the port may be somebody else's by now.
    Forget,
}

impl Mapping {
    /// The mapping that a gateway is about to be asked for.
    #[must_use]
    pub fn asked(gateway: GatewayId, external: IpAddr, ask: &Ask, now: UnixTime) -> Self {
        let mut mapping = Self {
            gateway,
            transport: ask.transport,
            internal: ask.internal,
            external,
            external_port: ask.external_port,
            lease: ask.lease,
            made: now,
            gone_by: None,
            stage: Stage::Asked,
            held_until: now.after(HELD_FOR),
        };
        mapping.will_ask(ask, now);
        mapping
    }

    /// Notes that the gateway is about to be asked for this; before that the mapping must be written down.
    pub fn will_ask(&mut self, ask: &Ask, now: UnixTime) {
        self.external_port = ask.external_port;
        self.lease = ask.lease;
        // The gateway counts from when it does it, which may be as late as this. What was known before may hold on.
        let gone_by = ask.lease.end(now.after(ANSWERED_WITHIN));
        self.gone_by = match (self.stage, gone_by, self.gone_by) {
            (Stage::Asked, new, _) => new,
            (Stage::Made | Stage::Leaving, Some(new), Some(old)) => Some(new.max(old)),
            (Stage::Made | Stage::Leaving, ..) => None,
        };
    }

    /// Notes that the gateway said yes, and to what.
    ///
    /// A lease that is longer than what was asked for is not relied on: it is renewed as what was asked. But the row stays for as
    /// long as the gateway says.
    pub fn confirmed(&mut self, granted: &Granted, now: UnixTime) {
        self.lease = granted.lease.min(self.lease);
        self.external_port = granted.external_port;
        self.external = granted.external.unwrap_or(self.external);
        self.made = now;
        self.gone_by = granted.lease.end(now.after(ANSWERED_WITHIN));
        self.stage = Stage::Made;
    }

    /// What the gateway was asked for: with this it is renewed and removed.
    #[must_use]
    pub const fn ask(&self) -> Ask {
        Ask { transport: self.transport, internal: self.internal, external_port: self.external_port, lease: self.lease }
    }

    /// True when both stand for the one mapping that this kind of gateway keeps for an inside port.
    ///
    /// Then removing one at the gateway removes the other with it.
    #[must_use]
    pub fn shares_with(&self, other: &Self) -> bool {
        let one_for_each = self.gateway.protocol().is_some_and(|by| by.keeps_one_for_each_inside());
        let same = self.transport == other.transport && self.internal == other.internal;
        one_for_each && self.gateway == other.gateway && same
    }

    /// What stands in an invitation.
    #[must_use]
    pub const fn endpoint(&self) -> SocketAddr {
        SocketAddr::new(self.external, self.external_port)
    }

    /// The lease to renew it with, for something that is wanted for `life` from now on.
    #[must_use]
    pub fn lease_for(&self, life: Duration) -> Lease {
        match self.lease {
            Lease::For(_) => Lease::of(life),
            // The gateway knows nothing else.
            Lease::Permanent => Lease::Permanent,
        }
    }

    /// What is to be done at `now`, when the last open ticket that uses it runs out at `used_until` (`None`: no open one does).
    ///
    /// A clock that was set back by more than a moment does not keep anything: times that lie further ahead than they could
    /// are worth nothing.
    ///
    /// Source: R59, R61, R62, R72.
    #[must_use]
    pub fn due(&self, used_until: Option<UnixTime>, now: UnixTime) -> Due {
        let used_until = used_until.filter(|until| now < *until);
        if let (Stage::Made, Some(until)) = (self.stage, used_until) {
            return self.due_in_use(until, now);
        }
        if self.gone_by.is_some_and(|gone| gone <= now) {
            return Due::Forget;
        }
        let held = now < self.held_until && self.held_until <= now.after(HELD_FOR);
        if self.stage != Stage::Leaving && held { Due::Wait(self.held_until) } else { Due::Remove }
    }

    /// Also one whose lease is over is asked for again: while the host was not running, nobody renewed it.
    fn due_in_use(&self, until: UnixTime, now: UnixTime) -> Due {
        let renewal = self.made.after(self.lease.renewal());
        if self.made <= now && now < renewal {
            return Due::Wait(renewal.min(until));
        }
        let lease = self.lease_for(Duration::from_secs(until.0 - now.0));
        Due::Renew(Ask { lease, ..self.ask() })
    }
}

/// Within this a [`Mapper`](crate::Mapper) has ended a call; later the gateway does nothing about it any more. UPnP control
/// points answer in milliseconds, or not at all.
pub const ANSWERED_WITHIN: Duration = Duration::from_secs(10);

/// For so long a mapping is kept for the ticket that is being made. Longer than an unanswered call can take effect, so that what is
/// removed afterwards stays removed.
pub const HELD_FOR: Duration = Duration::from_secs(30);

const _: () =
    assert!(HELD_FOR.as_secs() > 2 * ANSWERED_WITHIN.as_secs() && LONGEST_LEASE.as_secs() > HELD_FOR.as_secs());

#[cfg(test)]
mod tests {
    use super::*;

    const T0: UnixTime = UnixTime(1_767_225_600);

    fn at(seconds: u64) -> UnixTime {
        T0.after(Duration::from_secs(seconds))
    }

    fn lease(seconds: u64) -> Lease {
        Lease::For(Duration::from_secs(seconds))
    }

    fn asked(lease: Lease) -> Mapping {
        let ask = Ask {
            transport: Transport::Tcp,
            internal: "192.168.1.5:3389".parse().unwrap(),
            external_port: 50_000,
            lease,
        };
        Mapping::asked(GatewayId::new("router").unwrap(), "11.0.0.1".parse().unwrap(), &ask, T0)
    }

    fn made(lease: Lease) -> Mapping {
        let mut mapping = asked(lease);
        mapping.confirmed(&mapping.ask().granted(), T0);
        mapping
    }

    #[test]
    fn r072_a_mapping_in_use_is_renewed_at_half_time_for_what_the_ticket_has_left() {
        let mapping = made(lease(3600));
        assert_eq!(mapping.due(Some(at(4000)), at(1799)), Due::Wait(at(1800)));
        assert_eq!(mapping.due(Some(at(4000)), at(1800)), Due::Renew(Ask { lease: lease(2200), ..mapping.ask() }));
        assert_eq!(mapping.due(Some(at(90_000)), at(1800)), Due::Renew(Ask { lease: lease(3600), ..mapping.ask() }));
    }

    #[test]
    fn what_a_gateway_chose_itself_stands_in_the_row() {
        let mut mapping = asked(lease(3600));
        let outside: IpAddr = "11.0.0.9".parse().unwrap();
        mapping.confirmed(&Granted { lease: lease(60), external_port: 40_000, external: Some(outside) }, T0);
        assert_eq!(mapping.endpoint(), "11.0.0.9:40000".parse().unwrap());
        assert_eq!(mapping.ask().external_port, 40_000, "it is renewed and removed as what it is");
    }

    #[test]
    fn r072_a_lease_longer_than_what_was_asked_is_not_believed_but_remembered() {
        let mut mapping = asked(lease(600));
        mapping.confirmed(&Granted { lease: lease(86_400), ..mapping.ask().granted() }, T0);
        assert_eq!((mapping.lease, mapping.gone_by), (lease(600), Some(at(86_410))));
        mapping.confirmed(&Granted { lease: Lease::Permanent, ..mapping.ask().granted() }, T0);
        assert_eq!((mapping.lease, mapping.gone_by), (lease(600), None), "it says that it never forgets it");
        mapping.confirmed(&Granted { lease: lease(60), ..mapping.ask().granted() }, T0);
        assert_eq!((mapping.lease, mapping.gone_by), (lease(60), Some(at(70))));
    }

    #[test]
    fn r062_two_rows_for_one_inside_are_one_mapping_where_the_gateway_keeps_one_for_each() {
        let row = |gateway: &str, internal: &str| {
            let ask = Ask {
                transport: Transport::Tcp,
                internal: internal.parse().unwrap(),
                external_port: 50_000,
                lease: lease(60),
            };
            Mapping::asked(GatewayId::new(gateway).unwrap(), "11.0.0.1".parse().unwrap(), &ask, T0)
        };
        let (pcp, upnp) = ("pcp 192.168.1.1 from 192.168.1.5", "upnp 192.168.1.1 from 192.168.1.5");
        let (here, there) = ("192.168.1.5:3389", "192.168.1.5:3390");
        assert!(row(pcp, here).shares_with(&row(pcp, here)));
        assert!(!row(pcp, here).shares_with(&row(pcp, there)));
        assert!(!row(upnp, here).shares_with(&row(upnp, here)), "there each outside port is a mapping of its own");
        assert!(!row(pcp, here).shares_with(&row(upnp, here)));
        let udp = Mapping { transport: Transport::Udp, ..row(pcp, here) };
        assert!(!row(pcp, here).shares_with(&udp) && udp.shares_with(&udp), "each transport has its own");
    }

    #[test]
    fn r061_r059_an_unused_mapping_is_removed_at_once() {
        let mut mapping = made(lease(3600));
        assert_eq!(mapping.due(None, at(31)), Due::Remove);
        assert_eq!(mapping.due(Some(at(31)), at(31)), Due::Remove, "the last ticket ran out this second");
        mapping.stage = Stage::Leaving;
        assert_eq!(mapping.due(None, at(1)), Due::Remove);
        assert_eq!(mapping.due(Some(at(4000)), at(1)), Due::Remove, "it is not used again");
    }

    #[test]
    fn a_mapping_is_held_for_the_ticket_that_is_being_made() {
        for mapping in [asked(lease(3600)), made(lease(3600))] {
            assert_eq!(mapping.due(None, at(29)), Due::Wait(at(30)));
            assert_eq!(mapping.due(None, at(30)), Due::Remove);
        }
    }

    #[test]
    fn r062_what_a_gateway_has_forgotten_by_itself_is_forgotten_and_a_permanent_one_never() {
        assert_eq!(made(lease(60)).due(None, at(69)), Due::Remove);
        assert_eq!(made(lease(60)).due(None, at(70)), Due::Forget, "the gateway may have counted from its answer");
        assert_eq!(asked(Lease::Permanent).due(None, at(1_000_000_000)), Due::Remove);
    }

    #[test]
    fn r072_what_is_permanent_is_asked_for_again_too() {
        let mapping = made(Lease::Permanent);
        assert_eq!(mapping.due(Some(at(90_000)), at(1799)), Due::Wait(at(1800)));
        assert_eq!(mapping.due(Some(at(90_000)), at(1800)), Due::Renew(mapping.ask()));
    }

    #[test]
    fn a_lease_that_lapsed_while_nobody_was_there_is_asked_for_again() {
        let mapping = made(lease(3600));
        assert_eq!(mapping.due(Some(at(90_000)), at(50_000)), Due::Renew(Ask { lease: lease(3600), ..mapping.ask() }));
    }

    #[test]
    fn r063_a_clock_set_back_neither_holds_nor_delays_anything() {
        let mapping = made(lease(3600));
        let earlier = UnixTime(T0.0 - 1_000_000);
        assert_eq!(mapping.due(None, earlier), Due::Remove);
        assert!(matches!(mapping.due(Some(at(4000)), earlier), Due::Renew(_)));
    }

    #[test]
    fn r062_a_crash_while_asking_never_leaves_a_row_that_is_forgotten_too_early() {
        let mut mapping = made(lease(100));
        let longer = Ask { lease: lease(3600), ..mapping.ask() };
        mapping.will_ask(&longer, at(50));
        assert_eq!(mapping.gone_by, Some(at(50 + 3600 + 10)), "as if the gateway had done it");
        mapping.will_ask(&Ask { lease: lease(5), ..longer }, at(51));
        assert_eq!(mapping.gone_by, Some(at(50 + 3600 + 10)), "and as if it had not");
        mapping.will_ask(&Ask { lease: Lease::Permanent, ..longer }, at(52));
        assert_eq!(mapping.gone_by, None);
        mapping.will_ask(&longer, at(53));
        assert_eq!(mapping.gone_by, None, "the permanent one may still be there");
        mapping.confirmed(&Granted { lease: lease(60), ..longer.granted() }, at(60));
        assert_eq!(mapping.gone_by, Some(at(130)));
    }
}
