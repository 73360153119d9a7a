// SPDX-License-Identifier: GPL-2.0

//! The QEMU command line of a machine.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::machine::accel::Accel;
use crate::machine::disk::{Attach, Backend, Disk};
use crate::machine::nic::Card;
use crate::machine::{backend, plugin};

/// Where the kernel's console goes, in the directory of a boot.
pub const CONSOLE_LOG: &str = "console.log";

/// Slots of the shared directories. The first one, 0x1, is left to a disk that has no place: the fourth is for machines
/// without such a disk.
const SHARES: [usize; 4] = [0x2, 0x3, 0x1c, 0x1];
/// First slot of the root ports that wait for spare disks.
const FIRST_PORT: usize = 0x4;
/// Slot of the root port that the disks attached in turn share, the last one of those.
const SHARED_PORT: usize = 0xf;
/// First slot of the network cards, which are between them.
const FIRST_CARD: usize = 0xa;
/// Slot of the device that KUnit tries drivers of PCI devices with, the last one of those of cards.
const TEST_DEVICE: usize = 0xe;
/// First slot of the disks present at boot.
const FIRST_DISK: usize = 0x10;
/// Slot of the entropy device, behind the disks. The slots from 0x1f on belong to the chipset.
const ENTROPY: usize = 0x1e;
/// The last slot of other devices, the others of which are before it. Machines that have some have few disks.
const LAST_OTHER: usize = 0x1b;
/// How many root ports, cards and disks fit between those.
const MAX_PORTS: usize = FIRST_CARD - FIRST_PORT;
const MAX_CARDS: usize = TEST_DEVICE - FIRST_CARD;
const MAX_DISKS: usize = ENTROPY - FIRST_DISK;

/// Five-level page tables cost an emulated CPU a memory access more on every miss.
const EMULATED_CPU: &str = "max,la57=off";

/// The kind of machine, and with it the virtio transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Machine {
    /// PCI Express with root ports for hot-plug: virtio-pci.
    #[default]
    Q35,
    /// No PCI: virtio-mmio.
    Microvm,
}

/// Who reads and writes the guest's first serial port, the kernel's console.
#[derive(Debug, Clone)]
pub enum Console {
    /// A log file.
    Log(PathBuf),
    /// The user's terminal, with QEMU's escape key Ctrl-A.
    Terminal,
}

/// Everything that QEMU needs to know.
#[derive(Debug)]
pub struct Config<'a> {
    /// The kind of machine.
    pub machine: Machine,
    /// Accelerator.
    pub accel: &'a Accel,
    /// Memory in MiB.
    pub memory: u32,
    /// Virtual CPUs.
    pub cpus: u32,
    /// Kernel image.
    pub bzimage: PathBuf,
    /// Initramfs; none for a boot that ends before user space.
    pub initrd: Option<PathBuf>,
    /// Kernel command line, beyond what the machine itself needs.
    pub cmdline: String,
    /// Directories shared read-only by 9p: mount tag and path.
    pub shares: Vec<(&'static str, PathBuf)>,
    /// The disks.
    pub disks: &'a [Disk],
    /// The network cards.
    pub cards: &'a [Card],
    /// Other devices, each as QEMU's `-device` takes it. Those that name no place get one.
    pub devices: &'a [String],
    /// The kernel's console.
    pub console: Console,
    /// Socket on which the host listens for the second serial port.
    pub control: Option<PathBuf>,
    /// Socket on which the host listens for QMP.
    pub qmp: Option<PathBuf>,
    /// Where the processes listen that serve disks.
    pub backends: Option<backend::Sockets>,
    /// Socket on which QEMU listens for a debugger.
    pub debugger: Option<PathBuf>,
    /// The QEMU plugin that counts instructions; its files are in [`plugin::counts_dir`] of `boot`.
    pub plugin: Option<plugin::Profiler>,
    /// Work directory, for kept disks.
    pub work: &'a Path,
    /// Directory of this boot, for scratch disks.
    pub boot: &'a Path,
}

