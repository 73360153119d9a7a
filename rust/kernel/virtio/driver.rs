// SPDX-License-Identifier: GPL-2.0

//! What a driver does, from the first look at a device to its end.

use super::{
    config::ConfigSpace,
    feature::{
        FeatureSet,
        Negotiation, //
    },
    Device,
    IdTable,
    VirtqueueSetup, //
};
use crate::{
    device::{
        Bound,
        Core, //
    },
    prelude::*, //
};

/// The virtio driver trait (C: `struct virtio_driver`).
#[vtable]
pub trait Driver {
    /// The features that the driver offers, from [`virtio_features!`](crate::virtio_features).
    type Features: FeatureSet;

    /// The configuration space, from [`virtio_config!`](crate::virtio_config), or
    /// [`NoConfig`](super::config::NoConfig).
    type Config: ConfigSpace<Features = Self::Features>;

    /// The type of the driver's device private data.
    ///
    /// It is shared between callbacks on all CPUs.
    type Data<'bound>: Send + Sync + 'bound;

    /// The devices that the driver is for.
    const ID_TABLE: IdTable;

    /// Looks at what both sides offer before it is final (C: `virtio_driver::validate`), and may
    /// withdraw some of it.
    ///
    /// # Context
    ///
    /// Process context; the lock of the device is held.
    fn validate(negotiation: &mut Negotiation<'_, Self::Features>) -> Result {
        let _ = negotiation;
        Ok(())
    }

    /// Binds the driver to a device (C: `virtio_driver::probe`).
    ///
    /// `setup` is where the queues of the device come from, here and nowhere else.
    ///
    /// If this fails, at whatever step, the device is reset and its queues are deleted.
    ///
    /// # Context
    ///
    /// Process context; the lock of the device is held.
    fn probe<'bound>(
        dev: &'bound Device<Core<'_>>,
        setup: VirtqueueSetup<'bound>,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound;

