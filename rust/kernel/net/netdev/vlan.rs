// SPDX-License-Identifier: GPL-2.0

//! The kinds of VLANs.
//!
//! C header: [`include/linux/if_vlan.h`](srctree/include/linux/if_vlan.h)

use crate::prelude::*;

/// The protocol of a VLAN tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VlanProtocol {
    /// Customer tags, of 802.1Q.
    Ctag,
    /// Service tags, of 802.1ad.
    Stag,
}

impl VlanProtocol {
    /// # Errors
    ///
    /// [`EINVAL`] if it is not the protocol of a tag.
    pub(in crate::net) fn from_be(protocol: bindings::__be16) -> Result<Self> {
        match u32::from(u16::from_be(protocol)) {
            bindings::ETH_P_8021Q => Ok(Self::Ctag),
            bindings::ETH_P_8021AD => Ok(Self::Stag),
            _ => Err(EINVAL),
        }
    }

    pub(in crate::net) fn as_be(self) -> bindings::__be16 {
        let protocol = match self {
            Self::Ctag => bindings::ETH_P_8021Q,
            Self::Stag => bindings::ETH_P_8021AD,
        };

        // CAST: Protocols of Ethernet have 16 bits.
        (protocol as u16).to_be()
    }
}
