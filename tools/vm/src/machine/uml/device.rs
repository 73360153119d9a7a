// SPDX-License-Identifier: GPL-2.0

//! The processes that are the devices of a machine.

use std::env;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Stdio};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use blkdev::cli::{ENTROPY, READY};
use tempfile::TempDir;

use super::DEVICE_COMMAND;
use crate::machine::qemu::{Child, last_words, read_lines};

/// How long a device may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// A test device in the table of scenarios.
#[derive(Debug, Clone)]
pub struct Device {
    /// Name, for guest scripts and logs.
    pub name: &'static str,
    /// Options of the device: see [`blkdev::options`].
    pub options: String,
}

impl Device {
    /// The number of its kind (virtio specification, section 5).
    fn kind(&self) -> u32 {
        let is_entropy = self.options.split_whitespace().any(|option| option == ENTROPY);
        if is_entropy { 4 } else { 2 }
    }
}

/// A running device.
#[derive(Debug)]
struct Process {
    name: &'static str,
    /// The number of its kind (virtio specification, section 5).
    kind: u32,
    socket: PathBuf,
    input: ChildStdin,
    output: Receiver<String>,
    /// Ends the process when dropped.
    _child: Child,
}

impl Process {
    fn start(device: &Device, program: &Path, dir: &Path, log: &Path) -> Result<Self> {
        let socket = dir.join(device.name);
        let mut args = vec![DEVICE_COMMAND.to_owned(), "--socket".to_owned(), socket.display().to_string()];
        args.extend(device.options.split_whitespace().map(str::to_owned));
        let errors = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut child = Child::spawn(program, &args, |command| {
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
        })?;
        let (input, output) = child.pipes().context("a device has no pipes")?;
        let mut process =
            Self { name: device.name, kind: device.kind(), socket, input, output: read_lines(output), _child: child };
        let line = process.line();
        ensure!(line.is_ok_and(|line| line == READY), "the device {} does not start: {}", device.name, last_words(log));
        Ok(process)
    }

    fn line(&mut self) -> Result<String> {
        self.output.recv_timeout(ANSWER_LIMIT).context("it is gone, or hangs")
    }

    fn command(&mut self, command: &str) -> Result<String> {
        writeln!(self.input, "{command}").context("it is gone")?;
        self.line()
    }
}

/// The devices of a machine.
#[derive(Debug)]
pub struct Devices {
    processes: Vec<Process>,
    /// Sockets have short names: about 100 bytes are the limit.
    _dir: TempDir,
}

impl Devices {
    /// Starts `devices`, whose complaints go to the directory `boot`.
    ///
    /// # Errors
    ///
    /// A device does not start; its last words are in the error.
    pub fn start(devices: &[Device], boot: &Path) -> Result<Self> {
        let program = env::current_exe().context("this program does not know where it is")?;
        let dir = tempfile::Builder::new().prefix("uml-").tempdir().context("cannot make a temporary directory")?;
        let start = |device| Process::start(device, &program, dir.path(), &boot.join(log_name(device)));
        let processes = devices.iter().map(start).collect::<Result<_>>()?;
        Ok(Self { processes, _dir: dir })
    }

    /// The words by which the kernel finds the devices.
    pub fn kernel_words(&self) -> impl Iterator<Item = String> {
        self.processes.iter().map(|p| format!("virtio_uml.device={}:{}", p.socket.display(), p.kind))
    }

    /// Tells guest scripts which device is which.
    pub fn map(&self) -> String {
        let entry = |(index, process): (usize, &Process)| format!("{}:uml.{index}", process.name);
        self.processes.iter().enumerate().map(entry).collect::<Vec<_>>().join(",")
    }

    /// Carries out a request of a guest script, `device NAME COMMAND`, and returns the answer.
    pub fn serve(&mut self, request: &str) -> String {
        self.execute(request).unwrap_or_else(|error| format!("error {error:#}"))
    }

    fn execute(&mut self, request: &str) -> Result<String> {
        let Some((name, command)) = request.strip_prefix("device ").and_then(|rest| rest.split_once(' ')) else {
            bail!("unknown request `{request}`");
        };
        let process = self.processes.iter_mut().find(|process| process.name == name);
        let process = process.with_context(|| format!("this machine has no device `{name}`"))?;
        process.command(command).with_context(|| format!("the device {name} does not answer"))
    }
}

fn log_name(device: &Device) -> String {
    format!("device-{}.log", device.name)
}
