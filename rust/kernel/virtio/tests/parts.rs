// SPDX-License-Identifier: GPL-2.0

//! How a buffer is described to the device (law 5), and the tokens that own the memory.

use super::{
    super::{
        fake::{
            Chain,
            Options, //
        },
        Affinity,
        Callback,
        Device,
        Handler,
        Mapped,
        Part,
        Parts,
        RingBox,
        Segments,
        Virtqueue,
        VirtqueueSetup, //
    },
    bench::{
        Bench,
        Plan,
        Session,
        MODERN, //
    },
};
use crate::{
    bindings,
    device::Core,
    prelude::*,
    static_lock_class,
    sync::Arc, //
};

/// Memory of all kinds.
pub(super) struct Memory {
    pub(super) inline: [u8; 6],
    pub(super) second: [u8; 10],
    pub(super) kmalloc: KVec<u8>,
    vmalloc: VVec<u8>,
    empty: [u8; 0],
    words: [u32; 4],
    pub(super) header: Part<[u8; 3]>,
    pub(super) answer: Part<[u8; 2]>,
    nothing: Part<[u8; 0]>,
    many: [Part<u8>; 5],
    vmalloc_part: VVec<Part<u8>>,
}

impl Memory {
    pub(super) fn new() -> Result<RingBox<Self>> {
        let mut kmalloc = KVec::new();
        let mut vmalloc = VVec::new();
        let mut vmalloc_part = VVec::new();

        kmalloc.extend_from_slice(b"kmalloc", GFP_KERNEL)?;
        vmalloc.extend_from_slice(b"vmalloc", GFP_KERNEL)?;
        vmalloc_part.push(Part::new(0), GFP_KERNEL)?;
        RingBox::new(
            Self {
                inline: *b"inline",
                second: *b"the second",
                kmalloc,
                vmalloc,
                empty: [],
                words: [0x0403_0201; 4],
                header: Part::new(*b"hdr"),
                answer: Part::new([0; 2]),
                nothing: Part::new([]),
                many: core::array::from_fn(|_| Part::new(0)),
                vmalloc_part,
            },
            GFP_KERNEL,
        )
    }
}

/// A queue for such memory.
pub(super) struct Scratch;

impl Handler for Scratch {
    type Token = RingBox<Memory>;
    type Context = ();

    fn done(_: &Virtqueue<Self>) {}
}

/// The parts that one buffer can have.
const MAX_PARTS: usize = 4;

/// A device whose driver has a queue for [`Memory`].
pub(super) struct Setup {
    pub(super) session: Session,
    pub(super) queue: Arc<Virtqueue<Scratch>>,
}

impl Setup {
    fn new() -> Result<Self> {
        Self::with(MODERN)
    }

    pub(super) fn with(options: Options) -> Result<Self> {
        let plan = Plan {
            queues: 0,
            set_up: Some(Self::set_up),
            ..Plan::DEFAULT
        };
        let session = Session::new(plan, options)?;
        let queue = session.scratch.lock().take().ok_or(ENODEV)?;

        Ok(Self { session, queue })
    }

    fn set_up(
        _dev: &Device<Core<'_>>,
        bench: &Arc<Bench>,
        mut setup: VirtqueueSetup<'_>,
    ) -> Result {
        let class = static_lock_class!();
        let queue = setup.add::<Scratch>(c"scratch", Callback::Polled, MAX_PARTS, (), class)?;
        let ready = setup.find(Affinity::Default)?.ready();

        *bench.scratch.lock() = Some(queue.into_ready(&ready));
        Ok(())
    }

