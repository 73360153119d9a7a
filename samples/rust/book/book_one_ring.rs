// SPDX-License-Identifier: GPL-2.0

//! A ring with indices that run on and wrap, as those of a virtqueue do.

#![deny(unsafe_code)]

use kernel::prelude::*;

module! {
    type: OneRing,
    name: "book_one_ring",
    authors: ["The linux-virtio-rs developers"],
    description: "A ring with indices that run on and wrap",
    license: "GPL",
}

/// Slots of a ring: a power of two, so that the indices can run over the end of a `u16`.
const SIZE: usize = 8;

const _: () = assert!(SIZE.is_power_of_two() && SIZE <= 1 << 15);

/// All slots can be used: a full ring and an empty one have other differences of their indices.
struct Ring<T> {
    slots: [Option<T>; SIZE],
    /// Where the next one goes in.
    head: u16,
    /// Where the next one comes out.
    tail: u16,
}

impl<T> Ring<T> {
    fn starting_at(index: u16) -> Self {
        Self {
            slots: [const { None }; SIZE],
            head: index,
            tail: index,
        }
    }

    fn len(&self) -> usize {
        usize::from(self.head.wrapping_sub(self.tail))
    }

    /// Puts a value in, or gives it back if the ring is full.
    fn push(&mut self, value: T) -> Result<(), T> {
        if self.len() == SIZE {
            return Err(value);
        }
        self.slots[usize::from(self.head) % SIZE] = Some(value);
        self.head = self.head.wrapping_add(1);
        Ok(())
    }

    /// Takes the oldest value out.
    fn pop(&mut self) -> Option<T> {
        if self.len() == 0 {
            return None;
        }
        let value = self.slots[usize::from(self.tail) % SIZE].take();

        self.tail = self.tail.wrapping_add(1);
        value
    }
}

/// Fills a ring and empties it, with indices that wrap meanwhile.
fn is_right() -> bool {
    let mut ring = Ring::starting_at(u16::MAX - 3);

    for value in 0..SIZE {
        if ring.push(value).is_err() {
            return false;
        }
    }
    if ring.push(SIZE) != Err(SIZE) {
        return false;
    }
    (0..SIZE).all(|value| ring.pop() == Some(value)) && ring.pop().is_none()
}

struct OneRing;

impl kernel::Module for OneRing {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        if !is_right() {
            pr_err!("the ring loses what it is given\n");
            return Err(EINVAL);
        }
        pr_info!("what went in came out, in its order\n");
        Ok(Self)
    }
}
