//! What a policy answers: proof values that the later gates ask for.

use core::time::Duration;
use std::collections::BTreeSet;

use crate::{HelperName, Layer, Message, Policy, RelayAddress, Setting, Source, Value};

/// Policy allows help at this moment. Only [`Policy`] makes it; it cannot be copied and is spent at the next gate.
///
/// ```compile_fail,E0451
/// let forged = ra_policy::HelpAllowed { _only_here: () };
/// ```
/// ```compile_fail,E0599
/// let allowed = ra_policy::Policy::default().may_connect()?;
/// let twice = allowed.clone();
/// # Ok::<(), ra_policy::Denied>(())
/// ```
#[derive(Debug)]
#[must_use = "a verdict that nobody takes guards nothing"]
pub struct HelpAllowed {
    _only_here: (),
}

/// Policy allows that control is asked for. Only [`Policy`] makes it.
///
/// ```compile_fail,E0451
/// let forged = ra_policy::ControlAllowed { _only_here: () };
/// ```
#[derive(Debug)]
#[must_use = "a verdict that nobody takes guards nothing"]
pub struct ControlAllowed {
    _only_here: (),
}

/// Policy allows that this helper offers help without an invitation. Only [`Policy`] makes it.
///
/// It is another type than [`HelpAllowed`], since the two policies do not depend on each other (P6).
///
/// ```compile_fail,E0451
/// let forged = ra_policy::OfferAllowed { _only_here: () };
/// ```
#[derive(Debug)]
#[must_use = "a verdict that nobody takes guards nothing"]
pub struct OfferAllowed {
    _only_here: (),
}

/// Policy allows that a helper is known by the password of an account of this computer. Only [`Policy`] makes it.
///
/// ```compile_fail,E0451
/// let forged = ra_policy::PasswordAllowed { _only_here: () };
/// ```
#[derive(Debug)]
#[must_use = "a verdict that nobody takes guards nothing"]
pub struct PasswordAllowed {
    _only_here: (),
}

/// Somebody who offers help, after they have proved who they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offerer {
    /// Its key and the account that the key is bound to, or the account whose password it knows; and every group that account
    /// is in.
    pub names: BTreeSet<HelperName>,
    /// It is in the administrators group of this computer.
    pub administrator: bool,
}

/// Policy says no, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Denied {
    /// `fAllowToGetHelp` is 0 in some layer.
    #[error("policy does not allow Remote Assistance on this computer (fAllowToGetHelp)")]
    Help,
    /// `fAllowFullControl` is 0 in some layer.
    #[error("policy does not allow remote control of this computer (fAllowFullControl)")]
    Control,
    /// `fAllowBuddyHelp` is 0 in some layer and the invitation is not for an official helper.
    #[error("policy allows invitations for official helpers only (fAllowBuddyHelp)")]
    Buddy,
    /// `fAllowUnsolicited` is not 1, or 0 in some layer.
    #[error("policy does not allow that help is offered to this computer (fAllowUnsolicited)")]
    Offer,
    /// The helper is neither listed nor an administrator.
    #[error("policy does not list this helper (RAUnsolicit)")]
    NotListed,
    /// `fAllowOfferByPassword` is not 1, or 0 in some layer.
    #[error("policy does not allow that a helper is known by the password of an account (fAllowOfferByPassword)")]
    OfferByPassword,
    /// `fAllowUnsolicitedFullControl` is not 1, or 0 in some layer.
    #[error("policy allows offered help to look only (fAllowUnsolicitedFullControl)")]
    OfferControl,
    /// `OfficialRelays` is a list without this relay.
    #[error("policy does not allow the relay {relay} (OfficialRelays)")]
    Relay {
        /// Its address as it was named.
        relay: String,
    },
    /// `OfficialRelays` is an empty list, or none of the lists of several layers has one in common with the others.
    #[error("policy allows no relay at all (OfficialRelays)")]
    NoRelay,
    /// A policy is there but cannot be used, so nothing is allowed.
    #[error("a policy of this computer cannot be used, so nothing is allowed: {reason}")]
    Unusable {
        /// What is wrong with it.
        reason: String,
    },
}

impl Policy {
    /// Whether an invitation for anybody may be made now.
    ///
    /// # Errors
    ///
    /// When some layer forbids help or allows official helpers only, or cannot be used. Source: lifecycle.md R1,
    /// policy.md P4, P10.
    pub fn may_invite(&self) -> Result<HelpAllowed, Denied> {
        self.may_invite_for(None)
    }