impl Config<'_> {
    /// The end of the name of a device of this machine.
    fn transport(&self) -> &'static str {
        match self.machine {
            Machine::Q35 => "-pci",
            Machine::Microvm => "-device",
        }
    }

    fn driver(&self, what: &str) -> String {
        format!("virtio-{what}{}", self.transport())
    }

    /// What the kernel is told: console, behaviour on a crash, and the scenario's own words.
    pub fn kernel_cmdline(&self) -> String {
        // Addresses as in vmlinux, so that they can be understood from outside.
        let mut words = vec!["console=ttyS0", "panic=-1", "printk.devkmsg=on", "nokaslr"];
        if self.machine == Machine::Microvm {
            words.push("reboot=t");
        }
        // An emulated CPU may stand still for long on a busy host; that is no fault of the guest.
        if *self.accel != Accel::Kvm {
            words.extend([
                "rcupdate.rcu_cpu_stall_timeout=120",
                "watchdog_thresh=60",
                "clocksource=tsc",
                "tsc=reliable",
            ]);
        }
        words.push(&self.cmdline);
        words.join(" ")
    }

    /// The arguments for QEMU.
    pub fn args(&self) -> Vec<String> {
        let mut args = Args::default();
        args.add("-nodefaults", "");
        args.add("-no-reboot", "");
        args.add("-display", "none");
        let machine = match self.machine {
            Machine::Q35 => "q35",
            // With ACPI tables, but without an ACPI timer, Linux finds no timer on an emulated CPU.
            Machine::Microvm => "microvm,acpi=off,rtc=on",
        };
        if self.backends.is_some() {
            // Processes that serve disks read and write the guest's memory.
            args.add("-object", format!("memory-backend-memfd,id=memory,size={}M,share=on", self.memory));
            args.add("-machine", format!("{machine},memory-backend=memory"));
        } else {
            args.add("-machine", machine);
        }
        match self.accel {
            Accel::Kvm => {
                args.add("-accel", "kvm");
                args.add("-cpu", "host");
            }
            Accel::Tcg { .. } => {
                args.add("-accel", "tcg,thread=multi");
                args.add("-cpu", EMULATED_CPU);
            }
            Accel::Counted => {
                args.add("-accel", "tcg,thread=single");
                args.add("-icount", "shift=1,sleep=off");
                args.add("-cpu", EMULATED_CPU);
            }
        }
        if let Some(plugin) = &self.plugin {
            args.add("-plugin", plugin.argument(self.boot));
        }
        args.add("-smp", self.cpus.to_string());
        args.add("-m", format!("{}M", self.memory));
        args.add("-kernel", self.bzimage.display().to_string());
        if let Some(initrd) = &self.initrd {
            args.add("-initrd", initrd.display().to_string());
        }
        args.add("-append", self.kernel_cmdline());
        self.serial_ports(&mut args);
        self.shared_directories(&mut args);
        self.entropy(&mut args);
        self.pci_test_device(&mut args);
        self.disks(&mut args);
        self.cards(&mut args);
        self.other_devices(&mut args);
        args.0
    }

    fn serial_ports(&self, args: &mut Args) {
        match &self.console {
            Console::Log(path) => args.add("-chardev", format!("file,id=console,path={}", escape(path))),
            Console::Terminal => args.add("-chardev", "stdio,id=console,mux=on,signal=off"),
        }
        args.add("-serial", "chardev:console");
        if matches!(self.console, Console::Terminal) {
            args.add("-mon", "chardev=console,mode=readline");
        }
        if let Some(path) = &self.control {
            args.add("-chardev", format!("socket,id=control,path={}", escape(path)));
            match self.machine {
                Machine::Q35 => args.add("-serial", "chardev:control"),
                Machine::Microvm => args.add("-device", "isa-serial,index=1,chardev=control"),
            }
        }
        if let Some(path) = &self.qmp {
            args.add("-chardev", format!("socket,id=qmp,path={}", escape(path)));
            args.add("-mon", "chardev=qmp,mode=control");
        }
        if let Some(path) = &self.debugger {
            args.add("-chardev", format!("socket,id=debugger,path={},server=on,wait=off", escape(path)));
            args.add("-gdb", "chardev:debugger");
        }
    }

    fn shared_directories(&self, args: &mut Args) {
        assert!(self.shares.len() <= SHARES.len(), "a machine has room for {} shared directories", SHARES.len());
        for (slot, (tag, path)) in SHARES.iter().zip(&self.shares) {
            args.add(
                "-fsdev",
                format!("local,id=fs-{tag},path={},security_model=none,readonly=on,multidevs=remap", escape(path)),
            );
            let mut device = json!({ "driver": self.driver("9p"), "fsdev": format!("fs-{tag}"), "mount_tag": tag });
            if self.machine == Machine::Q35 {
                device["addr"] = json!(format!("{slot:x}"));
            }
            args.add("-device", device.to_string());
        }
    }

    /// A device of another kind, for the sample that drives it.
    fn entropy(&self, args: &mut Args) {
        if self.machine == Machine::Q35 {
            args.add("-device", format!("{},addr={ENTROPY:x}", self.driver("rng")));
        }
    }

    /// A device with memory and I/O ports that does nothing by itself, for the KUnit suite of PCI drivers.
    fn pci_test_device(&self, args: &mut Args) {
        if self.machine == Machine::Q35 {
            args.add("-device", format!("pci-testdev,addr={TEST_DEVICE:x}"));
        }
    }

    fn disks(&self, args: &mut Args) {
        for disk in self.disks {
            match disk.attach {
                Attach::Drive => args.add("-drive", disk.drive(self.work, self.boot)),
                Attach::Device => {
                    match &self.backends {
                        Some(sockets) if disk.backend == Backend::Served => {
                            args.add("-chardev", sockets.chardev(disk));
                        }
                        _ => args.add("-blockdev", disk.blockdev(self.work, self.boot).to_string()),
                    }
                    args.add("-device", disk.device(self.transport(), self.place(disk)).to_string());
                }
                Attach::Spare => {
                    args.add("-blockdev", disk.blockdev(self.work, self.boot).to_string());
                    args.add("-device", root_port(&port(disk), slot(self.disks, disk).unwrap_or_default()));
                }
                Attach::InTurn => args.add("-blockdev", disk.blockdev(self.work, self.boot).to_string()),
            }
        }
        if let Some(disk) = self.disks.iter().find(|disk| disk.attach == Attach::InTurn) {
            args.add("-device", root_port(&port(disk), SHARED_PORT));
        }
    }

    fn cards(&self, args: &mut Args) {
        for (nth, card) in self.cards.iter().enumerate() {
            args.add("-netdev", card.netdev());
            args.add("-device", card.device(card_slot(nth)).to_string());
        }
    }

    /// QEMU would give them the slots of devices that it makes later.
    fn other_devices(&self, args: &mut Args) {
        let mut slots = (FIRST_DISK..=LAST_OTHER).rev();
        for device in self.devices {
            let has_place = ["bus=", "addr="].iter().any(|word| device.contains(&format!(",{word}")));
            let slot = if has_place { None } else { slots.next() };
            args.add("-device", slot.map_or_else(|| device.clone(), |slot| format!("{device},addr={slot:x}")));
        }
    }

    /// Where `disk` is plugged in, for [`Disk::device`].
    pub fn place(&self, disk: &Disk) -> Value {
        match (self.machine, disk.attach, slot(self.disks, disk)) {
            (Machine::Q35, Attach::Spare | Attach::InTurn, _) => json!({ "bus": port(disk) }),
            (Machine::Q35, _, Some(slot)) => json!({ "addr": format!("{slot:x}") }),
            _ => json!({}),
        }
    }

    /// The device that plugs in the spare `disk`.
    pub fn spare_device(&self, disk: &Disk) -> Value {
        disk.device(self.transport(), self.place(disk))
    }

    /// Tells guest scripts where each disk is: `name:slot`, with an empty slot where only QEMU knows.
    pub fn disk_map(&self) -> String {
        let entry = |disk: &Disk| match (self.machine, slot(self.disks, disk)) {
            (Machine::Q35, Some(slot)) => format!("{}:{slot:02x}", disk.name),
            _ => format!("{}:", disk.name),
        };
        self.disks.iter().map(entry).collect::<Vec<_>>().join(",")
    }

    /// Tells guest scripts where each network card is: `name:slot`.
    pub fn card_map(&self) -> String {
        let entry = |(nth, card): (usize, &Card)| format!("{}:{:02x}", card.name, card_slot(nth));
        self.cards.iter().enumerate().map(entry).collect::<Vec<_>>().join(",")
    }
}

