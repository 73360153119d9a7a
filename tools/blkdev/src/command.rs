// SPDX-License-Identifier: GPL-2.0

//! What a test may tell a device while it runs, one line each.
//!
//! | command | effect |
//! |---|---|
//! | `set FIELD=VALUE…` | changes the configuration space, without a word to the driver |
//! | `defaults` | changes it back to what it was at the start |
//! | `get FIELD` | a value in it |
//! | `resize BYTES` | changes the size, and tells the driver |
//! | `fault FAULT[:REQUEST]` | misbehaves from now on |
//! | `lie LIE[:REQUEST][*TIMES]` | lies about buffers, once or so many times; always with `*` alone |
//! | `chaos SEED PER_MILLE` | does so many of a thousand requests wrong at random |
//! | `stall`, `stall MS`, `resume` | serves nothing, for so long or until it is to serve again |
//! | `mute`, `lose N` | interrupts for nothing; not for the next N times |
//! | `deaf`, `eager` | wants no notification; interrupts for each buffer |
//! | `pace MS`, `delay MS` | takes so long for a request; so long for an interrupt |
//! | `die STEP` | is gone at that moment: see [`crate::conduct::Step`] |
//! | `behave` | stops all of that |
//! | `interrupts N`, `changes N` | interrupts so many times; tells so many changes of the configuration |
//! | `cut SEED FILE` | loses a part of what was not flushed, leaves the rest in a file, and is gone |
//! | `count NAME` | how often: a request's name, `priority-N`, `discard-ranges`, `violation`, `requests`, `lies`, … |
//! | `zone INDEX read-only`, `zone INDEX offline` | breaks a zone |

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use crate::device::Device;
use crate::fault::Fault;
use crate::options::{assignment, is_size, number};
use crate::store::SECTOR;
use crate::zones::State;

/// What a command came to.
#[derive(Debug, PartialEq, Eq)]
pub struct Done {
    /// What to say; may be empty.
    pub answer: String,
    /// Whether the driver has to be told that the configuration has changed.
    pub config_changed: bool,
    /// Whether this was the end of the device.
    pub is_gone: bool,
}

impl Device {
    /// Does what a line says.
    ///
    /// # Errors
    ///
    /// It is no command, or cannot be done. Nothing has changed then.
    pub fn command(&mut self, line: &str) -> Result<Done> {
        let mut answer = String::new();
        let mut config_changed = false;
        let mut is_gone = false;
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["set", ref assignments @ ..] if !assignments.is_empty() => {
                let mut config = self.config.clone();
                for text in assignments {
                    let (name, value) = assignment(text)?;
                    config.set(&name, value)?;
                }
                self.config = config;
            }
            ["defaults"] => self.restore_config(),
            ["get", name] => answer = self.config.get(name)?.to_string(),
            ["resize", size] => {
                let size = number(size)?;
                ensure!(is_size(size), "a size is a multiple of {SECTOR} up to 1 TiB");
                ensure!(self.zones.is_none(), "zones have a size that stays");
                self.store.resize(size / SECTOR);
                self.config.set("capacity", size / SECTOR)?;
                config_changed = true;
            }
            ["fault", text] => self.faults.add(Fault::parse(text)?),
            ["behave"] => self.faults.clear(),
            ["cut", seed, file] => {
                let seed = seed.parse().with_context(|| format!("not a number: `{seed}`"))?;
                let (at_risk, lost) = (self.cache.len(), self.cache.lose(&mut self.store, seed));
                self.store.save(Path::new(file)).with_context(|| format!("cannot write {file}"))?;
                answer = format!("{lost} of {at_risk} sectors lost");
                is_gone = true;
            }
            ["count", name] => answer = self.counts.get(name).copied().unwrap_or(0).to_string(),
            ["zone", index, state] => {
                let state = match state {
                    "read-only" => State::ReadOnly,
                    "offline" => State::Offline,
                    _ => bail!("a zone can be made read-only or offline, not `{state}`"),
                };
                let index = index.parse().with_context(|| format!("not a number: `{index}`"))?;
                let zone = self.zones.as_mut().and_then(|zones| zones.zone_mut(index));
                zone.with_context(|| format!("no zone {index}"))?.state = state;
            }
            _ => bail!("unknown command `{line}`"),
        }
        Ok(Done { answer, config_changed, is_gone })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Shape;
    use crate::options::tests::options;

