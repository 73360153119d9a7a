// SPDX-License-Identifier: GPL-2.0

use crate::{
    desc::{tx_cmd, Context},
    ring::Size,
    txplan::{
        checksum_context, last, tso_context, wire_bytes, Errata, Headers, Offload, Packet, Plan, MAX_BYTES,
        MAX_SEGMENTS,
    },
};

fn packet(mss: u16, linear: bool) -> Packet {
    Packet { mss, partial_checksum: false, linear }
}

const ALL_ERRATA: [Errata; 4] = [
    Errata { pcix: false, last_tso: false },
    Errata { pcix: false, last_tso: true },
    Errata { pcix: true, last_tso: false },
    Errata { pcix: true, last_tso: true },
];

/// Lengths around all limits.
fn lengths() -> impl Iterator<Item = u32> {
    (1..=70).chain(2000..=2060).chain(4080..=4110).chain(8180..=8210).chain([16384, 32768, 65535, 65536])
}

#[test]
fn pieces_are_the_whole_part_without_gap_or_overlap() {
    for mss in [0, 1, 7, 500, 1448, 9000] {
        for linear in [false, true] {
            for errata in ALL_ERRATA {
                let plan = Plan::new(packet(mss, linear), errata);

                for len in lengths() {
                    for (pieces, is_whole) in [
                        (plan.head(len), plan.head_is_whole(len)),
                        (plan.frag(len, false), plan.frag_is_whole(len, false)),
                        (plan.frag(len, true), plan.frag_is_whole(len, true)),
                    ] {
                        let mut end = 0;

                        for (offset, bytes) in pieces {
                            assert_eq!(offset, end);
                            assert!(bytes > 0 && u32::from(bytes) <= MAX_BYTES);
                            end += u32::from(bytes);
                        }
                        assert_eq!(end, len);
                        assert!(!is_whole || pieces.count() == 1);
                    }
                }
            }
        }
    }
}

#[test]
fn a_packet_never_takes_more_descriptors_than_were_counted() {
    for mss in [0, 1, 7, 500, 1448, 9000] {
        for linear in [false, true] {
            for errata in ALL_ERRATA {
                let plan = Plan::new(packet(mss, linear), errata);

                for head in lengths() {
                    for frag in lengths().step_by(5).take_while(|_| !linear) {
                        let frags = [frag, 100, frag];
                        let contexts = usize::from(mss != 0);
                        let taken = plan.head(head).count()
                            + plan.frag(frags[0], false).count()
                            + plan.frag(frags[1], false).count()
                            + plan.frag(frags[2], true).count();
                        let needed = plan.needed(head, frags.into_iter());

                        assert!(contexts + taken <= needed as usize, "{mss} {head} {frag}");
                        assert!(needed <= plan.at_most(head + frags.iter().sum::<u32>(), 3), "{mss} {head} {frag}");
                    }
                    let needed = plan.needed(head, [].into_iter());
                    let taken = plan.head(head).count() + usize::from(mss != 0);

                    assert!(taken <= needed as usize, "{mss} {linear} {errata:?} {head}");
                    assert!(needed <= plan.at_most(head, 0), "{mss} {linear} {errata:?} {head}");
                }
            }
        }
    }
}

/// From the smallest segments that TCP is ready to send on, with all the fragments that a packet can have, each a byte
/// longer than fits.
#[test]
fn a_packet_of_the_most_segments_fits_into_the_smallest_ring() {
    const HEADERS: u32 = 14 + 4 + 60 + 60;
    const FRAGS: u32 = 17;

    for mss in 48..=2100u16 {
        let plan = Plan::new(packet(mss, false), Errata::default());
        let payload = (u32::from(mss) * u32::from(MAX_SEGMENTS)).min(65535);

        for unit in [128, 256, 512, 1024, 2048, 4096] {
            let mut left = payload;
            let frags: Vec<u32> = (0..FRAGS)
                .map(|nth| {
                    let frag = if nth == FRAGS - 1 { left } else { (left / (FRAGS - nth) / unit * unit + 1).min(left) };

                    left -= frag;
                    frag
                })
                .collect();
            let needed = plan.needed(HEADERS, frags.into_iter()) + 2;

            assert!(needed < u32::from(Size::MIN.count()), "{mss} {unit} {needed}");
        }
    }
}

#[test]
fn no_descriptor_covers_more_than_four_segments() {
    let plan = Plan::new(packet(500, false), Errata::default());

    assert!(plan.frag(65536, false).all(|(_, bytes)| bytes <= 2000));
}

#[test]
fn the_last_piece_of_segmentation_is_a_sentinel_of_four_bytes() {
    let plan = Plan::new(packet(1448, false), Errata::default());

    assert_eq!(plan.frag(5000, true).last(), Some((4996, 4)));
    assert_eq!(plan.frag(5000, false).last(), Some((4096, 904)));
    assert_eq!(plan.head(54).collect::<Vec<_>>(), [(0, 54)]);
    // Too short to be cut.
    assert_eq!(plan.frag(8, true).collect::<Vec<_>>(), [(0, 8)]);

    let plan = Plan::new(packet(1448, true), Errata::default());
    assert_eq!(plan.head(3000).collect::<Vec<_>>(), [(0, 2996), (2996, 4)]);
}

#[test]
fn the_first_linear_packet_after_segmentation_pays_for_it() {
    let errata = Errata { pcix: false, last_tso: true };
    let plan = Plan::new(packet(0, true), errata);

    assert!(plan.pays_for_tso());
    assert_eq!(plan.head(100).collect::<Vec<_>>(), [(0, 96), (96, 4)]);
    assert_eq!(plan.head(5000).collect::<Vec<_>>(), [(0, 4092), (4092, 908)]);
    assert!(!Plan::new(packet(0, false), errata).pays_for_tso());
    assert!(!Plan::new(packet(1448, true), errata).pays_for_tso());
}

