// SPDX-License-Identifier: GPL-2.0

//! What a guest script may ask of the host, by a line `@host COMMAND`, answered by one line `ok …` or `error …`.
//!
//! | command | effect |
//! |---|---|
//! | `plug DISK` | plugs in a spare disk |
//! | `unplug DISK` | asks the guest to let go of a disk and waits until it is gone |
//! | `resize DISK BYTES` | changes the capacity of a disk |
//! | `wakeup-on-suspend` | from now on, wakes the machine whenever it has gone to sleep |
//! | `snapshot FILE` | has the instructions counted so far written when the guest is idle next |
//! | `pause SECONDS` | stops the whole machine for so long |
//! | `throttle DISK iops N`, `throttle DISK bps N`, `throttle DISK off` | lets the disk do so much in a second |
//! | `backend DISK stop`, `… cont`, `… kill`, `… start` | does that to the process that serves the disk |
//! | `link CARD up`, `link CARD down` | plugs a network cable in or out |
//! | `qmp JSON` | any QMP command: `{"execute": …, "arguments": {…}}` |

use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::guest::early;
use crate::machine::backend::Backends;
use crate::machine::disk::Disk;
use crate::machine::nic::Card;
use crate::machine::qemu::{Child, Running, last_words};
use crate::machine::qmp::Qmp;
use crate::machine::{Config, Guest, plugin};

/// The longest pause, in seconds: a machine that is forgotten must not stand for ever.
const MOST_PAUSE: u64 = 600;

/// How long a guest may take to let go of a device.
const UNPLUG_LIMIT: Duration = Duration::from_secs(60);

/// The host's side of the requests of one machine.
#[derive(Debug)]
pub struct HostCommands<'a> {
    config: &'a Config<'a>,
    backends: Option<Backends>,
    wake: bool,
}

impl<'a> HostCommands<'a> {
    /// For the machine of `config`, some of whose disks may be served by `backends`.
    pub fn new(config: &'a Config<'a>, backends: Option<Backends>) -> Self {
        Self { config, backends, wake: false }
    }

    /// Does what `request` says and returns the line for the guest.
    pub fn answer(&mut self, request: &str, qmp: &mut Qmp) -> String {
        match self.execute(request, qmp) {
            Ok(value) if value.as_object().is_some_and(serde_json::Map::is_empty) => "ok".into(),
            Ok(value) => format!("ok {value}"),
            Err(error) => format!("error {error:#}").replace('\n', " "),
        }
    }

    /// Looks after events that a request asked to be looked after.
    ///
    /// # Errors
    ///
    /// When QEMU refuses to wake the machine, or has stopped it because what is behind a disk cannot grow.
    pub fn tick(&mut self, qmp: &mut Qmp) -> Result<()> {
        while let Some(event) = qmp.event() {
            if self.wake && event["event"] == "SUSPEND" {
                qmp.execute("system_wakeup", json!({}))?;
            }
            if event["event"] == "BLOCK_IO_ERROR" && event["data"]["nospace"] == true {
                bail!("the host's disk is full; free some space or move BUILD=");
            }
        }
        Ok(())
    }

