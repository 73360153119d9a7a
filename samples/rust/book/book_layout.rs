// SPDX-License-Identifier: GPL-2.0

//! Where Rust expects the fields of C's structures.

#![deny(unsafe_code)]

use core::mem::{
    offset_of,
    size_of, //
};
use kernel::{
    bindings,
    prelude::*, //
};

module! {
    type: Layout,
    name: "book_layout",
    authors: ["The linux-virtio-rs developers"],
    description: "Where Rust expects the fields of C's structures",
    license: "GPL",
}

struct Layout;

impl kernel::Module for Layout {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        pr_info!(
            "struct virtio_device: {} bytes, id at {}, config at {}, priv at {}\n",
            size_of::<bindings::virtio_device>(),
            offset_of!(bindings::virtio_device, id),
            offset_of!(bindings::virtio_device, config),
            // `priv` is a word of Rust, so bindgen has changed the name.
            offset_of!(bindings::virtio_device, priv_),
        );
        pr_info!(
            "struct list_head: {} bytes, prev at {}\n",
            size_of::<bindings::list_head>(),
            offset_of!(bindings::list_head, prev),
        );
        Ok(Self)
    }
}
