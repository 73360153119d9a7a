// SPDX-License-Identifier: GPL-2.0

//! Which CPU uses which hardware queue, for which kind of request.
//!
//! C header: [`include/linux/blk-mq.h`](srctree/include/linux/blk-mq.h)

use crate::{
    cpu::CpuId,
    cpumask::Cpumask,
    prelude::*, //
};

/// The kind of requests that a map is for.
///
/// Equivalent to C's `enum hctx_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapType {
    /// All requests that have no map of their own.
    Default,
    /// Reads.
    Read,
    /// Requests whose submitter polls for the completion.
    Poll,
}

impl MapType {
    #[inline]
    pub(super) fn from_raw(raw: bindings::hctx_type) -> Self {
        match raw {
            bindings::hctx_type_HCTX_TYPE_READ => Self::Read,
            bindings::hctx_type_HCTX_TYPE_POLL => Self::Poll,
            _ => Self::Default,
        }
    }

    const fn index(self) -> usize {
        match self {
            Self::Default => 0,
            Self::Read => 1,
            Self::Poll => 2,
        }
    }
}

/// The number of maps of a tag set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maps {
    /// [`MapType::Default`].
    One,
    /// [`MapType::Default`] and [`MapType::Read`].
    Two,
    /// All three.
    Three,
}

impl Maps {
    pub(super) const fn count(self) -> u32 {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Three => 3,
        }
    }
}

/// Returns how many hardware queues are of use, out of `max`: at most one for each possible CPU.
///
/// With `max` being zero, returns what would be best.
pub fn num_possible_queues(max: u32) -> u32 {
    // SAFETY: Any number may be asked about.
    unsafe { bindings::blk_mq_num_possible_queues(max) }
}

/// The maps of a tag set, while [`Operations::map_queues`](super::Operations::map_queues) fills
/// them.
///
/// A map that is left as it is has no queues, so requests of its kind go where those of
/// [`MapType::Default`] go. If that map is left as it is, all requests go to the first hardware
/// queue, whatever the others say.
///
/// # Invariants
///
/// - `set` is a tag set whose maps are allocated and used by nobody else.
/// - The maps that are set name hardware queues that exist, and none of them twice.
pub struct QueueMaps<'a> {
    set: &'a mut bindings::blk_mq_tag_set,
    is_set: [bool; 3],
}

impl<'a> QueueMaps<'a> {
    /// # Safety
    ///
    /// The maps of `set` must be allocated and be used by nobody else.
    pub(super) unsafe fn new(set: &'a mut bindings::blk_mq_tag_set) -> Self {
        // INVARIANT: By the requirement of this function, and no map is set.
        Self {
            set,
            is_set: [false; 3],
        }
    }

    /// The number of hardware queues; can be less than was asked for.
    pub fn nr_hw_queues(&self) -> u32 {
        self.set.nr_hw_queues
    }

    /// Whether the tag set has a map for this kind of requests.
    pub fn has(&self, map: MapType) -> bool {
        // CAST: There are three maps.
        (map.index() as u32) < self.set.nr_maps
    }

    /// Whether a map that is set, other than number `index`, uses one of the queues from number
    /// `offset` to before `end`.
    fn is_taken(&self, index: usize, offset: u32, end: u32) -> bool {
        let others = self.set.map.iter().zip(self.is_set).enumerate();

        others
            .filter(|&(other, (_, is_set))| is_set && other != index)
            .any(|(_, (map, _))| {
                map.nr_queues > 0
                    && offset < map.queue_offset + map.nr_queues
                    && map.queue_offset < end
            })
    }

    /// Sets the hardware queues that a map uses: `nr_queues` from number `offset` on.
    fn range(
        &mut self,
        map: MapType,
        offset: u32,
        nr_queues: u32,
    ) -> Result<&mut bindings::blk_mq_queue_map> {
        let index = map.index();
        let end = offset.checked_add(nr_queues).ok_or(EINVAL)?;

        // The block layer uses the numbers in a map without another check. Of a map without a
        // queue, it uses `MapType::Default` instead, which therefore needs one. In a queue that
        // two maps use for different CPUs, it looks for requests where they are not.
        if !self.has(map)
            || end > self.nr_hw_queues()
            || (nr_queues == 0 && map == MapType::Default)
            || (nr_queues > 0 && self.is_taken(index, offset, end))
        {
            return Err(EINVAL);
        }

        let map = self.set.map.get_mut(index).ok_or(EINVAL)?;

        // INVARIANT: As checked above.
        map.queue_offset = offset;
        map.nr_queues = nr_queues;
        if let Some(is_set) = self.is_set.get_mut(index) {
            *is_set = true;
        }
        Ok(map)
    }

