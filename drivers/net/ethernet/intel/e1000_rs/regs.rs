// SPDX-License-Identifier: GPL-2.0

//! The registers of the 8254x family: offsets in the memory BAR, and the bits in them.
//!
//! Names are those of Intel's manual, "PCI/PCI-X Family of Gigabit Ethernet Controllers Software
//! Developer's Manual", section 13. Only what the driver uses is here.

/// Registers that can be written.
pub trait Registers {
    /// Writes the register at an offset. What was written to memory before is seen before this.
    fn write(&self, offset: usize, value: u32);

    /// The same for one that is named where this is called.
    #[inline]
    fn write_known<const OFFSET: usize>(&self, value: u32) {
        self.write(OFFSET, value);
    }
}

/// The bytes of the memory BAR that registers are in.
pub const SIZE: usize = 0x2_0000;

/// Device control.
pub const CTRL: usize = 0x0000;
/// Device status.
pub const STATUS: usize = 0x0008;
/// EEPROM and flash control: the wires of the EEPROM.
pub const EECD: usize = 0x0010;
/// EEPROM read.
pub const EERD: usize = 0x0014;
/// MDI control: the registers of the PHY.
pub const MDIC: usize = 0x0020;
/// Flow control address, low.
pub const FCAL: usize = 0x0028;
/// Flow control address, high.
pub const FCAH: usize = 0x002c;
/// Flow control type.
pub const FCT: usize = 0x0030;
/// VLAN Ethernet type.
pub const VET: usize = 0x0038;
/// Interrupt cause read; cleared by reading.
pub const ICR: usize = 0x00c0;
/// Interrupt throttling.
pub const ITR: usize = 0x00c4;
/// Interrupt cause set.
pub const ICS: usize = 0x00c8;
/// Interrupt mask set, and read.
pub const IMS: usize = 0x00d0;
/// Interrupt mask clear.
pub const IMC: usize = 0x00d8;
/// Receive control.
pub const RCTL: usize = 0x0100;
/// Flow control transmit timer value.
pub const FCTTV: usize = 0x0170;
/// Transmit configuration word.
pub const TXCW: usize = 0x0178;
/// Transmit control.
pub const TCTL: usize = 0x0400;
/// Transmit inter packet gap.
pub const TIPG: usize = 0x0410;
/// Adaptive inter frame spacing throttle.
pub const AIT: usize = 0x0458;
/// LED control.
pub const LEDCTL: usize = 0x0e00;
/// Packet buffer allocation.
pub const PBA: usize = 0x1000;
/// Flow control receive threshold, low.
pub const FCRTL: usize = 0x2160;
/// Flow control receive threshold, high.
pub const FCRTH: usize = 0x2168;
/// Receive descriptor base address, low.
pub const RDBAL: usize = 0x2800;
/// Receive descriptor base address, high.
pub const RDBAH: usize = 0x2804;
/// Receive descriptor length, in bytes.
pub const RDLEN: usize = 0x2808;
/// Receive descriptor head.
pub const RDH: usize = 0x2810;
/// Receive descriptor tail.
pub const RDT: usize = 0x2818;
/// Receive delay timer.
pub const RDTR: usize = 0x2820;
/// Receive interrupt absolute delay timer.
pub const RADV: usize = 0x282c;
/// Transmit descriptor base address, low.
pub const TDBAL: usize = 0x3800;
/// Transmit descriptor base address, high.
pub const TDBAH: usize = 0x3804;
/// Transmit descriptor length, in bytes.
pub const TDLEN: usize = 0x3808;
/// Transmit descriptor head.
pub const TDH: usize = 0x3810;
/// Transmit descriptor tail.
pub const TDT: usize = 0x3818;
/// Transmit interrupt delay value.
pub const TIDV: usize = 0x3820;
/// Transmit descriptor control.
pub const TXDCTL: usize = 0x3828;
/// Transmit absolute interrupt delay value.
pub const TADV: usize = 0x382c;
/// Receive checksum control.
pub const RXCSUM: usize = 0x5000;
/// Multicast table array: [`MTA_ENTRIES`] registers.
pub const MTA: usize = 0x5200;
/// Receive addresses: pairs of low and high.
pub const RA: usize = 0x5400;
/// VLAN filter table array: [`VFTA_ENTRIES`] registers.
pub const VFTA: usize = 0x5600;
/// Wakeup control.
pub const WUC: usize = 0x5800;
/// Wakeup filter control.
pub const WUFC: usize = 0x5808;
/// Wakeup status.
pub const WUS: usize = 0x5810;
/// Management control.
pub const MANC: usize = 0x5820;

/// The registers of the multicast table array.
pub const MTA_ENTRIES: usize = 128;
/// The registers of the VLAN filter table array.
pub const VFTA_ENTRIES: usize = 128;
/// The receive addresses that are ours; a sixteenth belongs to manageability.
pub const RAR_ENTRIES: usize = 15;

