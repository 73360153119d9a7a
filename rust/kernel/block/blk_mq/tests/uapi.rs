// SPDX-License-Identifier: GPL-2.0

//! Attributes, as `sysfs` calls them.

use super::{
    census::Census,
    ram::Ram,
    setup::{
        new_disk,
        options, //
    }, //
};
use crate::{
    block::blk_mq::{
        Access,
        AddedDisk,
        Attribute,
        Contents,
        Disk,
        GenDisk,
        QueueLimits, //
    },
    error::to_result,
    fmt::Write,
    prelude::*,
    sync::atomic::Relaxed, //
};

/// Tells what was stored last.
struct Stored;

#[vtable]
impl Attribute<Ram> for Stored {
    const NAME: &'static CStr = c"stored";

    fn access(_disk: &GenDisk<Ram>) -> Access {
        Access::ReadWrite
    }

    fn show(disk: &GenDisk<Ram>, out: &mut Contents<'_>) -> Result {
        writeln!(out, "{}", disk.queue_data().stored.load(Relaxed))?;
        Ok(())
    }

    fn store(disk: &AddedDisk<'_, Ram>, text: &[u8]) -> Result {
        let number = core::str::from_utf8(text)?
            .parse::<u32>()
            .map_err(|_| EINVAL)?;

        disk.queue_data().stored.store(number, Relaxed);
        disk.update_limits(|limits| {
            limits.set_write_cache(number != 0);
            Ok::<_, Error>(())
        })
    }
}

/// Is there only if the disk can be written.
struct Hidden;

#[vtable]
impl Attribute<Ram> for Hidden {
    const NAME: &'static CStr = c"hidden";

    fn access(disk: &GenDisk<Ram>) -> Access {
        if disk.is_read_only() {
            Access::ReadOnly
        } else {
            Access::Hidden
        }
    }

    fn show(_disk: &GenDisk<Ram>, _out: &mut Contents<'_>) -> Result {
        Err(ENODATA)
    }
}

/// Shows bytes that are not text.
struct Bytes;

#[vtable]
impl Attribute<Ram> for Bytes {
    const NAME: &'static CStr = c"bytes";

    fn access(_disk: &GenDisk<Ram>) -> Access {
        Access::ReadOnly
    }

    fn show(_disk: &GenDisk<Ram>, out: &mut Contents<'_>) -> Result {
        let long = KVec::from_elem(b'-', crate::page::PAGE_SIZE, GFP_KERNEL)?;

        out.write_bytes(b"\xe9\0")?;
        // What does not fit is refused as a whole.
        if out.write_bytes(&long) != Err(ENOSPC) {
            return Err(EIO);
        }
        out.write_str("x")?;
        out.write_bytes(b"\xff")
    }
}

/// Shows as much as there is room for.
struct Endless;

#[vtable]
impl Attribute<Ram> for Endless {
    const NAME: &'static CStr = c"endless";

    fn access(_disk: &GenDisk<Ram>) -> Access {
        Access::ReadOnly
    }

    fn show(_disk: &GenDisk<Ram>, out: &mut Contents<'_>) -> Result {
        while out.write_bytes(b"y").is_ok() {}
        Ok(())
    }
}

/// A disk with all attributes.
fn disk_with_attributes(name: &str) -> Result<Disk<Ram>> {
    let census = Census::new()?;
    let mut disk = new_disk(&census, options(), &QueueLimits::new(), name)?;

    disk.set_attributes::<(Stored, Hidden, Bytes, Endless)>();
    disk.add_virtual()
}

/// An attribute of a disk as C has it.
struct Raw {
    dev: *mut bindings::device,
    group: *const bindings::attribute_group,
    attr: *mut bindings::attribute,
    index: usize,
}

impl Raw {
    fn new(disk: &Disk<Ram>, index: usize) -> Self {
        // SAFETY: The disk is valid.
        let dev = unsafe { bindings::disk_to_dev(disk.as_raw()) };
        // SAFETY: The disk was added with a group.
        let group = unsafe { *(*dev).groups };
        // SAFETY: The group has attributes.
        let attrs = unsafe { (*group).__bindgen_anon_2.attrs };
        // SAFETY: Tests use numbers up to that of the null at the end.
        let attr = unsafe { *attrs.add(index) };

        Self {
            dev,
            group,
            attr,
            index,
        }
    }

