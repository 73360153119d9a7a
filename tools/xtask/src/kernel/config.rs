// SPDX-License-Identifier: GPL-2.0
//! Configuring a kernel from fragments, and making sure that it really is configured so.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use super::{Variant, Workshop};
use crate::overlay::our_files;
use crate::progress::{Step, output, say};
use crate::project::{create_dir, hex};

/// Options that a fragment asks for and that the tools at hand may rule out.
///
/// `RUST_INLINE_HELPERS` needs a clang and a rustc of the same LLVM; without it helpers are calls.
const OPTIONAL: [&str; 1] = ["CONFIG_RUST_INLINE_HELPERS"];

/// The name under which a new configuration is made before it replaces the old one.
const NEW: &str = ".config.new";

/// Configures a variant if its fragments, our Kconfig files, the tree or the tools changed.
///
/// # Errors
///
/// Kbuild refuses the tools, or an option of a fragment did not come out as asked for.
pub fn ensure(workshop: &Workshop, variant: Variant) -> Result<()> {
    let objdir = workshop.objdir(variant);
    create_dir(&objdir)?;
    let fragments = fragments(workshop, variant);
    let hash = fingerprint(workshop, &fragments)?;
    let stamp = objdir.join(".config.stamp");
    let config = objdir.join(".config");
    let is_known = fs::read_to_string(&stamp).is_ok_and(|old| old == hash);
    if config.is_file() && is_known && !workshop.is_partial {
        return Ok(());
    }
    say(&format!("configuring the {} kernel", variant.name()));
    let kconfig = |targets: &[&str]| {
        let mut command = workshop.kbuild(variant);
        command.env("KCONFIG_CONFIG", NEW).args(targets);
        command
    };
    let log = workshop.project.log(&format!("config-{}", variant.name()))?;
    Step { title: "checking the tools", log: &log, counts: None, expected: None }
        .run(&mut kconfig(&["rustavailable"]))?;
    output(&mut kconfig(&["tinyconfig"]))?;
    merge(workshop, &objdir, &fragments)?;
    output(&mut kconfig(&["olddefconfig"]))?;
    let text = fs::read_to_string(objdir.join(NEW)).context("kbuild made no configuration")?;
    if !workshop.is_partial {
        verify(&fragments, &text)?;
    }
    // A configuration that comes out the same keeps its time stamp, and the objects with it.
    if fs::read_to_string(&config).ok().as_deref() == Some(&text) {
        fs::remove_file(objdir.join(NEW))?;
    } else {
        fs::rename(objdir.join(NEW), &config)?;
    }
    let _ = fs::remove_file(objdir.join(format!("{NEW}.old")));
    fs::write(&stamp, hash).with_context(|| format!("cannot write {}", stamp.display()))
}

fn fragments(workshop: &Workshop, variant: Variant) -> Vec<PathBuf> {
    let dir = workshop.project.repo.join("tests/config");
    variant.fragments().iter().map(|name| dir.join(format!("{name}.config"))).collect()
}

/// A hash of everything the configuration depends on.
fn fingerprint(workshop: &Workshop, fragments: &[PathBuf]) -> Result<String> {
    let repo = &workshop.project.repo;
    let is_kconfig =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("Kconfig"));
    let kconfigs = our_files(repo, &workshop.tree.root)?.into_iter().filter(is_kconfig).map(|path| repo.join(path));
    let mut hash = Sha256::new();
    hash.update(format!("{} {}", workshop.tree.version, workshop.toolchain));
    for path in fragments.iter().cloned().chain(kconfigs).chain([repo.join("overlay.toml")]) {
        let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(&text);
    }
    Ok(hex(&hash.finalize()))
}

/// Lets the kernel's own tool lay the fragments over the configuration.
fn merge(workshop: &Workshop, objdir: &Path, fragments: &[PathBuf]) -> Result<()> {
    let script = workshop.tree.root.join("scripts/kconfig/merge_config.sh");
    let mut command = std::process::Command::new(script);
    command.current_dir(objdir).env("KCONFIG_CONFIG", NEW).args(["-m", "-O", ".", NEW]).args(fragments);
    output(&mut command).map(drop)
}

/// Checks that each option of the fragments has the value the last fragment gave it.
fn verify(fragments: &[PathBuf], config: &str) -> Result<()> {
    let mut wanted: Vec<Setting> = Vec::new();
    for path in fragments {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        for setting in text.lines().filter_map(Setting::parse) {
            wanted.retain(|earlier| earlier.name != setting.name);
            wanted.push(setting);
        }
    }
    let refused: Vec<String> =
        wanted.iter().filter(|setting| !setting.holds(config)).map(|setting| setting.describe(config)).collect();
    if !refused.is_empty() {
        bail!("the kernel cannot be configured as tests/config asks: {}", refused.join(", "));
    }
    Ok(())
}

/// One option of a configuration.
#[derive(Debug, PartialEq)]
struct Setting {
    name: String,
    /// `n` for an option that is off.
    value: String,
}

impl Setting {
    fn parse(line: &str) -> Option<Self> {
        let (name, value) = match line.strip_prefix("# ").and_then(|rest| rest.strip_suffix(" is not set")) {
            Some(name) => (name, "n"),
            None => line.split_once('=')?,
        };
        name.starts_with("CONFIG_").then(|| Self { name: name.to_string(), value: value.trim().to_string() })
    }

    fn actual(&self, config: &str) -> String {
        let mut settings = config.lines().filter_map(Self::parse);
        settings.find(|other| other.name == self.name).map_or_else(|| "n".to_string(), |other| other.value)
    }

    fn holds(&self, config: &str) -> bool {
        OPTIONAL.contains(&self.name.as_str()) || self.actual(config) == self.value
    }

    fn describe(&self, config: &str) -> String {
        format!("{}={} came out as {}", self.name, self.value, self.actual(config))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(fragments: &[&str], config: &str) -> Result<()> {
        let dir = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = (0..fragments.len()).map(|n| dir.path().join(n.to_string())).collect();
        for (path, text) in paths.iter().zip(fragments) {
            fs::write(path, text).unwrap();
        }
        verify(&paths, config)
    }

    #[test]
    fn an_option_that_did_not_take_is_named() {
        let error = check(&["CONFIG_A=y\nCONFIG_B=m\n"], "CONFIG_A=y\n# CONFIG_B is not set\n").unwrap_err();
        assert!(error.to_string().ends_with("CONFIG_B=m came out as n"), "{error}");
    }

    #[test]
    fn an_option_that_is_off_may_be_absent() {
        check(&["# CONFIG_A is not set\nCONFIG_B=n\n"], "# CONFIG_B is not set\n").unwrap();
        assert!(check(&["CONFIG_A=n\n"], "CONFIG_A=y\n").is_err());
    }

    #[test]
    fn the_last_fragment_wins() {
        check(&["CONFIG_NR=8\n", "CONFIG_NR=2\n"], "CONFIG_NR=2\n").unwrap();
        assert!(check(&["CONFIG_NR=8\n", "CONFIG_NR=2\n"], "CONFIG_NR=8\n").is_err());
    }

    #[test]
    fn an_optional_option_may_be_refused() {
        check(&["CONFIG_RUST_INLINE_HELPERS=y\n"], "").unwrap();
    }

    #[test]
    fn comments_are_no_settings() {
        assert_eq!(Setting::parse("# What CONFIG_X=y would do."), None);
        assert_eq!(Setting::parse("# OTHER_X is not set"), None);
    }
}