    fn disk(&self, name: &str) -> Result<&'a Disk> {
        let disk = self.config.disks.iter().find(|disk| disk.name == name);
        disk.with_context(|| format!("this machine has no disk `{name}`"))
    }

    fn card(&self, name: &str) -> Result<&'a Card> {
        let card = self.config.cards.iter().find(|card| card.name == name);
        card.with_context(|| format!("this machine has no network card `{name}`"))
    }

    fn execute(&mut self, request: &str, qmp: &mut Qmp) -> Result<Value> {
        if let Some(command) = request.strip_prefix("qmp ") {
            let command: Value = serde_json::from_str(command).context("not JSON")?;
            let name = command["execute"].as_str().context("no `execute`")?;
            return qmp.execute(name, command.get("arguments").cloned().unwrap_or(json!({})));
        }
        match request.split_whitespace().collect::<Vec<_>>()[..] {
            ["plug", name] => qmp.execute("device_add", self.config.spare_device(self.disk(name)?)),
            ["unplug", name] => {
                let id = self.disk(name)?.device_id();
                qmp.execute("device_del", json!({ "id": id }))?;
                qmp.wait_event(UNPLUG_LIMIT, |e| e["event"] == "DEVICE_DELETED" && e["data"]["device"] == id.as_str())
                    .with_context(|| format!("the guest does not let go of {name}"))?;
                Ok(json!({}))
            }
            ["resize", name, bytes] => {
                let size: u64 = bytes.parse().with_context(|| format!("not a number of bytes: `{bytes}`"))?;
                qmp.execute("block_resize", json!({ "node-name": self.disk(name)?.node(), "size": size }))
            }
            ["pause", seconds] => {
                let pause = seconds.parse().ok().filter(|seconds| *seconds <= MOST_PAUSE);
                let pause = pause.with_context(|| format!("not a number up to {MOST_PAUSE}: `{seconds}`"))?;
                qmp.execute("stop", json!({}))?;
                thread::sleep(Duration::from_secs(pause));
                qmp.execute("cont", json!({}))
            }
            ["throttle", name, ref limit @ ..] => throttle(qmp, self.disk(name)?, limit),
            ["backend", name, verb] => {
                let backends = self.backends.as_mut().context("this machine has no disk of that kind")?;
                backends.control(name, verb)?;
                Ok(json!({}))
            }
            ["wakeup-on-suspend"] => {
                self.wake = true;
                Ok(json!({}))
            }
            ["snapshot", name] => {
                plugin::request_snapshot(self.config.boot, name)?;
                Ok(json!({}))
            }
            ["link", name, state @ ("up" | "down")] => {
                qmp.execute("set_link", json!({ "name": self.card(name)?.device_id(), "up": state == "up" }))
            }
            _ => bail!("unknown request `{request}`"),
        }
    }
}

/// Lets `disk` do no more than `limit` says.
fn throttle(qmp: &mut Qmp, disk: &Disk, limit: &[&str]) -> Result<Value> {
    // QEMU wants all of them, and takes 0 for "as much as it can".
    let mut limits = json!({ "bps": 0, "bps_rd": 0, "bps_wr": 0, "iops": 0, "iops_rd": 0, "iops_wr": 0 });
    match limit {
        ["off"] => {}
        [what @ ("iops" | "bps"), number] => {
            let number: u64 = number.parse().with_context(|| format!("not a number: `{number}`"))?;
            ensure!(number > 0, "no disk can do nothing at all; `off` lifts the limit");
            limits[*what] = json!(number);
        }
        _ => bail!("not `iops N`, `bps N` or `off`: `{}`", limit.join(" ")),
    }
    // The device that has the disk is a part of the one that has the name.
    limits["id"] = json!(format!("/machine/peripheral/{}/virtio-backend", disk.device_id()));
    qmp.execute("block_set_io_throttle", limits)
}

/// A machine in QEMU, as a session sees it.
pub struct QemuGuest<'a> {
    running: Running,
    host_commands: HostCommands<'a>,
    log: PathBuf,
}

impl<'a> QemuGuest<'a> {
    /// The machine of `config`, some of whose disks may be served by `backends`; QEMU's own messages are in `log`.
    pub fn new(running: Running, config: &'a Config<'a>, backends: Option<Backends>, log: PathBuf) -> Self {
        Self { running, host_commands: HostCommands::new(config, backends), log }
    }
}

