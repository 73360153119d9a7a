// SPDX-License-Identifier: GPL-2.0

//! Requests that a driver makes by itself.

use super::{
    census::Census,
    ram_data::Mode,
    setup::{
        disk,
        new_disk,
        options, //
    }, //
};
use crate::{
    block::blk_mq::{
        internal::has_pages,
        QueueLimits,
        Status,
        Transfer, //
    },
    prelude::*,
    sync::atomic::Relaxed, //
};

#[kunit_tests(rust_blk_mq_internal)]
mod tests {
    use super::*;

    #[test]
    fn internal_requests_carry_data_both_ways() -> Result {
        let census = Census::new()?;
        let disk = disk(&census, "rustkunit_execute")?;
        let data = disk.queue_data();
        let pattern = KVec::from_elem(0x5au8, 512, GFP_KERNEL)?;
        let mut buffer = KVec::from_elem(0u8, 512, GFP_KERNEL)?;

        disk.execute(Transfer::Out(&pattern), |private| {
            *private.project().command = 1;
        })?;
        assert_eq!(data.command.load(Relaxed), 1);
        disk.execute(Transfer::In(&mut buffer), |private| {
            *private.project().command = 2;
        })?;
        assert_eq!(data.command.load(Relaxed), 2);
        assert!(buffer == pattern);
        disk.execute(Transfer::Nothing, |private| {
            *private.project().command = 3;
        })?;
        assert_eq!(data.command.load(Relaxed), 3);

        data.set_mode(Mode::Reject, Status::NOSPC);
        assert!(disk.execute(Transfer::Nothing, |_| {}) == Err(ENOSPC));
        data.set_mode(Mode::DropStarted, Status::OK);
        assert!(disk.execute(Transfer::Nothing, |_| {}) == Err(EIO));
        Ok(())
    }

    #[test]
    fn internal_requests_take_memory_that_has_pages() -> Result {
        let census = Census::new()?;
        let disk = disk(&census, "rustkunit_pages")?;
        let mut virt = VVec::from_elem(0u8, 4096, GFP_KERNEL)?;
        let linear = KVec::from_elem(0u8, 4096, GFP_KERNEL)?;

        disk.queue_data().storage.lock()[..4096].fill(3);
        disk.execute(Transfer::In(&mut virt), |_| {})?;
        assert!(virt.iter().all(|&byte| byte == 3));

        let nowhere = core::ptr::without_provenance(usize::MAX - 4095);
        assert!(has_pages(linear.as_ptr(), 4096));
        assert!(!has_pages(nowhere, 512));
        assert!(!has_pages(linear.as_ptr(), usize::MAX / 2));
        Ok(())
    }

    #[test]
    fn an_internal_request_that_is_too_long_is_refused() -> Result {
        let census = Census::new()?;
        let mut limits = QueueLimits::new();
        limits.set_max_hw_sectors(8)?;
        let disk = new_disk(&census, options(), &limits, "rustkunit_toolong")?.add_virtual()?;
        let mut buffer = KVec::from_elem(0u8, 4096 + 512, GFP_KERNEL)?;
        let before = disk.queue_data().queued.load(Relaxed);

        assert!(disk.execute(Transfer::In(&mut buffer), |_| {}) == Err(EINVAL));
        assert_eq!(disk.queue_data().queued.load(Relaxed), before);
        assert!(disk
            .execute(Transfer::In(&mut buffer[..4096]), |_| {})
            .is_ok());
        Ok(())
    }
}
