// SPDX-License-Identifier: GPL-2.0

//! What is looked at every two seconds: the link, the counters of the card, and whether it hangs
//! (C: `e1000_watchdog`, `e1000_update_stats`, `e1000_reset_task`).

use kernel::{
    net::netdev::{
        message::MessageLevel,
        Device,
        Statistics, //
    },
    netdev_err,
    prelude::*,
    sync::{
        atomic::{
            Full,
            Relaxed, //
        },
        ArcBorrow, //
    },
    time::Msecs,
    workqueue::ScopedWorkItem, //
};

use super::{
    adapter::{
        Adapter,
        RESET,
        WATCHDOG, //
    },
    link::{
        flow_control_name,
        Link, //
    },
    phy::{
        self,
        gs, //
    },
    regs::{
        self,
        icr,
        tctl, //
    },
    stats::{
        Counter,
        Counters, //
    },
    tx_ring::Stuck,
    E1000, //
};

/// The time between two looks.
const PERIOD: Msecs = 2000;

impl ScopedWorkItem<WATCHDOG> for Adapter<'_> {
    fn run(this: ArcBorrow<'_, Self>) {
        // What is told from here on is looked at again.
        this.link_told.xchg(false, Full);
        if this.look() && !this.is_down() {
            this.watchdog.queue_after(PERIOD);
        }
    }
}

impl ScopedWorkItem<RESET> for Adapter<'_> {
    fn run(this: ArcBorrow<'_, Self>) {
        // Nobody waits for this work under RTNL: when the device is going away, there is nothing
        // to be reset.
        this.netdev.with_rtnl(|dev, rtnl| {
            if this.logs(MessageLevel::DRV) {
                netdev_err!(dev, "Reset adapter\n");
            }
            if dev.is_running() && !this.is_down() {
                this.down(dev, rtnl);
                this.up(dev, rtnl);
            }
        });
    }
}

impl<'bound> Adapter<'bound> {
    /// Lets the card be reset, as it hangs. May be called in any context.
    pub(crate) fn hang(&self) {
        self.statistics.lock().own.tx_timeout_count += 1;
        self.reset_work.queue();
    }

    /// Looks at the card. Returns whether to look again.
    fn look(&self) -> bool {
        let link = self.has_link();
        let link = link.then(|| self.hw.link());

        // What is said to the stack is said at once; nothing here may sleep.
        let Some(was_up) = self.netdev.access().map(|dev| dev.carrier_ok()) else {
            // It was opened while it is still being registered, or will be closed.
            return true;
        };

        match link {
            Some(link) if !was_up => self.link_up(link),
            None if was_up => self.link_down(),
            _ => {}
        }
        self.ask_phy();
        self.update_statistics();
        self.adapt();
        if link.is_none() && self.tx.has_packets() {
            // They will not be sent any more, so they are thrown away.
            self.hang();
            return false;
        }
        // Whatever has been missed is seen to.
        self.hw.write(regs::ICS, icr::RXDMT0);
        self.tx.watch_for_hang();
        true
    }

    /// Whether there is a link. Has to be called again for changes to be noticed.
    pub(crate) fn has_link(&self) -> bool {
        self.hw.has_link(&mut self.config.lock().link)
    }

    fn link_up(&self, link: Link) {
        let flow_control = flow_control_name(self.hw.flow_control());

        {
            let mut seen = self.seen.lock();

            seen.link = Some(link);
            seen.ask_phy = true;
        }
        self.gigabit.store(link.mbps == 1000, Relaxed);
        self.tx.set_hang_seconds(link.hang_seconds());
        self.hw.modify(regs::TCTL, 0, tctl::EN);
        if let Some(dev) = self.netdev.access() {
            pr_info!(
                "{} NIC Link is Up {} Mbps {}, Flow Control: {}\n",
                dev.name(),
                link.mbps,
                link.duplex_name(),
                flow_control
            );
            // In this order: a queue with a carrier that has been stopped for long is taken to be
            // stuck.
            dev.trans_update();
            dev.carrier_on();
            dev.wake_queue();
        }
    }

    fn link_down(&self) {
        self.seen.lock().link = None;
        self.gigabit.store(false, Relaxed);
        if let Some(dev) = self.netdev.access() {
            pr_info!("{} NIC Link is Down\n", dev.name());
            dev.carrier_off();
        }
    }

    /// Asks the PHY what it has found out of a link that is two seconds old
    /// (C: `e1000_update_phy_info_task`).
    fn ask_phy(&self) {
        let mut seen = self.seen.lock();

        if seen.link.is_none() {
            return;
        }
        if core::mem::take(&mut seen.ask_phy) {
            drop(seen);
            self.crossed.store(self.hw.is_crossed(), Relaxed);
        }
    }

