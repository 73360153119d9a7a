// SPDX-License-Identifier: GPL-2.0

//! What is counted: by the card, which forgets when it is read, and by the driver.

/// Declares the counters of the card: name, offset of the register.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident = $offset:literal,)*) => {
        /// A counter of the card (manual, section 13.7).
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Counter {
            $($(#[$doc])* $name,)*
        }

        /// The registers, in the order of [`Counter`].
        const OFFSETS: [usize; COUNT] = [$($offset,)*];
        const COUNT: usize = [$(Counter::$name,)*].len();
    };
}

counters! {
    /// CRC errors.
    Crcerrs = 0x4000,
    /// Alignment errors.
    Algnerrc = 0x4004,
    /// Symbol errors.
    Symerrs = 0x4008,
    /// Receive errors.
    Rxerrc = 0x400c,
    /// Missed packets: no room in the card.
    Mpc = 0x4010,
    /// Single collisions.
    Scc = 0x4014,
    /// Excessive collisions.
    Ecol = 0x4018,
    /// Multiple collisions.
    Mcc = 0x401c,
    /// Late collisions.
    Latecol = 0x4020,
    /// Collisions.
    Colc = 0x4028,
    /// Deferred packets.
    Dc = 0x4030,
    /// Transmissions without carrier sense.
    Tncrs = 0x4034,
    /// Sequence errors.
    Sec = 0x4038,
    /// Carrier extension errors.
    Cexterr = 0x403c,
    /// Receive length errors.
    Rlec = 0x4040,
    /// XON received.
    Xonrxc = 0x4048,
    /// XON sent.
    Xontxc = 0x404c,
    /// XOFF received.
    Xoffrxc = 0x4050,
    /// XOFF sent.
    Xofftxc = 0x4054,
    /// Unsupported flow control received.
    Fcruc = 0x4058,
    /// Packets received with 64 bytes.
    Prc64 = 0x405c,
    /// Packets received with 65 to 127 bytes.
    Prc127 = 0x4060,
    /// Packets received with 128 to 255 bytes.
    Prc255 = 0x4064,
    /// Packets received with 256 to 511 bytes.
    Prc511 = 0x4068,
    /// Packets received with 512 to 1023 bytes.
    Prc1023 = 0x406c,
    /// Packets received with 1024 and more bytes.
    Prc1522 = 0x4070,
    /// Good packets received.
    Gprc = 0x4074,
    /// Broadcasts received.
    Bprc = 0x4078,
    /// Multicasts received.
    Mprc = 0x407c,
    /// Good packets sent.
    Gptc = 0x4080,
    /// Good bytes received, low.
    Gorcl = 0x4088,
    /// Good bytes received, high. Reading it clears both halves.
    Gorch = 0x408c,
    /// Good bytes sent, low.
    Gotcl = 0x4090,
    /// Good bytes sent, high. Reading it clears both halves.
    Gotch = 0x4094,
    /// Packets for which there was no buffer at once.
    Rnbc = 0x40a0,
    /// Undersized packets.
    Ruc = 0x40a4,
    /// Fragments.
    Rfc = 0x40a8,
    /// Oversized packets.
    Roc = 0x40ac,
    /// Jabbers.
    Rjc = 0x40b0,
    /// Management packets received.
    Mgtprc = 0x40b4,
    /// Management packets dropped.
    Mgtpdc = 0x40b8,
    /// Management packets sent.
    Mgtptc = 0x40bc,
    /// All bytes received, low.
    Torl = 0x40c0,
    /// All bytes received, high. Reading it clears both halves.
    Torh = 0x40c4,
    /// All bytes sent, low.
    Totl = 0x40c8,
    /// All bytes sent, high. Reading it clears both halves.
    Toth = 0x40cc,
    /// All packets received.
    Tpr = 0x40d0,
    /// All packets sent.
    Tpt = 0x40d4,
    /// Packets sent with 64 bytes.
    Ptc64 = 0x40d8,
    /// Packets sent with 65 to 127 bytes.
    Ptc127 = 0x40dc,
    /// Packets sent with 128 to 255 bytes.
    Ptc255 = 0x40e0,
    /// Packets sent with 256 to 511 bytes.
    Ptc511 = 0x40e4,
    /// Packets sent with 512 to 1023 bytes.
    Ptc1023 = 0x40e8,
    /// Packets sent with 1024 and more bytes.
    Ptc1522 = 0x40ec,
    /// Multicasts sent.
    Mptc = 0x40f0,
    /// Broadcasts sent.
    Bptc = 0x40f4,
    /// Contexts of segmentation.
    Tsctc = 0x40f8,
    /// Contexts of segmentation that failed.
    Tsctfc = 0x40fc,
}

