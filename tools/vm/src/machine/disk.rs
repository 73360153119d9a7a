// SPDX-License-Identifier: GPL-2.0

//! Disks: what is behind them, how they are attached, and every property of QEMU's virtio-blk worth varying.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::{Value, json};

use crate::machine::backend;

/// One mebibyte, in bytes.
pub const MIB: u64 = 1 << 20;

/// What stores the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backend {
    /// A sparse raw file, made anew for every boot. Flushes are accepted but not forced to the host's disk.
    Scratch,
    /// A raw file of this name in the work directory that outlives the machine.
    Kept(String),
    /// Like [`Backend::Scratch`], but a process of its own serves it, see [`backend`]; for [`Attach::Device`].
    Served,
    /// No storage at all: writes vanish, reads return at once. Takes the host's disk out of a measurement.
    Null,
    /// Like [`Backend::Null`], but each request takes so long at least.
    Delayed {
        /// How long.
        nanoseconds: u64,
    },
}

/// How the disk reaches the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attach {
    /// `-drive if=virtio`, the way most users write it.
    Drive,
    /// A `virtio-blk` device with [`Properties`].
    Device,
    /// Absent at boot; its slot is free until a guest script says `host plug NAME`.
    Spare,
    /// Like [`Attach::Spare`], but all such disks have one slot in common, so that a boot can serve many in turn.
    InTurn,
}

/// Properties of QEMU's `virtio-blk-pci`, under QEMU's names. `None` leaves QEMU's default.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)] // The names and meanings are QEMU's: `qemu-system-x86_64 -device virtio-blk-pci,help`.
pub struct Properties {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_queues: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_size: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_modern: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "on_off")]
    pub disable_legacy: Option<bool>,
    #[serde(rename = "iommu_platform", skip_serializing_if = "Option::is_none")]
    pub iommu_platform: Option<bool>,
    #[serde(rename = "event_idx", skip_serializing_if = "Option::is_none")]
    pub event_idx: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ioeventfd: Option<bool>,
    #[serde(rename = "indirect_desc", skip_serializing_if = "Option::is_none")]
    pub indirect_desc: Option<bool>,
    #[serde(rename = "logical_block_size", skip_serializing_if = "Option::is_none")]
    pub logical_block_size: Option<u32>,
    #[serde(rename = "physical_block_size", skip_serializing_if = "Option::is_none")]
    pub physical_block_size: Option<u32>,
    #[serde(rename = "min_io_size", skip_serializing_if = "Option::is_none")]
    pub min_io_size: Option<u32>,
    #[serde(rename = "opt_io_size", skip_serializing_if = "Option::is_none")]
    pub opt_io_size: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cyls: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heads: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secs: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discard: Option<bool>,
    #[serde(rename = "discard_granularity", skip_serializing_if = "Option::is_none")]
    pub discard_granularity: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_discard_sectors: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_zeroes: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_write_zeroes_sectors: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_wce: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "on_off")]
    pub write_cache: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seg_max_adjust: Option<bool>,
}

fn on_off<S: serde::Serializer>(value: &Option<bool>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(if *value == Some(true) { "on" } else { "off" })
}

/// A disk of a machine.
#[derive(Debug, Clone)]
pub struct Disk {
    /// How guest scripts and QMP know it: lower-case letters and digits.
    pub name: String,
    /// Capacity in bytes.
    pub size: u64,
    /// What stores the data.
    pub backend: Backend,
    /// How it reaches the guest.
    pub attach: Attach,
    /// Whether the guest may only read.
    pub readonly: bool,
    /// Device properties; not used by [`Attach::Drive`].
    pub properties: Properties,
    /// What QEMU's name of the device has at its end: `-transitional` or `-non-transitional`.
    pub model: &'static str,
}

impl Disk {
    /// A scratch disk of `mib` mebibytes on its own virtio-blk device.
    pub fn scratch(name: &str, mib: u64) -> Self {
        Self {
            name: name.to_owned(),
            size: mib * MIB,
            backend: Backend::Scratch,
            attach: Attach::Device,
            readonly: false,
            properties: Properties::default(),
            model: "",
        }
    }

