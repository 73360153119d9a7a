// SPDX-License-Identifier: GPL-2.0

//! The transmit ring: packets that the card has, and their descriptors.
//!
//! It has two sides, which know nothing of each other but which packets there are: who sends fills
//! it, and NAPI empties it. How many descriptors are free is counted by [`Tx`](super::tx::Tx).

use kernel::{
    device::{
        self,
        Bound, //
    },
    net::skb::MappedSkb,
    prelude::*,
    sync::{
        barrier::{
            dma_mb,
            Read, //
        },
        spsc::{
            self,
            Consumer,
            Producer, //
        },
        Arc, //
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
    /// Its last descriptor, and how many there are.
    last: u16,
    pub(crate) descriptors: u16,
    /// The packets on the wire.
    pub(crate) segments: u16,
    /// The bytes on the wire.
    pub(crate) wire_bytes: u32,
    /// The bytes of the packet, which the byte queue limits count.
    pub(crate) bytes: u32,
    /// When it was given to the card.
    time: Jiffies,
}

/// What was written for a packet.
pub(crate) struct Pushed {
    /// How many descriptors it takes.
    pub(crate) descriptors: u16,
    /// The descriptor after the last one, which is what the card is told.
    pub(crate) tail: u16,
}

/// The side of who sends.
pub(crate) struct Filler<'bound> {
    descriptors: Arc<Descriptors>,
    packets: Producer<Sent<'bound>>,
    next_to_use: u16,
    /// Interrupts may be delayed.
    delay: bool,
}

/// The side of NAPI.
pub(crate) struct Cleaner<'bound> {
    descriptors: Arc<Descriptors>,
    packets: Consumer<Sent<'bound>>,
    next_to_clean: u16,
}

/// A transmit ring.
pub(crate) struct TxRing<'bound> {
    pub(crate) filler: KBox<Filler<'bound>>,
    pub(crate) cleaner: KBox<Cleaner<'bound>>,
    pub(crate) size: Size,
}

impl<'bound> TxRing<'bound> {
    /// Makes an empty ring.
    ///
    /// # Errors
    ///
    /// - [`ENOMEM`].
    pub(crate) fn new(dev: &device::Device<Bound>, mac: Mac, size: Size) -> Result<Self> {
        let descriptors = Arc::new(Descriptors::new(dev, mac, size)?, GFP_KERNEL)?;
        // None has more packets than descriptors.
        let (producer, consumer) = spsc::queue(size.count().into(), GFP_KERNEL)?;

        Ok(Self {
            filler: KBox::new(
                Filler {
                    descriptors: descriptors.clone(),
                    packets: producer,
                    next_to_use: 0,
                    delay: false,
                },
                GFP_KERNEL,
            )?,
            cleaner: KBox::new(
                Cleaner {
                    descriptors,
                    packets: consumer,
                    next_to_clean: 0,
                },
                GFP_KERNEL,
            )?,
            size,
        })
    }
}

impl<'bound> Filler<'bound> {
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

    /// Starts over, after the ring was emptied.
    pub(crate) fn reset(&mut self) {
        self.next_to_use = 0;
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
    ) -> Result<Pushed, MappedSkb<'bound>> {
        let size = self.descriptors.size();
        let mut index = self.next_to_use;
        let mut taken = 0u16;
        let mut last = index;

        if let Some(context) = context {
            if self.descriptors.write(index, context.to_words()).is_err() {
                return Err(skb);
            }
            index = size.next(index);
            taken += 1;
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
                taken += 1;
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
        let sent = Sent {
            skb,
            last,
            descriptors: taken,
            segments,
            wire_bytes,
            bytes,
            time: jiffies::now(),
        };

        // Whoever takes it out sees its descriptors as they were written above.
        self.packets.push(sent).map_err(|sent| sent.skb)?;
        self.next_to_use = index;
        Ok(Pushed {
            descriptors: taken,
            tail: index,
        })
    }
}

impl<'bound> Cleaner<'bound> {
    /// Takes the next packet out, if the card is done with it.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Sent<'bound>> {
        let last = self.packets.front()?.last;
        let status = self.descriptors.read(last, TX_STATUS_WORD).ok()?;

        if !tx_is_done(status) {
            return None;
        }
        // What the card has done comes before it says so.
        dma_mb(Read);
        self.take()
    }

    /// Takes the next packet out, whether the card has sent it or not.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<Sent<'bound>> {
        let sent = self.packets.pop()?;

        self.next_to_clean = self.descriptors.size().next(sent.last);
        Some(sent)
    }

    /// Starts over, after the ring was emptied.
    pub(crate) fn reset(&mut self) {
        self.next_to_clean = 0;
    }

    /// The next packet, if the card has had it for longer than `patience`.
    pub(crate) fn stuck(&self, patience: Jiffies) -> Option<Stuck> {
        let sent = self.packets.front()?;
        let now = jiffies::now();

        if !jiffies::is_after(now, sent.time.wrapping_add(patience)) {
            return None;
        }
        Some(Stuck {
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
    pub(crate) next_to_clean: u16,
    pub(crate) last: u16,
    pub(crate) time: Jiffies,
    pub(crate) now: Jiffies,
    pub(crate) status: u32,
}
