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
    dma::DmaAddress,
    net::skb::{
        DropReason,
        MappedSkb,
        SkBuff, //
    },
    prelude::*,
    sync::{
        barrier::{
            dma_mb,
            Read, //
        },
        spsc::{
            self,
            Consumer,
            Front,
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
        Words, //
    },
    hw::Hw,
    mac::Mac,
    regs,
    ring::Size,
    ring_dma::Descriptors,
    txplan::{
        self,
        Pieces,
        Plan, //
    }, //
};

/// What a packet needs of the card.
pub(crate) struct Request {
    /// How it is cut up.
    pub(crate) plan: Plan,
    /// The descriptor that comes before it.
    pub(crate) context: Option<Words>,
    /// The card segments it.
    pub(crate) tso: bool,
    /// The commands and options of each of its descriptors.
    pub(crate) fields: (u32, u32),
    /// The packets on the wire.
    pub(crate) segments: u16,
    /// The bytes on the wire.
    pub(crate) wire_bytes: u32,
}

/// A packet that the card has, or is about to get.
pub(crate) struct Sent<'bound> {
    /// The packet, until it is given up.
    pub(crate) skb: Option<MappedSkb<'bound>>,
    /// Its last descriptor, and how many there are.
    pub(crate) last: u16,
    pub(crate) descriptors: u16,
    /// The packets on the wire.
    pub(crate) segments: u16,
    /// The bytes on the wire.
    pub(crate) wire_bytes: u32,
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
    /// The commands that the last descriptor of a packet has besides.
    last: u32,
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
                    last: txplan::last(false),
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

        self.last = txplan::last(delay);
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

    /// Maps a packet and writes its descriptors, for which there is room.
    ///
    /// # Errors
    ///
    /// The packet comes back if it cannot be mapped; the ring is as before.
    #[inline]
    pub(crate) fn push(
        &mut self,
        skb: SkBuff,
        dev: &'bound device::Device<Bound>,
        request: &Request,
    ) -> Result<Pushed, Option<SkBuff>> {
        let Some(place) = self.packets.vacancy() else {
            return Err(Some(skb));
        };
        // The packet stays where it is from here on.
        let mut sent = place.fill(Sent {
            skb: Some(MappedSkb::new(skb, dev)),
            last: 0,
            descriptors: 0,
            segments: request.segments,
            wire_bytes: request.wire_bytes,
            time: jiffies::now(),
        });
        let mut writer = Writer::new(&self.descriptors, self.next_to_use, request.fields);
        let written = match &mut sent.skb {
            Some(skb) => writer.packet(skb, request, self.last),
            None => Err(EINVAL),
        };

        if written.is_err() {
            return Err(MappedSkb::take_from(&mut sent.skb));
        }

        let Writer { index, taken, .. } = writer;

        sent.last = writer.last;
        sent.descriptors = taken;
        // Whoever takes it out sees its descriptors as they were written above.
        sent.publish();
        self.next_to_use = index;
        Ok(Pushed {
            descriptors: taken,
            tail: index,
        })
    }
}

/// Who writes the descriptors of a packet.
struct Writer<'a> {
    descriptors: &'a Descriptors,
    /// The next one.
    index: u16,
    /// The last one, and the bytes that it covers.
    last: u16,
    bytes: u16,
    /// How many were written.
    taken: u16,
    /// The commands and options of each.
    lower: u32,
    upper: u32,
}

impl<'a> Writer<'a> {
    #[inline]
    fn new(descriptors: &'a Descriptors, index: u16, fields: (u32, u32)) -> Self {
        let (lower, upper) = fields;

        Self {
            descriptors,
            index,
            last: index,
            bytes: 0,
            taken: 0,
            lower,
            upper,
        }
    }

    /// Maps a packet, and writes all of its descriptors. `last`: what the last one has besides.
    #[inline]
    fn packet(&mut self, skb: &mut MappedSkb<'_>, request: &Request, last: u32) -> Result {
        let plan = &request.plan;

        if let Some(words) = request.context {
            self.descriptors.write(self.index, words)?;
            self.advance();
        }

        let head = skb.map_head()?;

        if plan.head_is_whole(head.length) {
            self.piece(head.address, head.length)?;
        } else {
            self.pieces(head.address, plan.head(head.length))?;
        }
        while let Some(part) = skb.map_frag() {
            let part = part?;
            let is_last = skb.is_mapped();

            if plan.frag_is_whole(part.length, is_last) {
                self.piece(part.address, part.length)?;
            } else {
                self.pieces(part.address, plan.frag(part.length, is_last))?;
            }
        }
        if self.bytes == 0 {
            return Err(EINVAL);
        }
        // Which one is the last is known only now.
        self.descriptors.write_second_half(
            self.last,
            desc::tx_lower(self.bytes, self.lower | last),
            desc::tx_upper(self.upper),
        )
    }

    /// Writes the descriptors of a part that takes several, or is to be cut.
    fn pieces(&mut self, address: DmaAddress, pieces: Pieces) -> Result {
        for (offset, bytes) in pieces {
            self.piece(address.wrapping_add(offset.into()), bytes.into())?;
        }
        Ok(())
    }

    /// Writes a descriptor of up to [`txplan::MAX_BYTES`], unless there are none.
    #[inline]
    fn piece(&mut self, address: DmaAddress, bytes: u32) -> Result {
        // The linear part can be empty.
        if bytes == 0 {
            return Ok(());
        }
        // CAST: See above.
        self.bytes = bytes as u16;
        self.descriptors.write(
            self.index,
            desc::tx(address, self.bytes, self.lower, self.upper),
        )?;
        self.advance();
        Ok(())
    }

    /// One was written.
    #[inline]
    fn advance(&mut self) {
        self.last = self.index;
        self.index = self.descriptors.size().next(self.index);
        self.taken = self.taken.wrapping_add(1);
    }
}

impl<'bound> Cleaner<'bound> {
    /// The next packet, if the card is done with it.
    #[inline]
    pub(crate) fn done(&mut self) -> Option<Front<'_, Sent<'bound>>> {
        let sent = self.packets.front_mut()?;
        let (_, status) = self.descriptors.read_second_half(sent.last).ok()?;

        if !tx_is_done(status) {
            return None;
        }
        // What the card has done comes before it says so.
        dma_mb(Read);
        Some(sent)
    }

    /// Remembers the last descriptor of the last packet that was taken out.
    #[inline]
    pub(crate) fn cleaned(&mut self, last: u16) {
        self.next_to_clean = self.descriptors.size().next(last);
    }

    /// Throws away all packets. The card does not use the ring, which starts over.
    pub(crate) fn empty(&mut self) {
        while let Some(mut sent) = self.packets.front_mut() {
            if let Some(skb) = MappedSkb::take_from(&mut sent.skb) {
                skb.drop_with(DropReason::QUEUE_PURGE);
            }
            sent.remove();
        }
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
            status: self.descriptors.read_second_half(sent.last).ok()?.1 & 0xff,
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
