// SPDX-License-Identifier: GPL-2.0

//! A QEMU plugin that counts the instructions a guest executes, by their address.
//!
//! `-plugin libtcgprofile.so,dir=DIR` counts how often each translation block is executed. When the guest's CPU
//! falls idle and there is a file `DIR/request`, the counts since the last time are written to the file in `DIR`
//! that the request names, and the request is removed. So whoever writes requests divides the guest's work into
//! parts, and a part ends when the guest has nothing to do.
//!
//! With `,interrupt=ADDRESS`, in hexadecimal, where the kernel begins with an interrupt, the counts tell also for how
//! many instructions interrupts were off, where a module had a part in it.
//!
//! What the plugin does costs the guest no instruction.

#![expect(unsafe_code, reason = "the interface is one of C")]

mod api;
mod counts;
mod stretches;

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use counts::Counter;
use stretches::Switch;

/// Where requests come from and counts go to.
static DIR: OnceLock<PathBuf> = OnceLock::new();

/// Where the kernel begins with an interrupt.
static INTERRUPT: OnceLock<u64> = OnceLock::new();

/// The name of the file with a request.
const REQUEST: &str = "request";

/// Called by QEMU once, before the guest starts.
///
/// # Safety
///
/// `argv` must point to `argc` strings, as QEMU passes them.
// SAFETY: QEMU defines no symbol of this name; it looks for it in plugins only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qemu_plugin_install(
    id: api::Id,
    _info: *const c_void,
    argc: c_int,
    argv: *const *const c_char,
) -> c_int {
    let argc = usize::try_from(argc).unwrap_or_default();
    let argument = |name: &str| {
        (0..argc).find_map(|index| {
            // SAFETY: `argv` has `argc` entries, by the requirement of this function.
            let argument = unsafe { *argv.add(index) };
            // SAFETY: It is a string that ends with a zero byte, by the requirement of this function.
            let argument = unsafe { CStr::from_ptr(argument) };
            argument.to_str().ok()?.strip_prefix(name)?.strip_prefix('=')
        })
    };
    if let Some(address) = argument("interrupt") {
        let Ok(address) = u64::from_str_radix(address, 16) else {
            eprintln!("tcgprofile: no address: interrupt={address}");
            return 1;
        };
        // The second of two would be another plugin's, which is refused below.
        let _ = INTERRUPT.set(address);
    }
    let Some(dir) = argument("dir").map(PathBuf::from) else {
        eprintln!("tcgprofile: needs dir=DIRECTORY");
        return 1;
    };
    if DIR.set(dir).is_err() {
        eprintln!("tcgprofile: loaded twice");
        return 1;
    }
    // SAFETY: `id` is this plugin's; the callback has the right type and lives as long as the process.
    unsafe { api::qemu_plugin_register_vcpu_tb_trans_cb(id, translated) };
    // SAFETY: As above.
    unsafe { api::qemu_plugin_register_vcpu_idle_cb(id, idle) };
    0
}

/// A block was translated: its executions are to be counted.
///
/// # Safety
///
/// `tb` must be valid, as QEMU passes it.
unsafe extern "C" fn translated(_id: api::Id, tb: *mut api::Tb) {
    // SAFETY: `tb` is valid by the requirement of this function.
    let address = unsafe { api::qemu_plugin_tb_vaddr(tb) };
    // SAFETY: As above.
    let instructions = unsafe { api::qemu_plugin_tb_n_insns(tb) };
    let switch = || {
        // SAFETY: As above.
        unsafe { switch(tb, address, instructions) }
    };
    let counter = std::ptr::from_ref(counts::of(address, instructions, switch));
    // SAFETY: As above; the counter lives as long as the process, as `executed` requires.
    unsafe { api::qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, api::NO_REGS, counter.cast_mut().cast()) };
}

/// What a block of so many instructions has to do with interrupts. The last word counts.
///
/// # Safety
///
/// `tb` must be valid, and have as many.
unsafe fn switch(tb: *const api::Tb, address: u64, instructions: usize) -> Switch {
    if address < 1 << 63 {
        return Switch::None;
    }
    let mut switch = if INTERRUPT.get() == Some(&address) { Switch::Off(0) } else { Switch::None };
    for index in 0..instructions {
        // SAFETY: By the requirement of this function.
        let insn = unsafe { api::qemu_plugin_tb_get_insn(tb, index) };
        // SAFETY: The instruction is valid as long as its block.
        match unsafe { is_switch(insn) } {
            Some(true) => switch = Switch::On(index as u64 + 1),
            Some(false) => switch = Switch::Off(index as u64),
            None => {}
        }
    }
    switch
}

/// Whether interrupts are on behind an instruction that changes that.
///
/// # Safety
///
/// `insn` must be valid.
unsafe fn is_switch(insn: *const api::Insn) -> Option<bool> {
    // The longest of those below is `sysretq`, of three bytes. To disassemble takes its time.
    //
    // SAFETY: By the requirement of this function.
    if unsafe { api::qemu_plugin_insn_size(insn) } > 3 {
        return None;
    }
    // SAFETY: As above.
    let text = unsafe { api::qemu_plugin_insn_disas(insn) };
    if text.is_null() {
        return None;
    }
    // SAFETY: What is not null is a string that ends with a zero byte.
    let words = unsafe { CStr::from_ptr(text) };
    let is_on = match words.to_bytes().split(|byte| byte.is_ascii_whitespace()).next() {
        Some(b"cli") => Some(false),
        Some(b"sti" | b"iretq" | b"sysretq") => Some(true),
        _ => None,
    };
    // SAFETY: The string is this function's, and not used any more.
    unsafe { api::g_free(text.cast()) };
    is_on
}

/// A block is about to be executed.
///
/// # Safety
///
/// `counter` must point to a [`Counter`] that is never freed.
unsafe extern "C" fn executed(vcpu: c_uint, counter: *mut c_void) {
    // SAFETY: By the requirement of this function; a counter may be shared.
    let counter = unsafe { &*counter.cast_const().cast::<Counter>() };
    counter.count(usize::try_from(vcpu).unwrap_or(usize::MAX));
}

/// A virtual CPU has nothing to do.
extern "C" fn idle(_id: api::Id, _vcpu: c_uint) {
    let Some(dir) = DIR.get() else { return };
    let request = dir.join(REQUEST);
    let Ok(name) = fs::read_to_string(&request) else { return };
    // Without an answer the request stays, which whoever made it notices.
    if let Err(error) = answer(dir, &request, name.trim()) {
        eprintln!("tcgprofile: {name}: {error}");
    }
}

fn answer(dir: &Path, request: &Path, name: &str) -> std::io::Result<()> {
    counts::write(&dir.join(name))?;
    fs::remove_file(request)
}
