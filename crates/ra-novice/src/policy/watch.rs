//! A look-out for changes of policy, so that a running session is narrowed at once (P8).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use super::Places;
use crate::settings::Paths;

/// Watches every place that policy is read from, for as long as it lives.
///
/// It only says that something may have changed; whoever listens reads everything anew. Policy is also read at each
/// connection and each request for control, so a missed change delays the end of a control that runs, nothing else.
#[derive(Debug)]
pub struct PolicyWatch {
    _eyes: Arc<Mutex<Eyes>>,
}

#[derive(Debug)]
struct Eyes {
    watcher: Option<RecommendedWatcher>,
    places: Vec<PathBuf>,
    watched: BTreeSet<PathBuf>,
}

impl PolicyWatch {
    /// Starts watching. `changed` is called on a thread of its own.
    ///
    /// # Errors
    /// When the system has no means to watch files left.
    pub fn start(paths: &Paths, changed: impl Fn() + Send + 'static) -> Result<Self, notify::Error> {
        let eyes =
            Arc::new(Mutex::new(Eyes { watcher: None, places: watched_places(paths), watched: BTreeSet::new() }));
        // Weak: the look-out ends with its owner, not with its own thread.
        let seeing = Arc::downgrade(&eyes);
        let on_event = move |event: notify::Result<notify::Event>| {
            let Some(eyes) = seeing.upgrade() else { return };
            // An error may hide a change.
            let matters = event.map_or(true, |event| !event.kind.is_access() && eyes_of(&eyes).concerns(&event.paths));
            if matters {
                eyes_of(&eyes).look();
                changed();
            }
        };
        let watcher = notify::recommended_watcher(on_event)?;
        {
            let mut eyes = eyes_of(&eyes);
            eyes.watcher = Some(watcher);
            eyes.look();
        }
        Ok(Self { _eyes: eyes })
    }
}

fn eyes_of(eyes: &Arc<Mutex<Eyes>>) -> std::sync::MutexGuard<'_, Eyes> {
    eyes.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Eyes {
    /// Watches each place; of one that does not exist the nearest directory above, where it will appear.
    fn look(&mut self) {
        let Some(watcher) = &mut self.watcher else { return };
        let mut wanted = BTreeSet::new();
        for place in &self.places {
            wanted.extend(place.ancestors().find(|ancestor| ancestor.is_dir()).map(Path::to_owned));
            below(place, DEEPEST, &mut wanted);
        }
        for gone in self.watched.difference(&wanted) {
            let _ = watcher.unwatch(gone);
        }
        for place in &wanted {
            // Again even if it is watched: the directory may be another one by now.
            if let Err(error) = watcher.watch(place, RecursiveMode::NonRecursive) {
                tracing::debug!(place = %place.display(), %error, "cannot watch");
            }
        }
        self.watched = wanted;
    }

    fn concerns(&self, paths: &[PathBuf]) -> bool {
        let near = |path: &PathBuf| self.places.iter().any(|place| path.starts_with(place) || place.starts_with(path));
        paths.is_empty() || paths.iter().any(near)
    }
}

/// A directory and those in it.
fn below(directory: &Path, deeper: usize, found: &mut BTreeSet<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    found.insert(directory.to_owned());
    if deeper == 0 || found.len() > MOST_DIRECTORIES {
        return;
    }
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            below(&entry.path(), deeper - 1, found);
        }
    }
}

fn watched_places(paths: &Paths) -> Vec<PathBuf> {
    let Places { machine, published, caches, reads_caches, .. } = &paths.places;
    let mut places = vec![machine.clone(), published.clone(), paths.switches()];
    if *reads_caches {
        places.extend(caches.iter().cloned());
    }
    places.extend(paths.more_policy.clone());
    places
}

/// As deep as a cache of group policy is.
const DEEPEST: usize = 6;
/// The kernel watches a few thousand places for a user.
const MOST_DIRECTORIES: usize = 1000;
