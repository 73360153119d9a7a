// SPDX-License-Identifier: GPL-2.0

//! Disks that are to be removed by somebody else than their driver.
//!
//! Safe code can forget a [`Disk`](super::Disk). Then the disk stays, and works, but it must not
//! outlive the module of its driver. And a driver can drop one where it cannot be waited for; then
//! a worker removes it.
//!
//! Locks: nobody waits, and no code of a driver runs, with the lock of the list held.
//!
//! C header: [`include/linux/module.h`](srctree/include/linux/module.h)

#![allow(
    clippy::upper_case_acronyms,
    reason = "`global_lock!` makes a type of the name of the lock"
)]

use crate::{
    prelude::*,
    static_lock_class,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        global_lock, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
    types::Opaque, //
};

/// Who removes a disk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Remover {
    /// Its owner, or nobody, if it was forgotten.
    Owner,
    /// A worker, which has not begun.
    Pending,
    /// A worker, which is about it.
    Worker,
}

/// What is needed in order to remove a disk.
pub(super) struct Watch {
    /// Null if the driver is built in.
    module: *mut bindings::module,
    disk: *mut bindings::gendisk,
    /// Is code of the module.
    remove: unsafe fn(*mut bindings::gendisk),
    remover: Remover,
    work: Opaque<bindings::work_struct>,
    next: Option<KBox<Watch>>,
}

// SAFETY: The pointers are used by whoever has taken the watch out of the list.
unsafe impl Send for Watch {}

/// The watches of all disks.
struct List(Option<KBox<Watch>>);

impl List {
    fn push(&mut self, mut watch: KBox<Watch>) {
        watch.next = self.0.take();
        self.0 = Some(watch);
    }

    fn find(&mut self, is_it: impl Fn(&Watch) -> bool) -> Option<&mut Watch> {
        let mut link = &mut self.0;

        while let Some(watch) = link {
            if is_it(watch) {
                return Some(watch);
            }
            link = &mut watch.next;
        }
        None
    }

    fn take(&mut self, is_it: impl Fn(&Watch) -> bool) -> Option<KBox<Watch>> {
        let mut link = &mut self.0;

        while link.as_ref().is_some_and(|watch| !is_it(watch)) {
            link = &mut link.as_mut()?.next;
        }

        let mut watch = link.take()?;

        *link = watch.next.take();
        Some(watch)
    }
}

global_lock! {
    // SAFETY: `Watch::new` initializes it, and nobody uses it without a watch.
    unsafe(uninit) static WATCHES: Mutex<List> = List(None);
}

/// Told of modules that come and go, for ever.
///
/// # Invariants
///
/// After [`STATE`] has become [`READY`], only C uses it.
struct Notifier(Opaque<bindings::notifier_block>);

// SAFETY: By the type invariant.
unsafe impl Sync for Notifier {}

static NOTIFIER: Notifier = Notifier(Opaque::new(bindings::notifier_block {
    notifier_call: Some(module_callback),
    ..pin_init::zeroed()
}));

static STATE: Atomic<u32> = Atomic::new(NEW);
const NEW: u32 = 0;
const BUSY: u32 = 1;
const READY: u32 = 2;

/// Makes [`WATCHES`] and [`NOTIFIER`] ready for use. May sleep.
fn initialize() {
    while STATE.load(Acquire) != READY {
        if STATE.cmpxchg(NEW, BUSY, Relaxed).is_err() {
            fsleep(Delta::from_millis(1));
            continue;
        }

        // SAFETY: This happens once, as the state has just shown, and before it is used.
        unsafe { WATCHES.init() };
        // C can only fail for what was registered before.
        //
        // SAFETY: The block is in static memory, in the kernel itself, and is registered once.
        unsafe { bindings::register_module_notifier(NOTIFIER.0.get()) };
        STATE.store(READY, Release);
    }
}

impl Watch {
    /// Makes a watch, which does not watch yet. `module` is null if the driver is built in.
    ///
    /// May sleep.
    pub(super) fn new(
        module: *mut bindings::module,
        disk: *mut bindings::gendisk,
        remove: unsafe fn(*mut bindings::gendisk),
    ) -> Result<KBox<Self>> {
        initialize();

        let this = Self {
            module,
            disk,
            remove,
            remover: Remover::Owner,
            work: Opaque::uninit(),
            next: None,
        };

        Ok(KBox::new(this, GFP_KERNEL)?)
    }

