//! `novice-host policy`: what the administrator of this computer allows, and whether a policy file can be used.

use std::path::Path;

use miette::{LabeledSpan, NamedSource, Report, miette};
use ra_novice::settings::{EffectivePolicy, Found, Paths, PolicyLayer};
use ra_policy::Policy;
use serde_json::json;

use crate::cli;
use crate::failure::Failure;
use crate::tell::Teller;
use crate::words;

/// Shows the policy in force, or checks a file.
pub(crate) fn run(what: &cli::Policy, teller: &Teller) -> Result<(), Failure> {
    match what {
        cli::Policy::Show => {
            let effective = EffectivePolicy::read(&Paths::from_environment()?);
            show(&effective, teller);
            Ok(())
        }
        cli::Policy::Check { file } => check(file, teller),
    }
}

fn show(effective: &EffectivePolicy, teller: &Teller) {
    let policy = &effective.policy;
    let (invite, control) = (policy.may_invite().map(drop), policy.may_control().map(drop));
    let longest = policy.longest_ticket();
    let files: Vec<_> = effective.layers.iter().filter(|layer| !matches!(layer.found, Found::Nothing)).collect();
    teller.event(
        "policy",
        json!({
            "invitations": invite.is_ok(),
            "control": control.is_ok(),
            "longest_seconds": longest.as_secs(),
            "files": files.iter().map(|layer| json!({
                "file": layer.path.to_string_lossy(),
                "usable": matches!(layer.found, Found::Policy(_)),
            })).collect::<Vec<_>>(),
        }),
    );
    let verdict = |verdict: Result<(), ra_policy::Denied>| {
        verdict.map_or_else(|denied| format!("no: {denied}"), |()| "yes".into())
    };
    teller.say(&format!("Inviting somebody   {}", verdict(invite)));
    teller.say(&format!("Giving control      {}", verdict(control)));
    teller.say(&format!("Longest invitation  {}", words::duration(longest)));
    if files.is_empty() {
        teller.say("No policy file is in use: these are the defaults.");
    }
    for layer in files {
        match &layer.found {
            Found::Unreadable { reason, .. } => {
                teller.say(&format!("{}: cannot be used, so nothing is allowed: {reason}", layer.path.display()));
            }
            Found::Policy(policy) => {
                teller.say(&format!("{}: in use", layer.path.display()));
                warn(policy, teller);
            }
            _ => {}
        }
    }
}

fn check(file: &Path, teller: &Teller) -> Result<(), Failure> {
    match PolicyLayer::read(file.to_owned()).found {
        Found::Policy(policy) => {
            teller.event("policy_checked", json!({ "file": file.to_string_lossy(), "usable": true }));
            teller.say(&format!("{}: a valid policy", file.display()));
            warn(&policy, teller);
            Ok(())
        }
        Found::Unreadable { reason, text: Some(text), span } => {
            Err(Failure::report(pointing(file, &reason, text, span)))
        }
        Found::Unreadable { reason, .. } => Err(Failure::other(format!("{}: {reason}", file.display()))),
        _ => Err(Failure::other(format!("{}: no such file", file.display()))),
    }
}

fn warn(policy: &Policy, teller: &Teller) {
    for warning in policy.warnings() {
        teller.say(&format!("  note: {warning}"));
    }
}

/// A message with the place in the file.
fn pointing(file: &Path, reason: &str, text: String, span: Option<std::ops::Range<usize>>) -> Report {
    let labels: Vec<_> =
        span.map(|span| LabeledSpan::new_with_span(Some("here".to_owned()), span)).into_iter().collect();
    miette!(labels = labels, "not a valid policy: {reason}")
        .with_source_code(NamedSource::new(file.to_string_lossy(), text))
}
