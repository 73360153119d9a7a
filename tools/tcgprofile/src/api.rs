// SPDX-License-Identifier: GPL-2.0

//! The part of QEMU's plugin interface that is used here: functions that versions 1 to 4 of the interface
//! (QEMU 7.2 to 10.0) have with the same meaning. The names and types are those of `qemu-plugin.h`.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::sync::atomic::{AtomicI32, Ordering};

/// `qemu_plugin_id_t`.
pub type Id = u64;

/// `struct qemu_plugin_tb`: a translation block, valid only while the translation callback runs.
#[repr(C)]
pub struct Tb {
    _opaque: [u8; 0],
}

/// `struct qemu_plugin_insn`: an instruction of a block, valid as long as that.
#[repr(C)]
pub struct Insn {
    _opaque: [u8; 0],
}

/// `qemu_plugin_vcpu_tb_trans_cb_t`.
pub type OnTranslation = unsafe extern "C" fn(id: Id, tb: *mut Tb);
/// `qemu_plugin_vcpu_udata_cb_t`.
pub type OnExecution = unsafe extern "C" fn(vcpu: c_uint, data: *mut c_void);
/// `qemu_plugin_vcpu_simple_cb_t`.
pub type OnIdle = extern "C" fn(id: Id, vcpu: c_uint);

/// `QEMU_PLUGIN_CB_NO_REGS`: the callback looks at no register of the guest.
pub const NO_REGS: c_int = 0;

unsafe extern "C" {
    pub fn qemu_plugin_register_vcpu_tb_trans_cb(id: Id, callback: OnTranslation);
    pub fn qemu_plugin_register_vcpu_tb_exec_cb(tb: *mut Tb, callback: OnExecution, flags: c_int, data: *mut c_void);
    pub fn qemu_plugin_register_vcpu_idle_cb(id: Id, callback: OnIdle);
    pub fn qemu_plugin_tb_n_insns(tb: *const Tb) -> usize;
    pub fn qemu_plugin_tb_vaddr(tb: *const Tb) -> u64;
    pub fn qemu_plugin_tb_get_insn(tb: *const Tb, index: usize) -> *mut Insn;
    pub fn qemu_plugin_insn_size(insn: *const Insn) -> usize;
    /// What comes back is to be freed by [`g_free`].
    pub fn qemu_plugin_insn_disas(insn: *const Insn) -> *mut c_char;

    /// Of GLib, which QEMU is linked with.
    pub fn g_free(memory: *mut c_void);

    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// The version of the interface that this plugin is written for; QEMU reads it before it calls
/// `qemu_plugin_install`.
// SAFETY: QEMU defines no symbol of this name; it looks for it in plugins only.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
pub static qemu_plugin_version: AtomicI32 = AtomicI32::new(1);

/// Functions that exist from version 2 on, which is also the oldest that a QEMU with them accepts.
const SINCE_VERSION_2: &CStr = c"qemu_plugin_scoreboard_new";

/// Runs when QEMU opens the plugin. QEMU 7.2 knows versions up to 1, QEMU 9 and 10 none below 2.
// SAFETY: The section holds pointers to functions that are called without a result; additional arguments, which
// the C library passes, are ignored by the calling convention.
#[unsafe(link_section = ".init_array")]
#[used]
static CHOOSE_VERSION: extern "C" fn() = choose_version;

extern "C" fn choose_version() {
    // SAFETY: A null handle is `RTLD_DEFAULT`, the name ends with a zero byte.
    let found = unsafe { dlsym(std::ptr::null_mut(), SINCE_VERSION_2.as_ptr()) };
    if !found.is_null() {
        qemu_plugin_version.store(2, Ordering::Relaxed);
    }
}
