// SPDX-License-Identifier: GPL-2.0

//! Tests of network devices, with cards made of software.

use crate::prelude::*;

/// An assertion outside of a case. A panic there would end the kernel, or leave a lock held.
#[track_caller]
fn must(holds: bool) -> Result {
    if holds {
        return Ok(());
    }

    let place = core::panic::Location::caller();

    crate::kunit::err(fmt!(
        "    {}:{}: this does not hold\n",
        place.file(),
        place.line()
    ));
    Err(EINVAL)
}

mod card;
mod census;
mod configuration;
#[cfg(all(CONFIG_HAS_DMA, not(CONFIG_HIGHMEM)))]
mod e1000;
mod ethtool;
#[cfg(all(CONFIG_HAS_DMA, not(CONFIG_HIGHMEM)))]
mod hostile;
mod lifecycle;
#[cfg(all(CONFIG_HAS_DMA, not(CONFIG_HIGHMEM)))]
mod mapped;
mod packets;
mod peer;
mod receive;
mod setup;
mod transmit;
