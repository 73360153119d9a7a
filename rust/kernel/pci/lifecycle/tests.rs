// SPDX-License-Identifier: GPL-2.0

//! The life of a driver with the test device of QEMU, which has a BAR of memory and one of I/O
//! ports.

use super::{
    Adapter,
    ChannelState,
    Driver,
    ErsResult, //
};
use crate::{
    bindings,
    device::{
        scope::{
            tests::attach_and_forget,
            Resource,
            Scope, //
        },
        Bound,
        Core, //
    },
    device_id::IdArray,
    dma::DmaMask,
    driver,
    io::Io,
    kunit::skip,
    module::this_module,
    new_mutex,
    pci::{
        self,
        enable::{
            Enabled,
            Resources, //
        },
        port::{
            BarKind,
            IoPorts, //
        },
        Bar, //
    },
    prelude::*,
    sync::{
        atomic::{
            ordering::Relaxed,
            Atomic, //
        },
        Mutex, //
    }, //
};

/// The id of the device.
const TEST_DEVICE: u32 = 0x0005;

static TABLE: IdArray<pci::DeviceId, (), 1> = IdArray::new([(
    pci::DeviceId::from_id(pci::Vendor::REDHAT, TEST_DEVICE),
    &(),
)]);

/// The number of events so far.
static CLOCK: Atomic<u32> = Atomic::new(0);

/// When something happened, or 0 if it did not.
struct Event(Atomic<u32>);

impl Event {
    const fn new() -> Self {
        Self(Atomic::new(0))
    }

    fn happen(&self) {
        self.0.store(CLOCK.fetch_add(1, Relaxed) + 1, Relaxed);
    }

    fn time(&self) -> u32 {
        self.0.load(Relaxed)
    }
}

static PROBE: Event = Event::new();
static SUSPEND: Event = Event::new();
static RESUME: Event = Event::new();
static SHUTDOWN: Event = Event::new();
static ERROR_DETECTED: Event = Event::new();
static SLOT_RESET: Event = Event::new();
static ERROR_RESUME: Event = Event::new();
static UNBIND: Event = Event::new();
static DATA_DROPPED: Event = Event::new();
static STOPPED: Event = Event::new();

/// Forgets what happened.
fn start_over() {
    for event in [
        &PROBE,
        &SUSPEND,
        &RESUME,
        &SHUTDOWN,
        &ERROR_DETECTED,
        &SLOT_RESET,
        &ERROR_RESUME,
        &UNBIND,
        &DATA_DROPPED,
        &STOPPED,
    ] {
        event.0.store(0, Relaxed);
    }
}

/// What stands for an interrupt.
struct Attached;

impl Resource for Attached {
    fn stop(&self) {
        STOPPED.happen();
    }
}

/// What is to be known of a device.
#[pin_data(PinnedDrop)]
struct Card<'bound> {
    ports: IoPorts<'bound>,
    bar: Bar<'bound>,
    #[pin]
    enabled: Mutex<Option<Enabled<'bound>>>,
}

#[pinned_drop]
impl PinnedDrop for Card<'_> {
    fn drop(self: Pin<&mut Self>) {
        DATA_DROPPED.happen();
    }
}

/// Looks at the registers of the device through its ports and its memory.
fn registers_work(ports: &IoPorts<'_>, bar: &Bar<'_>) -> Result {
    /// Which test is selected.
    const TEST: usize = 0;
    /// Where the selected test counts what is written.
    const OFFSET: usize = 4;
    const DATA: usize = 8;
    const COUNT: usize = 12;

    ports.try_write8(0, TEST)?;

    let data = ports.try_read32(DATA)?;
    let bytes = [
        ports.try_read8(DATA)?,
        ports.try_read8(DATA + 1)?,
        ports.try_read8(DATA + 2)?,
        ports.try_read8(DATA + 3)?,
    ];
    let words = [ports.try_read16(DATA)?, ports.try_read16(DATA + 2)?];

    if data.to_le_bytes() != bytes || words != [data as u16, (data >> 16) as u16] {
        return Err(EIO);
    }

    let at = usize::try_from(ports.try_read32(OFFSET)?)?;
    let before = ports.try_read32(COUNT)?;

    ports.try_write8(bytes[0], at)?;
    if ports.try_read32(COUNT)? != before + 1 {
        return Err(EIO);
    }
    // The memory has registers of its own.
    bar.try_write8(0, TEST)?;

    let at = usize::try_from(bar.try_read32(OFFSET)?)?;
    let before = bar.try_read32(COUNT)?;

    bar.try_write8(bar.try_read8(DATA)?, at)?;
    if bar.try_read32(COUNT)? != before + 1 {
        return Err(EIO);
    }
    Ok(())
}

