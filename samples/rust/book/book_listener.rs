// SPDX-License-Identifier: GPL-2.0

//! A network device that swallows what is sent, and tells `ethtool` what it was.

#![deny(unsafe_code)]

use kernel::{
    device::{
        scope::Scope,
        Bound,
        Device, //
    },
    faux::lifecycle,
    net::{
        ethtool,
        napi::{
            Poll,
            Polled, //
        },
        netdev::{
            self,
            NewDevice,
            Operations,
            Registration,
            Rtnl,
            Xmit, //
        },
        skb::{
            Busy,
            SkBuff, //
        }, //
    },
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

/// Where the type is in an Ethernet frame.
const TYPE: usize = 12;

/// What is counted: names, and the types of frames. The last one has all others.
const NAMES: [&str; 4] = ["arp", "ipv4", "ipv6", "other"];
const TYPES: [[u8; 2]; 3] = [[0x08, 0x06], [0x08, 0x00], [0x86, 0xdd]];

struct Listener;

/// How many there were of each.
struct Counts([Atomic<u64>; NAMES.len()]);

impl Counts {
    fn new() -> Self {
        Self([const { Atomic::new(0) }; NAMES.len()])
    }

    fn count(&self, skb: &SkBuff) {
        let mut found = [0; 2];
        // A frame that is too short to have a type has none that is known.
        let known = match skb.copy_bits(TYPE, &mut found) {
            Ok(()) => TYPES.iter().position(|kind| *kind == found),
            Err(_) => None,
        };

        if let Some(counter) = self.0.get(known.unwrap_or(TYPES.len())) {
            counter.fetch_add(1, Relaxed);
        }
    }
}

#[vtable]
impl Operations for Listener {
    type Data<'bound> = Counts;

    fn open<'bound>(dev: &netdev::Device<'bound, Self>, _rtnl: &Rtnl) -> Result {
        dev.start_queue();
        Ok(())
    }

    fn stop<'bound>(dev: &netdev::Device<'bound, Self>, _rtnl: &Rtnl) {
        dev.tx_disable();
    }

    fn start_xmit<'bound>(
        dev: &netdev::Device<'bound, Self>,
        _xmit: Xmit<'_>,
        skb: SkBuff,
    ) -> Result<(), Busy> {
        dev.data().count(&skb);
        skb.consume();
        Ok(())
    }

    // Nothing is received, and nobody schedules this.
    fn poll<'bound>(_dev: &netdev::Device<'bound, Self>, poll: Poll<'_>) -> Polled {
        poll.complete(|| ())
    }
}

#[vtable]
impl ethtool::Operations for Listener {
    const STATISTICS: &'static [&'static str] = &NAMES;

    fn get_ethtool_stats<'bound>(
        dev: &netdev::Device<'bound, Self>,
        _rtnl: &Rtnl,
        statistics: &mut [u64],
    ) {
        for (to, counter) in statistics.iter_mut().zip(&dev.data().0) {
            *to = counter.load(Relaxed);
        }
    }
}

struct TheDriver;

impl lifecycle::Driver for TheDriver {
    type Data<'bound> = Registration<'bound, Listener>;

    fn probe<'bound>(
        dev: &'bound Device<Bound>,
        scope: &'bound Scope<'bound>,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound {
        let mut new = NewDevice::new(dev, |_handle| Ok::<_, Error>(Counts::new()))?;

        new.set_address(&[2, 0, 0, 0, 0, 1]);
        new.set_ethtool_ops();
        new.register(scope)
    }
}

kernel::module_faux_driver! {
    type: TheDriver,
    name: "book_listener",
    authors: ["The linux-virtio-rs developers"],
    description: "A network device that swallows what is sent, and counts it",
    license: "GPL",
}