impl Counter {
    /// The offset of the register.
    pub const fn offset(self) -> usize {
        OFFSETS[self as usize]
    }
}

/// The sums of what the card has counted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counters([u64; COUNT]);

impl Default for Counters {
    fn default() -> Self {
        Self([0; COUNT])
    }
}

impl Counters {
    /// Adds what the card has counted since it was read. `read` gets an offset.
    ///
    /// Registers are read in ascending order, so both halves of the wide ones are seen before the
    /// upper one clears them.
    pub fn accumulate(&mut self, mut read: impl FnMut(usize) -> u32) {
        for (sum, &offset) in self.0.iter_mut().zip(&OFFSETS) {
            *sum = sum.wrapping_add(read(offset).into());
        }
    }

    /// Reads all registers, so that they are 0 (C: `e1000_clear_hw_cntrs`).
    pub fn clear(mut read: impl FnMut(usize) -> u32) {
        for &offset in &OFFSETS {
            read(offset);
        }
    }

    /// The sum of a counter.
    pub fn get(&self, counter: Counter) -> u64 {
        self.0[counter as usize]
    }

    /// A sum that is told in two halves.
    fn wide(&self, low: Counter, high: Counter) -> u64 {
        self.get(low).wrapping_add(self.get(high) << 32)
    }

    /// Bytes of good packets received.
    pub fn rx_bytes(&self) -> u64 {
        self.wide(Counter::Gorcl, Counter::Gorch)
    }

    /// Bytes of good packets sent.
    pub fn tx_bytes(&self) -> u64 {
        self.wide(Counter::Gotcl, Counter::Gotch)
    }

    /// Packets with a wrong length. The card has a counter for it, which is not right everywhere.
    pub fn rx_length_errors(&self) -> u64 {
        self.get(Counter::Ruc).wrapping_add(self.get(Counter::Roc))
    }

    /// Packets that were not received right.
    pub fn rx_errors(&self) -> u64 {
        [
            Counter::Rxerrc,
            Counter::Crcerrs,
            Counter::Algnerrc,
            Counter::Ruc,
            Counter::Roc,
            Counter::Cexterr,
        ]
        .into_iter()
        .fold(0, |sum: u64, counter| sum.wrapping_add(self.get(counter)))
    }

    /// Packets that were not sent.
    pub fn tx_errors(&self) -> u64 {
        self.get(Counter::Ecol)
            .wrapping_add(self.get(Counter::Latecol))
    }
}

/// What the driver counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Own {
    /// Packets that could not be sent for want of memory.
    pub tx_dropped: u64,
    /// Hangs of transmission.
    pub tx_timeout_count: u64,
    /// How often a full ring had room again.
    pub tx_restart_queue: u64,
    /// Checksums that the card found right.
    pub rx_csum_offload_good: u64,
    /// Checksums that the card found wrong.
    pub rx_csum_offload_errors: u64,
    /// Buffers that could not be had.
    pub alloc_rx_buff_failed: u64,
}

/// Where a statistic of ethtool comes from.
enum Source {
    Card(Counter),
    Sum(fn(&Counters) -> u64),
    Own(fn(&Own) -> u64),
    /// The stack has a name for it, but the card cannot tell.
    Zero,
}