/// The PCI slot of the `nth` network card.
fn card_slot(nth: usize) -> usize {
    assert!(nth < MAX_CARDS, "a machine has room for {MAX_CARDS} network cards");
    FIRST_CARD + nth
}

fn port(disk: &Disk) -> String {
    match disk.attach {
        Attach::InTurn => "port-shared".into(),
        _ => format!("port-{}", disk.name),
    }
}

/// A root port, with room for the I/O ports of a legacy device, which the firmware would not leave by itself.
fn root_port(id: &str, slot: usize) -> String {
    let port = json!({
        "driver": "pcie-root-port", "id": id, "chassis": slot, "slot": slot, "addr": format!("{slot:x}"),
        "io-reserve": 4096,
    });
    port.to_string()
}

/// The PCI slot of a disk, or of the root port it will be plugged into.
fn slot(disks: &[Disk], disk: &Disk) -> Option<usize> {
    let (first, room) = match disk.attach {
        Attach::Drive => return None,
        Attach::InTurn => return Some(SHARED_PORT),
        Attach::Device => (FIRST_DISK, MAX_DISKS),
        Attach::Spare => (FIRST_PORT, MAX_PORTS),
    };
    let nth = disks.iter().filter(|d| d.attach == disk.attach).position(|d| d.name == disk.name)?;
    assert!(nth < room, "a machine has room for {room} disks attached like {}", disk.name);
    Some(first + nth)
}

