// SPDX-License-Identifier: GPL-2.0

//! The card tests itself (C: `e1000_diag_test`).

use kernel::{
    dma::streaming::{
        FromDevice,
        Mapping,
        ToDevice, //
    },
    irq::{
        self,
        Handler,
        IrqReturn,
        ScopedRegistration, //
    },
    net::{
        ethtool::SelfTest,
        netdev::{
            message::MessageLevel,
            Device,
            Rtnl, //
        }, //
    },
    netdev_err,
    netdev_info,
    new_condvar,
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        barrier::{
            dma_mb,
            Read, //
        },
        Arc,
        CondVarTimeoutResult, //
    },
    time::msecs_to_jiffies, //
};
use pin_init::stack_pin_init;

use super::{
    adapter::Adapter,
    desc::{
        self,
        tx_cmd,
        RxDone, //
    },
    eeprom,
    filter::HashBits,
    hw::msleep,
    phy::{
        self,
        cr, //
    },
    regs::{
        self,
        ctrl,
        rctl,
        tctl, //
    },
    ring::Size,
    ring_dma::Descriptors,
    E1000, //
};

/// What the tests are called.
pub(crate) const NAMES: [&str; 5] = [
    "Register test  (offline)",
    "Eeprom test    (offline)",
    "Interrupt test (offline)",
    "Loopback test  (offline)",
    "Link test   (on/offline)",
];

/// The results of the tests, in the order of [`NAMES`]: 0 is good.
#[derive(Default)]
struct Results {
    registers: u64,
    eeprom: u64,
    interrupt: u64,
    loopback: u64,
    link: u64,
}

/// Registers that are written with patterns: offset, what can be read back, what is written.
const PATTERNS: [(usize, u32, u32); 14] = [
    (regs::FCAL, 0xffff_ffff, 0xffff_ffff),
    (regs::FCAH, 0x0000_ffff, 0xffff_ffff),
    (regs::FCT, 0x0000_ffff, 0xffff_ffff),
    (regs::VET, 0x0000_ffff, 0xffff_ffff),
    (regs::RDTR, 0x0000_ffff, 0xffff_ffff),
    (regs::RDBAH, 0xffff_ffff, 0xffff_ffff),
    (regs::RDLEN, 0x000f_ff80, 0x000f_ffff),
    (regs::RDH, 0x0000_ffff, 0x0000_ffff),
    (regs::RDT, 0x0000_ffff, 0x0000_ffff),
    (regs::FCRTH, 0x0000_fff8, 0x0000_fff8),
    (regs::FCTTV, 0x0000_ffff, 0x0000_ffff),
    (regs::TIPG, 0x3fff_ffff, 0x3fff_ffff),
    (regs::TDBAH, 0xffff_ffff, 0xffff_ffff),
    (regs::TDLEN, 0x000f_ff80, 0x000f_ffff),
];

/// More of them, after the control registers.
const MORE_PATTERNS: [(usize, u32, u32); 4] = [
    (regs::RDBAL, 0xffff_fff0, 0xffff_ffff),
    (regs::TXCW, 0xc000_ffff, 0x0000_ffff),
    (regs::TDBAL, 0xffff_fff0, 0xffff_ffff),
    (regs::TIDV, 0x0000_ffff, 0x0000_ffff),
];

/// Bits of the receive control register that can be set.
const RCTL_BITS: u32 = 0x06df_b3fe;
/// Bits of the status register that cannot be written.
const STATUS_BITS: u32 = 0xffff_f833;

/// Sleeps for milliseconds, or until there is a signal (C: `msleep_interruptible`).
fn msleep_interruptible(milliseconds: u32) {
    stack_pin_init!(let nobody = new_condvar!("e1000_rs::nobody"));
    stack_pin_init!(let nothing = new_mutex!((), "e1000_rs::nothing"));
    let mut guard = nothing.lock();
    let mut left = msecs_to_jiffies(milliseconds);

    // Whoever else wakes the task up does not mean this.
    while let CondVarTimeoutResult::Woken { jiffies } =
        nobody.wait_interruptible_timeout(&mut guard, left)
    {
        left = jiffies;
    }
}

/// Collects causes of interrupts.
struct Causes<'bound> {
    adapter: Arc<Adapter<'bound>>,
    seen: Atomic<u32>,
}

impl Handler for Causes<'_> {
    fn handle(&self) -> IrqReturn {
        let causes = self.adapter.hw.read(regs::ICR);

        self.seen.store(self.seen.load(Relaxed) | causes, Relaxed);
        IrqReturn::Handled
    }
}

