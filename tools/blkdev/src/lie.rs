// SPDX-License-Identifier: GPL-2.0

//! Lies about buffers: what stands in the ring instead of the truth.
//!
//! A lie never makes the device touch memory that the driver has taken back: no driver could help that without an
//! IOMMU. So everything that is available is carried out before the lie is told, and a buffer that the driver takes
//! back because of the lie, before it was carried out, is left alone; see [`Lies::is_owed`]. Descriptors of buffers
//! that have not come back are as the driver made them by the time that the device looks; see [`Lies::mend`].

use std::collections::BTreeMap;
use std::io;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::fault::request_name;
use crate::ring::{Descriptor, INDIRECT, NEXT, Ring};

/// What the device can say instead of the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LieKind {
    /// The number of the buffer is the size of the ring.
    IdSize,
    /// The number is the largest that there is.
    IdHuge,
    /// Only the lower 16 bits of the number are right.
    IdHighBits,
    /// The number is that of another descriptor of the buffer.
    IdNotHead,
    /// The number is that of a descriptor that is not in use.
    IdFree,
    /// The buffer comes back twice.
    IdTwice,
    /// The buffer that came back before comes back again.
    IdBefore,
    /// The buffer comes back as often as the ring has descriptors.
    IdFlood,
    /// The index of the used ring goes one step back.
    IndexBack,
    /// The index goes one step too far.
    IndexForward,
    /// The index goes a whole ring and a step too far.
    IndexLap,
    /// The index goes half of its range too far.
    IndexHalf,
    /// The index is zero again.
    IndexZero,
    /// The entry is written, but the index does not tell of it; it is forgotten.
    IndexStuck,
    /// The last descriptor of the buffer gets a next one.
    NextSet,
    /// The first descriptor loses its next one.
    NextClear,
    /// The last descriptor's next one is the first.
    NextLoop,
    /// The next one of the first descriptor does not exist.
    NextFar,
    /// All descriptors get a next one after the buffer came back.
    NextAfter,
    /// A direct buffer becomes an indirect one, or the other way round.
    IndirectFlip,
    /// The table of an indirect buffer is overwritten.
    IndirectTable,
    /// The first descriptor's memory is elsewhere.
    DescriptorMoved,
    /// All descriptors are overwritten.
    DescriptorsGarbage,
    /// The available ring, which is the driver's, is overwritten for a moment.
    AvailGarbage,
    /// The flags of the used ring are overwritten.
    UsedFlags,
    /// The used length is 0.
    LenZero,
    /// The used length is 1.
    LenOne,
    /// The used length lacks the status.
    LenData,
    /// The used length is one more than was written.
    LenMore,
    /// The used length is the largest that there is.
    LenHuge,
}

/// A lie, the requests that it is told of, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lie {
    kind: LieKind,
    /// [`crate::request::Command::name`], or all requests.
    request: Option<&'static str>,
    /// How often it will be told; always if there is no number.
    left: Option<u32>,
}

impl Lie {
    /// Reads `LIE[:REQUEST][*TIMES]`; once unless it says otherwise, `*` alone for always.
    ///
    /// # Errors
    ///
    /// There is no such lie or request.
    pub fn parse(text: &str) -> Result<Self> {
        let (what, times) = text.split_once('*').unwrap_or((text, "1"));
        let left = match times {
            "" => None,
            times => Some(times.parse().with_context(|| format!("not a number: `{times}`"))?),
        };
        let (kind, request) = what.split_once(':').map_or((what, None), |(kind, request)| (kind, Some(request)));
        let found = LieKind::from_str(kind, false).ok().with_context(|| {
            let known = LieKind::value_variants().iter().filter_map(ValueEnum::to_possible_value);
            let known: Vec<_> = known.map(|value| value.get_name().to_owned()).collect();
            format!("no lie `{kind}`; there are {}", known.join(", "))
        })?;
        Ok(Self { kind: found, request: request.map(request_name).transpose()?, left })
    }
}

/// A request that was carried out, and has to be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    /// The number of its buffer.
    pub head: u16,
    /// How much was written.
    pub used: u32,
    /// [`crate::request::Command::name`].
    pub name: &'static str,
}

/// All lies that are to be told, and what came of those that were.
#[derive(Debug, Default)]
pub struct Lies {
    lies: Vec<Lie>,
    told: u64,
    /// Per queue and number: how many buffers the driver will take back that have not been carried out.
    owed: BTreeMap<(u16, u16), u32>,
    /// Per queue and descriptor: the flags that were written after buffers came back, and those before.
    linked: BTreeMap<(u16, u16), (u16, u16)>,
}

impl Lies {
    /// Adds one.
    pub fn add(&mut self, lie: Lie) {
        self.lies.push(lie);
    }

    /// Tells the truth again.
    pub fn clear(&mut self) {
        self.lies.clear();
    }

