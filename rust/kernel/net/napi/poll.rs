// SPDX-License-Identifier: GPL-2.0

//! One run of NAPI, and its budget.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)

use super::{
    NewSkb,
    PageSkb, //
};
use crate::{
    net::skb::{
        DropReason,
        Fragment,
        FragmentSize,
        SkBuff,
        ETH_HLEN, //
    },
    prelude::*,
    types::NotThreadSafe, //
};
use core::{
    marker::PhantomData,
    mem::MaybeUninit,
    ptr::NonNull, //
};

/// The right to work on one received packet, a unit of the budget of a [`Poll`].
///
/// It can be used in the run of NAPI that it was taken in, or not at all; it is used up either way.
/// Netpoll, which runs NAPI wherever something is printed, gives none: the packets that NAPI makes
/// come from memory of the CPU that whoever was interrupted may be at.
#[must_use = "a unit of the budget is gone"]
pub struct Unit<'a>(PhantomData<fn(&'a ()) -> &'a ()>);

/// How a run of NAPI has ended: what [`Operations::poll`](crate::net::netdev::Operations::poll)
/// returns.
///
/// It does not leave the thread, so it cannot be the end of another run on another CPU.
pub struct Polled(c_int, NotThreadSafe);

impl Polled {
    #[inline]
    fn new(work: c_int) -> Self {
        Self(work, NotThreadSafe)
    }

    #[inline]
    pub(in crate::net) fn into_raw(self) -> c_int {
        self.0
    }
}

/// A run of NAPI.
///
/// Packets are received with [`Unit`]s, of which there are as many as the budget allows. When the
/// driver has done what it can, it says whether there is more: [`complete`](Self::complete) or
/// [`again`](Self::again). Forgetting that does not compile.
///
/// # Invariants
///
/// - `napi` is the NAPI of a registered device, and belongs to this thread for `'a`, which has
///   bottom halves disabled; or interrupts, with a `budget` of 0, if this is a run of netpoll.
/// - `left` is at most `budget`.
pub struct Poll<'a> {
    napi: NonNull<bindings::napi_struct>,
    budget: u32,
    left: u32,
    _p: PhantomData<fn(&'a ()) -> &'a ()>,
    _owner: NotThreadSafe,
}

impl<'a> Poll<'a> {
    /// # Safety
    ///
    /// The invariants of [`Poll`] must hold for `napi`.
    #[inline]
    pub(in crate::net) unsafe fn new(napi: *mut bindings::napi_struct, budget: u32) -> Self {
        // INVARIANT: By the requirement of this function.
        Self {
            // SAFETY: By the requirement of this function, it is not null.
            napi: unsafe { NonNull::new_unchecked(napi) },
            budget,
            left: budget,
            _p: PhantomData,
            _owner: NotThreadSafe,
        }
    }

    #[inline]
    fn dev(&self) -> *mut bindings::net_device {
        // SAFETY: By the type invariant, it is valid.
        unsafe { (*self.napi.as_ptr()).dev }
    }

