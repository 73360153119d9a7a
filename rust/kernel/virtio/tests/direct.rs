// SPDX-License-Identifier: GPL-2.0

//! Which buffers have an indirect table, and that both kinds go round side by side (laws 1 and 5).

use super::{
    super::{
        fake::Options,
        Virtqueue, //
    },
    bench::{
        Plan,
        Session,
        MODERN, //
    },
    driver::Echo,
    queue::{
        add,
        pop,
        POLLED, //
    }, //
};
use crate::{
    bindings,
    prelude::*, //
};

const INDIRECT: u32 = bindings::VIRTIO_RING_F_INDIRECT_DESC;

/// The rings whose buffers can have indirect tables.
const RINGS: &[(&str, &[u32])] = &[
    ("split", &[INDIRECT]),
    ("split, in order", &[INDIRECT, bindings::VIRTIO_F_IN_ORDER]),
    (
        "split, platform",
        &[INDIRECT, bindings::VIRTIO_F_ACCESS_PLATFORM],
    ),
    ("packed", &[INDIRECT, bindings::VIRTIO_F_RING_PACKED]),
    (
        "packed, platform",
        &[
            INDIRECT,
            bindings::VIRTIO_F_RING_PACKED,
            bindings::VIRTIO_F_ACCESS_PLATFORM,
        ],
    ),
    (
        "packed, in order",
        &[
            INDIRECT,
            bindings::VIRTIO_F_RING_PACKED,
            bindings::VIRTIO_F_IN_ORDER,
        ],
    ),
];

/// Others.
const WITHOUT_TABLES: &[(&str, &[u32])] = &[
    ("split", &[]),
    ("packed", &[bindings::VIRTIO_F_RING_PACKED]),
];

/// A driver with one queue, of `size` descriptors.
fn set_up(bits: &[u32], size: u16) -> Result<Session> {
    let options = Options {
        queues: if size == 256 { &[256] } else { &[8] },
        ..MODERN.with_features(bits)
    };

    let plan = Plan {
        max_parts: 8,
        ..POLLED
    };

    Session::new(plan, options)
}

/// Adds a buffer of so many parts, all of which the device reads.
fn add_parts(session: &Session, queue: &Virtqueue<Echo>, id: u32, parts: usize) -> Result {
    let buffer = session.buffer(id)?;
    let added = queue.lock().add(buffer, |buffer, list| {
        for _ in 0..parts {
            list.device_readable(&buffer.request[0])?;
        }
        Ok(())
    });

    added.map_err(|err| err.error)
}

/// Adds buffers of two parts until there is no room. Returns how many.
fn fill(session: &Session, queue: &Virtqueue<Echo>, first: u32) -> Result<u32> {
    let mut id = first;

    loop {
        match add(session, queue, id) {
            Ok(()) => id += 1,
            Err(ENOSPC) => return Ok(id - first),
            Err(err) => return Err(err),
        }
    }
}

/// Lets the device use the next buffer, and takes it out. Returns its number, and whether it had an
/// indirect table.
fn turn(session: &Session, queue: &Virtqueue<Echo>) -> Result<(u32, bool)> {
    let chain = session.device().pop(0)?.ok_or(ENOENT)?;

    session.device().push(0, &chain, 1)?;

    let (id, _, _) = pop(queue).ok_or(ENOENT)?;

    Ok((id, chain.indirect))
}

#[kunit_tests(rust_virtio_direct)]
mod cases {
    use super::*;

    #[test]
    fn buffers_of_few_parts_need_no_table_while_there_is_room() -> Result {
        for &(name, bits) in RINGS {
            // What is in the ring is the most that can be there with five eighths to spare.
            for (size, direct, indirect) in [(8, 1, 6), (256, 48, 160)] {
                let mut session = set_up(bits, size)?;
                let queue = session.queue(0)?;

                ensure_eq!(
                    (name, fill(&session, &queue, 0)?),
                    (name, direct + indirect)
                );
                ensure_eq!((name, queue.lock().num_free()), (name, 0));
                for id in 0..direct + indirect {
                    ensure_eq!((name, turn(&session, &queue)?), (name, (id, id >= direct)));
                }
                ensure_eq!((name, queue.lock().num_free()), (name, size.into()));
                session.remove_device();
                ensure_eq!((name, session.device().mappings()), (name, 0));
            }
        }
        Ok(())
    }

    #[test]
    fn a_ring_that_is_kept_full_has_as_many_buffers_as_descriptors() -> Result {
        for &(name, bits) in RINGS {
            for size in [8, 256] {
                let mut session = set_up(bits, size)?;
                let queue = session.queue(0)?;
                let mut added = fill(&session, &queue, 0)?;
                let mut used = 0;

                for _ in 0..size {
                    ensure_eq!((name, turn(&session, &queue)?.0), (name, used));
                    used += 1;
                    added += fill(&session, &queue, added)?;
                }
                ensure_eq!((name, added - used), (name, size.into()));
                ensure_eq!((name, session.buffers()), (name, i32::from(size)));

                // What the device has not used comes back.
                session.remove_device();
                ensure_eq!((name, session.buffers()), (name, 0));
                ensure_eq!((name, session.device().mappings()), (name, 0));
                ensure_eq!((name, session.device().bad_unmaps()), (name, 0));
            }
        }
        Ok(())
    }

