// SPDX-License-Identifier: GPL-2.0

//! Network cards of the e1000 family. A hub joins all cards of a machine inside of QEMU: nothing that they send leaves
//! it.

use serde_json::{Value, json};

/// QEMU's 82540EM, with which both drivers are compared.
const MODEL: &str = "e1000";

/// A network card of a machine.
#[derive(Debug, Clone)]
pub struct Card {
    /// How guest scripts and QMP know it: lower-case letters and digits.
    pub name: String,
    /// QEMU's name of the model.
    pub model: &'static str,
    /// The address in its EEPROM.
    pub mac: String,
}

impl Card {
    /// A card with an address of its own for each name.
    pub fn new(name: &str) -> Self {
        // Any two names of the tests differ in this sum; a test says so.
        let sum = name.bytes().fold(0_u16, |sum, byte| sum.wrapping_mul(31).wrapping_add(u16::from(byte)));
        let [high, low] = sum.to_be_bytes();
        let mac = format!("52:54:00:e1:{high:02x}:{low:02x}");
        Self { name: name.to_owned(), model: MODEL, mac }
    }

    /// The same card as another model.
    pub fn model(mut self, model: &'static str) -> Self {
        self.model = model;
        self
    }

    /// QEMU's name of the card.
    pub fn device_id(&self) -> String {
        format!("card-{}", self.name)
    }

    fn wire_id(&self) -> String {
        format!("wire-{}", self.name)
    }

    /// The argument of `-netdev`: a port of the hub.
    pub fn netdev(&self) -> String {
        format!("hubport,id={},hubid=0", self.wire_id())
    }

    /// The argument of `-device`, in slot `slot`.
    pub fn device(&self, slot: usize) -> Value {
        json!({
            "driver": self.model, "id": self.device_id(), "netdev": self.wire_id(), "mac": self.mac,
            "addr": format!("{slot:x}"),
            // Nothing boots from it, and not every host has the firmware that would.
            "romfile": "",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_has_an_address_of_its_own_that_is_no_group() {
        let [left, right] = ["left", "right"].map(Card::new);
        assert_ne!(left.mac, right.mac);
        assert_eq!(left.mac, Card::new("left").mac);
        let first = u8::from_str_radix(&left.mac[..2], 16).unwrap();
        assert_eq!(first & 1, 0, "{}", left.mac);
    }

    #[test]
    fn a_card_is_on_the_hub_and_boots_nothing() {
        let card = Card::new("left");
        assert_eq!(card.netdev(), "hubport,id=wire-left,hubid=0");
        let device = card.device(0xc);
        assert_eq!(
            (&device["netdev"], &device["addr"], &device["romfile"]),
            (&"wire-left".into(), &"c".into(), &"".into())
        );
    }
}
