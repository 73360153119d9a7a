// SPDX-License-Identifier: GPL-2.0

//! How often each translation block was executed.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::stretches::{self, Switch};

/// What is known of the blocks that begin at one address and have one length.
#[derive(Debug)]
pub struct Counter {
    executions: AtomicU64,
    instructions: u64,
    switch: Switch,
    is_module: bool,
}

impl Counter {
    /// The block is executed once more.
    pub fn count(&self, cpu: usize) {
        self.executions.fetch_add(1, Ordering::Relaxed);
        stretches::executed(cpu, self.instructions, self.switch, self.is_module);
    }

    fn take(&self) -> u64 {
        self.executions.swap(0, Ordering::Relaxed)
    }
}

/// Address of the first instruction and number of instructions.
type Block = (u64, usize);

/// All counters. They are never freed: translated code refers to them.
static COUNTERS: Mutex<Option<HashMap<Block, &'static Counter>>> = Mutex::new(None);

/// The counter of a block; a block that is translated again keeps the one it has. `switch` tells what it has to do with
/// interrupts.
pub fn of(address: u64, instructions: usize, switch: impl FnOnce() -> Switch) -> &'static Counter {
    let mut counters = COUNTERS.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let counters = counters.get_or_insert_default();
    counters.entry((address, instructions)).or_insert_with(|| {
        Box::leak(Box::new(Counter {
            executions: AtomicU64::new(0),
            instructions: instructions as u64,
            switch: switch(),
            is_module: stretches::is_module(address),
        }))
    })
}

/// Writes what was counted since the last time to `path`: one line per block with its address in hexadecimal, its
/// length in instructions and the number of executions; then the [`stretches`]. The file appears complete or not at
/// all.
pub fn write(path: &Path) -> io::Result<()> {
    let partial = path.with_extension("partial");
    let mut file = BufWriter::new(File::create(&partial)?);
    let counters = COUNTERS.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    for ((address, instructions), counter) in counters.iter().flatten() {
        let executions = counter.take();
        if executions > 0 {
            writeln!(file, "{address:x} {instructions} {executions}")?;
        }
    }
    stretches::write(&mut file)?;
    file.flush()?;
    fs::rename(partial, path)
}
