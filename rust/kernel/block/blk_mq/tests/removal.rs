// SPDX-License-Identifier: GPL-2.0

//! How a disk goes: whom it waits for, and who removes it when its driver does not.

use super::{
    census::{
        wait_longer,
        wait_until,
        Census, //
    },
    io::{
        choose_scheduler,
        Bio,
        OpenDisk,
        READ, //
    },
    ram::Ram,
    ram_data::{
        Mode,
        QueueData,
        SECTORS, //
    },
    setup::{
        disk,
        new_disk,
        options,
        tag_set, //
    }, //
};
use crate::{
    block::blk_mq::{
        disk::{
            keep_module,
            remove, //
        },
        watch::{
            module_callback,
            Watch, //
        },
        NewDisk,
        QueueLimits,
        Status,
        TagSetOptions, //
    },
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        Arc, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
    types::Opaque,
    workqueue, //
};

/// Stands for a disk that is being removed.
struct Removal {
    begun: Atomic<u32>,
    go_on: Atomic<u32>,
    ended: Atomic<u32>,
}

impl Removal {
    fn new() -> Self {
        Self {
            begun: Atomic::new(0),
            go_on: Atomic::new(0),
            ended: Atomic::new(0),
        }
    }

    fn as_disk(&self) -> *mut bindings::gendisk {
        core::ptr::from_ref(self).cast_mut().cast()
    }

    /// # Safety
    ///
    /// `this` must come from [`as_disk`](Self::as_disk).
    unsafe fn run(this: *mut bindings::gendisk) {
        // SAFETY: By the requirement of this function.
        let this = unsafe { &*this.cast_const().cast::<Self>() };

        this.begun.fetch_add(1, Release);
        while this.go_on.load(Acquire) == 0 {
            fsleep(Delta::from_millis(1));
        }
        this.ended.fetch_add(1, Release);
    }
}

/// Stands for a module.
struct Module(KBox<Opaque<bindings::module>>);

impl Module {
    /// One that only its init function uses.
    fn new(state: bindings::module_state) -> Result<Self> {
        let this = Self(KBox::new(Opaque::new(pin_init::zeroed()), GFP_KERNEL)?);

        this.set_state(state);
        #[cfg(CONFIG_MODULE_UNLOAD)]
        // SAFETY: Nobody else knows of the module.
        unsafe {
            (*this.as_raw()).refcnt.counter = 1
        };
        Ok(this)
    }

    fn as_raw(&self) -> *mut bindings::module {
        self.0.get()
    }

    fn set_state(&self, state: bindings::module_state) {
        // SAFETY: The module is valid.
        unsafe { (&raw mut (*self.as_raw()).state).write_volatile(state) };
    }

    /// How many there are beside the init function.
    fn users(&self) -> c_int {
        #[cfg(CONFIG_MODULE_UNLOAD)]
        // SAFETY: The module is valid.
        let count = unsafe { (&raw const (*self.as_raw()).refcnt.counter).read_volatile() };
        #[cfg(not(CONFIG_MODULE_UNLOAD))]
        let count = 1;

        count - 1
    }

    /// Tells that the module is about to be freed.
    fn go(&self) {
        let going = bindings::module_state_MODULE_STATE_GOING as c_ulong;

        // SAFETY: The module does nothing any more.
        unsafe { module_callback(core::ptr::null_mut(), going, self.as_raw().cast()) };
    }
}

#[kunit_tests(rust_blk_mq_removal)]
mod tests {
    use super::*;

    #[test]
    fn dropping_a_disk_waits_for_its_requests() -> Result {
        let census = Census::new()?;
        let disk = disk(&census, "rustkunit_wait")?;
        let open = OpenDisk::new(&disk)?;

        disk.queue_data().set_mode(Mode::Park, Status::OK);
        let bio = Bio::submit(&open, READ, 0, 512, 0)?;
        disk.queue_data().wait_parked(1)?;
        let rq = disk.queue_data().unpark().ok_or(ENOENT)?;

        workqueue::system().try_spawn(GFP_KERNEL, move || {
            fsleep(Delta::from_millis(50));
            rq.end(Status::MEDIUM);
        })?;
        drop(disk);
        assert!(bio.is_done());
        assert_eq!(bio.wait(), Status::MEDIUM);
        Ok(())
    }

