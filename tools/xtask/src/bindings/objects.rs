// SPDX-License-Identifier: GPL-2.0
//! The object directory whose bindings are read, and how bindgen was called there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::guest;
use crate::kernel::{Variant, objdir};
use crate::project::{Project, variable};
use crate::source;
use crate::toolchain;

/// The bindings, relative to an object directory.
pub const BINDINGS: &str = "rust/bindings/bindings_generated.rs";

/// A kernel of which bindings were made.
#[derive(Debug)]
pub struct Objects {
    /// The object directory.
    pub dir: PathBuf,
    /// The root of the sources.
    pub tree: PathBuf,
    /// A clang.
    pub clang: String,
    /// The header that bindgen was given, as seen from the object directory.
    pub header: String,
    /// The flags of C's compiler.
    pub flags: Vec<String>,
    /// The options of the configuration that are set.
    options: BTreeMap<String, String>,
}

impl Objects {
    /// Finds the kernel that `KERNEL=` names, or else one that was built.
    ///
    /// # Errors
    ///
    /// There is none, or its record of how bindgen was called cannot be read.
    pub fn find(project: &Project) -> Result<Self> {
        let missing = "no bindings were made yet: build a kernel first, with `make kernel` or `make kunit`";
        let tree = source::find(project)?.context(missing)?;
        let variants = match variable("KERNEL") {
            Some(_) => vec![guest::wanted()?],
            None => vec![Variant::Plain, Variant::Debug, Variant::Um, Variant::Clippy],
        };
        let dirs = variants.iter().map(|&variant| objdir(project, &tree, variant));
        let made = dirs.filter(|dir| dir.join(BINDINGS).is_file());
        // One that was built to its end knows more.
        let Some(dir) = made.min_by_key(|dir| !dir.join("Module.symvers").is_file()) else {
            match variable("KERNEL") {
                Some(kernel) => {
                    bail!("no bindings of the {kernel} kernel were made yet: `make kernel KERNEL={kernel}`")
                }
                None => bail!(missing),
            }
        };
        let record = dir.join("rust/bindings/.bindings_generated.rs.cmd");
        let text = fs::read_to_string(&record).with_context(|| format!("cannot read {}", record.display()))?;
        let (header, flags) = command(&text).with_context(|| format!("{} is not as expected", record.display()))?;
        let preferred = toolchain::rustc().ok().map(|rustc| rustc.llvm);
        let clang = toolchain::llvm(preferred).context("there is no clang to read the headers with")?.program("clang");
        let config = fs::read_to_string(dir.join(".config")).unwrap_or_default();
        Ok(Self { options: options(&config), dir, tree: tree.root, clang, header, flags })
    }

    /// The name of the directory.
    pub fn name(&self) -> String {
        self.dir.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// What an option is set to; nothing if it is off.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str)
    }

    /// The name from the root of the tree of a file that a tool in the object directory named.
    pub fn file(&self, named: &str) -> String {
        let mut path = PathBuf::new();
        for part in self.dir.join(named).components() {
            match part {
                Component::ParentDir => drop(path.pop()),
                Component::CurDir => {}
                part => path.push(part),
            }
        }
        path.strip_prefix(&self.tree).unwrap_or(&path).display().to_string()
    }

    /// The text of a file that a tool in the object directory named.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn read(&self, named: &str) -> Result<Vec<u8>> {
        fs::read(self.dir.join(named)).with_context(|| format!("cannot read {}", self.file(named)))
    }

    /// How a symbol is exported to modules.
    ///
    /// # Errors
    ///
    /// The list cannot be read.
    pub fn export(&self, symbol: &str) -> Result<Option<String>> {
        let Some(text) = self.made("Module.symvers")? else {
            return Ok(None);
        };
        let found = text.lines().find_map(|line| {
            let mut fields = line.split('\t').skip(1);
            let (name, owner, kind) = (fields.next()?, fields.next()?, fields.next()?);
            (name == symbol).then(|| format!("{kind} of {owner}"))
        });
        Ok(found)
    }

    /// Whether the kernel itself has a symbol, exported or not; nothing if it was not linked yet.
    ///
    /// # Errors
    ///
    /// The list cannot be read.
    pub fn has(&self, symbol: &str) -> Result<Option<bool>> {
        let map = self.made("System.map")?;
        Ok(map.map(|map| map.lines().any(|line| line.split(' ').nth(2) == Some(symbol))))
    }

    /// A list that a whole build makes.
    fn made(&self, name: &str) -> Result<Option<String>> {
        let path = self.dir.join(name);
        if !path.is_file() {
            return Ok(None);
        }
        fs::read_to_string(&path).map(Some).with_context(|| format!("cannot read {}", path.display()))
    }
}

/// The header and the flags of the compiler, from kbuild's record of the command.
fn command(record: &str) -> Option<(String, Vec<String>)> {
    let line = record.lines().find_map(|line| line.strip_prefix("savedcmd_")?.split_once(":= "))?.1;
    // How kbuild writes what make would take for its own.
    let line = line.replace("$(pound)", "#").replace("$$", "$");
    let words = shlex::split(line.split(" ; ").next()?)?;
    let header = words.get(1)?.clone();
    let at = words.iter().position(|word| word == "--")?;
    // Dependencies are not wanted again.
    let flags = words[at + 1..].iter().filter(|word| !word.starts_with("-Wp,")).cloned().collect();
    Path::new(&header).extension().is_some_and(|extension| extension == "h").then_some((header, flags))
}

fn options(config: &str) -> BTreeMap<String, String> {
    let pair = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    config.lines().filter(|line| line.starts_with("CONFIG_")).filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_kbuild_has_header_and_flags() {
        let record = "savedcmd_rust/b.rs := /x/bindgen ../rust/b.h --a='$(pound)[x=\"1\"]' -o rust/b.rs -- -Wp,-MMD,d \
                      -nostdinc -DX='\"a b\"' -DMODULE  ; sed -Ei 's/a$$/b/' rust/b.rs\n\nsource_rust/b.rs := b.h\n";
        let flags = ["-nostdinc", "-DX=\"a b\"", "-DMODULE"].map(str::to_owned).to_vec();
        assert_eq!(command(record), Some(("../rust/b.h".to_owned(), flags)));
        assert_eq!(command("savedcmd_x := cc -c a.c\n"), None);
    }

    #[test]
    fn options_that_are_off_have_no_value() {
        let options = options("CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=\"t\"\n");
        assert_eq!(options.len(), 2);
        assert_eq!(options["CONFIG_C"], "\"t\"");
    }
}
