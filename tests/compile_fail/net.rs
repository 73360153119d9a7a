// SPDX-License-Identifier: GPL-2.0
//! What a driver of a network card does with its packets, and what it must not be able to do.

use kernel::{
    device::{
        self,
        scope::Scope,
        Bound, //
    },
    net::{
        napi::{
            Poll,
            Polled,
            Unit, //
        },
        netdev::{
            Access,
            Device,
            Handle,
            NewDevice,
            Operations,
            Registration,
            Rtnl,
            Xmit, //
        },
        skb::{
            Busy,
            DropReason,
            MappedSkb,
            SkBuff, //
        }, //
    },
    prelude::*, //
};

pub fn register<'bound, T: Operations>(
    mut new: NewDevice<'bound, T>,
    scope: &'bound Scope<'bound>,
) -> Result<Registration<'bound, T>> {
    new.set_address(&[2, 0, 0, 0, 0, 1]);
    new.register(scope)
}

pub fn send(xmit: &Xmit<'_>, mut skb: SkBuff, give: impl FnOnce(SkBuff)) -> Result<(), Busy> {
    if xmit.maybe_stop(1, 2, || 0) {
        return Err(skb.busy());
    }
    if skb.pad().is_err() {
        skb.drop_with(DropReason::NOMEM);
        return Ok(());
    }
    give(skb);
    Ok(())
}

pub fn map(dev: &device::Device<Bound>, skb: SkBuff) -> Result<MappedSkb<'_>> {
    Ok(skb.map(dev)?)
}

pub fn poll(mut poll: Poll<'_>) -> Polled {
    while let Some(unit) = poll.take() {
        let Some(skb) = poll.alloc_skb(&unit, 60) else {
            return poll.again();
        };

        poll.receive(unit, skb);
    }
    poll.complete(|| ())
}

pub fn up<T: Operations>(handle: &Handle<'_, T>) {
    handle.with_rtnl(|dev, rtnl| dev.napi_enable(rtnl));
    if let Some(dev) = handle.access() {
        dev.carrier_on();
    }
}

// A device that is registered is not new any more.
//@ case: change_a_registered_device
//@ error: E0382
//@ message: borrow of moved value: `new`
#[cfg(case = "change_a_registered_device")]
pub fn change<'bound, T: Operations>(
    mut new: NewDevice<'bound, T>,
    scope: &'bound Scope<'bound>,
) -> Result<Registration<'bound, T>> {
    let registration = new.register(scope)?;

    new.set_mtu_range(1, 2);
    Ok(registration)
}

// The card must not read a packet that changes.
//@ case: change_a_mapped_packet
//@ error: E0596
//@ message: cannot borrow data in a `&` reference as mutable
#[cfg(case = "change_a_mapped_packet")]
pub fn change_mapped(mapped: MappedSkb<'_>) -> Result<bool> {
    mapped.skb().pad()
}

// A run that has ended does not receive.
//@ case: receive_after_the_end
//@ error: E0382
//@ message: borrow of moved value: `poll`
#[cfg(case = "receive_after_the_end")]
pub fn receive_after_the_end(mut poll: Poll<'_>) -> Polled {
    let polled = poll.complete(|| ());

    poll.take();
    polled
}

// One unit is good for one packet.
//@ case: exceed_the_budget
//@ error: E0382
//@ message: use of moved value: `unit`
#[cfg(case = "exceed_the_budget")]
pub fn exceed<'a>(poll: &Poll<'a>, unit: Unit<'a>, first: SkBuff, second: SkBuff) {
    poll.receive(unit, first);
    poll.receive(unit, second);
}

// What is left of a budget cannot be saved for the next run.
//@ case: keep_a_unit
//@ error: none
//@ message: lifetime may not live long enough
#[cfg(case = "keep_a_unit")]
pub fn keep_a_unit<'a>(poll: &mut Poll<'a>) -> Option<Unit<'static>> {
    poll.take()
}

// A unit of one run is nothing to another.
//@ case: unit_of_another_run
//@ error: none
//@ message: lifetime may not live long enough
#[cfg(case = "unit_of_another_run")]
pub fn unit_of_another_run<'a, 'b: 'a>(poll: &Poll<'a>, unit: Unit<'b>, skb: SkBuff) {
    poll.receive(unit, skb);
}

// The packets that NAPI makes need a unit, which netpoll has not, and it is used once.
//@ case: packet_of_a_used_unit
//@ error: E0382
//@ message: borrow of moved value: `unit`
#[cfg(case = "packet_of_a_used_unit")]
pub fn packet_of_a_used_unit<'a>(poll: &Poll<'a>, unit: Unit<'a>, skb: SkBuff) -> Option<SkBuff> {
    poll.receive(unit, skb);
    poll.alloc_skb(&unit, 60)
}

