// SPDX-License-Identifier: GPL-2.0

use vm_memory::{Bytes, GuestAddress};

use super::*;
use crate::ring::tests::{SIZE, memory_and_queue};

/// The used ring, see [`memory_and_queue`].
const USED: u64 = 0x3000;

fn done(head: u16) -> Done {
    Done { head, used: 513, name: "read" }
}

/// What the driver sees after the lie: the index, and the numbers of the first three entries.
fn seen(text: &str, head: u16, others: &[Done]) -> (bool, u16, [u32; 3]) {
    let (memory, mut queue) = memory_and_queue();
    let mut lies = Lies::default();
    let lie = Lie::parse(text).unwrap();
    lies.add(lie);
    let told = lies.tell(lie.kind, 0, &mut Ring::new(&memory, &mut queue), done(head), others).unwrap();
    assert_eq!(lies.told(), u64::from(told));
    let index: u16 = memory.read_obj(GuestAddress(USED + 2)).unwrap();
    let id = |entry: u64| memory.read_obj(GuestAddress(USED + 4 + 8 * entry)).unwrap();
    (told, index, [id(0), id(1), id(2)])
}

#[test]
fn numbers_are_wrong_in_each_way() {
    assert_eq!(seen("id-size", 2, &[]), (true, 1, [8, 0, 0]));
    assert_eq!(seen("id-huge", 2, &[]), (true, 1, [u32::MAX, 0, 0]));
    assert_eq!(seen("id-high-bits", 2, &[]), (true, 1, [0x1_0002, 0, 0]));
    assert_eq!(seen("id-not-head", 2, &[]), (true, 1, [3, 0, 0]));
    assert_eq!(seen("id-free", 2, &[]), (true, 1, [7, 0, 0]));
    assert_eq!(seen("id-twice", 2, &[]), (true, 2, [2, 2, 0]));
    assert_eq!(seen("id-before", 2, &[done(6)]), (true, 3, [6, 6, 2]));
    assert_eq!(seen("id-flood", 2, &[]).1, SIZE);
}

#[test]
fn indices_are_wrong_in_each_way() {
    for (lie, index) in [
        ("index-back", u16::MAX),
        ("index-forward", 2),
        ("index-lap", 10),
        ("index-half", 0x8001),
        ("index-zero", 0),
        ("index-stuck", 0),
    ] {
        assert_eq!(seen(lie, 2, &[]), (true, index, [2, 0, 0]), "{lie}");
    }
}

#[test]
fn what_was_carried_out_meanwhile_is_told_truly() {
    assert_eq!(seen("id-huge", 2, &[done(6)]), (true, 2, [6, u32::MAX, 0]));
}

#[test]
fn a_buffer_that_is_not_fit_for_a_lie_comes_back_truly() {
    for (lie, head) in [("id-not-head", 6), ("next-clear", 6), ("indirect-table", 2), ("id-before", 2)] {
        assert_eq!(seen(lie, head, &[]), (false, 1, [head.into(), 0, 0]), "{lie}");
    }
}

#[test]
fn descriptors_are_changed_in_each_way() {
    for (lie, index, flags, next) in [
        ("next-set", 4, NEXT, 5),
        ("next-clear", 2, 0, 3),
        ("next-loop", 4, NEXT, 2),
        ("next-far", 2, NEXT, u16::MAX),
        ("indirect-flip", 2, NEXT | INDIRECT, 3),
        ("descriptors-garbage", 7, u16::MAX, u16::MAX),
    ] {
        let (memory, mut queue) = memory_and_queue();
        let mut ring = Ring::new(&memory, &mut queue);
        assert!(tell(Lie::parse(lie).unwrap().kind, &mut ring, done(2)).unwrap(), "{lie}");
        let found = ring.descriptor(index).unwrap();
        assert_eq!((found.flags, found.next), (flags, next), "{lie}");
    }
}

