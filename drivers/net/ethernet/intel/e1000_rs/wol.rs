// SPDX-License-Identifier: GPL-2.0

//! What wakes the machine up: ethtool's words for it, and the card's.

/// Filters of the card: bits of `WUFC`.
pub mod wufc {
    /// Link status change.
    pub const LNKC: u32 = 1 << 0;
    /// Magic packet.
    pub const MAG: u32 = 1 << 1;
    /// A packet to our address.
    pub const EX: u32 = 1 << 2;
    /// A multicast.
    pub const MC: u32 = 1 << 3;
    /// A broadcast.
    pub const BC: u32 = 1 << 4;
}

/// Events as ethtool has them: `WAKE_*`.
pub mod wake {
    /// Activity of the PHY.
    pub const PHY: u32 = 1 << 0;
    /// A packet to our address.
    pub const UCAST: u32 = 1 << 1;
    /// A multicast.
    pub const MCAST: u32 = 1 << 2;
    /// A broadcast.
    pub const BCAST: u32 = 1 << 3;
    /// ARP.
    pub const ARP: u32 = 1 << 4;
    /// Magic packet.
    pub const MAGIC: u32 = 1 << 5;
    /// Magic packet with a password.
    pub const MAGICSECURE: u32 = 1 << 6;
    /// What the card can do.
    pub const SUPPORTED: u32 = UCAST | MCAST | BCAST | MAGIC;
    /// What is refused; others that are not supported are ignored, as C does.
    pub const REFUSED: u32 = PHY | ARP | MAGICSECURE;
}

/// Both words for each event.
const PAIRS: [(u32, u32); 4] = [
    (wake::UCAST, wufc::EX),
    (wake::MCAST, wufc::MC),
    (wake::BCAST, wufc::BC),
    (wake::MAGIC, wufc::MAG),
];

/// From ethtool's words to the card's. `None`: an event is refused.
pub fn to_wufc(events: u32) -> Option<u32> {
    if events & wake::REFUSED != 0 {
        return None;
    }
    Some(PAIRS.iter().fold(0, |filters, &(event, filter)| {
        if events & event != 0 {
            filters | filter
        } else {
            filters
        }
    }))
}

/// From the card's words to ethtool's.
pub fn from_wufc(filters: u32) -> u32 {
    PAIRS.iter().fold(0, |events, &(event, filter)| {
        if filters & filter != 0 {
            events | event
        } else {
            events
        }
    })
}

/// What is set while there is a link: that it changes would be true at once.
pub const fn while_link_is_up(filters: u32) -> u32 {
    filters & !wufc::LNKC
}
