// SPDX-License-Identifier: GPL-2.0

//! The table of boots. A scenario says what machine to make and which script of `tests/guest` to run in it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;

use crate::machine::Machine;
use crate::machine::disk::Disk;
use crate::machine::nic::Card;
use crate::machine::plugin::Profiler;

mod demo;
mod effort;
mod long;
mod matrix;
pub mod net;
mod outside;
mod parity;
mod short;
mod subjects;
pub mod uml;

pub use effort::Effort;
pub use outside::Outside;

/// When a scenario is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// The demonstration with a disk.
    Run,
    /// The demonstration with network cards.
    RunNet,
    /// Before every change.
    Test,
    /// When there is time.
    Soak,
    /// To measure.
    Bench,
    /// When the driver of disks is to be compared with the oracle.
    Parity,
    /// The same for the driver of network cards.
    ParityNet,
}

impl Group {
    /// As users name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::RunNet => "run-net",
            Self::Test => "test",
            Self::Soak => "soak",
            Self::Bench => "bench",
            Self::Parity => "parity",
            Self::ParityNet => "parity-net",
        }
    }
}

/// Which kernel a scenario needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// Fast.
    Plain,
    /// With every checker.
    Debug,
}

impl Flavour {
    /// The name that such a kernel has.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Debug => "debug",
        }
    }
}

/// How much of both drivers is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Everything: an entry of the table of differences that nothing matches is an error.
    Whole,
    /// Some configurations, which cannot match all entries.
    Part,
}

/// What kind of devices the drivers are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Disks.
    Disks,
    /// Network cards.
    Cards,
}

/// That what the script tells of two drivers is compared.
#[derive(Debug, Clone)]
pub struct Parity {
    /// The drivers.
    pub kind: Kind,
    /// How much.
    pub scope: Scope,
    /// Of which configurations it tells.
    pub configurations: Vec<String>,
}

/// One boot.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Name: lower case and dashes; also the name of its directory of logs.
    pub name: &'static str,
    /// What it shows, in a few words.
    pub about: &'static str,
    /// When it is run.
    pub group: Group,
    /// Which kernel.
    pub kernel: Flavour,
    /// Guest script, without `.sh`.
    pub script: &'static str,
    /// Variables of the script.
    pub vars: Vec<(&'static str, String)>,
    /// Disks.
    pub disks: Vec<Disk>,
    /// Network cards.
    pub cards: Vec<Card>,
    /// Other devices, each as QEMU's `-device` takes it.
    pub devices: Vec<String>,
    /// Modules from outside of the kernel tree.
    pub outside: Option<Outside>,
    /// Whether the guest sees the root directory of the host, as `root`, and the kernel's source, as `source`: to run
    /// programs that are not in its image.
    pub host_root: bool,
    /// Kind of machine.
    pub machine: Machine,
    /// Memory in MiB.
    pub memory: u32,
    /// Virtual CPUs.
    pub cpus: u32,
    /// Additional words for the kernel.
    pub kernel_words: &'static str,
    /// The QEMU plugin that counts instructions.
    pub plugin: Option<Profiler>,
    /// Whether what the script tells of two drivers is compared.
    pub parity: Option<Parity>,
    /// Longest time for the whole boot, on an emulated CPU.
    pub limit: Duration,
    /// Longest time without any line, on an emulated CPU.
    pub idle: Duration,
}

/// What a person changes for one run.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// The module under test, instead of `virtio_blk_rs`.
    pub driver: Option<String>,
    /// Script variables that replace those of the table.
    pub vars: Vec<(String, String)>,
}

impl Scenario {
    /// A scenario of the debug kernel with one CPU pair and no disk.
    pub(crate) fn debug(name: &'static str, about: &'static str, script: &'static str) -> Self {
        Self {
            name,
            about,
            group: Group::Test,
            kernel: Flavour::Debug,
            script,
            vars: Vec::new(),
            disks: Vec::new(),
            cards: Vec::new(),
            devices: Vec::new(),
            outside: None,
            host_root: false,
            machine: Machine::Q35,
            memory: 1024,
            cpus: 2,
            kernel_words: "",
            plugin: None,
            parity: None,
            limit: minutes(15),
            idle: minutes(5),
        }
    }

    pub(crate) fn disk(mut self, disk: Disk) -> Self {
        self.disks.push(disk);
        self
    }

