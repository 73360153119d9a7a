// SPDX-License-Identifier: GPL-2.0
//! `make new-driver`: the beginning of a driver, as a project outside of the kernel tree.

mod kind;
mod name;
mod template;
pub mod trial;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

pub use self::kind::Kind;
use self::template::Values;
pub use self::template::sources;
use crate::kernel::{Variant, objdir};
use crate::progress::say;
use crate::project::{Project, variable};
use crate::source::{self, Tree};

/// Writes the project that `NAME=`, `KIND=` and `DIR=` ask for, and says how to go on.
///
/// # Errors
///
/// One of them is missing or wrong, there is something in the place already, or no kernel tree yet.
pub fn run(project: &Project) -> Result<()> {
    let name = variable("NAME").context("NAME= is missing: the name of the driver, such as my_driver")?;
    name::check(&name)?;
    let kind = variable("KIND").with_context(|| format!("KIND= is missing: there is {}", Kind::list()))?;
    let kind = Kind::parse(&kind)?;
    let tree =
        source::find(project)?.context("there is no kernel tree yet: `make setup` fetches one, KDIR= names one")?;
    for variant in [Variant::Plain, Variant::Debug] {
        name::check_kernel(&name, &objdir(project, &tree, variant))?;
    }
    let dir = place(project, &tree, &name, variable("DIR").as_deref())?;
    write(project, &tree, &name, kind, &dir)?;
    say(&format!("wrote {}, for Linux {} in {}", dir.display(), tree.version, tree.root.display()));
    say("its README.md says how to go on; there: make, make test, make shell, make rust-analyzer");
    Ok(())
}

/// Writes a project into the new folder `dir`.
///
/// # Errors
///
/// There is something of that name, or it cannot be written; nothing is left then.
pub fn write(project: &Project, tree: &Tree, name: &str, kind: Kind, dir: &Path) -> Result<()> {
    let checkout = project.repo.to_str().context("the path of the checkout is no text")?;
    let only_name = Values::new([("name", name.to_owned())]);
    let values = Values::new([
        ("name", name.to_owned()),
        ("about", kind.about().to_owned()),
        ("version", tree.version.clone()),
        ("tree", tree.root.display().to_string()),
        ("checkout", checkout.to_owned()),
        ("make_checkout", for_make(checkout)),
        ("make_settings", settings(project)),
        ("devices", kind.devices().to_owned()),
        ("next", template::next_steps(&project.repo, kind, &only_name)?),
    ]);
    template::write(dir, &template::files(&project.repo, kind, &values)?)
}

/// Where the project is to be: in `DIR=`, or beside the checkout.
fn place(project: &Project, tree: &Tree, name: &str, dir: Option<&str>) -> Result<PathBuf> {
    let dir = match dir {
        Some(dir) => project.repo.join(dir),
        None => project.repo.parent().unwrap_or(&project.repo).join(name),
    };
    let shown = dir.display().to_string();
    if shown.contains(char::is_control) {
        bail!("DIR={}: a path with such a character is of no use to make", shown.escape_debug());
    }
    let base = dir.file_name().with_context(|| format!("DIR={shown} is not the name of a new folder"))?;
    let above = dir.parent().unwrap_or(&dir);
    let above = above.canonicalize().with_context(|| format!("DIR={shown}: there is no folder {}", above.display()))?;
    for (what, root) in [("the checkout", &project.repo), ("the kernel tree", &tree.root)] {
        if above.starts_with(root) {
            bail!("DIR={shown} is in {what}: a driver of one's own goes elsewhere");
        }
    }
    Ok(above.join(base))
}

/// What of the user's choices a later make must know, as lines of a makefile.
fn settings(project: &Project) -> String {
    let given = |name: &str, path: Option<&Path>| {
        path.map(|path| format!("export {name} := {}\n", for_make(&path.display().to_string()))).unwrap_or_default()
    };
    let build = variable("BUILD").map(|_| project.build.as_path());
    given("KDIR", project.kdir.as_deref()) + &given("BUILD", build)
}