/// Asks for ports that are not there.
fn other_ports_are_refused(ports: &IoPorts<'_>) -> bool {
    let len = ports.len();

    ports.try_read8(len).err() == Some(EINVAL)
        && ports.try_read8(usize::MAX).err() == Some(EINVAL)
        && ports.try_read16(1).err() == Some(EINVAL)
        && ports.try_read16(len - 1).err() == Some(EINVAL)
        && ports.try_read32(2).err() == Some(EINVAL)
        && ports.try_read32(usize::MAX - 3).err() == Some(EINVAL)
        && ports.try_write8(0, len).err() == Some(EINVAL)
        && ports.try_write16(0, len).err() == Some(EINVAL)
        && ports.try_write32(0, len).err() == Some(EINVAL)
}

struct TestDriver;

impl TestDriver {
    fn set_up<'bound>(
        dev: &'bound pci::Device<Core<'_>>,
        scope: &'bound Scope<'bound>,
    ) -> Result<impl PinInit<Card<'bound>, Error> + 'bound> {
        let enabled = dev.enable(Resources::MemoryAndIo)?;

        enabled.set_master();

        let bound: &'bound pci::Device<Bound> = dev;
        let bar = bound.iomap_region(0, c"rust_pci_lifecycle")?;
        let mut number = 1;

        while bound.bar_kind(number)? != Some(BarKind::IoPorts) {
            number += 1;
        }

        let ports = bound.io_ports(number, c"rust_pci_lifecycle")?;
        let is_expected = bound.bar_kind(0)? == Some(BarKind::Memory)
            && bound.bar_kind(u32::MAX).err() == Some(EINVAL)
            && bound.io_ports(0, c"rust_pci_lifecycle").err() == Some(ENODEV)
            && bound.io_ports(number, c"rust_pci_lifecycle").err() == Some(EBUSY)
            && bound.irq_line().err() == Some(ENXIO)
            && !bound.is_channel_offline()
            && other_ports_are_refused(&ports);

        if !is_expected {
            return Err(EINVAL);
        }
        registers_work(&ports, &bar)?;
        dev.save_state()?;
        dev.restore_state();

        attach_and_forget(scope, Attached)?;

        PROBE.happen();
        Ok(try_pin_init!(Card {
            ports,
            bar,
            enabled <- new_mutex!(Some(enabled)),
        }? Error))
    }
}

#[vtable]
impl Driver for TestDriver {
    type IdInfo = ();
    type Data<'bound> = Card<'bound>;
    const ID_TABLE: pci::IdTable<Self::IdInfo> = &TABLE;
    const DMA_MASKS: &'static [DmaMask] = &[DmaMask::new::<64>(), DmaMask::new::<32>()];

    fn probe<'bound>(
        dev: &'bound pci::Device<Core<'_>>,
        _id_info: Option<&'bound Self::IdInfo>,
        scope: &'bound Scope<'bound>,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound {
        pin_init::pin_init_scope(move || Self::set_up(dev, scope))
    }

