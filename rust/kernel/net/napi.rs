// SPDX-License-Identifier: GPL-2.0

//! Receiving packets in batches, with interrupts off.
//!
//! A card that has something to tell raises an interrupt, whose handler switches the interrupts of
//! the card off and [schedules](super::netdev::Handle::napi_schedule) NAPI. That calls
//! [`Operations::poll`](super::netdev::Operations::poll), which is allowed to receive so many
//! packets, and which switches the interrupts on when there are no more.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)

mod control;
mod new_skb;
mod page_skb;
mod poll;

pub use new_skb::NewSkb;
pub use page_skb::PageSkb;
pub use poll::{
    Poll,
    Polled,
    Unit, //
};
