// SPDX-License-Identifier: GPL-2.0

//! Bringing up the queues of a device, with its readiness in the types.
//!
//! [`Driver::probe`](super::Driver::probe) gets a [`VirtqueueSetup`], to which queues are added one
//! by one. [`find`](VirtqueueSetup::find) gives them rings: a [`Found`] device can have buffers put
//! into its queues, but does not look at them yet. [`ready`](Found::ready) tells the device to
//! start (`DRIVER_OK`), and only the [`Ready`] that it returns turns a [`PendingQueue`] into a
//! [`Virtqueue`] that can be used at will. The lifetime `'q`, which no two probes have in common,
//! says that all of these belong together.

use super::{
    parts::Parts,
    queue::{
        Access,
        AddError,
        AnyVirtqueue,
        Callback,
        Exclusive,
        Handler,
        Locked,
        Setup,
        Virtqueue,
        MAX_INDIRECT, //
    },
    state::{
        DeviceState,
        QueueTable, //
    },
    token::Token,
    Device, //
};
use crate::{
    device::Bound,
    prelude::*,
    static_lock_class,
    sync::{
        Arc,
        LockClassKey, //
    }, //
};
use core::marker::PhantomData;

/// How the interrupts of the queues are spread over the CPUs (C: `struct irq_affinity`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Affinity {
    /// As the platform does it.
    Default,
    /// Evenly, but for some queues at the start and at the end.
    Spread {
        /// Queues at the start that are left out.
        pre_vectors: u32,
        /// Queues at the end that are left out.
        post_vectors: u32,
    },
}

impl Affinity {
    /// The C description, if there is need of one.
    pub(super) fn to_desc(self) -> Option<bindings::irq_affinity> {
        match self {
            Self::Default => None,
            Self::Spread {
                pre_vectors,
                post_vectors,
            } => Some(bindings::irq_affinity {
                pre_vectors,
                post_vectors,
                ..pin_init::zeroed()
            }),
        }
    }
}

/// The queues that a driver wants, before the device is asked for them. Each probe gets one, so
/// that its device is asked once.
pub struct VirtqueueSetup<'q> {
    dev: &'q Device<Bound>,
    state: &'q DeviceState,
    queues: KVec<Arc<dyn AnyVirtqueue>>,
    _brand: Brand<'q>,
}

/// A queue that may not be used yet.
///
/// It belongs to the probe that has added it, and cannot leave its thread.
pub struct PendingQueue<'q, H: Handler<A>, A: Access = Locked>(Arc<Virtqueue<H, A>>, Brand<'q>);

/// A device whose queues have rings, but that has not been told to start.
#[must_use]
pub struct Found<'q> {
    dev: &'q Device<Bound>,
    state: &'q DeviceState,
    _brand: Brand<'q>,
}

/// The proof that a device was told to start.
///
/// It cannot leave the thread that probes, so the rings that it stands for are there.
pub struct Ready<'q> {
    dev: &'q Device<Bound>,
    state: &'q DeviceState,
    _brand: Brand<'q>,
}

/// Neither longer nor shorter than `'q`, and not to be sent to, or shared with, other threads.
type Brand<'q> = PhantomData<(fn(&'q ()) -> &'q (), *const ())>;

impl<'q> VirtqueueSetup<'q> {
    /// Starts without queues.
    ///
    /// # Safety
    ///
    /// `state` must be that of `dev`, in `priv`, which is being probed by the caller and has no
    /// queues. There must be one `VirtqueueSetup` in this probe.
    pub(super) unsafe fn new(dev: &'q Device<Bound>, state: &'q DeviceState) -> Self {
        Self {
            dev,
            state,
            queues: KVec::new(),
            _brand: PhantomData,
        }
    }

    /// Adds the next queue, with a lock. Queues are numbered from 0 in the order in which they are
    /// added.
    ///
    /// `max_parts` is the largest number of parts, and segments, of one buffer, without those that
    /// are a [`Part`](super::Part).
    ///
    /// `class` is the lockdep class of the lock: [`static_lock_class!`](crate::static_lock_class).
    /// A driver may hold the locks of two queues at once if they were added in different places,
    /// say one for receiving and one for transmitting, and it always takes them in the same order.
    ///
    /// # Errors
    ///
    /// - [`ENOMEM`]: there is no memory.
    /// - [`EINVAL`]: `max_parts` is 0, or more than an indirect table can have, 32768.
    pub fn add<H: Handler>(
        &mut self,
        name: &CStr,
        callback: Callback,
        max_parts: usize,
        context: H::Context,
        class: Pin<&'static LockClassKey>,
    ) -> Result<PendingQueue<'q, H>> {
        let setup = self.next(name, callback, max_parts, class)?;

