// SPDX-License-Identifier: GPL-2.0

//! Queue limits: their bounds, and that what is set reaches the queue.

use super::{
    census::Census,
    io::OpenDisk,
    setup::{
        disk,
        new_disk,
        options, //
    }, //
};
use crate::{
    block::blk_mq::{
        LimitError,
        QueueLimits,
        Zoned, //
    },
    fmt::Write,
    page::PAGE_SIZE,
    prelude::*,
    str::Formatter,
    sync::atomic::Relaxed, //
};

/// Sets one limit.
type Setting = fn(&mut QueueLimits) -> Result;

type Setter = fn(&mut QueueLimits, u32) -> Result<&mut QueueLimits, LimitError>;

#[kunit_tests(rust_blk_mq_limits)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_what_the_block_layer_takes() -> Result {
        let page = PAGE_SIZE as u32;
        let max = QueueLimits::MAX_BLOCK_SIZE;
        let table: [(Setter, &[u32], &[u32]); 8] = [
            (
                QueueLimits::set_logical_block_size,
                &[512, 1024, max],
                &[0, 1, 256, 513, max * 2, u32::MAX],
            ),
            (
                QueueLimits::set_physical_block_size,
                &[512, 1 << 31],
                &[0, 256, 513, u32::MAX],
            ),
            (QueueLimits::set_io_min, &[0, 512, 1 << 31], &[1, u32::MAX]),
            (QueueLimits::set_io_opt, &[0, 512, 1536], &[511, u32::MAX]),
            (
                QueueLimits::set_max_segments,
                &[1, 65535],
                &[0, 65536, u32::MAX],
            ),
            (
                QueueLimits::set_max_segment_size,
                &[4096, u32::MAX],
                &[0, 4095],
            ),
            (
                QueueLimits::set_max_hw_sectors,
                &[page / 512, u32::MAX],
                &[0, page / 512 - 1],
            ),
            (
                QueueLimits::set_max_discard_segments,
                &[1, 65535],
                &[0, 65536],
            ),
        ];

        for (set, good, bad) in table {
            for value in good {
                assert!(set(&mut QueueLimits::new(), *value).is_ok());
            }
            for value in bad {
                let mut limits = QueueLimits::new();
                let error = set(&mut limits, *value).err().ok_or(ENOENT)?;

                assert_eq!(error.value, u64::from(*value));
                assert!(Error::from(error) == EINVAL);
            }
        }
        Ok(())
    }

    #[test]
    fn limits_must_go_together_in_any_order() -> Result {
        let settings: [(&str, Setting); 6] = [
            ("physical_block_size", |limits| {
                limits.set_physical_block_size(2048)?;
                Ok(())
            }),
            ("alignment_offset", |limits| {
                limits.set_alignment_offset(4096);
                Ok(())
            }),
            ("io_min", |limits| {
                limits.set_io_min(512)?;
                Ok(())
            }),
            ("io_opt", |limits| {
                limits.set_io_opt(6144)?;
                Ok(())
            }),
            ("max_hw_sectors", |limits| {
                limits.set_max_hw_sectors(PAGE_SIZE as u32 / 512)?;
                Ok(())
            }),
            ("discard_granularity", |limits| {
                limits.set_discard_granularity(512)?;
                Ok(())
            }),
        ];
        let census = Census::new()?;

        for (field, set) in settings {
            // A page is too short for a request only if a block is longer.
            let block = if field == "max_hw_sectors" {
                QueueLimits::MAX_BLOCK_SIZE
            } else {
                4096
            };
            let mut before = QueueLimits::new();
            before.set_logical_block_size(block)?;
            set(&mut before)?;
            let mut after = QueueLimits::new();
            set(&mut after)?;
            assert!(after.check().is_ok() || field == "alignment_offset");
            after.set_logical_block_size(block)?;

            for limits in [before, after] {
                if block > PAGE_SIZE as u32 || field != "max_hw_sectors" {
                    assert_eq!(limits.check().err().map(|error| error.field), Some(field));
                    let disk = new_disk(&census, options(), &limits, "rustkunit_contra");
                    assert!(disk.err() == Some(EINVAL));
                }
            }
        }
        assert!(census.all() == [0; 4]);
        Ok(())
    }

    #[test]
    fn masks_are_one_less_than_a_power_of_two() -> Result {
        let mut limits = QueueLimits::new();

        assert!(limits.set_seg_boundary_mask(4095).is_ok());
        assert!(limits.set_seg_boundary_mask(u32::MAX).is_ok());
        assert!(limits.set_seg_boundary_mask(4094).is_err());
        assert!(limits.set_seg_boundary_mask(2047).is_err());
        assert!(limits.set_dma_alignment(0).is_ok());
        assert!(limits.set_dma_alignment(511).is_ok());
        assert!(limits.set_dma_alignment(510).is_err());
        assert!(limits.set_dma_alignment(2 * PAGE_SIZE as u32 - 1).is_err());
        Ok(())
    }

    #[test]
    fn zones_are_checked() -> Result {
        let good = Zoned {
            zone_sectors: 64,
            max_open_zones: 2,
            max_active_zones: 3,
            max_append_sectors: 8,
            write_granularity: 4096,
        };
        let bad = [
            Zoned {
                zone_sectors: 0,
                ..good
            },
            Zoned {
                zone_sectors: 65,
                ..good
            },
            Zoned {
                max_open_zones: 4,
                ..good
            },
            Zoned {
                max_open_zones: u32::MAX,
                max_active_zones: 0,
                ..good
            },
            Zoned {
                max_open_zones: 0,
                max_active_zones: u32::MAX,
                ..good
            },
            Zoned {
                max_append_sectors: 7,
                ..good
            },
            Zoned {
                write_granularity: 0,
                ..good
            },
            Zoned {
                write_granularity: 700,
                ..good
            },
        ];

        assert_eq!(
            QueueLimits::new().set_zoned(good).is_ok(),
            cfg!(CONFIG_BLK_DEV_ZONED)
        );
        for zoned in bad {
            let mut limits = QueueLimits::new();

            assert!(limits.set_zoned(zoned).is_err());
            assert!(!limits.is_zoned());
        }
        Ok(())
    }

    #[test]
    fn a_message_names_the_limit_and_the_rule() -> Result {
        let mut buf = [0u8; 128];
        // SAFETY: `buf` is valid for writes of its length while `out` exists.
        let mut out = unsafe { Formatter::from_buffer(buf.as_mut_ptr(), buf.len()) };
        let mut limits = QueueLimits::new();

        if let Err(error) = limits.set_logical_block_size(513) {
            out.write_fmt(fmt!("{error}"))?;
        }
        let len = out.bytes_written();
        let max = QueueLimits::MAX_BLOCK_SIZE;
        let mut expected = [0u8; 128];
        // SAFETY: `expected` is valid for writes of its length while `out` exists.
        let mut out = unsafe { Formatter::from_buffer(expected.as_mut_ptr(), expected.len()) };
        write!(
            out,
            "logical_block_size: 513 is not a power of two from 512 to {max}"
        )?;
        assert!(buf[..len] == expected[..out.bytes_written()]);
        Ok(())
    }

    #[test]
    fn limits_reach_the_queue() -> Result {
        let census = Census::new()?;
        let mut limits = QueueLimits::new();

        limits
            .set_logical_block_size(1024)?
            .set_physical_block_size(4096)?
            .set_io_min(8192)?
            .set_max_segments(17)?
            .set_max_hw_sectors(64)?
            .set_write_cache(true)
            .set_fua(true)
            .set_rotational(true);
        let disk = new_disk(&census, options(), &limits, "rustkunit_limits")?.add_virtual()?;
        // SAFETY: The disk is valid, and nobody changes the limits.
        let found = unsafe { &(*disk.queue()).limits };

        assert_eq!(found.logical_block_size, 1024);
        assert_eq!(found.physical_block_size, 4096);
        assert_eq!(found.io_min, 8192);
        assert_eq!(found.max_segments, 17);
        assert_eq!(found.max_hw_sectors, 64);
        assert!(found.features & bindings::BLK_FEAT_WRITE_CACHE != 0);
        assert!(found.features & bindings::BLK_FEAT_FUA != 0);
        assert!(found.features & bindings::BLK_FEAT_ROTATIONAL != 0);
        Ok(())
    }

    #[test]
    fn limits_change_or_stay_as_they_are() -> Result {
        let census = Census::new()?;
        let disk = disk(&census, "rustkunit_update")?;

        disk.update_limits(|limits| limits.set_max_hw_sectors(128).map(|_| ()))?;
        // SAFETY: The disk is valid, and nobody changes the limits.
        assert_eq!(unsafe { (*disk.queue()).limits.max_hw_sectors }, 128);

        let refused = disk.update_limits(|limits| {
            limits.set_max_hw_sectors(256)?;
            Err(ENOSPC)
        });
        assert!(refused == Err(ENOSPC));
        // SAFETY: As above.
        assert_eq!(unsafe { (*disk.queue()).limits.max_hw_sectors }, 128);

        // The lock was given back.
        disk.update_limits(|limits| {
            assert!(!limits.write_cache());
            limits.set_write_cache(true);
            Ok::<_, Error>(())
        })?;
        // SAFETY: As above.
        let features = unsafe { (*disk.queue()).limits.features };
        assert!(features & bindings::BLK_FEAT_WRITE_CACHE != 0);
        Ok(())
    }

    #[test]
    fn a_disk_does_not_become_zoned() -> Result {
        let census = Census::new()?;
        let disk = disk(&census, "rustkunit_nozones")?;
        let zoned = Zoned {
            zone_sectors: 64,
            write_granularity: 512,
            ..Default::default()
        };

        let refused = disk.update_limits(|limits| limits.set_zoned(zoned).map(|_| ()));
        assert!(refused == Err(EINVAL));

        let mut limits = QueueLimits::new();
        if limits.set_zoned(zoned).is_ok() {
            // `Ram` does not report zones.
            let disk = new_disk(&census, options(), &limits, "rustkunit_noreport");
            assert!(disk.err() == Some(EINVAL));
        }
        Ok(())
    }

    #[test]
    fn a_flush_comes_only_with_a_cache() -> Result {
        let census = Census::new()?;
        let mut limits = QueueLimits::new();
        limits.set_write_cache(true);
        let cached = new_disk(&census, options(), &limits, "rustkunit_cache")?.add_virtual()?;
        let plain = disk(&census, "rustkunit_nocache")?;

        for (disk, flushes) in [(&cached, 1), (&plain, 0)] {
            let open = OpenDisk::new(disk)?;
            let data = disk.queue_data();
            let before = data.queued.load(Relaxed);

            // SAFETY: The disk is open.
            let ret = unsafe { bindings::blkdev_issue_flush(open.bdev()) };
            assert_eq!(ret, 0);
            let queued = data.queued.load(Relaxed);
            assert_eq!(queued - before, flushes);
        }
        Ok(())
    }
}