    /// The rings are new ones.
    pub fn forget(&mut self) {
        self.owed.clear();
        self.linked.clear();
    }

    /// Takes back what was written to descriptors that the driver may use again by now. A device that followed such a
    /// link itself would write to what is not its own.
    ///
    /// # Errors
    ///
    /// The ring is not in the memory of the driver.
    pub fn mend(&mut self, queue: u16, ring: &Ring<'_>) -> io::Result<()> {
        for (&(of, index), &(written, before)) in &self.linked {
            if of == queue {
                ring.replace_flags(index, written, before)?;
            }
        }
        self.linked.retain(|&(of, _), _| of != queue);
        Ok(())
    }

    /// How many were told.
    pub fn told(&self) -> u64 {
        self.told
    }

    /// The lie for a request, if there is one.
    pub fn next_for(&self, request: &str) -> Option<LieKind> {
        let fits = |lie: &&Lie| lie.left != Some(0) && lie.request.is_none_or(|only| only == request);
        self.lies.iter().find(fits).map(|lie| lie.kind)
    }

    /// Whether the buffer was taken back by the driver before it was carried out, which is asked once for each.
    pub fn is_owed(&mut self, queue: u16, head: u16) -> bool {
        let Some(count) = self.owed.get_mut(&(queue, head)) else {
            return false;
        };
        *count -= 1;
        if *count == 0 {
            self.owed.remove(&(queue, head));
        }
        true
    }

    /// Tells of `done` by a lie, and of `others`, which were carried out at the same time, truly. Returns whether it
    /// was one: not each buffer is fit for each.
    ///
    /// # Errors
    ///
    /// The ring is not in the memory of the driver.
    pub fn tell(
        &mut self,
        kind: LieKind,
        queue: u16,
        ring: &mut Ring<'_>,
        done: Done,
        others: &[Done],
    ) -> io::Result<bool> {
        for other in others {
            ring.use_buffer(other.head.into(), other.used)?;
        }
        let first = ring.next_used();
        let told = tell(kind, ring, done)?;
        if !told {
            ring.use_buffer(done.head.into(), done.used)?;
            return Ok(false);
        }
        self.told += 1;
        self.note(kind, queue, ring, first)?;
        if kind == LieKind::NextAfter {
            self.link_all(queue, ring)?;
        }
        if let Some(lie) = self.lies.iter_mut().find(|lie| lie.kind == kind && lie.left != Some(0)) {
            lie.left = lie.left.map(|left| left.saturating_sub(1));
        }
        Ok(true)
    }

    /// Notes which numbers the driver reads that name no buffer, but may by the time that it reads them.
    fn note(&mut self, kind: LieKind, queue: u16, ring: &Ring<'_>, first: u16) -> io::Result<()> {
        let beyond = match kind {
            LieKind::IdFree | LieKind::IdBefore => first..ring.next_used(),
            LieKind::IdTwice | LieKind::IdFlood => first.wrapping_add(1)..ring.next_used(),
            LieKind::IndexForward => ring.next_used()..ring.next_used().wrapping_add(1),
            LieKind::IndexBack | LieKind::IndexLap | LieKind::IndexHalf | LieKind::IndexZero => 0..ring.size(),
            _ => return Ok(()),
        };
        for index in beyond {
            if let Ok(head) = u16::try_from(ring.used_id(index)?) {
                *self.owed.entry((queue, head)).or_default() += 1;
            }
        }
        Ok(())
    }

    /// Gives each descriptor a next one.
    fn link_all(&mut self, queue: u16, ring: &Ring<'_>) -> io::Result<()> {
        for index in 0..ring.size() {
            let before = ring.add_flags(index, NEXT)?;
            if before & NEXT == 0 {
                self.linked.insert((queue, index), (before | NEXT, before));
            }
        }
        Ok(())
    }
}