    /// Takes a unit of the budget, if there is one left. Netpoll gives none.
    #[inline]
    pub fn take(&mut self) -> Option<Unit<'a>> {
        // INVARIANT: It becomes less.
        self.left = self.left.checked_sub(1)?;
        Some(Unit(PhantomData))
    }

    /// How many units were taken.
    #[inline]
    pub fn used(&self) -> u32 {
        // By the type invariant, this does not underflow.
        self.budget.wrapping_sub(self.left)
    }

    /// Whether no unit is left.
    #[inline]
    pub fn is_exhausted(&self) -> bool {
        self.left == 0
    }

    /// Makes a packet with room for so many bytes, in C `napi_alloc_skb()`.
    #[inline]
    pub fn alloc_skb(&self, _unit: &Unit<'a>, length: usize) -> Option<SkBuff> {
        let length = c_uint::try_from(length).ok()?;
        // The room before and behind the data is added to this.
        if length > MAX_ALLOC {
            return None;
        }
        // SAFETY: By the type invariant, NAPI belongs to this thread. As there is a unit, this is
        // not netpoll.
        let skb = unsafe { bindings::napi_alloc_skb(self.napi.as_ptr(), length) };

        // SAFETY: It is new, and belongs to the caller.
        NonNull::new(skb).map(|skb| unsafe { SkBuff::from_raw(skb) })
    }

    /// Makes a packet of so many bytes, which `fill` writes; it returns what it was given when it
    /// has done so.
    ///
    /// # Errors
    ///
    /// - [`ENOMEM`] if there is no memory.
    /// - [`EINVAL`] if `fill` returns anything else than what it was given.
    /// - What `fill` returns.
    #[inline]
    pub fn alloc_skb_with(
        &self,
        unit: &Unit<'a>,
        length: usize,
        fill: impl FnOnce(&mut [MaybeUninit<u8>]) -> Result<&mut [u8]>,
    ) -> Result<NewSkb> {
        let skb = self.alloc_skb(unit, length).ok_or(ENOMEM)?;
        // CAST: It was made with this length, of 32 bits.
        //
        // SAFETY: The packet is new, and was made with this room.
        let tail = unsafe { bindings::skb_put(skb.as_raw(), length as c_uint) };
        let tail = tail.cast::<MaybeUninit<u8>>();
        // SAFETY: As above. Nobody else has the packet.
        let room = unsafe { core::slice::from_raw_parts_mut(tail, length) };
        let filled = fill(room)?;

        if !core::ptr::eq(filled.as_ptr().cast(), tail) || filled.len() != length {
            return Err(EINVAL);
        }
        // SAFETY: It was made above, and `skb_put()` adds to the linear part.
        Ok(unsafe { NewSkb::new(skb) })
    }

    /// Makes a fragment, as [`Fragment::new`] does, from what NAPI has set aside on this CPU, in C
    /// `napi_alloc_frag()`.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] if there is no memory.
    #[inline]
    pub fn alloc_frag(&self, size: FragmentSize) -> Result<Fragment> {
        // Netpoll may have interrupted whoever is using it.
        if self.budget == 0 {
            return Fragment::new(size);
        }
        // SAFETY: By the type invariant, this is a run of NAPI, and as there is a budget, not one
        // of netpoll.
        unsafe { Fragment::new_in_napi(size) }
    }

    /// Makes a packet of a fragment that holds `length` bytes of data, in C `napi_build_skb()`.
    ///
    /// # Errors
    ///
    /// The fragment comes back if it is shorter than that, or if there is no memory.
    #[inline]
    pub fn build_skb(
        &self,
        _unit: &Unit<'a>,
        fragment: Fragment,
        length: usize,
    ) -> Result<NewSkb, Fragment> {
        if length > fragment.len() {
            return Err(fragment);
        }
        let skb = fragment.build_skb(length)?;

        // SAFETY: It was made above, in one piece.
        Ok(unsafe { NewSkb::new(skb) })
    }

    /// Passes a received packet to the stack, which begins with its Ethernet header; in C
    /// `eth_type_trans()` and `napi_gro_receive()`.
    ///
    /// A packet that is too short for an Ethernet header is dropped, and so is one that somebody
    /// else has a reference to, as one that was to be sent can be: the stack merges packets. If
    /// another packet has the same linear part, that is copied. Who has sent it is told that it
    /// was.
    pub fn receive(&self, _unit: Unit<'a>, mut skb: SkBuff) {
        if skb.is_shared() {
            return;
        }
        // SAFETY: By the type invariant, the packet is valid, and nobody else has it.
        unsafe { bindings::skb_orphan(skb.as_raw()) };
        // SAFETY: As above.
        if unsafe { bindings::skb_unclone(skb.as_raw(), GFP_ATOMIC.as_raw()) } != 0 {
            skb.drop_with(DropReason::NOMEM);
            return;
        }
        if skb.pull_header(ETH_HLEN).is_err() {
            skb.drop_with(DropReason::DEV_HDR);
            return;
        }
        // SAFETY: Nobody else has it or its linear part, where its Ethernet header is.
        unsafe { self.pass(skb) };
    }

    /// As [`receive`](Self::receive), for a packet that was just made.
    #[inline]
    pub fn receive_new(&self, _unit: Unit<'a>, skb: NewSkb) {
        if skb.len() < ETH_HLEN {
            SkBuff::from(skb).drop_with(DropReason::DEV_HDR);
            return;
        }
        // SAFETY: By the invariants of `NewSkb`, nobody else has it, and its bytes, which
        // are enough, are in the linear part.
        unsafe { self.pass(skb.into()) };
    }

    /// # Safety
    ///
    /// Nobody else must have the packet or its linear part, where its Ethernet header must be.
    #[inline]
    unsafe fn pass(&self, skb: SkBuff) {
        let skb = skb.into_raw().as_ptr();

        // SAFETY: The packet belongs to this function, and has an Ethernet header in its linear
        // part, by the requirement of this function.
        let protocol = unsafe { bindings::eth_type_trans(skb, self.dev()) };
        // SAFETY: The packet belongs to this function.
        unsafe { bindings::skb_field_set_protocol(skb, protocol) };
        // SAFETY: By the type invariant, NAPI belongs to this thread. The packet, which nobody else
        // has, passes to C.
        unsafe { bindings::napi_gro_receive(self.napi.as_ptr(), skb) };
    }

    /// Makes a packet that is to be made of pages, in C `napi_get_frags()`.
    ///
    /// It can be kept until the run of NAPI in which it is complete.
    #[inline]
    pub fn page_skb(&self, _unit: &Unit<'a>) -> Option<PageSkb> {
        // SAFETY: By the type invariant, NAPI belongs to this thread. As there is a unit, this is
        // not netpoll.
        let skb = unsafe { bindings::napi_get_frags(self.napi.as_ptr()) };
        let skb = NonNull::new(skb)?;

        // SAFETY: By the type invariant, nobody else uses it. It is taken out.
        unsafe { (*self.napi.as_ptr()).skb = core::ptr::null_mut() };
        // SAFETY: The packet was taken from NAPI, so it belongs to the caller alone. It has no
        // data.
        Some(unsafe { PageSkb::from_raw(skb) })
    }

    /// Passes a received packet to the stack that is made of pages, in C `napi_gro_frags()`.
    ///
    /// A packet that is too short for an Ethernet header is dropped.
    #[inline]
    pub fn receive_pages(&self, _unit: Unit<'a>, skb: PageSkb) {
        let skb = skb.into_skb();

        if skb.len() < ETH_HLEN {
            skb.drop_with(DropReason::DEV_HDR);
            return;
        }
        let skb = skb.into_raw().as_ptr();
        // SAFETY: By the type invariant, nobody else uses it.
        let slot = unsafe { &mut (*self.napi.as_ptr()).skb };
        let other = core::mem::replace(slot, skb);

        // SAFETY: The packet belongs to this thread, and so does the device.
        unsafe { PageSkb::set_dev(skb, self.dev()) };
        // SAFETY: By the type invariant, NAPI belongs to this thread. It has the packet.
        unsafe { bindings::napi_gro_frags(self.napi.as_ptr()) };
        if let Some(other) = NonNull::new(other) {
            // SAFETY: It was taken from NAPI, so it belongs to this function.
            drop(unsafe { SkBuff::from_raw(other) });
        }
    }

    /// Gives up a packet that was sent, in C `napi_consume_skb()`.
    #[inline]
    pub fn consume(&self, skb: SkBuff) {
        // CAST: A budget came from C as an `int`.
        let budget = self.budget as c_int;

        // SAFETY: The packet passes to C. By the type invariant, this is a run of NAPI, and the
        // budget is the one it was given.
        unsafe { bindings::napi_consume_skb(skb.into_raw().as_ptr(), budget) };
    }

    /// Counts packets that were sent, for the byte queue limits, and lets the queue go on if it is
    /// stopped and enough descriptors are free. Returns whether it was woken up.
    ///
    /// To be called once in a run of NAPI, after the descriptors have become free. `free` tells how
    /// many of them are; `start_from` is how many it takes. The queue stays as it is if `may_wake`
    /// returns false, because there is no link, or because the device goes down.
    ///
    /// More bytes than were given to the card are not counted.
    #[inline]
    pub fn tx_completed(
        &self,
        packets: u32,
        bytes: u32,
        start_from: u32,
        free: impl Fn() -> u32,
        may_wake: impl FnOnce() -> bool,
    ) -> bool {
        let dev = self.dev();

        if packets == 0 {
            return false;
        }
        // The barrier in there pairs with that of `Xmit::maybe_stop`: whoever stops the queue after
        // this sees what has become free.
        //
        // SAFETY: The device is valid. By the type invariant, nobody else does this.
        unsafe { bindings::netdev_completed_queue_mb(dev, packets, bytes) };

        if free() < start_from {
            return false;
        }
        // SAFETY: The device is valid.
        if !unsafe { bindings::netif_queue_stopped(dev) } || !may_wake() {
            return false;
        }
        // SAFETY: The device is valid.
        unsafe { bindings::netif_wake_queue(dev) };
        true
    }

    /// Ends the run. There is nothing left to do, so NAPI is not called until it is scheduled;
    /// `rearm` is called if the interrupts of the card are to be switched on for that.
    ///
    /// If the whole budget was used, this is the same as [`again`](Self::again).
    #[inline]
    pub fn complete(self, rearm: impl FnOnce()) -> Polled {
        if self.is_exhausted() {
            return self.again();
        }
        // CAST: At most the budget, which came from C as an `int`.
        let used = self.used() as c_int;

        // SAFETY: By the type invariant, NAPI belongs to this thread, which gives it up here.
        if unsafe { bindings::napi_complete_done(self.napi.as_ptr(), used) } {
            rearm();
        }
        Polled::new(used)
    }

    /// Ends the run. There is more to do, so NAPI is called again.
    #[inline]
    pub fn again(self) -> Polled {
        // CAST: It came from C as an `int`.
        Polled::new(self.budget as c_int)
    }
}

/// The largest packet that is made at once; larger than any card has.
const MAX_ALLOC: c_uint = 1 << 20;
