// SPDX-License-Identifier: GPL-2.0

//! Queue limits: their bounds.

use super::{
    census::Census,
    setup::{
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
    error::to_result,
    fmt::Write,
    page::PAGE_SIZE,
    prelude::*,
    str::Formatter, //
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

/// What the block layer makes of limits. It must not be asked about what it answers with a
/// warning.
pub(super) fn validate(limits: &QueueLimits) -> Result<bindings::queue_limits> {
    let mut raw = *limits.clone().as_raw_mut();

    // SAFETY: `raw` is valid.
    to_result(unsafe { bindings::blk_validate_limits(&mut raw) })?;
    Ok(raw)
}

#[kunit_tests(rust_blk_mq_limits)]
mod tests {
    use super::*;

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
}
