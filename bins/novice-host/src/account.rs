//! `novice-host account`: HelpAssistant, the one-purpose account that experts with an invitation are logged on as.

use std::time::SystemTime;

use ra_novice::settings::Paths;
use ra_novice::store::Store;
use ra_session::account::{Account, HELP_ASSISTANT, LogonRight};
use serde_json::json;

use crate::cli;
use crate::failure::Failure;
use crate::tell::Teller;
use crate::words;

/// Says how the account stands.
pub(crate) fn run(what: &cli::Account, teller: &Teller) -> Result<(), Failure> {
    let cli::Account::Status = what;
    let paths = Paths::from_environment()?;
    let now = crate::now();
    // Where no invitation was ever made there is no table, and looking at the account makes none.
    let account = match paths.store().try_exists() {
        Ok(false) => None,
        _ => Some(Store::open(&paths.store())?.account(now)?),
    };
    let enabled = account.as_ref().is_some_and(Account::is_enabled);
    let right = account.as_ref().map_or(LogonRight::None, Account::right);
    let (word, until) = match right {
        LogonRight::None => ("none", None),
        LogonRight::Held => ("held", None),
        LogonRight::Until(end) => ("until", Some(words::at(end.0))),
    };
    teller.event(
        "account",
        json!({
            "name": HELP_ASSISTANT,
            "enabled": enabled,
            "logon_right": word,
            "until": until.map(words::rfc3339),
        }),
    );
    let state = if enabled { "enabled: an invitation is open" } else { "disabled: no invitation is open" };
    teller.say(&format!("Account      {HELP_ASSISTANT}"));
    teller.say(&format!("State        {state}"));
    teller.say(&match until {
        Some(until) => format!("Logon right  until {}", words::local(until, SystemTime::now())),
        None if right == LogonRight::Held => "Logon right  for as long as an invitation is open".to_owned(),
        None => "Logon right  none".to_owned(),
    });
    Ok(())
}