    /// Changes the module.
    #[cfg(CONFIG_RUST_BLK_MQ_KUNIT_TEST)]
    pub(super) fn set_module(&mut self, module: *mut bindings::module) {
        self.module = module;
    }

    /// Changes what removes the disk.
    pub(super) fn set_remove(&mut self, remove: unsafe fn(*mut bindings::gendisk)) {
        self.remove = remove;
    }

    /// Removes the disk when its module is about to be freed, unless [`end`](Self::end) is called
    /// before.
    ///
    /// # Safety
    ///
    /// `remove` must be code of the module, and be safe to call for the disk once, as long as
    /// [`end`](Self::end) was not called for it.
    pub(super) unsafe fn start(this: KBox<Self>) {
        WATCHES.lock().push(this);
    }

    /// Lets a worker remove the disk soon.
    ///
    /// # Safety
    ///
    /// As for [`start`](Self::start), but [`end`](Self::end) is not called any more.
    pub(super) unsafe fn start_removal(mut this: KBox<Self>) {
        let mut list = WATCHES.lock();
        let work = this.work.get();

        this.remover = Remover::Pending;
        // SAFETY: The work item is not in use. It stays where it is, in the list, until
        // `work_callback` has begun.
        unsafe {
            bindings::init_work_with_key(
                work,
                Some(work_callback),
                false,
                c"blk_mq_remove_disk".as_char_ptr(),
                static_lock_class!().as_ptr(),
            )
        };
        list.push(this);
        // SAFETY: The work item was initialized just now; the queue is always there.
        unsafe {
            bindings::queue_work_on(
                bindings::wq_misc_consts_WORK_CPU_UNBOUND as c_int,
                bindings::system_unbound_wq,
                work,
            )
        };
    }

    /// Ends the watch of a disk, which is still to be removed then. Without a watch, somebody else
    /// has removed it, and it may be gone.
    pub(super) fn end(disk: *mut bindings::gendisk) -> Option<KBox<Self>> {
        WATCHES.lock().take(|watch| watch.disk == disk)
    }
}

/// Removes a disk in a worker.
///
/// # Safety
///
/// `work` must be that of a watch in the list.
unsafe extern "C" fn work_callback(work: *mut bindings::work_struct) {
    let mut list = WATCHES.lock();
    let is_it = |watch: &Watch| watch.work.get() == work;

    let Some(watch) = list.find(is_it) else {
        return;
    };
    let (module, disk, remove) = (watch.module, watch.disk, watch.remove);

    // SAFETY: As long as the watch is in the list, the module is not freed: see `module_callback`.
    if !module.is_null() && !unsafe { bindings::try_module_get(module) } {
        // It is going away, and the disk with it.
        watch.remover = Remover::Owner;
        return;
    }
    watch.remover = Remover::Worker;
    drop(list);

    // SAFETY: By the requirement of `Watch::start`. Nobody else does it, as the state says.
    unsafe { remove(disk) };

    let watch = WATCHES.lock().take(is_it);

    drop(watch);
    if !module.is_null() {
        // SAFETY: The reference was taken above.
        unsafe { bindings::module_put(module) };
    }
}

/// Removes the disks of a module that is about to be freed.
///
/// C tells of that after the module's exit function, or its failed init function.
///
/// # Safety
///
/// If `action` is `MODULE_STATE_GOING`, then `data` is a module that is there, but does not do
/// anything any more.
pub(super) unsafe extern "C" fn module_callback(
    _nb: *mut bindings::notifier_block,
    action: c_ulong,
    data: *mut c_void,
) -> c_int {
    // `NOTIFY_DONE`, which is an expression that is not bound.
    const DONE: c_int = 0;

    if action != bindings::module_state_MODULE_STATE_GOING as c_ulong {
        return DONE;
    }
    loop {
        let mut list = WATCHES.lock();
        let is_it = |watch: &Watch| !watch.module.is_null() && data == watch.module.cast();

        let Some(found) = list.find(is_it) else {
            return DONE;
        };
        let (disk, remover) = (found.disk, found.remover);

        if remover != Remover::Owner {
            // A worker removes the disk, or leaves that to this function.
            drop(list);
            fsleep(Delta::from_millis(1));
            continue;
        }

        let watch = list.take(|watch| watch.disk == disk);

        drop(list);
        if let Some(watch) = watch {
            pr_err!("a module goes away, but has not removed its disk\n");
            // SAFETY: By the requirement of `Watch::start`; the watch has ended, and nobody else
            // has done it.
            unsafe { (watch.remove)(watch.disk) };
        }
    }
}
