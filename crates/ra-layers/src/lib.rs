//! What the administrator of this computer and its user decided: every layer, found, trusted and read.
//!
//! The layers, the highest first: group policy (`Registry.pol`, as Samba and adsys leave it), the machine's
//! `policy.toml` and `policy.d/*.toml`, the machine's local switches, the file that `RA_POLICY_FILE` names, the user's
//! local switches. `ra-policy` joins them. What the ticket says and what the person answers comes after them.
//!
//! In the story this crate stands before the first gate, on both sides: it opens the files that `ra-policy` never opens. It never
//! writes one, and nothing here fails: a file that exists and cannot be read, understood or trusted is a layer that allows nothing.
//!
//! ```
//! use ra_layers::{EffectivePolicy, Sources};
//!
//! let effective = EffectivePolicy::read(Sources::of_the_machine());
//! if let Err(denied) = effective.policy.may_invite() {
//!     println!("{denied}");
//! }
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test stops at the first surprise"))]

mod group;
pub mod groups;
mod places;
mod sources;
mod trust;

use std::ops::Range;
use std::path::{Path, PathBuf};

use ra_policy::{Layer, Policy, PolicyText, Settings, Source, registry};

pub use group::{Publication, publication};
pub use places::{MACHINE_CONFIG, Places, SWITCHES};
pub use sources::Sources;
pub use trust::Trust;

/// The policy in force on this machine for its user, and where each part of it was read.
#[derive(Debug)]
pub struct EffectivePolicy {
    /// What all layers together allow: the strictest of them.
    pub policy: Policy,
    /// Every file that was looked for, in order.
    pub files: Vec<PolicyFile>,
}

/// One policy file that was looked for.
#[derive(Debug)]
pub struct PolicyFile {
    /// Of which layer it is.
    pub source: Source,
    /// The file.
    pub path: PathBuf,
    /// What it said.
    pub found: Found,
}

/// What a policy file said.
#[derive(Debug)]
pub enum Found {
    /// There is no such file: nothing is configured here.
    Nothing,
    /// It was read; what it says to this user.
    Settings(Settings),
    /// It is there and says nothing that can be used, so nobody gets help until it is repaired (P10).
    Unusable(Unusable),
}

/// Why a policy file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    /// What is wrong, for the administrator.
    pub reason: String,
    /// The text as far as it could be read, so that a program can point into it.
    pub text: Option<String>,
    /// Which bytes of the text are wrong.
    pub span: Option<Range<usize>>,
}

impl EffectivePolicy {
    /// Reads every layer.
    ///
    /// Never fails: a file that is there but cannot be used means no help at all (P10), and [`EffectivePolicy::trouble`]
    /// says which. Logs nothing, since it is read for every stranger who connects.
    #[must_use]
    pub fn read(sources: impl Into<Sources>) -> Self {
        let sources = sources.into();
        let reader = Reader { groups: groups::OfUser::new(sources.groups.clone()), sources };
        let files = reader.read_all();
        let policy = Policy::of(files.iter().filter_map(|file| {
            let name = file.path.display().to_string();
            match &file.found {
                Found::Nothing => None,
                Found::Settings(settings) => Some(Layer::new(file.source, name, settings.clone())),
                Found::Unusable(why) => Some(Layer::unusable(file.source, name, why.reason.clone())),
            }
        }));
        Self { policy, files }
    }

    /// The first file that is there and cannot be used, and why, for the administrator; `None` when all is well.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.policy.unusable().next().map(|(layer, reason)| format!("{}: {reason}", layer.name))
    }
}

impl PolicyFile {
    /// Reads a file to see whether it could be used: a `Registry.pol`, or TOML for everybody. Whose it is does not matter
    /// here.
    #[must_use]
    pub fn check(path: &Path) -> Self {
        let found = match trust::read(path, Trust::Anybody, registry::MAX_REGISTRY_BYTES) {
            Ok(None) => Found::Nothing,
            Ok(Some(bytes)) if bytes.starts_with(b"PReg") => registry_file(&bytes),
            Ok(Some(bytes)) => match text_of(bytes).and_then(|text| parsed(&text)) {
                Ok(text) => Found::Settings(text.for_member_of(&[])),
                Err(why) => Found::Unusable(why),
            },
            Err(reason) => Unusable::because(reason),
        };
        Self { source: Source::Extra, path: path.to_owned(), found }
    }
}