/// A text as the value of a variable in a makefile.
fn for_make(text: &str) -> String {
    text.replace('$', "$$").replace('#', "\\#")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;
    use crate::outside::Outside;

    /// The checkout that is tested, with a build directory and a kernel tree in `dir`.
    fn here(dir: &Path) -> (Project, Tree) {
        let repo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
        let project =
            Project { repo, cache: dir.join("cache"), build: dir.join("build"), kdir: None, jobs: 1, verbose: false };
        (project, Tree { root: dir.join("linux-7.3.4"), version: "7.3.4".to_owned() })
    }

    /// Every file below `dir`, with its text.
    fn texts(dir: &Path) -> Vec<(String, String)> {
        let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        let text = |path: PathBuf| {
            let name = path.strip_prefix(dir).unwrap().display().to_string();
            if path.is_dir() {
                let inside = |(below, text)| (format!("{name}/{below}"), text);
                return texts(&path).into_iter().map(inside).collect();
            }
            vec![(name, fs::read_to_string(&path).unwrap())]
        };
        entries.flat_map(text).collect()
    }

    #[test]
    fn a_project_of_each_kind_is_whole_and_no_placeholder_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let (project, tree) = here(dir.path());
        for kind in Kind::ALL {
            let place = dir.path().join(format!("my {}", kind.name()));
            write(&project, &tree, "foo_bar", kind, &place).unwrap();
            let files = texts(&place);
            let text = |name: &str| {
                let found = files.iter().find(|(file, _)| file == name);
                &found.unwrap_or_else(|| panic!("{} has no {name}", kind.name())).1
            };
            for (name, text) in &files {
                assert!(!name.contains("__") && !text.contains("__"), "{}: {name}: {text}", kind.name());
            }
            assert!(text("Kbuild").contains("obj-m := foo_bar.o\n"));
            assert!(text("foo_bar.rs").contains("name: \"foo_bar\","));
            assert!(text("README.md").contains("Linux 7.3.4") && text("README.md").contains("\n1. "));
            assert!(text("Makefile").contains(&format!("\nCHECKOUT := {}\n", project.repo.display())));
            assert!(text("Makefile").contains(&tree.root.display().to_string()));
            assert!(text("logic/Cargo.toml").contains("name = \"foo_bar-logic\""));
            assert!(text(".vscode/settings.json").contains("linkedProjects"));
            assert!(text("test.sh").contains("\ncases "));
            Outside::open(&project, &place).unwrap();
        }
    }

    #[test]
    fn a_second_run_changes_nothing_and_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let (project, tree) = here(dir.path());
        let place = dir.path().join("foo");
        write(&project, &tree, "foo", Kind::Plain, &place).unwrap();
        fs::write(place.join("foo.rs"), "mine").unwrap();
        let before = texts(&place);
        let error = write(&project, &tree, "foo", Kind::Net, &place).unwrap_err().to_string();
        assert_eq!(error, format!("{} is there already", place.display()));
        assert_eq!(texts(&place), before);
    }

    #[test]
    fn a_project_is_beside_the_checkout_or_where_it_is_told_but_in_no_tree() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let repo = root.join("checkout");
        let (project, tree) = here(&root);
        let project = Project { repo: repo.clone(), ..project };
        for path in [&repo.join("inside"), &tree.root, &root.join("my drivers")] {
            fs::create_dir_all(path).unwrap();
        }
        let place = |dir: Option<&str>| place(&project, &tree, "foo", dir);
        assert_eq!(place(None).unwrap(), root.join("foo"));
        assert_eq!(place(Some("../my drivers/x")).unwrap(), root.join("my drivers/x"));
        for (given, says) in [
            ("inside/foo", "is in the checkout"),
            ("foo", "is in the checkout"),
            ("../linux-7.3.4/foo", "is in the kernel tree"),
            ("../none/foo", "there is no folder"),
            ("..", "is not the name of a new folder"),
            ("../a\nb", "a path with such a character"),
        ] {
            let error = place(Some(given)).unwrap_err().to_string();
            assert!(error.contains(says) && error.lines().count() == 1, "{error}");
        }
    }

    /// Runs `make TARGET` in a project whose checkout is a stand-in in `dir`, and returns what it and make say.
    fn make(dir: &Path, project: &Path, arguments: &[&str]) -> String {
        let show = "ko test shell rust-analyzer:\n\t@echo \"$@ [$$M] [$$DEVICES] [$$KDIR] [$$KERNEL]\"\n";
        fs::write(dir.join("overlay.toml"), "").unwrap();
        fs::write(dir.join("Makefile"), show).unwrap();
        let output =
            Command::new("make").arg("-C").arg(project).args(arguments).env_remove("MAKEFLAGS").output().unwrap();
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
    }

    #[test]
    fn the_makefile_leads_to_the_checkout_from_any_path() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let (project, tree) = here(&root);
        let checkout = root.join("a $check#out");
        fs::create_dir(&checkout).unwrap();
        let place = root.join("it's my $HOME #1: \"pci\"");
        // The templates are those of this checkout, but another one is named.
        let values = Values::new([
            ("name", "foo".to_owned()),
            ("about", String::new()),
            ("version", tree.version),
            ("tree", tree.root.display().to_string()),
            ("checkout", String::new()),
            ("make_checkout", for_make(checkout.to_str().unwrap())),
            ("make_settings", "export KDIR := /k\n".to_owned()),
            ("devices", "edu".to_owned()),
            ("next", String::new()),
        ]);
        template::write(&place, &template::files(&project.repo, Kind::Pci, &values).unwrap()).unwrap();
        for (target, arguments) in [("ko", vec![]), ("test", vec!["test"]), ("shell", vec!["shell", "KERNEL=debug"])] {
            let said = make(&checkout, &place, &arguments);
            let kernel = if arguments.len() == 2 { "debug" } else { "" };
            let expected = format!("{target} [{}] [edu] [/k] [{kernel}]", place.display());
            assert!(said.lines().any(|line| line == expected), "{said}");
        }
        fs::remove_dir_all(&checkout).unwrap();
        fs::create_dir(&checkout).unwrap();
        let output = Command::new("make").arg("-C").arg(&place).env_remove("MAKEFLAGS").output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(errors, [format!("error: no checkout in {}: say CHECKOUT=", checkout.display())], "{said}");
        assert!(!output.status.success());
    }
}
