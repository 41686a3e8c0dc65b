//! A look-out for changes of policy, so that a running session is narrowed at once (P8).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use super::Places;
use crate::settings::Paths;

/// Watches every place that policy is read from, for as long as it lives.
///
/// It only says that something may have changed; whoever listens reads everything anew. Policy is also read at each
/// connection and each request for control, so a missed change delays the end of a control that runs, nothing else.
#[derive(Debug)]
pub struct PolicyWatch {
    news: Sender<News>,
}

enum News {
    Seen(notify::Result<notify::Event>),
    Stop,
}

struct Eyes {
    watcher: RecommendedWatcher,
    places: Vec<PathBuf>,
    watched: BTreeSet<PathBuf>,
}

impl PolicyWatch {
    /// Starts watching. `changed` is called on a thread of its own.
    ///
    /// # Errors
    /// When the system has no means to watch files left.
    pub fn start(paths: &Paths, changed: impl Fn() + Send + 'static) -> Result<Self, notify::Error> {
        let (news, heard) = channel();
        let seen = news.clone();
        let watcher = notify::recommended_watcher(move |event| {
            // Nobody listens any more when the look-out is being taken down.
            let _ = seen.send(News::Seen(event));
        })?;
        let mut eyes = Eyes { watcher, places: watched_places(paths), watched: BTreeSet::new() };
        eyes.look();
        // A thread of its own, since what reports events cannot be told at the same time what to watch.
        let thread = std::thread::Builder::new().name("policy".to_owned());
        thread.spawn(move || eyes.run(&heard, &changed)).map_err(notify::Error::io)?;
        Ok(Self { news })
    }
}

impl Drop for PolicyWatch {
    fn drop(&mut self) {
        // Not waited for: it may be about to report to somebody who waits for us.
        let _ = self.news.send(News::Stop);
    }
}

impl Eyes {
    fn run(mut self, heard: &Receiver<News>, changed: &dyn Fn()) {
        while let Ok(News::Seen(event)) = heard.recv() {
            // An error may hide a change.
            if event.map_or(true, |event| !event.kind.is_access() && self.concerns(&event.paths)) {
                // Watched first, read afterwards: nothing falls between.
                self.look();
                changed();
            }
        }
    }

    /// Watches each place; of one that does not exist the nearest directory above, where it will appear.
    fn look(&mut self) {
        // What appears in a directory before it is watched is found in the next round.
        for _ in 0..=DEEPEST {
            let wanted = self.wanted();
            for gone in self.watched.difference(&wanted) {
                let _ = self.watcher.unwatch(gone);
            }
            for place in &wanted {
                // Again even if it is watched: the directory may be another one by now.
                if let Err(error) = self.watcher.watch(place, RecursiveMode::NonRecursive) {
                    tracing::debug!(place = %place.display(), %error, "cannot watch");
                }
            }
            if wanted == std::mem::replace(&mut self.watched, wanted.clone()) {
                return;
            }
        }
    }

    fn wanted(&self) -> BTreeSet<PathBuf> {
        let mut wanted = BTreeSet::new();
        for place in &self.places {
            wanted.extend(place.ancestors().find(|ancestor| ancestor.is_dir()).map(Path::to_owned));
            below(place, DEEPEST, &mut wanted);
        }
        wanted
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
