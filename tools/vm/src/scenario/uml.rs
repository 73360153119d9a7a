// SPDX-License-Identifier: GPL-2.0

//! The table of boots in user-mode Linux.

use std::time::Duration;

use crate::machine::uml::Device;

/// One boot.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Name: lower case and dashes; also the name of its directory of logs.
    pub name: &'static str,
    /// What it shows, in a few words.
    pub about: &'static str,
    /// Guest script, without `.sh`.
    pub script: &'static str,
    /// Variables of the script.
    pub vars: Vec<(&'static str, String)>,
    /// The devices.
    pub devices: Vec<Device>,
    /// Memory in MiB.
    pub memory: u32,
    /// Longest time for the whole boot.
    pub limit: Duration,
}

/// Every scenario.
pub fn all() -> Vec<Scenario> {
    // Long ones first: where several run side by side, none of them is left for the end.
    vec![
        limits("limits", 1),
        limits("limits-rest", 2),
        testdisk(),
        zoned(),
        faults(),
        failures(),
        usedlen(),
        unsupported(),
        numbers(),
        rnull(),
    ]
}

fn scenario(name: &'static str, about: &'static str, devices: &[(&'static str, &'static str)]) -> Scenario {
    let device = |(name, options): &(&'static str, &'static str)| Device { name, options: (*options).to_owned() };
    Scenario {
        name,
        about,
        script: name,
        vars: Vec::new(),
        devices: devices.iter().map(device).collect(),
        memory: 1024,
        limit: Duration::from_secs(180),
    }
}

fn testdisk() -> Scenario {
    let bare = "--no-feature seg-max --no-feature geometry --no-feature blk-size --no-feature flush \
                --no-feature topology --no-feature config-wce --no-feature mq --no-feature discard \
                --no-feature write-zeroes --no-feature secure-erase --no-feature indirect-desc \
                --no-feature event-idx";
    let devices = [
        ("main", "--serial 12345678901234567890"),
        ("readonly", "--feature ro"),
        ("plain", bare),
        ("ordered", "--feature in-order"),
        ("ordereddirect", "--feature in-order --no-feature indirect-desc"),
    ];
    scenario("testdisk", "secure erase, ranges, cache, size: both drivers on our device", &devices)
}

fn zoned() -> Scenario {
    let main = "--size 256M --zone-size 4M --zone-capacity 3M --conventional 4 --max-open 6 --max-active 10";
    let devices = [
        ("main", main),
        ("many", "--size 125M --zone-size 64K"),
        ("broken", "--size 12M --zone-size 4M"),
        ("btrfs", "--size 4G --zone-size 64M --max-append 64 --conventional 4"),
    ];
    scenario("zoned", "zones: reports, operations, rules, fio, appends", &devices)
}

/// One half of the values.
fn limits(name: &'static str, part: u32) -> Scenario {
    let devices = [("main", "--feature size-max"), ("zoned", "--size 64M --zone-size 4M --conventional 1")];
    let about = "what each value of the configuration space comes to, with both drivers";
    // More than sixty values, and both drivers for each.
    Scenario {
        script: "limits",
        vars: vec![("part", part.to_string()), ("parts", "2".to_owned())],
        limit: Duration::from_secs(480),
        ..scenario(name, about, &devices)
    }
}

fn numbers() -> Scenario {
    let devices = [("main", ""), ("second", ""), ("third", "")];
    scenario("numbers", "device numbers and names: as C's, and beside C's", &devices)
}

fn rnull() -> Scenario {
    scenario("rnull", "upstream's Rust block driver serves as before", &[])
}

fn faults() -> Scenario {
    let devices = [("main", ""), ("legacy", "--no-feature version-1"), ("zoned", "--size 64M --zone-size 4M")];
    scenario("faults", "a device that misbehaves does no harm", &devices)
}

fn usedlen() -> Scenario {
    let zoned = "--size 64M --zone-size 4M --conventional 1";
    let devices = [("main", ""), ("zoned", zoned), ("legacy", "--no-feature version-1")];
    scenario("usedlen", "devices that are sloppy about used lengths are disks", &devices)
}

fn unsupported() -> Scenario {
    scenario("unsupported", "operations that are offered and then refused", &[("main", "")])
}

fn failures() -> Scenario {
    let other = "--feature size-max --set size_max=65536 --set seg_max=64";
    let zoned = "--size 64M --zone-size 4M --conventional 1";
    let devices = [("main", ""), ("direct", "--no-feature indirect-desc"), ("other", other), ("zoned", zoned)];
    scenario("failures", "a device that fails, or says nothing, is recovered, waited for, or given up", &devices)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use blkdev::options::Options;
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn names_are_unique_scripts_exist_and_devices_can_be_made() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guest");
        let mut names: BTreeSet<_> = crate::scenario::all().iter().map(|scenario| scenario.name).collect();
        for scenario in all() {
            assert!(names.insert(scenario.name), "{}", scenario.name);
            assert!(dir.join(scenario.script).with_extension("sh").is_file(), "{}", scenario.script);
            for device in &scenario.devices {
                let words = ["blkdev"].into_iter().chain(device.options.split_whitespace());
                let options = Cli::try_parse_from(words).unwrap().options;
                options.check().unwrap();
                options.config().unwrap();
            }
        }
    }
}
