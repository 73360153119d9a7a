// SPDX-License-Identifier: GPL-2.0

use std::cell::{Cell, RefCell};

use crate::{
    eeprom::{self, Eeprom, Eerd, Error, Wires, SUM, SUMMED_WORDS},
    regs::{eecd, eerd},
};

/// A Microwire EEPROM behind the registers of a card.
struct Fake {
    words: RefCell<Vec<u16>>,
    eecd: Cell<u32>,
    eerd: Cell<u32>,
    /// Bits that came in since the chip was selected, the last one lowest.
    input: Cell<u64>,
    input_bits: Cell<u32>,
    /// The word that goes out, and how many bits of it have.
    output: Cell<Option<(u16, u32)>>,
    may_write: Cell<bool>,
    /// A write that starts when the chip is deselected.
    pending: Cell<Option<(u16, u16)>>,
    eerd_layout: Option<Eerd>,
    grants: bool,
    finishes: bool,
    waited: Cell<u32>,
}

impl Fake {
    fn new(words: usize) -> Self {
        let mut content: Vec<u16> = (0..words).map(|i| (i as u16).wrapping_mul(0x101) ^ 7).collect();
        let sum = eeprom::sum(&content[..SUMMED_WORDS - 1]);

        content[SUMMED_WORDS - 1] = SUM.wrapping_sub(sum);
        Self {
            words: RefCell::new(content),
            eecd: Cell::new(if words == 256 { eecd::SIZE } else { 0 }),
            eerd: Cell::new(0),
            input: Cell::new(0),
            input_bits: Cell::new(0),
            output: Cell::new(None),
            may_write: Cell::new(false),
            pending: Cell::new(None),
            eerd_layout: None,
            grants: true,
            finishes: true,
            waited: Cell::new(0),
        }
    }

    fn address_bits(&self) -> u32 {
        if self.words.borrow().len() == 256 {
            8
        } else {
            6
        }
    }

    fn word(&self, address: u16) -> u16 {
        self.words.borrow()[usize::from(address)]
    }

    /// Takes a bit from `DI`.
    fn shift_in(&self, bit: bool) {
        if let Some((word, sent)) = self.output.get() {
            self.output.set(Some((word, sent + 1)));
            return;
        }
        self.input.set(self.input.get() << 1 | u64::from(bit));
        self.input_bits.set(self.input_bits.get() + 1);

        let address_bits = self.address_bits();
        let (input, bits) = (self.input.get(), self.input_bits.get());
        let command = 3 + address_bits;

        if bits == command {
            let address = (input & ((1 << address_bits) - 1)) as u16;

            match input >> address_bits {
                0b110 => self.output.set(Some((self.word(address), 0))),
                0b100 if address >> (address_bits - 2) == 0b11 => self.may_write.set(true),
                0b100 if address >> (address_bits - 2) == 0b00 => self.may_write.set(false),
                0b101 => {}
                opcode => panic!("opcode {opcode:#b}"),
            }
        } else if bits == command + 16 {
            assert_eq!(input >> (16 + address_bits), 0b101);
            let address = (input >> 16 & ((1 << address_bits) - 1)) as u16;

            self.pending.set(Some((address, input as u16)));
        }
    }
}

impl Wires for Fake {
    fn eecd(&self) -> u32 {
        let mut value = self.eecd.get() & !(eecd::DO | eecd::GNT);

        if self.grants && value & eecd::REQ != 0 {
            value |= eecd::GNT;
        }
        let bit = match self.output.get() {
            // A zero comes before the first bit.
            Some((word, sent)) => sent > 0 && word >> (16 - sent.min(16)) & 1 != 0,
            None => self.finishes,
        };
        if bit {
            value |= eecd::DO;
        }
        value
    }

    fn set_eecd(&self, value: u32) {
        let old = self.eecd.replace(value);
        let wired = eecd::SK | eecd::CS;

        if (old ^ value) & wired != 0 {
            assert_ne!(value & eecd::REQ, 0, "the wires are not ours");
        }
        if value & eecd::CS == 0 {
            if let Some((address, word)) = self.pending.take() {
                if self.may_write.get() {
                    self.words.borrow_mut()[usize::from(address)] = word;
                }
            }
            self.input.set(0);
            self.input_bits.set(0);
            self.output.set(None);
            return;
        }
        // The edge that comes with the selection, or before it, is none of a bit.
        if old & eecd::CS != 0 && old & eecd::SK == 0 && value & eecd::SK != 0 {
            self.shift_in(value & eecd::DI != 0);
        }
    }

    fn eerd(&self) -> u32 {
        let value = self.eerd.get();
        let (done, shift) = match self.eerd_layout {
            None => return value,
            Some(Eerd::Manual) => (1 << 4, 8),
            Some(Eerd::Compact) => (1 << 1, 2),
        };
        let address = (value & 0xffff) >> shift;
        let word = self.words.borrow().get(address as usize).copied();

        match word {
            Some(word) if value & eerd::START != 0 => u32::from(word) << 16 | done,
            _ => value,
        }
    }

    fn set_eerd(&self, value: u32) {
        self.eerd.set(value);
    }

    fn delay(&self, microseconds: u32) {
        self.waited.set(self.waited.get() + microseconds);
    }
}

#[test]
fn each_word_of_both_sizes_is_read_bit_by_bit() {
    for count in [64, 256] {
        let fake = Fake::new(count);
        let chip = Eeprom::new(&fake);

        assert_eq!(usize::from(chip.words()), count);
        for address in 0..count as u16 {
            assert_eq!(chip.read_word(&fake, address), Ok(fake.word(address)));
        }

        let mut all = vec![0; count];
        chip.read(&fake, 0, &mut all).unwrap();
        assert_eq!(all, *fake.words.borrow());
        assert_eq!(fake.eecd.get() & (eecd::REQ | eecd::CS), 0, "given back");
    }
}