/// Returns the offset of an entry of [`MTA`].
pub const fn mta(index: usize) -> usize {
    MTA + (index % MTA_ENTRIES) * 4
}

/// Returns the offset of an entry of [`VFTA`].
pub const fn vfta(index: usize) -> usize {
    VFTA + (index % VFTA_ENTRIES) * 4
}

/// Returns the offset of the low half of a receive address (`RAL`).
pub const fn ral(index: usize) -> usize {
    RA + (index % RAR_ENTRIES) * 8
}

/// Returns the offset of the high half of a receive address (`RAH`).
pub const fn rah(index: usize) -> usize {
    ral(index) + 4
}

/// Bits of [`CTRL`].
pub mod ctrl {
    /// Full duplex.
    pub const FD: u32 = 1 << 0;
    /// Auto-speed detection enable.
    pub const ASDE: u32 = 1 << 5;
    /// Set link up.
    pub const SLU: u32 = 1 << 6;
    /// Invert loss of signal.
    pub const ILOS: u32 = 1 << 7;
    /// Speed selection.
    pub const SPEED_MASK: u32 = 3 << 8;
    /// 100 Mb/s.
    pub const SPEED_100: u32 = 1 << 8;
    /// 1000 Mb/s.
    pub const SPEED_1000: u32 = 2 << 8;
    /// Force speed.
    pub const FRCSPD: u32 = 1 << 11;
    /// Force duplex.
    pub const FRCDPX: u32 = 1 << 12;
    /// Advertise wake-up from D3cold; software definable pin 2 elsewhere.
    pub const ADVD3WUC: u32 = 1 << 20;
    /// PHY power management; software definable pin 3 elsewhere.
    pub const EN_PHY_PWR_MGMT: u32 = 1 << 21;
    /// Device reset.
    pub const RST: u32 = 1 << 26;
    /// Receive flow control enable.
    pub const RFCE: u32 = 1 << 27;
    /// Transmit flow control enable.
    pub const TFCE: u32 = 1 << 28;
    /// VLAN mode: tags are stripped, and may be inserted.
    pub const VME: u32 = 1 << 30;
    /// PHY reset.
    pub const PHY_RST: u32 = 1 << 31;
}

/// Bits of [`STATUS`].
pub mod status {
    /// Full duplex.
    pub const FD: u32 = 1 << 0;
    /// Link up.
    pub const LU: u32 = 1 << 1;
    /// Transmission is paused.
    pub const TXOFF: u32 = 1 << 4;
    /// 100 Mb/s.
    pub const SPEED_100: u32 = 1 << 6;
    /// 1000 Mb/s.
    pub const SPEED_1000: u32 = 1 << 7;
    /// The bus runs with 66 MHz.
    pub const PCI66: u32 = 1 << 11;
    /// The bus has 64 bits.
    pub const BUS64: u32 = 1 << 12;
    /// The bus is PCI-X.
    pub const PCIX_MODE: u32 = 1 << 13;
    /// How fast PCI-X is.
    pub const PCIX_SPEED: u32 = 3 << 14;
    /// PCI-X with 66 MHz.
    pub const PCIX_SPEED_66: u32 = 0 << 14;
    /// PCI-X with 100 MHz.
    pub const PCIX_SPEED_100: u32 = 1 << 14;
    /// PCI-X with 133 MHz.
    pub const PCIX_SPEED_133: u32 = 2 << 14;
}

/// Bits of [`EECD`].
pub mod eecd {
    /// Clock.
    pub const SK: u32 = 1 << 0;
    /// Chip select.
    pub const CS: u32 = 1 << 1;
    /// Data to the EEPROM.
    pub const DI: u32 = 1 << 2;
    /// Data from the EEPROM.
    pub const DO: u32 = 1 << 3;
    /// Request for the wires.
    pub const REQ: u32 = 1 << 6;
    /// The wires are ours.
    pub const GNT: u32 = 1 << 7;
    /// The EEPROM has 256 words, and not 64.
    pub const SIZE: u32 = 1 << 9;
}

/// Bits of [`EERD`].
pub mod eerd {
    /// Start a read.
    pub const START: u32 = 1 << 0;
    /// The read is done.
    pub const DONE: u32 = 1 << 4;
    /// Where the address is.
    pub const ADDR_SHIFT: u32 = 8;
    /// [`DONE`] in the 82541 and 82547.
    pub const COMPACT_DONE: u32 = 1 << 1;
    /// [`ADDR_SHIFT`] in the 82541 and 82547.
    pub const COMPACT_ADDR_SHIFT: u32 = 2;
    /// Where the word is.
    pub const DATA_SHIFT: u32 = 16;
}