impl<'bound> Adapter<'bound> {
    /// Tests the card.
    pub(crate) fn self_test(
        this: &Arc<Self>,
        dev: &Device<'bound, E1000>,
        rtnl: &Rtnl,
        test: &mut SelfTest<'_>,
    ) {
        let mut results = Results::default();

        this.testing.store(true, Relaxed);
        if test.is_offline() && !test.is_external_loopback() {
            if this.logs(MessageLevel::HW) {
                netdev_info!(dev, "offline testing starting\n");
            }
            // Before the reset, which would begin to negotiate.
            results.link = this.test_link();

            let was_up = dev.is_running() && !this.is_down();
            let link = this.config.lock().link;

            if was_up {
                this.close(dev, rtnl);
            } else {
                this.reset_down();
            }
            results.registers = this.test_registers(dev);
            this.reset_down();
            results.eeprom = this.test_eeprom();
            this.reset_down();
            results.interrupt = Self::test_interrupt(this, dev);
            this.reset_down();
            this.hw.power_up_phy();
            results.loopback = this.test_loopback().err().unwrap_or(0);
            this.config.lock().link = link;
            this.reset_down();
            this.testing.store(false, Relaxed);
            if was_up && Self::open(this, dev, rtnl).is_err() {
                netdev_err!(dev, "the interface stays down\n");
            }
        } else {
            if this.logs(MessageLevel::HW) {
                netdev_info!(dev, "online testing starting\n");
            }
            results.link = this.test_link();
            this.testing.store(false, Relaxed);
        }

        let results = [
            results.registers,
            results.eeprom,
            results.interrupt,
            results.loopback,
            results.link,
        ];

        if results.iter().any(|&result| result != 0) {
            test.fail();
        }
        for (to, result) in test.results().iter_mut().zip(results) {
            *to = result;
        }
        // The link comes back meanwhile.
        msleep_interruptible(4000);
    }

    /// C: `e1000_link_test`.
    fn test_link(&self) -> u64 {
        let autoneg = self.config.lock().link.mode.is_autoneg();

        self.has_link();
        if autoneg {
            msleep(4000);
        }
        u64::from(!self.hw.is_link_up())
    }

    /// Writes patterns, and looks whether they can be read (C: `REG_PATTERN_TEST`).
    fn test_pattern(
        &self,
        dev: &Device<'bound, E1000>,
        (offset, mask, write): (usize, u32, u32),
    ) -> Result<(), u64> {
        for pattern in [0x5a5a_5a5a, 0xa5a5_a5a5, 0, u32::MAX] {
            self.hw.write(offset, write & pattern);

            let read = self.hw.read(offset);
            let expected = write & pattern & mask;

            if read != expected {
                if self.logs(MessageLevel::DRV) {
                    netdev_err!(
                        dev,
                        "pattern test reg {:04X} failed: got 0x{:08X} expected 0x{:08X}\n",
                        offset,
                        read,
                        expected
                    );
                }
                return Err(offset as u64);
            }
        }
        Ok(())
    }

    /// Writes a value, and looks whether it can be read (C: `REG_SET_AND_CHECK`).
    fn test_value(
        &self,
        dev: &Device<'bound, E1000>,
        (offset, mask, write): (usize, u32, u32),
    ) -> Result<(), u64> {
        self.hw.write(offset, write & mask);

        let read = self.hw.read(offset) & mask;

        if read != write & mask {
            if self.logs(MessageLevel::DRV) {
                netdev_err!(
                    dev,
                    "set/check reg {:04X} test failed: got 0x{:08X} expected 0x{:08X}\n",
                    offset,
                    read,
                    write & mask
                );
            }
            return Err(offset as u64);
        }
        Ok(())
    }

    /// C: `e1000_reg_test`.
    fn test_registers(&self, dev: &Device<'bound, E1000>) -> u64 {
        let before = self.hw.read(regs::STATUS);

        self.hw.write(regs::STATUS, STATUS_BITS);
        let after = self.hw.read(regs::STATUS) & STATUS_BITS;
        if after != before & STATUS_BITS {
            if self.logs(MessageLevel::DRV) {
                netdev_err!(
                    dev,
                    "failed STATUS register test got: 0x{:08X} expected: 0x{:08X}\n",
                    after,
                    before & STATUS_BITS
                );
            }
            return 1;
        }
        self.hw.write(regs::STATUS, before);

        let test = || {
            for pattern in PATTERNS {
                self.test_pattern(dev, pattern)?;
            }
            self.test_value(dev, (regs::RCTL, u32::MAX, 0))?;
            self.test_value(dev, (regs::RCTL, RCTL_BITS, 0x003f_fffb))?;
            self.test_value(dev, (regs::TCTL, u32::MAX, 0))?;
            self.test_value(dev, (regs::RCTL, RCTL_BITS, u32::MAX))?;
            for pattern in MORE_PATTERNS {
                self.test_pattern(dev, pattern)?;
            }
            for index in 0..regs::RAR_ENTRIES {
                self.test_pattern(dev, (regs::rah(index), 0x8003_ffff, u32::MAX))?;
            }
            for index in 0..regs::MTA_ENTRIES {
                self.test_pattern(dev, (regs::mta(index), u32::MAX, u32::MAX))?;
            }
            Ok(())
        };

        test().err().unwrap_or(0)
    }