#[test]
fn lengths_are_wrong_in_each_way() {
    for (lie, len) in [("len-zero", 0), ("len-one", 1), ("len-data", 512), ("len-more", 514), ("len-huge", u32::MAX)] {
        let (memory, mut queue) = memory_and_queue();
        tell(Lie::parse(lie).unwrap().kind, &mut Ring::new(&memory, &mut queue), done(2)).unwrap();
        assert_eq!(memory.read_obj::<u32>(GuestAddress(USED + 8)).unwrap(), len, "{lie}");
    }
}

#[test]
fn a_lie_is_told_as_often_as_it_says() {
    let (memory, mut queue) = memory_and_queue();
    let mut ring = Ring::new(&memory, &mut queue);
    let mut lies = Lies::default();
    lies.add(Lie::parse("len-zero:read*2").unwrap());
    assert_eq!(lies.next_for("write"), None);
    for _ in 0..2 {
        let kind = lies.next_for("read").unwrap();
        lies.tell(kind, 0, &mut ring, done(2), &[]).unwrap();
    }
    assert_eq!(lies.next_for("read"), None);
    lies.add(Lie::parse("len-one*").unwrap());
    for _ in 0..3 {
        lies.tell(LieKind::LenOne, 0, &mut ring, done(2), &[]).unwrap();
    }
    assert_eq!((lies.next_for("flush"), lies.told()), (Some(LieKind::LenOne), 5));
    lies.clear();
    assert_eq!(lies.next_for("flush"), None);
}

#[test]
fn a_buffer_that_a_lie_gives_back_is_not_carried_out() {
    let (memory, mut queue) = memory_and_queue();
    let mut lies = Lies::default();
    lies.tell(LieKind::IdFree, 1, &mut Ring::new(&memory, &mut queue), done(2), &[]).unwrap();
    assert!(!lies.is_owed(0, 7), "another queue");
    assert!(lies.is_owed(1, 7) && !lies.is_owed(1, 7), "once");
    lies.tell(LieKind::IdFree, 1, &mut Ring::new(&memory, &mut queue), done(2), &[]).unwrap();
    lies.forget();
    assert!(!lies.is_owed(1, 7));
}

#[test]
fn what_the_driver_may_take_for_others_is_not_carried_out() {
    for (lie, owed) in [("id-twice", 2), ("id-flood", 2), ("index-back", 6), ("index-zero", 6)] {
        let (memory, mut queue) = memory_and_queue();
        let mut ring = Ring::new(&memory, &mut queue);
        let mut lies = Lies::default();
        let kind = Lie::parse(lie).unwrap().kind;
        lies.tell(kind, 0, &mut ring, done(2), &[done(6)]).unwrap();
        assert!(lies.is_owed(0, owed), "{lie}");
    }
}

#[test]
fn links_that_are_made_afterwards_are_gone_when_the_device_looks() {
    let (memory, mut queue) = memory_and_queue();
    let mut ring = Ring::new(&memory, &mut queue);
    let mut lies = Lies::default();
    let before: Vec<_> = (0..SIZE).map(|index| ring.descriptor(index).unwrap()).collect();
    lies.tell(LieKind::NextAfter, 0, &mut ring, done(2), &[]).unwrap();
    assert!((0..SIZE).all(|index| ring.descriptor(index).unwrap().flags & NEXT != 0));
    assert_eq!(ring.descriptor(4).unwrap().next, before[4].next);

    // The driver uses one of them again.
    let again = Descriptor { addr: 0x1000, len: 16, flags: INDIRECT, next: 0 };
    ring.set_descriptor(4, again).unwrap();
    lies.mend(1, &ring).unwrap();
    assert!(ring.descriptor(0).unwrap().flags & NEXT != 0, "another queue");
    lies.mend(0, &ring).unwrap();
    for index in 0..SIZE {
        let right = if index == 4 { again } else { before[usize::from(index)] };
        assert_eq!(ring.descriptor(index).unwrap(), right, "{index}");
    }
}

#[test]
fn unknown_lies_are_named() {
    assert!(Lie::parse("id").unwrap_err().to_string().contains("index-lap"));
    for wrong in ["id-huge:all", "id-huge*x", ""] {
        assert!(Lie::parse(wrong).is_err(), "{wrong}");
    }
}
