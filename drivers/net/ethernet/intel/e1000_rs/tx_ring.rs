// SPDX-License-Identifier: GPL-2.0

//! The transmit ring: packets that the card has, and their descriptors.

use kernel::{
    device::{
        self,
        Bound, //
    },
    net::skb::MappedSkb,
    prelude::*,
    sync::barrier::{
        dma_mb,
        Read, //
    },
    time::{
        jiffies,
        Jiffies, //
    }, //
};

use super::{
    desc::{
        self,
        tx_is_done,
        Context,
        TX_STATUS_WORD, //
    },
    hw::Hw,
    mac::Mac,
    regs,
    ring::Size,
    ring_dma::Descriptors,
    txplan::{
        Offload,
        Plan, //
    }, //
};

/// A packet that the card has.
pub(crate) struct Sent<'bound> {
    pub(crate) skb: MappedSkb<'bound>,
    /// Its last descriptor.
    pub(crate) last: u16,
    /// The packets on the wire.
    pub(crate) segments: u16,
    /// The bytes on the wire.
    pub(crate) wire_bytes: u32,
    /// The bytes of the packet, which the byte queue limits count.
    pub(crate) bytes: u32,
    /// When it was given to the card.
    time: Jiffies,
}

/// A transmit ring.
pub(crate) struct TxRing<'bound> {
    descriptors: Descriptors,
    /// The packets, each at the place of its first descriptor.
    packets: KVVec<Option<Sent<'bound>>>,
    pub(crate) next_to_use: u16,
    next_to_clean: u16,
    /// Interrupts may be delayed.
    delay: bool,
}

impl<'bound> TxRing<'bound> {
    /// Makes an empty ring.
    ///
    /// # Errors
    ///
    /// - [`ENOMEM`].
    pub(crate) fn new(dev: &device::Device<Bound>, mac: Mac, size: Size) -> Result<KBox<Self>> {
        let mut packets = KVVec::with_capacity(size.count().into(), GFP_KERNEL)?;

        for _ in 0..size.count() {
            packets.push(None, GFP_KERNEL)?;
        }
        Ok(KBox::new(
            Self {
                descriptors: Descriptors::new(dev, mac, size)?,
                packets,
                next_to_use: 0,
                next_to_clean: 0,
                delay: false,
            },
            GFP_KERNEL,
        )?)
    }

    /// Tells the card where the ring is, which is empty. `delay`: interrupts may come later.
    pub(crate) fn program(&mut self, hw: &Hw<'_>, delay: bool) {
        let address = self.descriptors.dma_address();

        self.delay = delay;
        hw.write(regs::TDLEN, self.descriptors.register_bytes());
        // CAST: The halves are meant.
        hw.write(regs::TDBAH, (address >> 32) as u32);
        hw.write(regs::TDBAL, address as u32);
        hw.write(regs::TDT, 0);
        hw.write(regs::TDH, 0);
    }

    fn size(&self) -> Size {
        self.descriptors.size()
    }

    /// Whether the card has packets.
    pub(crate) fn has_packets(&self) -> bool {
        self.next_to_clean != self.next_to_use
    }

    /// How many descriptors are free.
    #[inline]
    pub(crate) fn unused(&self) -> u16 {
        self.size().unused(self.next_to_clean, self.next_to_use)
    }

    /// Writes the descriptors of a packet. There is room for them.
    ///
    /// # Errors
    ///
    /// None that can happen; the ring is as before.
    #[inline]
    pub(crate) fn push(
        &mut self,
        skb: MappedSkb<'bound>,
        plan: &Plan,
        context: Option<Context>,
        offload: &Offload,
        counts: (u16, u32),
    ) -> Result<(), MappedSkb<'bound>> {
        let size = self.size();
        let first = self.next_to_use;
        let mut index = first;
        let mut last = first;

        if let Some(context) = context {
            if self.descriptors.write(index, context.to_words()).is_err() {
                return Err(skb);
            }
            index = size.next(index);
        }

        let (lower, upper) = offload.fields();
        let parts = skb.parts().count();
        // The last descriptor is written when it is known to be the last one.
        let mut pending: Option<(u16, u64, u16)> = None;

        for (i, part) in skb.parts().enumerate() {
            let Ok(length) = u32::try_from(part.length) else {
                return Err(skb);
            };
            let pieces = if i == 0 {
                plan.head(length)
            } else {
                plan.frag(length, i + 1 == parts)
            };

            for (offset, len) in pieces {
                let address = part.address.wrapping_add(offset.into());

                if let Some((at, address, len)) = pending.replace((index, address, len)) {
                    if self
                        .descriptors
                        .write(at, desc::tx(address, len, lower, upper))
                        .is_err()
                    {
                        return Err(skb);
                    }
                }
                last = index;
                index = size.next(index);
            }
        }

        let Some((at, address, len)) = pending else {
            return Err(skb);
        };
        let lower = lower | offload.last(self.delay);

        if self
            .descriptors
            .write(at, desc::tx(address, len, lower, upper))
            .is_err()
        {
            return Err(skb);
        }

        let (segments, wire_bytes) = counts;
        let bytes = u32::try_from(skb.skb().len()).unwrap_or(u32::MAX);
        let Some(slot) = self.packets.get_mut(usize::from(first)) else {
            return Err(skb);
        };

        *slot = Some(Sent {
            skb,
            last,
            segments,
            wire_bytes,
            bytes,
            time: jiffies::now(),
        });
        self.next_to_use = index;
        Ok(())
    }

    /// Takes the next packet out, if the card is done with it.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Sent<'bound>> {
        let slot = self.packets.get_mut(usize::from(self.next_to_clean))?;
        let last = slot.as_ref()?.last;
        let status = self.descriptors.read(last, TX_STATUS_WORD).ok()?;

        if !tx_is_done(status) {
            return None;
        }
        // What the card has done comes before it says so.
        dma_mb(Read);

        let sent = slot.take();

        self.next_to_clean = self.size().next(last);
        sent
    }

    /// Takes the next packet out, whether the card has sent it or not: it does not use the ring.
    /// After the last one, the ring is as new.
    pub(crate) fn take(&mut self) -> Option<Sent<'bound>> {
        let slot = self.packets.get_mut(usize::from(self.next_to_clean));
        let sent = slot.and_then(Option::take);

        match &sent {
            Some(sent) => self.next_to_clean = self.size().next(sent.last),
            None => {
                self.next_to_use = 0;
                self.next_to_clean = 0;
            }
        }
        sent
    }

    /// The next packet, if the card has had it for longer than `patience`.
    pub(crate) fn stuck(&self, patience: Jiffies) -> Option<Stuck> {
        let sent = self
            .packets
            .get(usize::from(self.next_to_clean))?
            .as_ref()?;
        let now = jiffies::now();

        if !jiffies::is_after(now, sent.time.wrapping_add(patience)) {
            return None;
        }
        Some(Stuck {
            next_to_use: self.next_to_use,
            next_to_clean: self.next_to_clean,
            last: sent.last,
            time: sent.time,
            now,
            status: self.descriptors.read(sent.last, TX_STATUS_WORD).ok()? & 0xff,
        })
    }
}

/// What is said of a packet that is not sent.
pub(crate) struct Stuck {
    pub(crate) next_to_use: u16,
    pub(crate) next_to_clean: u16,
    pub(crate) last: u16,
    pub(crate) time: Jiffies,
    pub(crate) now: Jiffies,
    pub(crate) status: u32,
}
