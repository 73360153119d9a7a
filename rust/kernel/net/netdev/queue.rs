// SPDX-License-Identifier: GPL-2.0

//! The queue of packets to send: when it stops, and when it goes on.
//!
//! C headers:
//! [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h),
//! [`include/net/netdev_queues.h`](srctree/include/net/netdev_queues.h)

use super::{
    Device,
    Operations,
    Rtnl, //
};
use crate::{
    net::skb::SkBuff,
    prelude::*,
    sync::{
        atomic::Relaxed,
        barrier::{
            smp_mb,
            Full, //
        }, //
    },
    types::NotThreadSafe, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// The right to send, of who holds the lock of the transmit queue.
///
/// # Invariants
///
/// The current thread is in `ndo_start_xmit` of `dev` for `'a`.
pub struct Xmit<'a> {
    dev: NonNull<bindings::net_device>,
    _p: PhantomData<&'a ()>,
    _lock: NotThreadSafe,
}

impl Xmit<'_> {
    /// # Safety
    ///
    /// The invariants of [`Xmit`] must hold for `dev`.
    #[inline]
    pub(super) unsafe fn new(dev: *mut bindings::net_device) -> Self {
        // INVARIANT: By the requirement of this function.
        Self {
            // SAFETY: By the requirement of this function, it is not null.
            dev: unsafe { NonNull::new_unchecked(dev) },
            _p: PhantomData,
            _lock: NotThreadSafe,
        }
    }

    /// See [`new`](Self::new).
    ///
    /// # Safety
    ///
    /// As there, or nobody sends.
    #[cfg(CONFIG_RUST_NETDEV_KUNIT_TEST)]
    pub(in crate::net) unsafe fn new_for_tests(dev: *mut bindings::net_device) -> Self {
        // SAFETY: By the requirement of this function.
        unsafe { Self::new(dev) }
    }

    /// Stops the queue if there are fewer than `stop_below` descriptors free. Returns whether it is
    /// stopped.
    ///
    /// `free` tells how many there are; it is asked again after the queue was stopped, and if there
    /// are `start_from` by then, the queue goes on. So if descriptors become free meanwhile, either
    /// this sees them, or [`Poll::tx_completed`](crate::net::napi::Poll::tx_completed) sees that
    /// the queue is stopped: no wake-up is lost.
    #[inline]
    pub fn maybe_stop(&self, stop_below: u32, start_from: u32, free: impl Fn() -> u32) -> bool {
        if free() >= stop_below {
            return false;
        }

        // SAFETY: By the type invariant, the device is valid.
        unsafe { bindings::netif_stop_queue(self.dev.as_ptr()) };
        // Pairs with the barrier in `netdev_completed_queue_mb()`.
        smp_mb(Full);
        if free() < start_from {
            return true;
        }
        // The caller holds the lock and goes on sending, so nobody has to be scheduled.
        //
        // SAFETY: As above.
        unsafe { bindings::netif_start_queue(self.dev.as_ptr()) };
        false
    }

    /// Says that a packet is about to be sent, to those who want to know when, in C
    /// `skb_tx_timestamp()`.
    ///
    /// To be called before the card can have sent it.
    #[inline]
    pub fn timestamp(&self, skb: &mut SkBuff) {
        // SAFETY: By the type invariants, both are valid.
        unsafe { bindings::skb_tx_timestamp_of(skb.as_raw(), self.dev.as_ptr()) };
    }

    /// Counts a packet of so many bytes as given to the card, for the byte queue limits. Returns
    /// whether the card is to be told of it now: not if more packets follow at once, unless the
    /// queue is stopped.
    ///
    /// To be called after [`maybe_stop`](Self::maybe_stop), so that this knows of it, and before
    /// the card can have sent the packet; with the number of bytes that
    /// [`Poll::tx_completed`](crate::net::napi::Poll::tx_completed) gets for it.
    #[inline]
    #[must_use = "the card must be told of packets if this returns true"]
    pub fn sent(&self, bytes: u32) -> bool {
        // SAFETY: By the type invariant, the device is valid, and the lock of its queue is held.
        unsafe {
            bindings::__netdev_sent_queue(
                self.dev.as_ptr(),
                // C warns about more.
                bytes.min(u32::MAX / 16),
                self.more(),
            )
        }
    }

    /// Whether the stack has more packets for the device.
    #[inline]
    pub fn more(&self) -> bool {
        // SAFETY: By the type invariant, this is called from `ndo_start_xmit`.
        unsafe { bindings::netdev_xmit_more() }
    }

    /// Whether the queue was stopped, by the driver or by the byte queue limits.
    #[inline]
    pub fn is_stopped(&self) -> bool {
        // SAFETY: By the type invariant, the device is valid.
        unsafe { bindings::netif_xmit_stopped(self.dev.as_ptr()) }
    }
}

impl<T: Operations> Device<'_, T> {
    /// Lets the stack send, in [`Operations::open`].
    pub fn start_queue(&self) {
        // SAFETY: The device is valid.
        unsafe { bindings::netif_start_queue(self.as_raw()) };
    }

    /// Lets the stack send, and what waits go.
    ///
    /// # Context
    ///
    /// Any.
    pub fn wake_queue(&self) {
        // SAFETY: The device is valid.
        unsafe { bindings::netif_wake_queue(self.as_raw()) };
    }

    /// Keeps the stack from sending. It may be about to send still.
    ///
    /// # Context
    ///
    /// Any.
    pub fn stop_queue(&self) {
        // SAFETY: The device is valid.
        unsafe { bindings::netif_stop_queue(self.as_raw()) };
    }

    /// Keeps the stack from sending, and waits for who is about to.
    ///
    /// # Context
    ///
    /// Process or softirq context, and not in [`Operations::start_xmit`].
    pub fn tx_disable(&self) {
        // SAFETY: The device is valid.
        unsafe { bindings::netif_tx_disable(self.as_raw()) };
    }

    /// Whether the driver has stopped the queue.
    #[inline]
    pub fn queue_stopped(&self) -> bool {
        // SAFETY: The device is valid.
        unsafe { bindings::netif_queue_stopped(self.as_raw()) }
    }

    /// Tells the watchdog that the queue is alive.
    pub fn trans_update(&self) {
        // SAFETY: The device is valid.
        unsafe { bindings::netif_trans_update(self.as_raw()) };
    }

    /// Forgets what was given to the card, for the byte queue limits: what was not sent by now
    /// never will be.
    ///
    /// # Context
    ///
    /// Process context, under RTNL.
    ///
    /// # Errors
    ///
    /// [`EBUSY`] while NAPI is enabled, which may count what was sent.
    pub fn reset_queue(&self, _rtnl: &Rtnl) -> Result {
        if self.header().napi_enabled.load(Relaxed) != 0 {
            return Err(EBUSY);
        }
        // SAFETY: The device is valid. NAPI is disabled, and stays so under RTNL.
        unsafe { bindings::netdev_reset_queue_locked(self.as_raw()) };
        Ok(())
    }
}
