// SPDX-License-Identifier: GPL-2.0

//! Disks that a process beside QEMU serves: qemu-storage-daemon behind a vhost-user device, which can be stopped,
//! killed and started again while the guest uses the disk.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use tempfile::TempDir;

use crate::machine::disk::{Backend, Disk};
use crate::machine::qemu::{Child, last_words};
use crate::machine::{Host, qemu};

/// The program that serves a disk.
const PROGRAM: &str = "qemu-storage-daemon";

/// How long it may take to open its socket.
const START_LIMIT: Duration = Duration::from_secs(30);

/// The first QEMU that takes the pause between two attempts to reconnect in milliseconds, and calls the option so.
const RECONNECT_MS: (u32, u32) = (9, 2);

/// Where QEMU finds the processes, and how it is told to come back to one that was gone.
#[derive(Debug, Clone)]
pub struct Sockets {
    dir: PathBuf,
    reconnect: &'static str,
}

impl Sockets {
    /// Sockets in `dir` for the QEMU whose `--version` begins with the line `version`.
    pub fn new(dir: &Path, version: &str) -> Self {
        let is_old = qemu::number(version).is_some_and(|number| number < RECONNECT_MS);
        Self { dir: dir.to_path_buf(), reconnect: if is_old { "reconnect=1" } else { "reconnect-ms=500" } }
    }

    /// The socket of `disk`.
    pub fn path(&self, disk: &Disk) -> PathBuf {
        self.dir.join(&disk.name)
    }

    /// The argument of `-chardev` by which QEMU reaches `disk`.
    pub fn chardev(&self, disk: &Disk) -> String {
        format!("socket,id={},path={},{}", chardev_id(disk), self.path(disk).display(), self.reconnect)
    }
}

/// QEMU's name for the connection to the process of `disk`.
pub fn chardev_id(disk: &Disk) -> String {
    format!("char-{}", disk.name)
}

/// The storage daemon that belongs to the host's QEMU, or else the system's.
pub fn program(host: &Host) -> PathBuf {
    let beside = host.qemu.with_file_name(PROGRAM);
    if host.qemu.components().count() > 1 && beside.is_file() { beside } else { PROGRAM.into() }
}

/// One process that serves one disk.
#[derive(Debug)]
struct Daemon {
    name: String,
    args: Vec<String>,
    socket: PathBuf,
    log: PathBuf,
    child: Option<Child>,
}

impl Daemon {
    fn start(&mut self, program: &Path) -> Result<()> {
        ensure!(self.child.is_none(), "what serves {} runs already", self.name);
        // What an earlier one left must not be taken for this one's.
        let _ = fs::remove_file(&self.socket);
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.with_context(|| format!("cannot write {}", self.log.display()))?;
        let mut child = Child::spawn(program, &self.args, |command| {
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        })
        .context("package qemu-utils or qemu-system-common")?;
        let start = Instant::now();
        while !self.socket.exists() {
            if let Some(status) = child.exited()? {
                bail!("what serves {} did not start ({status}): {}", self.name, last_words(&self.log));
            }
            ensure!(start.elapsed() < START_LIMIT, "what serves {} does not listen", self.name);
            thread::sleep(Duration::from_millis(10));
        }
        self.child = Some(child);
        Ok(())
    }

    fn signal(&mut self, signal: &str) -> Result<()> {
        let child = self.child.as_ref().with_context(|| format!("what serves {} does not run", self.name))?;
        let status =
            Command::new("kill").arg(signal).arg(child.id().to_string()).status().context("cannot run kill")?;
        ensure!(status.success(), "what serves {} could not be reached", self.name);
        Ok(())
    }

    fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().with_context(|| format!("what serves {} does not run", self.name))?;
        child.kill();
        Ok(())
    }
}

/// The processes of a machine. They end with it.
#[derive(Debug)]
pub struct Backends {
    program: PathBuf,
    daemons: Vec<Daemon>,
    sockets: Sockets,
    /// Sockets have short names: about 100 bytes are the limit.
    _dir: TempDir,
}

impl Backends {
    /// Starts a process for each of `disks` that needs one; `boot` is the directory of the boot, where their images
    /// and logs are. `None` where no disk needs one.
    ///
    /// # Errors
    ///
    /// One does not start; its last words are in the error.
    pub fn start(host: &Host, disks: &[Disk], boot: &Path) -> Result<Option<Self>> {
        let served: Vec<_> = disks.iter().filter(|disk| disk.backend == Backend::Served).collect();
        if served.is_empty() {
            return Ok(None);
        }
        let dir = tempfile::Builder::new().prefix("vm-").tempdir().context("cannot make a temporary directory")?;
        let sockets = Sockets::new(dir.path(), &qemu::version(&host.qemu)?);
        let program = program(host);
        let mut daemons = Vec::new();
        for disk in served {
            let socket = sockets.path(disk);
            let log = boot.join(format!("backend-{}.log", disk.name));
            let args = arguments(disk, &disk.blockdev(&host.work, boot), &socket);
            let mut daemon = Daemon { name: disk.name.clone(), args, socket, log, child: None };
            daemon.start(&program)?;
            daemons.push(daemon);
        }
        Ok(Some(Self { program, daemons, sockets, _dir: dir }))
    }

