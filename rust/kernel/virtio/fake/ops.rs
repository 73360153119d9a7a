// SPDX-License-Identifier: GPL-2.0

//! The transport of a software device (C: `struct virtio_config_ops`).

use super::{
    device::{
        DeviceQueue,
        FakeDevice,
        Visit, //
    },
    log::Event,
    ring::Ring, //
};
use crate::{
    bindings,
    container_of,
    error::from_result,
    prelude::*,
    sync::atomic::ordering::Relaxed,
    types::Opaque, //
};

/// What a changing configuration reads as.
const TORN: u8 = 0xee;

/// The operations, complete.
pub(super) const OPS: bindings::virtio_config_ops = bindings::virtio_config_ops {
    get: Some(get),
    set: Some(set),
    generation: Some(generation),
    config_len: Some(config_len),
    get_status: Some(get_status),
    set_status: Some(set_status),
    reset: Some(reset),
    find_vqs: Some(find_vqs),
    del_vqs: Some(del_vqs),
    synchronize_cbs: Some(synchronize_cbs),
    get_features: None,
    get_extended_features: Some(get_extended_features),
    finalize_features: Some(finalize_features),
    bus_name: Some(bus_name),
    set_vq_affinity: None,
    get_vq_affinity: None,
    get_shm_region: None,
    disable_vq_and_reset: Some(disable_vq_and_reset),
    enable_vq_after_reset: Some(enable_vq_after_reset),
};

/// Returns the software device that a virtio device is part of.
///
/// # Safety
///
/// `vdev` must be part of a live [`FakeDevice`].
pub(super) unsafe fn from_vdev<'a>(vdev: *mut bindings::virtio_device) -> &'a FakeDevice {
    // SAFETY: `vdev` is a field of a `FakeDevice` by the requirement of this function.
    unsafe { &*container_of!(Opaque::cast_from(vdev), FakeDevice, vdev) }
}

/// Reads the configuration space.
///
/// # Safety
///
/// `vdev` must be part of a live [`FakeDevice`], as for all that follow; pointers must be valid as
/// `struct virtio_config_ops` has it.
unsafe extern "C" fn get(
    vdev: *mut bindings::virtio_device,
    offset: c_uint,
    buf: *mut c_void,
    len: c_uint,
) {
    // SAFETY: The core passes the device.
    let this = unsafe { from_vdev(vdev) };
    let _visit = Visit::new(this);
    let config = this.config.lock();
    let left = this.knobs.config_changes.load(Relaxed);
    let gone = this.knobs.gone.load(Relaxed);

    this.config_reads.fetch_add(1, Relaxed);
    this.check_access(offset, len);
    if left > 0 {
        this.knobs.config_changes.store(left - 1, Relaxed);
        this.generation.fetch_add(1, Relaxed);
    }

    for i in 0..len as usize {
        let byte = match config.get(offset as usize + i) {
            Some(_) if gone => u8::MAX,
            Some(&byte) if left == 0 => byte,
            Some(_) => TORN,
            None => {
                this.config_overruns.fetch_add(1, Relaxed);
                0
            }
        };

        // SAFETY: `buf` is valid for writes of `len` bytes.
        unsafe { buf.cast::<u8>().add(i).write(byte) };
    }
}

/// Writes the configuration space.
///
/// # Safety
///
/// As for [`get`].
unsafe extern "C" fn set(
    vdev: *mut bindings::virtio_device,
    offset: c_uint,
    buf: *const c_void,
    len: c_uint,
) {
    // SAFETY: The core passes the device.
    let this = unsafe { from_vdev(vdev) };
    let _visit = Visit::new(this);
    let mut config = this.config.lock();

    this.check_access(offset, len);
    for i in 0..len as usize {
        // SAFETY: `buf` is valid for reads of `len` bytes.
        let byte = unsafe { buf.cast::<u8>().add(i).read() };

        match config.get_mut(offset as usize + i) {
            Some(slot) => *slot = byte,
            None => {
                this.config_overruns.fetch_add(1, Relaxed);
            }
        }
    }
}

