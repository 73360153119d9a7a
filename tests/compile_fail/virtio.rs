// SPDX-License-Identifier: GPL-2.0
//! A driver of a virtio device. What it must not be able to do stands beside what it does instead.

use kernel::{
    device::Core,
    prelude::*,
    virtio::{
        self,
        Affinity,
        Callback,
        Described,
        DeviceId,
        Exclusive,
        Handler,
        IdTable,
        RingBox,
        Virtqueue, //
    }, //
};

// A legacy device has no such bit.
//@ case: legacy_feature_too_high
//@ error: E0080
//@ message: a legacy device has 32 feature bits
#[cfg(case = "legacy_feature_too_high")]
const BLK_SIZE_BIT: u32 = 50;

// The bits of the transport cannot be offered by a driver.
//@ case: transport_feature
//@ error: E0080
//@ message: transport features are not for drivers to offer
#[cfg(case = "transport_feature")]
const BLK_SIZE_BIT: u32 = 32;

#[cfg(not(any(case = "legacy_feature_too_high", case = "transport_feature")))]
const BLK_SIZE_BIT: u32 = 6;

kernel::virtio_features! {
    struct Features {
        /// Declared.
        BlkSize = BLK_SIZE_BIT,
    }
}

/// Known to the specification, but not declared above.
struct SizeMax;

// Two fields cannot share bytes.
//@ case: overlapping_fields
//@ error: E0080
//@ message: configuration fields overlap
#[cfg(case = "overlapping_fields")]
kernel::virtio_config! {
    struct Space: Features {
        CAPACITY: Virtio64 @ 0;
        BLK_SIZE: Virtio32 @ 4, if BlkSize;
    }
}

// A field is naturally aligned.
//@ case: unaligned_field
//@ error: E0080
//@ message: configuration field is not aligned
#[cfg(case = "unaligned_field")]
kernel::virtio_config! {
    struct Space: Features {
        CAPACITY: Virtio64 @ 0;
        BLK_SIZE: Virtio32 @ 21, if BlkSize;
    }
}

// A field has bytes.
//@ case: empty_field
//@ error: E0080
//@ message: configuration field is empty
#[cfg(case = "empty_field")]
kernel::virtio_config! {
    struct Space: Features {
        CAPACITY: Virtio64 @ 0;
        BLK_SIZE: Virtio32 @ 20, if BlkSize;
        NAME: Bytes<0> @ 30;
    }
}

#[cfg(not(any(
    case = "overlapping_fields",
    case = "unaligned_field",
    case = "empty_field"
)))]
kernel::virtio_config! {
    struct Space: Features {
        /// Every device has it.
        CAPACITY: Virtio64 @ 0;
        /// Exists with a feature.
        BLK_SIZE: Virtio32 @ 20, if BlkSize;
    }
}

// A space is what `virtio_config!` has checked.
//@ case: handmade_space
//@ error: E0200
//@ message: requires an `unsafe impl` declaration
#[cfg(case = "handmade_space")]
struct Handmade;
#[cfg(case = "handmade_space")]
impl virtio::config::ConfigSpace for Handmade {
    type Features = Features;
    const FIELDS: &'static [virtio::config::FieldInfo] = &[virtio::config::FieldInfo {
        offset: 1,
        size: 4,
        align: 4,
        feature: None,
    }];
}

// Nor is there another way to a field.
//@ case: handmade_field
//@ error: E0133
//@ message: call to unsafe function
#[cfg(case = "handmade_field")]
const HANDMADE: virtio::config::Field<Space, virtio::config::Virtio32> =
    virtio::config::Field::new(20);

// Id 0 would end the table.
//@ case: device_id_zero
//@ error: E0080
//@ message: device id 0 ends the table
#[cfg(case = "device_id_zero")]
kernel::virtio_device_table!(ID_TABLE, [DeviceId::new(0)]);

// The table of another bus does not fit.
//@ case: id_table_of_another_bus
//@ error: E0277
//@ message: IdTable<
#[cfg(case = "id_table_of_another_bus")]
kernel::of_device_table!(
    ID_TABLE,
    (),
    [(kernel::of::DeviceId::new(c"test,device"), ())]
);

#[cfg(not(any(case = "device_id_zero", case = "id_table_of_another_bus")))]
kernel::virtio_device_table!(ID_TABLE, [DeviceId::new(2)]);

struct Queue;

impl Handler for Queue {
    type Token = RingBox<[u8; 16]>;
    type Context = ();

