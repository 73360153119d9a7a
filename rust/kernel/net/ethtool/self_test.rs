// SPDX-License-Identifier: GPL-2.0

//! Tests of a card by itself.
//!
//! C header: [`include/uapi/linux/ethtool.h`](srctree/include/uapi/linux/ethtool.h)

/// A test that the user wants, and its results.
pub struct SelfTest<'a> {
    flags: &'a mut u32,
    results: &'a mut [u64],
}

impl<'a> SelfTest<'a> {
    pub(super) fn new(flags: &'a mut u32, results: &'a mut [u64]) -> Self {
        Self { flags, results }
    }

    /// Whether the card may be taken off the network for the test.
    pub fn is_offline(&self) -> bool {
        *self.flags & bindings::ethtool_test_flags_ETH_TEST_FL_OFFLINE != 0
    }

    /// Whether the user has connected the card with itself for the test.
    pub fn is_external_loopback(&self) -> bool {
        *self.flags & bindings::ethtool_test_flags_ETH_TEST_FL_EXTERNAL_LB != 0
    }

    /// Says that the card has failed.
    pub fn fail(&mut self) {
        *self.flags |= bindings::ethtool_test_flags_ETH_TEST_FL_FAILED;
    }

    /// One number for each of [`Operations::TESTS`](super::Operations::TESTS), zero to begin with.
    pub fn results(&mut self) -> &mut [u64] {
        self.results
    }
}