    /// Whether an invitation for this helper may be made now; `None` is for whoever gets it.
    ///
    /// # Errors
    ///
    /// As [`Policy::may_invite`]; where only official helpers are allowed, a listed name is needed (S104, S105).
    pub fn may_invite_for(&self, helper: Option<&HelperName>) -> Result<HelpAllowed, Denied> {
        self.usable()?;
        if !self.says(Setting::AllowToGetHelp) {
            return Err(Denied::Help);
        }
        let official = |helper| self.names(Setting::OfficialHelpers).contains(helper);
        if !self.says(Setting::AllowBuddyHelp) && !helper.is_some_and(official) {
            return Err(Denied::Buddy);
        }
        Ok(HelpAllowed { _only_here: () })
    }

    /// Whether an expert may connect now, also with an invitation that was made when policy said otherwise.
    ///
    /// # Errors
    ///
    /// As [`Policy::may_invite`]. Source: lifecycle.md R28, policy.md P4, P7.
    pub fn may_connect(&self) -> Result<HelpAllowed, Denied> {
        self.may_connect_for(None)
    }

    /// Whether a host of tickets is worth starting: some of them may be for an official helper, so buddy support does not
    /// matter here.
    ///
    /// # Errors
    ///
    /// When some layer forbids help, or cannot be used.
    pub fn may_serve_tickets(&self) -> Result<(), Denied> {
        self.usable()?;
        if self.says(Setting::AllowToGetHelp) { Ok(()) } else { Err(Denied::Help) }
    }

    /// The same for an invitation that was made for this helper.
    ///
    /// # Errors
    ///
    /// As [`Policy::may_invite_for`].
    pub fn may_connect_for(&self, helper: Option<&HelperName>) -> Result<HelpAllowed, Denied> {
        self.may_invite_for(helper)
    }

    /// Whether the novice may be asked for control now.
    ///
    /// # Errors
    ///
    /// When some layer forbids help or control, or cannot be used. Source: lifecycle.md R45, policy.md P5, P9.
    pub fn may_control(&self) -> Result<ControlAllowed, Denied> {
        self.usable()?;
        if !self.says(Setting::AllowToGetHelp) {
            return Err(Denied::Help);
        }
        if self.says(Setting::AllowFullControl) { Ok(ControlAllowed { _only_here: () }) } else { Err(Denied::Control) }
    }

    /// Whether help may be offered to this computer at all.
    ///
    /// # Errors
    ///
    /// When no policy of the administrator allows it, some layer forbids it, or one cannot be used. Whether
    /// invitations are allowed makes no difference. Source: policy.md P6.
    pub fn may_be_offered(&self) -> Result<(), Denied> {
        self.usable()?;
        if self.says(Setting::AllowUnsolicited) { Ok(()) } else { Err(Denied::Offer) }
    }

    /// Whether sessions should be sparing with what they send. Only some layer that says so makes it so; nothing is allowed
    /// or forbidden by it.
    #[must_use]
    pub fn saves_bandwidth(&self) -> bool {
        self.says(Setting::UseBandwidthOptimization)
    }

    /// Whether a list of helpers names this one; also where offers are not allowed.
    #[must_use]
    pub fn lists_offerer(&self, name: &HelperName) -> bool {
        self.names(Setting::OfferHelpers).contains(name)
    }

    /// Whether anybody may be invited, rather than official helpers only.
    #[must_use]
    pub fn allows_buddies(&self) -> bool {
        self.says(Setting::AllowBuddyHelp)
    }

    /// Whether this helper may offer help now.
    ///
    /// # Errors
    ///
    /// As [`Policy::may_be_offered`], and when the helper is neither listed nor an administrator.
    pub fn may_offer(&self, helper: &Offerer) -> Result<OfferAllowed, Denied> {
        self.may_be_offered()?;
        let listed = self.names(Setting::OfferHelpers);
        if helper.administrator || helper.names.iter().any(|name| listed.contains(name)) {
            Ok(OfferAllowed { _only_here: () })
        } else {
            Err(Denied::NotListed)
        }
    }

    /// Whether a helper without a known key may be known by the password of an account of this computer.
    ///
    /// # Errors
    ///
    /// As [`Policy::may_be_offered`], and when no policy of the administrator switches it on, or some layer off.
    pub fn may_offer_by_password(&self) -> Result<PasswordAllowed, Denied> {
        self.may_be_offered()?;
        if self.says(Setting::AllowOfferByPassword) {
            Ok(PasswordAllowed { _only_here: () })
        } else {
            Err(Denied::OfferByPassword)
        }
    }

