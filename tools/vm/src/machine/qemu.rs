// SPDX-License-Identifier: GPL-2.0

//! The running QEMU process: started, listened to, and never left behind.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::machine::Config;
use crate::machine::qmp::Qmp;

/// Where QEMU's own messages go, beside the kernel's log.
pub const QEMU_LOG: &str = "qemu.log";

/// How long QEMU may take to open its sockets.
const START_LIMIT: Duration = Duration::from_secs(30);

/// First line of `qemu --version`.
///
/// # Errors
///
/// When QEMU cannot be run.
pub fn version(qemu: &Path) -> Result<String> {
    let output = Command::new(qemu).arg("--version").output();
    let output = output.with_context(|| format!("cannot run {}; is qemu-system-x86 installed?", qemu.display()))?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned())
}

/// The first QEMU whose emulated CPUs do not run a guest's code while another CPU patches it.
const SOUND: (u32, u32) = (8, 1);

/// Whether a guest with more than one emulated CPU can die of its own patched code in this QEMU, by the first line that
/// [`version`] returns: before 8.1, a CPU could translate code from a page while another CPU wrote to it.
pub fn tears_code(version: &str) -> bool {
    number(version).is_some_and(|number| number < SOUND)
}

/// Major and minor number in the first line that [`version`] returns.
pub(crate) fn number(version: &str) -> Option<(u32, u32)> {
    let word = version.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let mut numbers = word.split('.').map_while(|number| number.parse().ok());
    Some((numbers.next()?, numbers.next()?))
}

/// A QEMU process that does not outlive this one.
#[derive(Debug)]
pub struct Child(process::Child);

impl Child {
    /// Starts `qemu`; `streams` sets up the standard streams.
    ///
    /// # Errors
    ///
    /// When the program cannot be started.
    pub fn spawn(qemu: &Path, args: &[String], streams: impl FnOnce(&mut Command)) -> Result<Self> {
        // `Drop` cannot run when this process is killed; then the kernel ends QEMU.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(qemu).args(args);
        streams(&mut command);
        Ok(Self(command.spawn().with_context(|| format!("cannot start {}", qemu.display()))?))
    }

    /// The number of the process.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// The process's standard input and output, where they are pipes.
    pub fn pipes(&mut self) -> Option<(process::ChildStdin, process::ChildStdout)> {
        Some((self.0.stdin.take()?, self.0.stdout.take()?))
    }

