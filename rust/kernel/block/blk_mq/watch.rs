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
    /// Whoever frees the module, which goes away before a worker could begin.
    Module,
}

/// What tells a watch from all others that there ever were. Addresses do not: those of a disk that
/// is gone come back with the next one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Number(u64);

/// A disk, and what removes it, which is code of the driver's module.
#[derive(Clone, Copy)]
struct Target {
    disk: *mut bindings::gendisk,
    remove: unsafe fn(*mut bindings::gendisk),
}

/// What is needed in order to remove a disk.
pub(super) struct Watch {
    number: Number,
    /// Null if the driver is built in.
    module: *mut bindings::module,
    /// None until the watch has started.
    target: Option<Target>,
    remover: Remover,
    work: Opaque<bindings::work_struct>,
    next: Option<KBox<Watch>>,
}

// SAFETY: The pointers are used by whoever has taken the watch out of the list.
unsafe impl Send for Watch {}

/// The watches of all disks.
struct List {
    first: Option<KBox<Watch>>,
    /// The number of the watch that was made last.
    last_number: u64,
}

impl List {
    fn next_number(&mut self) -> Number {
        // Not even in centuries does this wrap.
        self.last_number = self.last_number.wrapping_add(1);
        Number(self.last_number)
    }

    fn push(&mut self, mut watch: KBox<Watch>) {
        watch.next = self.first.take();
        self.first = Some(watch);
    }

    fn find(&mut self, is_it: impl Fn(&Watch) -> bool) -> Option<&mut Watch> {
        let mut link = &mut self.first;

        while let Some(watch) = link {
            if is_it(watch) {
                return Some(watch);
            }
            link = &mut watch.next;
        }
        None
    }

    fn take(&mut self, number: Number) -> Option<KBox<Watch>> {
        let mut link = &mut self.first;

        while link.as_ref().is_some_and(|watch| watch.number != number) {
            link = &mut link.as_mut()?.next;
        }

        let mut watch = link.take()?;

        *link = watch.next.take();
        Some(watch)
    }
}

global_lock! {
    // SAFETY: `Watch::new` initializes it, and nobody uses it without a watch.
    unsafe(uninit) static WATCHES: Mutex<List> = List {
        first: None,
        last_number: 0,
    };
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
    pub(super) fn new(module: *mut bindings::module) -> Result<KBox<Self>> {
        initialize();

        let this = Self {
            number: WATCHES.lock().next_number(),
            module,
            target: None,
            remover: Remover::Owner,
            work: Opaque::uninit(),
            next: None,
        };

        Ok(KBox::new(this, GFP_KERNEL)?)
    }

    /// The number by which [`end`](Self::end) finds this watch.
    pub(super) fn number(&self) -> Number {
        self.number
    }

    /// Changes the module.
    #[cfg(CONFIG_RUST_BLK_MQ_KUNIT_TEST)]
    pub(super) fn set_module(&mut self, module: *mut bindings::module) {
        self.module = module;
    }

    /// Removes the disk when its module is about to be freed, unless [`end`](Self::end) is called
    /// before.
    ///
    /// # Safety
    ///
    /// `remove` must be code of the module, and be safe to call for the disk once, as long as
    /// [`end`](Self::end) was not called for the watch.
    pub(super) unsafe fn start(
        mut this: KBox<Self>,
        disk: *mut bindings::gendisk,
        remove: unsafe fn(*mut bindings::gendisk),
    ) {
        this.target = Some(Target { disk, remove });
        WATCHES.lock().push(this);
    }

    /// Lets a worker remove the disk soon.
    ///
    /// # Safety
    ///
    /// As for [`start`](Self::start), but [`end`](Self::end) is not called any more.
    pub(super) unsafe fn start_removal(
        mut this: KBox<Self>,
        disk: *mut bindings::gendisk,
        remove: unsafe fn(*mut bindings::gendisk),
    ) {
        let mut list = WATCHES.lock();
        let work = this.work.get();

        this.target = Some(Target { disk, remove });
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

    /// Ends a watch; the disk is still to be removed then. Without a watch, somebody else has
    /// removed the disk, and it may be gone.
    pub(super) fn end(number: Number) -> Option<KBox<Self>> {
        WATCHES.lock().take(number)
    }
}

/// Removes a disk in a worker.
///
/// # Safety
///
/// `work` must be that of a watch in the list.
unsafe extern "C" fn work_callback(work: *mut bindings::work_struct) {
    let mut list = WATCHES.lock();

    let Some(watch) = list.find(|watch| watch.work.get() == work) else {
        return;
    };
    let (number, module, target) = (watch.number, watch.module, watch.target);

    // SAFETY: As long as the watch is in the list, the module is not freed: see `module_callback`.
    if !module.is_null() && !unsafe { bindings::try_module_get(module) } {
        // It is going away, and the disk with it.
        watch.remover = Remover::Module;
        return;
    }
    watch.remover = Remover::Worker;
    drop(list);

    if let Some(Target { disk, remove }) = target {
        // SAFETY: By the requirement of `Watch::start_removal`. Nobody else does it, as the state
        // says.
        unsafe { remove(disk) };
    }

    let mut list = WATCHES.lock();

    // The reference does not keep a module whose init function fails. Only the watch does, so the
    // module must not be used after the watch has left the list.
    if !module.is_null() {
        // SAFETY: The reference was taken above, and the watch is in the list.
        unsafe { bindings::module_put(module) };
    }
    let watch = list.take(number);

    drop(list);
    drop(watch);
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
        let number = found.number;

        if matches!(found.remover, Remover::Pending | Remover::Worker) {
            // A worker removes the disk, or leaves that to this function.
            drop(list);
            fsleep(Delta::from_millis(1));
            continue;
        }

        if found.remover == Remover::Owner {
            pr_err!("a module goes away, but has not removed its disk\n");
        }

        let watch = list.take(number);

        drop(list);
        if let Some(Target { disk, remove }) = watch.and_then(|watch| watch.target) {
            // SAFETY: By the requirement of `Watch::start`; the watch has ended, and nobody else
            // has done it.
            unsafe { remove(disk) };
        }
    }
}