impl Unusable {
    fn because(reason: impl Into<String>) -> Found {
        Found::Unusable(Self { reason: reason.into(), text: None, span: None })
    }
}

struct Reader {
    sources: Sources,
    groups: groups::OfUser,
}

impl Reader {
    fn read_all(&self) -> Vec<PolicyFile> {
        let Sources { places, more, switches, .. } = &self.sources;
        let machine = Trust::Owner(places.administrator);
        let mut files = group::read(places);

        files.push(self.policy_text(Source::Machine, places.machine.join("policy.toml"), machine));
        let directory = places.machine.join("policy.d");
        match trust::listed(&directory, machine) {
            Ok(names) => {
                files.extend(names.into_iter().map(|path| self.policy_text(Source::Machine, path, machine)));
            }
            Err(reason) => {
                files.push(PolicyFile { source: Source::Machine, path: directory, found: Unusable::because(reason) });
            }
        }
        files.push(switches_file(Source::MachineSwitches, places.machine.join(SWITCHES), machine));
        files
            .extend(more.clone().map(|path| self.policy_text(Source::Extra, path, Trust::OwnOr(places.administrator))));
        if let Some(own) = switches
            && *own != places.machine.join(SWITCHES)
        {
            files.push(switches_file(Source::OwnSwitches, own.clone(), Trust::OwnOr(places.administrator)));
        }
        files
    }

    fn policy_text(&self, source: Source, path: PathBuf, trust: Trust) -> PolicyFile {
        let read = || -> Result<Option<Settings>, Unusable> {
            let Some(text) = text_at(&path, trust)? else { return Ok(None) };
            let policy = parsed(&text)?;
            if policy.groups().next().is_none() {
                return Ok(Some(policy.for_member_of(&[])));
            }
            let groups = self.groups.names().map_err(|error| {
                let reason =
                    format!("it has sections for groups, and the groups of this user cannot be found: {error}");
                Unusable { reason, text: None, span: None }
            })?;
            Ok(Some(policy.for_member_of(groups)))
        };
        let found = found(read());
        PolicyFile { source, path, found }
    }
}

/// A file of local switches.
#[must_use]
pub fn switches_file(source: Source, path: PathBuf, trust: Trust) -> PolicyFile {
    let read = || -> Result<Option<Settings>, Unusable> {
        let Some(text) = text_at(&path, trust)? else { return Ok(None) };
        PolicyText::switches_from_toml(&text).map(Some).map_err(|error| Unusable {
            reason: error.to_string(),
            span: error.span(),
            text: Some(text.clone()),
        })
    };
    let found = found(read());
    PolicyFile { source, path, found }
}

fn registry_file(bytes: &[u8]) -> Found {
    match registry::read(bytes) {
        Ok(entries) => Found::Settings(registry::settings(&entries)),
        Err(error) => Unusable::because(error.to_string()),
    }
}

fn found(read: Result<Option<Settings>, Unusable>) -> Found {
    match read {
        Ok(Some(settings)) => Found::Settings(settings),
        Ok(None) => Found::Nothing,
        Err(why) => Found::Unusable(why),
    }
}

fn text_at(path: &Path, trust: Trust) -> Result<Option<String>, Unusable> {
    match trust::read(path, trust, ra_policy::MAX_POLICY_BYTES) {
        Ok(bytes) => bytes.map(text_of).transpose(),
        Err(reason) => Err(Unusable { reason, text: None, span: None }),
    }
}

/// A text of the administrator beside the policies, read with the same distrust; `None` where there is none.
///
/// # Errors
///
/// When it is there and cannot be read, is no text, or is not to be believed; in words.
pub fn read_text(path: &Path, trust: Trust) -> Result<Option<String>, String> {
    text_at(path, trust).map_err(|why| why.reason)
}

fn text_of(bytes: Vec<u8>) -> Result<String, Unusable> {
    String::from_utf8(bytes).map_err(|_| Unusable { reason: "it is not text".to_owned(), text: None, span: None })
}

fn parsed(text: &str) -> Result<PolicyText, Unusable> {
    PolicyText::from_toml(text).map_err(|error| Unusable {
        reason: error.to_string(),
        span: error.span(),
        text: Some(text.to_owned()),
    })
}
