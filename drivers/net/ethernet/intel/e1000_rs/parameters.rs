// SPDX-License-Identifier: GPL-2.0

//! The parameters of the module (C: `e1000_param.c`). What they may be is in `params`.

use kernel::{
    module_param_sysfs,
    net::netdev::message::MessageLevel, //
};

use super::params::Given;

/// Declares parameters that have a value for each card, and collects those of one.
macro_rules! per_card {
    ($($field:ident: $name:ident = $description:literal,)*) => {
        $(
            module_param_sysfs! {
                module: "e1000_rs",
                #[doc = $description]
                pub(crate) static $name: [i32; 32] = -1,
                mode: 0,
                description: $description,
            }
        )*

        /// What was given for a card.
        pub(crate) fn given(card: usize) -> Given {
            Given {
                $($field: $name.get(card),)*
            }
        }
    };
}

per_card! {
    tx_descriptors: TxDescriptors = "Number of transmit descriptors",
    rx_descriptors: RxDescriptors = "Number of receive descriptors",
    speed: Speed = "Speed setting",
    duplex: Duplex = "Duplex setting",
    autoneg: AutoNeg = "Advertised auto-negotiation setting",
    flow_control: FlowControl = "Flow Control setting",
    xsum_rx: XsumRX = "Disable or enable Receive Checksum offload",
    tx_int_delay: TxIntDelay = "Transmit Interrupt Delay",
    tx_abs_int_delay: TxAbsIntDelay = "Transmit Absolute Interrupt Delay",
    rx_int_delay: RxIntDelay = "Receive Interrupt Delay",
    rx_abs_int_delay: RxAbsIntDelay = "Receive Absolute Interrupt Delay",
    interrupt_throttle_rate: InterruptThrottleRate = "Interrupt Throttling Rate",
    smart_power_down: SmartPowerDownEnable = "Enable PHY smart power down",
}

module_param_sysfs! {
    module: "e1000_rs",
    /// Packets up to this size are copied, and their buffer is used again.
    pub(crate) static copybreak: u32 = 256,
    mode: 0o644,
    description: "Maximum size of packet that is copied to a new buffer on receive",
}

module_param_sysfs! {
    module: "e1000_rs",
    /// How much is logged: the number of bits of the message level.
    pub(crate) static debug: i32 = -1,
    mode: 0,
    description: "Debug level (0=none,...,16=all)",
}

/// What is logged (C: `netif_msg_init`).
pub(crate) fn msg_enable() -> MessageLevel {
    MessageLevel::from_parameter(
        debug.value(),
        MessageLevel::DRV | MessageLevel::PROBE | MessageLevel::LINK,
    )
}
