// SPDX-License-Identifier: GPL-2.0

//! Packets, owned by whoever has to pass them on.
//!
//! C header: [`include/linux/skbuff.h`](srctree/include/linux/skbuff.h)
//!
//! | C | Rust |
//! |---|---|
//! | `struct sk_buff *` | [`SkBuff`] |
//! | `dev_kfree_skb_any_reason()` | [`SkBuff::drop_with`] |
//! | `dev_consume_skb_any()` | [`SkBuff::consume`] |
//! | `NETDEV_TX_BUSY` | [`SkBuff::busy`] |
//! | `skb_frag_t` | [`Frag`] |
//! | `CHECKSUM_PARTIAL` | [`SkBuff::partial_checksum`] |
//! | `CHECKSUM_UNNECESSARY` and others | [`ReceivedChecksum`] |
//! | `skb_shinfo(skb)->gso_size` and others | [`SkBuff::gso_size`], [`SkBuff::prepare_tso`] |
//! | `netdev_alloc_frag()`, `napi_build_skb()` | [`Fragment`] |
//! | `dma_map_single()`, `skb_frag_dma_map()` | [`MappedSkb`] |

mod data;
mod drop_reason;
mod fragment;
mod frags;
mod mapped;
mod offload;
mod sk_buff;
mod tso;

pub use data::ETH_HLEN;
pub use drop_reason::DropReason;
pub use fragment::{
    Fragment,
    FragmentSize,
    HEADROOM, //
};
pub use frags::{
    Frag,
    Frags,
    MAX_SKB_FRAGS, //
};
pub use mapped::{
    MapError,
    MappedSkb,
    Part,
    Parts, //
};
pub use offload::{
    PartialChecksum,
    ReceivedChecksum, //
};
pub use sk_buff::{
    Busy,
    SkBuff, //
};
pub use tso::Tso;
