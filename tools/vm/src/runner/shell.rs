// SPDX-License-Identifier: GPL-2.0

//! The interactive machine: the console is the user's terminal, the build's modules are visible as they are built.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::machine::disk::{Attach, Backend, Disk};
use crate::machine::nic::Card;
use crate::machine::qemu::Child;
use crate::machine::{Config, Console, Host, Kernel, Machine, accel, image};
use crate::runner::shares;
use crate::scenario::{Outside, Overrides, words_for_init};

/// Runs the machine until the user leaves it. `outside` are modules from outside of the tree that it is about,
/// `devices` are devices beyond those that it has, each as QEMU's `-device` takes it.
///
/// # Errors
///
/// When the machine could not be started or QEMU fails.
pub fn shell(host: &Host, kernel: &Kernel, outside: Option<&Outside>, devices: &[String]) -> Result<()> {
    let accel = accel::probe(host, Some(kernel))?;
    let boot = host.work.join("shell");
    fs::create_dir_all(&boot).with_context(|| format!("cannot make {}", boot.display()))?;
    let disks = [Disk::scratch("vda", 1024).backend(Backend::Kept("shell.raw".into())).attach(Attach::Drive)];
    for disk in &disks {
        disk.prepare(&host.work, &boot)?;
    }
    let vars: Vec<_> = outside.map(|outside| ("modules", outside.names.join(","))).into_iter().collect();
    let words = words_for_init("shell", &vars, &[("disks", "vda:".into())], &Overrides::default());
    let config = Config {
        machine: Machine::Q35,
        accel: &accel,
        memory: 1024,
        cpus: 2,
        bzimage: kernel.bzimage(),
        initrd: Some(image::build(host, kernel)?),
        cmdline: format!("quiet {}", words.join(" ")),
        shares: shares(host, kernel, outside),
        disks: &disks,
        cards: &[Card::new("eth")],
        devices,
        console: Console::Terminal,
        control: None,
        qmp: None,
        backends: None,
        debugger: None,
        plugin: None,
        work: &host.work,
        boot: &boot,
    };
    println!("{} kernel, {accel}; Ctrl-A X leaves, `poweroff` too", kernel.name);
    let mut child = Child::spawn(&host.qemu, &config.args(), |_| {})?;
    let status = child.wait()?;
    if !status.success() {
        bail!("QEMU ended with {status}");
    }
    Ok(())
}
