// SPDX-License-Identifier: GPL-2.0
//! Handing built kernels to the virtual machines.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use vm::bench::Effort;
use vm::scenario::Kind;
use vm::{Host, Kernel, Tally, Target, bench, boots, insns, scenario};

use crate::kernel::{self, Variant, Workshop, build};
use crate::lock::GuestLock;
use crate::project::{Project, variable};
use crate::source::Tree;
use crate::toolchain::which;
use crate::{cargo, emulator};

/// Memory that a machine takes of the host, with QEMU's own, in KiB.
const MACHINE_KIB: usize = 3 << 20;

/// More would not be faster: a few boots take as long as all the others together.
const MOST_MACHINES: usize = 4;

/// Where and with what virtual machines are run.
pub fn host(project: &Project) -> Host {
    Host {
        repo: project.repo.clone(),
        work: project.build.join("vm"),
        qemu: emulator::choice(project),
        accel: variable("ACCEL"),
        verbose: project.verbose,
        at_once: machines_at_once(project.jobs, &fs::read_to_string("/proc/meminfo").unwrap_or_default()),
    }
}

/// One machine for each job, where the memory that is free now has room for so many. With more of them than there are
/// CPUs, an emulated CPU waits again and again for one that is not running, and all of it takes longer.
fn machines_at_once(jobs: usize, meminfo: &str) -> usize {
    let available = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = available.and_then(|rest| rest.split_whitespace().next()?.parse::<usize>().ok()).unwrap_or(0);
    jobs.min(kib / MACHINE_KIB).clamp(1, MOST_MACHINES)
}

/// A kernel as the virtual machines know it.
pub fn kernel(project: &Project, tree: &Tree, variant: Variant) -> Kernel {
    Kernel {
        name: variant.name().to_string(),
        objdir: kernel::objdir(project, tree, variant),
        srcdir: tree.root.clone(),
    }
}

/// The kernel that `KERNEL=` asks for, of those that run in QEMU; plain unless it says otherwise.
///
/// # Errors
///
/// It says something else.
pub fn wanted() -> Result<Variant> {
    one_of(&[Variant::Plain, Variant::Debug, Variant::Traced], variable("KERNEL").as_deref())
}

/// The same, for what user-mode Linux can do, too.
///
/// # Errors
///
/// It says something else.
pub fn wanted_or_um() -> Result<Variant> {
    one_of(&[Variant::Plain, Variant::Debug, Variant::Traced, Variant::Um], variable("KERNEL").as_deref())
}

/// The kernel of that name; the first one if there is none.
fn one_of(kernels: &[Variant], name: Option<&str>) -> Result<Variant> {
    let Some(name) = name else { return Ok(kernels[0]) };
    let found = kernels.iter().copied().find(|kernel| kernel.name() == name);
    found.with_context(|| {
        let names: Vec<_> = kernels.iter().map(|kernel| kernel.name()).collect();
        format!("KERNEL={name}: there is {}", names.join(", "))
    })
}

/// The devices that `DEVICES=` names, for machines beyond what they have.
pub fn devices() -> Vec<String> {
    variable("DEVICES").unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

/// `make run`: the demonstration.
///
/// # Errors
///
/// The kernel cannot be built or no machine can be started.
pub fn run(workshop: Workshop) -> Result<Tally> {
    let _lock = GuestLock::take(&workshop.project, "run")?;
    let (host, kernel) = ready(workshop)?;
    vm::run(&host, &kernel)
}

/// `make run-net`: the demonstration with network cards.
///
/// # Errors
///
/// The kernel cannot be built or no machine can be started.
pub fn run_net(workshop: Workshop) -> Result<Tally> {
    let _lock = GuestLock::take(&workshop.project, "run")?;
    let (host, kernel) = ready(workshop)?;
    vm::run_net(&host, &kernel)
}

/// `make parity` and `make parity-net`: a driver and the C one compared; `true` when nothing differs that is not
/// explained.
///
/// # Errors
///
/// The kernel cannot be built or no machine can be started.
pub fn parity(workshop: Workshop, kind: Kind) -> Result<bool> {
    let _lock = GuestLock::take(&workshop.project, "run")?;
    let (host, kernel) = ready(workshop)?;
    vm::parity(&host, &kernel, kind)
}

/// `make shell`: the interactive machine.
///
/// # Errors
///
/// The kernel cannot be built or no machine can be started.
pub fn shell(workshop: Workshop) -> Result<()> {
    let _lock = GuestLock::take(&workshop.project, "shell")?;
    let variant = wanted_or_um()?;
    build::kernel(&workshop, variant)?;
    let Workshop { project, tree, .. } = workshop;
    open_shell(&host(&project), &kernel(&project, &tree, variant), variant, None)
}

/// Opens the interactive machine that a kernel is for.
///
/// # Errors
///
/// No machine can be started, or it cannot have what is asked for.
pub fn open_shell(host: &Host, kernel: &Kernel, variant: Variant, outside: Option<&scenario::Outside>) -> Result<()> {
    if variant != Variant::Um {
        return vm::shell(host, kernel, outside, &devices());
    }
    if !devices().is_empty() {
        bail!("DEVICES= are for QEMU, and KERNEL=um is none");
    }
    vm::uml::shell(host, kernel, outside)
}

/// The module that `make debug` stops before, if `MODULE=` does not say.
const DEBUGGED: &str = "virtio_blk_rs";

/// `make debug`: the kernel to look into, and gdb attached to it.
///
/// # Errors
///
/// A variable is wrong, the kernel cannot be built, the machine cannot be started, or gdb fails.
pub fn debug(workshop: Workshop) -> Result<()> {
    let gdb = which("gdb").context("there is no gdb")?;
    let (module, then) = (variable("MODULE"), variable("RUN"));
    let target = Target { module: module.as_deref().unwrap_or(DEBUGGED), then: then.as_deref() };
    check_target(&target)?;
    let _lock = GuestLock::take(&workshop.project, "debug")?;
    build::kernel(&workshop, Variant::Traced)?;
    let Workshop { project, tree, .. } = workshop;
    vm::debug(&host(&project), &kernel(&project, &tree, Variant::Traced), &gdb, &target)
}

/// Refuses what cannot be handed to the guest.
fn check_target(target: &Target<'_>) -> Result<()> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !target.module.chars().all(is_name) {
        bail!("MODULE={}: not the name of a module, such as {DEBUGGED}", target.module);
    }
    if target.then.is_some_and(|command| command.contains('\n')) {
        bail!("RUN= is more than one line");
    }
    Ok(())
}

