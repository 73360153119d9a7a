// SPDX-License-Identifier: GPL-2.0
//! Memory that is mapped for a device, and ways to it that are not there.

use kernel::{
    device::{
        Bound,
        Device, //
    },
    dma::streaming::{
        Bidirectional,
        FromDevice,
        Mapping,
        ToDevice, //
    },
    prelude::*, //
};

/// What a driver does with a buffer that its device fills.
pub fn receive(dev: &Device<Bound>, buffer: KVec<u8>) -> Result<KVec<u8>> {
    let mut mapping = Mapping::new(dev, buffer, FromDevice)?;
    let mut header = [0; 4];

    // The memory belongs to the device.
    //@ case: read_while_mapped
    //@ error: E0382
    //@ message: borrow of moved value: `buffer`
    #[cfg(case = "read_while_mapped")]
    header.copy_from_slice(&buffer[..4]);

    let view = mapping.sync_for_cpu(4)?;

    view.copy_to_slice(0, &mut header)?;

    // It cannot be taken away from who looks at it.
    //@ case: unmap_while_looking
    //@ error: E0505
    //@ message: cannot move out of `mapping`
    #[cfg(case = "unmap_while_looking")]
    {
        let buffer = mapping.unmap();
        view.copy_to_slice(0, &mut header)?;
        return Ok(buffer);
    }

    // When one view ends, the device gets what another one looks at.
    //@ case: two_views
    //@ error: E0499
    //@ message: cannot borrow `mapping` as mutable more than once
    #[cfg(case = "two_views")]
    {
        let other = mapping.sync_for_cpu(8)?;
        view.copy_to_slice(0, &mut header)?;
        drop(other);
    }

    // What the CPU writes would not reach the device, nor stay.
    //@ case: write_to_what_the_device_writes
    //@ error: E0599
    //@ message: FromDevice: DeviceReads`
    #[cfg(case = "write_to_what_the_device_writes")]
    let _ = view.copy_from_slice(0, &header);

    drop(view);

    #[cfg(not(case = "unmap_while_looking"))]
    {
        let buffer = mapping.unmap();

        // What is not mapped has no address for the device.
        //@ case: address_of_what_was_unmapped
        //@ error: E0382
        //@ message: borrow of moved value: `mapping`
        #[cfg(case = "address_of_what_was_unmapped")]
        let _ = mapping.dma_address();

        Ok(buffer)
    }
}

/// What a driver does with a buffer that its device reads.
pub fn send<'a>(
    dev: &'a Device<Bound>,
    buffer: KVec<u8>,
) -> Result<Mapping<'a, KVec<u8>, ToDevice>> {
    // A buffer that somebody else owns may be gone before the device has read it.
    //@ case: borrowed_memory
    //@ error: E0277
    //@ message: the trait bound `&mut [u8]:
    #[cfg(case = "borrowed_memory")]
    {
        fn can_be_mapped<M: kernel::dma::streaming::Memory>() {}
        can_be_mapped::<&mut [u8]>();
    }

    Ok(Mapping::new(dev, buffer, ToDevice)?)
}

// A device without a driver does no DMA.
//@ case: unbound_device
//@ error: E0308
//@ message: mismatched types
#[cfg(case = "unbound_device")]
pub fn early(dev: &Device, buffer: KVec<u8>) {
    let _ = Mapping::new(dev, buffer, Bidirectional);
}

// A mapping does not stay when the driver leaves.
//@ case: mapping_outlives_the_binding
//@ error: none
//@ message: lifetime may not live long enough
#[cfg(case = "mapping_outlives_the_binding")]
pub fn keep(
    dev: &Device<Bound>,
    buffer: KVec<u8>,
) -> Result<Mapping<'static, KVec<u8>, Bidirectional>> {
    Ok(Mapping::new(dev, buffer, Bidirectional)?)
}

/// Both read and write.
pub fn exchange(mapping: &mut Mapping<'_, KVec<u8>, Bidirectional>) -> Result {
    mapping.sync_for_cpu(1)?.copy_from_slice(0, &[1])
}