    /// Whether the novice may be asked for control by somebody who offered help.
    ///
    /// # Errors
    ///
    /// When no policy of the administrator allows it, some layer forbids it, or the person at the computer has
    /// switched control off (S110).
    pub fn may_control_offered(&self) -> Result<ControlAllowed, Denied> {
        self.may_be_offered()?;
        let switched_off = |layer: &Layer| {
            matches!(layer.source, Source::MachineSwitches | Source::OwnSwitches)
                && layer.settings().and_then(|s| s.value(Setting::AllowFullControl)) == Some(&Value::Switch(false))
        };
        if self.layers().iter().any(switched_off) {
            return Err(Denied::Control);
        }
        if self.says(Setting::AllowUnsolicitedFullControl) {
            Ok(ControlAllowed { _only_here: () })
        } else {
            Err(Denied::OfferControl)
        }
    }

    /// The longest time that an invitation may be open: one minute to 99 days.
    #[must_use]
    pub fn longest_ticket(&self) -> Duration {
        match self.decide(Setting::MaxTicketExpiry).value {
            Some(Value::Time(time)) => time.duration(),
            _ => Duration::ZERO,
        }
    }

    /// The time that an invitation gets when somebody wants `wanted`: never above the maximum (R10).
    #[must_use]
    pub fn ticket_length(&self, wanted: Duration) -> Duration {
        wanted.min(self.longest_ticket())
    }

    /// Whether invitations may carry their connection string only encrypted.
    #[must_use]
    pub fn encrypted_only(&self) -> bool {
        self.says(Setting::CreateEncryptedOnlyTickets)
    }

    /// Whether sessions are logged.
    #[must_use]
    pub fn logs_sessions(&self) -> bool {
        self.says(Setting::LoggingEnabled)
    }

    /// Whether chat is offered.
    #[must_use]
    pub fn offers_chat(&self) -> bool {
        self.says(Setting::EnableChatControl)
    }

    /// The relays that may be used, and are where nobody names any; `None` where policy says nothing about relays.
    ///
    /// # Errors
    ///
    /// When a policy cannot be used.
    pub fn official_relays(&self) -> Result<Option<BTreeSet<RelayAddress>>, Denied> {
        self.usable()?;
        Ok(match self.decide(Setting::OfficialRelays).value {
            Some(Value::Relays(relays)) => Some(relays),
            _ => None,
        })
    }

    /// Whether this relay may be used, by its address as somebody wrote it.
    ///
    /// # Errors
    ///
    /// When there is a list of official relays and it is not in it, when that list is empty, or when a policy cannot be used.
    pub fn may_use_relay(&self, relay: &str) -> Result<(), Denied> {
        match self.official_relays()? {
            Some(official) if official.is_empty() => Err(Denied::NoRelay),
            Some(official) if !RelayAddress::new(relay).is_some_and(|relay| official.contains(&relay)) => {
                Err(Denied::Relay { relay: relay.to_owned() })
            }
            _ => Ok(()),
        }
    }

    /// The administrator's text for the question about viewing; it is shown beside the built-in text.
    #[must_use]
    pub fn view_message(&self) -> Option<Message> {
        self.message(Setting::ViewMessage)
    }

    /// The administrator's text for the question about control; it is shown beside the built-in text.
    #[must_use]
    pub fn control_message(&self) -> Option<Message> {
        self.message(Setting::ShareControlMessage)
    }

    fn message(&self, setting: Setting) -> Option<Message> {
        match self.decide(setting).value {
            Some(Value::Text(message)) if self.says(Setting::UseCustomMessages) => Some(message),
            _ => None,
        }
    }

    fn says(&self, setting: Setting) -> bool {
        self.decide(setting).value == Some(Value::Switch(true))
    }

    fn names(&self, setting: Setting) -> BTreeSet<HelperName> {
        match self.decide(setting).value {
            Some(Value::Names(names)) => names,
            _ => BTreeSet::new(),
        }
    }

    fn usable(&self) -> Result<(), Denied> {
        match self.unusable().next() {
            Some((layer, reason)) => Err(Denied::Unusable { reason: format!("{}: {reason}", layer.name) }),
            None => Ok(()),
        }
    }
}