#[test]
fn the_first_descriptor_on_pcix_is_short() {
    let errata = Errata { pcix: true, last_tso: false };
    let plan = Plan::new(packet(0, false), errata);

    assert_eq!(plan.head(2015).collect::<Vec<_>>(), [(0, 2015)]);
    assert_eq!(plan.head(2016).collect::<Vec<_>>(), [(0, 2015), (2015, 1)]);
    assert_eq!(plan.frag(4096, false).collect::<Vec<_>>(), [(0, 4096)]);
}

#[test]
fn a_context_counts_as_a_descriptor() {
    let plan = |packet| Plan::new(packet, Errata::default()).needed(60, [].into_iter());
    let plain = plan(packet(0, true));

    assert_eq!(plain, 2);
    assert_eq!(plan(packet(1448, true)), 3);
    assert_eq!(plan(Packet { partial_checksum: true, ..packet(0, true) }), 3);
}

#[test]
fn the_context_of_segmentation_is_cs() {
    let headers = Headers { network: 14, transport: 34, len: 66, ipv4: true };

    assert_eq!(
        tso_context(headers, 66 + 40_000, 1448),
        Some(Context {
            ipcss: 14,
            ipcso: 24,
            ipcse: 33,
            tucss: 34,
            tucso: 50,
            tucse: 0,
            paylen: 40_000,
            cmd: tx_cmd::TSE | tx_cmd::TCP | tx_cmd::IP,
            hdrlen: 66,
            mss: 1448,
        })
    );

    let headers = Headers { network: 14, transport: 54, len: 74, ipv4: false };
    let context = tso_context(headers, 74 + 3000, 1428).unwrap();

    assert_eq!((context.ipcse, context.cmd), (0, tx_cmd::TSE | tx_cmd::TCP));
    assert_eq!((context.tucss, context.tucso), (54, 70));
}

#[test]
fn headers_that_the_card_cannot_reach_are_refused() {
    let headers = Headers { network: 14, transport: 34, len: 54, ipv4: true };

    for headers in [
        Headers { network: usize::MAX, ..headers },
        Headers { network: 256, ..headers },
        Headers { network: 246, ..headers },
        Headers { transport: 240, ..headers },
        Headers { transport: usize::MAX, ..headers },
        Headers { transport: 0, ..headers },
        Headers { len: 256, ..headers },
    ] {
        assert_eq!(tso_context(headers, 2000, 1000), None, "{headers:?}");
    }
    assert_eq!(tso_context(headers, 53, 1000), None);
    assert_eq!(tso_context(headers, 54 + (1 << 20), 1000), None);
    assert!(tso_context(headers, 54 + (1 << 20) - 1, 1000).is_some());
}

#[test]
fn the_context_of_a_checksum_is_where_the_stack_says() {
    let context = checksum_context(34, 6, false).unwrap();

    assert_eq!((context.tucss, context.tucso, context.cmd), (34, 40, 0));
    assert_eq!(checksum_context(34, 16, true).unwrap().cmd, tx_cmd::TCP);
    assert_eq!(checksum_context(256, 0, false), None);
    assert_eq!(checksum_context(250, 6, false), None);
    assert_eq!(checksum_context(u32::MAX, 1, false), None);
}

#[test]
fn commands_are_cs_for_each_offload() {
    let fields = |offload: Offload| {
        let (lower, upper) = offload.fields();

        ((lower, upper), lower & tx_cmd::IFCS | last(true))
    };

    assert_eq!(fields(Offload::default()), ((0x0200_0000, 0), 0x8b00_0000));
    assert_eq!(
        fields(Offload { checksum: true, ipv4: true, ..Offload::default() }),
        ((0x2210_0000, 0x0200), 0x8b00_0000)
    );
    assert_eq!(
        fields(Offload { tso: true, ipv4: true, vlan: Some(0xa123), ..Offload::default() }),
        ((0x6610_0000, 0xa123_0300), 0x8b00_0000)
    );
    assert_eq!(fields(Offload { tso: true, ..Offload::default() }), ((0x2610_0000, 0x0200), 0x8b00_0000));
    assert_eq!(fields(Offload { no_fcs: true, ..Offload::default() }), ((0, 0), 0x8900_0000));
    assert_eq!(last(false), 0x0900_0000);
}

#[test]
fn headers_are_counted_for_each_segment() {
    assert_eq!(wire_bytes(1514, 1514, 1), 1514);
    assert_eq!(wire_bytes(1514, 1514, 0), 1514);
    assert_eq!(wire_bytes(3000, 66, 3), 3132);
    assert_eq!(wire_bytes(u32::MAX, 66, u16::MAX), u32::MAX);
}

#[test]
fn most_parts_are_known_to_be_one_piece() {
    let [usual, ..] = ALL_ERRATA;

    // A packet, and the headers and first fragments of one that is segmented.
    assert!(Plan::new(packet(0, true), usual).head_is_whole(1514));
    assert!(Plan::new(packet(0, false), usual).frag_is_whole(MAX_BYTES, true));
    assert!(Plan::new(packet(1448, false), usual).head_is_whole(66));
    assert!(Plan::new(packet(1448, false), usual).frag_is_whole(MAX_BYTES, false));
    assert!(!Plan::new(packet(1448, false), usual).frag_is_whole(MAX_BYTES, true));
}