    /// Adds up what the card and the PHY have counted (C: `e1000_update_stats`). May sleep.
    pub(crate) fn update_statistics(&self) {
        let Some(link) = self.seen.lock().link else {
            return;
        };

        if self.pdev.is_channel_offline() {
            return;
        }

        // What the PHY does not tell is not counted.
        let idle = match link.mbps {
            1000 => self.hw.read_phy(phy::GIGABIT_STATUS).unwrap_or(0) & gs::IDLE_ERRORS,
            _ => 0,
        };
        let receive = self.hw.read_phy(phy::M88_RX_ERRORS).unwrap_or(0);
        let mut statistics = self.statistics.lock();
        let [all_idle, all_receive] = &mut statistics.phy;

        *all_idle = all_idle.wrapping_add(idle.into());
        *all_receive = all_receive.wrapping_add(receive.into());
        statistics.card.accumulate(|offset| self.hw.read(offset));
    }

    /// Adapts to the traffic since the last look.
    fn adapt(&self) {
        let (packets, collisions, rx_bytes, tx_bytes) = {
            let statistics = self.statistics.lock();
            let card = &statistics.card;

            (
                card.get(Counter::Tpt),
                card.get(Counter::Colc),
                card.rx_bytes(),
                card.tx_bytes(),
            )
        };
        let mut seen = self.seen.lock();
        let since = |now: u64, then: &mut u64| now.wrapping_sub(core::mem::replace(then, now));
        let packets = since(packets, &mut seen.packets);
        let collisions = since(collisions, &mut seen.collisions);
        let bytes = |bytes: u64| u32::try_from(bytes).unwrap_or(u32::MAX);
        let rx_bytes = bytes(since(rx_bytes, &mut seen.rx_bytes));
        let tx_bytes = bytes(since(tx_bytes, &mut seen.tx_bytes));

        if let Some(value) = seen.spacing.update(packets, collisions) {
            self.hw.write(regs::AIT, value);
        }
        drop(seen);

        let throttle = self.throttle();

        self.change_throttle(throttle, throttle.simplified(tx_bytes, rx_bytes));
    }

    /// Tells the stack what was counted.
    pub(crate) fn tell_statistics(&self, to: &mut Statistics) {
        let counts = &self.counts;

        to.rx_packets = counts.rx_packets.get();
        to.rx_bytes = counts.rx_bytes.get();
        to.rx_dropped = counts.rx_dropped.get();
        to.tx_packets = counts.tx_packets.get();
        to.tx_bytes = counts.tx_bytes.get();
        to.tx_dropped = counts.tx_dropped.get();

        let statistics = self.statistics.lock();
        let card: &Counters = &statistics.card;

        to.multicast = card.get(Counter::Mprc);
        to.collisions = card.get(Counter::Colc);
        to.rx_errors = card.rx_errors();
        to.rx_length_errors = card.rx_length_errors();
        to.rx_crc_errors = card.get(Counter::Crcerrs);
        to.rx_frame_errors = card.get(Counter::Algnerrc);
        to.rx_missed_errors = card.get(Counter::Mpc);
        to.tx_errors = card.tx_errors();
        to.tx_aborted_errors = card.get(Counter::Ecol);
        to.tx_window_errors = card.get(Counter::Latecol);
        to.tx_carrier_errors = card.get(Counter::Tncrs);
    }

    /// Says that a packet was not sent for a second and more, and stops the queue; the watchdog of
    /// the stack does the rest.
    pub(crate) fn report_hang(&self, dev: &Device<'bound, E1000>, stuck: &Stuck, next_to_use: u32) {
        // Stopping it again would put off the timeout, which has the card reset.
        if !dev.queue_stopped() {
            dev.stop_queue();
        }
        if !self.logs(MessageLevel::DRV) {
            return;
        }
        netdev_err!(
            dev,
            "Detected Tx Unit Hang\n  Tx Queue             <0>\n  TDH                  <{:x}>\n  \
             TDT                  <{:x}>\n  next_to_use          <{:x}>\n  \
             next_to_clean        <{:x}>\nbuffer_info[next_to_clean]\n  \
             time_stamp           <{:x}>\n  next_to_watch        <{:x}>\n  \
             jiffies              <{:x}>\n  next_to_watch.status <{:x}>\n",
            self.hw.read(regs::TDH),
            self.hw.read(regs::TDT),
            next_to_use,
            stuck.next_to_clean,
            stuck.time,
            stuck.last,
            stuck.now,
            stuck.status
        );
    }
}
