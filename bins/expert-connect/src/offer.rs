//! `expert-connect offer` and `identity`: help without an invitation, by a key that the other side knows or by the password of
//! an account there.

use std::sync::Arc;

use ra_expert::{Plan, Way};
use ra_ticket::{AccountName, Endpoint, Host};
use serde_json::json;

use crate::cli::{Common, Connect};
use crate::failure::Failure;
use crate::report::{self, Report};
use crate::state::State;
use crate::terminal::Terminal;
use crate::{Headless, Signals, conclude, open, session, wants_to_connect};

/// `expert-connect identity show`
pub(crate) fn show_identity(common: &Common) -> Result<(), Failure> {
    let (identity, made) = State::of_this_user()?.identity_or_new()?;
    let key = identity.fingerprint();
    Report::new(common.json, String::new()).note("identity", &json!({ "key": key.to_string(), "made": made }));
    if !common.json {
        if made {
            report::print("This is your first use of it: a key was made for you.");
        }
        report::print(&format!(
            "Your key is\n\n  {key}\n\n\
             An administrator who wants your help writes it into the policy of the computer,\n\n  \
             RAUnsolicit = [\"{key}\"]\n\n\
             or binds it to an account of that computer in /etc/remote-assistance/helpers.toml:\n\n  \
             \"{key}\" = \"{account}\"",
            account = std::env::var("USER").ok().filter(|name| !name.is_empty()).unwrap_or_else(|| "lee".to_owned()),
        ));
    }
    Ok(())
}

/// `expert-connect offer HOST[:PORT] [--account NAME]`
pub(crate) fn offer(host: &str, account: Option<&str>, options: Connect, common: &Common) -> Result<(), Failure> {
    let signals = Signals::watch().map_err(|error| Failure::Engine(error.to_string()))?;
    let endpoint = endpoint(host)?;
    let account = account.map(AccountName::new).transpose().map_err(|error| Failure::Usage(error.to_string()))?;
    let state = State::of_this_user()?;
    // Whoever is known by an account needs no key.
    let identity = if account.is_some() { None } else { Some(state.identity_or_new()?) };
    let known = state.known(&endpoint)?;
    let novice = endpoint.host.to_string();
    let report = Report::new(common.json, novice.clone());
    let proof = match (&account, &identity) {
        (Some(account), _) => format!("Your account there:  {account}"),
        (None, Some((identity, _))) => format!("Your key:  {}", identity.fingerprint()),
        (None, None) => String::new(),
    };
    let text = format!(
        "You offer help to {endpoint} without an invitation.\n\n  \
         {proof}\n\n\
         Its user is asked whether you may see the desktop, and nothing is shown before.\n"
    );
    if !common.json {
        if identity.as_ref().is_some_and(|(_, made)| *made) {
            report::print("This is your first offer: a key was made for you. Its administrator has to list it first.");
        }
        report::print(&text);
    }
    if !options.yes && !wants_to_connect(&text, common)? {
        return Ok(());
    }
    let mut wishes = crate::wishes(&options);
    wishes.identity = identity.map(|(identity, _)| Arc::new(identity));
    let plan = Plan::offer(endpoint, known);
    let plan = match account {
        Some(account) => {
            let password = open::given_account_password(&options.password)?;
            if password.is_none() && Terminal::open().is_err() {
                return Err(Failure::NoTerminal { missing: "the password; use --password-file" });
            }
            plan.as_account(account, password)
        }
        None => plan,
    };
    let reason = session(plan, Way::Dial, options, wishes, Headless { report, state: Some(state) }, &signals, novice)?;
    conclude(reason, common)
}

/// A computer as a person names it: a name or an address, with a port or without.
fn endpoint(text: &str) -> Result<Endpoint, Failure> {
    let bare = text.trim();
    let wrong = |error: ra_ticket::EndpointError| Failure::Usage(format!("{bare}: {error}"));
    match bare.parse::<Endpoint>() {
        Ok(endpoint) => Ok(endpoint),
        // An IPv6 address by itself is full of colons and has no port.
        Err(error) => match bare.trim_start_matches('[').trim_end_matches(']').parse::<Host>() {
            Ok(host) => Endpoint::new(host, PORT).map_err(wrong),
            Err(_) => Err(wrong(error)),
        },
    }
}

/// Remote Desktop's own.
const PORT: u16 = 3389;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;

    #[test]
    fn s118_a_computer_is_named_by_its_name_or_address_with_or_without_a_port() {
        for (text, expected) in [
            ("kim-pc", "kim-pc:3389"),
            ("kim-pc:4000", "kim-pc:4000"),
            ("192.0.2.5", "192.0.2.5:3389"),
            ("192.0.2.5:1", "192.0.2.5:1"),
            ("2001:db8::5", "[2001:db8::5]:3389"),
            ("[2001:db8::5]", "[2001:db8::5]:3389"),
            ("[2001:db8::5]:99", "[2001:db8::5]:99"),
        ] {
            assert_eq!(endpoint(text).unwrap().to_string(), expected);
        }
        for wrong in ["", "kim-pc:0", "kim-pc:99999", "kim pc", "1128.54.161.5"] {
            assert!(endpoint(wrong).is_err(), "{wrong}");
        }
    }
}
