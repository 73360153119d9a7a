// SPDX-License-Identifier: GPL-2.0

//! Disks that their driver has lost.
//!
//! Safe code can forget a [`Disk`](super::Disk). Then the disk stays, and works, but it must not
//! outlive the module of its driver.
//!
//! C header: [`include/linux/module.h`](srctree/include/linux/module.h)

use crate::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    types::Opaque, //
};
use core::ptr::NonNull;

/// Removes a disk when its module is about to be freed.
///
/// C tells of that after the module's exit function, or its failed init function.
///
/// # Invariants
///
/// `nb` is at the start, and its callback is [`Self::callback`].
#[repr(C)]
pub(super) struct Watch {
    nb: Opaque<bindings::notifier_block>,
    module: *mut bindings::module,
    /// Null after the disk was removed here.
    disk: Atomic<*mut bindings::gendisk>,
    /// Is code of the module.
    remove: unsafe fn(*mut bindings::gendisk),
}

impl Watch {
    /// Makes a watch that does not watch yet.
    pub(super) fn new(
        module: *mut bindings::module,
        disk: *mut bindings::gendisk,
        remove: unsafe fn(*mut bindings::gendisk),
    ) -> Result<KBox<Self>> {
        // INVARIANT: As the fields say.
        let this = Self {
            nb: Opaque::new(bindings::notifier_block {
                notifier_call: Some(Self::callback),
                ..pin_init::zeroed()
            }),
            module,
            disk: Atomic::new(disk),
            remove,
        };

        Ok(KBox::new(this, GFP_KERNEL)?)
    }

    /// Begins to watch, until [`end`](Self::end) is called.
    ///
    /// # Safety
    ///
    /// `remove` must be code of `module`, and be safe to call for `disk` once, if that happens
    /// before [`end`](Self::end).
    pub(super) unsafe fn start(this: KBox<Self>) -> NonNull<Self> {
        let this = NonNull::from(KBox::leak(this));

        // C can only fail for what was registered before.
        //
        // SAFETY: `nb` is the first field. It stays until `end`, or for ever.
        unsafe { bindings::register_module_notifier(this.cast().as_ptr()) };
        this
    }

    /// Ends the watch. Returns whether the disk is still to be removed.
    ///
    /// # Safety
    ///
    /// `this` must come from [`start`](Self::start), and is not used after this.
    pub(super) unsafe fn end(this: NonNull<Self>) -> bool {
        // SAFETY: By the requirement of this function, it was registered. The callback does not
        // run any more when this returns.
        unsafe { bindings::unregister_module_notifier(this.cast().as_ptr()) };
        // SAFETY: `start` has leaked it, and nobody else uses it.
        let this = unsafe { KBox::from_raw(this.as_ptr()) };

        !this.disk.load(Relaxed).is_null()
    }

    /// # Safety
    ///
    /// `nb` must be that of a `Watch` for which the requirements of [`start`](Self::start) hold.
    /// If `action` is `MODULE_STATE_GOING`, then `data` is a module that is there, but does not do
    /// anything any more.
    pub(super) unsafe extern "C" fn callback(
        nb: *mut bindings::notifier_block,
        action: c_ulong,
        data: *mut c_void,
    ) -> c_int {
        // SAFETY: By the requirement of this function, and the type invariant.
        let this = unsafe { &*nb.cast_const().cast::<Self>() };

        if action == bindings::module_state_MODULE_STATE_GOING as c_ulong
            && data == this.module.cast()
        {
            let disk = this.disk.xchg(core::ptr::null_mut(), Relaxed);

            // Another module can get the same address later.
            if !disk.is_null() {
                pr_err!("a module goes away, but has not removed its disk\n");
                // SAFETY: By the requirement of this function. `disk` is not null only once.
                unsafe { (this.remove)(disk) };
            }
        }
        // `NOTIFY_DONE`, which is an expression that is not bound.
        0
    }
}
