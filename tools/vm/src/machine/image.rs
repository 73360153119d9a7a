// SPDX-License-Identifier: GPL-2.0

//! The guest's root file system: an initramfs with the tools that guest scripts use, made by the kernel's own
//! `gen_init_cpio`, and made anew only when one of its inputs has changed.
//!
//! Modules and scripts are not in it: the guest sees the host's directories live.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::machine::{Host, Kernel, backend};

mod lean;

/// Programs the guest scripts use, beyond busybox, and the Debian package of each.
const TOOLS: &[(&str, &str)] = &[
    ("fio", "fio"),
    ("mkfs.ext4", "e2fsprogs"),
    ("e2fsck", "e2fsprogs"),
    ("mkfs.btrfs", "btrfs-progs"),
    ("blkdiscard", "util-linux"),
    ("blkzone", "util-linux"),
    ("blockdev", "util-linux"),
    ("fstrim", "util-linux"),
    ("lsblk", "util-linux"),
    ("fallocate", "util-linux"),
    ("perl", "perl-base"),
    ("modinfo", "kmod"),
    ("vdpa", "iproute2"),
    ("ip", "iproute2"),
    ("bridge", "iproute2"),
    ("ethtool", "ethtool"),
    ("ping", "iputils-ping"),
    ("iperf3", "iperf3"),
    ("qemu-storage-daemon", "qemu-utils or qemu-system-common"),
];

/// Where to look besides `PATH`: a user's path often lacks the administrator's directories.
const ADMIN_DIRS: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];

/// Returns the image for `kernel`, made if need be.
///
/// # Errors
///
/// When a tool is not installed or the image cannot be written.
pub fn build(host: &Host, kernel: &Kernel) -> Result<PathBuf> {
    fs::create_dir_all(&host.work).with_context(|| format!("cannot make {}", host.work.display()))?;
    let replaced = [("fio", fio(host)?), ("qemu-storage-daemon", backend::program(host))];
    let spec = spec(&init(host)?, &replaced)?;
    let key = key(&spec)?;
    let image = host.work.join("initramfs.cpio");
    let stamp = host.work.join("initramfs.key");
    if image.exists() && fs::read_to_string(&stamp).is_ok_and(|old| old == key) {
        return Ok(image);
    }
    let list = host.work.join("initramfs.list");
    fs::write(&list, &spec).with_context(|| format!("cannot write {}", list.display()))?;
    // Written beside the old image and renamed, so that an interrupted build never leaves half an image.
    let partial = host.work.join(format!("initramfs.{}.partial", std::process::id()));
    let packed = pack(&kernel.objdir.join("usr/gen_init_cpio"), &list, &partial);
    if let Err(error) = packed {
        let _ = fs::remove_file(&partial);
        return Err(error);
    }
    fs::rename(&partial, &image)?;
    fs::write(&stamp, key)?;
    Ok(image)
}

fn pack(generator: &Path, list: &Path, image: &Path) -> Result<()> {
    let output = File::create(image).with_context(|| format!("cannot write {}", image.display()))?;
    // Not compressed: an emulated CPU unpacks more slowly than QEMU reads.
    let status = Command::new(generator)
        .args(["-t", "0"])
        .arg(list)
        .stdout(output)
        .status()
        .with_context(|| format!("cannot run {}; is the kernel built?", generator.display()))?;
    if !status.success() {
        bail!("the guest image could not be made (gen_init_cpio: {status})");
    }
    Ok(())
}

/// The guest's first program, as a copy below the work directory: `gen_init_cpio` takes no path with a space, and
/// the checkout may be anywhere.
fn init(host: &Host) -> Result<PathBuf> {
    let source = host.guest_dir().join("init");
    let copy = host.work.join("init");
    put(&copy, &read(&source)?)?;
    Ok(copy)
}

/// fio for the guest.
fn fio(host: &Host) -> Result<PathBuf> {
    let source = find("fio", "fio")?;
    let copy = host.work.join("fio");
    let lean = lean::without_clients(&read(&source)?);
    put(&copy, &lean.with_context(|| format!("{} is not understood", source.display()))?)?;
    Ok(copy)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Writes a program. One that is right keeps its time stamp, and the image with it.
fn put(path: &Path, contents: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == contents) {
        return Ok(());
    }
    fs::write(path, contents).with_context(|| format!("cannot write {}", path.display()))?;
    // `ldd` asks for it.
    fs::set_permissions(path, Permissions::from_mode(0o755))?;
    Ok(())
}

