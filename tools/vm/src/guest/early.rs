// SPDX-License-Identifier: GPL-2.0

//! A boot that has not reached user space: whether the emulator is to blame for its end, and where it stands still.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::guest::logscan;
use crate::machine::accel::Accel;
use crate::machine::qmp::Qmp;
use crate::machine::{Host, qemu};

/// Longest time without a line from the kernel before user space, on an emulated CPU: a boot that stands still is not
/// worth the patience that a busy guest script needs.
pub const IDLE: Duration = Duration::from_secs(180);

/// Whether the kernel has started what it was booted for: the guest's first program, or KUnit.
pub fn is_over(log: &str) -> bool {
    log.contains(" as init process") || log.contains("KTAP version")
}

/// Whether the guest died, before user space, of a breakpoint that nobody has set: the kernel patches its own code by
/// way of one, and an emulator that [tears code](qemu::tears_code) runs it after it is gone again. Nothing else must
/// have been wrong before.
pub fn died_of_torn_code(log: &str) -> bool {
    let is_first = || logscan::scan(log).first().is_some_and(|first| first.text().contains(TORN));
    !is_over(log) && is_first()
}

/// What a kernel says of such a breakpoint.
const TORN: &str = "Oops: int3";

/// Whether a guest with `cpus` CPUs can die of that here.
pub fn tears_code(host: &Host, accel: &Accel, cpus: u32) -> bool {
    let is_old = || qemu::version(&host.qemu).is_ok_and(|version| qemu::tears_code(&version));
    matches!(accel, Accel::Tcg { .. }) && cpus > 1 && is_old()
}

/// What a machine is at, as QEMU sees it.
pub fn state(qmp: &mut Qmp) -> String {
    let commands = ["info status", "info cpus", "info registers -a"];
    let answers = commands.map(|line| match qmp.execute("human-monitor-command", json!({ "command-line": line })) {
        Ok(answer) => answer.as_str().unwrap_or_default().to_owned(),
        Err(error) => format!("{line}: {error:#}\n"),
    });
    answers.concat()
}

/// Where a machine stands whose kernel has said `log`, in one line; `state` is what [`state`] returned. `None` once it
/// has reached user space.
pub fn where_it_stands(log: &str, state: &str, objdir: &Path) -> Option<String> {
    if is_over(log) {
        return None;
    }
    let map = std::fs::read_to_string(objdir.join("System.map")).unwrap_or_default();
    let functions = functions(&map);
    let mut text = match log.lines().map(str::trim).rfind(|line| !line.is_empty()) {
        Some(line) => format!("before user space, after the line `{line}`"),
        None => "before the kernel has said anything".to_owned(),
    };
    for (cpu, address) in instruction_pointers(state) {
        let _ = write!(text, "; CPU {cpu} is at {}", name(&functions, address));
    }
    Some(text)
}

/// The functions in a `System.map`, by address.
fn functions(map: &str) -> Vec<(u64, &str)> {
    let mut functions = Vec::new();
    for line in map.lines() {
        if let [address, "t" | "T" | "w" | "W", name] = line.split_whitespace().collect::<Vec<_>>()[..] {
            functions.extend(u64::from_str_radix(address, 16).ok().map(|address| (address, name)));
        }
    }
    functions.sort_unstable();
    functions
}

fn name(functions: &[(u64, &str)], address: u64) -> String {
    let after = functions.partition_point(|(start, _)| *start <= address);
    match after.checked_sub(1).map(|index| functions[index]) {
        Some((start, name)) => format!("{name}+{:#x}", address - start),
        None => format!("{address:#x}"),
    }
}

/// The number of each CPU and the address that it executes, from `info registers -a`.
fn instruction_pointers(registers: &str) -> Vec<(u32, u64)> {
    let mut cpu = 0;
    let mut found = Vec::new();
    for line in registers.lines() {
        if let Some(number) = line.strip_prefix("CPU#") {
            cpu = number.trim().parse().unwrap_or(cpu);
        }
        // The second one is that of the firmware.
        let address = ["RIP=", "EIP="]
            .iter()
            .find_map(|name| line.strip_prefix(name))
            .and_then(|rest| rest.split_whitespace().next());
        if let Some(address) = address.and_then(|digits| u64::from_str_radix(digits, 16).ok()) {
            found.push((cpu, address));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const OOPS: &str = "[    0.3] x86: Booting SMP configuration:\n[    0.4] Oops: int3: 0000 [#1] PREEMPT SMP KASAN\n\
                        [    0.4] RIP: 0010:sched_clock_cpu+0x5/0x90\n";
    const INIT: &str = "[    1.0] Run /init as init process\n";

    #[test]
    fn a_breakpoint_that_nobody_set_is_the_emulators_fault_before_user_space_alone() {
        assert!(died_of_torn_code(OOPS));
        assert!(!died_of_torn_code(&format!("{INIT}{OOPS}")));
        assert!(!died_of_torn_code(&format!("[    1.0] KTAP version 1\n{OOPS}")));
        for other in ["general protection fault", "invalid opcode", "BUG: KASAN: slab-use-after-free in x"] {
            assert!(!died_of_torn_code(&OOPS.replace("int3", other)), "{other}");
        }
        assert!(!died_of_torn_code(""));
    }

    #[test]
    fn another_accelerator_or_a_single_cpu_is_not_to_blame() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("qemu");
        std::fs::write(&program, "#!/bin/sh\necho QEMU emulator version 7.2.0\n").unwrap();
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let host = Host { qemu: program, ..Host::new(Path::new("/r"), Path::new("/w")) };
        let tcg = Accel::Tcg { why: String::new() };
        assert!(tears_code(&host, &tcg, 2));
        assert!(!tears_code(&host, &tcg, 1) && !tears_code(&host, &Accel::Kvm, 2));
    }

    #[test]
    fn a_boot_that_hangs_says_after_which_line_and_in_which_functions() {
        let objdir = tempfile::tempdir().unwrap();
        let map = "ffffffff81000000 T _text\nffffffff81000100 t text_poke_bp_batch\nffffffff81000180 D data\n\
                   ffffffff81000200 T sched_clock_cpu\n";
        std::fs::write(objdir.path().join("System.map"), map).unwrap();
        let state = "VM status: running\n\nCPU#0\nRAX=0000000000000000 RBX=0000000000000001\n\
                     RIP=ffffffff81000123 RFL=00000046 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=0\n\nCPU#1\n\
                     RIP=ffffffff81000200 RFL=00000046 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=1\n";
        let stands = where_it_stands("[    0.1] one\n[    0.2] two\n\n", state, objdir.path()).unwrap();
        assert_eq!(
            stands,
            "before user space, after the line `[    0.2] two`; CPU 0 is at text_poke_bp_batch+0x23; CPU 1 is at \
             sched_clock_cpu+0x0"
        );
        assert_eq!(where_it_stands(INIT, state, objdir.path()), None);
    }

    #[test]
    fn a_boot_that_hangs_without_a_word_has_at_least_addresses() {
        let stands = where_it_stands("", "CPU#0\r\nEIP=0000fff0 EFL=2\r\n", Path::new("/none")).unwrap();
        assert_eq!(stands, "before the kernel has said anything; CPU 0 is at 0xfff0");
    }
}
