// SPDX-License-Identifier: GPL-2.0

//! A card that writes nonsense into its receive descriptors, with the ring of a real driver, memory
//! for DMA, and NAPI: nothing beyond what the card has written reaches the stack, nothing is lost
//! without being counted, and the next good packet arrives.

use super::e1000::{
    desc::{
        rx_error,
        rx_status, //
    },
    ring::Size,
    rx_ring::Settings, //
};
use crate::{
    dma::streaming::soft::device_write,
    net::{
        netdev::Features,
        skb::ETH_HLEN, //
    },
    prelude::*,
    sync::atomic::Relaxed, //
};
use card::{
    Card,
    Lie,
    Total,
    BEGINNING,
    GOOD, //
};

mod card;

/// The largest frame that takes one small buffer, and one that takes pages.
const SMALL: u32 = 1518;
const LARGE: u32 = 9018;

/// Packets are received as they come.
const PLAIN: Settings = Settings {
    copybreak: 256,
    features: Features::NONE,
};

/// A driver with these settings, and one with all others.
const OTHERS: Settings = Settings {
    copybreak: 0,
    features: Settings::FEATURES,
};

/// Both kinds of buffers, with settings that have nothing in common.
const CARDS: [(u32, Settings); 4] = [
    (SMALL, PLAIN),
    (SMALL, OTHERS),
    (LARGE, PLAIN),
    (LARGE, OTHERS),
];

/// Lengths around everything that there is.
const LENGTHS: [u16; 27] = [
    0, 1, 3, 4, 5, 13, 14, 17, 18, 19, 59, 60, 64, 255, 256, 257, 1517, 1518, 1522, 1523, 2047,
    2048, 2049, 4095, 4096, 4097, 65535,
];