    #[test]
    fn both_kinds_come_back_in_any_order() -> Result {
        for &(name, bits) in RINGS {
            if bits.contains(&bindings::VIRTIO_F_IN_ORDER) {
                continue;
            }
            for size in [8, 256] {
                let mut session = set_up(bits, size)?;
                let queue = session.queue(0)?;

                let mut held = KVec::new();
                let mut next = 0;

                // Every other one comes back, others take their place, and then all come back, the
                // last one first.
                for keeps in [true, false] {
                    let count = fill(&session, &queue, next)?;
                    let mut kept = KVec::new();

                    ensure!(count > 0);
                    for id in next..next + count {
                        let chain = session.device().pop(0)?.ok_or(ENOENT)?;

                        held.push((id, chain), GFP_KERNEL)?;
                    }
                    next += count;
                    while let Some((id, chain)) = held.pop() {
                        if keeps && id % 2 == 0 {
                            kept.push((id, chain), GFP_KERNEL)?;
                            continue;
                        }
                        session.device().push(0, &chain, 1)?;
                        ensure_eq!((name, pop(&queue)), (name, Some((id, 1, false))));
                    }
                    held = kept;
                }
                ensure_eq!((name, queue.lock().num_free()), (name, size.into()));
                session.remove_device();
                ensure_eq!((name, session.device().mappings()), (name, 0));
                ensure_eq!((name, session.device().bad_unmaps()), (name, 0));
            }
        }
        Ok(())
    }

    #[test]
    fn both_kinds_come_back_at_the_end() -> Result {
        for &(name, bits) in RINGS {
            for (size, count) in [(8, 7), (256, 208)] {
                let mut session = set_up(bits, size)?;
                let queue = session.queue(0)?;

                // The ring goes round before it is filled.
                for id in 0..5 {
                    add(&session, &queue, id)?;
                    ensure_eq!((name, turn(&session, &queue)?.0), (name, id));
                }
                ensure_eq!((name, fill(&session, &queue, 5)?), (name, count));
                session.remove_device();
                ensure_eq!((name, session.buffers()), (name, 0));
                ensure_eq!((name, session.device().mappings()), (name, 0));
                ensure_eq!((name, session.device().bad_unmaps()), (name, 0));
            }
        }
        Ok(())
    }

    #[test]
    fn a_ring_that_has_run_empty_does_without_tables_again() -> Result {
        for &(name, bits) in RINGS {
            let session = set_up(bits, 8)?;
            let queue = session.queue(0)?;
            let count = fill(&session, &queue, 0)?;

            for _ in 0..count {
                turn(&session, &queue)?;
            }
            // The first one looks how empty the ring is.
            for (id, indirect) in [(10, true), (11, false), (12, false)] {
                add(&session, &queue, id)?;
                ensure_eq!((name, turn(&session, &queue)?), (name, (id, indirect)));
            }
        }
        Ok(())
    }

    #[test]
    fn buffers_of_many_parts_have_a_table() -> Result {
        for &(name, bits) in RINGS {
            for (parts, indirect) in [(1, false), (4, false), (5, true)] {
                let session = set_up(bits, 256)?;
                let queue = session.queue(0)?;

                add_parts(&session, &queue, 0, parts)?;

                let came = turn(&session, &queue)?;

                ensure_eq!((name, parts, came), (name, parts, (0, indirect)));
            }
        }
        Ok(())
    }

    #[test]
    fn a_device_without_tables_gets_none() -> Result {
        for &(name, bits) in WITHOUT_TABLES {
            let session = set_up(bits, 8)?;
            let queue = session.queue(0)?;

            ensure_eq!((name, fill(&session, &queue, 0)?), (name, 4));
            for id in 0..4 {
                ensure_eq!((name, turn(&session, &queue)?), (name, (id, false)));
            }
            // The ring was full: still none.
            add(&session, &queue, 4)?;
            ensure_eq!((name, turn(&session, &queue)?), (name, (4, false)));
        }
        Ok(())
    }

    #[test]
    fn a_buffer_may_take_the_whole_ring() -> Result {
        for &(name, bits) in WITHOUT_TABLES {
            let mut session = set_up(bits, 8)?;
            let queue = session.queue(0)?;

            // So that the others go past the end of the ring.
            add(&session, &queue, 0)?;
            ensure_eq!((name, turn(&session, &queue)?), (name, (0, false)));
            for id in 1..4 {
                add_parts(&session, &queue, id, 8)?;
                ensure_eq!((name, queue.lock().num_free()), (name, 0));
                ensure_eq!((name, turn(&session, &queue)?), (name, (id, false)));
            }
            ensure_eq!((name, queue.lock().num_free()), (name, 8));
            session.remove_device();
            ensure_eq!((name, session.device().mappings()), (name, 0));
        }
        Ok(())
    }
}