    /// Completes what the driver has left out.
    pub(super) fn finish(self) {
        let has_default = self.is_set[MapType::Default.index()];

        for (map, is_set) in self.set.map.iter_mut().zip(self.is_set) {
            // Without a map for the others, there is no queue that is sure to be free for them.
            if !is_set || !has_default {
                map.queue_offset = 0;
                map.nr_queues = 0;
            }
        }
        if !has_default {
            // The block layer has let each CPU use the first queue.
            self.set.map[MapType::Default.index()].nr_queues = 1;
        }
    }

    /// Spreads the CPUs evenly over the `nr_queues` hardware queues from number `offset` on.
    ///
    /// With no queues, the requests go where those of [`MapType::Default`] go.
    ///
    /// # Errors
    ///
    /// [`EINVAL`]: there are no such queues, or no such map; another map uses one of the queues; or
    /// [`MapType::Default`] would have no queue. The map stays as it was.
    pub fn spread(&mut self, map: MapType, offset: u32, nr_queues: u32) -> Result {
        let map = self.range(map, offset, nr_queues)?;

        if nr_queues > 0 {
            // SAFETY: By the type invariant, the map is allocated; its queues exist.
            unsafe { bindings::blk_mq_map_queues(map) };
        }
        Ok(())
    }

    /// Lets each CPU use the hardware queue that `cpus` says, counted from number `offset` on.
    ///
    /// # Errors
    ///
    /// As for [`spread`](Self::spread).
    pub fn assign(&mut self, map: MapType, offset: u32, cpus: &CpuQueues) -> Result {
        let map = self.range(map, offset, cpus.nr_queues)?;

        for (cpu, queue) in cpus.queues.iter().enumerate() {
            // SAFETY: By the type invariants, the map is allocated, which means that it has an
            // entry for each CPU, and so has `cpus`.
            let entry = unsafe { &mut *map.mq_map.add(cpu) };

            // The sum is the number of a queue, as `range` has checked.
            *entry = offset + *queue;
        }
        Ok(())
    }
}

/// For each CPU one of several hardware queues.
///
/// # Invariants
///
/// - `queues` has an entry for each possible CPU number.
/// - The entries are less than `nr_queues`, which is not zero.
pub struct CpuQueues {
    queues: KVec<c_uint>,
    nr_queues: u32,
}

impl CpuQueues {
    /// The queue of each CPU.
    #[cfg(CONFIG_RUST_BLK_MQ_KUNIT_TEST)]
    pub(super) fn as_slice(&self) -> &[c_uint] {
        &self.queues
    }

    /// Spreads the CPUs evenly over `nr_queues` queues.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if there are no queues, [`ENOMEM`] if there is no memory.
    pub fn spread(nr_queues: u32) -> Result<Self> {
        if nr_queues == 0 {
            return Err(EINVAL);
        }

        let cpus = usize::try_from(crate::cpu::nr_cpu_ids())?;
        let mut queues = KVec::from_elem(0, cpus, GFP_KERNEL)?;
        let mut map = bindings::blk_mq_queue_map {
            mq_map: queues.as_mut_ptr(),
            nr_queues,
            queue_offset: 0,
        };

        // SAFETY: The map has an entry for each CPU.
        unsafe { bindings::blk_mq_map_queues(&mut map) };

        // INVARIANT: C puts numbers less than `nr_queues` into the map, or leaves zeroes, and the
        // length was chosen above.
        Ok(Self { queues, nr_queues })
    }

    /// Gives each CPU the queue whose interrupt it serves, as `affinity` says for each of
    /// `nr_queues` queues; a CPU that serves none uses the first queue. Spreads the CPUs evenly if
    /// `affinity` does not know all queues.
    ///
    /// # Errors
    ///
    /// As for [`spread`](Self::spread), and what `affinity` returns.
    pub fn from_affinity<'m>(
        nr_queues: u32,
        mut affinity: impl FnMut(u32) -> Result<Option<&'m Cpumask>>,
    ) -> Result<Self> {
        let mut this = Self::spread(nr_queues)?;
        let mut queues = KVec::from_elem(0, this.queues.len(), GFP_KERNEL)?;
        let mut are_known = true;

        for queue in 0..nr_queues {
            let Some(mask) = affinity(queue)? else {
                are_known = false;
                continue;
            };

            for (cpu, entry) in queues.iter_mut().enumerate() {
                if CpuId::from_u32(u32::try_from(cpu)?).is_some_and(|cpu| mask.test(cpu)) {
                    *entry = queue;
                }
            }
        }
        if are_known {
            // INVARIANT: The entries are zero or numbers from `0..nr_queues`.
            this.queues = queues;
        }
        Ok(this)
    }
}
