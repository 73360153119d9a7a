// SPDX-License-Identifier: GPL-2.0
//! The name of a new driver: that of a module, of a crate, and of what it makes in the running kernel.

use std::fs;
use std::path::Path;

use anyhow::{Result, bail};

/// The name of a disk is one longer at least, and has room for 31 characters.
const LONGEST: usize = 30;

/// What a crate cannot be called: words of the language, and crates that a module knows.
const TAKEN: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "bindings",
    "box",
    "break",
    "build_error",
    "compiler_builtins",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "ffi",
    "final",
    "fn",
    "for",
    "gen",
    "helpers",
    "if",
    "impl",
    "in",
    "kernel",
    "let",
    "loop",
    "macro",
    "macros",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "pin_init",
    "pin_init_internal",
    "priv",
    "proc_macro",
    "proc_macro2",
    "pub",
    "quote",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "syn",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "uapi",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
    "zerocopy",
    "zerocopy_derive",
];

/// Checks that a driver can have this name.
///
/// # Errors
///
/// It cannot; the message says why.
pub fn check(name: &str) -> Result<()> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    // A character that ends the line must not end the message.
    let shown = name.escape_debug();
    let has_form = name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(is_plain);
    if !has_form || name.ends_with('_') || name.contains("__") {
        bail!("NAME={shown}: lower-case letters, digits and single `_` between them, a letter first");
    }
    if name.len() > LONGEST {
        bail!("NAME={name}: {} characters, more than {LONGEST}", name.len());
    }
    if TAKEN.contains(&name) {
        bail!("NAME={name}: Rust, or the kernel crate, has that name already");
    }
    Ok(())
}

/// Checks that a kernel, with its objects in `objdir`, has no module of this name. One that was not built yet has none.
///
/// # Errors
///
/// It has one.
pub fn check_kernel(name: &str, objdir: &Path) -> Result<()> {
    for list in ["modules.builtin", "modules.order"] {
        let text = fs::read_to_string(objdir.join(list)).unwrap_or_default();
        let stem = |line: &str| Path::new(line).file_stem().unwrap_or_default().to_string_lossy().replace('-', "_");
        if text.lines().any(|line| stem(line) == name) {
            bail!("NAME={name}: the kernel has a module of that name");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_modules_are_names() {
        for name in ["a", "my_driver", "e1000x", "a2_b3", &"x".repeat(LONGEST)] {
            check(name).unwrap();
        }
    }

    #[test]
    fn what_is_none_is_refused_in_one_line_that_has_it() {
        let long = "x".repeat(LONGEST + 1);
        for name in [
            "",
            "My",
            "my-driver",
            "1st",
            "_a",
            "a_",
            "a__b",
            "a b",
            "a/b",
            "../a",
            "a.rs",
            "\u{fc}ber",
            "a\nb",
            "kernel",
            "fn",
            "self",
            "alloc",
            &long,
        ] {
            let error = check(name).unwrap_err().to_string();
            assert!(error.starts_with(&format!("NAME={}: ", name.escape_debug())), "{error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }

    #[test]
    fn a_module_of_the_kernel_keeps_its_name() {
        let dir = tempfile::tempdir().unwrap();
        check_kernel("virtio_blk", dir.path()).unwrap();
        fs::write(dir.path().join("modules.builtin"), "kernel/drivers/virtio/virtio-ring.ko\n").unwrap();
        fs::write(dir.path().join("modules.order"), "drivers/block/virtio_blk.o\n").unwrap();
        for name in ["virtio_ring", "virtio_blk"] {
            assert!(check_kernel(name, dir.path()).is_err(), "{name}");
        }
        check_kernel("virtio", dir.path()).unwrap();
    }
}
