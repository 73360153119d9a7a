// SPDX-License-Identifier: GPL-2.0

//! Buffers that are described without the lock of a queue, in memory of the token (law 5).

use super::{
    super::{
        Described,
        Parts,
        RingBox, //
    },
    bench::MODERN,
    parts::{
        lens,
        Memory,
        Pages,
        Setup, //
    },
};
use crate::{
    bindings,
    prelude::*, //
};

/// The features of a device that takes buffers with more parts than its ring has descriptors, and
/// reaches all memory.
const DIRECT: &[u32] = &[bindings::VIRTIO_RING_F_INDIRECT_DESC];

/// The same where memory is mapped.
const MAPPED: &[u32] = &[
    bindings::VIRTIO_RING_F_INDIRECT_DESC,
    bindings::VIRTIO_F_ACCESS_PLATFORM,
];

/// A device that sees what was mapped for it.
fn setup() -> Result<Setup> {
    Setup::with(MODERN.with_features(MAPPED))
}

/// Memory with `len` bytes of data.
fn memory(len: usize) -> Result<RingBox<Memory>> {
    let mut memory = Memory::new()?;

    memory.kmalloc.clear();
    for index in 0..len {
        // CAST: What is lost comes again.
        memory.kmalloc.push(index as u8, GFP_KERNEL)?;
    }
    Ok(memory)
}

/// Describes a buffer as a block driver does: header, data in segments of `step` bytes, status.
fn describe<'t>(
    memory: &'t mut Memory,
    parts: &mut Parts<'t, '_>,
    step: usize,
    device_writable: bool,
) -> Result {
    parts.device_readable_part(&mut memory.header)?;
    parts.segments(&Pages::new(&mut memory.kmalloc, step, device_writable))?;
    parts.device_writable_part(&mut memory.answer)
}

/// Describes a buffer with `len` bytes of data, one byte in each segment.
fn described(len: usize, device_writable: bool) -> Result<Described<RingBox<Memory>>> {
    Described::new(memory(len)?, |memory, parts| {
        describe(memory, parts, 1, device_writable)
    })
    .map_err(|err| err.error)
}

/// Sends a buffer with `entries` bytes of data, one in each segment, to the device and back.
fn goes_round(mut setup: Setup, entries: usize, device_writable: bool) -> Result {
    let mappings = setup.session.device().mappings();
    let buffer = described(entries, device_writable)?;

    // Nothing has happened to the ring yet.
    ensure_eq!(setup.session.device().mappings(), mappings);
    ensure!(setup.queue.lock().add_described(buffer).is_ok());

    let chain = setup.session.device().pop(0)?.ok_or(ENOENT)?;
    let (readable, writable) = lens(&chain)?;
    let (first, second) = if device_writable {
        (1, entries + 1)
    } else {
        (entries + 1, 1)
    };

    ensure_eq!(
        (entries, readable.len(), writable.len()),
        (entries, first, second)
    );
    if device_writable {
        let answer = KVec::from_elem(7u8, entries + 2, GFP_KERNEL)?;

        ensure_eq!(chain.write(&answer) as usize, entries + 2);
    } else {
        let read = chain.read()?;

        ensure_eq!(read[..3], *b"hdr");
        ensure!(read[3..]
            .iter()
            .enumerate()
            .all(|(at, &byte)| byte == at as u8));
    }

    let memory = setup.take_back(&chain)?;

    if device_writable {
        ensure!(memory.kmalloc.iter().all(|&byte| byte == 7));
        ensure_eq!(*memory.answer, [7, 7]);
    }
    setup.session.remove_device();
    ensure_eq!((entries, setup.session.device().mappings()), (entries, 0));
    Ok(())
}

#[kunit_tests(rust_virtio_described)]
mod cases {
    use super::*;

    #[test]
    fn a_described_buffer_of_any_length_goes_round() -> Result {
        for bits in [DIRECT, MAPPED] {
            // None, those that fit into the token, and one to three chunks of a list.
            for entries in [0, 1, 2, 3, 127, 128, 129, 300] {
                for device_writable in [false, true] {
                    let setup = Setup::with(MODERN.with_features(bits))?;

                    goes_round(setup, entries, device_writable)?;
                }
            }
        }
        Ok(())
    }

    #[test]
    fn a_token_is_described_again_and_again() -> Result {
        let setup = setup()?;
        let mut memory = memory(300)?;

        for step in [1, 300, 2, 150, 1] {
            let buffer =
                Described::new(memory, |memory, parts| describe(memory, parts, step, true))
                    .map_err(|err| err.error)?;

            ensure!(setup.queue.lock().add_described(buffer).is_ok());

            let chain = setup.session.device().pop(0)?.ok_or(ENOENT)?;
            let (readable, writable) = lens(&chain)?;

            ensure_eq!((step, readable[..].len()), (step, 1));
            ensure_eq!((step, writable.len()), (step, 300 / step + 1));
            memory = setup.take_back(&chain)?;
        }
        Ok(())
    }

