// SPDX-License-Identifier: GPL-2.0

//! Bringing up the queues of a device, with its readiness in the types.
//!
//! [`Device::virtqueues`](super::Device::virtqueues) starts a [`VirtqueueSetup`]; queues are added
//! to it one by one. [`find`](VirtqueueSetup::find) gives them rings: a [`Found`] device can have
//! buffers put into its queues, but does not look at them yet. [`ready`](Found::ready) tells the
//! device to start (`DRIVER_OK`), and only the [`Ready`] that it returns turns a [`PendingQueue`]
//! into a [`Virtqueue`] that can be used at will.

use super::{
    parts::Parts,
    queue::{
        AddError,
        AnyVirtqueue,
        Callback,
        Handler,
        Virtqueue, //
    },
    state::{
        DeviceState,
        QueueTable, //
    },
    token::Token,
    Device, //
};
use crate::{
    device::{
        Bound,
        Core, //
    },
    prelude::*,
    sync::Arc, //
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

/// The queues that a driver wants, before the device is asked for them.
pub struct VirtqueueSetup<'a, 'core> {
    dev: &'a Device<Core<'core>>,
    state: &'a DeviceState,
    queues: KVec<Arc<dyn AnyVirtqueue>>,
}

/// A queue that may not be used yet.
///
/// It cannot leave the thread that probes, so it is never made usable by the proof of another
/// device.
pub struct PendingQueue<H: Handler>(Arc<Virtqueue<H>>, NotSend);

/// A device whose queues have rings, but that has not been told to start.
#[must_use]
pub struct Found<'a, 'core> {
    dev: &'a Device<Core<'core>>,
    state: &'a DeviceState,
}

/// The proof that a device was told to start.
///
/// It cannot leave the thread that probes, so the rings that it stands for are there.
pub struct Ready<'a> {
    dev: &'a Device<Bound>,
    state: &'a DeviceState,
    _not_send: NotSend,
}

/// What cannot be sent to, or shared with, other threads.
type NotSend = PhantomData<*const ()>;

impl<'a, 'core> VirtqueueSetup<'a, 'core> {
    /// Starts without queues.
    pub(super) fn new(dev: &'a Device<Core<'core>>, state: &'a DeviceState) -> Self {
        Self {
            dev,
            state,
            queues: KVec::new(),
        }
    }

    /// Adds the next queue. Queues are numbered from 0 in the order in which they are added.
    ///
    /// `max_parts` is the largest number of parts, and segments, of one buffer, without those that
    /// are a [`Part`](super::Part).
    ///
    /// # Errors
    ///
    /// - [`ENOMEM`]: there is no memory.
    /// - [`EINVAL`]: `max_parts` is 0.
    pub fn add<H: Handler>(
        &mut self,
        name: &CStr,
        callback: Callback,
        max_parts: usize,
        context: H::Context,
    ) -> Result<PendingQueue<H>> {
        if max_parts == 0 {
            return Err(EINVAL);
        }

        let index = u32::try_from(self.queues.len())?;
        let queue = Virtqueue::<H>::new(name, index, callback, max_parts, context)?;

        self.queues.push(queue.clone(), GFP_KERNEL)?;
        Ok(PendingQueue(queue, PhantomData))
    }

    /// Asks the device for the queues (C: `virtio_find_vqs`). Possible once per probe.
    ///
    /// # Errors
    ///
    /// - [`EBUSY`]: the queues of this device were asked for before.
    /// - [`EINVAL`]: no queue was added, or more queues are left out of `affinity` than there are.
    /// - [`ENOENT`]: the device has fewer queues.
    /// - Other errors of the transport.
    pub fn find(self, affinity: Affinity) -> Result<Found<'a, 'core>> {
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

        // SAFETY: `state` is the state of `dev`, to which `priv` points while a driver is bound.
        // `Device<Core>` exists in callbacks of the bus only, which do not run concurrently.
        unsafe { self.state.set_up(table) }.inspect_err(|err| {
            dev_err!(self.dev, "cannot set up the virtqueues: {:?}\n", err);
        })?;

        Ok(Found {
            dev: self.dev,
            state: self.state,
        })
    }
}

impl<H: Handler> PendingQueue<H> {
    /// The descriptors that the ring has; 0 before [`VirtqueueSetup::find`].
    pub fn vring_size(&self) -> u32 {
        self.0.lock().vring_size()
    }

    /// Puts a buffer into the queue before the device is ready, as receive queues need it.
    ///
    /// # Errors
    ///
    /// As for [`LockedVirtqueue::add`](super::LockedVirtqueue::add).
    pub fn fill<F>(
        &self,
        _found: &Found<'_, '_>,
        token: H::Token,
        describe: F,
    ) -> Result<(), AddError<H::Token>>
    where
        F: for<'t> FnOnce(<H::Token as Token>::View<'t>, &mut Parts<'t, '_>) -> Result,
    {
        self.0.lock().add(token, describe)
    }

    /// Makes the queue usable.
    pub fn into_ready(self, _ready: &Ready<'_>) -> Arc<Virtqueue<H>> {
        self.0
    }
}

impl<'a, 'core> Found<'a, 'core> {
    /// Tells the device to start (C: `virtio_device_ready`). From here on handlers are called.
    pub fn ready(self) -> Ready<'a> {
        // SAFETY: `Found` exists in callbacks of the bus only, where the rings were found.
        unsafe { self.state.make_ready() };
        Ready {
            dev: self.dev,
            state: self.state,
            _not_send: PhantomData,
        }
    }
}

impl<'a> Ready<'a> {
    /// The device and the number of its queues.
    pub(super) fn queues(&self) -> (&'a Device<Bound>, usize) {
        (self.dev, self.state.queues().len())
    }
}
