// SPDX-License-Identifier: GPL-2.0

//! Judges a kernel log: lines by which the kernel says that something is wrong with it.

use std::sync::LazyLock;

use regex::Regex;

/// Lines shown around a finding.
const BEFORE: usize = 2;
const AFTER: usize = 25;

/// The rule about what file systems say of their disks.
pub const FILE_SYSTEM: &str = "file system";

/// The rule about what the stack says of network cards.
const CARD: &str = "network";

/// The rule about drivers and their devices: they mend what a device does, and should not have to.
pub const DEVICE: &str = "device";

/// The rule about interrupts that debugfs injects. It takes no notice of one that is being freed, and the kernel warns
/// about itself.
const INJECTED: &str = "injected interrupt";

/// With this, guest scripts begin a case.
const CASE: &str = "vmtest: case ";

/// What a guest script provokes: the rule, the line that announces it, and the beginning of the one that ends it. The
/// next case ends it in any way.
const OCCASIONS: [(&str, &str, &str); 4] = [
    (FILE_SYSTEM, "vmtest: file systems may complain", CASE),
    (DEVICE, "vmtest: devices may fail", CASE),
    (CARD, "vmtest: cards may hang", "vmtest: cards may not hang"),
    (INJECTED, "vmtest: interrupts are injected", CASE),
];

/// A complaint of the kernel: what it looks like, and what looks like it but is harmless.
struct Rule {
    name: &'static str,
    bad: Regex,
    harmless: Option<Regex>,
}

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let table: [(&str, &str, &str); 33] = [
        (INJECTED, r"\bWARNING: .*\bat (?:__)?irq_set_irqchip_state\b", ""),
        ("warning", r"\bWARNING: ", ""),
        ("bug", r"\bBUG:? ", ""),
        ("oops", r"\bOops\b|Unable to handle kernel", ""),
        ("panic", r"Kernel panic", ""),
        ("fault", r"general protection fault|double fault|stack segment|invalid opcode|traps: .* (?:trap|error)", ""),
        ("page fault", r"unable to handle (?:page fault|kernel)", ""),
        ("KASAN", r"\bKASAN: ", ""),
        ("UBSAN", r"\bUBSAN: ", ""),
        ("lockdep", r"possible recursive locking|possible circular locking|circular locking dependency", ""),
        (
            "lockdep",
            r"inconsistent lock state|\bINFO: possible|held lock freed|bad unlock balance|Invalid wait context",
            "",
        ),
        ("lockdep off", r"turning off the locking correctness validator|INFO: lockdep is turned off", ""),
        ("RCU", r"suspicious RCU|Illegal context switch in RCU", ""),
        (
            "stall",
            r"self-detected stall|detected stalls on (?:CPUs|tasks)|detected expedited stalls|rcu_\w+ kthread starved",
            "",
        ),
        ("hung task", r"INFO: task .* (?:blocked.* for more than|is blocked on)", ""),
        ("lockup", r"soft lockup|hard LOCKUP|workqueue lockup", ""),
        ("atomic sleep", r"scheduling while atomic|sleeping function called from invalid context", ""),
        ("DMA", r"\bDMA-API: ", r"DMA-API: (?:preallocated|debugging enabled|enabled)"),
        ("leak", r"unreferenced object|kmemleak: \d+ new suspected", ""),
        ("reference count", r"\brefcount_t: ", ""),
        ("list", r"list_(?:add|del) corruption", ""),
        ("debug objects", r"\bODEBUG: ", r"ODEBUG: selftest passed|ODEBUG: \d+ of \d+"),
        ("interrupt", r"irq \d+: nobody cared", ""),
        (CARD, r"NETDEV WATCHDOG|Detected Tx Unit Hang|hw csum failure|unregister_netdevice: waiting for", ""),
        ("NAPI", r"NAPI poll function .* exceeding its budget", ""),
        ("softirq", r"huh, entered softirq", ""),
        ("sysfs", r"cannot create duplicate filename", ""),
        ("debugfs", r"debugfs: .* already exists in ", ""),
        ("lost messages", r"\*\* \d+ printk messages dropped", ""),
        ("kobject", r"kobject_add_internal failed for .* with -EEXIST", ""),
        // A write that failed is the block layer's matter, and can be what a test has asked for.
        (
            FILE_SYSTEM,
            r"EXT4-fs error|BTRFS (?:error|critical)|BTRFS .*csum failed|Aborting journal|Data will be lost",
            r"BTRFS error .*: bdev \S+ errs: wr \d+, rd 0, flush 0, corrupt 0, gen 0",
        ),
        (
            DEVICE,
            r"\bvirtio\d+: .*(?:starting over|without an interrupt|given up|a buffer came back)|I/O error, dev vd",
            "",
        ),
        ("Rust panic", r"rust_kernel: panicked", ""),
    ];
    let regex = |text: &str| Regex::new(text).expect("a rule is a regular expression");
    let rule = |(name, bad, harmless): (_, _, &str)| Rule {
        name,
        bad: regex(bad),
        harmless: (!harmless.is_empty()).then(|| regex(harmless)),
    };
    table.into_iter().map(rule).collect()
});

