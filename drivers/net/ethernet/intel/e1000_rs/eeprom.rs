// SPDX-License-Identifier: GPL-2.0

//! The EEPROM: a Microwire chip, whose wires are bits of a register (manual, sections 5.4 to 5.6).
//!
//! What it holds is trusted only if the sum of its first 64 words is right.

use super::regs::{
    eecd,
    eerd, //
};

/// What the first 64 words add up to.
pub const SUM: u16 = 0xbaba;
/// The word that makes the sum right; those before are summed.
pub const CHECKSUM_WORD: u16 = 0x3f;
/// The words that are summed, with the checksum.
pub const SUMMED_WORDS: usize = CHECKSUM_WORD as usize + 1;
/// The word that says what the LEDs show.
pub const ID_LED_SETTINGS: u16 = 0x04;
/// The word with the defaults of pause frames.
pub const INIT_CONTROL2: u16 = 0x0f;
/// The word with the defaults of wake-up.
pub const INIT_CONTROL3_PORT_A: u16 = 0x24;
/// Advanced power management in [`INIT_CONTROL3_PORT_A`].
pub const APME: u16 = 0x0400;

/// How long each level stays on a wire, in microseconds.
const DELAY: u32 = 50;

/// Access to the EEPROM failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// The word is not there.
    Address,
    /// Others have the wires, for 5 ms.
    Grant,
    /// A word was not read by the register for it.
    Read,
    /// A word was not written within 10 ms.
    Write,
}

/// Where the register for reading has its fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Eerd {
    /// As the manual has it for the members of the family that the driver knows.
    Manual,
    /// As the 82541 and 82547 have it, and emulations of all others too.
    Compact,
}

impl Eerd {
    fn done(self) -> u32 {
        match self {
            Self::Manual => eerd::DONE,
            Self::Compact => eerd::COMPACT_DONE,
        }
    }

    fn address_shift(self) -> u32 {
        match self {
            Self::Manual => eerd::ADDR_SHIFT,
            Self::Compact => eerd::COMPACT_ADDR_SHIFT,
        }
    }
}

/// The registers that the EEPROM is behind.
pub trait Wires {
    /// Reads `EECD`.
    fn eecd(&self) -> u32;
    /// Writes `EECD`. It is there when the function returns.
    fn set_eecd(&self, value: u32);
    /// Reads `EERD`.
    fn eerd(&self) -> u32;
    /// Writes `EERD`.
    fn set_eerd(&self, value: u32);
    /// Waits for microseconds.
    fn delay(&self, microseconds: u32);
}

/// Commands of the chip, with their start bit.
mod opcode {
    /// With the bits of it.
    pub(super) const BITS: u32 = 3;
    pub(super) const READ: u16 = 0b110;
    pub(super) const WRITE: u16 = 0b101;
    /// Enable writing, with the two bits of the address that make it different from others.
    pub(super) const EWEN: u16 = 0b10011;
    /// Disable writing.
    pub(super) const EWDS: u16 = 0b10000;
    /// Bits of an address that belong to the last two commands.
    pub(super) const EXTRA: u32 = 2;
}

/// The EEPROM of a card.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Eeprom {
    words: u16,
    address_bits: u32,
}

impl Eeprom {
    /// Looks how large it is (C: `e1000_init_eeprom_params`).
    pub fn new<W: Wires>(wires: &W) -> Self {
        let (words, address_bits) = if wires.eecd() & eecd::SIZE != 0 {
            (256, 8)
        } else {
            (64, 6)
        };

        Self {
            words,
            address_bits,
        }
    }

    /// The number of words.
    pub fn words(&self) -> u16 {
        self.words
    }

    /// Reads words one by one, bit by bit (C: `e1000_read_eeprom`).
    ///
    /// # Errors
    ///
    /// [`Error::Address`], [`Error::Grant`].
    pub fn read<W: Wires>(&self, wires: &W, first: u16, words: &mut [u16]) -> Result<(), Error> {
        self.check(first, words.len())?;

        let bus = Bus::acquire(wires)?;

        for (address, word) in (first..).zip(words) {
            bus.shift_out(opcode::READ, opcode::BITS);
            bus.shift_out(address, self.address_bits);
            *word = bus.shift_in();
            bus.standby();
        }
        Ok(())
    }

    /// Reads a word.
    ///
    /// # Errors
    ///
    /// [`Error::Address`], [`Error::Grant`].
    pub fn read_word<W: Wires>(&self, wires: &W, address: u16) -> Result<u16, Error> {
        let mut word = [0];

        self.read(wires, address, &mut word)?;
        Ok(word[0])
    }

