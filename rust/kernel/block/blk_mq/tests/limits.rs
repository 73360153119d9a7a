// SPDX-License-Identifier: GPL-2.0

//! Queue limits: their bounds, and that what is set reaches the queue.

use super::{
    census::Census,
    io::OpenDisk,
    ram::Ram,
    setup::{
        disk,
        new_disk,
        options, //
    }, //
};
use crate::{
    block::blk_mq::{
        Adjusted,
        Disk,
        Hints,
        LimitError,
        QueueLimits,
        Zoned, //
    },
    error::to_result,
    fmt::Write,
    page::PAGE_SIZE,
    prelude::*,
    str::Formatter,
    sync::atomic::Relaxed, //
};

/// A limit, and values of it.
struct Bounds {
    name: &'static str,
    set: fn(&mut QueueLimits, u32) -> Result<(), LimitError>,
    set_raw: fn(&mut bindings::queue_limits, u32),
    /// What the block layer takes, or refuses without a warning.
    quiet: &'static [u32],
    /// What it warns of, or cuts off.
    loud: &'static [u32],
}

const PAGE_SECTORS: u32 = PAGE_SIZE as u32 / 512;

const BOUNDS: [Bounds; 10] = [
    Bounds {
        name: "logical_block_size",
        set: |limits, value| limits.set_logical_block_size(value).map(|_| ()),
        set_raw: |raw, value| raw.logical_block_size = value,
        quiet: &[0, 1, 256, 512, 513, 1024, 1536, 4096, 1 << 20, u32::MAX],
        loud: &[],
    },
    Bounds {
        name: "physical_block_size",
        set: |limits, value| {
            limits.set_physical_block_size(value);
            Ok(())
        },
        set_raw: |raw, value| raw.physical_block_size = value,
        quiet: &VALUES,
        loud: &[],
    },
    Bounds {
        name: "io_min",
        set: |limits, value| {
            limits.set_io_min(value);
            Ok(())
        },
        set_raw: |raw, value| raw.io_min = value,
        quiet: &VALUES,
        loud: &[],
    },
    Bounds {
        name: "io_opt",
        set: |limits, value| {
            limits.set_io_opt(value);
            Ok(())
        },
        set_raw: |raw, value| raw.io_opt = value,
        quiet: &VALUES,
        loud: &[],
    },
    Bounds {
        name: "max_segments",
        set: |limits, value| limits.set_max_segments(value).map(|_| ()),
        set_raw: |raw, value| raw.max_segments = value as u16,
        quiet: &[0, 1, 65535],
        loud: &[65536, u32::MAX],
    },
    Bounds {
        name: "max_segment_size",
        set: |limits, value| limits.set_max_segment_size(value).map(|_| ()),
        set_raw: |raw, value| raw.max_segment_size = value,
        quiet: &[0, 4096, 4097, u32::MAX],
        loud: &[1, 4095],
    },
    Bounds {
        name: "seg_boundary_mask",
        set: |limits, value| limits.set_seg_boundary_mask(value).map(|_| ()),
        set_raw: |raw, value| raw.seg_boundary_mask = value as c_ulong,
        quiet: &[0, 4095, 65535, u32::MAX],
        loud: &[1, 2047],
    },
    Bounds {
        name: "dma_alignment",
        set: |limits, value| limits.set_dma_alignment(value).map(|_| ()),
        set_raw: |raw, value| raw.dma_alignment = value,
        quiet: &[0, 3, 511, 4095],
        loud: &[u32::MAX],
    },
    Bounds {
        name: "max_hw_sectors",
        set: |limits, value| limits.set_max_hw_sectors(value).map(|_| ()),
        set_raw: |raw, value| raw.max_hw_sectors = value,
        quiet: &[0, PAGE_SECTORS, PAGE_SECTORS + 1, u32::MAX],
        loud: &[1, PAGE_SECTORS - 1],
    },
    Bounds {
        name: "max_discard_segments",
        set: |limits, value| limits.set_max_discard_segments(value).map(|_| ()),
        set_raw: |raw, value| raw.max_discard_segments = value as u16,
        quiet: &[0, 1, 65535],
        loud: &[65536, u32::MAX],
    },
];

/// Values that are likely to make a difference.
const VALUES: [u32; 10] = [0, 1, 511, 512, 513, 4096, 5000, 8192, 1 << 31, u32::MAX];

#[kunit_tests(rust_blk_mq_limits)]
mod tests {
    use super::*;

    /// What the block layer makes of limits. It must not be asked about what it answers with a
    /// warning.
    fn validate(limits: &QueueLimits) -> Result<bindings::queue_limits> {
        let mut raw = *limits.clone().as_raw_mut();

        // SAFETY: `raw` is valid.
        to_result(unsafe { bindings::blk_validate_limits(&mut raw) })?;
        Ok(raw)
    }

