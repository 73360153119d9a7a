// SPDX-License-Identifier: GPL-2.0

//! The boots in which the driver is compared with the oracle.

use super::{Flavour, Group, Kind, Parity, Scenario, Scope, matrix, minutes};
use crate::machine::disk::Attach;

/// The configurations that `make soak` compares on the debug kernel: something of everything.
const FEW: [&str; 4] = ["plain", "packed", "block4k", "readonly"];

/// The scenarios of this file.
pub fn scenarios() -> Vec<Scenario> {
    let mut whole = scenario("parity", "the C driver as oracle, on every kind of disk", Scope::Whole);
    whole.group = Group::Parity;
    whole.kernel = Flavour::Plain;
    whole.limit = minutes(60);
    let mut part = scenario("parity-brief", "the C driver as oracle, on some disks", Scope::Part);
    part.group = Group::Soak;
    vec![whole, part]
}

fn scenario(name: &'static str, about: &'static str, scope: Scope) -> Scenario {
    let mut scenario = Scenario::debug(name, about, "parity").var("parameters", matrix::parameters());
    scenario.disks = matrix::disks().into_iter().map(|disk| disk.attach(Attach::InTurn)).collect();
    if scope == Scope::Part {
        scenario.disks.retain(|disk| FEW.contains(&disk.name.as_str()));
    }
    let configurations = scenario.disks.iter().map(|disk| disk.name.clone()).collect();
    scenario.parity = Some(Parity { kind: Kind::Disks, scope, configurations });
    // More than some of the disks have queues, and fewer than others.
    scenario.cpus = 4;
    scenario.limit = minutes(20);
    scenario
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_few_are_in_the_matrix() {
        let brief = scenarios().into_iter().find(|scenario| scenario.name == "parity-brief").unwrap();
        assert_eq!(brief.disks.len(), FEW.len());
    }

    #[test]
    fn the_kernel_can_be_told_of_every_disk() {
        // Linux cuts off what is longer (COMMAND_LINE_SIZE on x86), and the machine has words of its own.
        let whole = scenarios().into_iter().find(|scenario| scenario.name == "parity").unwrap();
        let map: usize = whole.disks.iter().map(|disk| disk.name.len() + ":0f,".len()).sum();
        assert!(map + whole.cmdline(&[], &Default::default()).len() < 1700, "{map}");
    }
}
