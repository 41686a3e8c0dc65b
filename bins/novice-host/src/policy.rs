//! `novice-host policy`: what is allowed on this computer, who decided it, and whether a policy file can be used.

use std::path::Path;

use miette::{LabeledSpan, NamedSource, Report, miette};
use ra_novice::policy::{EffectivePolicy, Found, PolicyFile, Unusable, publish};
use ra_novice::settings::Paths;
use ra_policy::{Decision, Layer, Policy, Settings, Source, Value};
use serde_json::json;

use crate::cli;
use crate::failure::Failure;
use crate::tell::Teller;
use crate::words;

/// Shows, explains, checks or publishes.
pub(crate) fn run(what: &cli::Policy, teller: &Teller) -> Result<(), Failure> {
    match what {
        cli::Policy::Show => show(&EffectivePolicy::read(&Paths::from_environment()?), teller),
        cli::Policy::Explain => explain(&EffectivePolicy::read(&Paths::from_environment()?), teller),
        cli::Policy::Check { file } => return check(file, teller),
        cli::Policy::Publish => return publish_all(teller),
    }
    Ok(())
}

fn show(effective: &EffectivePolicy, teller: &Teller) {
    let policy = &effective.policy;
    let (invite, control) = (policy.may_invite().map(drop), policy.may_control().map(drop));
    let offered = policy.may_be_offered();
    let longest = policy.longest_ticket();
    let files: Vec<_> = effective.files.iter().filter(|file| !matches!(file.found, Found::Nothing)).collect();
    teller.event(
        "policy",
        json!({
            "invitations": invite.is_ok(),
            "control": control.is_ok(),
            "offers": offered.is_ok(),
            "encrypted_only": policy.encrypted_only(),
            "longest_seconds": longest.as_secs(),
            "official_relays": official(policy),
            "files": files.iter().map(|file| json!({
                "layer": file.source.name(),
                "file": file.path.to_string_lossy(),
                "usable": matches!(file.found, Found::Settings(_)),
            })).collect::<Vec<_>>(),
        }),
    );
    let verdict = |verdict: Result<(), ra_policy::Denied>| {
        verdict.map_or_else(|denied| format!("no: {denied}"), |()| "yes".into())
    };
    teller.say(&format!("Inviting somebody   {}", verdict(invite)));
    teller.say(&format!("Giving control      {}", verdict(control)));
    teller.say(&format!("Offering help       {}", verdict(offered)));
    teller.say(&format!("Longest invitation  {}", words::duration(longest)));
    teller.say(&format!(
        "Relays              {}",
        match policy.official_relays() {
            Err(denied) => format!("none: {denied}"),
            Ok(None) => "those that are named, or listed in the settings".to_owned(),
            Ok(Some(official)) if official.is_empty() =>
                "none: this computer is reached by its addresses only".to_owned(),
            Ok(Some(official)) => {
                let official: Vec<_> = official.iter().map(ToString::to_string).collect();
                format!("only {}", official.join(", "))
            }
        }
    ));
    if files.is_empty() {
        teller.say("No policy file is in use: these are the defaults.");
    }
    for file in files {
        match &file.found {
            Found::Unusable(why) => {
                teller.say(&format!("{}: cannot be used, so nothing is allowed: {}", file.path.display(), why.reason));
            }
            Found::Settings(settings) => {
                teller.say(&format!("{}: in use", file.path.display()));
                warn(settings, teller);
            }
            _ => {}
        }
    }
    teller.say("`novice-host policy explain` says which file decided what.");
}

/// The relays that policy allows, for programs; null where it says nothing about them.
pub(crate) fn official(policy: &Policy) -> serde_json::Value {
    let list = |official: std::collections::BTreeSet<ra_policy::RelayAddress>| {
        official.iter().map(ToString::to_string).collect::<Vec<_>>().into()
    };
    match policy.official_relays() {
        Ok(official) => official.map_or(serde_json::Value::Null, list),
        Err(_) => json!([]),
    }
}

fn explain(effective: &EffectivePolicy, teller: &Teller) {
    for (name, fields) in explanation(effective) {
        teller.event(name, fields);
    }
    for (layer, reason) in effective.policy.unusable() {
        teller.say(&format!("NOTHING IS ALLOWED: {} cannot be used: {reason}", layer.name));
    }
    for decision in effective.policy.decisions() {
        let value = decision.value.as_ref().map_or_else(|| "not configured".to_owned(), ToString::to_string);
        teller.say(&format!("{} = {value}", decision.setting.name()));
        teller.say(&match decision.by {
            Some(layer) => format!("    decided by {} ({})", layer.name, called(layer.source)),
            None => "    the default".to_owned(),
        });
        for (layer, value) in decision.others {
            teller.say(&format!("    {} ({}) says {value}", layer.name, called(layer.source)));
        }
    }
}

