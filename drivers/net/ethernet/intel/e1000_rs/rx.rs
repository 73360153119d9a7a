// SPDX-License-Identifier: GPL-2.0

//! The receive side of a card: its ring, which NAPI works with, and what is counted.

use kernel::{
    net::{
        napi::Poll,
        netdev::Device, //
    },
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Slot, //
    }, //
};

use super::{
    adapter::Adapter,
    hw::Hw,
    itr::Traffic,
    parameters,
    reception::Received,
    rx_ring::{
        RxRing,
        Settings, //
    },
    rxparse,
    E1000, //
};

/// The receive side of a card.
pub(crate) struct Rx<'bound> {
    /// The ring. NAPI works with it, or whoever has switched that off. Netpoll runs NAPI beside one
    /// that has begun before there was netpoll, and finds nothing then.
    ring: Slot<RxRing<'bound>>,
    /// The size of the buffers.
    buffer_size: Atomic<u32>,
}

impl<'bound> Rx<'bound> {
    /// A side without a ring.
    pub(crate) fn new() -> Self {
        Self {
            ring: Slot::new(None),
            buffer_size: Atomic::new(rxparse::MAX_VLAN_FRAME),
        }
    }

    /// The size of the buffers.
    pub(crate) fn buffer_size(&self) -> u32 {
        self.buffer_size.load(Relaxed)
    }

    /// Puts a ring into the place of another one. The card uses neither.
    pub(crate) fn replace(&self, ring: Option<KBox<RxRing<'bound>>>) {
        if let Some(ring) = &ring {
            self.buffer_size.store(ring.buffer_size.into(), Relaxed);
        }
        drop(self.ring.replace(ring));
    }

    /// Tells the card where the ring is, which has no buffers. `all`: bad frames are received too.
    pub(crate) fn program(&self, hw: &Hw<'_>, all: bool) {
        let buffer_size = self.with_ring(|ring| {
            ring.program(hw, all);
            ring.buffer_size
        });

        if let Some(buffer_size) = buffer_size {
            self.buffer_size.store(buffer_size.into(), Relaxed);
        }
    }

    /// Works with the ring, if there is one.
    #[inline]
    fn with_ring<R>(&self, f: impl FnOnce(&mut RxRing<'bound>) -> R) -> Option<R> {
        let mut ring = self.ring.take()?;
        let result = f(&mut ring);

        // If there is another one by now, it goes.
        let _ = self.ring.put_back(ring);
        Some(result)
    }

    /// Gives buffers to the card. NAPI is disabled.
    pub(crate) fn refill(&self, adapter: &Adapter<'bound>) {
        self.with_ring(|ring| {
            ring.refill(&adapter.hw, None);
            if ring.trouble.is_some() {
                adapter.count_trouble(ring);
            }
        });
    }

    /// Takes the buffers back. The card does not use the ring, and NAPI is disabled.
    pub(crate) fn empty(&self, hw: &Hw<'_>) {
        self.with_ring(|ring| ring.empty(hw));
    }
}

impl<'bound> Adapter<'bound> {
    /// Passes on what was received, and returns what that was.
    #[inline]
    pub(crate) fn clean_rx(&self, dev: &Device<'bound, E1000>, poll: &mut Poll<'_>) -> Traffic {
        let settings = Settings {
            copybreak: parameters::copybreak.value(),
            features: dev.features() & Settings::FEATURES,
        };
        let traffic = self.rx.with_ring(|ring| {
            let Received { traffic, csum_good } = ring.receive(&self.hw, poll, settings);
            let counts = &self.counts;

            // Nobody else counts while the ring is not in its place.
            if traffic.packets != 0 {
                counts.rx_packets.add(traffic.packets.into());
                counts.rx_bytes.add(traffic.bytes.into());
            }
            if csum_good != 0 {
                counts.csum_good.add(csum_good.into());
            }
            if ring.trouble.is_some() {
                self.count_trouble(ring);
            }
            traffic
        });

        traffic.unwrap_or_default()
    }

    /// Counts what went wrong with a ring since the last time.
    #[cold]
    fn count_trouble(&self, ring: &mut RxRing<'bound>) {
        let trouble = ring.trouble.take().unwrap_or_default();
        let counts = &self.counts;

        counts.csum_bad.add(trouble.csum_bad.into());
        counts.rx_dropped.add(trouble.dropped.into());
        counts.alloc_failed.add(trouble.alloc_failed.into());
    }
}
