// SPDX-License-Identifier: GPL-2.0

//! Who sees what, and when, on a device made of software.

use super::{
    soft::{
        self,
        device_write,
        SoftDevice, //
    },
    Bidirectional,
    Direction,
    FromDevice,
    Mapping,
    Memory,
    ToDevice, //
};
use crate::{
    dma::DmaAddress,
    page::Page,
    prelude::*, //
};
use core::mem::MaybeUninit;

/// Lets the device read.
fn device_read(address: DmaAddress, len: usize) -> Result<KVec<u8>> {
    let mut bytes = KVec::from_elem(0, len, GFP_KERNEL)?;

    soft::device_read(address, &mut bytes);
    Ok(bytes)
}

fn bytes(text: &[u8]) -> Result<KVec<u8>> {
    let mut bytes = KVec::new();

    bytes.extend_from_slice(text, GFP_KERNEL)?;
    Ok(bytes)
}

fn map<'a, M: Memory, D: Direction>(
    dev: &'a SoftDevice,
    memory: M,
    direction: D,
) -> Result<Mapping<'a, M, D>> {
    Ok(Mapping::new(dev.bound(), memory, direction)?)
}

/// What the CPU sees of the first bytes of a mapping.
fn seen<M: Memory>(mapping: &mut Mapping<'_, M, FromDevice>, len: usize) -> Result<KVec<u8>> {
    let mut copy = KVec::from_elem(0, len, GFP_KERNEL)?;

    mapping.sync_for_cpu(len)?.copy_to_slice(0, &mut copy)?;
    Ok(copy)
}

#[macros::kunit_tests(rust_dma_streaming)]
mod cases {
    use super::*;

    #[test]
    fn the_device_reads_what_was_mapped() -> Result {
        let dev = SoftDevice::new(c"rust_dma_streaming")?;
        let mapping = map(&dev, bytes(b"from the CPU")?, ToDevice)?;

        assert_eq!(
            &device_read(mapping.dma_address(), 12)?[..],
            b"from the CPU"
        );
        assert_eq!(&mapping.unmap()[..], b"from the CPU");
        Ok(())
    }

    #[test]
    fn unmapping_shows_what_the_device_wrote() -> Result {
        let dev = SoftDevice::new(c"rust_dma_streaming")?;
        let mapping = map(&dev, bytes(b"............")?, FromDevice)?;

        device_write(mapping.dma_address(), b"from beyond");
        assert_eq!(&mapping.unmap()[..], b"from beyond.");
        Ok(())
    }

    #[test]
    fn a_synced_buffer_stays_mapped() -> Result {
        let dev = SoftDevice::new(c"rust_dma_streaming")?;
        let mut mapping = map(&dev, Page::alloc_page(GFP_KERNEL)?, FromDevice)?;

        device_write(mapping.dma_address(), b"first");
        assert_eq!(&seen(&mut mapping, 5)?[..], b"first");
        device_write(mapping.dma_address(), b"other");
        assert_eq!(&seen(&mut mapping, 5)?[..], b"other");
        device_write(mapping.dma_address(), b"third");

        let page = mapping.unmap();
        let mut copy = [0; 5];

        // SAFETY: The page is ours, and nobody writes to it.
        unsafe { page.read_raw(copy.as_mut_ptr(), 0, 5) }?;
        assert_eq!(&copy, b"third");
        Ok(())
    }

    #[test]
    fn the_device_reads_what_was_written_through_a_view() -> Result {
        let dev = SoftDevice::new(c"rust_dma_streaming")?;
        let mut mapping = map(&dev, bytes(b"........")?, Bidirectional)?;

        device_write(mapping.dma_address(), b"question");

        let mut view = mapping.sync_for_cpu(8)?;
        let mut copy = [MaybeUninit::uninit(); 4];

        assert_eq!(&view.copy_to_uninit(4, &mut copy)?[..], b"tion");
        view.copy_from_slice(0, b"answer")?;
        drop(view);
        assert_eq!(&device_read(mapping.dma_address(), 8)?[..], b"answeron");
        assert_eq!(&mapping.unmap()[..], b"answeron");
        Ok(())
    }

    #[test]
    fn a_box_is_mapped_as_its_bytes() -> Result {
        let dev = SoftDevice::new(c"rust_dma_streaming")?;
        let mapping = map(&dev, KBox::new([0_u8; 64], GFP_KERNEL)?, FromDevice)?;

        device_write(mapping.dma_address(), &[7; 64]);
        assert_eq!(*mapping.unmap(), [7; 64]);
        Ok(())
    }

    #[test]
    fn nothing_beyond_the_bytes_is_reached() -> Result {
        let dev = SoftDevice::new(c"rust_dma_streaming")?;
        let mut mapping = map(&dev, bytes(b"12345678")?, Bidirectional)?;

        assert_eq!(mapping.sync_for_cpu(9).err(), Some(EINVAL));
        assert_eq!(mapping.sync_for_cpu(usize::MAX).err(), Some(EINVAL));

        let mut view = mapping.sync_for_cpu(4)?;
        let mut copy = [0; 5];

        assert_eq!(view.len(), 4);
        assert_eq!(view.copy_to_slice(0, &mut copy).err(), Some(EINVAL));
        assert_eq!(view.copy_to_slice(1, &mut copy[..4]).err(), Some(EINVAL));
        assert_eq!(view.copy_to_slice(5, &mut copy[..0]).err(), Some(EINVAL));
        assert_eq!(
            view.copy_to_slice(usize::MAX, &mut copy[..2]).err(),
            Some(EINVAL)
        );
        assert_eq!(view.copy_from_slice(1, b"abcd").err(), Some(EINVAL));
        view.copy_to_slice(4, &mut copy[..0])?;
        view.copy_from_slice(3, b"d")?;
        drop(view);
        assert_eq!(&mapping.unmap()[..], b"123d5678");
        Ok(())
    }

    #[test]
    fn no_bytes_are_not_mapped_and_come_back() -> Result {
        let dev = SoftDevice::new(c"rust_dma_streaming")?;
        let mut empty: KVec<u8> = KVec::with_capacity(16, GFP_KERNEL)?;

        empty.reserve(32, GFP_KERNEL)?;
        let capacity = empty.capacity();
        let Err(refused) = Mapping::new(dev.bound(), empty, ToDevice) else {
            return Err(EBADFD);
        };

        assert_eq!(refused.error, EINVAL);
        assert_eq!(refused.memory.capacity(), capacity);
        Ok(())
    }

    #[test]
    fn an_address_that_is_an_error_is_no_mapping() -> Result {
        let dev = SoftDevice::new(c"rust_dma_streaming")?;
        let memory = bytes(b"not mapped")?;
        // SAFETY: It is what a mapping that failed returns, so nothing is unmapped.
        let refused = unsafe { Mapping::<_, ToDevice>::at(dev.bound(), DmaAddress::MAX, memory) };
        let Err(refused) = refused else {
            return Err(EBADFD);
        };

        assert_eq!(refused.error, ENOMEM);
        assert_eq!(&refused.memory[..], b"not mapped");
        Ok(())
    }
}
