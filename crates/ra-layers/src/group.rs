//! Group policy: what the clients of a domain fetched, and what root publishes of it for the computer's users.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ra_policy::{Raw, Settings, Source, registry};
use serde::{Deserialize, Serialize};

use crate::trust::{self, Trust};
use crate::{Found, Places, PolicyFile, Unusable, registry_file};

/// Reads group policy: root from the caches, others from what root has published.
pub(crate) fn read(places: &Places) -> Vec<PolicyFile> {
    if places.reads_caches {
        return places.caches.iter().flat_map(|cache| read_cache(cache, places.administrator)).collect();
    }
    let path = places.published.clone();
    let file = |found| PolicyFile { source: Source::GroupPolicy, path: path.clone(), found };
    match trust::read(&path, Trust::Owner(places.administrator), registry::MAX_REGISTRY_BYTES) {
        Ok(Some(bytes)) => match serde_json::from_slice::<Published>(&bytes) {
            Ok(published) if published.version == VERSION => published.files.into_iter().map(Into::into).collect(),
            Ok(_) => vec![file(Unusable::because("it was written by another version of novice-host"))],
            Err(error) => vec![file(Unusable::because(format!("it makes no sense: {error}")))],
        },
        Ok(None) => match places.caches.iter().find(|cache| may_exist(cache)) {
            Some(cache) => {
                let reason = "this computer has group policy, and nothing of it is published for its users: start \
                              remote-assistance-policy.service, or run `novice-host policy publish` as root";
                vec![PolicyFile { source: Source::GroupPolicy, path: cache.clone(), found: Unusable::because(reason) }]
            }
            None => vec![file(Found::Nothing)],
        },
        Err(reason) => vec![file(Unusable::because(reason))],
    }
}

/// What root publishes for the users of this computer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The text of the file.
    pub text: Vec<u8>,
    /// How many policies are in it.
    pub count: usize,
}

/// The group policy of this computer, as its users read it from [`Places::published`]. For root.
///
/// A cache that cannot be used is published as such, so that it means the same to everybody.
///
/// # Errors
///
/// When it cannot be written as text, which no policy is known to cause.
pub fn publication(places: &Places) -> io::Result<Publication> {
    let files: Vec<_> = places.caches.iter().flat_map(|cache| read_cache(cache, places.administrator)).collect();
    let count = files.len();
    let published = Published { version: VERSION, files: files.into_iter().map(Into::into).collect() };
    Ok(Publication { text: serde_json::to_vec_pretty(&published)?, count })
}

/// Every `Machine/Registry.pol` of a cache, in the order of its path. Which of them goes before which is not in the
/// files; each is a layer, so that of two that differ the stricter holds.
fn read_cache(cache: &Path, administrator: u32) -> Vec<PolicyFile> {
    let file = |path: PathBuf, found| PolicyFile { source: Source::GroupPolicy, path, found };
    let mut paths = Vec::new();
    match collect(cache, administrator, DEEPEST, &mut paths) {
        Ok(()) => {}
        Err((place, reason)) => return vec![file(place, Unusable::because(reason))],
    }
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let found = match trust::read(&path, Trust::Owner(administrator), registry::MAX_REGISTRY_BYTES) {
                Ok(Some(bytes)) => registry_file(&bytes),
                // Gone since it was listed.
                Ok(None) => Found::Nothing,
                Err(reason) => Unusable::because(reason),
            };
            file(path, found)
        })
        .collect()
}

/// Goes through a cache without regard to case; an error names the place.
fn collect(
    directory: &Path,
    administrator: u32,
    deeper: usize,
    found: &mut Vec<PathBuf>,
) -> Result<(), (PathBuf, String)> {
    let failed = |error: &io::Error| (directory.to_owned(), trust::cannot(error));
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(&error)),
    };
    let metadata = fs::metadata(directory).map_err(|error| failed(&error))?;
    if let Some(complaint) = Trust::Owner(administrator).complaint(&metadata) {
        return Err((directory.to_owned(), complaint));
    }
    let in_machine = directory.file_name().is_some_and(|name| name.eq_ignore_ascii_case("machine"));
    for entry in entries {
        let entry = entry.map_err(|error| failed(&error))?;
        let kind = entry.file_type().map_err(|error| failed(&error))?;
        if kind.is_dir() && deeper > 0 {
            collect(&entry.path(), administrator, deeper - 1, found)?;
        } else if in_machine && entry.file_name().eq_ignore_ascii_case("registry.pol") {
            if found.len() == MOST_FILES {
                return Err((directory.to_owned(), format!("there are more than {MOST_FILES} policies here")));
            }
            found.push(entry.path());
        }
    }
    Ok(())
}

/// False only when it certainly does not exist.
fn may_exist(path: &Path) -> bool {
    !matches!(fs::symlink_metadata(path), Err(error) if error.kind() == io::ErrorKind::NotFound)
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Published {
    version: u32,
    files: Vec<PublishedFile>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PublishedFile {
    file: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    unusable: Option<String>,
    #[serde(default)]
    values: BTreeMap<String, PublishedValue>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum PublishedValue {
    Number(u32),
    Text(String),
    Names(Vec<String>),
}

impl From<PolicyFile> for PublishedFile {
    fn from(file: PolicyFile) -> Self {
        let (unusable, values) = match file.found {
            Found::Nothing => (None, BTreeMap::new()),
            Found::Unusable(why) => (Some(why.reason), BTreeMap::new()),
            Found::Settings(settings) => {
                let value = |raw| match raw {
                    Raw::Number(number) => PublishedValue::Number(number),
                    Raw::Text(text) => PublishedValue::Text(text),
                    Raw::Names(names) => PublishedValue::Names(names),
                };
                (None, settings.raw().map(|(name, raw)| (name.to_owned(), value(raw))).collect())
            }
        };
        Self { file: file.path, unusable, values }
    }
}

impl From<PublishedFile> for PolicyFile {
    fn from(file: PublishedFile) -> Self {
        let raw = |value| match value {
            PublishedValue::Number(number) => Raw::Number(number),
            PublishedValue::Text(text) => Raw::Text(text),
            PublishedValue::Names(names) => Raw::Names(names),
        };
        let found = match file.unusable {
            Some(reason) => Unusable::because(reason),
            None => match Settings::from_raw(file.values.into_iter().map(|(name, value)| (name, raw(value)))) {
                Ok(settings) => Found::Settings(settings),
                Err(name) => Unusable::because(format!("it was published with a value for {name} that makes no sense")),
            },
        };
        Self { source: Source::GroupPolicy, path: file.file, found }
    }
}

/// Of the published file; another one is not guessed at.
const VERSION: u32 = 1;
/// Domain, `Policies`, the policy's number, `Machine`: and some room.
const DEEPEST: usize = 6;
/// No computer has so many; a loop or a flood ends here.
const MOST_FILES: usize = 1000;