    fn unbind<'bound>(_dev: &'bound pci::Device<Core<'_>>, _this: Pin<&Self::Data<'bound>>) {
        UNBIND.happen();
    }

    fn suspend<'bound>(
        _dev: &'bound pci::Device<Core<'_>>,
        this: Pin<&Self::Data<'bound>>,
    ) -> Result {
        SUSPEND.happen();
        *this.enabled.lock() = None;
        Ok(())
    }

    fn resume<'bound>(
        dev: &'bound pci::Device<Core<'_>>,
        this: Pin<&Self::Data<'bound>>,
    ) -> Result {
        RESUME.happen();
        *this.enabled.lock() = Some(dev.enable(Resources::MemoryAndIo)?);
        registers_work(&this.ports, &this.bar)
    }

    fn shutdown<'bound>(_dev: &'bound pci::Device<Core<'_>>, _this: Pin<&Self::Data<'bound>>) {
        SHUTDOWN.happen();
    }

    fn error_detected<'bound>(
        _dev: &'bound pci::Device<Core<'_>>,
        _this: Pin<&Self::Data<'bound>>,
        state: ChannelState,
    ) -> ErsResult {
        ERROR_DETECTED.happen();
        match state {
            ChannelState::PermFailure => ErsResult::Disconnect,
            _ => ErsResult::NeedReset,
        }
    }

    fn slot_reset<'bound>(
        _dev: &'bound pci::Device<Core<'_>>,
        _this: Pin<&Self::Data<'bound>>,
    ) -> ErsResult {
        SLOT_RESET.happen();
        ErsResult::Recovered
    }

    fn error_resume<'bound>(_dev: &'bound pci::Device<Core<'_>>, _this: Pin<&Self::Data<'bound>>) {
        ERROR_RESUME.happen();
    }
}

/// Fails when most of its probe is done.
struct FailingDriver;

#[vtable]
impl Driver for FailingDriver {
    type IdInfo = ();
    type Data<'bound> = Card<'bound>;
    const ID_TABLE: pci::IdTable<Self::IdInfo> = &TABLE;

    fn probe<'bound>(
        dev: &'bound pci::Device<Core<'_>>,
        _id_info: Option<&'bound Self::IdInfo>,
        scope: &'bound Scope<'bound>,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound {
        pin_init::pin_init_scope(move || {
            drop(TestDriver::set_up(dev, scope)?);
            Ok::<Result<Card<'bound>>, Error>(Err(ENODATA))
        })
    }

    fn unbind<'bound>(_dev: &'bound pci::Device<Core<'_>>, _this: Pin<&Self::Data<'bound>>) {
        UNBIND.happen();
    }
}

/// The device, with a reference.
struct TestDevice(*mut bindings::pci_dev);

impl TestDevice {
    /// Looks for the device.
    fn find() -> Option<Self> {
        // SAFETY: Safe to call in process context.
        let pdev = unsafe {
            bindings::pci_get_device(
                bindings::PCI_VENDOR_ID_REDHAT,
                TEST_DEVICE,
                core::ptr::null_mut(),
            )
        };

        (!pdev.is_null()).then_some(Self(pdev))
    }

    /// Whether somebody has enabled it.
    fn is_enabled(&self) -> bool {
        // SAFETY: The device is valid.
        unsafe { (*self.0).enable_cnt.counter > 0 }
    }

    /// Calls `callback` as the core does: with the lock of the device held.
    fn locked<R>(&self, callback: impl FnOnce(*mut bindings::pci_dev) -> R) -> R {
        // SAFETY: The device is valid.
        let lock = unsafe { &raw mut (*self.0).dev.mutex };

        // SAFETY: The lock of a registered device is initialized.
        unsafe { bindings::mutex_lock(lock) };
        let result = callback(self.0);

        // SAFETY: Taken above.
        unsafe { bindings::mutex_unlock(lock) };
        result
    }
}

impl Drop for TestDevice {
    fn drop(&mut self) {
        // SAFETY: `find` has taken a reference.
        unsafe { bindings::pci_dev_put(self.0) };
    }
}

fn register<T: Driver + 'static>() -> Result<Pin<KBox<driver::Registration<Adapter<T>>>>> {
    KBox::pin_init(
        driver::Registration::new(
            c"rust_pci_lifecycle_test",
            this_module::<crate::LocalModule>(),
        ),
        GFP_KERNEL,
    )
}