/// Tells of `done` by a lie; false, and nothing is told, if that is not possible.
fn tell(kind: LieKind, ring: &mut Ring<'_>, done: Done) -> io::Result<bool> {
    let Done { head, used, .. } = done;
    let id = u32::from(head);
    match kind {
        LieKind::IdSize => ring.use_buffer(ring.size().into(), used)?,
        LieKind::IdHuge => ring.use_buffer(u32::MAX, used)?,
        LieKind::IdHighBits => ring.use_buffer(id | 1 << 16, used)?,
        LieKind::IdNotHead => match ring.chain(head)?[..] {
            [_, second, ..] => ring.use_buffer(second.into(), used)?,
            _ => return Ok(false),
        },
        LieKind::IdFree => {
            let chain = ring.chain(head)?;
            match (0..ring.size()).rev().find(|index| !chain.contains(index)) {
                Some(free) => ring.use_buffer(free.into(), used)?,
                None => return Ok(false),
            }
        }
        LieKind::IdTwice => {
            ring.use_buffer(id, used)?;
            ring.use_buffer(id, used)?;
        }
        LieKind::IdBefore => {
            let before = ring.used_id(ring.next_used().wrapping_sub(1))?;
            if ring.next_used() == 0 || before == id {
                return Ok(false);
            }
            ring.use_buffer(before, used)?;
            ring.use_buffer(id, used)?;
        }
        LieKind::IdFlood => {
            for _ in 0..ring.size() {
                ring.use_buffer(id, used)?;
            }
        }
        LieKind::IndexBack => lie_about_index(ring, done, |next| next.wrapping_sub(2))?,
        LieKind::IndexForward => lie_about_index(ring, done, |next| next.wrapping_add(1))?,
        LieKind::IndexLap => {
            let lap = ring.size() + 1;
            lie_about_index(ring, done, |next| next.wrapping_add(lap))?;
        }
        LieKind::IndexHalf => lie_about_index(ring, done, |next| next.wrapping_add(1 << 15))?,
        LieKind::IndexZero if ring.next_used() == u16::MAX => return Ok(false),
        LieKind::IndexZero => lie_about_index(ring, done, |_| 0)?,
        LieKind::IndexStuck => ring.put_entry(id, used)?,
        // The links come afterwards.
        LieKind::NextAfter => ring.use_buffer(id, used)?,
        LieKind::AvailGarbage => {
            let header = ring.swap_avail_header(0x5a5a_ffff)?;
            ring.use_buffer(id, used)?;
            ring.swap_avail_header(header)?;
        }
        LieKind::UsedFlags => {
            ring.set_used_flags(u16::MAX)?;
            ring.use_buffer(id, used)?;
        }
        LieKind::LenZero => ring.use_buffer(id, 0)?,
        LieKind::LenOne => ring.use_buffer(id, 1)?,
        LieKind::LenData => ring.use_buffer(id, used.saturating_sub(1))?,
        LieKind::LenMore => ring.use_buffer(id, used.saturating_add(1))?,
        LieKind::LenHuge => ring.use_buffer(id, u32::MAX)?,
        LieKind::NextSet
        | LieKind::NextClear
        | LieKind::NextLoop
        | LieKind::NextFar
        | LieKind::IndirectFlip
        | LieKind::IndirectTable
        | LieKind::DescriptorMoved
        | LieKind::DescriptorsGarbage => {
            if !spoil(kind, ring, head)? {
                return Ok(false);
            }
            ring.use_buffer(id, used)?;
        }
    }
    Ok(true)
}

/// Uses the buffer and says that the index is another one than it is.
fn lie_about_index(ring: &mut Ring<'_>, done: Done, index: impl Fn(u16) -> u16) -> io::Result<()> {
    ring.put_entry(done.head.into(), done.used)?;
    ring.set_used_index(index(ring.next_used().wrapping_add(1)))
}

/// Changes descriptors of a buffer before it comes back. False if it is not fit for that.
fn spoil(kind: LieKind, ring: &Ring<'_>, head: u16) -> io::Result<bool> {
    let chain = ring.chain(head)?;
    let last = chain.last().copied().unwrap_or(head);
    let is_single = chain.len() == 1;
    match kind {
        // The one behind the last is another buffer's, or free.
        LieKind::NextSet => change(ring, last, |descriptor| {
            descriptor.flags |= NEXT;
            descriptor.next = last.wrapping_add(1);
        })?,
        LieKind::NextLoop => change(ring, last, |descriptor| {
            descriptor.flags |= NEXT;
            descriptor.next = head;
        })?,
        LieKind::NextClear if is_single => return Ok(false),
        LieKind::NextClear => change(ring, head, |descriptor| descriptor.flags &= !NEXT)?,
        LieKind::NextFar => change(ring, head, |descriptor| {
            descriptor.flags |= NEXT;
            descriptor.next = u16::MAX;
        })?,
        LieKind::IndirectFlip => change(ring, head, |descriptor| descriptor.flags ^= INDIRECT)?,
        LieKind::IndirectTable => return ring.fill_indirect_table(head, 0xff),
        LieKind::DescriptorMoved => change(ring, head, |descriptor| {
            descriptor.addr = u64::MAX - 0xfff;
            descriptor.len = u32::MAX;
        })?,
        LieKind::DescriptorsGarbage => {
            let garbage = Descriptor { addr: u64::MAX, len: u32::MAX, flags: u16::MAX, next: u16::MAX };
            for index in 0..ring.size() {
                ring.set_descriptor(index, garbage)?;
            }
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn change(ring: &Ring<'_>, index: u16, how: impl Fn(&mut Descriptor)) -> io::Result<()> {
    let mut descriptor = ring.descriptor(index)?;
    how(&mut descriptor);
    ring.set_descriptor(index, descriptor)
}

#[cfg(test)]
mod tests;