#[kunit_tests(rust_net_hostile)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_descriptor_says_the_next_packet_arrives() -> Result {
        for (max_frame, settings) in CARDS {
            let mut card = Card::new(max_frame, settings, Size::MIN)?;

            for length in LENGTHS {
                for status in [0, rx_status::EOP, !rx_status::VP] {
                    for errors in [0, rx_error::CE, rx_error::TCPE, 0xff] {
                        card.tell(Lie {
                            length,
                            status: status | rx_status::DD,
                            errors,
                            special: 0xffff,
                        })?;
                    }
                }
                card.interrupt()?;
                card.packets()?;
            }
            card.works()?;
        }
        Ok(())
    }

    #[test]
    fn a_length_beyond_the_buffer_is_no_packet() -> Result {
        for (max_frame, settings) in CARDS {
            let mut card = Card::new(max_frame, settings, Size::MIN)?;
            let buffer = card.data(|data| data.buffer)?;

            // Less may be a check sequence that was not written.
            for more in [5, 6, 100, 40_000] {
                let before = card.received()?;

                card.tell(Lie {
                    length: u16::try_from(buffer + more)?,
                    ..GOOD
                })?;
                card.interrupt()?;

                let after = card.received()?;

                assert_eq!(after.packets, before.packets);
                assert_eq!(after.dropped, before.dropped + 1);
            }
            assert!(card.packets()?.is_empty());
            card.works()?;
        }
        Ok(())
    }

    #[test]
    fn a_packet_that_never_ends_is_one_loss() -> Result {
        for (max_frame, settings) in CARDS {
            let mut card = Card::new(max_frame, settings, Size::MIN)?;

            for _ in 0..200 {
                card.tell(BEGINNING)?;
                card.interrupt()?;
            }

            let received = card.received()?;

            assert_eq!((received.packets, received.dropped), (0, 1));
            assert!(card.packets()?.is_empty());
            card.works()?;
            assert_eq!(card.received()?.dropped, 1);
        }
        Ok(())
    }

    /// What looks like a packet by itself is not one while another one goes on, also if it is short
    /// enough to be copied.
    #[test]
    fn the_end_of_a_packet_belongs_to_its_beginning() -> Result {
        for settings in [PLAIN, OTHERS] {
            let mut card = Card::new(LARGE, settings, Size::MIN)?;
            let fcs = if settings.keep_fcs() { 0 } else { 4 };

            for length in [GOOD.length, 100].into_iter().cycle().take(100) {
                card.tell(BEGINNING)?;
                card.tell(Lie { length, ..GOOD })?;
                card.interrupt()?;
                assert_eq!(
                    card.packets()?[..],
                    [1000 + usize::from(length) - ETH_HLEN - fcs]
                );
            }
            assert_eq!(card.received()?.packets, 100);
            card.works()?;
        }
        Ok(())
    }

    /// Nor is it one if the beginning was too long for a buffer.
    #[test]
    fn the_end_of_a_lost_packet_is_lost() -> Result {
        for settings in [PLAIN, OTHERS] {
            let mut card = Card::new(SMALL, settings, Size::MIN)?;

            for length in [GOOD.length, 100] {
                card.tell(BEGINNING)?;
                card.tell(Lie { length, ..GOOD })?;
                card.interrupt()?;
                assert!(card.packets()?.is_empty());
            }

            let received = card.received()?;

            assert_eq!((received.packets, received.dropped), (0, 2));
            card.works()?;
        }
        Ok(())
    }

    #[test]
    fn descriptors_are_done_in_their_order() -> Result {
        let mut card = Card::new(SMALL, PLAIN, Size::MIN)?;

        for index in [2, 1, 40, 46] {
            card.tell_at(index, GOOD)?;
            card.interrupt()?;
            assert_eq!(card.received()?, Total::default());
        }
        card.tell_at(0, GOOD)?;
        card.interrupt()?;
        // Those that follow on each other.
        assert_eq!(card.packets()?.len(), 3);
        card.head = 3;
        card.works()
    }

    #[test]
    fn what_the_card_does_not_have_is_not_looked_at() -> Result {
        let mut card = Card::new(SMALL, PLAIN, Size::MIN)?;
        let count = card.data(|data| data.window.count())?;
        let own = count - 1;

        assert_eq!(card.data(|data| data.window.tail.load(Relaxed))?, own - 1);
        card.data(|data| device_write(data.window.descriptor(own) + 12, &[0xff; 4]))?;
        for _ in 0..own {
            card.tell(GOOD)?;
        }
        card.interrupt()?;
        card.interrupt()?;
        assert_eq!(card.received()?.packets, own);
        assert_eq!(card.packets()?.len(), own as usize);
        card.works()
    }

    #[test]
    fn a_card_without_buffers_gets_some_although_it_can_receive_nothing() -> Result {
        for (max_frame, settings) in CARDS {
            let mut card = Card::new(max_frame, settings, Size::MIN)?;
            let own = card.data(|data| data.window.count())? - 1;

            card.starve()?;
            assert_eq!(card.data(|data| data.window.tail.load(Relaxed))?, 0);
            card.interrupt()?;
            assert_eq!(card.buffers()?.len(), own as usize);
            card.works()?;
        }
        Ok(())
    }

    #[test]
    fn what_is_wanted_of_packets_can_change_at_any_time() -> Result {
        for max_frame in [SMALL, LARGE] {
            let mut card = Card::new(max_frame, PLAIN, Size::MIN)?;

            for copybreak in [256, 0, 4096] {
                for features in [Features::RXFCS, Features::NONE] {
                    card.change(Settings {
                        copybreak,
                        features,
                    })?;
                    card.works()?;
                }
            }
        }
        Ok(())
    }

    /// Whether a packet was copied, has taken its buffer along, or was dropped.
    #[test]
    fn the_card_gets_a_buffer_for_each_that_it_has_filled() -> Result {
        for (max_frame, settings) in CARDS {
            let mut card = Card::new(max_frame, settings, Size::MIN)?;
            let own = card.data(|data| data.window.count())? - 1;

            for filled in 1..=own {
                for number in 0..filled {
                    let length = match number % 5 {
                        0 | 3 => 100,
                        1 => 5,
                        _ => 600,
                    };

                    card.tell(Lie { length, ..GOOD })?;
                }
                card.interrupt()?;
                card.packets()?;

                let mut buffers = card.buffers()?;

                assert_eq!(buffers.len(), own as usize);
                buffers.sort_unstable();
                assert!(buffers.windows(2).all(|two| two[0] != two[1]));
            }
            card.works()?;
        }
        Ok(())
    }

    #[test]
    fn a_card_that_has_everything_done_does_not_exceed_the_budget() -> Result {
        let mut card = Card::new(SMALL, PLAIN, Size::DEFAULT)?;
        let all = card.data(|data| data.window.count())? - 1;

        for _ in 0..3 {
            for _ in 0..all {
                card.tell(GOOD)?;
            }
            card.interrupt()?;
        }
        assert_eq!(card.packets()?.len(), 3 * all as usize);
        assert_eq!(
            card.data(|data| data.most_used.load(Relaxed))?,
            bindings::NAPI_POLL_WEIGHT
        );
        card.works()
    }

    /// What is counted as delivered is.
    #[test]
    fn nonsense_of_any_kind_adds_up() -> Result {
        let mut seed = 1_u64;

        for (max_frame, settings) in CARDS {
            let mut card = Card::new(max_frame, settings, Size::MIN)?;
            let mut delivered = 0;

            for _ in 0..60 {
                seed = seed
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);

                let [a, b, status, errors, count, s0, s1, _] = (seed >> 8).to_le_bytes();

                for _ in 0..=count % 16 {
                    card.tell(Lie {
                        // Short ones are as likely as long ones.
                        length: u16::from_le_bytes([a, b]) >> (errors >> 4),
                        status: status | rx_status::DD,
                        errors: errors & status,
                        // Nobody has a VLAN: there is no number.
                        special: u16::from_le_bytes([s0, s1]) & 0xf000,
                    })?;
                }
                card.interrupt()?;
                delivered += card.packets()?.len();
            }
            assert_eq!(card.received()?.packets as usize, delivered);
            assert!(delivered > 0);
            card.works()?;
        }
        Ok(())
    }
}
