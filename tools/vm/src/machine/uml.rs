// SPDX-License-Identifier: GPL-2.0

//! A machine in user-mode Linux, and the processes that are its devices.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::mpsc::Receiver;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use crate::machine::qemu::{Child, read_lines};
use crate::machine::{Console, Guest};

mod device;

pub use device::{Device, Devices};

/// The program's hidden subcommand that is a test device: the argument parser of each program that boots these
/// machines has it.
pub const DEVICE_COMMAND: &str = "device";

/// What is typed on a terminal where there is nothing more: control-D.
const END_OF_INPUT: &[u8] = b"\x04";

/// What a machine is made of.
#[derive(Debug)]
pub struct Config<'a> {
    /// The kernel, which is a program.
    pub linux: &'a Path,
    /// Initramfs.
    pub initrd: &'a Path,
    /// Memory in MiB.
    pub memory: u32,
    /// Build directory of the kernel, where the guest finds modules.
    pub objdir: &'a Path,
    /// Directory of the guest scripts.
    pub guest: &'a Path,
    /// Directory of modules from outside of the kernel tree.
    pub outside: Option<&'a Path>,
    /// What the guest's init is told.
    pub words: &'a [String],
    /// Who reads and writes the first console.
    pub console: Console,
}

impl Config<'_> {
    /// The arguments of the kernel.
    fn args(&self, devices: impl Iterator<Item = String>) -> Vec<String> {
        let mut args = vec![
            format!("mem={}M", self.memory),
            format!("initrd={}", self.initrd.display()),
            format!("vmtest.objdir={}", self.objdir.display()),
            format!("vmtest.guest={}", self.guest.display()),
        ];
        args.extend(self.outside.map(|outside| format!("vmtest.outside={}", outside.display())));
        let consoles: &[&str] = match self.console {
            // The first console is the log, the second one the line to the guest script.
            Console::Log(_) => &["con=null", "con0=fd:1,fd:1", "con1=fd:0,fd:0", "vmtest.line=tty1"],
            Console::Terminal => &["con=null", "con0=fd:0,fd:1", "quiet"],
        };
        args.extend(consoles.iter().map(|word| (*word).to_owned()));
        // Two CPUs need the seccomp mode.
        args.extend(["ncpus=2", "seccomp=on", "panic=-1", "oops=panic"].map(str::to_owned));
        args.extend(["printk.devkmsg=on", "kunit.enable=0"].map(str::to_owned));
        args.extend(self.words.iter().cloned());
        args.extend(devices);
        args
    }
}

/// Runs a machine whose console is the user's terminal until the user leaves it, and returns how it ended. What is no
/// terminal is typed as if somebody did, and its end is told to the shell.
///
/// # Errors
///
/// It cannot be started.
pub fn run_on_terminal(config: &Config<'_>, devices: &Devices) -> Result<ExitStatus> {
    let input = if io::stdin().is_terminal() { None } else { Some(UnixStream::pair()?) };
    let (typist, its_input) = input.unzip();
    let mut child = Child::spawn(config.linux, &config.args(devices.kernel_words()), |command| {
        if let Some(its_input) = its_input {
            command.stdin(OwnedFd::from(its_input));
        }
    })?;
    if let Some(typist) = typist {
        thread::spawn(move || type_all(io::stdin(), typist));
    }
    let status = child.wait();
    // It has made them nonblocking, for all who have them.
    let _ = block(io::stdin());
    let _ = block(io::stdout());
    status
}

/// Types everything that there is to be read, and then its end, until the machine has gone.
///
/// The machine is never given the end of a stream, at which it would turn round for ever.
fn type_all(mut input: impl Read, mut machine: impl Write) -> io::Result<()> {
    // What cannot be read has come to its end, too.
    let _ = io::copy(&mut input, &mut machine);
    loop {
        machine.write_all(END_OF_INPUT)?;
        // A shell that was not there yet has not seen it.
        thread::sleep(Duration::from_secs(1));
    }
}

/// Lets who reads or writes a file wait.
fn block(file: impl AsFd) -> io::Result<()> {
    Ok(fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?)
}

/// A machine in user-mode Linux.
pub struct UmlGuest {
    child: Child,
    lines: Receiver<String>,
    line: UnixStream,
    devices: Devices,
    /// Writes the kernel's log to its file.
    logger: Option<JoinHandle<io::Result<u64>>>,
}

impl UmlGuest {
    /// Starts the kernel, whose log goes to the file `log`.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    pub fn start(config: &Config<'_>, log: &Path, devices: Devices) -> Result<Self> {
        let mut log = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let errors = log.try_clone()?;
        // Not a file for the console, and not the same stream for both: each is polled for input.
        let (line, its_line) = UnixStream::pair()?;
        let (mut console, its_console) = UnixStream::pair()?;
        let child = Child::spawn(config.linux, &config.args(devices.kernel_words()), |command| {
            command.stdin(Stdio::from(OwnedFd::from(its_line)));
            command.stdout(Stdio::from(OwnedFd::from(its_console))).stderr(errors);
        })?;
        let logger = thread::spawn(move || io::copy(&mut console, &mut log));
        let lines = read_lines(line.try_clone()?);
        Ok(Self { child, lines, line, devices, logger: Some(logger) })
    }
}

impl UmlGuest {
    /// Sends one line to the guest script that asked for it.
    ///
    /// # Errors
    ///
    /// The machine is gone.
    pub fn answer(&mut self, line: &str) -> Result<()> {
        writeln!(self.line, "{line}").context("the guest can no longer be reached")
    }

    /// The devices.
    pub fn devices(&mut self) -> &mut Devices {
        &mut self.devices
    }
}

impl Guest for UmlGuest {
    fn lines(&self) -> &Receiver<String> {
        &self.lines
    }

    fn serve(&mut self, request: &str) -> Result<()> {
        let answer = self.devices.serve(request);
        self.answer(&answer)
    }

    fn tick(&mut self) -> Result<()> {
        Ok(())
    }

    fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// It speaks through the kernel's log alone.
    fn last_words(&self) -> String {
        String::new()
    }

    /// A process of the host, for the host's debuggers.
    fn state(&mut self) -> String {
        String::new()
    }
}

impl Drop for UmlGuest {
    /// Waits until the log is complete.
    fn drop(&mut self) {
        self.child.kill();
        // What is missing from the log is missed by those who read it.
        let _ = self.logger.take().map(JoinHandle::join);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_input_is_typed_and_no_end_of_a_stream() {
        let (typist, mut machine) = UnixStream::pair().unwrap();
        let typing = thread::spawn(move || type_all(&b"dmesg\n"[..], typist));
        let mut typed = [0; 8];
        machine.read_exact(&mut typed).unwrap();
        assert_eq!(&typed, b"dmesg\n\x04\x04", "once more, for a shell that came late");
        drop(machine);
        typing.join().unwrap().unwrap_err();
    }
}
