// SPDX-License-Identifier: GPL-2.0
//! The overlay against small trees of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tempfile::TempDir;

use super::state::State;
use super::{Overlay, Status};

const MANIFEST: &str = r##"
[[insert]]
file = "drivers/Kconfig"
after = "source \"drivers/a/Kconfig\""
lines = ["source \"drivers/ours/Kconfig\""]

[[insert]]
file = "lib/all.c"
before = "/* end */"
lines = ["#ifdef OURS", "#include \"ours.c\"", "#endif"]

[[insert]]
file = "lib/all.c"
end = true
lines = ["/* ours */"]
"##;

const KCONFIG: &str = "menu \"x\"\nsource \"drivers/a/Kconfig\"\nendmenu\n";
const ALL_C: &str = "int a;\n/* end */\n";

struct Scene {
    _dir: TempDir,
    repo: PathBuf,
    tree: PathBuf,
}

impl Scene {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let scene = Self { repo: root.join("repo"), tree: root.join("tree"), _dir: dir };
        write(&scene.tree.join("drivers/Kconfig"), KCONFIG);
        write(&scene.tree.join("lib/all.c"), ALL_C);
        write(&scene.tree.join("tools/theirs"), "");
        write(&scene.repo.join("overlay.toml"), MANIFEST);
        write(&scene.repo.join("drivers/ours/Kconfig"), "config OURS\n");
        write(&scene.repo.join("drivers/ours/sub/ours.rs"), "");
        write(&scene.repo.join("lib/ours.c"), "");
        write(&scene.repo.join("tools/not_linked"), "");
        write(&scene.repo.join("elsewhere/not_linked"), "");
        scene
    }

    fn overlay(&self) -> Overlay<'_> {
        Overlay::new(&self.repo, &self.tree)
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.tree.join(file)).unwrap()
    }

    /// Every path of the tree with its content, or its target.
    fn snapshot(&self) -> Vec<(PathBuf, String)> {
        let mut found = Vec::new();
        collect(&self.tree, &mut found);
        found.sort();
        found
    }
}

fn collect(dir: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            found.push((path.clone(), format!("-> {}", fs::read_link(&path).unwrap().display())));
        } else if path.is_dir() {
            collect(&path, found);
        } else {
            found.push((path.clone(), fs::read_to_string(&path).unwrap()));
        }
    }
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn modified(path: &Path) -> SystemTime {
    fs::metadata(path).unwrap().modified().unwrap()
}

#[test]
fn applying_inserts_lines_and_links_files() {
    let scene = Scene::new();
    assert!(scene.overlay().apply().unwrap());
    assert_eq!(
        scene.read("drivers/Kconfig"),
        "menu \"x\"\nsource \"drivers/a/Kconfig\"\nsource \"drivers/ours/Kconfig\"\nendmenu\n"
    );
    assert_eq!(scene.read("lib/all.c"), "int a;\n#ifdef OURS\n#include \"ours.c\"\n#endif\n/* end */\n/* ours */\n");
    assert_eq!(fs::read_link(scene.tree.join("lib/ours.c")).unwrap(), scene.repo.join("lib/ours.c"));
    assert_eq!(scene.overlay().status().unwrap(), Status::Applied { insertions: 3, links: 2 });
}

#[test]
fn a_directory_the_kernel_lacks_is_one_link() {
    let scene = Scene::new();
    scene.overlay().apply().unwrap();
    let link = scene.tree.join("drivers/ours");
    assert_eq!(fs::read_link(link).unwrap(), scene.repo.join("drivers/ours"));
    assert_eq!(scene.read("drivers/ours/Kconfig"), "config OURS\n");
}

#[test]
fn host_tools_and_unknown_directories_are_not_linked() {
    let scene = Scene::new();
    scene.overlay().apply().unwrap();
    assert!(!scene.tree.join("tools/not_linked").exists());
    assert!(!scene.tree.join("elsewhere").exists());
}

#[test]
fn applying_twice_changes_nothing_the_second_time() {
    let scene = Scene::new();
    scene.overlay().apply().unwrap();
    let (before, time) = (scene.snapshot(), modified(&scene.tree.join("lib/all.c")));
    assert!(!scene.overlay().apply().unwrap());
    assert_eq!(scene.snapshot(), before);
    assert_eq!(modified(&scene.tree.join("lib/all.c")), time);
}

#[test]
fn unapplying_restores_every_byte() {
    let scene = Scene::new();
    let before = scene.snapshot();
    scene.overlay().apply().unwrap();
    assert_ne!(scene.snapshot(), before);
    assert!(scene.overlay().unapply().unwrap());
    assert_eq!(scene.snapshot(), before);
    assert_eq!(scene.overlay().status().unwrap(), Status::NotApplied);
    assert!(!scene.overlay().unapply().unwrap());
}

#[test]
fn a_missing_anchor_leaves_the_tree_untouched() {
    let scene = Scene::new();
    write(&scene.tree.join("lib/all.c"), "int a;\n");
    let before = scene.snapshot();
    let error = scene.overlay().apply().unwrap_err().to_string();
    assert!(error.contains("lib/all.c: anchor line `/* end */` not found"), "{error}");
    assert_eq!(scene.snapshot(), before);
}

#[test]
fn an_ambiguous_anchor_leaves_the_tree_untouched() {
    let scene = Scene::new();
    write(&scene.tree.join("lib/all.c"), "/* end */\n/* end */\n");
    let before = scene.snapshot();
    let error = scene.overlay().apply().unwrap_err().to_string();
    assert!(error.contains("lib/all.c") && error.contains("more than once"), "{error}");
    assert_eq!(scene.snapshot(), before);
}

