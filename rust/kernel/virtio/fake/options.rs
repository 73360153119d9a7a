// SPDX-License-Identifier: GPL-2.0

//! What a software device is, and what it does wrong.

use crate::{
    prelude::*,
    sync::atomic::Atomic, //
};

/// What a software device is.
#[derive(Clone, Copy)]
pub(crate) struct Options {
    /// The kind of device.
    pub(crate) device: u32,
    /// Its vendor.
    pub(crate) vendor: u32,
    /// The feature bits that it offers.
    pub(crate) features: [u64; 2],
    /// The sizes of its rings.
    pub(crate) queues: &'static [u32],
    /// The content of its configuration space.
    pub(crate) config: &'static [u8],
    /// The length of that, if the transport tells.
    pub(crate) config_len: Option<u32>,
    /// Whether the configuration space can be written.
    pub(crate) config_writable: bool,
    /// Whether changes of the configuration space are counted.
    pub(crate) has_generation: bool,
    /// Whether the transport can start single queues anew.
    pub(crate) resets_queues: bool,
    /// Whether there is one more queue than the driver asks for.
    pub(crate) extra_queue: bool,
    /// What the driver finds in `device::platform_data`. It has to live as long as the device.
    pub(crate) platform_data: *const c_void,
}

impl Options {
    /// Sets the bits of features that the device offers.
    pub(crate) fn with_features(mut self, bits: &[u32]) -> Self {
        for bit in bits {
            self.features[(bit / 64) as usize] |= 1 << (bit % 64);
        }
        self
    }

    /// Whether the device offers a feature.
    pub(super) fn has(&self, bit: u32) -> bool {
        self.features[(bit / 64) as usize] & (1 << (bit % 64)) != 0
    }
}

/// What a software device does wrong. Can be changed at any time.
pub(crate) struct Knobs {
    /// Interrupts all queues while they are found, while the device is reset, and while the
    /// queues are deleted, pretending that a buffer was used.
    pub(crate) storm: Atomic<bool>,
    /// Fails to find queues, with this error number.
    pub(crate) find_errno: Atomic<i32>,
    /// Fails to accept features, with this error number.
    pub(crate) finalize_errno: Atomic<i32>,
    /// Finds all queues but this one.
    pub(crate) null_queue: Atomic<u32>,
    /// Keeps the status over a reset.
    pub(crate) sticky_status: Atomic<bool>,
    /// Does not accept any choice of features.
    pub(crate) refuse_features: Atomic<bool>,
    /// Changes the configuration during so many of the next reads.
    pub(crate) config_changes: Atomic<u32>,
    /// Fails to be notified.
    pub(crate) notify_fails: Atomic<bool>,
    /// Fails to stop a queue, with this error number.
    pub(crate) stop_errno: Atomic<i32>,
    /// Fails to start it again, with this error number.
    pub(crate) start_errno: Atomic<i32>,
    /// Fails to map memory.
    pub(crate) fail_maps: Atomic<bool>,
    /// The driver is unbound and bound when features are chosen next.
    pub(crate) rebind: Atomic<bool>,
    /// The configuration changes when features are chosen next.
    pub(crate) change_early: Atomic<bool>,
    /// A handler of the transport walks over the rings, until it is waited for.
    pub(crate) walks_rings: Atomic<bool>,
    /// Who has told the device to start is held up until this is false.
    pub(crate) holds_start: Atomic<bool>,
    /// The device is gone: all that is read from it is ones.
    pub(crate) gone: Atomic<bool>,
    /// Features of the first word that the device has offered, and does not offer any more.
    pub(crate) withdrawn: Atomic<u64>,
    /// The size of rings from here on, if that is not zero.
    pub(crate) ring_size: Atomic<u32>,
    /// Takes a while for what excludes each other, see [`Event::Clash`](super::Event::Clash).
    pub(crate) slow: Atomic<bool>,
    /// Who uses the device has a minute before it is reset, should the machine stand still.
    pub(crate) patient: Atomic<bool>,
    /// Whether the device can be recovered. Cases about other things look at a broken device for
    /// as long as they like.
    pub(crate) recovers: Atomic<bool>,
}

impl Knobs {
    pub(super) fn new() -> Self {
        Self {
            storm: Atomic::new(false),
            find_errno: Atomic::new(0),
            finalize_errno: Atomic::new(0),
            null_queue: Atomic::new(u32::MAX),
            sticky_status: Atomic::new(false),
            refuse_features: Atomic::new(false),
            config_changes: Atomic::new(0),
            notify_fails: Atomic::new(false),
            stop_errno: Atomic::new(0),
            start_errno: Atomic::new(0),
            fail_maps: Atomic::new(false),
            rebind: Atomic::new(false),
            change_early: Atomic::new(false),
            walks_rings: Atomic::new(false),
            holds_start: Atomic::new(false),
            gone: Atomic::new(false),
            withdrawn: Atomic::new(0),
            ring_size: Atomic::new(0),
            slow: Atomic::new(false),
            patient: Atomic::new(false),
            recovers: Atomic::new(false),
        }
    }
}
