// SPDX-License-Identifier: GPL-2.0

//! Which accelerator really runs a guest on this machine.
//!
//! `/dev/kvm` can exist, accept a virtual machine, and still not run Linux in it (nested virtualisation that is only
//! half there). So KVM is tried with a short boot, and the verdict is kept until the host boots again. A failure may be
//! the fault of the kernel that was tried, so it is kept for that kernel alone.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::machine::qemu::{self, Child, QEMU_LOG};
use crate::machine::{CONSOLE_LOG, Config, Console, Host, Kernel, Machine, image};

/// How long a guest may take to reach user space under KVM.
const PATIENCE: Duration = Duration::from_secs(15);
/// What the guest's init prints when it is told only to prove that it runs.
pub(crate) const ALIVE: &str = "vmtest: user space runs";

/// An accelerator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accel {
    /// Hardware virtualisation; a guest was seen to run.
    Kvm,
    /// Emulation.
    Tcg {
        /// Why not KVM.
        why: String,
    },
    /// Emulation of one CPU whose time is the number of its instructions, whatever the host does: one takes 2 ns, and a
    /// CPU that waits goes on to the next timer at once. Never found by [`probe`].
    Counted,
}

impl Accel {
    /// Its name, without the reason.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Kvm => "KVM",
            Self::Tcg { .. } => "TCG",
            Self::Counted => "TCG by instructions",
        }
    }

    /// A time limit meant for an emulated CPU, as it applies to this accelerator.
    pub fn limit(&self, emulated: Duration) -> Duration {
        match self {
            Self::Kvm => emulated / 3,
            Self::Tcg { .. } | Self::Counted => emulated,
        }
    }
}

impl fmt::Display for Accel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kvm | Self::Counted => f.write_str(self.name()),
            Self::Tcg { why } => write!(f, "{} ({why})", self.name()),
        }
    }
}

/// The verdict of an earlier trial, and what it was about.
#[derive(Debug, Serialize, Deserialize)]
struct Verdict {
    qemu: String,
    host_boot: String,
    failure: Option<Failure>,
}

/// A trial that went wrong.
#[derive(Debug, Serialize, Deserialize)]
struct Failure {
    why: String,
    /// The kernel that was tried.
    kernel: String,
}

impl Verdict {
    /// Whether the verdict still holds for this QEMU, this boot of the host and this kernel.
    fn holds(&self, qemu: &str, host_boot: &str, kernel: Option<&str>) -> bool {
        let same_kernel = |failure: &Failure| kernel.is_none_or(|kernel| kernel == failure.kernel);
        self.qemu == qemu && self.host_boot == host_boot && self.failure.as_ref().is_none_or(same_kernel)
    }
}

/// A name for a kernel image that another build of it does not have.
fn fingerprint(kernel: &Kernel) -> Result<String> {
    let path = kernel.bzimage();
    let meta = fs::metadata(&path).with_context(|| format!("there is no kernel image {}", path.display()))?;
    Ok(format!("{} {}.{:09}", path.display(), meta.mtime(), meta.mtime_nsec()))
}

/// Finds the accelerator to use. Without a `kernel` to try, KVM is believed only if an earlier trial went well.
///
/// # Errors
///
/// When QEMU is missing, or the user asks for an accelerator that is not known.
pub fn probe(host: &Host, kernel: Option<&Kernel>) -> Result<Accel> {
    match host.accel.as_deref() {
        Some("kvm") => return Ok(Accel::Kvm),
        Some("tcg") => return Ok(Accel::Tcg { why: "as asked".into() }),
        Some(other) => bail!("unknown accelerator `{other}`: use kvm or tcg"),
        None => {}
    }
    let qemu = qemu::version(&host.qemu)?;
    if let Err(error) = OpenOptions::new().read(true).write(true).open("/dev/kvm") {
        return Ok(Accel::Tcg { why: format!("/dev/kvm: {error}") });
    }
    let host_boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned();
    let cache = host.work.join("accel.json");
    let image = kernel.map(fingerprint).transpose()?;
    let known = read_verdict(&cache).filter(|verdict| verdict.holds(&qemu, &host_boot, image.as_deref()));
    let failure = match (known, kernel) {
        (Some(verdict), _) => verdict.failure,
        (None, None) => return Ok(Accel::Tcg { why: "KVM not tried yet".into() }),
        (None, Some(kernel)) => {
            let kernel_name = image.unwrap_or_default();
            let failure = try_kvm(host, kernel)?.map(|why| Failure { why, kernel: kernel_name });
            let verdict = Verdict { qemu, host_boot, failure };
            fs::create_dir_all(&host.work).with_context(|| format!("cannot make {}", host.work.display()))?;
            let text = serde_json::to_string(&verdict)?;
            fs::write(&cache, text).with_context(|| format!("cannot write {}", cache.display()))?;
            verdict.failure
        }
    };
    Ok(failure.map_or(Accel::Kvm, |failure| Accel::Tcg { why: failure.why }))
}

