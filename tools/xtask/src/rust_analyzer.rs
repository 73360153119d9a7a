// SPDX-License-Identifier: GPL-2.0
//! `make rust-analyzer`: the description of all crates that editors read.
//!
//! The kernel's own target makes it. That target does not look behind links to directories nor into makefiles
//! of another name, so the modules of this project are added here, and those of a project outside of the tree.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::bindings::BINDINGS;
use crate::guest;
use crate::kernel::modules::directories_of;
use crate::kernel::{Workshop, build};
use crate::outside::Outside;
use crate::overlay::our_files;
use crate::progress::say;

/// A module crate that upstream's description always has; ours depend on the same crates.
const MODEL: &str = "rust_minimal";

const FILE: &str = "rust-project.json";

/// Directories of which the kernel crate has files as modules of its own, for tests. The server does not look outside
/// of what a crate is said to consist of.
const SHARED: [&str; 1] = ["drivers/net/ethernet/intel/e1000_rs"];

/// Writes the description, for the kernel tree or for a project `outside` of it with the whole kernel, says where, and
/// returns the place.
///
/// # Errors
///
/// The kernel cannot be configured, or its description is not as expected.
pub fn write(workshop: &Workshop, outside: Option<&Outside>) -> Result<PathBuf> {
    let variant = guest::wanted()?;
    build::targets(workshop, variant, "describing the crates", &["prepare".to_string()])?;
    build::targets(workshop, variant, "describing the crates", &["rust-analyzer".to_string()])?;
    let made = workshop.objdir(variant).join(FILE);
    let text = fs::read_to_string(&made).with_context(|| format!("cannot read {}", made.display()))?;
    let mut project = serde_json::from_str(&text).with_context(|| format!("{} is damaged", made.display()))?;
    let tree = &workshop.tree.root;
    add(&mut project, tree, &crate_roots(workshop)?)?;
    include(&mut project, tree, &SHARED)?;
    if let Some(outside) = outside {
        add(&mut project, &outside.dir, &outside.crate_roots(makes)?.into_iter().collect())?;
    }
    verify(&project)?;
    // Editors find it by itself at the root of a tree; one of the user's is not written to.
    let place = match outside {
        Some(outside) => outside.dir.join(FILE),
        None if workshop.project.kdir.is_some() => made,
        None => tree.join(FILE),
    };
    fs::write(&place, serde_json::to_string_pretty(&project)?)
        .with_context(|| format!("cannot write {}", place.display()))?;
    match outside {
        Some(outside) => say(&format!("wrote {}; open {} in the editor", place.display(), outside.dir.display())),
        None => {
            let tree = tree.display();
            say(&format!("wrote {}; open {tree} in the editor: our files are there as links", place.display()));
        }
    }
    Ok(place)
}

/// Our files that are the root of a module crate: some makefile beside them makes an object of that name.
fn crate_roots(workshop: &Workshop) -> Result<BTreeSet<PathBuf>> {
    let repo = &workshop.project.repo;
    let files = our_files(repo, &workshop.tree.root)?;
    let directories = directories_of(&files);
    let makefiles = files.iter().filter(|file| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("Makefile") || name == "Kbuild"
    });
    let mut roots = BTreeSet::new();
    for makefile in makefiles {
        let dir = makefile.parent().unwrap_or(makefile);
        if !directories.contains(dir) {
            continue;
        }
        let text =
            fs::read_to_string(repo.join(makefile)).with_context(|| format!("cannot read {}", makefile.display()))?;
        let is_root = |file: &&PathBuf| {
            let stem = file.file_stem().unwrap_or_default().to_string_lossy();
            file.parent() == Some(dir) && file.extension().is_some_and(|e| e == "rs") && makes(&text, &stem)
        };
        roots.extend(files.iter().filter(is_root).cloned());
    }
    Ok(roots)
}

fn makes(makefile: &str, stem: &str) -> bool {
    let object = format!("{stem}.o");
    makefile.split_whitespace().any(|word| word == object)
}

/// Adds a crate for each root that the description lacks.
fn add(project: &mut Value, tree: &Path, roots: &BTreeSet<PathBuf>) -> Result<()> {
    let crates = project["crates"].as_array_mut().context("the kernel describes no crates")?;
    let model = crates.iter().find(|one| one["display_name"] == MODEL).cloned();
    let model = model.with_context(|| format!("the kernel describes no crate {MODEL}"))?;
    for root in roots {
        let path = json!(tree.join(root));
        if crates.iter().any(|one| one["root_module"] == path) {
            continue;
        }
        let mut ours = model.clone();
        ours["display_name"] = json!(root.file_stem().unwrap_or_default().to_string_lossy());
        ours["root_module"] = path;
        crates.push(ours);
    }
    Ok(())
}