/// `make insns` and `make insns-net`: instructions per request or packet, of the C driver and of ours; whether ours are
/// few enough.
///
/// # Errors
///
/// Kernel or plugin cannot be built, or nothing could be measured.
pub fn insns(workshop: Workshop, kind: Kind) -> Result<bool> {
    let plugin = cargo::plugin(&workshop.project)?;
    let _lock = GuestLock::take(&workshop.project, "run")?;
    let (host, kernel) = ready(workshop)?;
    insns::run(&host, &kernel, &plugin, kind)
}

/// `make trips`: how often the drivers of disks go to and fro.
///
/// # Errors
///
/// Kernel or plugin cannot be built, or nothing could be counted.
pub fn trips(workshop: Workshop) -> Result<()> {
    let plugin = cargo::plugin(&workshop.project)?;
    let _lock = GuestLock::take(&workshop.project, "run")?;
    let (host, kernel) = ready(workshop)?;
    insns::trips::run(&host, &kernel, &plugin)
}

/// `make bench`: the speed of the C driver and of ours.
///
/// # Errors
///
/// A variable is wrong, the kernel cannot be built, or nothing could be measured.
pub fn bench(workshop: Workshop) -> Result<()> {
    // A variable that is wrong is told before anything is built.
    let effort = Effort::from_environment()?;
    let _lock = GuestLock::take(&workshop.project, "run")?;
    let (host, kernel) = ready(workshop)?;
    bench::disks::run(&host, &kernel, &effort)
}

/// `make bench-net`: the speed of both drivers of network cards.
///
/// # Errors
///
/// A variable is wrong, the kernel cannot be built, or nothing could be measured.
pub fn bench_net(workshop: Workshop) -> Result<()> {
    let effort = Effort::from_environment()?;
    let _lock = GuestLock::take(&workshop.project, "run")?;
    let (host, kernel) = ready(workshop)?;
    bench::net::run(&host, &kernel, &effort)
}

/// Builds the wanted kernel, and lets go of the lock: modules may be built again while a guest runs.
fn ready(workshop: Workshop) -> Result<(Host, Kernel)> {
    let variant = wanted()?;
    build::kernel(&workshop, variant)?;
    Ok((host(&workshop.project), kernel(&workshop.project, &workshop.tree, variant)))
}

/// The part of `make test` that needs virtual machines.
///
/// # Errors
///
/// The kernel cannot be built or no machine can be started.
pub fn test(workshop: &Workshop) -> Result<Tally> {
    let _lock = GuestLock::take(&workshop.project, "run")?;
    build::kernel(workshop, Variant::Debug)?;
    vm::test(&host(&workshop.project), &kernel(&workshop.project, &workshop.tree, Variant::Debug))
}

/// The part of `make test` that needs user-mode Linux with our test devices.
///
/// # Errors
///
/// The kernel cannot be built or no machine can be started.
pub fn uml(workshop: &Workshop) -> Result<Tally> {
    let _lock = GuestLock::take(&workshop.project, "run")?;
    build::kernel(workshop, Variant::Um)?;
    vm::uml::test(&host(&workshop.project), &kernel(&workshop.project, &workshop.tree, Variant::Um))
}