    /// The same disk with another backend.
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = backend;
        self
    }

    /// The same disk, attached in another way.
    pub fn attach(mut self, attach: Attach) -> Self {
        self.attach = attach;
        self
    }

    /// The same disk on the device whose name ends so.
    pub fn model(mut self, model: &'static str) -> Self {
        self.model = model;
        self
    }

    /// The same disk, readable only.
    pub fn readonly(mut self) -> Self {
        self.readonly = true;
        self
    }

    /// The same disk with `edit` applied to its properties.
    pub fn with(mut self, edit: impl FnOnce(&mut Properties)) -> Self {
        edit(&mut self.properties);
        self
    }

    /// The QEMU identifier of the device; also the argument of `device_del`.
    pub fn device_id(&self) -> String {
        format!("disk-{}", self.name)
    }

    /// The QEMU node that holds the data; also the argument of `block_resize`.
    pub fn node(&self) -> String {
        format!("node-{}", self.name)
    }

    /// Whether every boot has another file.
    fn is_fresh(&self) -> bool {
        matches!(self.backend, Backend::Scratch | Backend::Served)
    }

    fn file(&self, work: &Path, boot: &Path) -> Option<PathBuf> {
        match &self.backend {
            Backend::Scratch | Backend::Served => Some(boot.join(format!("{}.raw", self.name))),
            Backend::Kept(name) => Some(work.join(name)),
            Backend::Null | Backend::Delayed { .. } => None,
        }
    }

    /// How many queues the process has that serves it.
    pub fn served_queues(&self) -> u16 {
        self.properties.num_queues.unwrap_or(1)
    }

    /// How long each request takes at least, in nanoseconds.
    fn latency(&self) -> u64 {
        match self.backend {
            Backend::Delayed { nanoseconds } => nanoseconds,
            _ => 0,
        }
    }

    /// Makes the backing file, where there is one. `boot` is the directory of this boot.
    ///
    /// # Errors
    ///
    /// When the file cannot be made or sized.
    pub fn prepare(&self, work: &Path, boot: &Path) -> Result<()> {
        let Some(path) = self.file(work, boot) else { return Ok(()) };
        let fresh = self.is_fresh();
        let open = OpenOptions::new().write(true).create(true).truncate(fresh).open(&path);
        let file = open.with_context(|| format!("cannot make the disk image {}", path.display()))?;
        if file.metadata()?.len() < self.size {
            file.set_len(self.size).with_context(|| format!("cannot size the disk image {}", path.display()))?;
        }
        Ok(())
    }

    /// The description of the storage, for `-blockdev` and `blockdev-add`.
    pub fn blockdev(&self, work: &Path, boot: &Path) -> Value {
        let Some(path) = self.file(work, boot) else {
            return json!({
                "driver": "null-co", "node-name": self.node(), "size": self.size,
                "latency-ns": self.latency(), "read-zeroes": false, "read-only": self.readonly,
            });
        };
        json!({
            "driver": "raw", "node-name": self.node(), "read-only": self.readonly, "discard": "unmap",
            "cache": { "direct": false, "no-flush": self.is_fresh() },
            "file": { "driver": "file", "filename": path, "read-only": self.readonly },
        })
    }

    /// The argument of `-drive` for [`Attach::Drive`].
    pub fn drive(&self, work: &Path, boot: &Path) -> String {
        let source = match self.file(work, boot) {
            Some(path) => {
                let cache = if self.backend == Backend::Scratch { "unsafe" } else { "writeback" };
                format!("format=raw,cache={cache},file={}", path.display().to_string().replace(',', ",,"))
            }
            None => format!("driver=null-co,size={},latency-ns={},read-zeroes=off", self.size, self.latency()),
        };
        let readonly = if self.readonly { ",readonly=on" } else { "" };
        format!("if=virtio,id={},node-name={},{source}{readonly}", self.device_id(), self.node())
    }

    /// The description of the device, for `-device` and `device_add`. `transport` is the end of its name, `place` where
    /// it is plugged in.
    pub fn device(&self, transport: &str, place: Value) -> Value {
        let mut device = json!({ "id": self.device_id() });
        if self.backend == Backend::Served {
            // The one on a bus for virtio devices has no name for its transport.
            let transport = transport.strip_prefix("-device").unwrap_or(transport);
            device["driver"] = json!(format!("vhost-user-blk{transport}{}", self.model));
            device["chardev"] = json!(backend::chardev_id(self));
            // QEMU would ask the process for as many as there are CPUs.
            device["num-queues"] = json!(self.served_queues());
        } else {
            device["driver"] = json!(format!("virtio-blk{transport}{}", self.model));
            device["drive"] = json!(self.node());
        }
        let properties = serde_json::to_value(&self.properties).unwrap_or_default();
        for part in [properties, place] {
            if let (Some(device), Value::Object(part)) = (device.as_object_mut(), part) {
                device.extend(part);
            }
        }
        device
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_have_the_names_qemu_uses() {
        let disk = Disk::scratch("a", 1).with(|p| {
            p.num_queues = Some(4);
            p.event_idx = Some(false);
            p.disable_legacy = Some(true);
        });
        let device = disk.device("-pci", json!({ "addr": "10.0" }));
        assert_eq!(
            device,
            json!({
                "driver": "virtio-blk-pci", "id": "disk-a", "drive": "node-a", "num-queues": 4,
                "event_idx": false, "disable-legacy": "on", "addr": "10.0",
            })
        );
    }

    #[test]
    fn every_device_that_carries_a_disk_has_the_name_qemu_gives_it() {
        let name = |disk: &Disk, transport| disk.device(transport, json!({}))["driver"].as_str().unwrap().to_owned();
        let plain = Disk::scratch("a", 1);
        let served = plain.clone().backend(Backend::Served);
        assert_eq!(name(&plain, "-device"), "virtio-blk-device");
        assert_eq!(name(&served, "-device"), "vhost-user-blk");
        for model in ["", "-transitional", "-non-transitional"] {
            assert_eq!(name(&plain.clone().model(model), "-pci"), format!("virtio-blk-pci{model}"));
            assert_eq!(name(&served.clone().model(model), "-pci"), format!("vhost-user-blk-pci{model}"));
        }
        assert_eq!(served.device("-pci", json!({}))["chardev"], "char-a");
    }

    #[test]
    fn a_served_disk_asks_for_no_more_queues_than_its_process_has() {
        let served = Disk::scratch("a", 1).backend(Backend::Served);
        for (disk, queues) in [(served.clone(), 1), (served.with(|p| p.num_queues = Some(4)), 4)] {
            assert_eq!(disk.device("-pci", json!({}))["num-queues"], queues);
            assert_eq!(disk.served_queues(), queues);
        }
    }

    #[test]
    fn a_disk_without_storage_can_take_its_time() {
        let path = Path::new("/w");
        let delayed = Disk::scratch("a", 1).backend(Backend::Delayed { nanoseconds: 50_000 });
        for (disk, latency) in [(&Disk::scratch("a", 1).backend(Backend::Null), 0), (&delayed, 50_000)] {
            assert_eq!(disk.blockdev(path, path)["latency-ns"], latency);
            assert!(disk.drive(path, path).contains(&format!(",latency-ns={latency},")));
        }
    }

    #[test]
    fn a_comma_in_a_path_does_not_end_the_drive_option() {
        let drive = Disk::scratch("a", 1).attach(Attach::Drive).drive(Path::new("/w"), Path::new("/b,c"));
        assert!(drive.contains("file=/b,,c/a.raw"), "{drive}");
    }

    #[test]
    fn a_scratch_disk_is_empty_at_every_boot_and_a_kept_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        for (disk, left) in
            [(Disk::scratch("s", 1), 0), (Disk::scratch("k", 1).backend(Backend::Kept("k.raw".into())), 7)]
        {
            let path = disk.file(dir.path(), dir.path()).unwrap();
            std::fs::write(&path, [7]).unwrap();
            disk.prepare(dir.path(), dir.path()).unwrap();
            let data = std::fs::read(&path).unwrap();
            assert_eq!((data.len() as u64, data[0]), (MIB, left));
        }
    }
}
