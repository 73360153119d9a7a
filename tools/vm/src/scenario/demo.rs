// SPDX-License-Identifier: GPL-2.0

//! What `make run` shows.

use super::{Flavour, Group, Scenario, minutes};
use crate::machine::disk::{Attach, Disk};

/// The scenarios of this file.
pub fn scenarios() -> Vec<Scenario> {
    let scenario = Scenario {
        group: Group::Run,
        kernel: Flavour::Plain,
        limit: minutes(10),
        idle: minutes(2),
        ..Scenario::debug("run", "a file system and fio on /dev/vda", "run")
    };
    vec![scenario.disk(Disk::scratch("vda", 1024).attach(Attach::Drive))]
}
