//! Notices when the configuration, or a file that it names, changes.
//!
//! Directories are watched, not files: editors replace files, and Kubernetes swaps a symbolic link beside them. What
//! counts is whether the contents differ.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::watch;

/// A change is acted on when nothing more has happened for this long.
const QUIET: Duration = Duration::from_millis(300);
/// Where the system tells nothing (some network file systems), a look this often finds it.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// The files of one configuration.
pub(super) struct Watch {
    files: Vec<PathBuf>,
    seen: u64,
    stirred: watch::Receiver<()>,
    _watcher: Option<RecommendedWatcher>,
}

impl Watch {
    /// Watches `config` and the files that it names.
    pub(super) fn new(config: &Path, named: &[PathBuf]) -> Self {
        let files: Vec<_> = std::iter::once(config.to_owned())
            .chain(named.iter().cloned())
            .collect();
        let (sender, stirred) = watch::channel(());
        let tell = move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !event.kind.is_access()) {
                sender.send_replace(());
            }
        };
        let watcher = notify::recommended_watcher(tell).map(|mut watcher| {
            for directory in directories(&files) {
                if let Err(cause) = watcher.watch(&directory, RecursiveMode::NonRecursive) {
                    tracing::warn!(directory = %directory.display(), %cause, "changes there are noticed late");
                }
            }
            watcher
        });
        let watcher = watcher
            .inspect_err(|cause| tracing::warn!(%cause, "changes of files are noticed late"))
            .ok();
        Self {
            seen: fingerprint(&files),
            files,
            stirred,
            _watcher: watcher,
        }
    }

    /// Whether the contents differ from those last seen.
    pub(super) fn is_stale(&self) -> bool {
        fingerprint(&self.files) != self.seen
    }

    /// Waits until the contents differ from those last seen.
    pub(super) async fn changed(&mut self) {
        loop {
            if tokio::time::timeout(LOOK_EVERY, self.stirred.changed())
                .await
                .is_ok_and(|stirred| stirred.is_err())
            {
                // No watcher: only looking is left.
                tokio::time::sleep(LOOK_EVERY).await;
            }
            while let Ok(Ok(())) = tokio::time::timeout(QUIET, self.stirred.changed()).await {}
            let now = fingerprint(&self.files);
            if std::mem::replace(&mut self.seen, now) != now {
                return;
            }
        }
    }
}

fn directories(files: &[PathBuf]) -> BTreeSet<PathBuf> {
    let parent = |file: &PathBuf| match file.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory.to_owned(),
        _ => PathBuf::from("."),
    };
    files
        .iter()
        .map(parent)
        .filter(|directory| directory.is_dir())
        .collect()
}

fn fingerprint(files: &[PathBuf]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for file in files {
        std::fs::read(file).ok().hash(&mut hasher);
    }
    hasher.finish()
}
