//! HelpAssistant: the one account that an expert with an invitation is logged on as, and what it may do.
//!
//! It is disabled until there is a ticket, enabled by the first one and disabled with the last; its right to log on
//! stays for an hour longer (KB300692). Each redemption needs both, and the password that the ticket was made with:
//! only [`Account::log_on`] mints [`LoggedOn`], which the session's first gate asks for. Here the account is a row of the
//! novice's table and can do nothing but reach the session; an account of the operating system behind the same
//! three answers is a later step.

use std::time::Duration;

use ra_ticket::AssistantPassword;

use crate::moment::UnixTime;

/// The name of the account. Source: KB300692.
pub const HELP_ASSISTANT: &str = "HelpAssistant";

/// For so long after the last ticket the right to log on remains (R58).
pub const RIGHT_REMAINS: Duration = Duration::from_secs(60 * 60);

/// The account of one table of tickets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    password: AssistantPassword,
    enabled: bool,
    right: LogonRight,
}

/// "Allow log on through Terminal Services", as far as HelpAssistant has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogonRight {
    /// Not granted.
    None,
    /// Granted for as long as a ticket is open.
    Held,
    /// No ticket is open any more; in this second the right is gone.
    Until(UnixTime),
}

/// Everything that HelpAssistant could be allowed to do, so that a test can say what it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Right {
    /// Be the other side of one session, after the novice's yes.
    ReachSession,
    /// Read or write files of the computer.
    Files,
    /// Start a program.
    Programs,
    /// See or end tickets.
    Tickets,
    /// Change policy or switches.
    Policy,
}

/// The expert is logged on as HelpAssistant. Only [`Account::log_on`] makes it, and it cannot be copied.
///
/// ```compile_fail,E0423
/// let forged = ra_session::account::LoggedOn(());
/// ```
#[derive(Debug)]
#[must_use = "a logon that nobody takes lets nobody in"]
pub struct LoggedOn(());

/// Why HelpAssistant could not log on. The expert is told none of it (R29, R32).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum LogonRefused {
    /// The account is disabled.
    #[error("HelpAssistant is disabled")]
    Disabled,
    /// It may not log on through Terminal Services.
    #[error("HelpAssistant has no right to log on")]
    NoRight,
    /// The ticket was made with another password than the account has.
    #[error("the ticket does not have HelpAssistant's password")]
    Password,
}

impl Account {
    /// The account of a fresh installation: disabled, without a right (S9).
    #[must_use]
    pub fn new(password: AssistantPassword) -> Self {
        Self { password, enabled: false, right: LogonRight::None }
    }

    /// The account as a store remembers it.
    #[must_use]
    pub fn from_parts(password: AssistantPassword, enabled: bool, right: LogonRight) -> Self {
        Self { password, enabled, right }
    }

    /// A ticket is being made: the account is enabled and has its right (R2, R60). A disabled account gets the `fresh`
    /// password, so that no ticket of an earlier time can ever log on again.
    ///
    /// Returns the password for the ticket.
    pub fn ticket_made(&mut self, fresh: AssistantPassword) -> AssistantPassword {
        if !self.enabled {
            self.password = fresh;
        }
        self.enabled = true;
        self.right = LogonRight::Held;
        self.password.clone()
    }

    /// No ticket is open since `since`: the account is disabled, and its right gets a deadline (R57, R58).
    pub fn none_open(&mut self, since: UnixTime) {
        self.enabled = false;
        if self.right == LogonRight::Held {
            self.right = LogonRight::Until(since.after(RIGHT_REMAINS));
        }
    }

    /// Takes the right away when its time has come; true when that was now. It does not come back if the clock is moved
    /// back later.
    pub fn pass_time(&mut self, now: UnixTime) -> bool {
        let over = matches!(self.right, LogonRight::Until(end) if end <= now);
        if over {
            self.right = LogonRight::None;
        }
        over
    }

    /// Logs an expert on whose ticket was made with `password`.
    ///
    /// # Errors
    /// [`LogonRefused`]: the account has to be enabled *and* to have its right, for every redemption (R29).
    pub fn log_on(&self, password: &AssistantPassword, now: UnixTime) -> Result<LoggedOn, LogonRefused> {
        if !self.enabled {
            return Err(LogonRefused::Disabled);
        }
        match self.right {
            LogonRight::Held => {}
            LogonRight::Until(end) if now < end => {}
            LogonRight::Until(_) | LogonRight::None => return Err(LogonRefused::NoRight),
        }
        if self.password == *password { Ok(LoggedOn(())) } else { Err(LogonRefused::Password) }
    }

    /// Whether it can be logged on as at all.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Whether, and for how long, it may log on.
    #[must_use]
    pub fn right(&self) -> LogonRight {
        self.right
    }

    /// The password, for the store.
    #[must_use]
    pub fn password(&self) -> &AssistantPassword {
        &self.password
    }
}

impl LoggedOn {
    /// Whom the session runs for: no other account is ever logged on here (S12).
    pub const PRINCIPAL: &'static str = HELP_ASSISTANT;

