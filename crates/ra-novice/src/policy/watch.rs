//! A look-out for changes of policy, so that a running session is narrowed at once (P8).

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify::{self, ReadFlags, WatchFlags};
use rustix::pipe::{PipeFlags, pipe_with};

use super::Places;
use crate::settings::Paths;

/// Watches every place that policy is read from, for as long as it lives.
///
/// It only says that something may have changed; whoever listens reads everything anew. Policy is also read at each
/// connection and each request for control, so a missed change delays the end of a control that runs, nothing else.
#[derive(Debug)]
pub struct PolicyWatch {
    /// Its closing stops the thread.
    _stop: OwnedFd,
}

struct Eyes {
    inotify: OwnedFd,
    stopped: OwnedFd,
    places: Vec<PathBuf>,
    /// What is watched, by the kernel's number for it.
    watched: BTreeMap<i32, PathBuf>,
}

impl PolicyWatch {
    /// Starts watching. `changed` is called on a thread of its own.
    ///
    /// # Errors
    /// When the system has no means to watch files left.
    pub fn start(paths: &Paths, changed: impl Fn() + Send + 'static) -> io::Result<Self> {
        let (eyes, stop) = Eyes::open(watched_places(paths))?;
        // Not waited for at the end: it may be about to report to somebody who waits for us.
        std::thread::Builder::new().name("policy".to_owned()).spawn(move || eyes.run(&changed))?;
        Ok(Self { _stop: stop })
    }
}

impl Eyes {
    /// Eyes on these places, and what stops them by being dropped.
    fn open(places: Vec<PathBuf>) -> io::Result<(Self, OwnedFd)> {
        let inotify = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        let (stopped, stop) = pipe_with(PipeFlags::CLOEXEC)?;
        let mut eyes = Self { inotify, stopped, places, watched: BTreeMap::new() };
        eyes.look();
        Ok((eyes, stop))
    }

    fn run(mut self, changed: &dyn Fn()) {
        while self.wait() {
            if self.hear() {
                // Watched first, read afterwards: nothing falls between.
                self.look();
                changed();
            }
        }
    }

    /// Sleeps until something happened; false when the look-out is over.
    fn wait(&self) -> bool {
        let mut fds = [PollFd::new(&self.inotify, PollFlags::IN), PollFd::new(&self.stopped, PollFlags::IN)];
        match poll(&mut fds, None) {
            Ok(_) => fds[1].revents().is_empty(),
            Err(error) => error == rustix::io::Errno::INTR,
        }
    }

    /// Takes everything that happened; true when a place may have changed.
    fn hear(&self) -> bool {
        let mut buffer = [MaybeUninit::uninit(); EVENTS];
        let mut events = inotify::Reader::new(&self.inotify, &mut buffer);
        let mut concerns = false;
        while let Ok(event) = events.next() {
            let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
            concerns |= match (self.watched.get(&event.wd()), name) {
                // Events that did not fit the kernel's queue may hide a change.
                _ if event.events().contains(ReadFlags::QUEUE_OVERFLOW) => true,
                (Some(directory), Some(name)) => self.concerns(&directory.join(name)),
                (Some(place), None) => self.concerns(place),
                (None, _) => false,
            };
        }
        concerns
    }

    /// Watches each place; of one that does not exist the nearest directory above, where it will appear.
    fn look(&mut self) {
        // What appears in a directory before it is watched is found in the next round.
        for _ in 0..=DEEPEST {
            let mut watched = BTreeMap::new();
            for place in self.wanted() {
                // Again even if it is watched: the directory may be another one by now.
                match inotify::add_watch(&self.inotify, &place, CHANGES) {
                    Ok(number) => drop(watched.insert(number, place)),
                    Err(error) => tracing::debug!(place = %place.display(), %error, "cannot watch"),
                }
            }
            for gone in self.watched.keys().filter(|number| !watched.contains_key(number)) {
                // A directory that is gone has taken its watch with it.
                let _ = inotify::remove_watch(&self.inotify, *gone);
            }
            if watched == std::mem::replace(&mut self.watched, watched.clone()) {
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

    fn concerns(&self, path: &Path) -> bool {
        self.places.iter().any(|place| path.starts_with(place) || place.starts_with(path))
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
/// What counts as a change. Not that somebody opens or reads a file: every program that starts does that below `/etc`, and would
/// wake us.
const CHANGES: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::MOVE)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF);
/// Bytes of events taken at once; the longest is 272.
const EVENTS: usize = 4096;

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::event::Timespec;

    use super::*;

    #[test]
    fn who_opens_and_reads_files_beside_policy_wakes_nobody() {
        let etc = tempfile::tempdir().unwrap();
        let (machine, cache) = (etc.path().join("remote-assistance"), etc.path().join("ld.so.cache"));
        fs::create_dir(&machine).unwrap();
        fs::write(&cache, "libc").unwrap();
        // One place that is there, one that is not: its directory is watched instead.
        let (eyes, _stop) = Eyes::open(vec![machine.clone(), etc.path().join("more.toml")]).unwrap();
        let woken = || {
            let mut fds = [PollFd::new(&eyes.inotify, PollFlags::IN)];
            poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() > 0
        };
        fs::read(&cache).unwrap();
        fs::read_dir(&machine).unwrap().for_each(drop);
        assert!(!woken(), "for a file that was read");
        fs::write(&cache, "libm").unwrap();
        assert!(woken() && !eyes.hear(), "a neighbour that changed is no change of policy");
        fs::write(machine.join("policy.toml"), "").unwrap();
        assert!(woken() && eyes.hear());
    }
}