    pub(crate) fn card(mut self, card: Card) -> Self {
        self.cards.push(card);
        self
    }

    pub(crate) fn var(mut self, name: &'static str, value: impl ToString) -> Self {
        self.vars.push((name, value.to_string()));
        self
    }

    /// What the kernel is told: the guest's init reads every word that begins with `vmtest.`. `places` say where the
    /// devices of a kind are.
    pub fn cmdline(&self, places: &[(&str, String)], overrides: &Overrides) -> String {
        // A crash must end the boot at once: what follows would only hide the cause.
        let mut words = vec!["oops=panic".to_owned()];
        if !self.kernel_words.is_empty() {
            words.push(self.kernel_words.to_owned());
        }
        words.extend(words_for_init(self.script, &self.vars, places, overrides));
        words.join(" ")
    }
}

/// The words that the guest's init reads: what to run, its variables, and where the devices of a kind are.
pub(crate) fn words_for_init(
    script: &str,
    vars: &[(&'static str, String)],
    places: &[(&str, String)],
    overrides: &Overrides,
) -> Vec<String> {
    let mut all = BTreeMap::from([("driver", "virtio_blk_rs"), ("oracle", "virtio_blk")]);
    all.extend(vars.iter().map(|(name, value)| (*name, value.as_str())));
    all.extend(overrides.vars.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    if let Some(driver) = &overrides.driver {
        all.insert("driver", driver);
    }
    all.insert("script", script);
    all.extend(places.iter().filter(|(_, map)| !map.is_empty()).map(|(kind, map)| (*kind, map.as_str())));
    all.iter().map(|(name, value)| format!("vmtest.{name}={value}")).collect()
}

pub(crate) fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

/// Every scenario.
pub fn all() -> Vec<Scenario> {
    table(&Effort::default())
}

/// The scenarios of a group, the long ones as long as the environment wants them.
///
/// # Errors
///
/// A variable of the long ones is wrong.
pub fn of(group: Group) -> Result<Vec<Scenario>> {
    let effort = if group == Group::Soak { Effort::from_environment()? } else { Effort::default() };
    Ok(table(&effort).into_iter().filter(|scenario| scenario.group == group).collect())
}

fn table(effort: &Effort) -> Vec<Scenario> {
    let disks = [demo::scenarios(), short::scenarios(), long::scenarios(effort), parity::scenarios()].concat();
    let cards = [vec![net::demo()], net::parity::scenarios(), net::short(), net::long(effort)].concat();
    // A short one shall be the last to end, where several are run at a time.
    [cards, disks].concat()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn names_are_unique_and_every_script_exists() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guest");
        let mut names = BTreeSet::new();
        for scenario in all() {
            assert!(names.insert(scenario.name), "two scenarios are called {}", scenario.name);
            let script = dir.join(scenario.script).with_extension("sh");
            assert!(script.is_file(), "{} is missing", script.display());
        }
    }

    #[test]
    fn disk_names_are_unique_within_a_scenario() {
        for scenario in all() {
            let names: BTreeSet<_> = scenario.disks.iter().map(|d| &d.name).collect();
            assert_eq!(names.len(), scenario.disks.len(), "{}", scenario.name);
        }
    }

    #[test]
    fn card_names_and_addresses_are_unique_within_a_scenario() {
        for scenario in all() {
            let names: BTreeSet<_> = scenario.cards.iter().map(|card| &card.name).collect();
            let addresses: BTreeSet<_> = scenario.cards.iter().map(|card| &card.mac).collect();
            assert_eq!([names.len(), addresses.len()], [scenario.cards.len(); 2], "{}", scenario.name);
        }
    }

    #[test]
    fn a_persons_choice_replaces_that_of_the_table() {
        let scenario = Scenario::debug("x", "", "x").var("loops", 50).var("size", 1);
        let overrides = Overrides { driver: Some("virtio_blk".into()), vars: vec![("loops".into(), "5".into())] };
        let cmdline = scenario.cmdline(&[("disks", "a:10".into())], &overrides);
        for word in ["vmtest.driver=virtio_blk", "vmtest.loops=5", "vmtest.size=1", "vmtest.disks=a:10"] {
            assert!(cmdline.split(' ').any(|w| w == word), "{word} is not in {cmdline}");
        }
    }
}
