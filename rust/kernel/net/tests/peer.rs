// SPDX-License-Identifier: GPL-2.0

//! Who sends to the card, and who gets what it has received.

use super::{
    card::PROTOCOL,
    census::Census,
    setup::Test, //
};
use crate::{
    net::skb::{
        SkBuff,
        ETH_HLEN, //
    },
    new_spinlock_irq,
    prelude::*,
    sync::{
        atomic::Relaxed,
        Arc,
        SpinLockIrq, //
    },
    types::Opaque, //
};
use core::ptr::NonNull;

/// An Ethernet header of the tests: to all.
pub(super) fn header() -> [u8; ETH_HLEN] {
    let mut header = [0; ETH_HLEN];

    header[..6].fill(0xff);
    header[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 2]);
    header[12..].copy_from_slice(&PROTOCOL.to_be_bytes());
    header
}

/// A packet of so many bytes, that is counted.
pub(super) fn counted(census: &Arc<Census>, length: usize) -> Result<SkBuff> {
    let mut skb = SkBuff::new(length.max(ETH_HLEN), GFP_KERNEL)?;

    skb.put_data(&header())?;
    for i in ETH_HLEN..length {
        // CAST: Only some number is needed.
        skb.put_data(&[i as u8])?;
    }
    count(census, &mut skb);
    Ok(skb)
}

/// Counts a packet, until it is freed.
pub(super) fn count(census: &Arc<Census>, skb: &mut SkBuff) {
    census.packets.fetch_add(1, Relaxed);

    // SAFETY: The packet is valid, and belongs to this. It is not one of user memory, for which
    // this field is used otherwise.
    let place = unsafe { &mut (*skb.shinfo()).__bindgen_anon_2.destructor_arg };

    *place = Arc::into_raw(census.clone()).cast_mut().cast();
    // SAFETY: The packet is valid, and belongs to this.
    let fields = unsafe { &mut (*skb.as_raw()).__bindgen_anon_3.__bindgen_anon_1 };

    fields.destructor = Some(uncount);
}

/// # Safety
///
/// `skb` must be a packet from [`count`].
unsafe extern "C" fn uncount(skb: *mut bindings::sk_buff) {
    // SAFETY: By the requirement of this function.
    let shinfo = unsafe { bindings::skb_shinfo(skb) };
    // SAFETY: As above.
    let census = unsafe { (*shinfo).__bindgen_anon_2.destructor_arg }
        .cast_const()
        .cast();
    // SAFETY: It comes from `Arc::into_raw`, and this is called once.
    let census: Arc<Census> = unsafe { Arc::from_raw(census) };

    census.packets.fetch_sub(1, Relaxed);
}

/// Sends a packet through the stack.
pub(super) fn send(test: &Test, mut skb: SkBuff) -> i32 {
    let raw = skb.as_raw();

    // SAFETY: The packet is valid, and belongs to this.
    unsafe { bindings::skb_field_set_protocol(raw, PROTOCOL.to_be()) };
    // SAFETY: As above.
    let fields = unsafe { &mut (*raw).__bindgen_anon_1.__bindgen_anon_1 };

    fields.__bindgen_anon_1.dev = test.dev();
    skb.reset_mac_header();
    // SAFETY: The packet passes to C. It has a device that is registered.
    unsafe { bindings::dev_queue_xmit(skb.into_raw().as_ptr()) }
}

impl SkBuff {
    fn reset_mac_header(&mut self) {
        // SAFETY: The packet is valid.
        unsafe { bindings::skb_field_reset_headers(self.as_raw()) };
    }
}

/// Gets what the card has received.
///
/// # Invariants
///
/// The inner `packet_type` is registered, with `received` as its private data.
#[pin_data(PinnedDrop)]
pub(super) struct Tap {
    packet_type: Opaque<bindings::packet_type>,
    #[pin]
    received: SpinLockIrq<KVec<SkBuff>>,
}

// SAFETY: C synchronizes the registration.
unsafe impl Send for Tap {}

// SAFETY: As above.
unsafe impl Sync for Tap {}

impl Tap {
    pub(super) fn new(test: &Test) -> Result<Pin<KBox<Self>>> {
        Self::of(test.dev(), PROTOCOL)
    }

    /// Gets what a device has received of a protocol. The device must be there for longer.
    pub(super) fn of(dev: *mut bindings::net_device, protocol: u16) -> Result<Pin<KBox<Self>>> {
        KBox::pin_init(
            try_pin_init!(&this in Self {
                packet_type: pin_init::zeroed(),
                received <- new_spinlock_irq!(KVec::new()),
                _: {
                    // SAFETY: Only the address of the field is taken.
                    let raw = unsafe { (&raw mut (*this.as_ptr()).packet_type) }
                        .cast::<bindings::packet_type>();
                    // SAFETY: Nobody else uses it yet.
                    let raw = unsafe { &mut *raw };

                    raw.type_ = protocol.to_be();
                    raw.dev = dev;
                    raw.func = Some(Self::received_callback);
                    raw.af_packet_priv = this.as_ptr().cast();
                    // INVARIANT: It is registered here.
                    //
                    // SAFETY: It stays where it is until it is removed.
                    unsafe { bindings::dev_add_pack(raw) };
                },
            }? Error),
            GFP_KERNEL,
        )
    }

    /// # Safety
    ///
    /// `packet_type` must be that of a [`Tap`], and the packet pass to this function.
    unsafe extern "C" fn received_callback(
        skb: *mut bindings::sk_buff,
        _dev: *mut bindings::net_device,
        packet_type: *mut bindings::packet_type,
        _original: *mut bindings::net_device,
    ) -> c_int {
        // SAFETY: By the requirement of this function.
        let this = unsafe { &*(*packet_type).af_packet_priv.cast::<Self>() };
        // SAFETY: By the requirement of this function.
        let skb = unsafe { SkBuff::from_raw(NonNull::new_unchecked(skb)) };

        // One that does not fit fails the case.
        let _ = this.received.lock().push(skb, GFP_ATOMIC);
        0
    }

    pub(super) fn count(&self) -> usize {
        self.received.lock().len()
    }

    pub(super) fn take(&self) -> KVec<SkBuff> {
        core::mem::take(&mut *self.received.lock())
    }
}

#[pinned_drop]
impl PinnedDrop for Tap {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant, it is registered.
        unsafe { bindings::dev_remove_pack(self.packet_type.get()) };
    }
}
