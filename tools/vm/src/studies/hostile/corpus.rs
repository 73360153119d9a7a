// SPDX-License-Identifier: GPL-2.0

//! The files of `tests/hostile/`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::outcome::Outcome;
use crate::machine::uml::Device;

/// The families, each in a file of its name, in the order of the table.
pub const FAMILIES: [(&str, &str); 6] = [
    ("config", "The configuration space"),
    ("status", "Status and length"),
    ("ring", "The ring"),
    ("interrupt", "Interrupts and changes of the configuration"),
    ("life", "The life of the device"),
    ("chance", "Found by chance"),
];

/// Where the corpus is in the checkout.
pub const DIR: &str = "tests/hostile";

/// The devices of each machine: names and options.
pub const DEVICES: [(&str, &str); 6] = [
    ("main", "--feature size-max"),
    ("direct", "--no-feature indirect-desc"),
    ("noevent", "--no-feature event-idx"),
    ("single", "--queues 1 --no-feature mq --no-feature indirect-desc"),
    ("legacy", "--no-feature version-1"),
    ("zoned", "--size 64M --zone-size 4M --conventional 4"),
];

/// When the device does what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// While the disk is busy.
    Busy,
    /// While nothing is asked of it.
    Idle,
    /// Before and while it is brought up.
    Probe,
    /// While a busy disk is taken away.
    Remove,
    /// While a busy disk's queue is frozen.
    Freeze,
    /// While it has more requests than there is room for in the ring.
    Full,
    /// While ranges are discarded and zeroed, and the serial number is read.
    Other,
}

impl When {
    /// As the guest script names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Idle => "idle",
            Self::Probe => "probe",
            Self::Remove => "remove",
            Self::Freeze => "freeze",
            Self::Full => "full",
            Self::Other => "other",
        }
    }
}

/// A scenario.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name, lower case with dashes; unique.
    pub name: String,
    /// What the device does.
    pub about: String,
    /// The device, one of [`DEVICES`].
    #[serde(default = "main_device")]
    pub device: String,
    /// When it does it.
    pub when: When,
    /// The commands that make it do it: see [`blkdev::command`]; `sleep N` waits so many tenths of a second.
    pub during: Vec<String>,
    /// The commands that make it stop, before `behave`.
    #[serde(default)]
    pub after: Vec<String>,
    /// Whether the driver is to reset a device that does not answer in time.
    #[serde(default)]
    pub reset_on_timeout: bool,
    /// What may come of it.
    pub expect: Vec<Outcome>,
    /// Whether it is among those of the short run.
    #[serde(default)]
    pub short: bool,
}

/// A value of a field of the configuration space, which becomes a scenario.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Value {
    set: String,
    #[serde(default = "main_device")]
    device: String,
    expect: Outcome,
    #[serde(default)]
    short: bool,
}

/// A file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    scenario: Vec<Scenario>,
    #[serde(default)]
    values: Vec<Value>,
}

fn main_device() -> String {
    "main".to_owned()
}

impl Scenario {
    /// Whether this is an outcome that it may have.
    pub fn holds(&self, outcome: Outcome) -> bool {
        self.expect.contains(&outcome)
    }

    /// Whether its device cannot be used afterwards.
    pub fn is_alone(&self) -> bool {
        self.during.iter().any(|command| command.starts_with("die"))
    }

    /// Whether it is the device's fault if an interrupt is missed.
    pub fn loses_interrupts(&self) -> bool {
        let silences = ["lose", "mute", "stall", "delay", "pace", "lie", "chaos", "deaf"];
        self.during.iter().any(|command| silences.iter().any(|silence| command.starts_with(silence)))
    }

    /// Whether a lie must have been told in it.
    pub fn must_lie(&self) -> bool {
        self.during.iter().any(|command| command.starts_with("lie "))
    }

    fn check(&self) -> Result<()> {
        let name = &self.name;
        ensure!(DEVICES.iter().any(|(device, _)| *device == self.device), "{name}: no device {}", self.device);
        ensure!(!self.during.is_empty(), "{name}: the device does nothing");
        ensure!(!self.expect.is_empty(), "{name}: nothing is expected");
        ensure!(!self.expect.iter().any(|outcome| outcome.is_harm()), "{name}: harm is expected");
        Ok(())
    }
}