    /// Describes a new buffer and returns what the device sees of it.
    fn describe<F>(&self, describe: F) -> Result<Chain>
    where
        F: for<'t> FnOnce(&'t mut Memory, &mut Parts<'t, '_>) -> Result,
    {
        self.add(Memory::new()?, describe)
    }

    /// Adds a buffer and returns what the device sees of it.
    fn add<F>(&self, memory: RingBox<Memory>, describe: F) -> Result<Chain>
    where
        F: for<'t> FnOnce(&'t mut Memory, &mut Parts<'t, '_>) -> Result,
    {
        let ret = self.queue.lock().add(memory, describe);

        ret.map_err(|err| err.error)?;
        self.session.device().pop(0)?.ok_or(ENOENT)
    }

    /// Lets the device use a buffer, and takes it out of the ring.
    pub(super) fn take_back(&self, chain: &Chain) -> Result<RingBox<Memory>> {
        self.session.device().push(0, chain, chain.capacity())?;
        Ok(self.queue.lock().pop().ok_or(ENOENT)?.token)
    }
}

/// Segments as a request has them.
pub(super) struct Pages<'a> {
    memory: &'a mut [u8],
    /// The length of one segment.
    step: usize,
    device_writable: bool,
    /// The entries that [`Segments::map`] says it has filled, instead of the truth.
    claim: Option<Result<usize>>,
}

// SAFETY: The memory is borrowed from the token, and mutably, so the CPU cannot get at it. Only the
// last entry gets an end mark.
unsafe impl Segments for Pages<'_> {
    fn max_entries(&self) -> usize {
        match self.claim {
            Some(_) => 0,
            None => self.memory.len().div_ceil(self.step),
        }
    }

    unsafe fn map(&self, sgl: *mut bindings::scatterlist, room: usize) -> Result<Mapped> {
        let mapped = |entries| Mapped {
            entries,
            len: self.memory.len() as u32,
            device_writable: self.device_writable,
        };

        if let Some(claim) = self.claim {
            return claim.map(mapped);
        }

        let mut count = 0;
        let mut last: *mut bindings::scatterlist = core::ptr::null_mut();

        for chunk in self.memory.chunks(self.step) {
            if count == room {
                return Err(EMSGSIZE);
            }

            let sg = if last.is_null() {
                sgl
            } else {
                // As the block layer does it.
                //
                // SAFETY: `last` is an entry of the list.
                unsafe { bindings::sg_unmark_end(last) };
                // SAFETY: By the requirement of this function, it leads to the next one.
                unsafe { bindings::sg_next(last) }
            };

            // SAFETY: `sg` is an initialized entry, and `chunk` in the linear mapping.
            unsafe { bindings::sg_set_buf(sg, chunk.as_ptr().cast(), chunk.len() as u32) };
            count += 1;
            last = sg;
        }
        if !last.is_null() {
            // SAFETY: `last` is an initialized entry.
            unsafe { bindings::sg_mark_end(last) };
        }
        Ok(mapped(count))
    }
}

impl<'a> Pages<'a> {
    pub(super) fn new(memory: &'a mut [u8], step: usize, device_writable: bool) -> Self {
        Self {
            memory,
            step,
            device_writable,
            claim: None,
        }
    }
}

/// Collects the lengths of the pieces that the device reads, and of those that it writes.
pub(super) fn lens(chain: &Chain) -> Result<(KVec<u32>, KVec<u32>)> {
    let mut lens = (KVec::new(), KVec::new());

    for len in chain.lens(false) {
        lens.0.push(len, GFP_KERNEL)?;
    }
    for len in chain.lens(true) {
        lens.1.push(len, GFP_KERNEL)?;
    }
    Ok(lens)
}

#[kunit_tests(rust_virtio_parts)]
mod cases {
    use super::*;

    #[test]
    fn parts_reach_the_device_in_order() -> Result {
        let setup = Setup::new()?;
        let chain = setup.describe(|memory, parts| {
            parts.device_readable(&memory.inline)?;
            parts.device_readable(&memory.words)?;
            parts.device_writable(&mut memory.second)?;
            parts.device_writable(&mut *memory.kmalloc)
        })?;
        let (readable, writable) = lens(&chain)?;

        ensure_eq!(readable[..], [6, 16]);
        ensure_eq!(writable[..], [10, 7]);
        ensure_eq!(chain.capacity(), 17);
        ensure_eq!(chain.read()?[..6], *b"inline");
        ensure_eq!(chain.read()?[6..10], 0x0403_0201_u32.to_ne_bytes());
        Ok(())
    }