    #[test]
    fn a_disk_is_not_dropped_while_queue_rq_runs() -> Result {
        let census = Census::new()?;
        let options = TagSetOptions {
            queue_depth: 1,
            blocking: true,
            ..options()
        };
        let disk =
            new_disk(&census, options, &QueueLimits::new(), "rustkunit_linger")?.add_virtual()?;
        let open = Arc::new(OpenDisk::new(&disk)?, GFP_KERNEL)?;
        let data = disk.queue_data();

        // One request takes the only tag, another has entered the queue and waits for it.
        data.set_mode(Mode::Park, Status::OK);
        let first = Bio::submit(&open, READ, 0, 512, 0)?;
        data.wait_parked(1)?;
        let submitter = open.clone();
        let submitted = Arc::new(Atomic::new(0u32), GFP_KERNEL)?;
        let has_submitted = submitted.clone();
        workqueue::system_unbound().try_spawn(GFP_KERNEL, move || {
            let _ = Bio::submit(&submitter, READ, 32, 512, 0);

            drop(submitter);
            has_submitted.store(1, Release);
        })?;
        fsleep(Delta::from_millis(50));

        // When the disk is as good as gone, the second one is issued. `queue_rq` gives it away,
        // so that there are no requests left, and then runs on for some time.
        let keeper = open.clone();
        let timer = census.clone();
        let done = Arc::new(Atomic::new(0u32), GFP_KERNEL)?;
        let is_done = done.clone();
        let dropped = Arc::new(Atomic::new(0u32), GFP_KERNEL)?;
        let is_dropped = dropped.clone();
        workqueue::system_unbound().try_spawn(GFP_KERNEL, move || {
            let data = keeper.ram().queue_data();

            // `del_gendisk` has much to do before it waits for requests.
            fsleep(Delta::from_millis(2000));
            data.set_mode(Mode::Linger, Status::OK);
            drop(data.unpark());
            if data.wait_parked(1).is_ok() {
                drop(data.unpark());
            }
            fsleep(Delta::from_millis(1000));
            let early = is_dropped.load(Acquire);
            timer.go_on.store(1, Release);

            drop(keeper);
            is_done.store(1 + early, Release);
        })?;

        drop(disk);
        dropped.store(1, Release);
        let [lingered, ghosts] = [census.lingered.load(Relaxed), census.ghosts.load(Relaxed)];
        wait_until(|| done.load(Acquire) != 0)?;
        wait_until(|| submitted.load(Acquire) == 1)?;

        // A second after the last request had ended, `queue_rq` was still running.
        assert_eq!(done.load(Acquire), 1);
        assert_eq!(lingered, 1);
        assert_eq!(ghosts, 0);
        assert_eq!(first.wait(), Status::IOERR);
        drop(open);
        census.wait_until_gone()?;
        Ok(())
    }

    #[test]
    fn a_disk_can_be_dropped_while_a_request_of_its_tag_set_is_issued() -> Result {
        let census = Census::new()?;
        let options = TagSetOptions {
            blocking: true,
            ..options()
        };
        let set = tag_set(&census, options)?;
        let add = |name: &str| {
            let data = QueueData::new(&census)?;
            let mut disk = NewDisk::new(set.clone(), &QueueLimits::new(), data)?;

            disk.set_capacity(SECTORS)?;
            disk.set_name(fmt!("{name}"))?;
            disk.add_virtual()
        };
        let disk = add("rustkunit_issuing")?;
        let other = add("rustkunit_dropped")?;
        let open = OpenDisk::new(&disk)?;
        let open_other = OpenDisk::new(&other)?;

        *disk.queue_data().other.lock() = Some(other);
        disk.queue_data().set_mode(Mode::DropOther, Status::OK);
        let read = Arc::new(Atomic::new(0u32), GFP_KERNEL)?;
        let has_read = read.clone();
        workqueue::system_unbound().try_spawn(GFP_KERNEL, move || {
            let bio = Bio::submit(&open, READ, 0, 512, 0);
            let is_served = bio.is_ok_and(|bio| bio.wait() == Status::OK);

            drop(open);
            has_read.store(1 + u32::from(is_served), Release);
        })?;

        assert!(wait_longer(|| read.load(Acquire) != 0).is_ok());
        assert_eq!(read.load(Acquire), 2);
        // It goes, if not at once.
        assert!(wait_longer(|| open_other.ram().capacity() == 0).is_ok());
        drop(open_other);
        drop(disk);
        drop(set);
        census.wait_until_gone()?;
        Ok(())
    }