/// Causes of interrupts: bits of [`ICR`], [`ICS`], [`IMS`] and [`IMC`].
pub mod icr {
    /// Transmit descriptor written back.
    pub const TXDW: u32 = 1 << 0;
    /// Link status change.
    pub const LSC: u32 = 1 << 2;
    /// Receive sequence error.
    pub const RXSEQ: u32 = 1 << 3;
    /// Few receive descriptors are left.
    pub const RXDMT0: u32 = 1 << 4;
    /// Receive timer.
    pub const RXT0: u32 = 1 << 7;
    /// What the driver wants to hear of.
    pub const ENABLE: u32 = RXT0 | TXDW | RXDMT0 | RXSEQ | LSC;
    /// All of them.
    pub const ALL: u32 = u32::MAX;
}

/// Bits of [`RCTL`].
pub mod rctl {
    /// Enable.
    pub const EN: u32 = 1 << 1;
    /// Store bad packets.
    pub const SBP: u32 = 1 << 2;
    /// Unicast promiscuous.
    pub const UPE: u32 = 1 << 3;
    /// Multicast promiscuous.
    pub const MPE: u32 = 1 << 4;
    /// Long packets.
    pub const LPE: u32 = 1 << 5;
    /// Loopback mode: all ones is through the transceiver.
    pub const LBM_MASK: u32 = 3 << 6;
    /// Which bits of multicast addresses are hashed.
    pub const MO_MASK: u32 = 3 << MO_SHIFT;
    /// See [`MO_MASK`].
    pub const MO_SHIFT: u32 = 12;
    /// Broadcasts are accepted.
    pub const BAM: u32 = 1 << 15;
    /// The size of buffers; see [`BSEX`].
    pub const SZ_MASK: u32 = 3 << 16;
    /// Buffers of 2048 bytes.
    pub const SZ_2048: u32 = 0;
    /// Buffers of 16384 bytes, with [`BSEX`].
    pub const SZ_16384: u32 = 1 << 16;
    /// Buffers of 8192 bytes, with [`BSEX`].
    pub const SZ_8192: u32 = 2 << 16;
    /// Buffers of 4096 bytes, with [`BSEX`].
    pub const SZ_4096: u32 = 3 << 16;
    /// VLAN filter enable.
    pub const VFE: u32 = 1 << 18;
    /// Canonical form indicator enable.
    pub const CFIEN: u32 = 1 << 19;
    /// Discard pause frames.
    pub const DPF: u32 = 1 << 22;
    /// Pass MAC control frames.
    pub const PMCF: u32 = 1 << 23;
    /// Buffer size extension: sizes times 16.
    pub const BSEX: u32 = 1 << 25;
}

/// Bits of [`TCTL`].
pub mod tctl {
    /// Enable.
    pub const EN: u32 = 1 << 1;
    /// Pad short packets.
    pub const PSP: u32 = 1 << 3;
    /// Collision threshold.
    pub const CT_MASK: u32 = 0xff << CT_SHIFT;
    /// See [`CT_MASK`].
    pub const CT_SHIFT: u32 = 4;
    /// Collision distance.
    pub const COLD_MASK: u32 = 0x3ff << COLD_SHIFT;
    /// See [`COLD_MASK`].
    pub const COLD_SHIFT: u32 = 12;
    /// Retransmit on late collisions.
    pub const RTLC: u32 = 1 << 24;
}

/// How often a packet is sent again after collisions.
pub const COLLISION_THRESHOLD: u32 = 15;
/// The collision distance in byte times.
pub const COLLISION_DISTANCE: u32 = 63;

/// The gaps between packets on copper: `IPGT`, `IPGR1`, `IPGR2`.
pub const TIPG_COPPER: u32 = 8 | 8 << 10 | 6 << 20;

/// Bits of [`TXDCTL`].
pub mod txdctl {
    /// Write-back threshold.
    pub const WTHRESH_MASK: u32 = 0x3f << 16;
    /// Descriptors are written back one by one.
    pub const FULL_TX_DESC_WB: u32 = 0x0101_0000;
}

/// Bits of [`RXCSUM`].
pub mod rxcsum {
    /// TCP and UDP checksum offload.
    pub const TUOFL: u32 = 1 << 9;
}

/// Bits of [`FCRTL`].
pub mod fcrtl {
    /// Send XON frames.
    pub const XONE: u32 = 1 << 31;
}

/// Bits of [`MANC`].
pub mod manc {
    /// SMBus is in use.
    pub const SMBUS_EN: u32 = 1 << 0;
    /// ARP requests are answered by the card.
    pub const ARP_EN: u32 = 1 << 13;
}

/// Bits of [`WUC`].
pub mod wuc {
    /// Assert PME#.
    pub const PME_EN: u32 = 1 << 1;
}

/// Bits of the high half of a receive address.
pub mod rah {
    /// Address valid.
    pub const AV: u32 = 1 << 31;
}

/// The multicast address of pause frames, as [`FCAL`] and [`FCAH`] take it.
pub const FLOW_CONTROL_ADDRESS: (u32, u32) = (0x00c2_8001, 0x0000_0100);
/// The Ethernet type of pause frames.
pub const FLOW_CONTROL_TYPE: u32 = 0x8808;
/// The Ethernet type of VLAN tags.
pub const VLAN_TYPE: u32 = 0x8100;