    /// Whether the account may do this (S11).
    #[must_use]
    pub fn may(&self, right: Right) -> bool {
        match right {
            Right::ReachSession => true,
            Right::Files | Right::Programs | Right::Tickets | Right::Policy => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const T0: UnixTime = UnixTime(1_000_000);

    fn password(seed: u8) -> AssistantPassword {
        AssistantPassword::from_entropy(&[seed; 32])
    }

    fn later(minutes: u64, seconds: u64) -> UnixTime {
        T0.after(Duration::from_secs(60 * minutes + seconds))
    }

    #[test]
    fn s008_s009_r003_a_fresh_account_is_disabled_and_nobody_logs_on() {
        let account = Account::new(password(1));
        assert_eq!(HELP_ASSISTANT, "HelpAssistant");
        assert!(!account.is_enabled() && account.right() == LogonRight::None);
        assert_eq!(account.log_on(&password(1), T0).unwrap_err(), LogonRefused::Disabled);
    }

    #[test]
    fn s013_r002_the_first_ticket_enables_it() {
        let mut account = Account::new(password(1));
        let given = account.ticket_made(password(2));
        assert!(account.is_enabled() && account.right() == LogonRight::Held);
        assert!(account.log_on(&given, T0).is_ok());
        assert_eq!(given, password(2), "with a password of its own");
        assert_eq!(account.ticket_made(password(3)), given, "a second ticket shares it");
    }

    #[test]
    fn s012_s011_who_logs_on_is_helpassistant_and_may_reach_the_session_only() {
        let mut account = Account::new(password(1));
        let given = account.ticket_made(password(2));
        let logged_on = account.log_on(&given, T0).unwrap();
        assert_eq!(LoggedOn::PRINCIPAL, HELP_ASSISTANT);
        assert!(logged_on.may(Right::ReachSession));
        for right in [Right::Files, Right::Programs, Right::Tickets, Right::Policy] {
            assert!(!logged_on.may(right), "{right:?}");
        }
        assert_eq!(account.log_on(&password(9), T0).unwrap_err(), LogonRefused::Password, "no other password");
    }

    #[test]
    fn s057_s058_r057_r058_disabled_with_the_last_ticket_and_an_hour_later_the_right_is_gone() {
        let mut account = Account::new(password(1));
        let given = account.ticket_made(password(2));
        account.none_open(T0);
        assert_eq!(account.log_on(&given, T0).unwrap_err(), LogonRefused::Disabled, "in the same transition");
        assert!(!account.pass_time(later(59, 59)));
        assert_eq!(account.right(), LogonRight::Until(later(60, 0)));
        assert!(account.pass_time(later(60, 0)));
        assert_eq!(account.right(), LogonRight::None);
        assert!(!account.pass_time(T0) && account.right() == LogonRight::None, "a clock set back brings nothing back");
    }

    #[test]
    fn r060_a_new_ticket_within_the_hour_cancels_the_removal() {
        let mut account = Account::new(password(1));
        let old = account.ticket_made(password(2));
        account.none_open(T0);
        assert!(!account.pass_time(later(59, 0)));
        let new = account.ticket_made(password(3));
        assert!(!account.pass_time(later(600, 0)), "the timer is cancelled");
        assert!(account.log_on(&new, later(600, 0)).is_ok());
        assert_eq!(account.log_on(&old, later(600, 0)).unwrap_err(), LogonRefused::Password, "old tickets stay out");
    }

    #[test]
    fn r029_enabled_and_the_right_are_both_needed() {
        let right = password(1);
        for (enabled, logon, expected) in [
            (true, LogonRight::Held, None),
            (true, LogonRight::Until(later(1, 0)), None),
            (true, LogonRight::Until(T0), Some(LogonRefused::NoRight)),
            (true, LogonRight::None, Some(LogonRefused::NoRight)),
            (false, LogonRight::Held, Some(LogonRefused::Disabled)),
            (false, LogonRight::None, Some(LogonRefused::Disabled)),
        ] {
            let account = Account::from_parts(right.clone(), enabled, logon);
            assert_eq!(account.log_on(&right, T0).err(), expected, "{enabled} {logon:?}");
        }
    }

    proptest! {
        /// Whatever happens in whatever order: nobody logs on while no ticket is open, and the right ends an hour after the
        /// last one.
        #[test]
        fn r057_r058_r060_random_lives_of_an_account(steps in prop::collection::vec((0..3_u8, 0..5000_u64), 1..60)) {
            let mut account = Account::new(password(0));
            let (mut now, mut open, mut last) = (T0, 0_u32, None);
            let mut given = password(0);
            for (seed, (what, seconds)) in steps.into_iter().enumerate() {
                now = now.after(Duration::from_secs(seconds));
                account.pass_time(now);
                match what {
                    0 => {
                        given = account.ticket_made(password(u8::try_from(seed).unwrap()));
                        (open, last) = (open + 1, None);
                    }
                    1 if open > 0 => {
                        open -= 1;
                        if open == 0 {
                            account.none_open(now);
                            last = Some(now);
                        }
                    }
                    _ => {}
                }
                prop_assert_eq!(account.log_on(&given, now).is_ok(), open > 0);
                let expected = match last {
                    _ if open > 0 => LogonRight::Held,
                    Some(end) if now < end.after(RIGHT_REMAINS) => LogonRight::Until(end.after(RIGHT_REMAINS)),
                    _ => LogonRight::None,
                };
                prop_assert_eq!(account.right(), expected);
            }
        }
    }
}