/// The list of files for `gen_init_cpio`. `replaced` are tools that come from elsewhere than the host's directories.
fn spec(init: &Path, replaced: &[(&str, PathBuf)]) -> Result<String> {
    let busybox = find("busybox", "busybox-static")?;
    let mut files =
        BTreeSet::from([("/bin/busybox".to_owned(), busybox.clone()), ("/init".to_owned(), init.to_path_buf())]);
    let add_libraries = |files: &mut BTreeSet<_>, program: &Path| -> Result<()> {
        files.extend(libraries(program)?.into_iter().map(|library| (library.display().to_string(), library)));
        Ok(())
    };
    add_libraries(&mut files, &busybox)?;
    let mut absent = Vec::new();
    for &(tool, package) in TOOLS {
        let other = replaced.iter().find(|(name, path)| *name == tool && path.is_file());
        let found = other.map_or_else(|| find(tool, package), |(_, path)| Ok(path.clone()));
        match found {
            Ok(path) => {
                add_libraries(&mut files, &path)?;
                files.insert((format!("/sbin/{tool}"), path));
            }
            Err(error) => absent.push(error.to_string()),
        }
    }
    if !absent.is_empty() {
        bail!("{}", absent.join("; "));
    }
    let mut dirs = BTreeSet::from(
        ["/dev", "/proc", "/sys", "/tmp", "/run", "/root", "/mnt", "/mnt/obj", "/mnt/guest", "/mnt/modules"]
            .map(PathBuf::from),
    );
    for (target, _) in &files {
        dirs.extend(Path::new(target).ancestors().skip(1).filter(|dir| *dir != Path::new("/")).map(Path::to_path_buf));
    }
    let mut spec = String::new();
    for dir in &dirs {
        writeln!(spec, "dir {} 0755 0 0", dir.display())?;
    }
    writeln!(spec, "nod /dev/console 0600 0 0 c 5 1")?;
    for (target, source) in &files {
        writeln!(spec, "file {target} {} 0755 0 0", source.display())?;
    }
    for applet in applets(&busybox)? {
        writeln!(spec, "slink /bin/{applet} busybox 0777 0 0")?;
    }
    Ok(spec)
}

fn applets(busybox: &Path) -> Result<Vec<String>> {
    let output = Command::new(busybox).arg("--list").output().context("cannot run busybox")?;
    let list = String::from_utf8(output.stdout).context("busybox --list")?;
    Ok(list.lines().filter(|applet| *applet != "busybox").map(str::to_owned).collect())
}

/// Finds a program of the host.
fn find(tool: &str, package: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = ADMIN_DIRS.iter().map(PathBuf::from).chain(std::env::split_paths(&path));
    let found = dirs.map(|dir| dir.join(tool)).find(|path| path.is_file());
    found.with_context(|| format!("the guest needs `{tool}` (package {package})"))
}

/// The shared libraries and the loader that a program needs; none for a static one.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd").arg(program).output().context("cannot run ldd")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if text.contains("not found") {
        bail!("{} lacks a shared library:\n{text}", program.display());
    }
    Ok(parse_ldd(&text))
}

fn parse_ldd(text: &str) -> Vec<PathBuf> {
    let path = |line: &str| line.split_whitespace().find(|word| word.starts_with('/')).map(PathBuf::from);
    text.lines().filter_map(path).collect()
}

/// A digest of the list and of what each file in it looks like from outside.
fn key(spec: &str) -> Result<String> {
    let mut hash = Sha256::new();
    hash.update(spec);
    for line in spec.lines() {
        let mut words = line.split(' ');
        let (Some("file"), Some(_), Some(source)) = (words.next(), words.next(), words.next()) else { continue };
        let meta = fs::metadata(source).with_context(|| format!("cannot read {source}"))?;
        hash.update(format!("{}:{}:{}\n", meta.len(), meta.mtime(), meta.mtime_nsec()));
    }
    Ok(format!("{:x}", hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ldd_output_gives_libraries_and_loader_but_no_virtual_object() {
        let text = "\tlinux-vdso.so.1 (0x1)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x2)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x3)\n";
        let expected = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"];
        assert_eq!(parse_ldd(text), expected.map(PathBuf::from));
        assert!(parse_ldd("\tnot a dynamic executable\n").is_empty());
    }

    #[test]
    fn the_key_changes_when_a_file_changes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let spec = format!("file /f {} 0755 0 0\n", path.display());
        fs::write(&path, "a").unwrap();
        let before = key(&spec).unwrap();
        assert_eq!(before, key(&spec).unwrap());
        fs::write(&path, "ab").unwrap();
        assert_ne!(before, key(&spec).unwrap());
        fs::remove_file(&path).unwrap();
        assert!(key(&spec).is_err());
    }

    #[test]
    fn the_image_can_be_described_for_a_checkout_with_a_space_in_its_path() {
        let dir = tempfile::tempdir().unwrap();
        let (repo, work) = (dir.path().join("a checkout"), dir.path().join("work"));
        let source = repo.join("tests/guest/init");
        fs::create_dir_all(source.parent().unwrap()).unwrap();
        fs::create_dir(&work).unwrap();
        fs::write(&source, "#!/bin/sh\n").unwrap();
        let host = Host::new(&repo, &work);
        let copy = init(&host).unwrap();
        assert_eq!(copy, work.join("init"));
        let written = fs::metadata(&copy).unwrap().modified().unwrap();
        assert_eq!(fs::metadata(init(&host).unwrap()).unwrap().modified().unwrap(), written, "copied without need");
        fs::write(&source, "#!/bin/sh\ntrue\n").unwrap();
        assert_eq!(fs::read(init(&host).unwrap()).unwrap(), fs::read(&source).unwrap());
    }

    #[test]
    fn a_missing_tool_is_named_with_its_package() {
        let error = find("no-such-tool", "no-such-package").unwrap_err().to_string();
        assert!(error.contains("no-such-tool") && error.contains("no-such-package"), "{error}");
    }
}
