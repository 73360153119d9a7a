// SPDX-License-Identifier: GPL-2.0

//! A machine without disks and without a script that the host listens to: it does what its kernel was told, and goes
//! off.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use crate::guest::early;
use crate::machine::accel::Accel;
use crate::machine::qemu::{QEMU_LOG, Running, Sockets, complaint, last_words};
use crate::machine::{CONSOLE_LOG, Config, Console, Host, Kernel, Machine};

/// What such a machine is made of.
pub struct Bare<'a> {
    /// Its kernel.
    pub kernel: &'a Kernel,
    /// What runs it.
    pub accel: &'a Accel,
    /// How many virtual CPUs it has.
    pub cpus: u32,
    /// Its first file system.
    pub initrd: PathBuf,
    /// What its kernel is told.
    pub cmdline: String,
    /// Longest time to its end, on an emulated CPU and alone on the host.
    pub limit: Duration,
}

/// A machine that did not come to its proper end.
pub struct Failure {
    /// Why.
    pub why: String,
    /// What it was at when its time was over, for [`early::where_it_stands`]; empty if it ended before.
    pub state: String,
}

impl Bare<'_> {
    /// Runs it until it goes off, with its logs in `boot`.
    ///
    /// # Errors
    ///
    /// When the machine could not be started.
    pub fn run(self, host: &Host, boot: &Path) -> Result<Option<Failure>> {
        let sockets = Sockets::listen()?;
        let config = Config {
            machine: Machine::Q35,
            accel: self.accel,
            memory: 1024,
            cpus: self.cpus,
            bzimage: self.kernel.bzimage(),
            initrd: Some(self.initrd),
            cmdline: self.cmdline,
            shares: Vec::new(),
            disks: &[],
            cards: &[],
            devices: &[],
            console: Console::Log(boot.join(CONSOLE_LOG)),
            control: Some(sockets.control_path()),
            qmp: Some(sockets.qmp_path()),
            backends: None,
            debugger: None,
            plugin: None,
            work: &host.work,
            boot,
        };
        let log = boot.join(QEMU_LOG);
        let mut running = Running::start(&host.qemu, &config, sockets, &log)?;
        let limit = host.patience(self.accel.limit(self.limit));
        Ok(match running.child.wait_for(limit)? {
            Some(status) if status.success() => {
                let complains = |line: &str| Failure { why: format!("QEMU complains: {line}"), state: String::new() };
                complaint(&last_words(&log), false).map(complains)
            }
            Some(status) => {
                Some(Failure { why: format!("QEMU ended with {status}: {}", last_words(&log)), state: String::new() })
            }
            None => Some(Failure {
                why: format!("did not end within {} s", limit.as_secs()),
                state: early::state(&mut running.qmp),
            }),
        })
    }
}
