// SPDX-License-Identifier: GPL-2.0

//! What a device recommends.

use super::limits::validate;
use crate::{
    block::blk_mq::{
        Adjusted,
        Hints,
        QueueLimits, //
    },
    prelude::*, //
};

#[kunit_tests(rust_blk_mq_hints)]
mod tests {
    use super::*;

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
}