#[test]
fn a_file_that_would_replace_one_of_the_kernel_is_refused() {
    let scene = Scene::new();
    write(&scene.repo.join("lib/all.c"), "ours\n");
    let before = scene.snapshot();
    let error = scene.overlay().apply().unwrap_err().to_string();
    assert!(error.contains("lib/all.c would replace a file of the kernel"), "{error}");
    assert_eq!(scene.snapshot(), before);
}

#[test]
fn the_tree_of_another_checkout_is_refused() {
    let scene = Scene::new();
    scene.overlay().apply().unwrap();
    let other = scene.repo.with_file_name("other");
    write(&other.join("overlay.toml"), MANIFEST);
    let before = scene.snapshot();
    let foreign = Overlay::new(&other, &scene.tree);
    for error in [foreign.apply().unwrap_err(), foreign.unapply().unwrap_err()] {
        let error = error.to_string();
        assert!(error.contains(&format!("carries the overlay of {}", scene.repo.display())), "{error}");
    }
    assert_eq!(foreign.status().unwrap(), Status::Foreign(scene.repo.clone()));
    assert_eq!(scene.snapshot(), before);
}

#[test]
fn the_tree_of_a_deleted_checkout_is_taken_over() {
    let scene = Scene::new();
    scene.overlay().apply().unwrap();
    let moved = scene.repo.with_file_name("moved");
    fs::rename(&scene.repo, &moved).unwrap();
    Overlay::new(&moved, &scene.tree).apply().unwrap();
    assert_eq!(fs::read_link(scene.tree.join("drivers/ours")).unwrap(), moved.join("drivers/ours"));
    assert_eq!(scene.read("lib/all.c").matches("ours.c").count(), 1);
}

#[test]
fn a_new_file_is_linked_and_a_deleted_one_unlinked() {
    let scene = Scene::new();
    scene.overlay().apply().unwrap();
    write(&scene.repo.join("lib/more.c"), "");
    fs::remove_file(scene.repo.join("lib/ours.c")).unwrap();
    assert_eq!(scene.overlay().status().unwrap(), Status::OutOfDate);
    assert!(scene.overlay().apply().unwrap());
    assert!(scene.tree.join("lib/more.c").is_symlink());
    assert!(!scene.tree.join("lib/ours.c").is_symlink());
}

#[test]
fn an_ignored_file_is_not_linked() {
    let scene = Scene::new();
    write(&scene.repo.join(".gitignore"), "*.orig\n");
    write(&scene.repo.join("lib/x.orig"), "");
    scene.overlay().apply().unwrap();
    assert!(!scene.tree.join("lib/x.orig").exists());
}

#[test]
fn what_is_ignored_above_the_checkout_is_linked_all_the_same() {
    let scene = Scene::new();
    write(&scene.repo.with_file_name(".gitignore"), "*\n");
    assert!(scene.overlay().apply().unwrap());
    assert_eq!(scene.overlay().status().unwrap(), Status::Applied { insertions: 3, links: 2 });
}

#[test]
fn a_checkout_without_a_file_for_the_kernel_is_refused() {
    let scene = Scene::new();
    write(&scene.repo.join(".gitignore"), "*\n");
    let before = scene.snapshot();
    let error = scene.overlay().apply().unwrap_err().to_string();
    assert!(error.contains("no file for the kernel tree"), "{error}");
    assert_eq!(scene.snapshot(), before);
}

#[test]
fn a_changed_manifest_replaces_the_old_insertions() {
    let scene = Scene::new();
    let before = scene.snapshot();
    scene.overlay().apply().unwrap();
    let changed = MANIFEST.replace("#include \\\"ours.c\\\"", "#include \\\"new.c\\\"");
    write(&scene.repo.join("overlay.toml"), &changed);
    assert_eq!(scene.overlay().status().unwrap(), Status::OutOfDate);
    let time = modified(&scene.tree.join("drivers/Kconfig"));
    assert!(scene.overlay().apply().unwrap());
    let text = scene.read("lib/all.c");
    assert!(text.contains("new.c") && !text.contains("ours.c"), "{text}");
    assert_eq!(modified(&scene.tree.join("drivers/Kconfig")), time);
    scene.overlay().unapply().unwrap();
    assert_eq!(scene.snapshot(), before);
}

#[test]
fn an_interrupted_apply_is_repaired_by_the_next_one() {
    let scene = Scene::new();
    let before = scene.snapshot();
    scene.overlay().apply().unwrap();
    // As if the power had gone after the record and the first file.
    write(&scene.tree.join("lib/all.c"), ALL_C);
    fs::remove_file(scene.tree.join("drivers/ours")).unwrap();
    assert!(scene.overlay().apply().unwrap());
    assert_eq!(scene.read("lib/all.c").matches("ours.c").count(), 1);
    assert_eq!(scene.read("drivers/Kconfig").matches("ours").count(), 1);
    scene.overlay().unapply().unwrap();
    assert_eq!(scene.snapshot(), before);
}

#[test]
fn the_mode_of_an_edited_file_is_kept() {
    use std::os::unix::fs::PermissionsExt;
    let scene = Scene::new();
    let path = scene.tree.join("lib/all.c");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    scene.overlay().apply().unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
}

#[test]
fn a_damaged_record_is_named() {
    let scene = Scene::new();
    write(&scene.tree.join(".virtio-rs-overlay.toml"), "not toml at all [");
    let error = format!("{:#}", scene.overlay().apply().unwrap_err());
    assert!(error.contains(".virtio-rs-overlay.toml is damaged"), "{error}");
    assert!(State::read(&scene.tree).is_err());
}
