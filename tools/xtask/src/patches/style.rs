// SPDX-License-Identifier: GPL-2.0
//! What the kernel's own programs say about patches: whether they are in style, and who is to get them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result};

use crate::progress::output;

/// Asks for a change of MAINTAINERS in every patch with a new file; that all files are in it is checked by itself.
const IGNORED: &str = "FILE_PATH_CHANGES";

/// What checkpatch finds in patches, several at a time.
///
/// # Errors
///
/// It cannot be started.
pub fn findings(tree: &Path, patches: &[PathBuf], jobs: usize) -> Result<Vec<String>> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<String>> {
        let mut findings = Vec::new();
        while let Some(patch) = patches.get(next.fetch_add(1, Ordering::Relaxed)) {
            findings.extend(checkpatch(tree, patch)?);
        }
        Ok(findings)
    };
    let results: Vec<Result<Vec<String>>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(work)).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let mut all: Vec<String> = results.into_iter().collect::<Result<Vec<_>>>()?.concat();
    all.sort();
    Ok(all)
}

fn checkpatch(tree: &Path, patch: &Path) -> Result<Vec<String>> {
    let output = Command::new("perl")
        // What git knows about the checkout is of no use for the tree.
        .env("GIT_DIR", "/nonexistent")
        .arg(tree.join("scripts/checkpatch.pl"))
        .arg(format!("--root={}", tree.display()))
        .args(["--strict", "--terse", "--show-types", "--no-summary", "--color=never", "--ignore", IGNORED])
        .arg(patch)
        .output()
        .context("cannot start perl")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let all: Vec<String> = text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if all.is_empty() && !output.status.success() {
        return Ok(vec![format!("{}: checkpatch.pl ended with {}", patch.display(), output.status)]);
    }
    let source = fs::read_to_string(patch).with_context(|| format!("cannot read {}", patch.display()))?;
    Ok(all.into_iter().filter(|finding| !is_sourced(finding, &source)).collect())
}

/// Whether a finding takes `source ".../Kconfig.x"` in `.../Kconfig` for a file that names itself.
fn is_sourced(finding: &str, patch: &str) -> bool {
    let line = finding.split(':').nth(1).and_then(|number| number.trim().parse::<usize>().ok());
    let text = line.and_then(|line| patch.lines().nth(line.checked_sub(1)?));
    finding.contains("EMBEDDED_FILENAME") && text.is_some_and(|text| text.starts_with("+source \""))
}

/// Who is to get a patch, each with the reason.
///
/// # Errors
///
/// The program fails.
pub fn recipients(tree: &Path, patch: &Path) -> Result<Vec<String>> {
    let mut command = Command::new("perl");
    command.current_dir(tree).arg("scripts/get_maintainer.pl").args(["--nogit", "--nogit-fallback", "--rolestats"]);
    Ok(output(command.arg(patch))?.lines().map(str::to_owned).collect())
}

/// The files that no entry of MAINTAINERS names, of the entries whose lines are given.
pub fn unmaintained<'a>(files: impl Iterator<Item = &'a str>, entries: &[&str]) -> Vec<&'a str> {
    let patterns: BTreeSet<&str> = entries.iter().filter_map(|line| line.strip_prefix("F:\t")).collect();
    let fits = |pattern: &str, file: &str| file == pattern || (pattern.ends_with('/') && file.starts_with(pattern));
    files.filter(|file| !patterns.iter().any(|pattern| fits(pattern, file))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_sourced_is_not_the_file_itself() {
        let patch = "+++ b/d/Kconfig\n+source \"d/Kconfig.rust\"\n+# d/Kconfig\n";
        assert!(is_sourced("p.patch:2: WARNING:EMBEDDED_FILENAME: x", patch));
        assert!(!is_sourced("p.patch:3: WARNING:EMBEDDED_FILENAME: x", patch));
        assert!(!is_sourced("p.patch:2: WARNING:OTHER: x", patch));
    }

    #[test]
    fn files_and_directories_of_entries_are_maintained() {
        let entries = ["OURS", "F:\td/", "F:\te/f.rs"];
        let files = ["d/a/b.rs", "e/f.rs", "e/g.rs", "dd/a.rs"];
        assert_eq!(unmaintained(files.into_iter(), &entries), ["e/g.rs", "dd/a.rs"]);
    }
}