/// One scenario of [`uml`], on the kernel of the tree as it was built, with its files in a directory of their own.
///
/// # Errors
///
/// There is no such scenario, or no machine can be started.
pub fn uml_one(workshop: &Workshop, name: &str, work: PathBuf) -> Result<Tally> {
    let _lock = GuestLock::take(&workshop.project, "run")?;
    let host = Host { work, ..host(&workshop.project) };
    vm::uml::test_one(&host, &kernel(&workshop.project, &workshop.tree, Variant::Um), name)
}

/// `make soak`: the long tests, on both kernels.
///
/// # Errors
///
/// A kernel cannot be built or no machine can be started.
pub fn soak(workshop: &Workshop) -> Result<Tally> {
    let _lock = GuestLock::take(&workshop.project, "run")?;
    for variant in [Variant::Plain, Variant::Debug] {
        build::kernel(workshop, variant)?;
    }
    let kernel = |variant| kernel(&workshop.project, &workshop.tree, variant);
    vm::soak(&host(&workshop.project), &kernel(Variant::Plain), &kernel(Variant::Debug))
}

/// The part of `make soak` that is `make insns`: a driver of disks that needs more instructions than it may has failed.
///
/// # Errors
///
/// Kernel or plugin cannot be built, or nothing could be measured.
pub fn few_instructions(workshop: &Workshop) -> Result<Tally> {
    let plugin = cargo::plugin(&workshop.project)?;
    let _lock = GuestLock::take(&workshop.project, "run")?;
    build::kernel(workshop, Variant::Plain)?;
    let kernel = kernel(&workshop.project, &workshop.tree, Variant::Plain);
    let are_few = insns::run(&host(&workshop.project), &kernel, &plugin, Kind::Disks)?;
    Ok(Tally { passed: u32::from(are_few), failed: u32::from(!are_few), skipped: 0 })
}

/// How many times `make boots` boots each kernel, if `BOOTS=` does not say.
const BOOTS: usize = 300;

/// `make boots`: the kernel that `KERNEL=` names, or else each of both, many times.
///
/// # Errors
///
/// A variable is wrong, a kernel cannot be built or no machine can be started.
pub fn boots(workshop: &Workshop) -> Result<Tally> {
    let _lock = GuestLock::take(&workshop.project, "run")?;
    let count = number_of_boots(variable("BOOTS").as_deref())?;
    let variants = match variable("KERNEL") {
        None => vec![Variant::Plain, Variant::Debug],
        Some(_) => vec![wanted()?],
    };
    for &variant in &variants {
        build::kernel(workshop, variant)?;
    }
    let host = host(&workshop.project);
    variants
        .into_iter()
        .map(|variant| boots::run(&host, &kernel(&workshop.project, &workshop.tree, variant), count))
        .sum()
}

fn number_of_boots(text: Option<&str>) -> Result<usize> {
    match text.map(str::parse) {
        None => Ok(BOOTS),
        Some(Ok(count)) if (1..=100_000).contains(&count) => Ok(count),
        Some(_) => bail!("BOOTS={}: give a number from 1 to 100000", text.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_debugged_module_has_a_name_and_the_command_one_line() {
        let check = |module, then| check_target(&Target { module, then }).is_ok();
        assert!(check("virtio_blk_rs", None) && check("virtio-rng", Some("cat /dev/hwrng; echo")));
        assert!(!check("a b", None) && !check("x", Some("a\nb")));
    }

    #[test]
    fn a_kernel_is_one_of_those_that_can_do_it() {
        let both = [Variant::Debug, Variant::Um];
        assert_eq!(one_of(&both, None).unwrap(), Variant::Debug);
        assert_eq!(one_of(&both, Some("um")).unwrap(), Variant::Um);
        assert_eq!(one_of(&both, Some("plain")).unwrap_err().to_string(), "KERNEL=plain: there is debug, um");
    }

    #[test]
    fn the_number_of_boots_is_a_number() {
        assert_eq!(number_of_boots(None).unwrap(), BOOTS);
        assert_eq!(number_of_boots(Some("5")).unwrap(), 5);
        for text in ["0", "-1", "many"] {
            assert!(number_of_boots(Some(text)).unwrap_err().to_string().starts_with(&format!("BOOTS={text}: ")));
        }
    }

    #[test]
    fn machines_side_by_side_need_jobs_and_memory() {
        let with = |gib: usize| format!("MemTotal: 1 kB\nMemAvailable:   {} kB\n", gib << 20);
        assert_eq!(machines_at_once(2, &with(24)), 2);
        assert_eq!(machines_at_once(8, &with(7)), 2);
        assert_eq!(machines_at_once(1, &with(64)), 1);
        assert_eq!(machines_at_once(64, &with(512)), MOST_MACHINES);
        assert_eq!(machines_at_once(8, ""), 1);
    }
}