/// Counts changes of the configuration space.
///
/// # Safety
///
/// As for [`get`].
unsafe extern "C" fn generation(vdev: *mut bindings::virtio_device) -> u32 {
    // SAFETY: The core passes the device.
    unsafe { from_vdev(vdev) }.generation.load(Relaxed)
}

/// Tells the length of the configuration space.
///
/// # Safety
///
/// As for [`get`].
unsafe extern "C" fn config_len(vdev: *mut bindings::virtio_device) -> u32 {
    // SAFETY: The core passes the device.
    unsafe { from_vdev(vdev) }.options.config_len.unwrap_or(0)
}

/// Reads the device status.
///
/// # Safety
///
/// As for [`get`].
unsafe extern "C" fn get_status(vdev: *mut bindings::virtio_device) -> u8 {
    // SAFETY: The core passes the device.
    let this = unsafe { from_vdev(vdev) };

    if this.knobs.gone.load(Relaxed) {
        return u8::MAX;
    }
    this.status() as u8
}

/// Writes the device status.
///
/// # Safety
///
/// As for [`get`].
unsafe extern "C" fn set_status(vdev: *mut bindings::virtio_device, status: u8) {
    // SAFETY: The core passes the device.
    let this = unsafe { from_vdev(vdev) };
    let told = u32::from(status);
    let mut status = told;

    if this.knobs.refuse_features.load(Relaxed)
        || this.has_chosen(this.knobs.withdrawn.load(Relaxed))
    {
        status &= !bindings::VIRTIO_CONFIG_S_FEATURES_OK;
    }
    this.status.store(status, Relaxed);
    // Who waits for this may change the status next.
    this.log.push(Event::Status(told));
    if status & bindings::VIRTIO_CONFIG_S_DRIVER_OK != 0 {
        this.hold_start();
    }
}

/// Resets the device.
///
/// # Safety
///
/// As for [`get`].
unsafe extern "C" fn reset(vdev: *mut bindings::virtio_device) {
    // SAFETY: The core passes the device.
    let this = unsafe { from_vdev(vdev) };
    let _visit = Visit::new(this);

    this.log.push(Event::Reset);
    this.note_grace();
    if this.knobs.gone.load(Relaxed) {
        this.log.push(Event::ResetOfNothing);
    }
    this.storm();
    if !this.knobs.sticky_status.load(Relaxed) {
        this.status.store(0, Relaxed);
    }
    this.storm();
}

/// Makes rings.
///
/// # Safety
///
/// As for [`get`].
unsafe extern "C" fn find_vqs(
    vdev: *mut bindings::virtio_device,
    count: c_uint,
    vqs: *mut *mut bindings::virtqueue,
    infos: *mut bindings::virtqueue_info,
    desc: *mut bindings::irq_affinity,
) -> c_int {
    // SAFETY: The core passes the device.
    let this = unsafe { from_vdev(vdev) };
    let _visit = Visit::new(this);
    // SAFETY: `desc` is null or valid.
    let affinity = unsafe { desc.as_ref() }.map(|desc| (desc.pre_vectors, desc.post_vectors));

    this.log.push(Event::FindVqs { count, affinity });

    from_result(|| {
        let errno = this.knobs.find_errno.load(Relaxed);

        if errno != 0 {
            return Err(Error::from_errno(errno));
        }
        if count as usize > this.options.queues.len() {
            return Err(ENOENT);
        }

        for index in 0..count {
            // SAFETY: `infos` has `count` entries.
            let info = unsafe { &*infos.add(index as usize) };
            let vq = this
                .add_queue(index, this.options.queues[index as usize], info)
                .inspect_err(|_| this.delete_queues())?;

            // SAFETY: `vqs` has `count` entries.
            unsafe { *vqs.add(index as usize) = vq };
        }

        if this.options.extra_queue {
            // SAFETY: `infos` has `count` entries, at least one.
            let info = unsafe { &*infos };

            this.add_queue(count + 1, 4, info)
                .inspect_err(|_| this.delete_queues())?;
        }

        let null_queue = this.knobs.null_queue.load(Relaxed);
        if null_queue < count {
            // SAFETY: `vqs` has `count` entries.
            unsafe { *vqs.add(null_queue as usize) = core::ptr::null_mut() };
        }

        this.storm();
        Ok(0)
    })
}

