// SPDX-License-Identifier: GPL-2.0

//! A machine with a debugger: it stops before it loads a module, and goes on when the debugger says so.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;
use signal_hook::consts::SIGINT;

use crate::machine::disk::{Attach, Disk};
use crate::machine::nic::Card;
use crate::machine::qemu::{QEMU_LOG, Running, Sockets};
use crate::machine::{CONSOLE_LOG, Config, Console, Host, Kernel, Machine, accel, image};

/// Longest time from power to where the guest waits for the debugger, on an emulated CPU and alone on the host.
const BOOT_LIMIT: Duration = Duration::from_secs(180);

/// What the guest script says when it is there.
const READY: &str = "@ready";

/// What is to be looked at.
#[derive(Debug)]
pub struct Target<'a> {
    /// The module that the guest loads when it goes on.
    pub module: &'a str,
    /// A command of the guest's shell to run after that.
    pub then: Option<&'a str>,
}

/// Boots `kernel`, attaches `gdb` to it, and ends the machine when the user leaves gdb.
///
/// # Errors
///
/// When the machine could not be started, does not come up, or gdb fails.
pub fn debug(host: &Host, kernel: &Kernel, gdb: &Path, target: &Target<'_>) -> Result<()> {
    let accel = accel::probe(host, Some(kernel))?;
    let boot = host.work.join("debug");
    fs::create_dir_all(&boot).with_context(|| format!("cannot make {}", boot.display()))?;
    let disks = [Disk::scratch("vda", 64).attach(Attach::Drive)];
    for disk in &disks {
        disk.prepare(&host.work, &boot)?;
    }
    let sockets = Sockets::listen()?;
    let debugger = sockets.debugger_path();
    let console = boot.join(CONSOLE_LOG);
    let cards = [Card::new("eth")];
    let config = Config {
        machine: Machine::Q35,
        accel: &accel,
        memory: 1024,
        cpus: 2,
        bzimage: kernel.bzimage(),
        initrd: Some(image::build(host, kernel)?),
        cmdline: format!("vmtest.script=debug vmtest.driver={} vmtest.disks=vda:", target.module),
        shares: vec![("objdir", kernel.objdir.clone()), ("guest", host.guest_dir())],
        disks: &disks,
        cards: &cards,
        devices: &[],
        console: Console::Log(console.clone()),
        control: Some(sockets.control_path()),
        qmp: Some(sockets.qmp_path()),
        backends: None,
        debugger: Some(debugger.clone()),
        plugin: None,
        work: &host.work,
        boot: &boot,
    };
    println!("{} kernel, {accel}; the guest's console goes to {}", kernel.name, console.display());
    let mut running = Running::start(&host.qemu, &config, sockets, &boot.join(QEMU_LOG))?;
    wait_until_ready(&running, host.patience(accel.limit(BOOT_LIMIT)), &console)?;
    // It reads the answer when the debugger lets it go on.
    running.qmp.execute("stop", json!({}))?;
    running.answer(target.then.unwrap_or_default())?;
    println!("it is stopped; when it goes on, it loads {}", target.module);
    attach(gdb, kernel, &debugger)
}

fn wait_until_ready(running: &Running, limit: Duration, console: &Path) -> Result<()> {
    loop {
        match running.lines.recv_timeout(limit) {
            Ok(line) if line == READY => return Ok(()),
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout) => bail!("the guest does not come up; its log: {}", console.display()),
            Err(RecvTimeoutError::Disconnected) => bail!("the guest ended at boot; its log: {}", console.display()),
        }
    }
}

/// Runs gdb on the user's terminal until it is left.
fn attach(gdb: &Path, kernel: &Kernel, socket: &Path) -> Result<()> {
    // Ctrl-C on the terminal is for gdb, which stops the guest then.
    signal_hook::flag::register(SIGINT, Arc::new(AtomicBool::new(false)))?;
    let status = Command::new(gdb)
        .args(arguments(&kernel.objdir, &kernel.srcdir, socket))
        .current_dir(&kernel.objdir)
        .status()
        .with_context(|| format!("cannot start {}", gdb.display()))?;
    if !status.success() {
        bail!("gdb ended with {status}");
    }
    Ok(())
}

fn arguments(objdir: &Path, srcdir: &Path, socket: &Path) -> Vec<String> {
    let mut arguments = vec!["-q".to_owned()];
    // The kernel's scripts are a link from the build directory into the source.
    for dir in [objdir, srcdir] {
        arguments.extend(["-iex".to_owned(), format!("add-auto-load-safe-path {}", dir.display())]);
    }
    for setting in ["confirm off", "pagination off", "breakpoint pending on", "debuginfod enabled off"] {
        arguments.extend(["-iex".to_owned(), format!("set {setting}")]);
    }
    arguments.push("vmlinux".to_owned());
    // `lx-symbols` finds the modules that are loaded, and those that will be.
    for command in [format!("target remote {}", socket.display()), "lx-symbols".to_owned()] {
        arguments.extend(["-ex".to_owned(), command]);
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gdb_may_read_the_scripts_before_it_reads_the_kernel_and_then_attaches() {
        let arguments = arguments(Path::new("/t/o"), Path::new("/t"), Path::new("/s/debugger"));
        let at = |wanted: &str| arguments.iter().position(|argument| argument == wanted).unwrap();
        assert!(at("add-auto-load-safe-path /t/o") < at("vmlinux"));
        assert!(at("add-auto-load-safe-path /t") < at("vmlinux"));
        assert!(at("vmlinux") < at("target remote /s/debugger"));
        assert!(at("target remote /s/debugger") < at("lx-symbols"));
    }
}