    /// C: `e1000_eeprom_test`.
    fn test_eeprom(&self) -> u64 {
        match self.hw.read_eeprom_summed() {
            Err(_) => 1,
            Ok(words) if !eeprom::is_valid(&words) => 2,
            Ok(_) => 0,
        }
    }

    /// C: `e1000_intr_test`.
    fn test_interrupt(this: &Arc<Self>, dev: &Device<'bound, E1000>) -> u64 {
        let request = |flags| {
            let causes = Causes {
                adapter: this.clone(),
                seen: Atomic::new(0),
            };

            ScopedRegistration::<Causes<'_>>::new(
                this.scope,
                this.pdev.irq_line()?,
                flags,
                &dev.name(),
                Ok::<_, Error>(causes),
            )
        };
        // A line that is not shared can be tested for interrupts that should not come, too.
        let (irq, shared) = match request(irq::Flags::PROBE_SHARED) {
            Ok(irq) => (irq, false),
            Err(_) => match request(irq::Flags::SHARED) {
                Ok(irq) => (irq, true),
                Err(_) => return 1,
            },
        };

        if this.logs(MessageLevel::HW) {
            netdev_info!(
                dev,
                "testing {} interrupt\n",
                if shared { "shared" } else { "unshared" }
            );
        }

        let hw = &this.hw;
        let provoke = |mask: u32, cause: u32, offset| {
            irq.handler().seen.store(0, Relaxed);
            hw.write(offset, mask);
            hw.write(regs::ICS, cause);
            hw.flush();
            msleep(10);
            irq.handler().seen.load(Relaxed)
        };
        let mut result = 0;

