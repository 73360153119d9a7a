// SPDX-License-Identifier: GPL-2.0

//! How long interrupts are off: the instructions from where the kernel switches them off, or an interrupt begins, to
//! where it switches them on again, or returns.
//!
//! Only stretches in which code of a module was executed are noted. A fault in between ends a stretch too early: it
//! returns like an interrupt does.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Where Linux has its modules, without randomization.
const MODULES: u64 = 0xffff_ffff_a000_0000;

/// The virtual CPUs that there can be; of others nothing is noted.
const CPUS: usize = 64;

/// What a block of instructions has to do with interrupts.
#[derive(Debug, Clone, Copy)]
pub enum Switch {
    /// Nothing.
    None,
    /// They are off behind so many instructions.
    Off(u64),
    /// They are on behind so many instructions.
    On(u64),
}

/// One virtual CPU. Only its own thread uses it.
struct Cpu {
    is_off: AtomicBool,
    instructions: AtomicU64,
    has_module: AtomicBool,
}

static STATE: [Cpu; CPUS] = [const {
    Cpu { is_off: AtomicBool::new(false), instructions: AtomicU64::new(0), has_module: AtomicBool::new(false) }
}; CPUS];

/// The stretches, how many of each length.
static STRETCHES: Mutex<BTreeMap<u64, u64>> = Mutex::new(BTreeMap::new());

/// Whether a block at `address` is code of a module.
pub fn is_module(address: u64) -> bool {
    address >= MODULES
}

/// The virtual CPU executes a block.
pub fn executed(cpu: usize, instructions: u64, switch: Switch, is_module: bool) {
    let Some(cpu) = STATE.get(cpu) else { return };
    let is_off = cpu.is_off.load(Ordering::Relaxed);
    let (before, after) = match switch {
        Switch::None => (instructions, 0),
        Switch::Off(at) => (at, instructions - at),
        Switch::On(at) => (at, 0),
    };
    if is_off {
        cpu.instructions.fetch_add(before + after, Ordering::Relaxed);
        cpu.has_module.fetch_or(is_module, Ordering::Relaxed);
        if matches!(switch, Switch::On(_)) {
            cpu.end();
        }
    } else if matches!(switch, Switch::Off(_)) {
        cpu.instructions.store(after, Ordering::Relaxed);
        cpu.has_module.store(is_module, Ordering::Relaxed);
        cpu.is_off.store(true, Ordering::Relaxed);
    }
}

impl Cpu {
    fn end(&self) {
        self.is_off.store(false, Ordering::Relaxed);
        if self.has_module.load(Ordering::Relaxed) {
            let mut stretches = STRETCHES.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            *stretches.entry(self.instructions.load(Ordering::Relaxed)).or_default() += 1;
        }
    }
}

/// Writes the stretches since the last time: one line per length, which begins with `off`.
pub fn write(file: &mut impl Write) -> io::Result<()> {
    let mut stretches = STRETCHES.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    for (instructions, count) in std::mem::take(&mut *stretches) {
        writeln!(file, "off {instructions} {count}")?;
    }
    Ok(())
}