        self.push(setup, context)
    }

    /// Adds the next queue, without a lock: it has one user, who gets an
    /// [`ExclusiveVirtqueue`](super::ExclusiveVirtqueue).
    ///
    /// # Errors
    ///
    /// As for [`add`](Self::add).
    pub fn add_exclusive<H: Handler<Exclusive>>(
        &mut self,
        name: &CStr,
        callback: Callback,
        max_parts: usize,
        context: H::Context,
    ) -> Result<PendingQueue<'q, H, Exclusive>> {
        // There is no lock that could be of this class.
        let setup = self.next(name, callback, max_parts, static_lock_class!())?;

        self.push(setup, context)
    }

    /// Describes the next queue.
    fn next<'n>(
        &self,
        name: &'n CStr,
        callback: Callback,
        max_parts: usize,
        class: Pin<&'static LockClassKey>,
    ) -> Result<Setup<'n>> {
        if !(1..=MAX_INDIRECT).contains(&max_parts) {
            dev_err!(
                self.dev,
                "a queue for buffers of {} parts: not from 1 to {}\n",
                max_parts,
                MAX_INDIRECT
            );
            return Err(EINVAL);
        }
        Ok(Setup {
            name,
            index: u32::try_from(self.queues.len())?,
            callback,
            max_parts,
            class,
        })
    }

    /// Makes a queue.
    fn push<H: Handler<A>, A: Access>(
        &mut self,
        setup: Setup<'_>,
        context: H::Context,
    ) -> Result<PendingQueue<'q, H, A>> {
        let queue = Virtqueue::<H, A>::new(setup, context)?;

        self.queues.push(queue.clone(), GFP_KERNEL)?;
        Ok(PendingQueue(queue, PhantomData))
    }

    /// Asks the device for the queues (C: `virtio_find_vqs`).
    ///
    /// # Errors
    ///
    /// - [`EINVAL`]: no queue was added, or more queues are left out of `affinity` than there are.
    /// - [`ENOENT`]: the device has fewer queues.
    /// - [`ENOMEM`]: there is no memory.
    /// - Other errors of the transport.
    pub fn find(self, affinity: Affinity) -> Result<Found<'q>> {
        if self.queues.is_empty() {
            return Err(EINVAL);
        }
        if let Affinity::Spread {
            pre_vectors,
            post_vectors,
        } = affinity
        {
            // C adds them up as they are, and believes the sum.
            let left_out = pre_vectors.checked_add(post_vectors).ok_or(EINVAL)?;

            if usize::try_from(left_out)? > self.queues.len() {
                return Err(EINVAL);
            }
        }

        let table = QueueTable {
            queues: self.queues,
            affinity,
        };

        // SAFETY: By the requirements of `new`, `state` is the state of `dev`, to which `priv`
        // points. This is its probe, and cannot have left its thread.
        unsafe { self.state.set_up(table) }.inspect_err(|err| {
            dev_err!(self.dev, "cannot set up the virtqueues: {:?}\n", err);
        })?;

        Ok(Found {
            dev: self.dev,
            state: self.state,
            _brand: PhantomData,
        })
    }
}

impl<'q, H: Handler<A>, A: Access> PendingQueue<'q, H, A> {
    /// The descriptors that the ring has; 0 before [`VirtqueueSetup::find`].
    pub fn vring_size(&self) -> u32 {
        self.0.vring_size()
    }

    /// Puts a buffer into the queue before the device is ready, as receive queues need it.
    ///
    /// # Errors
    ///
    /// As for [`LockedVirtqueue::add`](super::LockedVirtqueue::add).
    pub fn fill<F>(
        &mut self,
        _found: &Found<'q>,
        token: H::Token,
        describe: F,
    ) -> Result<(), AddError<H::Token>>
    where
        F: for<'t> FnOnce(<H::Token as Token>::View<'t>, &mut Parts<'t, '_>) -> Result,
    {
        // SAFETY: There is no handle yet, and `self` is borrowed exclusively.
        unsafe { self.0.begin() }.add(token, describe)
    }

    /// Makes the queue usable: an [`Arc`] of a [`Virtqueue`], or, if it has no lock, an
    /// [`ExclusiveVirtqueue`](super::ExclusiveVirtqueue).
    pub fn into_ready(self, _ready: &Ready<'q>) -> A::Handle<H> {
        // SAFETY: A pending queue is made once for each queue, and consumed here.
        unsafe { A::handle(self.0) }
    }
}

impl<'q> Found<'q> {
    /// Tells the device to start (C: `virtio_device_ready`). From here on handlers are called.
    pub fn ready(self) -> Ready<'q> {
        // SAFETY: `Found` exists in probe only, where the rings were found.
        unsafe { self.state.make_ready() };
        Ready {
            dev: self.dev,
            state: self.state,
            _brand: PhantomData,
        }
    }
}

impl<'q> Ready<'q> {
    /// The device and the number of its queues.
    pub(super) fn queues(&self) -> (&'q Device<Bound>, usize) {
        (self.dev, self.state.queues().len())
    }
}
