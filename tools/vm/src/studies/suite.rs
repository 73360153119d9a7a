// SPDX-License-Identifier: GPL-2.0

//! The boots that are made together: what `make run`, `make run-net`, `make test` and `make soak` do in QEMU.

use std::time::Instant;

use anyhow::{Context, Result};

use super::{evaluate, kunit};
use crate::guest::ktap::Tally;
use crate::machine::{Host, Kernel, accel, image};
use crate::runner::report::Report;
use crate::runner::{Runner, side_by_side};
use crate::scenario::{self, Flavour, Group, Overrides, Scenario};

/// The demonstration: one disk, one file system, fio with verification and a short table of speeds.
///
/// # Errors
///
/// When the machine could not be started at all. A step that failed in the guest is counted in the [`Tally`].
pub fn run(host: &Host, plain: &Kernel) -> Result<Tally> {
    run_all(host, "run", &Boot::of(Group::Run, plain, plain)?)
}

/// The demonstration with network cards: name spaces, pings, streams, rates, against the C driver and against itself.
///
/// # Errors
///
/// As for [`run`].
pub fn run_net(host: &Host, plain: &Kernel) -> Result<Tally> {
    run_all(host, "run-net", &Boot::of(Group::RunNet, plain, plain)?)
}

/// Everything that must pass before a change lands and needs a virtual machine.
///
/// The debug kernel alone, as building another one takes longer than all of this; what it lacks of the plain
/// one's speed is for [`soak()`].
///
/// # Errors
///
/// As for [`run`].
pub fn test(host: &Host, debug: &Kernel) -> Result<Tally> {
    let mut boots = vec![Boot::Kunit(debug)];
    boots.extend(Boot::of(Group::Test, debug, debug)?);
    boots.extend(Boot::of(Group::Run, debug, debug)?);
    run_all(host, "test", &boots)
}

/// The long versions of what [`test()`] does briefly, and KUnit and the short ones on the plain kernel.
///
/// [`scenario::Effort`] says how long.
///
/// # Errors
///
/// As for [`run`].
pub fn soak(host: &Host, plain: &Kernel, debug: &Kernel) -> Result<Tally> {
    let mut boots = vec![Boot::Kunit(plain)];
    boots.extend(Boot::of(Group::Test, plain, plain)?);
    boots.extend(Boot::of(Group::Soak, plain, debug)?);
    run_all(host, "soak", &boots)
}

/// The scripts that try modules from outside of the kernel tree, in one boot.
///
/// # Errors
///
/// As for [`run`].
pub fn outside(host: &Host, kernel: &Kernel, scenario: Scenario) -> Result<Tally> {
    run_all(host, scenario.name, &[Boot::Scenario(kernel, Box::new(scenario))])
}

/// A boot that is to be made.
#[derive(Debug)]
enum Boot<'k> {
    /// The KUnit suites of a kernel.
    Kunit(&'k Kernel),
    /// A scenario on a kernel.
    Scenario(&'k Kernel, Box<Scenario>),
}

impl<'k> Boot<'k> {
    /// The scenarios of `group`, each on the kernel that it asks for.
    ///
    /// # Errors
    ///
    /// A variable for the long ones is wrong.
    fn of(group: Group, plain: &'k Kernel, debug: &'k Kernel) -> Result<Vec<Self>> {
        let boot = |scenario: Scenario| {
            Self::Scenario(if scenario.kernel == Flavour::Plain { plain } else { debug }, Box::new(scenario))
        };
        Ok(scenario::of(group)?.into_iter().map(boot).collect())
    }

    fn kernel(&self) -> &'k Kernel {
        match self {
            Self::Kunit(kernel) | Self::Scenario(kernel, _) => kernel,
        }
    }
}

/// Makes all boots, as many at a time as the host is for. `name` is what they are called together.
///
/// # Errors
///
/// When a machine could not be started at all.
fn run_all(host: &Host, name: &str, boots: &[Boot<'_>]) -> Result<Tally> {
    let start = Instant::now();
    let kernel = boots.first().context("there is nothing to boot")?.kernel();
    let accel = accel::probe(host, Some(kernel))?;
    println!("accelerator: {accel}");
    // Made once, and not by all of them at the same time.
    image::build(host, kernel)?;
    let runner = Runner { evaluate, ..Runner::new(host, &accel) };
    let tally = side_by_side(host, boots, |what, report| match what {
        Boot::Kunit(kernel) => kunit::boot(host, kernel, report),
        Boot::Scenario(kernel, scenario) => {
            let outcome = runner.boot(kernel, scenario, &Overrides::default(), report)?.tally();
            // On the kernel that a scenario asks for, each of its cases can be run.
            Ok(if kernel.name == scenario.kernel.name() { outcome.without_skips() } else { outcome })
        }
    })?;
    Report::new(host.verbose).summary(name, tally, start.elapsed());
    Ok(tally)
}
