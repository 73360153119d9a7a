// SPDX-License-Identifier: GPL-2.0

//! Where and with what something was measured.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use anyhow::Result;
use serde::Serialize;

use crate::machine::{Host, Kernel, qemu};

/// A name and a value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fact {
    /// What it is about.
    pub name: &'static str,
    /// What is so.
    pub value: String,
}

impl Fact {
    /// A fact.
    pub fn new(name: &'static str, value: impl Into<String>) -> Self {
        Self { name, value: value.into() }
    }
}

/// What is known of the host and of `kernel` before anything is measured.
///
/// # Errors
///
/// QEMU cannot be run.
pub fn of(host: &Host, kernel: &Kernel) -> Result<Vec<Fact>> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpus = thread::available_parallelism().map_or(1, usize::from);
    let processor = processor(&read("/proc/cpuinfo"));
    let configuration = fs::read_to_string(kernel.objdir.join(".config")).unwrap_or_default();
    let release = fs::read_to_string(kernel.objdir.join("include/config/kernel.release")).unwrap_or_default();
    let text = |name| text_option(&configuration, name).unwrap_or_else(|| "not known".into());
    Ok(vec![
        Fact::new("host processor", format!("{processor}, {cpus} CPUs")),
        Fact::new("host kernel", read("/proc/sys/kernel/osrelease").trim()),
        Fact::new("host memory", memory(&read("/proc/meminfo"))),
        Fact::new("load of the host before", load(&read("/proc/loadavg"))),
        Fact::new("QEMU", qemu::version(&host.qemu)?),
        Fact::new("guest kernel", format!("{}, {}", release.trim(), kernel.name)),
        Fact::new("options of the guest kernel", kernel.options()),
        Fact::new("C compiler", text("CONFIG_CC_VERSION_TEXT")),
        Fact::new("Rust compiler", text("CONFIG_RUSTC_VERSION_TEXT")),
        Fact::new("commit", commit(&host.repo).unwrap_or_else(|| "not known".into())),
    ])
}

/// What was so when everything was measured; `data` is what the guest told.
pub fn afterwards(data: &[String]) -> Vec<Fact> {
    let told = |name: &str| data.iter().find_map(|line| line.strip_prefix(name)).unwrap_or("not known").to_owned();
    let load = load(&fs::read_to_string("/proc/loadavg").unwrap_or_default());
    vec![
        Fact::new("load of the host after", load),
        Fact::new("measured with", told("version ")),
        Fact::new("date", told("date ")),
    ]
}

/// The name of the processor in `/proc/cpuinfo`.
fn processor(cpuinfo: &str) -> String {
    let mut names = cpuinfo.lines().filter_map(|line| line.strip_prefix("model name")?.split_once(':'));
    names.next().map_or("not known", |(_, name)| name.trim()).to_owned()
}

/// The memory in `/proc/meminfo`.
fn memory(meminfo: &str) -> String {
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next());
    let kib: Option<u64> = total.and_then(|kib| kib.parse().ok());
    kib.map_or("not known".into(), |kib| format!("{} MiB", kib >> 10))
}

/// The load of the last minute in `/proc/loadavg`.
fn load(loadavg: &str) -> String {
    loadavg.split_whitespace().next().unwrap_or("not known").to_owned()
}

/// A text among the options of a kernel.
fn text_option(configuration: &str, name: &str) -> Option<String> {
    let value = configuration.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
    Some(value.trim_matches('"').to_owned())
}

/// The commit of the checkout, with a mark if something was changed since.
fn commit(repo: &Path) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(repo).args(["describe", "--always", "--dirty"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_host_tells_is_read() {
        assert_eq!(processor("processor\t: 0\nmodel name\t: A CPU @ 3 GHz\nmodel name\t: B\n"), "A CPU @ 3 GHz");
        assert_eq!(processor(""), "not known");
        assert_eq!(memory("MemTotal:       24689732 kB\nMemFree: 1 kB\n"), "24111 MiB");
        assert_eq!(memory(""), "not known");
        assert_eq!(load("1.50 0.7 0.2 1/100 7\n"), "1.50");
        assert_eq!(load(""), "not known");
    }

    #[test]
    fn the_compilers_are_those_of_the_kernels_configuration() {
        let configuration = "CONFIG_A=y\nCONFIG_CC_VERSION_TEXT=\"clang version 19\"\n";
        assert_eq!(text_option(configuration, "CONFIG_CC_VERSION_TEXT").unwrap(), "clang version 19");
        assert_eq!(text_option(configuration, "CONFIG_CC"), None);
    }

    #[test]
    fn what_the_guest_tells_is_among_the_facts() {
        let facts = afterwards(&["run x".into(), "version fio-3.33".into(), "date 2026-11-29".into()]);
        assert_eq!(facts[1].value, "fio-3.33");
        assert_eq!(facts[2].value, "2026-11-29");
        assert_eq!(afterwards(&[])[1].value, "not known");
    }
}