impl Value {
    fn scenario(self) -> Scenario {
        Scenario {
            name: self.set.replace(' ', ", "),
            about: format!("says {}", self.set.replace(' ', " and ").replace('=', " ")),
            device: self.device,
            when: When::Probe,
            during: vec![format!("set {}", self.set)],
            after: vec!["defaults".to_owned()],
            reset_on_timeout: false,
            expect: vec![self.expect],
            short: self.short,
        }
    }
}

/// The scenarios of a family.
///
/// # Errors
///
/// Its file is not right.
pub fn family(repo: &Path, name: &str) -> Result<Vec<Scenario>> {
    let path = repo.join(DIR).join(name).with_extension("toml");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    read(&text).with_context(|| format!("{} is not right", path.display()))
}

/// The scenarios in the text of a file.
///
/// # Errors
///
/// The text is not right.
pub fn read(text: &str) -> Result<Vec<Scenario>> {
    let file: File = toml::from_str(text)?;
    Ok(file.values.into_iter().map(Value::scenario).chain(file.scenario).collect())
}

/// All scenarios.
///
/// # Errors
///
/// A file is not right, or two scenarios have the same name.
pub fn all(repo: &Path) -> Result<Vec<Scenario>> {
    let mut all = Vec::new();
    for (name, _) in FAMILIES {
        all.extend(family(repo, name)?);
    }
    let mut names = BTreeSet::new();
    for scenario in &all {
        scenario.check()?;
        ensure!(names.insert(&scenario.name), "two scenarios are called {}", scenario.name);
    }
    Ok(all)
}

/// The devices of a machine.
pub fn devices() -> Vec<Device> {
    DEVICES.iter().map(|(name, options)| Device { name, options: (*options).to_owned() }).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use blkdev::device::Device as BlockDevice;
    use blkdev::options::Options;
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        options: Options,
    }

    fn repo() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
    }

    pub(crate) fn scenario(name: &str) -> Scenario {
        Scenario {
            name: name.into(),
            about: "does nothing".into(),
            device: main_device(),
            when: When::Busy,
            during: vec!["stall".into()],
            after: Vec::new(),
            reset_on_timeout: false,
            expect: vec![Outcome::Serves],
            short: false,
        }
    }

    #[test]
    fn the_corpus_is_large_and_has_a_short_choice() {
        let all = all(repo()).unwrap();
        assert!(all.len() >= 120, "{}", all.len());
        assert_eq!(all.iter().filter(|scenario| scenario.short).count(), 30);
    }

    /// Checks that the devices know what they are to do.
    pub(crate) fn check_commands(scenarios: &[Scenario]) {
        let device = |(name, options): (&'static str, &str)| {
            let words = ["blkdev"].into_iter().chain(options.split_whitespace());
            (name, BlockDevice::new(&Cli::try_parse_from(words).unwrap().options).unwrap())
        };
        let mut devices = DEVICES.map(device);
        for scenario in scenarios {
            scenario.check().unwrap();
            let device = devices.iter_mut().find(|(name, _)| *name == scenario.device).unwrap();
            for command in scenario.during.iter().chain(&scenario.after) {
                let words: Vec<_> = command.split_whitespace().collect();
                let known = match words[..] {
                    ["sleep", tenths] => tenths.parse::<u64>().is_ok(),
                    ["lie", lie] => blkdev::lie::Lie::parse(lie).is_ok(),
                    ["interrupts" | "changes", count] => count.parse::<u32>().is_ok(),
                    ["chaos", seed, rate] => seed.parse::<u64>().is_ok() && rate.parse::<u32>().is_ok(),
                    _ => {
                        blkdev::conduct::Conduct::default().command(&words).unwrap_or(false)
                            || device.1.command(command).is_ok()
                    }
                };
                assert!(known, "{}: {command}", scenario.name);
            }
        }
    }

    #[test]
    fn every_device_can_be_made_and_every_command_of_it_is_known() {
        check_commands(&all(repo()).unwrap());
    }

    #[test]
    fn harm_cannot_be_expected() {
        let mut wrong = scenario("x");
        wrong.check().unwrap();
        wrong.expect.push(Outcome::Hangs);
        assert!(wrong.check().is_err());
        let mut wrong = scenario("x");
        wrong.device = "none".into();
        assert!(wrong.check().is_err());
    }
}