    #[test]
    fn a_disk_can_be_dropped_by_its_own_functions() -> Result {
        let census = Census::new()?;
        let options = TagSetOptions {
            timeout: Delta::from_millis(50),
            ..options()
        };
        let disk =
            new_disk(&census, options, &QueueLimits::new(), "rustkunit_itself")?.add_virtual()?;
        let open = OpenDisk::new(&disk)?;
        let data = open.ram().queue_data();

        data.set_mode(Mode::Park, Status::OK);
        let bio = Bio::submit(&open, READ, 0, 512, 0)?;
        data.wait_parked(1)?;
        *data.other.lock() = Some(disk);
        data.drop_other.store(1, Relaxed);
        assert!(wait_longer(|| data.other.lock().is_none()).is_ok());

        // The timeout has returned, or else this would not come again.
        let timeouts = data.timeouts.load(Relaxed);
        assert!(wait_longer(|| data.timeouts.load(Relaxed) > timeouts).is_ok());
        data.unpark().ok_or(ENOENT)?.end(Status::OK);
        assert_eq!(bio.wait(), Status::OK);
        assert!(wait_longer(|| census.hw.load(Relaxed) == 0).is_ok());
        drop(bio);
        drop(open);
        census.wait_until_gone()?;
        Ok(())
    }

    #[test]
    fn a_disk_that_was_lost_goes_with_its_module() -> Result {
        let census = Census::new()?;
        let disk = disk(&census, "rustkunit_lost")?;
        let open = OpenDisk::new(&disk)?;
        let going = bindings::module_state_MODULE_STATE_GOING as c_ulong;
        // Stand-ins for modules: only the addresses count.
        let modules = [0u8; 2];
        let [other, own] = [&modules[0], &modules[1]].map(|at| core::ptr::from_ref(at).cast_mut());

        // Only the watch can remove it.
        let mut watch = Watch::end(disk.watch).ok_or(ENOENT)?;
        watch.set_module(own.cast());
        // SAFETY: The disk was added.
        unsafe { Watch::start(watch, disk.as_raw(), remove::<Ram>) };
        core::mem::forget(disk);

        for (action, module) in [(going, other), (going - 1, own)] {
            // SAFETY: The stand-in does nothing any more.
            unsafe { module_callback(core::ptr::null_mut(), action, module.cast()) };
            assert_eq!(Bio::submit(&open, READ, 0, 512, 0)?.wait(), Status::OK);
        }
        // The second time, it is another module at the same address.
        for _ in 0..2 {
            // SAFETY: As above.
            unsafe { module_callback(core::ptr::null_mut(), going, own.cast()) };
            assert_eq!(census.hw.load(Relaxed), 0);
            assert!(Bio::submit(&open, READ, 0, 512, 0)?.wait() != Status::OK);
        }
        drop(open);
        census.wait_until_gone()?;
        Ok(())
    }

    #[test]
    fn a_disk_that_was_lost_takes_others_along() -> Result {
        let going = bindings::module_state_MODULE_STATE_GOING as c_ulong;
        // A stand-in for a module: only the address counts.
        let module = 0u8;
        let module = core::ptr::from_ref(&module).cast_mut().cast::<c_void>();
        let census = Census::new()?;

        // One of them is its own owner.
        let disks = ["rustkunit_losta", "rustkunit_lostb", "rustkunit_lostc"];
        let [first, second, third] = disks.map(|name| disk(&census, name));
        let (first, second, third) = (first?, second?, third?);
        for disk in [&first, &second, &third] {
            let mut watch = Watch::end(disk.watch).ok_or(ENOENT)?;

            watch.set_module(module.cast());
            // SAFETY: The disk was added.
            unsafe { Watch::start(watch, disk.as_raw(), remove::<Ram>) };
        }
        let open = OpenDisk::new(&third)?;
        *open.ram().queue_data().other.lock() = Some(third);
        *second.queue_data().other.lock() = Some(first);
        core::mem::forget(second);

        // SAFETY: The stand-in does nothing any more.
        unsafe { module_callback(core::ptr::null_mut(), going, module) };
        assert_eq!(census.hw.load(Relaxed), 0);
        drop(open);
        census.wait_until_gone()?;
        Ok(())
    }

    #[test]
    fn a_disk_that_is_gone_does_not_take_another_along_at_its_address() -> Result {
        let census = Census::new()?;
        let disk = disk(&census, "rustkunit_address")?;
        let open = OpenDisk::new(&disk)?;
        let module = Module::new(bindings::module_state_MODULE_STATE_GOING)?;

        // As if somebody else had removed the disk, and the next one had got its address.
        drop(Watch::end(disk.watch).ok_or(ENOENT)?);
        let next = Watch::new(module.as_raw())?;
        // SAFETY: The disk was added.
        unsafe { Watch::start(next, disk.as_raw(), remove::<Ram>) };
        drop(disk);
        assert_eq!(census.hw.load(Relaxed), 1);
        assert_eq!(Bio::submit(&open, READ, 0, 512, 0)?.wait(), Status::OK);

        module.go();
        assert_eq!(census.hw.load(Relaxed), 0);
        drop(open);
        census.wait_until_gone()?;
        Ok(())
    }