    /// Runs after probe, when the device was told to start (C: `virtio_driver::scan`).
    ///
    /// # Context
    ///
    /// Process context; the lock of the device is held.
    fn scan<'bound>(dev: &'bound Device<Core<'_>>, this: Pin<&Self::Data<'bound>>) {
        let _ = (dev, this);
    }

    /// The configuration of the device has changed (C: `virtio_driver::config_changed`).
    ///
    /// Unlike in C this is not the interrupt: the configuration can be read. Changes that come
    /// while the driver is called, or while the device is frozen, lead to one more call.
    ///
    /// # Context
    ///
    /// Process context; no lock held. Ends before [`unbind`](Self::unbind),
    /// [`freeze`](Self::freeze) and [`reset_prepare`](Self::reset_prepare) are called.
    /// [`scan`](Self::scan), [`shutdown`](Self::shutdown) and the callbacks of a recovery can run
    /// at the same time.
    fn config_changed<'bound>(dev: &'bound Device<Bound>, this: Pin<&Self::Data<'bound>>) {
        let _ = (dev, this);
    }

    /// The system suspends or hibernates (C: `virtio_driver::freeze`).
    ///
    /// The driver stops to use its queues. Afterwards the device is reset, and the queues have no
    /// rings until [`restore`](Self::restore).
    ///
    /// # Errors
    ///
    /// An error ends the suspend; the driver goes on as before, or after a recovery if the device
    /// had failed.
    ///
    /// # Context
    ///
    /// Process context; the lock of the device is held.
    fn freeze<'bound>(dev: &'bound Device<Core<'_>>, this: Pin<&Self::Data<'bound>>) -> Result {
        let _ = (dev, this);
        Ok(())
    }

    /// The system is back (C: `virtio_driver::restore`).
    ///
    /// The queues have new, empty rings, and the device was told to start.
    ///
    /// # Errors
    ///
    /// An error leaves the device failed, as if it could not be [recovered](Self::recovery_failed);
    /// the driver stays bound to it.
    ///
    /// # Context
    ///
    /// Process context; the lock of the device is held.
    fn restore<'bound>(dev: &'bound Device<Core<'_>>, this: Pin<&Self::Data<'bound>>) -> Result {
        let _ = (dev, this);
        Ok(())
    }

    /// The transport is about to be reset (C: `virtio_driver::reset_prepare`). By default the
    /// same as [`freeze`](Self::freeze).
    ///
    /// # Errors
    ///
    /// An error leaves the queues as they are, but does not stop the reset: PCI has no means for
    /// that, and does not call [`reset_done`](Self::reset_done) then. The device is recovered when
    /// that is found out.
    ///
    /// # Context
    ///
    /// Process context; the lock of the device is held.
    fn reset_prepare<'bound>(
        dev: &'bound Device<Core<'_>>,
        this: Pin<&Self::Data<'bound>>,
    ) -> Result {
        Self::freeze(dev, this)
    }

    /// The transport was reset (C: `virtio_driver::reset_done`). By default the same as
    /// [`restore`](Self::restore).
    ///
    /// # Errors
    ///
    /// As for [`restore`](Self::restore).
    ///
    /// # Context
    ///
    /// Process context; the lock of the device is held.
    fn reset_done<'bound>(dev: &'bound Device<Core<'_>>, this: Pin<&Self::Data<'bound>>) -> Result {
        Self::restore(dev, this)
    }

    /// The device is about to be recovered: it has failed, and will be reset and brought up again.
    ///
    /// A device has failed if a queue is broken, it says that it needs a reset, it has forgotten
    /// its driver, it is gone, or the driver has called [`Device::recover`]. Silence alone is no
    /// failure.
    ///
    /// The driver stops to use its queues, and does not wait for what the device has: that comes
    /// back next, to [`Handler::detached`](super::Handler::detached). Then the queues get new,
    /// empty rings, and the device is told to start.
    ///
    /// This cannot happen while another callback runs that has the lock of the device. If the
    /// device fails meanwhile, what it has is taken back to
    /// [`Handler::detached`](super::Handler::detached) without this, so that no callback waits for
    /// it; nothing else can be added until the device has been recovered.
    ///
    /// # Context
    ///
    /// Process context; the lock of the device is held. [`config_changed`](Self::config_changed)
    /// can run at the same time. Allocations do no I/O.
    fn recovery_prepare<'bound>(dev: &'bound Device<Core<'_>>, this: Pin<&Self::Data<'bound>>) {
        let _ = (dev, this);
    }

    /// The device was recovered. By default the same as [`reset_done`](Self::reset_done).
    ///
    /// The rings can have another size than before. The driver has to look again at what it has
    /// read from the configuration space.
    ///
    /// # Errors
    ///
    /// An error refuses the device as it is now; it is given up.
    ///
    /// # Context
    ///
    /// As for [`recovery_prepare`](Self::recovery_prepare).
    fn recovery_done<'bound>(
        dev: &'bound Device<Core<'_>>,
        this: Pin<&Self::Data<'bound>>,
    ) -> Result {
        Self::reset_done(dev, this)
    }

    /// The device was given up: it was not recovered, or that was needed too often. From here on
    /// the queues have no rings.
    ///
    /// The driver stays bound. It ends what others wait for, and refuses what comes.
    ///
    /// # Context
    ///
    /// As for [`recovery_prepare`](Self::recovery_prepare). The system can be about to resume, so
    /// tasks and work that sleep meanwhile (C: `WQ_FREEZABLE`) must not be waited for.
    fn recovery_failed<'bound>(dev: &'bound Device<Core<'_>>, this: Pin<&Self::Data<'bound>>) {
        let _ = (dev, this);
    }

    /// The system shuts down (C: `virtio_driver::shutdown`). Afterwards the device is reset, and
    /// what it had comes back to [`Handler::detached`](super::Handler::detached); the driver's data
    /// stays.
    ///
    /// # Context
    ///
    /// Process context; the lock of the device is held.
    fn shutdown<'bound>(dev: &'bound Device<Core<'_>>, this: Pin<&Self::Data<'bound>>) {
        let _ = (dev, this);
    }

    /// Unbinds the driver (C: the start of `virtio_driver::remove`).
    ///
    /// For what needs the device one last time. All that owns something belongs into the `Drop` of
    /// the data, which comes next; after that the device is reset and its queues are deleted.
    ///
    /// # Context
    ///
    /// Process context; the lock of the device is held.
    fn unbind<'bound>(dev: &'bound Device<Core<'_>>, this: Pin<&Self::Data<'bound>>) {
        let _ = (dev, this);
    }
}
