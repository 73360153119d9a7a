// SPDX-License-Identifier: GPL-2.0

use crate::{
    filter::{vlan_place, Address, Exact, HashBits, Plan, Wanted},
    regs::rctl,
};

/// The `i`th of many addresses.
fn address(first: u8, i: usize) -> Address {
    [first, 0, 0x5e, 0, (i >> 8) as u8, i as u8]
}

fn plan(wanted: Wanted, unicast: &[Address], multicast: &[Address]) -> Plan {
    Plan::new(wanted, unicast.len(), unicast.iter(), multicast.iter(), HashBits::From36)
}

#[test]
fn an_address_is_little_endian_and_valid() {
    assert_eq!(Exact::new(&[0x52, 0x54, 0x00, 0x12, 0x34, 0x56]), Exact { low: 0x1200_5452, high: 0x8000_5634 });
}

/// The example of the manual's section on the receive control register.
#[test]
fn the_hash_is_taken_from_the_bits_that_the_setting_says() {
    let address = [0x01, 0xaa, 0x00, 0x12, 0x34, 0x56];

    for (bits, hash, field) in [
        (HashBits::From36, 0x563, 0 << 12),
        (HashBits::From35, 0xac6, 1 << 12),
        (HashBits::From34, 0x58d, 2 << 12),
        (HashBits::From32, 0x634, 3 << 12),
    ] {
        assert_eq!(bits.hash(&address), hash, "{bits:?}");
        assert_eq!(bits.rctl(), field);
    }
}

#[test]
fn each_vlan_has_a_bit_of_its_own() {
    let mut table = [0u32; 128];

    for vid in 0..4096 {
        let (index, bit) = vlan_place(vid);

        assert_eq!(bit.count_ones(), 1);
        assert_eq!(table[index] & bit, 0);
        table[index] |= bit;
    }
    assert!(table.iter().all(|&register| register == u32::MAX));
    assert!(vlan_place(u16::MAX).0 < 128);
}

#[test]
fn unicast_goes_before_multicast_and_the_rest_is_hashed() {
    let unicast: Vec<_> = (0..3).map(|i| address(2, i)).collect();
    let multicast: Vec<_> = (0..20).map(|i| address(1, i * 16)).collect();
    let plan = plan(Wanted::default(), &unicast, &multicast);

    assert_eq!(plan.rctl, 0);
    for (exact, address) in plan.exact.iter().zip(unicast.iter().chain(&multicast)) {
        assert_eq!(*exact, Exact::new(address));
    }

    let mut hashes = [0u32; 128];
    for address in &multicast[11..] {
        let hash = HashBits::From36.hash(address);

        hashes[usize::from(hash >> 5)] |= 1 << (hash & 31);
    }
    assert_eq!(plan.hashes, hashes);
}

#[test]
fn registers_that_are_not_needed_are_cleared() {
    let plan = plan(Wanted::default(), &[address(2, 0)], &[]);

    assert!(plan.exact[1..].iter().all(|&exact| exact == Exact::NONE));
    assert_eq!(plan.hashes, [0; 128]);
}

#[test]
fn more_unicast_than_there_are_registers_means_all_unicast() {
    let unicast: Vec<_> = (0..15).map(|i| address(2, i)).collect();

    assert_eq!(plan(Wanted::default(), &unicast[..14], &[]).rctl, 0);

    let plan = plan(Wanted::default(), &unicast, &[address(1, 7)]);
    assert_eq!(plan.rctl, rctl::UPE);
    assert_eq!(plan.exact[0], Exact::new(&address(1, 7)), "free for multicast");
}

#[test]
fn what_is_wanted_becomes_bits() {
    let wanted = |promiscuous, all_multicast, vlans| Wanted { promiscuous, all_multicast, vlans };

    for (wanted, bits) in [
        (wanted(false, false, false), 0),
        (wanted(false, true, false), rctl::MPE),
        (wanted(false, false, true), rctl::VFE),
        (wanted(false, true, true), rctl::MPE | rctl::VFE),
        (wanted(true, false, true), rctl::UPE | rctl::MPE),
        (wanted(true, true, true), rctl::UPE | rctl::MPE),
    ] {
        let rctl = plan(wanted, &[address(2, 1)], &[address(1, 1)]).rctl;

        assert_eq!(rctl, bits, "{wanted:?}");
        assert_eq!(rctl & !Plan::RCTL_MASK, 0);
    }
}

#[test]
fn no_multicast_that_was_asked_for_is_missed() {
    let multicast: Vec<_> = (0..500).map(|i| address(1, i * 37)).collect();
    let plan = plan(Wanted::default(), &[], &multicast);

    for address in &multicast {
        let hash = HashBits::From36.hash(address);
        let hashed = plan.hashes[usize::from(hash >> 5)] & 1 << (hash & 31) != 0;

        assert!(hashed || plan.exact.contains(&Exact::new(address)));
    }
}