/// Something that should not be in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Number of the line, from 1.
    pub line: usize,
    /// What it is.
    pub what: String,
    /// The line and its surroundings.
    pub context: Vec<String>,
}

impl Finding {
    /// The line itself.
    pub fn text(&self) -> &str {
        self.context.get((self.line - 1).min(BEFORE)).map_or("", String::as_str)
    }
}

/// Searches a log. What a guest script provokes is not found: it says so before.
pub fn scan(log: &str) -> Vec<Finding> {
    scan_but(log, &[])
}

/// The same where what some rules find is meant throughout.
pub fn scan_but(log: &str, meant: &[&str]) -> Vec<Finding> {
    let lines: Vec<&str> = log.lines().map(str::trim_end).collect();
    let mut is_on = OCCASIONS.map(|_| false);
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        for (is_on, (_, from, to)) in is_on.iter_mut().zip(OCCASIONS) {
            *is_on = line.ends_with(from) || *is_on && !line.contains(to) && !line.contains(CASE);
        }
        let is_provoked = |name| is_on.iter().zip(OCCASIONS).any(|(is_on, (rule, ..))| *is_on && rule == name);
        let is_meant = |rule: &&Rule| meant.contains(&rule.name) || is_provoked(rule.name);
        found.extend(complaint(line).filter(|rule| !is_meant(rule)).map(|rule| (index, rule)));
    }
    found
        .into_iter()
        .map(|(index, rule)| Finding { line: index + 1, what: rule.name.to_owned(), context: context(&lines, index) })
        .collect()
}

fn complaint(line: &str) -> Option<&'static Rule> {
    let is_bad = |rule: &&Rule| rule.bad.is_match(line) && !rule.harmless.as_ref().is_some_and(|h| h.is_match(line));
    RULES.iter().find(is_bad)
}