// How a run has ended is of no use to another thread.
//@ case: end_of_another_run
//@ error: E0277
//@ message: cannot be sent between threads safely
#[cfg(case = "end_of_another_run")]
pub fn end_of_another_run(poll: Poll<'_>, run: impl FnOnce(KBox<dyn FnOnce() + Send>)) -> Result {
    let polled = poll.complete(|| ());

    run(KBox::new(move || drop(polled), GFP_KERNEL)?);
    Ok(())
}

// A run of NAPI has an end.
//@ case: forget_to_end
//@ error: E0308
//@ message: mismatched types
#[cfg(case = "forget_to_end")]
pub fn forget_to_end(mut poll: Poll<'_>) -> Polled {
    poll.take();
}

// A packet has one owner.
//@ case: use_a_packet_that_was_given_away
//@ error: E0382
//@ message: borrow of moved value: `skb`
#[cfg(case = "use_a_packet_that_was_given_away")]
pub fn use_given_away(skb: SkBuff) -> usize {
    skb.consume();
    skb.len()
}

// There is no second handle to a packet.
//@ case: keep_a_packet
//@ error: E0599
//@ message: no method named `clone` found for struct `SkBuff`
#[cfg(case = "keep_a_packet")]
pub fn keep_a_packet(skb: SkBuff) -> SkBuff {
    let kept = skb.clone();

    skb.consume();
    kept
}

// A packet that was given away cannot be handed back.
//@ case: hand_back_a_packet_given_away
//@ error: E0382
//@ message: use of moved value: `skb`
#[cfg(case = "hand_back_a_packet_given_away")]
pub fn hand_back(skb: SkBuff, give: impl FnOnce(SkBuff)) -> Result<(), Busy> {
    give(skb);
    Err(skb.busy())
}

// An error without a packet is not an answer.
//@ case: busy_without_a_packet
//@ error: E0277
//@ message: `?` couldn't convert the error to `kernel::net::skb::Busy`
#[cfg(case = "busy_without_a_packet")]
pub fn busy_without_a_packet() -> Result<(), Busy> {
    Err(EIO)?;
    Ok(())
}

// Nobody can say that RTNL is held but who has taken it.
//@ case: rtnl_out_of_thin_air
//@ error: E0423
//@ message: cannot initialize a tuple struct which contains private fields
#[cfg(case = "rtnl_out_of_thin_air")]
pub fn rtnl_out_of_thin_air<T: Operations>(dev: &Device<'_, T>) {
    dev.napi_enable(&Rtnl(kernel::types::NotThreadSafe));
}

// Another thread does not hold RTNL because this one does.
//@ case: rtnl_of_another_thread
//@ error: E0277
//@ message: cannot be sent between threads safely
#[cfg(case = "rtnl_of_another_thread")]
pub fn rtnl_of_another_thread(run: impl FnOnce(KBox<dyn FnOnce() + Send>)) -> Result {
    let guard = Rtnl::lock();

    run(KBox::new(move || drop(guard), GFP_KERNEL)?);
    Ok(())
}

// Nothing but a call keeps the device.
//@ case: keep_a_device
//@ error: none
//@ message: lifetime may not live long enough
#[cfg(case = "keep_a_device")]
pub fn keep_a_device<'a, 'b, T: Operations>(handle: &'a Handle<'b, T>) -> Option<&'a T::Data<'b>> {
    handle.with_rtnl(|dev, _| dev.data())
}

// Access ends with the handle that it came from.
//@ case: access_without_a_handle
//@ error: E0505
//@ message: cannot move out of `handle` because it is borrowed
#[cfg(case = "access_without_a_handle")]
pub fn access_without_a_handle<T: Operations>(handle: Handle<'_, T>) {
    let access: Option<Access<'_, '_, T>> = handle.access();

    drop(handle);
    drop(access);
}

// The data of a device borrows nothing that goes before the driver does.
//@ case: data_that_borrows_from_the_stack
//@ error: E0597
//@ message: `here` does not live long enough
#[cfg(case = "data_that_borrows_from_the_stack")]
pub fn borrow_from_the_stack<'bound, T>(
    parent: &'bound device::Device<Bound>,
    scope: &'bound Scope<'bound>,
) -> Result
where
    T: for<'a> Operations<Data<'a> = &'a u32>,
{
    let here = 1;
    let there = &here;
    let new = NewDevice::<T>::new(parent, move |_| Ok::<&u32, Error>(there))?;

    drop(new.register(scope)?);
    Ok(())
}

// A packet is unmapped before the driver leaves the card.
//@ case: mapping_for_ever
//@ error: none
//@ message: lifetime may not live long enough
#[cfg(case = "mapping_for_ever")]
pub fn map_for_ever(dev: &device::Device<Bound>, skb: SkBuff) -> Option<MappedSkb<'static>> {
    skb.map(dev).ok()
}

// A driver that has no operations for it is not reached by `ethtool`.
//@ case: ethtool_without_operations
//@ error: E0599
//@ message: its trait bounds were not satisfied
#[cfg(case = "ethtool_without_operations")]
pub fn ethtool<T: Operations>(mut new: NewDevice<'_, T>) {
    new.set_ethtool_ops();
}