    #[test]
    fn what_the_device_writes_is_in_the_token() -> Result {
        let setup = Setup::new()?;
        let chain = setup.describe(|memory, parts| {
            parts.device_writable(&mut memory.second)?;
            parts.device_writable(&mut *memory.kmalloc)
        })?;

        ensure_eq!(chain.write(b"0123456789abcdefghij"), 17);
        setup.session.device().push(0, &chain, 17)?;

        let used = setup.queue.lock().pop().ok_or(ENOENT)?;
        ensure_eq!((used.len(), used.capacity()), (17, 17));

        let memory = used.token.into_inner();
        ensure_eq!(memory.second, *b"0123456789");
        ensure_eq!(memory.kmalloc[..], *b"abcdefg");
        ensure_eq!(memory.inline, *b"inline");
        Ok(())
    }

    #[test]
    fn a_buffer_of_one_direction_will_do() -> Result {
        let setup = Setup::new()?;
        let chain = setup.describe(|memory, parts| parts.device_readable(&memory.inline))?;

        ensure_eq!((chain.capacity(), chain.descriptors), (0, 1));

        let chain = setup.describe(|memory, parts| parts.device_writable(&mut memory.inline))?;

        ensure_eq!((chain.capacity(), chain.descriptors), (6, 1));
        Ok(())
    }

    #[test]
    fn parts_that_a_device_cannot_be_given_are_refused() -> Result {
        type Describe = for<'t> fn(&'t mut Memory, &mut Parts<'t, '_>) -> Result;

        let table: &[(&str, Error, Describe)] = &[
            ("nothing", EINVAL, |_, _| Ok(())),
            ("empty to read", EINVAL, |memory, parts| {
                parts.device_readable(&memory.empty)
            }),
            ("empty to write", EINVAL, |memory, parts| {
                parts.device_writable(&mut memory.empty)
            }),
            ("to read after to write", EINVAL, |memory, parts| {
                parts.device_writable(&mut memory.inline)?;
                parts.device_readable(&memory.second)
            }),
            ("vmalloc to read", EINVAL, |memory, parts| {
                parts.device_readable(&*memory.vmalloc)
            }),
            ("vmalloc to write", EINVAL, |memory, parts| {
                parts.device_writable(&mut *memory.vmalloc)
            }),
            ("too many", EMSGSIZE, |memory, parts| {
                for _ in 0..=MAX_PARTS {
                    parts.device_readable(&memory.inline)?;
                }
                Ok(())
            }),
            ("too many lists", EMSGSIZE, |memory, parts| {
                for part in &mut memory.many {
                    parts.device_readable_part(part)?;
                }
                Ok(())
            }),
            ("empty part to read", EINVAL, |memory, parts| {
                parts.device_readable_part(&mut memory.nothing)
            }),
            ("empty part to write", EINVAL, |memory, parts| {
                parts.device_writable_part(&mut memory.nothing)
            }),
            ("vmalloc part to read", EINVAL, |memory, parts| {
                parts.device_readable_part(memory.vmalloc_part.first_mut().ok_or(ENOENT)?)
            }),
            ("vmalloc part to write", EINVAL, |memory, parts| {
                parts.device_writable_part(memory.vmalloc_part.first_mut().ok_or(ENOENT)?)
            }),
            ("part to read after to write", EINVAL, |memory, parts| {
                parts.device_writable_part(&mut memory.answer)?;
                parts.device_readable_part(&mut memory.header)
            }),
            ("to read after part to write", EINVAL, |memory, parts| {
                parts.device_writable_part(&mut memory.answer)?;
                parts.device_readable(&memory.inline)
            }),
            ("error of the driver", EDOM, |memory, parts| {
                parts.device_readable(&memory.inline)?;
                Err(EDOM)
            }),
            (
                "segments to read after to write",
                EINVAL,
                |memory, parts| {
                    parts.device_writable(&mut memory.inline)?;
                    parts.segments(&Pages::new(&mut memory.kmalloc, 4, false))
                },
            ),
            ("more segments than parts", EMSGSIZE, |memory, parts| {
                parts.segments(&Pages::new(&mut memory.second, 1, false))
            }),
        ];
        let setup = Setup::new()?;

