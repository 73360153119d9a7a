// SPDX-License-Identifier: GPL-2.0

//! Module parameters, with the names and permissions of C's driver. A written value is for devices
//! that are bound later.

use kernel::{
    module_param_sysfs,
    module_param_sysfs::Choice,
    prelude::*, //
};

module_param_sysfs! {
    module: "virtio_blk_rs",
    /// Limit of the number of queues.
    pub(crate) static num_request_queues: u32 = 0,
    mode: 0o644,
    description: "Limit of the number of request queues, 0 for one for each CPU",
}

module_param_sysfs! {
    module: "virtio_blk_rs",
    /// How many of the queues are polled.
    pub(crate) static poll_queues: u32 = 0,
    mode: 0o644,
    description: "Number of the request queues that are for polled I/O",
}

module_param_sysfs! {
    module: "virtio_blk_rs",
    /// How many requests a queue takes.
    pub(crate) static queue_depth: u32 = 0,
    mode: 0o444,
    description: "Number of requests in flight on each queue, 0 for as many as fit",
}

/// Whether a read fails that a modern device says it has not filled.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum CheckUsedLen {
    /// If the device's first read shows that it tells how much it has written.
    Auto,
    /// On each device.
    Always,
    /// On none.
    Never,
}

impl Choice for CheckUsedLen {
    const CHOICES: &'static [(&'static CStr, Self)] = &[
        (c"auto", Self::Auto),
        (c"always", Self::Always),
        (c"never", Self::Never),
        // As parameters that are on or off are written.
        (c"1", Self::Always),
        (c"0", Self::Never),
        (c"Y", Self::Always),
        (c"N", Self::Never),
        (c"y", Self::Always),
        (c"n", Self::Never),
    ];
}

module_param_sysfs! {
    module: "virtio_blk_rs",
    /// Whether used lengths are checked.
    pub(crate) static check_used_len: CheckUsedLen = 0,
    mode: 0o644,
    description: "Whether a read fails that a modern device has not filled: auto (if the device \
        tells how much it has written), always or never",
}

module_param_sysfs! {
    module: "virtio_blk_rs",
    /// Whether a device that does not answer is reset.
    pub(crate) static reset_on_timeout: bool = false,
    mode: 0o644,
    description: "Whether a device is reset that has not ended a request within its timeout",
}
