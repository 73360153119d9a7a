// SPDX-License-Identifier: GPL-2.0

//! What virtio knows about blk-mq: requests are tokens, which move into a ring and come out when
//! the device has served them, and virtqueues are hardware queues.

use super::{
    parts::{
        Mapped,
        Segments, //
    },
    setup::Ready,
    token::Token, //
};
use crate::{
    bindings,
    block::blk_mq::{
        CpuQueues,
        Operations,
        Payload,
        Request,
        Started, //
    },
    prelude::*, //
};
use core::{
    ops::Range,
    ptr::NonNull, //
};

// SAFETY:
// - `Request::from_raw` is the inverse of `Request::into_raw`.
// - The private data of a request follows it in memory and does not move. The data in its bios
//   stays until the request ends. Only the owner of the request, which is the ring, gets at them.
// - The block layer allocates requests as pages or with `kmalloc`: in the linear mapping.
// - The ring slot is what `Request` has for this.
unsafe impl<T: Operations> Token for Request<T, Started> {
    type View<'t> = (Pin<&'t mut T::RequestData>, Payload<'t>);

    #[inline]
    fn view(&mut self) -> Self::View<'_> {
        self.parts()
    }

    #[inline]
    fn linear_range(&self) -> Range<usize> {
        let start = core::ptr::from_ref(self.data()) as usize;

        start..start.wrapping_add(size_of::<T::RequestData>())
    }

    #[inline]
    fn capacity(&mut self) -> &mut u32 {
        self.ring_slot()
    }

    #[inline]
    fn into_raw(self) -> NonNull<c_void> {
        Request::into_raw(self).cast()
    }

    #[inline]
    unsafe fn from_raw(ptr: NonNull<c_void>) -> Self {
        // SAFETY: By the requirement of this function, `ptr` comes from `into_raw`, so this was
        // the owner of a started request, and becomes it again.
        unsafe { Request::from_raw(ptr.cast()) }
    }
}

// SAFETY: The memory belongs to the request, which is the token that the payload is borrowed from,
// until it ends. The device writes it only where the request is a read. The block layer marks the
// last entry as the end, and removes the marks of the others.
unsafe impl Segments for Payload<'_> {
    #[inline]
    unsafe fn map(&self, sgl: &mut [bindings::scatterlist]) -> Result<Mapped> {
        // SAFETY: By the requirement of this function.
        let (entries, len) = unsafe { Payload::map(self, sgl) }?;

        Ok(Mapped {
            entries,
            len,
            device_writable: !self.is_write(),
        })
    }
}

impl Ready<'_> {
    /// Tells which of `count` queues from number `first` on interrupts which CPU.
    ///
    /// # Errors
    ///
    /// - [`EINVAL`]: there are no such queues.
    /// - [`ENOMEM`]: there is no memory.
    pub fn irq_cpus(&self, first: u32, count: u32) -> Result<CpuQueues> {
        let (dev, queues) = self.queues();
        let end = first.checked_add(count).ok_or(EINVAL)?;

        if usize::try_from(end)? > queues {
            return Err(EINVAL);
        }

        // SAFETY: The transport counts interrupts by queues, and has found these.
        unsafe { CpuQueues::from_irqs(dev.as_ref(), first, count) }
    }
}