impl FakeDevice {
    /// Counts accesses to the configuration space that a transport need not be able to do.
    fn check_access(&self, offset: c_uint, len: c_uint) {
        let fits = matches!(len, 1 | 2 | 4 | 8) && offset % len.min(4) == 0;

        if !fits {
            self.config_misfits.fetch_add(1, Relaxed);
        }
    }

    /// Makes a ring.
    fn add_queue(
        &self,
        index: u32,
        size: u32,
        info: &bindings::virtqueue_info,
    ) -> Result<*mut bindings::virtqueue> {
        let vdev = self.vdev.get();
        let mut queues = self.queues.lock();
        let size = match self.knobs.ring_size.load(Relaxed) {
            0 => size,
            other => other,
        };

        queues.reserve(1, GFP_KERNEL)?;

        // SAFETY: The device is initialized before its queues are asked for.
        let vmap = unsafe { (*vdev).vmap };

        // SAFETY: The device exists until after its rings are deleted, and the name for as long as
        // the driver has the queues.
        let vq = unsafe {
            bindings::vring_create_virtqueue_map(
                index,
                size,
                64,
                vdev,
                true,
                false,
                info.ctx,
                Some(notify),
                info.callback,
                info.name,
                vmap,
            )
        };

        if vq.is_null() {
            return Err(ENOMEM);
        }
        // SAFETY: `vq` is live.
        unsafe { (*vq).num_max = size };

        // SAFETY: `vq` is live until `delete_queues`, which drops the ring.
        let ring = unsafe { Ring::new(vq, self.is_packed(), self.order(), self.bus_offset()) };

        queues.push(
            DeviceQueue {
                vq,
                ring: Some(ring),
            },
            GFP_KERNEL,
        )?;
        Ok(vq)
    }

    /// Gives the device another ring for a queue, or none.
    fn set_ring(&self, vq: *mut bindings::virtqueue, ring: Option<Ring>) {
        let mut queues = self.queues.lock();

        if let Some(queue) = queues.iter_mut().find(|queue| queue.vq == vq) {
            queue.ring = ring;
        }
    }

    /// Deletes all rings.
    fn delete_queues(&self) {
        for queue in self.queues.lock().drain_all() {
            // SAFETY: The ring was made by `add_queue` and is deleted once.
            unsafe { bindings::vring_del_virtqueue(queue.vq) };
        }
    }
}

/// Deletes all rings.
///
/// # Safety
///
/// As for [`get`].
unsafe extern "C" fn del_vqs(vdev: *mut bindings::virtio_device) {
    // SAFETY: The core passes the device.
    let this = unsafe { from_vdev(vdev) };
    let _visit = Visit::new(this);

    this.log.push(Event::DelVqs);
    if this.knobs.walks_rings.load(Relaxed) {
        this.log.push(Event::DelVqsTooEarly);
    }
    this.storm();
    this.delete_queues();
}

/// Waits for callbacks. There are none, as interrupts are raised by the test, but for the one that
/// the test pretends to be in.
///
/// # Safety
///
/// As for [`get`].
unsafe extern "C" fn synchronize_cbs(vdev: *mut bindings::virtio_device) {
    // SAFETY: The core passes the device.
    let this = unsafe { from_vdev(vdev) };

    this.log.push(Event::Synchronize);
    this.knobs.walks_rings.store(false, Relaxed);
}

