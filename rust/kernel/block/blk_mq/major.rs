// SPDX-License-Identifier: GPL-2.0

//! Major device numbers.
//!
//! C header: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h)

use crate::{
    error::to_result,
    prelude::*,
    sync::atomic::{
        Acquire,
        Atomic,
        Relaxed,
        Release, //
    }, //
};

/// A major device number for block devices of one kind, which a driver has in a `static`.
///
/// As long as there is a [`MajorNumber`] of it, a number is registered.
///
/// # Invariants
///
/// `users` is the number of [`MajorNumber`]s, or `BUSY` while the first is made or the last goes.
/// If it is neither zero nor that, `number` is registered under `name`.
///
/// # Examples
///
/// A module registers the number when it is loaded, and keeps it; its disks take it from there.
///
/// ```
/// use kernel::{block::blk_mq::{Major, MajorNumber, NewDisk, Operations}, prelude::*};
///
/// static MAJOR: Major = Major::new(c"blk_mq_doc");
///
/// struct Module {
///     _major: MajorNumber,
/// }
///
/// fn load() -> Result<Module> {
///     Ok(Module { _major: MAJOR.register()? })
/// }
///
/// fn set_up<T: Operations>(disk: &mut NewDisk<T>, index: u32) -> Result {
///     disk.set_minors(MAJOR.get().ok_or(ENODEV)?, index * 16, 16)
/// }
///
/// assert!(MAJOR.get().is_none());
/// let module = load()?;
/// assert_ne!(MAJOR.get().ok_or(ENODEV)?.get(), 0);
///
/// drop(module);
/// assert!(MAJOR.get().is_none());
/// # let _ = set_up::<Never>;
/// # use kernel::block::blk_mq::{HwQueue, Idle, Rejected, Request, Status};
/// # struct Never;
/// # #[vtable]
/// # impl Operations for Never {
/// #     type TagSetData = ();
/// #     type QueueData = ();
/// #     type HwData = ();
/// #     type RequestData = ();
/// #     fn init_request_data(_: &()) -> impl PinInit<(), Error> { Ok(()) }
/// #     fn init_hctx(_: &(), _: u32) -> impl PinInit<(), Error> { Ok(()) }
/// #     fn queue_rq(
/// #         _: HwQueue<'_, Self>,
/// #         rq: Request<Self, Idle>,
/// #         _: bool,
/// #     ) -> Result<(), Rejected<Self>> {
/// #         Err(rq.reject(Status::NOTSUPP))
/// #     }
/// #     fn complete(_: Request<Self>) {}
/// # }
/// # Ok::<(), Error>(())
/// ```
pub struct Major {
    name: &'static CStr,
    number: Atomic<u32>,
    users: Atomic<u32>,
}

/// Somebody registers the number, or gives it back.
const BUSY: u32 = u32::MAX;

impl Major {
    /// A number that is not registered, for `name` in `/proc/devices`.
    ///
    /// The name is at most 15 bytes long, as C would cut off the rest. A longer one does not
    /// compile.
    #[inline(always)]
    pub const fn new(name: &'static CStr) -> Self {
        // The length of `name` in C's `struct blk_major_name`, which is not in a header.
        const MAX_LEN: usize = 15;

        build_assert!(
            name.to_bytes().len() <= MAX_LEN,
            "the name of a major number is longer than 15 bytes"
        );
        // INVARIANT: There are no users.
        Self {
            name,
            number: Atomic::new(0),
            users: Atomic::new(0),
        }
    }

    /// Registers a number that is free; if one is registered, it is that.
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// - [`EBUSY`]: no number is free, or somebody else is just registering it or giving it back.
    /// - [`ENOMEM`]: there is no memory.
    pub fn register(&'static self) -> Result<MajorNumber> {
        if let Some(number) = self.get() {
            return Ok(number);
        }
        // INVARIANT: `number` is not used by others until this is undone or completed.
        if self.users.cmpxchg(0, BUSY, Acquire).is_err() {
            return self.get().ok_or(EBUSY);
        }

        // SAFETY: `name` is a string that lives for ever.
        let number = unsafe { bindings::__register_blkdev(0, self.name.as_char_ptr(), None) };

        if let Err(error) = to_result(number.min(0)) {
            self.users.store(0, Release);
            return Err(error);
        }
        self.number.store(number.unsigned_abs(), Relaxed);
        // INVARIANT: The number was registered just now, and there is one user.
        self.users.store(1, Release);
        Ok(MajorNumber(self))
    }

    /// The number, if it is registered.
    ///
    /// May be called in any context.
    pub fn get(&'static self) -> Option<MajorNumber> {
        let mut users = self.users.load(Relaxed);

        while users != 0 && users < BUSY - 1 {
            // INVARIANT: There is one user more.
            match self.users.cmpxchg(users, users + 1, Acquire) {
                Ok(_) => return Some(MajorNumber(self)),
                Err(now) => users = now,
            }
        }
        None
    }

    /// Takes away one user.
    fn put(&self) {
        let mut users = self.users.load(Relaxed);

        loop {
            let left = if users == 1 { BUSY } else { users - 1 };

            // INVARIANT: There is one user less. If it was the last, `number` is not used by others
            // until it was given back.
            match self.users.cmpxchg(users, left, Release) {
                Ok(_) if left == BUSY => break,
                Ok(_) => return,
                Err(now) => users = now,
            }
        }

        // SAFETY: By the type invariant, the number is registered under this name.
        unsafe { bindings::unregister_blkdev(self.number.load(Relaxed), self.name.as_char_ptr()) };
        self.users.store(0, Release);
    }
}

/// The number of a [`Major`], which stays registered as long as this exists.
pub struct MajorNumber(&'static Major);

impl MajorNumber {
    /// The number.
    pub fn get(&self) -> u32 {
        self.0.number.load(Relaxed)
    }
}

impl Drop for MajorNumber {
    fn drop(&mut self) {
        self.0.put();
    }
}
