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
    sync::atomic::Relaxed, //
};

use super::{
    adapter::Adapter,
    itr::Traffic,
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
        let slot = self.irq.lock();
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
            self.watchdog.modify(LINK_DELAY);
        }
        self.hw.irq_disable();
        let scheduled = self.netdev.napi_schedule_with(|| {
            for count in &self.traffic {
                count.store(0, Relaxed);
            }
        });
        if !scheduled && !self.is_down() {
            self.hw.irq_enable();
        }
        true
    }

    /// Counts traffic for the limit of interrupts.
    #[inline]
    pub(crate) fn add_traffic(&self, receive: bool, packets: u32, bytes: u32) {
        let [tx_packets, tx_bytes, rx_packets, rx_bytes] = &self.traffic;
        let (all_packets, all_bytes) = if receive {
            (rx_packets, rx_bytes)
        } else {
            (tx_packets, tx_bytes)
        };

        all_packets.store(all_packets.load(Relaxed).wrapping_add(packets), Relaxed);
        all_bytes.store(all_bytes.load(Relaxed).wrapping_add(bytes), Relaxed);
    }

    /// Adapts the limit of interrupts to the traffic, and switches them on.
    #[inline]
    pub(crate) fn rearm(&self) {
        let mut throttle = self.throttle.lock();

        if throttle.is_dynamic() {
            let [tx_packets, tx_bytes, rx_packets, rx_bytes] =
                self.traffic.each_ref().map(|count| count.load(Relaxed));
            let traffic = |packets, bytes| Traffic { packets, bytes };

            if let Some(value) = throttle.update(
                self.is_gigabit(),
                traffic(tx_packets, tx_bytes),
                traffic(rx_packets, rx_bytes),
            ) {
                self.hw.write_known::<{ regs::ITR }>(value);
            }
        }
        drop(throttle);
        if !self.is_down() {
            self.hw.irq_enable();
        }
    }

    /// Does the work of an interrupt (C: `e1000_clean`).
    #[inline]
    pub(crate) fn poll(&self, dev: &Device<'bound, E1000>, mut poll: Poll<'_>) -> Polled {
        let all_sent = self.clean_tx(dev, &poll);

        self.clean_rx(dev, &mut poll);
        if !all_sent {
            return poll.again();
        }
        poll.complete(|| self.rearm())
    }
}
