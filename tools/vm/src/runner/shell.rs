// SPDX-License-Identifier: GPL-2.0

//! The interactive machine: the console is the user's terminal, the build's modules are visible as they are built.
//!
//! In user-mode Linux it is there at once, and its devices are ours: a disk, and an entropy device.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::machine::disk::{Attach, Backend, Disk};
use crate::machine::nic::Card;
use crate::machine::qemu::Child;
use crate::machine::{Config, Console, Host, Kernel, Machine, accel, image, uml};
use crate::runner::uml::{link, program};
use crate::runner::{boot_dir, shares};
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
    let words = words(outside, "vda:".into());
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

/// Runs the machine in user-mode Linux until the user leaves it. `outside` are modules from outside of the tree that it
/// is about.
///
/// # Errors
///
/// When the machine could not be started or fails.
pub fn uml(host: &Host, kernel: &Kernel, outside: Option<&Outside>) -> Result<()> {
    let boot = boot_dir(host, "shell-uml")?;
    let device = |name, options: &str| uml::Device { name, options: options.to_owned() };
    let devices = uml::Devices::start(&[device("disk", "--size 1G"), device("entropy", "--entropy")], &boot)?;
    let modules = outside.map(|outside| link(&boot, "outside", &outside.dir)).transpose()?;
    let config = uml::Config {
        linux: &program(kernel)?,
        initrd: &image::build(host, kernel)?,
        memory: 512,
        objdir: &kernel.objdir,
        guest: &link(&boot, "guest", &host.guest_dir())?,
        outside: modules.as_deref(),
        words: &words(outside, devices.map()),
        console: Console::Terminal,
    };
    println!("{} kernel, a program of this machine; `poweroff` leaves", kernel.name);
    let status = uml::run_on_terminal(&config, &devices)?;
    if !status.success() {
        bail!("user-mode Linux ended with {status}");
    }
    Ok(())
}

/// What the guest's init is told.
fn words(outside: Option<&Outside>, disks: String) -> Vec<String> {
    let vars: Vec<_> = outside.map(|outside| ("modules", outside.names.join(","))).into_iter().collect();
    words_for_init("shell", &vars, &[("disks", disks)], &Overrides::default())
}