impl Guest for QemuGuest<'_> {
    fn lines(&self) -> &Receiver<String> {
        &self.running.lines
    }

    fn serve(&mut self, request: &str) -> Result<()> {
        let answer = self.host_commands.answer(request, &mut self.running.qmp);
        self.running.answer(&answer)
    }

    fn tick(&mut self) -> Result<()> {
        self.host_commands.tick(&mut self.running.qmp)
    }

    fn state(&mut self) -> String {
        early::state(&mut self.running.qmp)
    }

    fn child(&mut self) -> &mut Child {
        &mut self.running.child
    }

    fn last_words(&self) -> String {
        last_words(&self.log)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::accel::Accel;
    use crate::machine::disk::Attach;
    use crate::machine::qmp::tests::scripted;
    use crate::machine::{Console, Machine};
    use std::path::Path;

    /// The answer to `request` of a machine with a disk `a`, when QEMU says `lines`.
    fn answer(request: &str, lines: &str) -> String {
        with_machine(|commands| commands.answer(request, &mut scripted(lines).unwrap()))
    }

    fn with_machine<T>(act: impl FnOnce(&mut HostCommands<'_>) -> T) -> T {
        let config = Config {
            machine: Machine::Q35,
            accel: &Accel::Kvm,
            memory: 1,
            cpus: 1,
            bzimage: "b".into(),
            initrd: None,
            cmdline: String::new(),
            shares: Vec::new(),
            disks: &[Disk::scratch("a", 1).attach(Attach::Spare)],
            cards: &[Card::new("left")],
            devices: &[],
            console: Console::Terminal,
            control: None,
            qmp: None,
            backends: None,
            debugger: None,
            plugin: None,
            work: Path::new("/w"),
            boot: Path::new("/b"),
        };
        act(&mut HostCommands::new(&config, None))
    }

    #[test]
    fn an_unplugged_disk_is_waited_for() {
        let gone = "{\"return\": {}}\n{\"event\": \"DEVICE_DELETED\", \"data\": {\"device\": \"disk-a\"}}\n";
        assert_eq!(answer("unplug a", gone), "ok");
    }

    #[test]
    fn what_qemu_refuses_is_told_in_one_line() {
        let refusal = "{\"error\": {\"desc\": \"two\\nlines\"}}\n";
        assert_eq!(answer("plug a", refusal), "error device_add: two lines");
    }

    #[test]
    fn nonsense_is_an_error_and_nothing_is_done() {
        for request in [
            "",
            "plug",
            "plug b",
            "resize a many",
            "link left sideways",
            "link x up",
            "qmp {",
            "qmp {}",
            "pause",
            "pause long",
            "pause 601",
            "throttle b off",
            "throttle a",
            "throttle a iops",
            "throttle a iops 0",
            "throttle a knots 5",
            "backend a kill",
        ] {
            assert!(answer(request, "").starts_with("error "), "{request}");
        }
    }

    #[test]
    fn a_full_disk_of_the_host_ends_the_machine_and_another_error_does_not() {
        for (nospace, ends) in [(true, true), (false, false)] {
            let lines =
                format!("{{\"event\": \"BLOCK_IO_ERROR\", \"data\": {{\"nospace\": {nospace}}}}}\n{{\"return\": 1}}\n");
            let mut qmp = scripted(&lines).unwrap();
            // The answer comes after the event, which is in line by then.
            qmp.execute("query-x", json!({})).unwrap();
            with_machine(|commands| assert_eq!(commands.tick(&mut qmp).is_err(), ends));
        }
    }

    #[test]
    fn a_paused_machine_goes_on() {
        assert_eq!(answer("pause 0", "{\"return\": {}}\n{\"return\": {}}\n"), "ok");
        // One answer only: the machine did not go on.
        assert!(answer("pause 0", "{\"return\": {}}\n{\"error\": {\"desc\": \"no\"}}\n").starts_with("error cont"));
    }

    #[test]
    fn a_disk_is_throttled_and_let_go() {
        for request in ["throttle a iops 5", "throttle a bps 1", "throttle a off"] {
            assert_eq!(answer(request, "{\"return\": {}}\n"), "ok", "{request}");
        }
    }

    #[test]
    fn a_cable_is_plugged_in_and_out() {
        for request in ["link left up", "link left down"] {
            assert_eq!(answer(request, "{\"return\": {}}\n"), "ok", "{request}");
        }
    }

    #[test]
    fn any_qmp_command_can_be_given() {
        assert_eq!(answer("qmp {\"execute\": \"query-x\"}", "{\"return\": [1]}\n"), "ok [1]");
    }
}