fn context(lines: &[&str], at: usize) -> Vec<String> {
    let range = at.saturating_sub(BEFORE)..lines.len().min(at + AFTER);
    lines[range].iter().map(|line| (*line).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_complaint_is_found() {
        for line in [
            "[    1.0] WARNING: CPU: 0 PID: 1 at block/blk-mq.c:1 blk_mq_x+0x1/0x2",
            "[    1.0] WARNING: possible circular locking dependency detected",
            "[    1.0] BUG: kernel NULL pointer dereference, address: 0000000000000008",
            "[    1.0] BUG: KASAN: slab-use-after-free in x+0x1/0x2",
            "[    1.0] kernel BUG at lib/list.c:1!",
            "[    1.0] Oops: general protection fault, probably for non-canonical address 0xdead: 0000 [#1] SMP",
            "[    1.0] UBSAN: array-index-out-of-bounds in x.c:1:2",
            "[    1.0] INFO: possible recursive locking detected",
            "[    1.0] WARNING: inconsistent lock state",
            "[    1.0] WARNING: suspicious RCU usage",
            "[    1.0] INFO: task fio:123 blocked for more than 120 seconds.",
            "[    1.0] INFO: task fio:123 blocked in I/O wait for more than 30 seconds.",
            "[    1.0] INFO: task fio:123 is blocked on a mutex likely owned by task sh:7.",
            "[    1.0] BUG kmalloc-64 (Not tainted): Object already free",
            "[    1.0] INFO: rcu_tasks detected stalls on tasks:",
            "[    1.0] irq 24: nobody cared (try booting with the \"irqpoll\" option)",
            "[    1.0] sysfs: cannot create duplicate filename '/devices/virtual/block/vda'",
            "[    1.0] e1000_rs 0000:00:0a.0 eth0: NETDEV WATCHDOG: CPU: 1: transmit queue 0 timed out 5020 ms",
            "[    1.0] e1000 0000:00:0a.0 eth0: Detected Tx Unit Hang",
            "[    1.0] eth0: hw csum failure",
            "[    1.0] unregister_netdevice: waiting for eth0 to become free. Usage count = 2",
            "[    1.0] kobject: kobject_add_internal failed for vda with -EEXIST, don't try to register things",
            "[    1.0] BTRFS error (device vda): parent transid verify failed on logical 1 mirror 1 wanted 2 found 1",
            "[    1.0] EXT4-fs error (device vda): ext4_lookup:1: inode #2: comm cp: iget: checksum invalid",
            "[    1.0] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [fio:1]",
            "[    1.0] DMA-API: virtio-pci 0000:00:10.0: device driver frees DMA memory with different size",
            "[    1.0] unreferenced object 0xffff888000000000 (size 64):",
            "[    1.0] kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
            "[    1.0] BUG: scheduling while atomic: fio/1/0x00000002",
            "[    1.0] BUG: sleeping function called from invalid context at mm/slab.h:1",
            "[    1.0] refcount_t: underflow; use-after-free.",
            "[    1.0] rcu: INFO: rcu_sched self-detected stall on CPU",
            "[    1.0] rust_kernel: panicked at drivers/block/virtio_blk_rs/queue.rs:1:2:",
            "[    1.0] ODEBUG: free active (active state 0) object: 00 object type: timer_list hint: x",
            "[    1.0] list_add corruption. next->prev should be prev",
            "[    1.0] Kernel panic - not syncing: Attempted to kill init!",
            "[    1.0] e1000_rs 0000:00:0a.0: NAPI poll function f+0x0/0x10 returned 65, exceeding its budget of 64.",
            "[    1.0] huh, entered softirq 3 NET_RX ffffffff81000000 with preempt_count 101, exited with 102?",
            "[    1.0] debugfs: 'vda' already exists in 'block'",
            "[    1.0] ** 12 printk messages dropped **",
            "[    1.0] BTRFS warning (device vda): csum failed root 5 ino 257 off 0 csum 0x1 expected csum 0x2",
            "[    1.0] EXT4-fs (vda): This should not happen!! Data will be lost",
            "[    1.0] BTRFS error (device vdd): bdev /dev/vdd errs: wr 2, rd 0, flush 0, corrupt 1, gen 0",
            "[    1.0] ODEBUG: Out of memory. ODEBUG disabled",
            "[    1.0] I/O error, dev vda, sector 0 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2",
            "[    1.0] virtio_blk_rs virtio2: starting over, as a queue is broken",
            "[    1.0] virtio_blk_rs virtio2: 3 requests had ended on queue 0 without an interrupt",
            "[    1.0] rust_virtio_rng virtio1: starting over, as a queue is broken",
        ] {
            assert_eq!(scan(line).len(), 1, "{line}");
        }
    }

    #[test]
    fn harmless_lines_are_left_alone() {
        for line in [
            "[    0.0] kasan: KernelAddressSanitizer initialized (generic)",
            "[    0.0] DMA-API: preallocated 65536 debug entries",
            "[    0.0] DMA-API: debugging enabled by kernel config",
            "[    0.0] Lock dependency validator: Copyright (c) 2006 Red Hat, Inc., Ingo Molnar",
            "[    0.0] kmemleak: Kernel memory leak detector initialized (mem pool available: 1)",
            "[    0.0] ODEBUG: selftest passed",
            "[    0.0] rcu: RCU lockdep checking is enabled.",
            "[    0.0] Spectre V2 : Mitigation: Retpolines",
            "[    1.0] EXT4-fs (vda): mounted filesystem r/w with ordered data mode",
            "[    1.0] BTRFS error (device vdd): bdev /dev/vdd errs: wr 2, rd 0, flush 0, corrupt 0, gen 0",
            "[    1.0] DEBUG: nothing",
            "[    1.0] e1000: eth0 NIC Link is Down",
            "[    1.0] SMP: no known BUGs of this CPU",
        ] {
            assert!(scan(line).is_empty(), "{line}");
        }
    }

    /// A complaint of each rule that scripts provoke.
    const PROVOKED: [(&str, &str); 4] = [
        (FILE_SYSTEM, "[    1.0] EXT4-fs error (device vdb): ext4_journal_check_start:87: Detected aborted journal"),
        (DEVICE, "[    1.0] I/O error, dev vda, sector 0 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2"),
        (CARD, "[    1.0] e1000 0000:00:0a.0 left: Detected Tx Unit Hang"),
        (INJECTED, "[    1.0] WARNING: kernel/irq/manage.c:2751 at __irq_set_irqchip_state+0x9c/0xb0, CPU#0: sh/99"),
    ];

    #[test]
    fn what_a_script_provokes_is_meant_until_its_case_ends() {
        for ((rule, complaint), (same, from, to)) in PROVOKED.into_iter().zip(OCCASIONS) {
            assert_eq!(rule, same);
            let (from, to) = (format!("[    1.0] {from}"), format!("[    1.0] {to}x"));
            assert!(scan(&format!("{from}\n{complaint}\n{complaint}\n{to}\n")).is_empty(), "{rule}");
            assert_eq!(scan(&format!("{complaint}\n{from}\n{complaint}\n{to}\n{complaint}\n")).len(), 2, "{rule}");
            let case = format!("[    1.0] {CASE}the next one");
            assert_eq!(scan(&format!("{from}\n{case}\n{complaint}\n")).len(), 1, "{rule}");
            // Nothing else is.
            let others = PROVOKED.iter().filter(|(other, _)| *other != rule).map(|(_, other)| format!("{other}\n"));
            assert_eq!(scan(&format!("{from}\n{}", others.collect::<String>())).len(), 3, "{rule}");
            assert_eq!(scan(&format!("{from}\n[    1.0] WARNING: at free_irq+0x9c/0xb0\n")).len(), 1, "{rule}");
        }
    }

    #[test]
    fn what_is_meant_throughout_is_left_alone() {
        for (rule, complaint) in PROVOKED {
            assert!(scan_but(complaint, &[rule]).is_empty(), "{rule}");
            assert_eq!(scan_but(complaint, &[]).len(), 1, "{rule}");
        }
    }

    #[test]
    fn a_finding_shows_what_stands_around_it() {
        let log = "one\ntwo\nthree\nBUG: x\nfive\n";
        let findings = scan(log);
        assert_eq!(findings[0].line, 4);
        assert_eq!(findings[0].context, ["two", "three", "BUG: x", "five"]);
        assert_eq!(findings[0].text(), "BUG: x");
        assert_eq!(scan("BUG: y\n")[0].text(), "BUG: y");
    }
}
