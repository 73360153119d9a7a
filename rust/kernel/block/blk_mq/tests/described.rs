// SPDX-License-Identifier: GPL-2.0

//! Requests that are described to a device and wait for the lock of its queue.

use super::{
    census::Census,
    io::{
        Bio,
        OpenDisk,
        READ, //
    },
    ram::Ram,
    ram_data::Mode,
    setup::disk, //
};
use crate::{
    block::{
        blk_mq::{
            Request,
            Status, //
        },
        virtio::DescribedList, //
    },
    prelude::*,
    virtio::Described, //
};

/// Describes a request by its data alone.
fn describe(rq: Request<Ram>) -> Result<Described<Request<Ram>>> {
    Described::new(rq, |(_, payload), parts| parts.segments(&payload)).map_err(|err| err.error)
}

#[kunit_tests(rust_blk_mq_described)]
mod tests {
    use super::*;

    #[test]
    fn a_list_keeps_its_order_and_ends_what_is_left() -> Result {
        let census = Census::new()?;
        let disk = disk(&census, "rustkunit_list")?;
        let open = OpenDisk::new(&disk)?;
        let data = disk.queue_data();
        let mut bios = KVec::new();

        data.set_mode(Mode::Park, Status::OK);
        for sector in [0, 16, 32, 48] {
            bios.push(Bio::submit(&open, READ, sector, 4096, 0)?, GFP_KERNEL)?;
        }
        data.wait_parked(4)?;
        data.set_mode(Mode::Serve, Status::OK);

        let mut list = DescribedList::new();
        let mut sectors = KVec::new();

        assert!(list.is_empty() && list.pop().is_none());
        while let Some(rq) = data.unpark() {
            sectors.push(rq.sector(), GFP_KERNEL)?;
            list.push(describe(rq)?);
        }
        assert!(!list.is_empty());

        for &sector in &sectors[..2] {
            let rq = list.pop().ok_or(ENOENT)?.into_token();

            assert_eq!(rq.sector(), sector);
            rq.end(Status::OK);
        }
        // What is taken out and put back goes to the end.
        let rq = list.pop().ok_or(ENOENT)?;
        list.push(rq);
        let rq = list.pop().ok_or(ENOENT)?.into_token();
        assert_eq!(rq.sector(), sectors[3]);
        list.push(describe(rq)?);
        drop(list);

        for (bio, sector) in bios.into_iter().zip([0, 16, 32, 48]) {
            let expected = if sectors[..2].contains(&sector) {
                Status::OK
            } else {
                Status::IOERR
            };

            assert_eq!(bio.wait(), expected);
        }
        Ok(())
    }
}