    /// Reads a word by the register for it, which is faster, but not in all that call themselves
    /// 8254x.
    ///
    /// # Errors
    ///
    /// [`Error::Address`]; [`Error::Read`]: the register does not work, or has another layout.
    pub fn read_word_eerd<W: Wires>(
        &self,
        wires: &W,
        layout: Eerd,
        address: u16,
    ) -> Result<u16, Error> {
        /// How often the register is looked at.
        const ATTEMPTS: u32 = 50;

        self.check(address, 1)?;
        wires.set_eerd(eerd::START | u32::from(address) << layout.address_shift());
        for _ in 0..ATTEMPTS {
            let value = wires.eerd();

            if value & layout.done() != 0 {
                // CAST: The upper half is meant.
                return Ok((value >> eerd::DATA_SHIFT) as u16);
            }
            wires.delay(5);
        }
        Err(Error::Read)
    }

    /// Reads the words that are summed.
    ///
    /// The register is asked first. Unless what it says adds up, the wires have the last word.
    ///
    /// # Errors
    ///
    /// [`Error::Grant`].
    pub fn read_summed<W: Wires>(&self, wires: &W) -> Result<[u16; SUMMED_WORDS], Error> {
        let mut words = [0; SUMMED_WORDS];

        for layout in [Eerd::Manual, Eerd::Compact] {
            if self.read_summed_eerd(wires, layout, &mut words).is_ok() && is_valid(&words) {
                return Ok(words);
            }
        }
        self.read(wires, 0, &mut words)?;
        Ok(words)
    }

    fn read_summed_eerd<W: Wires>(
        &self,
        wires: &W,
        layout: Eerd,
        words: &mut [u16; SUMMED_WORDS],
    ) -> Result<(), Error> {
        for (address, word) in (0..).zip(words) {
            *word = self.read_word_eerd(wires, layout, address)?;
        }
        Ok(())
    }

    /// Writes words (C: `e1000_write_eeprom`). The checksum is left as it was.
    ///
    /// # Errors
    ///
    /// [`Error::Address`], [`Error::Grant`], [`Error::Write`].
    pub fn write<W: Wires>(&self, wires: &W, first: u16, words: &[u16]) -> Result<(), Error> {
        self.check(first, words.len())?;

        let bus = Bus::acquire(wires)?;
        let dummy_bits = self.address_bits - opcode::EXTRA;

        bus.shift_out(opcode::EWEN, opcode::BITS + opcode::EXTRA);
        bus.shift_out(0, dummy_bits);
        bus.standby();
        for (address, &word) in (first..).zip(words) {
            bus.shift_out(opcode::WRITE, opcode::BITS);
            bus.shift_out(address, self.address_bits);
            bus.shift_out(word, 16);
            bus.standby();
            bus.wait_written()?;
            bus.standby();
        }
        bus.shift_out(opcode::EWDS, opcode::BITS + opcode::EXTRA);
        bus.shift_out(0, dummy_bits);
        Ok(())
    }

    /// Writes the checksum that the words have now (C: `e1000_update_eeprom_checksum`).
    ///
    /// # Errors
    ///
    /// [`Error::Grant`], [`Error::Write`].
    pub fn update_checksum<W: Wires>(&self, wires: &W) -> Result<(), Error> {
        let mut words = [0; SUMMED_WORDS];

        self.read(wires, 0, &mut words)?;

        let (_, summed) = words.split_last().unwrap_or((&0, &[]));

        self.write(wires, CHECKSUM_WORD, &[SUM.wrapping_sub(sum(summed))])
    }

    fn check(&self, first: u16, count: usize) -> Result<(), Error> {
        let end = usize::from(first).checked_add(count);

        match end {
            Some(end) if count > 0 && end <= usize::from(self.words) => Ok(()),
            _ => Err(Error::Address),
        }
    }
}

/// The sum of words, as the checksum counts.
pub fn sum(words: &[u16]) -> u16 {
    words.iter().fold(0, |sum, &word| sum.wrapping_add(word))
}

/// Whether the words add up.
pub fn is_valid(words: &[u16; SUMMED_WORDS]) -> bool {
    sum(words) == SUM
}

/// The address of the card: the first three words.
pub fn mac_address(words: &[u16; SUMMED_WORDS]) -> [u8; 6] {
    let [a, b, c, ..] = *words;
    let ([a0, a1], [b0, b1], [c0, c1]) = (a.to_le_bytes(), b.to_le_bytes(), c.to_le_bytes());

    [a0, a1, b0, b1, c0, c1]
}

/// The words that a range of bytes touches, for `ethtool -e` and `-E`: first and number.
///
/// Returns `None` unless the range is in the EEPROM, and not empty.
pub fn word_range(offset: u32, len: u32, words: u16) -> Option<(u16, usize)> {
    let end = offset.checked_add(len)?;

    if len == 0 || end > u32::from(words) * 2 {
        return None;
    }
    let first = offset / 2;
    let last = (end - 1) / 2;

    // CAST: Both are less than the number of words.
    Some((first as u16, (last - first + 1) as usize))
}

