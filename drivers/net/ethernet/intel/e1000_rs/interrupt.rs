// SPDX-License-Identifier: GPL-2.0

//! Interrupts, how often they come, and what is done for one (C: `e1000_intr`, `e1000_clean`).

use kernel::{
    irq::{
        Handler,
        IrqReturn, //
    },
    net::{
        napi::{
            Poll,
            Polled, //
        },
        netdev::Device, //
    },
    sync::{
        atomic::Relaxed,
        barrier::{
            mb,
            Full, //
        }, //
    }, //
};

use super::{
    adapter::Adapter,
    itr::{
        Throttle,
        Traffic, //
    },
    regs::{
        self,
        icr, //
    },
    E1000, //
};

/// In how many milliseconds the link is looked at after an interrupt has told that it changed.
const LINK_DELAY: u32 = 1;

impl Handler for Adapter<'_> {
    fn handle(&self) -> IrqReturn {
        if self.interrupt() {
            IrqReturn::Handled
        } else {
            IrqReturn::None
        }
    }
}

impl<'bound> Adapter<'bound> {
    /// Does what an interrupt does, without one.
    pub(crate) fn poll_without_interrupt(&self) {
        // Netpoll may be called where nobody waits for a lock. It comes again.
        let Some(slot) = self.irq.try_lock() else {
            return;
        };
        let Some(irq) = &*slot else {
            return;
        };
        let (disabled, idle) = irq.disable_hardirq();

        if idle {
            self.interrupt();
        }
        drop(disabled);
    }

    /// Handles an interrupt (C: `e1000_intr`). Returns whether it was ours.
    #[inline]
    fn interrupt(&self) -> bool {
        let causes = self.hw.read_known::<{ regs::ICR }>();

        if causes == 0 {
            return false;
        }
        // The read has cleared them.
        if self.is_down() {
            return true;
        }
        if causes & (icr::RXSEQ | icr::LSC) != 0 {
            self.hw.set_link_changed();
            // Once, as a card that tells it again and again would put off the watchdog for ever.
            if !self.link_told.xchg(true, Full) {
                self.watchdog.modify(LINK_DELAY);
            }
        }
        self.hw.irq_disable();
        if !self.netdev.napi_schedule() && !self.is_down() {
            self.hw.irq_enable();
        }
        true
    }

    /// The limit of interrupts.
    #[inline]
    pub(crate) fn throttle(&self) -> Throttle {
        Throttle::from_word(self.throttle.load(Relaxed))
    }

    /// Sets the limit of interrupts. The card is to be told, if it is up.
    pub(crate) fn set_throttle(&self, throttle: Throttle) {
        self.throttle.store(throttle.to_word(), Relaxed);
    }

    /// Tells the card of the limit.
    #[cold]
    pub(crate) fn program_throttle(&self) {
        let mut throttle = self.throttle();

        loop {
            self.hw.write(regs::ITR, throttle.register());
            // Whoever sets another limit tells the card afterwards, and has to be the last one who
            // does.
            mb(Full);

            let now = self.throttle();

            if now.register() == throttle.register() {
                break;
            }
            throttle = now;
        }
    }

    /// Changes the limit from what it was, unless somebody has set another one.
    #[cold]
    pub(crate) fn change_throttle(&self, before: Throttle, after: Throttle) {
        let changed = self
            .throttle
            .cmpxchg(before.to_word(), after.to_word(), Relaxed);

        if changed.is_ok() && after.register() != before.register() {
            self.program_throttle();
        }
    }

    /// Keeps the traffic of a run of NAPI after which there is no interrupt.
    ///
    /// That of another run at the same time, as netpoll can make one, may get lost.
    #[inline(never)]
    fn keep_traffic(&self, mut tx: Traffic, mut rx: Traffic) {
        self.take_traffic(&mut tx, &mut rx);

        let sums = [tx.packets, tx.bytes, rx.packets, rx.bytes];

        for (kept, sum) in self.traffic.iter().zip(sums) {
            kept.store(sum, Relaxed);
        }
    }

    /// Adds the traffic of earlier runs, and forgets it.
    #[inline]
    fn take_traffic(&self, tx: &mut Traffic, rx: &mut Traffic) {
        let [tx_packets, tx_bytes, rx_packets, rx_bytes] = &self.traffic;

        for (traffic, packets, bytes) in [(tx, tx_packets, tx_bytes), (rx, rx_packets, rx_bytes)] {
            if packets.load(Relaxed) != 0 {
                traffic.add(packets.load(Relaxed), bytes.load(Relaxed));
                packets.store(0, Relaxed);
                bytes.store(0, Relaxed);
            }
        }
    }

    /// Adapts the limit of interrupts to the traffic, and switches them on.
    #[inline]
    fn rearm(&self, mut tx: Traffic, mut rx: Traffic) {
        let before = self.throttle();

        self.take_traffic(&mut tx, &mut rx);

        let after = before.after(self.is_gigabit(), tx, rx);

        if after != before {
            self.change_throttle(before, after);
        }
        if !self.is_down() {
            self.hw.irq_enable();
        }
    }

    /// Does the work of an interrupt (C: `e1000_clean`).
    #[inline]
    pub(crate) fn poll(&self, dev: &Device<'bound, E1000>, mut poll: Poll<'_>) -> Polled {
        let (all_sent, tx) = self.clean_tx(dev, &poll);
        let rx = self.clean_rx(dev, &mut poll);
        let mut is_rearmed = false;

        let polled = if all_sent {
            poll.complete(|| {
                is_rearmed = true;
                self.rearm(tx, rx);
            })
        } else {
            poll.again()
        };

        if !is_rearmed {
            self.keep_traffic(tx, rx);
        }
        polled
    }
}