/// A path inside a QEMU option, where a comma ends the value.
pub(super) fn escape(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

#[derive(Default)]
struct Args(Vec<String>);

impl Args {
    fn add(&mut self, option: &str, value: impl Into<String>) {
        self.0.push(option.to_owned());
        let value = value.into();
        if !value.is_empty() {
            self.0.push(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(machine: Machine, disks: &[Disk], accel: &Accel, check: impl FnOnce(&Config<'_>)) {
        let cards = ["left", "right"].map(Card::new);
        let devices = ["edu", "pvpanic-pci", "virtio-balloon-pci,bus=p"].map(str::to_owned);
        check(&Config {
            machine,
            accel,
            memory: 1024,
            cpus: 2,
            bzimage: "bzImage".into(),
            initrd: None,
            cmdline: "a=b".into(),
            shares: vec![("objdir", "/o".into())],
            disks,
            cards: if machine == Machine::Q35 { &cards } else { &[] },
            devices: if machine == Machine::Q35 { &devices } else { &[] },
            console: Console::Log("/l".into()),
            control: Some("/c".into()),
            qmp: None,
            backends: disks
                .iter()
                .any(|disk| disk.backend == Backend::Served)
                .then(|| backend::Sockets::new(Path::new("/s"), "QEMU emulator version 10.0.2")),
            debugger: None,
            plugin: None,
            work: Path::new("/w"),
            boot: Path::new("/b"),
        });
    }

    #[test]
    fn disks_present_at_boot_and_spare_ones_have_slots_of_their_own() {
        let disks = [
            Disk::scratch("a", 1),
            Disk::scratch("b", 1).attach(Attach::Spare),
            Disk::scratch("c", 1),
            Disk::scratch("d", 1).attach(Attach::Drive),
        ];
        config(Machine::Q35, &disks, &Accel::Kvm, |c| {
            assert_eq!(c.disk_map(), "a:10,b:04,c:11,d:");
            assert_eq!(c.place(&disks[1]), json!({ "bus": "port-b" }));
            let args = c.args();
            assert!(args.iter().any(|a| a.contains("pcie-root-port")));
            assert!(!args.iter().any(|a| a.contains("disk-b")), "a spare disk is not plugged in at boot");
        });
    }

    #[test]
    fn a_machine_with_all_disks_that_there_is_room_for_has_no_slot_twice() {
        let disks: Vec<Disk> = (0..MAX_DISKS).map(|n| Disk::scratch(&format!("d{n}"), 1)).collect();
        config(Machine::Q35, &disks, &Accel::Kvm, |c| {
            // Machines with other devices have fewer disks.
            let args = c.args().into_iter().filter(|arg| !arg.starts_with("edu") && !arg.starts_with("pvpanic"));
            let args = args.collect::<Vec<_>>().join(" ").replace('"', "").replace("addr:", "addr=");
            let slots = args.split("addr=").skip(1).filter_map(|rest| rest.split([',', '}', ' ']).next());
            let mut slots: Vec<&str> = slots.collect();
            let count = slots.len();
            assert!(count > MAX_DISKS, "{args}");
            slots.sort_unstable();
            slots.dedup();
            assert_eq!(slots.len(), count, "{args}");
        });
    }

    #[test]
    fn a_process_that_serves_a_disk_gets_at_the_guests_memory() {
        let disks = [Disk::scratch("a", 1), Disk::scratch("b", 1).backend(Backend::Served)];
        config(Machine::Q35, &disks, &Accel::Kvm, |c| {
            let args = c.args().join(" ");
            assert!(args.contains("-machine q35,memory-backend=memory "), "{args}");
            assert!(args.contains("-chardev socket,id=char-b,path=/s/b,reconnect-ms=500 "), "{args}");
            assert!(args.contains("node-a") && !args.contains("node-b"), "{args}");
        });
        config(Machine::Q35, &disks[..1], &Accel::Kvm, |c| assert!(!c.args().join(" ").contains("memory-backend")));
    }

    #[test]
    fn disks_in_turn_share_one_root_port() {
        let disks = ["a", "b"].map(|name| Disk::scratch(name, 1).attach(Attach::InTurn));
        config(Machine::Q35, &disks, &Accel::Kvm, |c| {
            assert_eq!(c.disk_map(), "a:0f,b:0f");
            assert_eq!(c.place(&disks[0]), c.place(&disks[1]));
            let args = c.args();
            assert_eq!(args.iter().filter(|a| a.contains("pcie-root-port")).count(), 1);
            assert_eq!(args.iter().filter(|a| *a == "-blockdev").count(), 2);
        });
    }

    #[test]
    fn a_microvm_has_no_pci_device() {
        config(Machine::Microvm, &[Disk::scratch("a", 1)], &Accel::Kvm, |c| {
            let args = c.args().join(" ");
            assert!(args.contains("virtio-blk-device") && args.contains("virtio-9p-device"), "{args}");
            assert!(!args.contains("pci"), "{args}");
        });
    }

    #[test]
    fn cards_are_in_slots_of_their_own_on_one_hub() {
        config(Machine::Q35, &[Disk::scratch("a", 1)], &Accel::Kvm, |c| {
            assert_eq!(c.card_map(), "left:0a,right:0b");
            let args = c.args().join(" ");
            assert_eq!(args.matches("hubid=0").count(), 2, "{args}");
            assert!(args.contains("-netdev hubport,id=wire-right") && args.contains("card-right"), "{args}");
        });
    }

    #[test]
    fn other_devices_have_slots_unless_they_say_where_they_are() {
        config(Machine::Q35, &[Disk::scratch("a", 1)], &Accel::Kvm, |c| {
            let args = c.args().join(" ");
            let expected = "-device edu,addr=1b -device pvpanic-pci,addr=1a -device virtio-balloon-pci,bus=p";
            assert!(args.ends_with(expected), "{args}");
        });
    }

    #[test]
    fn only_an_emulated_cpu_gets_longer_stall_limits() {
        config(Machine::Q35, &[], &Accel::Kvm, |c| assert!(!c.kernel_cmdline().contains("stall")));
        let tcg = Accel::Tcg { why: String::new() };
        config(Machine::Q35, &[], &tcg, |c| assert!(c.kernel_cmdline().contains("stall")));
        config(Machine::Q35, &[], &Accel::Counted, |c| assert!(c.kernel_cmdline().contains("stall")));
    }

    #[test]
    fn time_by_instructions_needs_one_thread_for_all_cpus() {
        config(Machine::Q35, &[], &Accel::Counted, |c| {
            let args = c.args().join(" ");
            assert!(args.contains("-accel tcg,thread=single -icount shift=1,sleep=off "), "{args}");
        });
        let tcg = Accel::Tcg { why: String::new() };
        config(Machine::Q35, &[], &tcg, |c| assert!(!c.args().join(" ").contains("icount")));
    }
}