    #[test]
    fn what_the_block_layer_takes_is_taken() -> Result {
        for row in &BOUNDS {
            for value in row.quiet {
                let mut raw = QueueLimits::new();
                let mut ours = QueueLimits::new();

                (row.set_raw)(raw.as_raw_mut(), *value);
                let taken = (row.set)(&mut ours, *value).and_then(|()| ours.check());
                assert_eq!(taken.is_ok(), validate(&raw).is_ok());

                if let Err(error) = taken {
                    assert_eq!((error.field, error.value), (row.name, (*value).into()));
                    assert!(Error::from(error) == EINVAL);
                }
            }
            // The block layer warns of these, or would see another value.
            for value in row.loud {
                let error = (row.set)(&mut QueueLimits::new(), *value)
                    .err()
                    .ok_or(ENOENT)?;

                assert_eq!((error.field, error.value), (row.name, (*value).into()));
            }
        }
        Ok(())
    }

    #[test]
    fn what_the_block_layer_takes_together_is_taken() -> Result {
        let set: [fn(&mut QueueLimits, u32); 4] = [
            |limits, bytes| {
                limits.set_io_min(bytes);
            },
            |limits, bytes| {
                limits.set_io_opt(bytes);
            },
            |limits, bytes| {
                limits.set_alignment_offset(bytes);
            },
            |limits, bytes| {
                limits
                    .set_max_hw_discard_sectors(1024)
                    .set_discard_granularity(bytes);
            },
        ];
        let (mut taken, mut refused) = (0, 0);

        for block in [0, 512, 4096, QueueLimits::MAX_BLOCK_SIZE] {
            for physical in [0, 300, 512, 700, 4096, 5000, 8192, 1 << 31, u32::MAX] {
                for (which, value) in (0..4).flat_map(|which| VALUES.map(|value| (which, value))) {
                    let mut limits = QueueLimits::new();

                    // What comes first does not matter.
                    if value % 2 == 0 {
                        set[which](&mut limits, value);
                        limits.set_physical_block_size(physical);
                    } else {
                        limits.set_physical_block_size(physical);
                        set[which](&mut limits, value);
                    }
                    limits.set_logical_block_size(block)?;
                    assert_eq!(limits.check().is_ok(), validate(&limits).is_ok());
                    if limits.check().is_ok() {
                        taken += 1;
                    } else {
                        refused += 1;
                    }
                }
            }
        }
        assert!(taken > 0 && refused > 0);

        // A request that cannot be as long as a block: the block layer warns.
        let mut limits = QueueLimits::new();
        limits
            .set_logical_block_size(QueueLimits::MAX_BLOCK_SIZE)?
            .set_max_hw_sectors(PAGE_SIZE as u32 / 512)?;
        assert_eq!(
            limits.check().is_ok(),
            QueueLimits::MAX_BLOCK_SIZE as usize <= PAGE_SIZE
        );
        let census = Census::new()?;
        let disk = new_disk(&census, options(), &limits, "rustkunit_contra");
        assert_eq!(disk.is_ok(), limits.check().is_ok());
        Ok(())
    }

