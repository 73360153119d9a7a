// SPDX-License-Identifier: GPL-2.0
//! The way from C to Rust: the documentation of `kernel::virtio` must name each function of the bus's headers.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result};
use regex::Regex;

use super::Findings;
use crate::kernel::Workshop;

const DOCUMENT: &str = "rust/kernel/virtio.rs";
const HEADERS: [&str; 3] = ["virtio.h", "virtio_config.h", "virtio_ring.h"];

/// Compares the documentation with the headers of the tree.
///
/// # Errors
///
/// A file cannot be read.
pub fn check(workshop: &Workshop) -> Result<Findings> {
    let path = workshop.project.repo.join(DOCUMENT);
    let document = fs::read_to_string(&path).with_context(|| format!("cannot read {DOCUMENT}"))?;
    let mut functions = BTreeSet::new();
    for header in HEADERS {
        let path = workshop.tree.root.join("include/linux").join(header);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        functions.extend(declared(&text)?);
    }
    compare(&document, &functions)
}

/// The functions, and the macros like functions, that a header declares or uses, by the words of the bus.
fn declared(header: &str) -> Result<BTreeSet<String>> {
    let comment = Regex::new(r"(?s)/\*.*?\*/")?;
    let function = Regex::new(r"\b(\w*(?:virtio|virtqueue|vring)\w*)\(")?;
    let code = comment.replace_all(header, "");
    Ok(function.captures_iter(&code).map(|found| found[1].to_owned()).collect())
}

/// The functions that the documentation of the module does not name.
fn compare(document: &str, functions: &BTreeSet<String>) -> Result<Findings> {
    if functions.is_empty() {
        return Ok(vec!["the headers declare no functions".to_owned()]);
    }
    let name = Regex::new(r"`(\w*(?:virtio|virtqueue|vring)\w*\*?)(?:\(\))?`")?;
    let docs = document.lines().filter_map(|line| line.strip_prefix("//!"));
    let named: BTreeSet<String> =
        docs.flat_map(|line| name.captures_iter(line).map(|found| found[1].to_owned())).collect();
    let missing = functions.iter().filter(|function| !named.iter().any(|name| covers(name, function)));
    Ok(missing.map(|function| format!("{DOCUMENT}: the module's documentation does not name {function}")).collect())
}

/// Whether `name`, which may end with a star, stands for `function`.
fn covers(name: &str, function: &str) -> bool {
    match name.strip_suffix('*') {
        Some(start) => function.starts_with(start),
        None => function == name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declarations_and_macros_are_found_and_comments_are_not() {
        let header = "/* virtio_old() */\nint virtqueue_add(struct virtqueue *vq,\n\t\t  int n);\n\
                      #define virtio_cread(vdev, field) \\\n\tdo { } while (0)\nint other(void);\n";
        let found: Vec<_> = declared(header).unwrap().into_iter().collect();
        assert_eq!(found, ["virtio_cread", "virtqueue_add"]);
    }

    #[test]
    fn what_the_documentation_does_not_name_is_found() {
        let functions = ["virtio_a", "virtio_b_c", "virtio_e"].map(str::to_owned).into();
        let document = "//! | `virtio_a()` | [`A`] |\n//! - `virtio_b_*`\n/// `virtio_e`\n";
        assert_eq!(
            compare(document, &functions).unwrap(),
            [format!("{DOCUMENT}: the module's documentation does not name virtio_e")]
        );
        assert_eq!(compare(document, &BTreeSet::new()).unwrap().len(), 1, "nothing to compare with");
    }
}