    /// The exit status, once there is one.
    ///
    /// # Errors
    ///
    /// When the process cannot be waited for.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>> {
        self.0.try_wait().context("cannot wait for QEMU")
    }

    /// Waits for the end, but not longer than `limit`.
    ///
    /// # Errors
    ///
    /// When the process cannot be waited for.
    pub fn wait_for(&mut self, limit: Duration) -> Result<Option<ExitStatus>> {
        let start = Instant::now();
        loop {
            let status = self.exited()?;
            if status.is_some() || start.elapsed() > limit {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for the end, however long a person wishes to stay.
    ///
    /// # Errors
    ///
    /// When the process cannot be waited for.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        self.0.wait().context("cannot wait for QEMU")
    }

    /// Ends the process now.
    pub fn kill(&mut self) {
        // Fails only when the process has already ended, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The sockets that QEMU connects to, in a directory with a short path: socket names are limited to about 100 bytes.
#[derive(Debug)]
pub struct Sockets {
    dir: TempDir,
    control: UnixListener,
    qmp: UnixListener,
}

impl Sockets {
    /// Starts to listen.
    ///
    /// # Errors
    ///
    /// When the sockets cannot be made.
    pub fn listen() -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("vm-").tempdir().context("cannot make a temporary directory")?;
        let bind = |name: &str| -> Result<UnixListener> {
            let listener = UnixListener::bind(dir.path().join(name)).context("cannot listen on a socket for QEMU")?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        let (control, qmp) = (bind("control")?, bind("qmp")?);
        Ok(Self { dir, control, qmp })
    }

    /// Where QEMU finds the host's end of the guest's second serial port.
    pub fn control_path(&self) -> PathBuf {
        self.dir.path().join("control")
    }

    /// Where QEMU finds the host's end of QMP.
    pub fn qmp_path(&self) -> PathBuf {
        self.dir.path().join("qmp")
    }

    /// Where QEMU listens for a debugger, if it does.
    pub fn debugger_path(&self) -> PathBuf {
        self.dir.path().join("debugger")
    }
}

/// A machine that runs.
#[derive(Debug)]
pub struct Running {
    /// The process.
    pub child: Child,
    /// QEMU's own interface.
    pub qmp: Qmp,
    /// Lines that guest scripts print; closed when the machine has ended.
    pub lines: Receiver<String>,
    control: UnixStream,
    _sockets: Sockets,
}

impl Running {
    /// Starts QEMU and waits until it has connected. Its own messages go to `log`.
    ///
    /// # Errors
    ///
    /// When QEMU does not start; its last words are in the error.
    pub fn start(qemu: &Path, config: &Config<'_>, sockets: Sockets, log: &Path) -> Result<Self> {
        let messages = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut child = Child::spawn(qemu, &config.args(), |command| {
            // In a group of its own: Ctrl-C on the terminal is for whoever listens to the guest.
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(messages).process_group(0);
        })?;
        let control = accept(&sockets.control, &mut child, log)?;
        let qmp = accept(&sockets.qmp, &mut child, log)?;
        // QEMU connects first and looks at its devices and the kernel later, so it may still give up.
        let qmp = Qmp::connect(qmp).with_context(|| format!("QEMU did not start: {}", last_words(log)))?;
        let lines = read_lines(control.try_clone()?);
        Ok(Self { child, qmp, lines, control, _sockets: sockets })
    }

    /// Sends one line to the guest script that asked for it.
    ///
    /// # Errors
    ///
    /// When the machine is gone.
    pub fn answer(&mut self, line: &str) -> Result<()> {
        writeln!(self.control, "{line}").context("the guest can no longer be reached")
    }
}

/// What QEMU itself had to say.
pub fn last_words(log: &Path) -> String {
    std::fs::read_to_string(log).unwrap_or_default().trim().to_owned()
}

/// Whether QEMU, by what it had to say, has aborted because an emulated CPU used a map of memory that another one was
/// changing, as when devices are bound and unbound. Seen with 10.0.2.
pub fn lost_a_section(messages: &str) -> bool {
    messages.contains("iotlb_to_section: Assertion")
}

/// What QEMU says of machines that are as they should be: cards on a hub reach no network, and a host may have few
/// CPUs.
const HARMLESS: [&str; 2] = ["hub 0 is not connected to host network", "exceeds the recommended cpus supported by KVM"];

/// What it says when that which serves a disk is ended and started again.
const OF_BACKENDS: [&str; 4] = [
    "Unable to connect character device char-",
    "Failed to set msg fds",
    "Unexpected end-of-file before all data were read",
    "ring restore failed",
];

/// The first thing that QEMU complained of in a machine that came to its proper end, one of whose disks `is_served` by
/// another process, or not: of a device that its driver has used as it may not, nobody else tells.
pub fn complaint(messages: &str, is_served: bool) -> Option<&str> {
    let backends = if is_served { &OF_BACKENDS[..] } else { &[] };
    let is_harmless = |line: &str| HARMLESS.iter().chain(backends).any(|harmless| line.contains(harmless));
    messages.lines().find(|line| !line.trim().is_empty() && !is_harmless(line))
}

fn accept(listener: &UnixListener, child: &mut Child, log: &Path) -> Result<UnixStream> {
    let start = Instant::now();
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                return Ok(stream);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error).context("QEMU could not connect"),
        }
        if let Some(status) = child.exited()? {
            bail!("QEMU did not start ({status}): {}", last_words(log));
        }
        if start.elapsed() > START_LIMIT {
            bail!("QEMU did not connect in {} s", START_LIMIT.as_secs());
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Reads lines in a thread of its own, until there are no more.
pub(crate) fn read_lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        // Bytes, not `lines()`: a guest may print what is not UTF-8, and that must not end the conversation.
        while matches!(reader.read_until(b'\n', &mut line), Ok(read) if read > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            if sender.send(text).is_err() {
                break;
            }
            line.clear();
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_qemu_that_tears_code_is_told_by_its_number() {
        for version in ["QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)", "QEMU emulator version 8.0.5"] {
            assert!(tears_code(version), "{version}");
        }
        for version in
            ["QEMU emulator version 8.1.0", "QEMU emulator version 10.0.2 (Debian 1:10)", "QEMU 11.0", "", "x 7"]
        {
            assert!(!tears_code(version), "{version}");
        }
    }

    #[test]
    fn a_dropped_child_is_ended() {
        let child = Child::spawn(Path::new("sleep"), &["1000".into()], |_| {}).unwrap();
        let pid = child.0.id();
        assert!(Path::new(&format!("/proc/{pid}")).exists());
        drop(child);
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
    }

    #[test]
    fn the_last_words_of_a_qemu_that_does_not_start_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let sockets = Sockets::listen().unwrap();
        let args = ["-c".to_owned(), "echo no such machine >&2; exit 1".to_owned()];
        let file = File::create(&log).unwrap();
        let mut child = Child::spawn(Path::new("sh"), &args, |command| {
            command.stderr(file);
        })
        .unwrap();
        let error = accept(&sockets.qmp, &mut child, &log).unwrap_err();
        assert!(error.to_string().contains("no such machine"), "{error}");
    }

    #[test]
    fn what_a_device_says_of_its_driver_is_a_complaint() {
        let lines = |lines: &[&str]| lines.iter().map(|line| format!("qemu: {line}\n")).collect::<String>();
        let (harmless, backends) = (lines(&HARMLESS), lines(&OF_BACKENDS));
        assert_eq!(complaint(&format!("{harmless}\n"), false), None);
        assert_eq!(complaint(&format!("{harmless}{backends}"), true), None);
        assert!(complaint(&backends, false).is_some());
        let bad = "qemu: Looped descriptor";
        assert_eq!(complaint(&format!("{harmless}{bad}\n{bad}\n"), true), Some(bad));
    }

    #[test]
    fn a_line_that_is_not_utf8_is_still_a_line() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.write_all(b"a\xff\nb\n").unwrap();
        drop(ours);
        let lines: Vec<_> = read_lines(theirs).iter().collect();
        assert_eq!(lines, ["a\u{fffd}", "b"]);
    }
}