    fn device(words: &str) -> Device {
        Device::new(&options(words).unwrap()).unwrap()
    }

    #[test]
    fn the_configuration_is_changed_in_silence_and_all_at_once() {
        let mut device = device("");
        let done = device.command("set blk_size=0 num_queues=0").unwrap();
        assert!(!done.config_changed);
        assert_eq!(device.config.get("blk_size").unwrap(), 0);
        assert!(device.command("set seg_max=1 heads=256").is_err());
        assert_eq!(device.command("get seg_max").unwrap().answer, "126", "nothing is half done");
        device.command("defaults").unwrap();
        assert_eq!(device.config.get("blk_size").unwrap(), 512);
    }

    #[test]
    fn a_resize_is_told() {
        let mut device = device("--size 1M");
        assert!(device.command("resize 2M").unwrap().config_changed);
        assert_eq!(device.config.get("capacity").unwrap(), 4096);
        assert!(device.store.bytes(4095, 512).is_some());
        assert!(device.command("resize 1000").is_err());
    }

    #[test]
    fn requests_are_counted() {
        let mut device = device("");
        let flush = [&4u32.to_le_bytes()[..], &[0; 12]].concat();
        assert_eq!(device.command("count flush").unwrap().answer, "0");
        device.execute(&flush, 1, Shape::default());
        assert_eq!(device.command("count flush").unwrap().answer, "1");
    }

    #[test]
    fn a_cut_leaves_what_was_flushed_and_what_is_left_can_be_served_again() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("left");
        let write = |sector: u64, byte: u8| {
            [&1u32.to_le_bytes()[..], &[0; 4], &sector.to_le_bytes(), &vec![byte; 512 * 64]].concat()
        };
        let mut cut = device("--size 1M --volatile");
        cut.execute(&write(0, 1), 1, Shape::default());
        cut.execute(&[&4u32.to_le_bytes()[..], &[0; 12]].concat(), 1, Shape::default());
        cut.execute(&write(64, 2), 1, Shape::default());
        let done = cut.command(&format!("cut 5 {}", file.display())).unwrap();
        assert!(done.is_gone && done.answer.ends_with("of 64 sectors lost"), "{}", done.answer);
        let again = device(&format!("--size 1M --image {}", file.display()));
        assert_eq!(again.store.bytes(0, 512 * 64).unwrap(), [1; 512 * 64]);
        let rest = again.store.bytes(64, 512 * 64).unwrap();
        assert!(rest.chunks(512).all(|sector| sector == [0; 512] || sector == [2; 512]));
        assert!(rest.chunks(512).any(|sector| sector == [0; 512]), "nothing was lost");
    }

    #[test]
    fn without_a_cache_nothing_is_lost() {
        for words in ["--size 1M", "--size 1M --volatile --set wce=0", "--size 1M --volatile --no-feature flush"] {
            let dir = tempfile::tempdir().unwrap();
            let mut device = device(words);
            device.execute(&[&1u32.to_le_bytes()[..], &[0; 12], &[1; 512]].concat(), 1, Shape::default());
            let done = device.command(&format!("cut 1 {}", dir.path().join("left").display())).unwrap();
            assert_eq!(done.answer, "0 of 0 sectors lost", "{words}");
        }
    }

    #[test]
    fn zones_break_on_command() {
        let mut device = device("--size 4M --zone-size 1M");
        device.command("zone 2 offline").unwrap();
        assert_eq!(device.zones.as_ref().unwrap().from_sector(4096).unwrap()[0].state, State::Offline);
        assert!(device.command("zone 4 offline").is_err());
        assert!(device.command("zone 1 closed").is_err());
    }

    #[test]
    fn nonsense_is_refused() {
        let mut device = device("");
        for line in [
            "",
            "set",
            "resize",
            "resize big",
            "resize 18446744073709551104",
            "fault none",
            "count",
            "zone 0 offline",
            "explode",
        ] {
            assert!(device.command(line).is_err(), "{line}");
        }
    }
}