    fn done(queue: &Virtqueue<Self>) {
        queue.lock().drain(drop);
    }
}

/// A queue without a lock.
struct Alone;

impl Handler<Exclusive> for Alone {
    type Token = RingBox<[u8; 16]>;
    type Context = ();

    fn done(_queue: &Virtqueue<Self, Exclusive>) {}

    // The other users of a queue do not get at its ring.
    //@ case: ring_of_another_user
    //@ error: E0599
    //@ message: no method named `ring` found for reference `&Virtqueue<
    #[cfg(case = "ring_of_another_user")]
    fn detached(queue: &Virtqueue<Self, Exclusive>, _token: Self::Token) {
        let _ = queue.ring();
    }
}

struct Driver;

#[vtable]
impl virtio::Driver for Driver {
    type Features = Features;
    type Config = Space;
    type Data<'bound> = ();

    const ID_TABLE: IdTable = &ID_TABLE;

    // What the core has negotiated for the rings is not the driver's to withdraw.
    //@ case: withdraw_transport_feature
    //@ error: E0277
    //@ message: `AccessPlatform: Declared<Features>`
    #[cfg(case = "withdraw_transport_feature")]
    fn validate(negotiation: &mut virtio::feature::Negotiation<'_, Features>) -> Result {
        negotiation.clear(virtio::feature::AccessPlatform);
        Ok(())
    }

    // Queues are set up by probe and not again.
    //@ case: set_up_queues_again
    //@ error: E0599
    //@ message: no method named `virtqueues` found
    #[cfg(case = "set_up_queues_again")]
    fn restore<'bound>(dev: &'bound virtio::Device<Core<'_>>, _this: Pin<&()>) -> Result {
        let _ = dev.virtqueues()?;
        Ok(())
    }

    fn probe<'bound>(
        dev: &'bound virtio::Device<Core<'_>>,
        setup: virtio::VirtqueueSetup<'bound>,
    ) -> impl PinInit<(), Error> + 'bound {
        probe(dev, setup)
    }
}

kernel::module_virtio_driver! {
    type: Driver,
    name: "case",
    authors: ["none"],
    description: "case",
    license: "GPL v2",
}

