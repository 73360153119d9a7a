// SPDX-License-Identifier: GPL-2.0

//! Counters of a device.
//!
//! C header: [`include/uapi/linux/if_link.h`](srctree/include/uapi/linux/if_link.h)

/// Defines the counters.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What a device has counted, from when it was made.
        ///
        /// Equivalent to C's `struct rtnl_link_stats64`. The stack adds what it has dropped itself.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct Statistics {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Statistics {
            pub(super) fn write_to(&self, storage: &mut bindings::rtnl_link_stats64) {
                $(storage.$name = self.$name;)*
            }
        }
    };
}

counters! {
    /// Packets that were received and passed on.
    rx_packets,
    /// Packets that were sent.
    tx_packets,
    /// Bytes in packets that were received and passed on, without frame check sequences.
    rx_bytes,
    /// Bytes in packets that were sent.
    tx_bytes,
    /// Packets with an error, of those that came.
    rx_errors,
    /// Packets that could not be sent.
    tx_errors,
    /// Packets that came and were dropped, as there was no room.
    rx_dropped,
    /// Packets that were dropped on their way out.
    tx_dropped,
    /// Packets to groups that were received.
    multicast,
    /// Collisions while sending.
    collisions,
    /// Packets of a length that does not fit.
    rx_length_errors,
    /// Packets that were larger than the buffers.
    rx_over_errors,
    /// Packets with a wrong check sequence.
    rx_crc_errors,
    /// Packets that did not end at the end of a byte.
    rx_frame_errors,
    /// Packets that the card had no room for.
    rx_fifo_errors,
    /// Packets for which the host gave no buffer.
    rx_missed_errors,
    /// Packets that were given up after too many collisions.
    tx_aborted_errors,
    /// Packets that were lost with the carrier.
    tx_carrier_errors,
    /// Packets that did not get into the card in time.
    tx_fifo_errors,
    /// Tests of the connection to the transceiver that failed.
    tx_heartbeat_errors,
    /// Collisions that came late.
    tx_window_errors,
    /// Packets that the card dropped since nobody wanted them.
    rx_nohandler,
    /// Packets that were not for this address.
    rx_otherhost_dropped,
}