/// Stops a queue, and forgets its ring.
///
/// # Safety
///
/// `vq` must be a live ring of a [`FakeDevice`].
unsafe extern "C" fn disable_vq_and_reset(vq: *mut bindings::virtqueue) -> c_int {
    // SAFETY: `vq` is live.
    let (vdev, index) = unsafe { ((*vq).vdev, (*vq).index) };
    // SAFETY: The device is part of a software device.
    let this = unsafe { from_vdev(vdev) };

    this.log.push(Event::StopQueue(index));

    let errno = this.knobs.stop_errno.load(Relaxed);

    if errno == 0 {
        this.set_ring(vq, None);
        // SAFETY: `vq` is live, and nobody else uses it.
        unsafe { (*vq).reset = true };
    }
    errno
}

/// Starts a queue that was stopped, with the ring that it has now.
///
/// # Safety
///
/// As for [`disable_vq_and_reset`].
unsafe extern "C" fn enable_vq_after_reset(vq: *mut bindings::virtqueue) -> c_int {
    // SAFETY: `vq` is live.
    let (vdev, index) = unsafe { ((*vq).vdev, (*vq).index) };
    // SAFETY: The device is part of a software device.
    let this = unsafe { from_vdev(vdev) };

    this.log.push(Event::StartQueue(index));

    let errno = this.knobs.start_errno.load(Relaxed);

    if errno == 0 {
        // SAFETY: `vq` is live until `delete_queues`, which drops the ring.
        let ring = unsafe { Ring::new(vq, this.is_packed(), this.order(), this.bus_offset()) };

        this.set_ring(vq, Some(ring));
        // SAFETY: `vq` is live, and nobody else uses it.
        unsafe { (*vq).reset = false };
    }
    errno
}

/// Tells the features that the device offers.
///
/// # Safety
///
/// As for [`get`].
unsafe extern "C" fn get_extended_features(vdev: *mut bindings::virtio_device, features: *mut u64) {
    // SAFETY: The core passes the device.
    let this = unsafe { from_vdev(vdev) };

    let mut offered = this.options.features;

    offered[0] &= !this.knobs.withdrawn.load(Relaxed);
    for (i, word) in offered.into_iter().enumerate() {
        // SAFETY: `features` has room for all words.
        unsafe { *features.add(i) = word };
    }
}

/// Accepts what the driver has chosen.
///
/// # Safety
///
/// As for [`get`].
unsafe extern "C" fn finalize_features(vdev: *mut bindings::virtio_device) -> c_int {
    // SAFETY: The core passes the device.
    let this = unsafe { from_vdev(vdev) };

    let ring_reset = this.negotiated(bindings::VIRTIO_F_RING_RESET);

    if this.knobs.rebind.xchg(false, Relaxed) {
        this.unbind();
        this.attach();
    }
    if this.knobs.change_early.xchg(false, Relaxed) {
        this.config_changed();
    }
    // SAFETY: The core passes the device.
    unsafe { bindings::vring_transport_features(vdev) };
    // As on PCI, that is not up to the ring.
    if ring_reset {
        // SAFETY: The core passes the device.
        unsafe { (*vdev).__bindgen_anon_1.features_array[0] |= 1 << bindings::VIRTIO_F_RING_RESET };
    }
    this.finalized.fetch_add(1, Relaxed);
    this.knobs.finalize_errno.load(Relaxed)
}

/// Names the bus.
///
/// # Safety
///
/// As for [`get`].
unsafe extern "C" fn bus_name(_vdev: *mut bindings::virtio_device) -> *const c_char {
    c"fake".as_char_ptr()
}

/// Notes that the driver has rung the bell.
///
/// # Safety
///
/// `vq` must be a live ring of a [`FakeDevice`].
unsafe extern "C" fn notify(vq: *mut bindings::virtqueue) -> bool {
    // SAFETY: The ring passes itself; its device exists.
    let (vdev, index) = unsafe { ((*vq).vdev, (*vq).index) };
    // SAFETY: The device is part of a software device.
    let this = unsafe { from_vdev(vdev) };

    this.log.push(Event::Notify(index));
    !this.knobs.notify_fails.load(Relaxed)
}