use Counter as C;
use Source::{
    Card,
    Sum,
    Zero, //
};

/// The statistics of ethtool: C's, in C's order.
const TABLE: [(&str, Source); 46] = [
    ("rx_packets", Card(C::Gprc)),
    ("tx_packets", Card(C::Gptc)),
    ("rx_bytes", Sum(Counters::rx_bytes)),
    ("tx_bytes", Sum(Counters::tx_bytes)),
    ("rx_broadcast", Card(C::Bprc)),
    ("tx_broadcast", Card(C::Bptc)),
    ("rx_multicast", Card(C::Mprc)),
    ("tx_multicast", Card(C::Mptc)),
    ("rx_errors", Card(C::Rxerrc)),
    ("tx_errors", Sum(Counters::tx_errors)),
    ("tx_dropped", Source::Own(|own| own.tx_dropped)),
    ("multicast", Card(C::Mprc)),
    ("collisions", Card(C::Colc)),
    ("rx_length_errors", Sum(Counters::rx_length_errors)),
    ("rx_over_errors", Zero),
    ("rx_crc_errors", Card(C::Crcerrs)),
    ("rx_frame_errors", Card(C::Algnerrc)),
    ("rx_no_buffer_count", Card(C::Rnbc)),
    ("rx_missed_errors", Card(C::Mpc)),
    ("tx_aborted_errors", Card(C::Ecol)),
    ("tx_carrier_errors", Card(C::Tncrs)),
    ("tx_fifo_errors", Zero),
    ("tx_heartbeat_errors", Zero),
    ("tx_window_errors", Card(C::Latecol)),
    ("tx_abort_late_coll", Card(C::Latecol)),
    ("tx_deferred_ok", Card(C::Dc)),
    ("tx_single_coll_ok", Card(C::Scc)),
    ("tx_multi_coll_ok", Card(C::Mcc)),
    ("tx_timeout_count", Source::Own(|own| own.tx_timeout_count)),
    ("tx_restart_queue", Source::Own(|own| own.tx_restart_queue)),
    ("rx_long_length_errors", Card(C::Roc)),
    ("rx_short_length_errors", Card(C::Ruc)),
    ("rx_align_errors", Card(C::Algnerrc)),
    ("tx_tcp_seg_good", Card(C::Tsctc)),
    ("tx_tcp_seg_failed", Card(C::Tsctfc)),
    ("rx_flow_control_xon", Card(C::Xonrxc)),
    ("rx_flow_control_xoff", Card(C::Xoffrxc)),
    ("tx_flow_control_xon", Card(C::Xontxc)),
    ("tx_flow_control_xoff", Card(C::Xofftxc)),
    ("rx_long_byte_count", Sum(Counters::rx_bytes)),
    (
        "rx_csum_offload_good",
        Source::Own(|own| own.rx_csum_offload_good),
    ),
    (
        "rx_csum_offload_errors",
        Source::Own(|own| own.rx_csum_offload_errors),
    ),
    (
        "alloc_rx_buff_failed",
        Source::Own(|own| own.alloc_rx_buff_failed),
    ),
    ("tx_smbus", Card(C::Mgtptc)),
    ("rx_smbus", Card(C::Mgtprc)),
    ("dropped_smbus", Card(C::Mgtpdc)),
];

/// How many statistics ethtool shows.
pub const STRINGS: usize = TABLE.len();

/// Their names.
pub const NAMES: [&str; STRINGS] = {
    let mut names = [""; STRINGS];
    let mut i = 0;

    while i < STRINGS {
        names[i] = TABLE[i].0;
        i += 1;
    }
    names
};

/// Their values.
pub fn values<'a>(counters: &'a Counters, own: &'a Own) -> impl ExactSizeIterator<Item = u64> + 'a {
    TABLE.iter().map(move |(_, source)| match source {
        Card(counter) => counters.get(*counter),
        Sum(sum) => sum(counters),
        Source::Own(get) => get(own),
        Zero => 0,
    })
}
