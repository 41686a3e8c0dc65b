//! What a policy answers: proof values that the later gates ask for.

use core::time::Duration;

use crate::{Policy, TicketTime, Units};

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
    /// A policy is there but cannot be used, so nothing is allowed.
    #[error("a policy of this computer cannot be used, so nothing is allowed: {reason}")]
    Unusable {
        /// What is wrong with it.
        reason: String,
    },
}

impl Policy {
    /// Whether an invitation may be made now.
    ///
    /// # Errors
    ///
    /// When some layer forbids help, or cannot be used. Source: lifecycle.md R1, policy.md P4, P10.
    pub fn may_invite(&self) -> Result<HelpAllowed, Denied> {
        self.usable()?;
        if self.help.unwrap_or(true) { Ok(HelpAllowed { _only_here: () }) } else { Err(Denied::Help) }
    }

    /// Whether an expert may connect now, also with an invitation that was made when policy said otherwise.
    ///
    /// # Errors
    ///
    /// As [`Policy::may_invite`]. Source: lifecycle.md R28, policy.md P4, P7.
    pub fn may_connect(&self) -> Result<HelpAllowed, Denied> {
        self.may_invite()
    }

    /// Whether the novice may be asked for control now.
    ///
    /// # Errors
    ///
    /// When some layer forbids help or control, or cannot be used. Source: lifecycle.md R45, policy.md P5, P9.
    pub fn may_control(&self) -> Result<ControlAllowed, Denied> {
        let HelpAllowed { .. } = self.may_connect()?;
        if self.control.unwrap_or(true) { Ok(ControlAllowed { _only_here: () }) } else { Err(Denied::Control) }
    }

    /// The longest time that an invitation may be open: one minute to 99 days.
    #[must_use]
    pub fn longest_ticket(&self) -> Duration {
        self.longest.unwrap_or_else(|| TicketTime::new(DEFAULT_LONGEST_DAYS, Units::Days)).duration()
    }

    /// The time that an invitation gets when somebody wants `wanted`: never above the maximum (R10).
    #[must_use]
    pub fn ticket_length(&self, wanted: Duration) -> Duration {
        wanted.min(self.longest_ticket())
    }

    fn usable(&self) -> Result<(), Denied> {
        match &self.no_help {
            Some(reason) => Err(Denied::Unusable { reason: reason.clone() }),
            None => Ok(()),
        }
    }
}

/// The maximum of a Windows XP where nothing is configured. Source: policy.md section 2, seed item S97.
const DEFAULT_LONGEST_DAYS: u32 = 30;