    #[test]
    fn a_module_waits_for_the_worker_that_removes_its_disk() -> Result {
        let removal = Arc::new(Removal::new(), GFP_KERNEL)?;
        let module = Module::new(bindings::module_state_MODULE_STATE_COMING)?;
        let watch = Watch::new(module.as_raw())?;

        // SAFETY: `Removal::run` gets a `Removal`, which stays.
        unsafe { Watch::start_removal(watch, removal.as_disk(), Removal::run) };
        assert!(wait_longer(|| removal.begun.load(Acquire) == 1).is_ok());

        // The init function of the module has failed. The reference does not keep it then.
        module.set_state(bindings::module_state_MODULE_STATE_GOING);
        let late = removal.clone();
        workqueue::system_unbound().try_spawn(GFP_KERNEL, move || {
            fsleep(Delta::from_millis(50));
            late.go_on.store(1, Release);
        })?;
        module.go();
        assert_eq!(removal.ended.load(Acquire), 1);
        assert_eq!(module.users(), 0);
        assert_eq!(removal.begun.load(Acquire), 1);
        Ok(())
    }

    #[test]
    fn a_module_that_goes_first_removes_the_disk_once() -> Result {
        let removal = Arc::new(Removal::new(), GFP_KERNEL)?;
        let module = Module::new(bindings::module_state_MODULE_STATE_GOING)?;
        let watch = Watch::new(module.as_raw())?;

        removal.go_on.store(1, Release);
        // SAFETY: `Removal::run` gets a `Removal`, which stays.
        unsafe { Watch::start_removal(watch, removal.as_disk(), Removal::run) };
        module.go();
        assert_eq!(removal.ended.load(Acquire), 1);
        assert_eq!(module.users(), 0);

        // Neither does the worker come back to it.
        fsleep(Delta::from_millis(20));
        assert_eq!(removal.begun.load(Acquire), 1);
        Ok(())
    }

    #[test]
    fn a_disk_can_be_dropped_where_data_of_requests_is_made_or_dropped() -> Result {
        let census = Census::new()?;
        let set = tag_set(&census, options())?;
        let add = |name: &str| {
            let data = QueueData::new(&census)?;
            let mut disk = NewDisk::new(set.clone(), &QueueLimits::new(), data)?;

            disk.set_capacity(SECTORS)?;
            disk.set_name(fmt!("{name}"))?;
            disk.add_virtual()
        };
        let disk = add("rustkunit_switch")?;
        let open = Arc::new(OpenDisk::new(&disk)?, GFP_KERNEL)?;

        // A scheduler brings requests of its own, which go with it.
        for (name, scheduler) in [
            ("rustkunit_made", c"mq-deadline"),
            ("rustkunit_unmade", c"none"),
        ] {
            let other = add(name)?;
            let open_other = OpenDisk::new(&other)?;
            let user = open.clone();
            let chosen = Arc::new(Atomic::new(0u32), GFP_KERNEL)?;
            let is_chosen = chosen.clone();

            *set.data().other.lock() = Some(other);
            workqueue::system_unbound().try_spawn(GFP_KERNEL, move || {
                let result = choose_scheduler(user.ram(), scheduler);

                drop(user);
                is_chosen.store(1 + u32::from(result.is_ok()), Release);
            })?;
            assert!(wait_longer(|| chosen.load(Acquire) != 0).is_ok());
            assert_eq!(chosen.load(Acquire), 2);
            assert!(set.data().other.lock().is_none());
            // It goes, if not at once.
            assert!(wait_longer(|| open_other.ram().capacity() == 0).is_ok());
            // The next choice is refused as long as it is about that.
            drop(open_other);
            assert!(wait_longer(|| census.queue.load(Relaxed) == 1).is_ok());
        }
        assert_eq!(Bio::submit(&open, READ, 0, 512, 0)?.wait(), Status::OK);
        drop(open);
        drop(disk);
        drop(set);
        census.wait_until_gone()?;
        Ok(())
    }

    #[test]
    fn only_a_module_that_stays_is_kept() -> Result {
        let mut module = KBox::new(pin_init::zeroed::<bindings::module>(), GFP_KERNEL)?;

        for (state, is_kept) in [
            (bindings::module_state_MODULE_STATE_LIVE, true),
            (bindings::module_state_MODULE_STATE_COMING, false),
            (bindings::module_state_MODULE_STATE_GOING, false),
        ] {
            module.state = state;
            #[cfg(CONFIG_MODULE_UNLOAD)]
            {
                module.refcnt.counter = 1;
            }
            // SAFETY: What C looks at is there.
            assert_eq!(unsafe { keep_module(&mut *module) }, is_kept);
            #[cfg(CONFIG_MODULE_UNLOAD)]
            assert_eq!(module.refcnt.counter, 1 + c_int::from(is_kept));
        }
        Ok(())
    }
}