        hw.irq_disable();
        msleep(10);
        for cause in (0..10).map(|i| 1 << i) {
            let others = !cause & 0x7fff;

            if !shared && provoke(cause, cause, regs::IMC) & cause != 0 {
                result = 3;
            } else if provoke(cause, cause, regs::IMS) & cause == 0 {
                result = 4;
            } else if !shared && provoke(others, others, regs::IMC) != 0 {
                result = 5;
            }
            if result != 0 {
                break;
            }
        }
        hw.irq_disable();
        msleep(10);
        result
    }

    /// Lets the PHY receive what it sends (C: `e1000_integrated_phy_loopback`).
    fn set_loopback(&self) -> Result {
        let hw = &self.hw;

        // Crossing, and negotiation, off.
        hw.write_phy(phy::M88_CTRL, 0x0808)?;
        hw.write_phy(phy::CTRL, 0x9140)?;
        hw.write_phy(phy::CTRL, 0x8140)?;
        hw.write_phy(phy::CTRL, 0x4140)?;
        hw.modify(
            regs::CTRL,
            ctrl::SPEED_MASK,
            ctrl::FRCSPD | ctrl::FRCDPX | ctrl::SPEED_1000 | ctrl::FD | ctrl::ILOS,
        );
        // The receiver for the cable off.
        for (page, value) in [(0x001f, 0x8ffc), (0x001a, 0x8ff0)] {
            hw.write_phy(phy::M88_PAGE, page)?;
            hw.write_phy(phy::M88_PAGE_DATA, value)?;
        }
        msleep(1);
        Ok(())
    }

    fn clear_loopback(&self) {
        self.hw.modify(regs::RCTL, rctl::LBM_MASK, 0);
        // The reset that follows does what is left undone here.
        if let Ok(value) = self.hw.read_phy(phy::CTRL) {
            if value & cr::LOOPBACK != 0 {
                let _ = self.hw.write_phy(phy::CTRL, value & !cr::LOOPBACK);
                let _ = self.hw.reset_phy();
            }
        }
    }

    /// Sends packets to itself (C: `e1000_loopback_test`). The numbers of errors are C's.
    fn test_loopback(&self) -> Result<(), u64> {
        /// The bytes of a packet.
        const BYTES: usize = 1024;
        /// The bytes of a buffer.
        const BUFFER: usize = 2048;
        /// The packets that are sent at once, and how often. All of them have a buffer.
        const PACKETS: u16 = 64;
        const ROUNDS: u16 = 3;

        let hw = &self.hw;
        let dev = self.pdev.as_ref();
        let size = Size::DEFAULT;
        let tx = Descriptors::new(dev, hw.mac, size).map_err(|_| 2u64)?;
        let rx = Descriptors::new(dev, hw.mac, size).map_err(|_| 6u64)?;
        let frame = test_frame(BYTES).map_err(|_| 3u64)?;
        let frame = Mapping::new(dev, frame, ToDevice).map_err(|_| 4u64)?;
        let mut buffers = KVec::with_capacity(size.count().into(), GFP_KERNEL).map_err(|_| 5u64)?;

        for index in 0..size.count() {
            let buffer = KVec::from_elem(0u8, BUFFER, GFP_KERNEL).map_err(|_| 7u64)?;
            let buffer = Mapping::new(dev, buffer, FromDevice).map_err(|_| 8u64)?;

            rx.write(index, desc::rx(buffer.dma_address()))
                .map_err(|_| 8u64)?;
            buffers.push(buffer, GFP_KERNEL).map_err(|_| 7u64)?;
            // CAST: A packet has fewer bytes.
            let lower = tx_cmd::EOP | tx_cmd::IFCS | tx_cmd::RPS;
            tx.write(index, desc::tx(frame.dma_address(), BYTES as u16, lower, 0))
                .map_err(|_| 4u64)?;
        }

        for (ring, low, high, len, head, tail) in [
            (
                &tx,
                regs::TDBAL,
                regs::TDBAH,
                regs::TDLEN,
                regs::TDH,
                regs::TDT,
            ),
            (
                &rx,
                regs::RDBAL,
                regs::RDBAH,
                regs::RDLEN,
                regs::RDH,
                regs::RDT,
            ),
        ] {
            // CAST: The halves are meant.
            hw.write(low, ring.dma_address() as u32);
            hw.write(high, (ring.dma_address() >> 32) as u32);
            hw.write(len, ring.register_bytes());
            hw.write(head, 0);
            hw.write(tail, 0);
        }
        hw.write(
            regs::TCTL,
            tctl::PSP
                | tctl::EN
                | regs::COLLISION_THRESHOLD << tctl::CT_SHIFT
                | regs::COLLISION_DISTANCE << tctl::COLD_SHIFT,
        );
        hw.write(
            regs::RCTL,
            rctl::EN | rctl::BAM | rctl::SZ_2048 | HashBits::From36.rctl(),
        );

        let result = self.set_loopback().map_err(|_| 8u64).and_then(|()| {
            hw.write(regs::RDT, (size.count() - 1).into());
            for round in 0..ROUNDS {
                hw.write(regs::TDT, ((round + 1) * PACKETS).into());
                hw.flush();
                msleep(200);
                for index in round * PACKETS..(round + 1) * PACKETS {
                    let buffer = buffers.get_mut(usize::from(index)).ok_or(13u64)?;

                    check_frame(&rx, index, buffer, BYTES)?;
                }
            }
            Ok(())
        });

        self.clear_loopback();
        // Nothing of this is used by the card any more when it is given back. The rings are empty
        // for whoever switches it on without others: a reset may leave the registers as they are.
        hw.stop();
        self.reset_card();
        for register in [regs::TDH, regs::TDT, regs::RDH, regs::RDT] {
            hw.write(register, 0);
        }
        result
    }
}

/// The packet that is sent (C: `e1000_create_lbtest_frame`).
fn test_frame(bytes: usize) -> Result<KVec<u8>> {
    let mut frame = KVec::from_elem(0xffu8, bytes, GFP_KERNEL)?;
    let half = bytes / 2;

    if let Some(second) = frame.get_mut(half..bytes - 1) {
        second.fill(0xaa);
    }
    for (offset, byte) in [(10, 0xbe), (12, 0xaf)] {
        if let Some(place) = frame.get_mut(half + offset) {
            *place = byte;
        }
    }
    Ok(frame)
}

/// Looks whether it was received (C: `e1000_check_lbtest_frame`).
fn check_frame(
    ring: &Descriptors,
    index: u16,
    buffer: &mut Mapping<'_, KVec<u8>, FromDevice>,
    bytes: usize,
) -> Result<(), u64> {
    let half = ring.read_received(index).map_err(|_| 13u64)?;

    if !RxDone::is_done(half) {
        return Err(13);
    }

    // The frame comes before the card says so.
    dma_mb(Read);

    let done = RxDone::from_half(half);

    // The check sequence comes after it.
    if usize::from(done.length) < bytes {
        return Err(13);
    }

    let view = buffer.sync_for_cpu(bytes).map_err(|_| 13u64)?;
    let mut byte = [0];

    for (offset, expected) in [(3, 0xff), (bytes / 2 + 10, 0xbe), (bytes / 2 + 12, 0xaf)] {
        view.copy_to_slice(offset, &mut byte).map_err(|_| 13u64)?;
        if byte[0] != expected {
            return Err(13);
        }
    }
    Ok(())
}