    #[test]
    fn both_ways_to_add_a_buffer_take_turns() -> Result {
        let setup = setup()?;
        let mut memory = memory(9)?;

        for turn in 0..4 {
            let ret = if turn % 2 == 0 {
                let buffer =
                    Described::new(memory, |memory, parts| describe(memory, parts, 3, true))
                        .map_err(|err| err.error)?;

                setup.queue.lock().add_described(buffer)
            } else {
                let mut queue = setup.queue.lock();

                queue.add(memory, |memory, parts| describe(memory, parts, 3, true))
            };

            ret.map_err(|err| err.error)?;

            let chain = setup.session.device().pop(0)?.ok_or(ENOENT)?;

            ensure_eq!((turn, chain.capacity()), (turn, 11));
            memory = setup.take_back(&chain)?;
        }
        Ok(())
    }

    #[test]
    fn a_description_that_fails_gives_the_token_back() -> Result {
        // Nothing at all.
        let err = Described::new(memory(300)?, |_, _| Ok(()))
            .err()
            .ok_or(ENOENT)?;
        ensure_eq!(err.error, EINVAL);

        // An error of the driver, after there was a list.
        let err = Described::new(err.token, |memory, parts| {
            parts.segments(&Pages::new(&mut memory.kmalloc, 1, true))?;
            Err(EREMOTEIO)
        })
        .err()
        .ok_or(ENOENT)?;
        ensure_eq!(err.error, EREMOTEIO);

        // More for the device to read, after what it writes.
        let err = Described::new(err.token, |memory, parts| {
            parts.device_writable_part(&mut memory.answer)?;
            parts.segments(&Pages::new(&mut memory.kmalloc, 1, false))
        })
        .err()
        .ok_or(ENOENT)?;
        ensure_eq!(err.error, EINVAL);

        // A second list that does not fit.
        let err = Described::new(err.token, |memory, parts| {
            parts.segments(&Pages::new(&mut memory.kmalloc, 1, true))?;
            parts.segments(&Pages::new(&mut memory.second, 1, true))
        })
        .err()
        .ok_or(ENOENT)?;
        ensure_eq!(err.error, EMSGSIZE);

        // More parts than there is room for.
        let err = Described::new(err.token, |memory, parts| {
            parts.device_readable(&memory.inline)?;
            parts.device_readable(&memory.second)?;
            parts.device_readable(&*memory.kmalloc)
        })
        .err()
        .ok_or(ENOENT)?;
        ensure_eq!(err.error, EMSGSIZE);

        ensure_eq!(err.token.kmalloc.len(), 300);
        Ok(())
    }

    #[test]
    fn a_queue_that_refuses_gives_the_token_back() -> Result {
        let mut setup = Setup::with(MODERN)?;
        let size = setup.queue.lock().vring_size() as usize;

        // More than the ring can ever take.
        let buffer = described(size, true)?;
        let err = setup.queue.lock().add_described(buffer);
        let err = err.err().ok_or(ENOENT)?;
        ensure_eq!(err.error, EMSGSIZE);
        ensure_eq!(err.token.kmalloc.len(), size);

        // All that it can take, and then one more.
        let buffer = described(size - 2, true)?;
        ensure!(setup.queue.lock().add_described(buffer).is_ok());
        let buffer = described(3, true)?;
        let err = setup.queue.lock().add_described(buffer);
        let err = err.err().ok_or(ENOENT)?;
        ensure_eq!(err.error, ENOSPC);
        ensure_eq!(err.token.kmalloc.len(), 3);

        setup.session.remove_device();
        let buffer = described(3, true)?;
        let err = setup.queue.lock().add_described(buffer);
        ensure_eq!(err.err().ok_or(ENOENT)?.error, ENODEV);
        Ok(())
    }

    #[test]
    fn what_is_described_and_not_added_can_be_had_again() -> Result {
        let memory = described(300, true)?.into_token();

        ensure_eq!(memory.kmalloc.len(), 300);
        // Dropped as it is.
        drop(described(300, false)?);
        Ok(())
    }

    #[test]
    fn what_is_in_the_ring_at_the_end_comes_back() -> Result {
        let mut setup = setup()?;

        for entries in [0, 2, 300] {
            let buffer = described(entries, true)?;

            ensure!(setup.queue.lock().add_described(buffer).is_ok());
        }
        setup.session.remove_device();
        ensure_eq!(setup.session.device().mappings(), 0);
        Ok(())
    }
}