    /// Where QEMU finds them.
    pub fn sockets(&self) -> Sockets {
        self.sockets.clone()
    }

    /// Stops the process of the disk `name` (`stop`), lets it go on (`cont`), kills it (`kill`), or starts it again
    /// (`start`).
    ///
    /// # Errors
    ///
    /// There is no such process, or it is not in a state in which that can be done.
    pub fn control(&mut self, name: &str, verb: &str) -> Result<()> {
        let daemon = self.daemons.iter_mut().find(|daemon| daemon.name == name);
        let daemon = daemon.with_context(|| format!("no process of its own serves `{name}`"))?;
        match verb {
            "stop" => daemon.signal("-STOP"),
            "cont" => daemon.signal("-CONT"),
            "kill" => daemon.kill(),
            "start" => daemon.start(&self.program),
            _ => bail!("not stop, cont, kill or start: `{verb}`"),
        }
    }
}

/// The arguments of the process that serves `disk`, whose storage is described by `blockdev`.
fn arguments(disk: &Disk, blockdev: &serde_json::Value, socket: &Path) -> Vec<String> {
    let export = json!({
        "type": "vhost-user-blk", "id": "export", "node-name": disk.node(), "writable": !disk.readonly,
        "num-queues": disk.served_queues(),
        "addr": { "type": "unix", "path": socket },
    });
    ["--blockdev".into(), blockdev.to_string(), "--export".into(), export.to_string()].into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn disk() -> Disk {
        Disk::scratch("a", 1).backend(Backend::Served).with(|p| p.num_queues = Some(2))
    }

    #[test]
    fn each_qemu_is_told_to_come_back_in_its_own_words() {
        for (version, option) in [
            ("QEMU emulator version 7.2.22 (Debian)", "reconnect=1"),
            ("QEMU emulator version 9.1.5", "reconnect=1"),
            ("QEMU emulator version 9.2.0", "reconnect-ms=500"),
            ("QEMU emulator version 10.0.2 (Debian)", "reconnect-ms=500"),
        ] {
            let chardev = Sockets::new(Path::new("/s"), version).chardev(&disk());
            assert_eq!(chardev, format!("socket,id=char-a,path=/s/a,{option}"), "{version}");
        }
    }

    #[test]
    fn a_process_exports_the_disk_as_the_device_presents_it() {
        let disk = disk();
        let args = arguments(&disk, &disk.blockdev(Path::new("/w"), Path::new("/b")), Path::new("/s/a"));
        let export: serde_json::Value = serde_json::from_str(&args[3]).unwrap();
        let blockdev: serde_json::Value = serde_json::from_str(&args[1]).unwrap();
        assert_eq!(export["node-name"], blockdev["node-name"]);
        assert_eq!((&export["num-queues"], &export["writable"]), (&json!(2), &json!(true)));
        assert_eq!(export["addr"]["path"], "/s/a");
    }

    /// A host with a storage daemon that makes its socket, which is a plain file, and waits.
    fn host(dir: &Path) -> Host {
        for (name, text) in [
            ("qemu", "echo QEMU emulator version 10.0.2"),
            (PROGRAM, "s=${4##*\\\"path\\\":\\\"}; echo up >>\"${s%%\\\"*}\"; exec sleep 1000"),
        ] {
            let path = dir.join(name);
            fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Host { qemu: dir.join("qemu"), ..Host::new(Path::new("/r"), dir) }
    }

    #[test]
    fn a_process_can_be_killed_and_started_again_and_is_in_one_state_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let host = host(dir.path());
        assert!(Backends::start(&host, &[Disk::scratch("b", 1)], dir.path()).unwrap().is_none());
        let mut backends = Backends::start(&host, &[disk(), Disk::scratch("b", 1)], dir.path()).unwrap().unwrap();
        let pid = |backends: &Backends| backends.daemons[0].child.as_ref().map(Child::id);
        let first = pid(&backends).unwrap();
        assert!(backends.control("a", "start").is_err(), "it runs already");
        for verb in ["stop", "cont", "kill"] {
            backends.control("a", verb).unwrap();
        }
        assert!(!Path::new(&format!("/proc/{first}")).exists());
        for verb in ["kill", "stop"] {
            assert!(backends.control("a", verb).is_err(), "{verb}");
        }
        backends.control("a", "start").unwrap();
        assert_ne!(pid(&backends), Some(first));
        for (name, verb) in [("b", "kill"), ("a", "jump")] {
            assert!(backends.control(name, verb).is_err(), "{name} {verb}");
        }
    }

    #[test]
    fn a_process_that_does_not_start_tells_why() {
        let dir = tempfile::tempdir().unwrap();
        let host = host(dir.path());
        fs::write(dir.path().join(PROGRAM), "#!/bin/sh\necho no such disk >&2\nexit 1\n").unwrap();
        let error = Backends::start(&host, &[disk()], dir.path()).unwrap_err().to_string();
        assert!(error.contains("no such disk"), "{error}");
    }
}