/// The wires, while they are ours.
struct Bus<'a, W: Wires> {
    wires: &'a W,
}

impl<'a, W: Wires> Bus<'a, W> {
    /// How often we ask for the wires.
    const GRANT_ATTEMPTS: u32 = 1000;

    /// Gets the wires, and selects the chip (C: `e1000_acquire_eeprom`).
    fn acquire(wires: &'a W) -> Result<Self, Error> {
        let mut attempts = 0;

        wires.set_eecd(wires.eecd() | eecd::REQ);
        let mut value = wires.eecd();
        while value & eecd::GNT == 0 {
            if attempts == Self::GRANT_ATTEMPTS {
                wires.set_eecd(value & !eecd::REQ);
                return Err(Error::Grant);
            }
            attempts += 1;
            wires.delay(5);
            value = wires.eecd();
        }
        value &= !(eecd::DI | eecd::SK);
        wires.set_eecd(value);
        wires.set_eecd(value | eecd::CS);
        Ok(Self { wires })
    }

    /// Sets the wires and waits until the chip has seen it.
    fn set(&self, value: u32) {
        self.wires.set_eecd(value);
        self.wires.delay(DELAY);
    }

    /// Sends the lower `bits` bits of `data`, the highest first (C: `e1000_shift_out_ee_bits`).
    fn shift_out(&self, data: u16, bits: u32) {
        let idle = self.wires.eecd() & !(eecd::DO | eecd::DI | eecd::SK);

        for bit in (0..bits).rev() {
            let value = if data >> bit & 1 != 0 {
                idle | eecd::DI
            } else {
                idle
            };

            self.set(value);
            self.set(value | eecd::SK);
            self.set(value);
        }
        self.wires.set_eecd(idle);
    }

    /// Receives a word (C: `e1000_shift_in_ee_bits`).
    fn shift_in(&self) -> u16 {
        let idle = self.wires.eecd() & !(eecd::DO | eecd::DI | eecd::SK);
        let mut data = 0;

        for _ in 0..16 {
            self.set(idle | eecd::SK);
            data = data << 1 | u16::from(self.wires.eecd() & eecd::DO != 0);
            self.set(idle);
        }
        data
    }

    /// Makes the chip ready for a command, and start the one before (C: `e1000_standby_eeprom`).
    fn standby(&self) {
        let idle = self.wires.eecd() & !(eecd::CS | eecd::SK);

        self.set(idle);
        self.set(idle | eecd::SK);
        self.set(idle | eecd::SK | eecd::CS);
        self.set(idle | eecd::CS);
    }

    /// Waits until a word is written.
    fn wait_written(&self) -> Result<(), Error> {
        for _ in 0..200 {
            if self.wires.eecd() & eecd::DO != 0 {
                return Ok(());
            }
            self.wires.delay(DELAY);
        }
        Err(Error::Write)
    }
}

impl<W: Wires> Drop for Bus<'_, W> {
    /// Gives the wires back (C: `e1000_release_eeprom`).
    fn drop(&mut self) {
        let mut value = self.wires.eecd() & !(eecd::CS | eecd::DI);

        self.wires.set_eecd(value);
        self.set(value | eecd::SK);
        value &= !eecd::SK;
        self.set(value);
        self.wires.set_eecd(value & !eecd::REQ);
    }
}

/// What the LEDs show while they tell which card it is: the two values of `LEDCTL` that alternate
/// (C: `e1000_id_led_init`).
pub fn id_leds(setting: u16, ledctl: u32) -> (u32, u32) {
    /// On, and off.
    const ON: u32 = 0xe;
    const OFF: u32 = 0xf;
    /// What a card does whose EEPROM does not say.
    const DEFAULT: u16 = 0x8911;

    let setting = match setting {
        0 | u16::MAX => DEFAULT,
        setting => setting,
    };
    let (mut first, mut second) = (ledctl, ledctl);

    for led in 0..4 {
        let shift = led * 8;
        let set = |value: &mut u32, mode: u32| {
            *value = *value & !(0xff << shift) | mode << shift;
        };

        // Three modes (default, on, off) of the first value times three of the second, from 1 on.
        let code = setting >> (led * 4) & 0xf;
        match code {
            4..=6 => set(&mut first, ON),
            7..=9 => set(&mut first, OFF),
            _ => {}
        }
        match code {
            2 | 5 | 8 => set(&mut second, ON),
            3 | 6 | 9 => set(&mut second, OFF),
            _ => {}
        }
    }
    (first, second)
}