/// Suspends and resumes the device as the power management does. Returns what the driver has.
#[cfg(CONFIG_PM_SLEEP)]
fn suspend_and_resume(device: &TestDevice) -> Result {
    type Ops = Adapter<TestDriver>;

    device.locked(|pdev| {
        // SAFETY: The device is valid.
        let dev = unsafe { &raw mut (*pdev).dev };

        for callback in [Ops::PM_OPS.suspend, Ops::PM_OPS.resume] {
            let callback = callback.ok_or(EINVAL)?;

            // SAFETY: The driver is bound, and the lock of the device is held.
            crate::error::to_result(unsafe { callback(dev) })?;
        }
        Ok(())
    })
}

#[macros::kunit_tests(rust_pci_lifecycle)]
mod cases {
    use super::*;

    #[test]
    fn a_driver_leaves_in_order() -> Result {
        let Some(device) = TestDevice::find() else {
            skip(c"no test device");
            return Ok(());
        };

        start_over();

        let driver = register::<TestDriver>()?;

        assert!(PROBE.time() != 0);
        assert!(device.is_enabled());
        drop(driver);
        assert!(PROBE.time() < UNBIND.time());
        assert!(UNBIND.time() < DATA_DROPPED.time());
        assert!(DATA_DROPPED.time() < STOPPED.time());
        assert!(!device.is_enabled());
        Ok(())
    }

    #[test]
    fn a_failed_probe_leaves_nothing() -> Result {
        let Some(device) = TestDevice::find() else {
            skip(c"no test device");
            return Ok(());
        };

        start_over();

        let driver = register::<FailingDriver>()?;

        assert!(PROBE.time() != 0);
        assert!(PROBE.time() < STOPPED.time());
        assert!(!device.is_enabled());
        drop(driver);
        assert_eq!(UNBIND.time(), 0);
        assert_eq!(DATA_DROPPED.time(), 0);
        Ok(())
    }

    #[cfg(CONFIG_PM_SLEEP)]
    #[test]
    fn a_driver_suspends_and_resumes() -> Result {
        let Some(device) = TestDevice::find() else {
            skip(c"no test device");
            return Ok(());
        };

        start_over();

        let driver = register::<TestDriver>()?;

        suspend_and_resume(&device)?;
        assert!(SUSPEND.time() != 0);
        assert!(SUSPEND.time() < RESUME.time());
        assert!(device.is_enabled());
        drop(driver);
        assert!(!device.is_enabled());
        Ok(())
    }

    #[test]
    fn a_driver_is_told_of_shutdown_and_errors() -> Result {
        type Ops = Adapter<TestDriver>;

        let Some(device) = TestDevice::find() else {
            skip(c"no test device");
            return Ok(());
        };

        start_over();

        let driver = register::<TestDriver>()?;
        let handlers = Ops::ERROR_HANDLERS;
        let detected = handlers.error_detected.ok_or(EINVAL)?;
        let reset = handlers.slot_reset.ok_or(EINVAL)?;
        let resume = handlers.resume.ok_or(EINVAL)?;

        device.locked(|pdev| {
            // SAFETY: The driver is bound, and the lock of the device is held.
            let answer = unsafe { detected(pdev, bindings::pci_channel_io_frozen) };

            assert_eq!(answer, bindings::pci_ers_result_PCI_ERS_RESULT_NEED_RESET);
            // SAFETY: As above.
            let answer = unsafe { detected(pdev, bindings::pci_channel_io_perm_failure) };

            assert_eq!(answer, bindings::pci_ers_result_PCI_ERS_RESULT_DISCONNECT);
            // SAFETY: As above.
            let answer = unsafe { reset(pdev) };

            assert_eq!(answer, bindings::pci_ers_result_PCI_ERS_RESULT_RECOVERED);
            // SAFETY: As above.
            unsafe { resume(pdev) };
            // SAFETY: As above.
            unsafe { Ops::shutdown_callback(pdev) };
        });
        assert!(ERROR_DETECTED.time() != 0);
        assert!(ERROR_DETECTED.time() < SLOT_RESET.time());
        assert!(SLOT_RESET.time() < ERROR_RESUME.time());
        assert!(ERROR_RESUME.time() < SHUTDOWN.time());
        drop(driver);
        Ok(())
    }
}
