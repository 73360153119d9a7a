// SPDX-License-Identifier: GPL-2.0

//! Modules from outside of the kernel tree, and the boot that tries them.

use std::path::PathBuf;

use super::Scenario;

/// Modules that were built outside of the kernel tree.
#[derive(Debug, Clone)]
pub struct Outside {
    /// The directory with a `NAME.ko` for each of them, which the guest sees as `/mnt/modules`.
    pub dir: PathBuf,
    /// Their names. For [`Scenario::of_modules`], each has a script `NAME.sh` there.
    pub names: Vec<String>,
}

impl Scenario {
    /// Runs the scripts of modules from outside of the tree, one after the other, in a machine that has `devices`
    /// besides those that every machine has.
    pub fn of_modules(name: &'static str, about: &'static str, outside: Outside, devices: Vec<String>) -> Self {
        let mut scenario = Self::debug(name, about, "outside").var("modules", outside.names.join(","));
        scenario.outside = Some(outside);
        scenario.devices = devices;
        scenario
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::scenario::Overrides;

    #[test]
    fn the_guest_is_told_which_modules_there_are_and_has_their_script() {
        let outside = Outside { dir: "/o".into(), names: vec!["one".into(), "other".into()] };
        let scenario = Scenario::of_modules("x", "", outside, vec!["edu".into()]);
        let cmdline = scenario.cmdline(&[], &Overrides::default());
        assert!(cmdline.split(' ').any(|word| word == "vmtest.modules=one,other"), "{cmdline}");
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guest");
        assert!(dir.join(scenario.script).with_extension("sh").is_file());
    }
}