fn read_verdict(path: &Path) -> Option<Verdict> {
    serde_json::from_str(&fs::read_to_string(path).ok()?).ok()
}

/// Boots `kernel` under KVM up to user space. `None` means that it worked.
fn try_kvm(host: &Host, kernel: &Kernel) -> Result<Option<String>> {
    let boot = host.work.join("kvm-trial");
    fs::create_dir_all(&boot).with_context(|| format!("cannot make {}", boot.display()))?;
    let log = boot.join(CONSOLE_LOG);
    // What an earlier trial wrote must not be taken for this one's.
    let _ = fs::remove_file(&log);
    let initrd = image::build(host, kernel)?;
    let config = Config {
        machine: Machine::Q35,
        accel: &Accel::Kvm,
        memory: 1024,
        cpus: 2,
        bzimage: kernel.bzimage(),
        initrd: Some(initrd),
        cmdline: "vmtest.script=alive".into(),
        shares: vec![],
        disks: &[],
        cards: &[],
        devices: &[],
        console: Console::Log(log.clone()),
        control: None,
        qmp: None,
        backends: None,
        debugger: None,
        plugin: None,
        work: &host.work,
        boot: &boot,
    };
    let qemu_log = boot.join(QEMU_LOG);
    let messages = File::create(&qemu_log)?;
    let mut child = Child::spawn(&host.qemu, &config.args(), |command| {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(messages);
    })?;
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(100));
        if fs::read(&log).is_ok_and(|log| String::from_utf8_lossy(&log).contains(ALIVE)) {
            return Ok(None);
        }
        if child.exited()?.is_some() {
            let words = qemu::last_words(&qemu_log);
            let reason = words.lines().next().unwrap_or("it ends at once").to_owned();
            return Ok(Some(format!("no guest runs under KVM: {reason}")));
        }
    }
    Ok(Some(format!("no guest runs under KVM: none reached user space in {} s", PATIENCE.as_secs())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_accelerator_is_refused() {
        let host = Host { accel: Some("xen".into()), ..Host::new(Path::new("/r"), Path::new("/w")) };
        assert!(probe(&host, None).unwrap_err().to_string().contains("xen"));
    }

    #[test]
    fn a_failure_holds_for_the_kernel_that_was_tried_and_a_success_for_all() {
        let verdict = |failure| Verdict { qemu: "8".into(), host_boot: "b".into(), failure };
        let success = verdict(None);
        assert!(success.holds("8", "b", Some("k1")) && success.holds("8", "b", None));
        assert!(!success.holds("9", "b", Some("k1")) && !success.holds("8", "c", Some("k1")));
        let failure = verdict(Some(Failure { why: String::new(), kernel: "k1".into() }));
        assert!(failure.holds("8", "b", Some("k1")) && failure.holds("8", "b", None));
        assert!(!failure.holds("8", "b", Some("k2")));
    }

    #[test]
    fn limits_are_shorter_with_hardware_virtualisation() {
        let limit = Duration::from_secs(30);
        assert!(Accel::Kvm.limit(limit) < Accel::Tcg { why: String::new() }.limit(limit));
    }
}
