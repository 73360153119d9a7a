// SPDX-License-Identifier: GPL-2.0

//! Packets that a card reads.

use super::{
    census::Census,
    peer::counted, //
};
use crate::{
    dma::streaming::soft::{
        device_read,
        SoftDevice, //
    },
    net::skb::{
        MappedSkb,
        SkBuff,
        MAX_SKB_FRAGS, //
    },
    page::{
        Page,
        PAGE_SIZE, //
    },
    prelude::*, //
};

/// Adds `length` bytes of a page, which begins with this value.
fn add_page(skb: &mut SkBuff, value: u8, length: usize) -> Result {
    let page = Page::alloc_page(GFP_KERNEL | __GFP_ZERO)?;
    let nr_frags = skb.nr_frags();

    // SAFETY: The byte is valid, and nobody else has the page.
    unsafe { page.write_raw(&value, 0, 1) }?;

    let page = core::mem::ManuallyDrop::new(page);

    // SAFETY: The packet is owned and has a place for the fragment. The page passes to it.
    unsafe {
        bindings::skb_add_rx_frag(
            skb.as_raw(),
            nr_frags as c_int,
            page.as_ptr(),
            0,
            length as c_int,
            PAGE_SIZE as c_uint,
        )
    };
    Ok(())
}

/// The first byte that the device sees.
fn first_byte(address: u64) -> u8 {
    let mut byte = [0];

    device_read(address, &mut byte);
    byte[0]
}

#[kunit_tests(rust_net_mapped)]
mod cases {
    use super::*;

    #[test]
    fn a_packet_is_mapped_part_by_part_where_it_is() -> Result {
        let census = Census::new()?;
        let dev = SoftDevice::new(c"rust_net_mapped")?;
        let mut skb = counted(&census, 60)?;

        // One of them has no data.
        for (value, length) in [(1, 10), (2, 0), (3, 30), (4, 40), (5, 50)] {
            add_page(&mut skb, value, length)?;
        }

        let mut place = Some(MappedSkb::new(skb, dev.bound()));
        let mapped = place.as_mut().ok_or(EINVAL)?;

        assert_eq!(mapped.parts().count(), 0);
        assert_eq!(mapped.map_frag(), Some(Err(EINVAL)));

        let head = mapped.map_head()?;

        assert_eq!(head.length, 60);
        assert_eq!(first_byte(head.address), mapped.skb().head()[0]);
        assert_eq!(mapped.map_head(), Err(EBUSY));
        assert!(!mapped.is_mapped());
        for (value, length) in [(1, 10), (3, 30), (4, 40), (5, 50)] {
            let part = mapped.map_frag().ok_or(EINVAL)??;

            assert_eq!(part.length, length);
            assert_eq!(first_byte(part.address), value);
        }
        assert!(mapped.is_mapped());
        assert_eq!(mapped.map_frag(), None);
        assert!(mapped
            .parts()
            .map(|part| part.length)
            .eq([60, 10, 30, 40, 50]));

        let skb = MappedSkb::take_from(&mut place).ok_or(EINVAL)?;

        assert!(place.is_none());
        assert!(MappedSkb::take_from(&mut place).is_none());
        assert_eq!((skb.len(), skb.nr_frags()), (190, 5));
        assert_eq!(census.counts().1, 1);
        drop(skb);
        assert_eq!(census.counts().1, 0);
        Ok(())
    }

    #[test]
    fn a_packet_with_all_fragments_that_there_can_be_is_mapped() -> Result {
        let census = Census::new()?;
        let dev = SoftDevice::new(c"rust_net_mapped")?;
        let mut skb = counted(&census, 60)?;

        for value in 1..=MAX_SKB_FRAGS {
            add_page(&mut skb, u8::try_from(value)?, 100)?;
        }

        let mapped = skb.map(dev.bound())?;
        let mut parts = mapped.parts();
        let head = parts.next().ok_or(EINVAL)?;

        assert_eq!(first_byte(head.address), mapped.skb().head()[0]);
        assert_eq!(head.length, 60);
        for value in 1..=MAX_SKB_FRAGS {
            let part = parts.next().ok_or(EINVAL)?;

            assert_eq!(usize::from(first_byte(part.address)), value);
            assert_eq!(part.length, 100);
        }
        assert_eq!(parts.next(), None);
        drop(mapped);
        assert_eq!(census.counts().1, 0);
        Ok(())
    }

    #[test]
    fn a_packet_that_is_mapped_in_part_goes_with_its_place() -> Result {
        let census = Census::new()?;
        let dev = SoftDevice::new(c"rust_net_mapped")?;

        for parts in 0..3 {
            let mut skb = counted(&census, 60)?;

            add_page(&mut skb, 1, 10)?;
            add_page(&mut skb, 2, 20)?;

            let mut mapped = MappedSkb::new(skb, dev.bound());

            if parts > 0 {
                mapped.map_head()?;
            }
            if parts > 1 {
                mapped.map_frag().ok_or(EINVAL)??;
            }
            assert_eq!(mapped.parts().count(), parts);
            assert_eq!(census.counts().1, 1);
            drop(mapped);
            assert_eq!(census.counts().1, 0);
        }
        Ok(())
    }
}
