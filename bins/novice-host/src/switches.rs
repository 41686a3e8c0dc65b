//! `novice-host settings`: the local switches, as the original has them in its control panel.

use ra_novice::policy::{Found, SwitchError, set_switch, switches};
use ra_novice::settings::Paths;
use ra_policy::{Setting, Settings};
use serde_json::json;

use crate::cli;
use crate::failure::Failure;
use crate::policy::in_json;
use crate::tell::Teller;

/// Shows the switches or sets one.
pub(crate) fn run(what: &cli::Settings, teller: &Teller) -> Result<(), Failure> {
    let paths = Paths::from_environment()?;
    match what {
        cli::Settings::Show => show(&paths, teller),
        cli::Settings::Set { name, value } => set(&paths, name, value, teller),
    }
}

fn show(paths: &Paths, teller: &Teller) -> Result<(), Failure> {
    let file = paths.switches();
    let settings = match switches(paths) {
        Found::Unusable(why) => {
            return Err(Failure::other(format!("{}: {}", file.display(), why.reason))
                .advice("Nobody gets help until it is repaired or removed."));
        }
        Found::Settings(settings) => settings,
        _ => Settings::default(),
    };
    for setting in Setting::ALL.iter().filter(|setting| setting.is_local_switch()) {
        let value = settings.value(*setting);
        teller.event(
            "setting",
            json!({ "setting": setting.name(), "value": value.map(in_json), "file": file.to_string_lossy() }),
        );
        let shown = value.map_or_else(|| "not configured".to_owned(), ToString::to_string);
        teller.say(&format!("{:28}{shown:16}{}", setting.name(), meaning(*setting)));
    }
    teller.say(&format!("They stand in {}. `novice-host policy explain` says what holds.", file.display()));
    Ok(())
}

fn set(paths: &Paths, name: &str, value: &str, teller: &Teller) -> Result<(), Failure> {
    let numbers = numbers(name, value).map_err(Failure::usage)?;
    let mut file = paths.switches();
    for (name, number) in numbers {
        file = set_switch(paths, name, number).map_err(|error| match &error {
            SwitchError::Unknown { .. } => Failure::usage(error.to_string())
                .advice("`novice-host settings show` names them; the others are for a policy."),
            SwitchError::Value { .. } => Failure::usage(error.to_string()),
            SwitchError::Write { .. } => Failure::cannot_write(crate::failure::chain(&error)),
            _ => Failure::chain(&error),
        })?;
    }
    teller.event("setting", json!({ "setting": name, "value": value, "file": file.to_string_lossy() }));
    teller.say(&format!("{name} is {value} now, in {}.", file.display()));
    Ok(())
}

/// What has to be written: nothing configured for `default`, and two numbers for a time such as `6h`.
fn numbers<'a>(name: &'a str, value: &str) -> Result<Vec<(&'a str, Option<u32>)>, String> {
    let number = match value {
        "on" | "yes" => Some(1),
        "off" | "no" => Some(0),
        "default" => None,
        _ => match value.parse() {
            Ok(number) => Some(number),
            Err(_) => return time(name, value).ok_or_else(|| format!("{name} takes on, off, a number or default")),
        },
    };
    Ok(vec![(name, number)])
}

fn time<'a>(name: &'a str, value: &str) -> Option<Vec<(&'a str, Option<u32>)>> {
    let (number, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    let units = match unit {
        "m" => 0,
        "h" => 1,
        "d" => 2,
        _ => return None,
    };
    let number = number.parse().ok()?;
    (name == Setting::MaxTicketExpiry.name()).then(|| vec![(name, Some(number)), ("MaxTicketExpiryUnits", Some(units))])
}

fn meaning(setting: Setting) -> &'static str {
    match setting {
        Setting::AllowToGetHelp => "may invitations be sent from this computer, and experts connect",
        Setting::AllowFullControl => "may this computer be controlled by an expert",
        Setting::MaxTicketExpiry => "how long an invitation may be open",
        Setting::AllowBuddyHelp => "may anybody be invited, or only official helpers",
        Setting::CreateEncryptedOnlyTickets => "only invitations for newer programs, encrypted",
        Setting::EnableChatControl => "is chat offered",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_said_in_words_numbers_or_times() {
        assert_eq!(numbers("fAllowToGetHelp", "off"), Ok(vec![("fAllowToGetHelp", Some(0))]));
        assert_eq!(numbers("fAllowToGetHelp", "default"), Ok(vec![("fAllowToGetHelp", None)]));
        assert_eq!(
            numbers("MaxTicketExpiry", "6h"),
            Ok(vec![("MaxTicketExpiry", Some(6)), ("MaxTicketExpiryUnits", Some(1))])
        );
        for (name, value) in
            [("fAllowToGetHelp", "6h"), ("fAllowToGetHelp", "maybe"), ("MaxTicketExpiry", "é"), ("x", "")]
        {
            assert!(numbers(name, value).is_err(), "{name} {value}");
        }
    }
}
