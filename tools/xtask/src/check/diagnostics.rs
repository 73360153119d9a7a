// SPDX-License-Identifier: GPL-2.0
//! Picking the compiler messages that are about our files out of a build log.
//!
//! Kernel files are compiled in one crate with upstream's, and a new compiler warns about those too. So warnings
//! cannot simply be made errors.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use anyhow::Result;

use super::Findings;
use crate::kernel::Workshop;
use crate::overlay::our_files;

/// The warnings and errors of a log whose place is in a file of ours.
///
/// # Errors
///
/// The checkout cannot be read.
pub fn of_our_files(workshop: &Workshop, log: &str) -> Result<Findings> {
    let files = our_files(&workshop.project.repo, &workshop.tree.root)?.into_iter().collect();
    Ok(select(log, &workshop.tree.root, &files))
}

fn select(log: &str, tree: &Path, files: &BTreeSet<PathBuf>) -> Findings {
    let is_ours = |message: &Vec<&str>| {
        let place = message.iter().find_map(|line| place(line, tree));
        place.is_some_and(|place| files.contains(&place))
    };
    messages(log).into_iter().filter(is_ours).map(|message| message.join("\n")).collect()
}

/// The warnings and errors of a log, each with its lines.
pub fn messages(log: &str) -> Vec<Vec<&str>> {
    let mut messages = Vec::new();
    let mut inside = false;
    for line in log.lines() {
        let begins = line.starts_with("warning") || line.starts_with("error");
        inside = begins || inside && !line.is_empty();
        match messages.last_mut() {
            _ if begins => messages.push(vec![line]),
            Some(message) if inside => message.push(line),
            _ => {}
        }
    }
    messages
}

/// The file that a `-->` line points to, relative to the root of the tree.
fn place(line: &str, tree: &Path) -> Option<PathBuf> {
    let path = line.trim_start().strip_prefix("--> ")?.split(':').next()?;
    let path = Path::new(path);
    let inside = path.strip_prefix(tree).unwrap_or(path);
    Some(inside.components().filter(|part| matches!(part, Component::Normal(_))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "  CLIPPY  rust/kernel.o
warning: theirs
  --> ../rust/kernel/pci.rs:1:2
   |
   = note: x

warning: ours, relative
  --> ../rust/kernel/virtio.rs:3:4
   |

error[E0308]: ours, absolute
  --> /tree/rust/kernel/virtio.rs:5:6

warning: 2 warnings emitted

  CLIPPY  x.o
";

    #[test]
    fn only_messages_about_our_files_are_found() {
        let files = BTreeSet::from([PathBuf::from("rust/kernel/virtio.rs")]);
        let findings = select(LOG, Path::new("/tree"), &files);
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert!(findings[0].starts_with("warning: ours, relative\n"));
        assert!(findings[1].starts_with("error[E0308]: ours, absolute\n"));
    }
}