    #[test]
    fn hints_come_as_near_as_makes_sense() -> Result {
        let none = Hints::default();
        let block_4k = |limits: &mut QueueLimits| limits.set_logical_block_size(4096).map(|_| ());
        type Get = fn(&bindings::queue_limits) -> u32;
        let physical: Get = |raw| raw.physical_block_size;
        let offset: Get = |raw| raw.alignment_offset;
        let io_min: Get = |raw| raw.io_min;
        let io_opt: Get = |raw| raw.io_opt;
        let granularity: Get = |raw| raw.discard_granularity;
        let physical_hint = |bytes| Hints {
            physical_block_size: bytes,
            ..none
        };
        let offset_hint = |bytes| Hints {
            physical_block_size: 8192,
            alignment_offset: bytes,
            ..none
        };
        let min_hint = |bytes| Hints {
            io_min: bytes,
            ..none
        };
        let opt_hint = |bytes| Hints {
            io_opt: bytes,
            ..none
        };
        let granularity_hint = |bytes| Hints {
            discard_granularity: bytes,
            ..none
        };

        // With blocks of 4096 bytes: the hint, the limit that it leads to, and what is reported.
        type Report = Option<(&'static str, u64, u32)>;
        let table: [(Hints, Get, u32, Report); 20] = [
            (physical_hint(0), physical, 0, None),
            (physical_hint(8192), physical, 8192, None),
            (
                physical_hint(512),
                physical,
                4096,
                Some(("physical_block_size", 512, 4096)),
            ),
            (
                physical_hint(9000),
                physical,
                8192,
                Some(("physical_block_size", 9000, 8192)),
            ),
            (physical_hint(1 << 31), physical, 1 << 31, None),
            (
                physical_hint(1 << 32),
                physical,
                0,
                Some(("physical_block_size", 1 << 32, 0)),
            ),
            (
                physical_hint(u64::MAX),
                physical,
                0,
                Some(("physical_block_size", u64::MAX, 0)),
            ),
            (offset_hint(0), offset, 0, None),
            (offset_hint(4096), offset, 4096, None),
            (
                offset_hint(12288),
                offset,
                4096,
                Some(("alignment_offset", 12288, 4096)),
            ),
            (
                offset_hint(8192),
                offset,
                0,
                Some(("alignment_offset", 8192, 0)),
            ),
            (
                offset_hint(u64::MAX),
                offset,
                7680,
                Some(("alignment_offset", u64::MAX, 7680)),
            ),
            (min_hint(8192), io_min, 8192, None),
            (min_hint(9000), io_min, 8192, Some(("io_min", 9000, 8192))),
            (min_hint(1 << 40), io_min, 0, Some(("io_min", 1 << 40, 0))),
            (opt_hint(1 << 20), io_opt, 1 << 20, None),
            (opt_hint(5000), io_opt, 4096, Some(("io_opt", 5000, 4096))),
            (opt_hint(u64::MAX), io_opt, 0, Some(("io_opt", u64::MAX, 0))),
            (
                granularity_hint(5000),
                granularity,
                8192,
                Some(("discard_granularity", 5000, 8192)),
            ),
            (
                granularity_hint(1 << 32),
                granularity,
                0,
                Some(("discard_granularity", 1 << 32, 0)),
            ),
        ];

        for (hints, get, expected, report) in table {
            let mut limits = QueueLimits::new();
            let mut reports = KVec::with_capacity(5, GFP_KERNEL)?;

            block_4k(&mut limits)?;
            limits.set_hints(&hints, |adjusted| {
                let _ = reports.push_within_capacity(adjusted);
            });
            assert_eq!(get(limits.as_raw_mut()), expected);
            let report = report.map(|(field, value, used)| Adjusted { field, value, used });
            assert!(reports[..] == *report.as_slice());
        }
        Ok(())
    }

    #[test]
    fn hints_never_fail() -> Result {
        let values = [
            0,
            1,
            511,
            512,
            700,
            4096,
            1 << 31,
            (1 << 32) - 1,
            1 << 32,
            u64::MAX,
        ];

        for block in [512, 4096, QueueLimits::MAX_BLOCK_SIZE] {
            for physical in values {
                for other in values {
                    let mut limits = QueueLimits::new();
                    let hints = Hints {
                        physical_block_size: physical,
                        alignment_offset: other,
                        io_min: other,
                        io_opt: other,
                        discard_granularity: other,
                    };

                    limits
                        .set_logical_block_size(block)?
                        .set_max_hw_discard_sectors(1024)
                        .set_hints(&hints, |_| ());
                    assert!(limits.check().is_ok());
                    assert!(validate(&limits).is_ok());
                }
            }
        }
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
            .set_physical_block_size(4096)
            .set_io_min(8192)
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

    /// Does to the limits of a disk what somebody else does.
    fn change(disk: &Disk<Ram>, change: impl FnOnce(&mut bindings::queue_limits)) -> Result {
        // SAFETY: The disk is valid.
        let mut raw = unsafe { bindings::queue_limits_start_update(disk.queue()) };

        change(&mut raw);
        // SAFETY: The update was started just now.
        to_result(unsafe { bindings::queue_limits_commit_update_frozen(disk.queue(), &mut raw) })
    }

    #[test]
    fn an_update_keeps_what_is_not_the_drivers() -> Result {
        // `BLK_FLAG_WRITE_CACHE_DISABLED`, which is an expression that is not bound.
        const DISABLED: u32 = 1 << 0;

        let census = Census::new()?;
        let mut fresh = QueueLimits::new();
        fresh.set_max_hw_discard_sectors(128).set_write_cache(true);
        let disk = new_disk(&census, options(), &fresh, "rustkunit_others")?.add_virtual()?;

        change(&disk, |raw| {
            raw.max_user_sectors = 64;
            raw.max_user_discard_sectors = 32;
            raw.flags |= DISABLED;
        })?;
        // SAFETY: The disk is valid, and nobody changes the limits.
        let before = unsafe { (*disk.queue()).limits };
        disk.update_limits(|limits| {
            *limits = fresh.clone();
            limits.set_max_segments(17).map(|_| ())
        })?;
        // SAFETY: As above.
        let after = unsafe { (*disk.queue()).limits };

        assert_eq!(after.max_segments, 17);
        assert_eq!(after.features, before.features);
        assert_eq!(after.max_sectors, 64);
        assert_eq!(after.max_discard_sectors, 32);
        assert_eq!(after.flags & DISABLED, DISABLED);
        Ok(())
    }

    #[test]
    fn limits_of_another_disk_come_without_what_its_user_has_set() -> Result {
        let census = Census::new()?;
        let first = disk(&census, "rustkunit_userone")?;
        let mut taken = QueueLimits::new();

        change(&first, |raw| raw.max_user_sectors = 64)?;
        first.update_limits(|limits| {
            taken = limits.clone();
            Ok::<_, Error>(())
        })?;
        let second = new_disk(&census, options(), &taken, "rustkunit_usertwo")?.add_virtual()?;
        // SAFETY: The disk is valid, and nobody changes the limits.
        assert_eq!(unsafe { (*second.queue()).limits.max_user_sectors }, 0);
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
