// SPDX-License-Identifier: GPL-2.0

//! How long a machine could not run because the host had other things to do: time that must not be held against it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The waiting of one process for CPUs of the host.
#[derive(Debug)]
pub struct Starvation {
    tasks: PathBuf,
    /// The most that was seen: a thread that has ended takes its figure with it.
    most: Duration,
}

impl Starvation {
    /// Of the process with this number.
    pub fn of(pid: u32) -> Self {
        Self { tasks: format!("/proc/{pid}/task").into(), most: Duration::ZERO }
    }

    /// How long it has waited so far: what that one of its threads has that waited longest, which is an emulated CPU if
    /// the host is short of them. Nothing where the host's kernel does not tell.
    pub fn so_far(&mut self) -> Duration {
        self.most = self.most.max(longest(&self.tasks));
        self.most
    }
}

fn longest(tasks: &Path) -> Duration {
    let Ok(entries) = fs::read_dir(tasks) else { return Duration::ZERO };
    let waits = entries.flatten().filter_map(|task| waited(&fs::read_to_string(task.path().join("schedstat")).ok()?));
    waits.max().unwrap_or_default()
}

/// The second of the three numbers in a `schedstat` file: time spent waiting on a run queue, in nanoseconds.
fn waited(schedstat: &str) -> Option<Duration> {
    schedstat.split_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thread_that_waited_longest_counts_and_is_not_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        for (task, text) in [("1", "5 2000000000 7\n"), ("2", "5 3000000000 7\n"), ("3", "nonsense")] {
            fs::create_dir(dir.path().join(task)).unwrap();
            fs::write(dir.path().join(task).join("schedstat"), text).unwrap();
        }
        let mut starvation = Starvation { tasks: dir.path().into(), most: Duration::ZERO };
        assert_eq!(starvation.so_far(), Duration::from_secs(3));
        fs::remove_dir_all(dir.path().join("2")).unwrap();
        assert_eq!(starvation.so_far(), Duration::from_secs(3));
    }

    #[test]
    fn a_process_that_is_not_there_has_not_waited() {
        assert_eq!(Starvation::of(u32::MAX).so_far(), Duration::ZERO);
    }
}