/// Each value with the layer and the file that decided it, for programs; files that cannot be used come first.
fn explanation(effective: &EffectivePolicy) -> Vec<(&'static str, serde_json::Value)> {
    let place = |layer: &Layer| json!({ "layer": layer.source.name(), "file": layer.name });
    let with = |mut place: serde_json::Value, name: &str, what: serde_json::Value| {
        place[name] = what;
        place
    };
    let unusable = effective.policy.unusable();
    let unusable = unusable.map(|(layer, reason)| ("policy_unusable", with(place(layer), "reason", reason.into())));
    let decided = effective.policy.decisions().map(|Decision { setting, value, by, others }| {
        let mut fields = by.map_or_else(|| json!({ "layer": "default", "file": null }), place);
        fields["setting"] = setting.name().into();
        fields["value"] = value.as_ref().map_or(serde_json::Value::Null, in_json);
        let others = others.into_iter().map(|(layer, value)| with(place(layer), "value", in_json(value)));
        fields["others"] = others.collect::<Vec<_>>().into();
        ("policy_value", fields)
    });
    unusable.chain(decided).collect()
}

/// A value as a file would have it; a time as its number and its unit.
pub(crate) fn in_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Switch(on) => u32::from(*on).into(),
        Value::Time(time) => json!({ "number": time.number(), "units": time.units().to_string() }),
        Value::Number(number) => (*number).into(),
        Value::Text(text) => text.as_str().into(),
        Value::Names(names) => names.iter().map(|name| name.as_str()).collect::<Vec<_>>().into(),
        Value::Relays(relays) => relays.iter().map(|relay| relay.as_str()).collect::<Vec<_>>().into(),
    }
}

fn called(source: Source) -> &'static str {
    match source {
        Source::GroupPolicy => "group policy",
        Source::Machine => "policy of this computer",
        Source::MachineSwitches => "switches of this computer",
        Source::Extra => "RA_POLICY_FILE",
        Source::OwnSwitches => "your own switches",
    }
}

fn check(file: &Path, teller: &Teller) -> Result<(), Failure> {
    match PolicyFile::check(file).found {
        Found::Settings(settings) => {
            teller.event("policy_checked", json!({ "file": file.to_string_lossy(), "usable": true }));
            teller.say(&format!("{}: a valid policy", file.display()));
            warn(&settings, teller);
            Ok(())
        }
        Found::Unusable(Unusable { reason, text, span }) => {
            teller.event(
                "policy_checked",
                json!({ "file": file.to_string_lossy(), "usable": false, "reason": reason, "line": line(&text, &span) }),
            );
            Err(match text {
                Some(text) => Failure::report(pointing(file, &reason, text, span)),
                None => Failure::other(format!("{}: {reason}", file.display())),
            })
        }
        _ => Err(Failure::other(format!("{}: no such file", file.display()))),
    }
}

fn publish_all(teller: &Teller) -> Result<(), Failure> {
    let paths = Paths::from_environment()?;
    if !rustix::process::geteuid().is_root() {
        return Err(Failure::other("only the administrator can publish the policy of this computer")
            .advice("Run it as root, or start remote-assistance-policy.service."));
    }
    let (file, count) =
        publish(paths.places()).map_err(|error| Failure::cannot_write(crate::failure::chain(&error)))?;
    teller.event("policy_published", json!({ "file": file.to_string_lossy(), "policies": count }));
    teller.say(&format!("{}: {count} group policies, for the users of this computer", file.display()));
    Ok(())
}

fn warn(settings: &Settings, teller: &Teller) {
    for warning in settings.warnings() {
        teller.say(&format!("  note: {warning}"));
    }
}

/// The line that is wrong, counted from one.
fn line(text: &Option<String>, span: &Option<std::ops::Range<usize>>) -> Option<usize> {
    let before = text.as_ref()?.get(..span.as_ref()?.start)?;
    Some(before.matches('\n').count() + 1)
}

/// A message with the place in the file.
fn pointing(file: &Path, reason: &str, text: String, span: Option<std::ops::Range<usize>>) -> Report {
    let labels: Vec<_> =
        span.map(|span| LabeledSpan::new_with_span(Some("here".to_owned()), span)).into_iter().collect();
    miette!(labels = labels, "not a valid policy: {reason}")
        .with_source_code(NamedSource::new(file.to_string_lossy(), text))
}

#[cfg(test)]
mod tests;