fn probe(dev: &virtio::Device<Core<'_>>, mut setup: virtio::VirtqueueSetup<'_>) -> Result {
    let features = dev.features::<Features>();
    let config = dev.config::<Space>();
    let class = kernel::static_lock_class!();
    let pending = setup.add::<Queue>(c"queue", Callback::Interrupt, 1, (), class)?;
    let alone = setup.add_exclusive::<Alone>(c"alone", Callback::Polled, 1, ())?;
    let found = setup.find(Affinity::Default)?;

    // A device is asked for its queues once.
    //@ case: find_twice
    //@ error: E0382
    //@ message: use of moved value: `setup`
    #[cfg(case = "find_twice")]
    let _ = setup.find(Affinity::Default)?;

    let token = RingBox::new([0u8; 16], GFP_KERNEL)?;

    let _ = features.has(BlkSize);

    // A feature that was not declared cannot be asked for.
    //@ case: undeclared_feature
    //@ error: E0277
    //@ message: `SizeMax: Feature<Features>`
    #[cfg(case = "undeclared_feature")]
    let _ = features.has(SizeMax);

    config.read(&Space::CAPACITY)?;
    config.read_if(&Space::BLK_SIZE)?;

    // A field that depends on a feature cannot be read as if it were always there.
    //@ case: field_without_its_feature
    //@ error: E0308
    //@ message: If<BlkSize>
    #[cfg(case = "field_without_its_feature")]
    config.read(&Space::BLK_SIZE)?;

    // A field that is not declared as writable cannot be written.
    //@ case: write_to_read_only_field
    //@ error: E0308
    //@ message: ReadOnly
    #[cfg(case = "write_to_read_only_field")]
    config.write(&Space::CAPACITY, 1)?;

    // A queue cannot be used before the device is ready.
    //@ case: queue_before_ready
    //@ error: E0599
    //@ message: no method named `lock` found for struct `PendingQueue
    #[cfg(case = "queue_before_ready")]
    pending.lock();

    // A device is told to start once.
    //@ case: ready_twice
    //@ error: E0382
    //@ message: use of moved value: `found`
    #[cfg(case = "ready_twice")]
    let _ = found.ready();

    let ready = found.ready();
    let queue = pending.into_ready(&ready);
    let mut alone = alone.into_ready(&ready);

    // A queue without a lock has none that could be taken.
    //@ case: lock_of_a_queue_without_one
    //@ error: E0599
    //@ message: no method named `lock` found for struct `ExclusiveVirtqueue
    #[cfg(case = "lock_of_a_queue_without_one")]
    let _ = alone.lock();

    // And its handle has one user at a time.
    //@ case: two_users_of_a_handle
    //@ error: E0499
    //@ message: cannot borrow `alone` as mutable more than once
    #[cfg(case = "two_users_of_a_handle")]
    let _ = {
        let mut first = alone.ring();
        let mut second = alone.ring();
        first.kick_prepare() && second.kick_prepare()
    };

    // There is one handle.
    //@ case: second_handle
    //@ error: E0599
    //@ message: no method named `clone` found for struct `ExclusiveVirtqueue
    #[cfg(case = "second_handle")]
    let _ = alone.clone();

    // Nor can another be made.
    //@ case: handle_of_the_same_queue
    //@ error: E0133
    //@ message: Access::handle` is unsafe
    #[cfg(case = "handle_of_the_same_queue")]
    let _ = <virtio::Exclusive as virtio::Access>::handle(alone.queue().clone());

    let _ = alone.ring().pop();

    // The ring cannot be reached without its lock.
    //@ case: ring_without_lock
    //@ error: E0599
    //@ message: no method named `pop` found for struct `
    #[cfg(case = "ring_without_lock")]
    let _ = queue.pop();

    let mut locked = queue.lock();

    // Only memory of the token can be described to the device.
    //@ case: memory_that_is_not_the_tokens
    //@ error: E0597
    //@ message: `elsewhere` does not live long enough
    #[cfg(case = "memory_that_is_not_the_tokens")]
    let elsewhere = [0u8; 4];
    #[cfg(case = "memory_that_is_not_the_tokens")]
    locked
        .add(token, |_, parts| parts.device_readable(&elsewhere))
        .map_err(|err| err.error)?;

    #[cfg(not(case = "memory_that_is_not_the_tokens"))]
    locked
        .add(token, |bytes, parts| parts.device_writable(bytes))
        .map_err(|err| err.error)?;

    // What is described is nobody's to look into or change.
    let described = Described::new(RingBox::new([0u8; 16], GFP_KERNEL)?, |bytes, parts| {
        parts.device_readable(bytes)
    })
    .map_err(|err| err.error)?;
    //@ case: change_what_is_described
    //@ error: E0608
    //@ message: cannot index into a value of type `Described<RingBox<[u8; 16]>>`
    #[cfg(case = "change_what_is_described")]
    let _ = described[0];
    locked.add_described(described).map_err(|err| err.error)?;

    // A token that was added belongs to the ring.
    //@ case: keep_token
    //@ error: E0382
    //@ message: borrow of moved value: `token`
    #[cfg(case = "keep_token")]
    let _ = token.len();

    // The ring has one user at a time.
    //@ case: two_exclusive_users
    //@ error: E0499
    //@ message: cannot borrow `locked` as mutable more than once
    #[cfg(case = "two_exclusive_users")]
    let _ = {
        let first = &mut locked;
        let second = &mut locked;
        first.kick_prepare() && second.kick_prepare()
    };

    let _ = locked.kick_prepare();
    drop(locked);
    queue.notify()
}

// The proof that a device was told to start cannot be kept where it would outlive the rings.
//@ case: keep_ready
//@ error: E0277
//@ message: `*const ()` cannot be sent between threads safely
#[cfg(case = "keep_ready")]
pub fn keep(ready: virtio::Ready<'static>) -> impl Send {
    ready
}

// A queue that is not ready cannot be kept for the proof of another device.
//@ case: keep_pending_queue
//@ error: E0277
//@ message: `*const ()` cannot be sent between threads safely
#[cfg(case = "keep_pending_queue")]
pub fn keep(queue: virtio::PendingQueue<'static, Queue>) -> impl Send {
    queue
}

// Nor is it made ready by that.
//@ case: proof_of_another_device
//@ error: none
//@ message: lifetime may not live long enough
#[cfg(case = "proof_of_another_device")]
pub fn mix<'a, 'b>(
    queue: virtio::PendingQueue<'a, Queue>,
    ready: &virtio::Ready<'b>,
) -> kernel::sync::Arc<Virtqueue<Queue>>
where
    'a: 'b,
{
    queue.into_ready(ready)
}
