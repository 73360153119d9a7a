// SPDX-License-Identifier: GPL-2.0

//! What a disk that is dead does, and who is told.

use super::{
    census::{
        wait_until,
        Census, //
    },
    io::{
        Bio,
        OpenDisk,
        READ, //
    },
    ram::Ram,
    setup::disk, //
};
use crate::{
    block::blk_mq::{
        disk_data,
        GenDisk,
        Status, //
    },
    prelude::*,
    sync::atomic::{
        Acquire,
        Atomic,
        Relaxed,
        Release, //
    },
    time::{
        delay::fsleep,
        Delta, //
    }, //
};

/// Stands for a file system that is told of the death of its disk.
struct FileSystem {
    told: Atomic<u32>,
    go_on: Atomic<u32>,
    knows: Atomic<u32>,
    /// How often it was told that the disk is gone already.
    surprises: Atomic<u32>,
}

impl FileSystem {
    const OPS: bindings::blk_holder_ops = bindings::blk_holder_ops {
        mark_dead: Some(Self::mark_dead),
        ..pin_init::zeroed()
    };

    fn new() -> Self {
        Self {
            told: Atomic::new(0),
            go_on: Atomic::new(0),
            knows: Atomic::new(0),
            surprises: Atomic::new(0),
        }
    }

    fn mount(&self, disk: &GenDisk<Ram>) -> Result<OpenDisk> {
        let this = core::ptr::from_ref(self).cast_mut().cast();

        // SAFETY: `mark_dead` expects this. The tests drop the disk, which waits for whoever calls
        // it, and close it before `self` goes.
        unsafe { OpenDisk::new_for(disk, this, const { &Self::OPS }) }
    }

    /// # Safety
    ///
    /// `bdev` must be that of a disk that [`mount`](Self::mount) has opened, and its lock be held.
    unsafe extern "C" fn mark_dead(bdev: *mut bindings::block_device, surprise: bool) {
        // SAFETY: By the requirement of this function.
        let this = unsafe { &*(*bdev).bd_holder.cast_const().cast::<Self>() };
        // SAFETY: As above. C leaves the lock to this function.
        unsafe { bindings::mutex_unlock(&raw mut (*bdev).bd_holder_lock) };

        this.surprises.fetch_add(surprise.into(), Relaxed);
        this.told.store(1, Release);
        // Not for ever, as then the test could not fail.
        let _ = wait_until(|| this.go_on.load(Acquire) == 1);
        // Longer than a removal takes that does not wait.
        fsleep(Delta::from_millis(500));
        this.knows.store(1, Release);
    }
}

#[kunit_tests(rust_blk_mq_death)]
mod tests {
    use super::*;

    // It can be one that needs what sleeps as long as the caller.
    #[test]
    fn no_file_system_is_waited_for_by_who_says_that_its_disk_is_dead() -> Result {
        let census = Census::new()?;
        let disk = disk(&census, "rustkunit_mourn")?;
        let system = FileSystem::new();
        let open = system.mount(&disk)?;

        disk.mark_dead();
        assert_eq!(system.knows.load(Acquire), 0);

        let told = wait_until(|| system.told.load(Acquire) == 1);

        system.go_on.store(1, Release);
        drop(disk);

        let knows = system.knows.load(Acquire);

        drop(open);
        told?;
        assert_eq!(knows, 1);
        assert_eq!(system.surprises.load(Relaxed), 1);
        census.wait_until_gone()?;
        Ok(())
    }

    // Otherwise they would write back to what is gone.
    #[test]
    fn file_systems_learn_of_a_death_that_is_followed_by_the_removal() -> Result {
        let census = Census::new()?;

        let disk = disk(&census, "rustkunit_gone")?;
        let system = FileSystem::new();
        let open = system.mount(&disk)?;

        system.go_on.store(1, Release);
        // As `mark_dead` does, but the worker comes too late.
        //
        // SAFETY: The data lives as long as the disk.
        unsafe { disk_data::death(disk.disk_data()) }.start_in(60_000);
        drop(disk);
        drop(open);
        assert_eq!(system.surprises.load(Relaxed), 1);
        census.wait_until_gone()?;
        Ok(())
    }

    #[test]
    fn a_dead_disk_fails_what_comes() -> Result {
        let census = Census::new()?;
        let disk = disk(&census, "rustkunit_dead")?;
        let open = OpenDisk::new(&disk)?;
        let queued = disk.queue_data().queued.load(Relaxed);

        disk.mark_dead();
        // SAFETY: The data lives as long as the disk.
        unsafe { disk_data::death(disk.disk_data()) }.flush();
        assert!(Bio::submit(&open, READ, 0, 512, 0)?.wait() != Status::OK);
        assert_eq!(disk.queue_data().queued.load(Relaxed), queued);
        drop(open);
        drop(disk);
        census.wait_until_gone()?;
        Ok(())
    }
}