    fn mode(&self) -> Result<u16> {
        // SAFETY: The group is that of a disk.
        let is_visible = unsafe { (*self.group).__bindgen_anon_1.is_visible }.ok_or(ENOENT)?;
        // SAFETY: The device is valid.
        let kobj = unsafe { &raw mut (*self.dev).kobj };

        // SAFETY: The attribute belongs to the group.
        Ok(unsafe { is_visible(kobj, self.attr, c_int::try_from(self.index)?) })
    }

    fn show(&self) -> Result<KVec<u8>> {
        let attr = self.attr.cast::<bindings::device_attribute>();
        let mut page = KVec::from_elem(0u8, crate::page::PAGE_SIZE, GFP_KERNEL)?;
        // SAFETY: The attribute is that of a device.
        let show = unsafe { (*attr).__bindgen_anon_1.show }.ok_or(ENOENT)?;
        // SAFETY: The attribute belongs to the device, and the buffer has a page.
        let len = unsafe { show(self.dev, attr, page.as_mut_ptr()) };

        to_result(c_int::try_from(len)?.min(0))?;
        page.truncate(usize::try_from(len)?);
        Ok(page)
    }

    fn store(&self, text: &[u8]) -> Result {
        let attr = self.attr.cast::<bindings::device_attribute>();
        // SAFETY: The attribute is that of a device.
        let store = unsafe { (*attr).__bindgen_anon_2.store }.ok_or(ENOENT)?;
        // SAFETY: The attribute belongs to the device.
        let len = unsafe { store(self.dev, attr, text.as_ptr(), text.len()) };

        to_result(c_int::try_from(len)?.min(0))?;
        if usize::try_from(len)? != text.len() {
            return Err(EIO);
        }
        Ok(())
    }
}

#[kunit_tests(rust_blk_mq_attributes)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_shows_what_was_stored() -> Result {
        let disk = disk_with_attributes("rustkunit_attr")?;
        let stored = Raw::new(&disk, 0);

        assert!(stored.show()?[..] == *b"0\n");
        stored.store(b"4294967295\n")?;
        assert!(stored.show()?[..] == *b"4294967295\n");
        stored.store(b"7")?;
        assert!(stored.show()?[..] == *b"7\n");
        // SAFETY: The disk is valid, and nobody changes the limits.
        let features = unsafe { (*disk.queue()).limits.features };
        assert!(features & bindings::BLK_FEAT_WRITE_CACHE != 0);

        assert!(stored.store(b"seven\n") == Err(EINVAL));
        assert!(stored.store(b"\xff\n") == Err(EINVAL));
        assert!(stored.show()?[..] == *b"7\n");
        Ok(())
    }

    #[test]
    fn contents_are_bytes() -> Result {
        let disk = disk_with_attributes("rustkunit_bytes")?;

        disk.set_read_only(true);
        assert!(Raw::new(&disk, 2).show()?[..] == *b"\xe9\0x\xff");
        Ok(())
    }

    #[test]
    fn contents_are_shorter_than_a_page() -> Result {
        let disk = disk_with_attributes("rustkunit_endless")?;

        // sysfs complains about a whole page.
        let len = Raw::new(&disk, 3).show()?.len();
        assert_eq!(len, crate::page::PAGE_SIZE - 1);
        Ok(())
    }

    #[test]
    fn access_depends_on_the_disk() -> Result {
        let disk = disk_with_attributes("rustkunit_access2")?;
        let stored = Raw::new(&disk, 0);
        let hidden = Raw::new(&disk, 1);

        assert_eq!(stored.mode()?, 0o644);
        assert_eq!(hidden.mode()?, 0);
        disk.set_read_only(true);
        assert_eq!(hidden.mode()?, 0o444);
        assert!(hidden.show().err() == Some(ENODATA));
        assert!(hidden.store(b"1").err() == Some(ENOENT));
        assert!(Raw::new(&disk, 4).attr.is_null());
        Ok(())
    }
}