/// Lets the kernel crate have files in more directories.
fn include(project: &mut Value, tree: &Path, dirs: &[&str]) -> Result<()> {
    let crates = project["crates"].as_array_mut().context("the kernel describes no crates")?;
    let kernel = crates.iter_mut().find(|one| one["display_name"] == "kernel");
    let included = kernel.and_then(|kernel| kernel["source"]["include_dirs"].as_array_mut());
    let included = included.context("the kernel does not say where its crate is")?;
    included.extend(dirs.iter().map(|dir| json!(tree.join(dir))));
    Ok(())
}

/// Looks whether all that the description names is there: an editor would say nothing, and know nothing.
fn verify(project: &Value) -> Result<()> {
    let crates = project["crates"].as_array().context("the kernel describes no crates")?;
    for one in crates {
        let generated = one["env"]["OBJTREE"].as_str().map(|dir| Path::new(dir).join(BINDINGS));
        let named = [&one["root_module"], &one["proc_macro_dylib_path"]];
        let named = named.into_iter().filter_map(Value::as_str).map(PathBuf::from).chain(generated);
        for path in named {
            let name = one["display_name"].as_str().unwrap_or_default();
            ensure!(path.exists(), "the description of the crate {name} names {}, which is not there", path.display());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_crate_is_added_like_the_model_and_only_once() {
        let mut project = json!({"crates": [
            {"display_name": "rust_minimal", "root_module": "/t/samples/rust/rust_minimal.rs", "deps": [1, 2]},
        ]});
        let roots = BTreeSet::from([PathBuf::from("drivers/block/ours/ours.rs")]);
        for _ in 0..2 {
            add(&mut project, Path::new("/t"), &roots).unwrap();
        }
        let crates = project["crates"].as_array().unwrap();
        assert_eq!(crates.len(), 2);
        assert_eq!(crates[1]["display_name"], "ours");
        assert_eq!(crates[1]["root_module"], "/t/drivers/block/ours/ours.rs");
        assert_eq!(crates[1]["deps"], json!([1, 2]));
    }

    #[test]
    fn the_kernel_crate_is_found_in_more_than_one_place() {
        let mut project = json!({"crates": [
            {"display_name": "kernel", "source": {"include_dirs": ["/t/rust/kernel"], "exclude_dirs": []}},
        ]});
        include(&mut project, Path::new("/t"), &["drivers/x"]).unwrap();
        assert_eq!(project["crates"][0]["source"]["include_dirs"], json!(["/t/rust/kernel", "/t/drivers/x"]));
        assert!(include(&mut json!({"crates": []}), Path::new("/t"), &["drivers/x"]).is_err());
    }

    #[test]
    fn a_module_outside_of_the_tree_is_where_it_is() {
        let mut project = json!({"crates": [{"display_name": "rust_minimal", "root_module": "/t/x.rs"}]});
        let roots = BTreeSet::from([PathBuf::from("/my drivers/foo/foo.rs")]);
        add(&mut project, Path::new("/my drivers/foo"), &roots).unwrap();
        assert_eq!(project["crates"][1]["root_module"], "/my drivers/foo/foo.rs");
    }

    #[test]
    fn what_is_named_and_not_there_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("a.rs");
        let env = |objtree: &Path| json!({"OBJTREE": objtree});
        let project = |tree: &Path| json!({"crates": [{"display_name": "a", "root_module": root, "env": env(tree)}]});
        assert!(verify(&project(dir.path())).unwrap_err().to_string().contains("crate a names"));
        fs::write(&root, "").unwrap();
        let error = verify(&project(&dir.path().join("build"))).unwrap_err().to_string();
        assert!(error.contains("build/rust/bindings/bindings_generated.rs"), "{error}");
        fs::create_dir_all(dir.path().join("rust/bindings")).unwrap();
        fs::write(dir.path().join(BINDINGS), "").unwrap();
        verify(&project(dir.path())).unwrap();
    }

    #[test]
    fn a_description_without_the_model_is_an_error() {
        assert!(add(&mut json!({"crates": []}), Path::new("/t"), &BTreeSet::new()).is_err());
        assert!(add(&mut json!({}), Path::new("/t"), &BTreeSet::new()).is_err());
    }

    #[test]
    fn a_makefile_makes_the_objects_it_names() {
        let makefile = "obj-$(CONFIG_X) += mod.o\nmod-y := root.o other_part.o\n";
        assert!(makes(makefile, "root") && makes(makefile, "mod"));
        assert!(!makes(makefile, "part"));
    }
}