#[test]
fn words_out_of_range_are_not_read_nor_written() {
    for count in [64u16, 256] {
        let fake = Fake::new(count.into());
        let chip = Eeprom::new(&fake);

        assert_eq!(chip.read_word(&fake, count), Err(Error::Address));
        assert_eq!(chip.read(&fake, count - 1, &mut [0; 2]), Err(Error::Address));
        assert_eq!(chip.read(&fake, 0, &mut []), Err(Error::Address));
        assert_eq!(chip.read_word(&fake, u16::MAX), Err(Error::Address));
        assert_eq!(chip.write(&fake, count - 1, &[0; 2]), Err(Error::Address));
        assert_eq!(fake.waited.get(), 0, "the wires were not touched");
    }
}

#[test]
fn words_are_written_and_the_others_stay() {
    for count in [64, 256] {
        let fake = Fake::new(count);
        let chip = Eeprom::new(&fake);
        let before = fake.words.borrow().clone();

        chip.write(&fake, 10, &[0xdead, 0xbeef]).unwrap();
        for (address, old) in before.iter().enumerate() {
            let now = fake.word(address as u16);

            match address {
                10 => assert_eq!(now, 0xdead),
                11 => assert_eq!(now, 0xbeef),
                _ => assert_eq!(now, *old),
            }
        }
        assert!(!fake.may_write.get(), "writing is switched off again");
    }
}

#[test]
fn the_checksum_is_right_after_it_was_updated() {
    let fake = Fake::new(64);
    let chip = Eeprom::new(&fake);

    chip.write(&fake, 3, &[0x1234]).unwrap();
    assert!(!eeprom::is_valid(&chip.read_summed(&fake).unwrap()));
    chip.update_checksum(&fake).unwrap();
    assert!(eeprom::is_valid(&chip.read_summed(&fake).unwrap()));
}

#[test]
fn a_chip_that_never_finishes_is_not_waited_for_for_ever() {
    let fake = Fake { finishes: false, ..Fake::new(64) };
    let chip = Eeprom::new(&fake);

    assert_eq!(chip.write(&fake, 0, &[1]), Err(Error::Write));
    assert!(fake.waited.get() < 100_000);
    assert_eq!(fake.eecd.get() & (eecd::REQ | eecd::CS), 0, "given back");
}

#[test]
fn wires_that_others_keep_are_not_waited_for_for_ever() {
    let fake = Fake { grants: false, ..Fake::new(64) };
    let chip = Eeprom::new(&fake);

    assert_eq!(chip.read_word(&fake, 0), Err(Error::Grant));
    assert_eq!(chip.read_summed(&fake), Err(Error::Grant));
    assert_eq!(fake.eecd.get() & eecd::REQ, 0, "no longer asked for");
}

#[test]
fn the_summed_words_are_the_same_by_each_way() {
    for layout in [None, Some(Eerd::Manual), Some(Eerd::Compact)] {
        let fake = Fake { eerd_layout: layout, ..Fake::new(64) };
        let words = Eeprom::new(&fake).read_summed(&fake).unwrap();

        assert_eq!(words[..], fake.words.borrow()[..]);
        assert!(eeprom::is_valid(&words));
    }
}

#[test]
fn a_wrong_sum_is_told_after_the_wires_were_asked() {
    let fake = Fake { eerd_layout: Some(Eerd::Manual), ..Fake::new(64) };

    fake.words.borrow_mut()[5] ^= 1;
    let words = Eeprom::new(&fake).read_summed(&fake).unwrap();
    assert!(!eeprom::is_valid(&words));
    assert_eq!(words[..], fake.words.borrow()[..]);
}

#[test]
fn the_address_is_the_first_three_words() {
    let mut words = [0; SUMMED_WORDS];

    words[..3].copy_from_slice(&[0x5452, 0x1200, 0x5634]);
    assert_eq!(eeprom::mac_address(&words), [0x52, 0x54, 0x00, 0x12, 0x34, 0x56]);
}

#[test]
fn a_range_of_bytes_touches_whole_words_and_stays_inside() {
    for (offset, len, range) in [
        (0, 1, Some((0, 1))),
        (0, 2, Some((0, 1))),
        (1, 1, Some((0, 1))),
        (1, 2, Some((0, 2))),
        (126, 2, Some((63, 1))),
        (127, 1, Some((63, 1))),
        (127, 2, None),
        (128, 1, None),
        (0, 128, Some((0, 64))),
        (0, 129, None),
        (0, 0, None),
        (u32::MAX, 2, None),
    ] {
        assert_eq!(eeprom::word_range(offset, len, 64), range, "{offset} {len}");
    }
}

#[test]
fn leds_follow_the_setting_of_the_eeprom() {
    // All of them: off, then on; then the default mode in the others.
    assert_eq!(eeprom::id_leds(0x8888, 0), (0x0f0f_0f0f, 0x0e0e_0e0e));
    assert_eq!(eeprom::id_leds(0x1111, 0x1234_5678), (0x1234_5678, 0x1234_5678));
    assert_eq!(eeprom::id_leds(0x0004, 0xffff_ffff), (0xffff_ff0e, 0xffff_ffff));
    for unset in [0, 0xffff] {
        assert_eq!(eeprom::id_leds(unset, 0), eeprom::id_leds(0x8911, 0));
    }
}