        for &(name, error, describe) in table {
            let memory = Memory::new()?;
            let ret = setup.queue.lock().add(memory, describe);
            let err = ret.err().ok_or(EINVAL)?;

            ensure_eq!((name, err.error), (name, error));
            // The token is whole, and the ring as it was.
            ensure_eq!(err.token.inline, *b"inline");
            ensure_eq!((name, setup.queue.lock().num_free()), (name, 8));
            ensure!(setup.session.device().pop(0)?.is_none());
        }

        // After all that the queue still works.
        setup.describe(|memory, parts| parts.device_readable(&memory.inline))?;
        Ok(())
    }

    #[test]
    fn segments_stand_between_parts() -> Result {
        let setup = Setup::new()?;
        let chain = setup.describe(|memory, parts| {
            parts.device_readable(&memory.inline)?;
            parts.segments(&Pages::new(&mut memory.second, 5, false))?;
            parts.device_writable(&mut *memory.kmalloc)
        })?;
        let (readable, writable) = lens(&chain)?;

        ensure_eq!(readable[..], [6, 5, 5]);
        ensure_eq!(writable[..], [7]);
        ensure_eq!(chain.read()?[..], *b"inlinethe second");

        let chain = setup.describe(|memory, parts| {
            parts.device_readable(&memory.inline)?;
            parts.segments(&Pages::new(&mut memory.second, 6, true))?;
            parts.device_writable(&mut *memory.kmalloc)
        })?;
        let (readable, writable) = lens(&chain)?;

        ensure_eq!(readable[..], [6]);
        ensure_eq!(writable[..], [6, 4, 7]);
        ensure_eq!(chain.capacity(), 17);
        Ok(())
    }

    #[test]
    fn described_parts_stand_between_others() -> Result {
        let setup = Setup::new()?;
        let mut memory = Memory::new()?;

        // The second time, the descriptions exist.
        for _ in 0..2 {
            let chain = setup.add(memory, |memory, parts| {
                parts.device_readable_part(&mut memory.header)?;
                parts.device_readable(&memory.inline)?;
                parts.device_writable(&mut memory.second)?;
                parts.device_writable_part(&mut memory.answer)
            })?;
            let (readable, writable) = lens(&chain)?;

            ensure_eq!(readable[..], [3, 6]);
            ensure_eq!(writable[..], [10, 2]);
            ensure_eq!(chain.read()?[..], *b"hdrinline");
            ensure_eq!(chain.write(b"0123456789ok"), 12);

            memory = setup.take_back(&chain)?;
            ensure_eq!(*memory.answer, *b"ok");
            *memory.answer = [0; 2];
        }
        Ok(())
    }

    #[test]
    fn a_part_that_has_moved_is_described_anew() -> Result {
        let setup = Setup::new()?;
        let read = |memory: RingBox<Memory>, text: &[u8; 3]| {
            let chain = setup.add(memory, |memory, parts| {
                parts.device_readable_part(&mut memory.header)
            })?;

            ensure_eq!(chain.read()?[..], *text);
            setup.take_back(&chain)
        };
        let mut first = Memory::new()?;
        let mut second = Memory::new()?;

        *first.header = *b"one";
        *second.header = *b"two";
        first = read(first, b"one")?;
        second = read(second, b"two")?;
        core::mem::swap(&mut first.header, &mut second.header);
        read(first, b"two")?;
        read(second, b"one")?;
        Ok(())
    }

    #[test]
    fn a_part_that_was_refused_changes_nothing() -> Result {
        let setup = Setup::new()?;
        let chain = setup.describe(|memory, parts| {
            parts.device_readable(&memory.inline)?;
            parts.device_writable(&mut memory.second)?;
            ensure!(parts.device_readable(&memory.words) == Err(EINVAL));
            ensure!(parts.device_readable_part(&mut memory.header) == Err(EINVAL));
            ensure!(parts.device_writable(&mut *memory.vmalloc) == Err(EINVAL));
            parts.segments(&Pages::new(&mut memory.empty, 1, false))?;
            parts.device_writable(&mut *memory.kmalloc)
        })?;
        let (readable, writable) = lens(&chain)?;

        ensure_eq!(readable[..], [6]);
        ensure_eq!(writable[..], [10, 7]);
        ensure_eq!(chain.capacity(), 17);
        Ok(())
    }

    #[test]
    fn segments_that_were_refused_leave_room_for_others() -> Result {
        let setup = Setup::new()?;
        let chain = setup.describe(|memory, parts| {
            parts.device_writable(&mut memory.inline)?;
            // The entries are filled, and the last of them is an end.
            let refused = parts.segments(&Pages::new(&mut memory.second, 4, false));

            ensure!(refused == Err(EINVAL));
            parts.segments(&Pages::new(&mut memory.kmalloc, 3, true))
        })?;
        let (readable, writable) = lens(&chain)?;

        ensure!(readable.is_empty());
        ensure_eq!(writable[..], [6, 3, 3, 1]);
        ensure_eq!(chain.capacity(), 13);
        Ok(())
    }

    #[test]
    fn a_buffer_of_many_lists_takes_no_more() -> Result {
        let setup = Setup::new()?;
        let chain = setup.describe(|memory, parts| {
            let [a, b, c, d, _] = &mut memory.many;

            for part in [a, b, c, d] {
                parts.device_writable_part(part)?;
            }
            ensure!(parts.device_writable(&mut memory.inline) == Err(EMSGSIZE));
            let refused = parts.segments(&Pages::new(&mut memory.second, 5, true));

            ensure!(refused == Err(EMSGSIZE));
            Ok(())
        })?;

        ensure_eq!((chain.descriptors, chain.capacity()), (4, 4));
        Ok(())
    }

    #[test]
    fn empty_segments_are_no_part() -> Result {
        let setup = Setup::new()?;
        let chain = setup.describe(|memory, parts| {
            parts.device_writable(&mut memory.inline)?;
            // Not even for their direction.
            parts.segments(&Pages::new(&mut memory.empty, 1, false))
        })?;

        ensure_eq!((chain.descriptors, chain.capacity()), (1, 6));
        Ok(())
    }

    #[test]
    fn segments_cannot_claim_entries_that_do_not_exist() -> Result {
        let setup = Setup::new()?;

        for (claim, error) in [
            // The buffer has no part then.
            (Ok(0), EINVAL),
            (Ok(MAX_PARTS + 1), EMSGSIZE),
            (Ok(usize::MAX), EMSGSIZE),
            (Err(EREMOTEIO), EREMOTEIO),
        ] {
            let ret = setup.describe(|memory, parts| {
                parts.segments(&Pages {
                    claim: Some(claim),
                    ..Pages::new(&mut memory.kmalloc, 4, false)
                })
            });

            ensure_eq!((claim, ret.err()), (claim, Some(error)));
        }
        Ok(())
    }

    #[test]
    fn a_list_that_an_earlier_buffer_ended_goes_on() -> Result {
        let setup = Setup::new()?;

        // One entry, which ends its list; then more, in the same memory.
        setup.describe(|memory, parts| parts.device_readable(&memory.inline))?;
        let chain = setup.describe(|memory, parts| {
            parts.segments(&Pages::new(&mut memory.kmalloc, 3, false))?;
            parts.device_writable(&mut memory.second)
        })?;

        ensure_eq!(chain.descriptors, 4);
        ensure_eq!(chain.read()?[..], *b"kmalloc");
        Ok(())
    }

    #[test]
    fn a_ring_box_is_its_value() -> Result {
        let mut memory = Memory::new()?;

        memory.inline[0] = b'I';
        ensure_eq!(memory.inline, *b"Inline");
        ensure_eq!(memory.into_inner().inline, *b"Inline");
        Ok(())
    }
}
