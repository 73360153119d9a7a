// SPDX-License-Identifier: GPL-2.0

//! fio without what the guest never uses.
//!
//! A distribution's fio is linked with the clients of several storage clusters. With what they need in turn, these are
//! some eighty megabytes, and an emulated CPU loads and binds them for seconds whenever fio starts. The copy for the
//! guest does not ask for these libraries; an engine that needs one of them is not for the guest.

use anyhow::{Context, Result, anyhow};
use object::LittleEndian as LE;
use object::elf::{
    DT_NEEDED, DT_NULL, DT_VERNEED, DT_VERNEEDNUM, Dyn64, FileHeader64, SHT_DYNAMIC, SHT_DYNSYM, SHT_GNU_VERNEED,
    SHT_GNU_VERSYM, STB_WEAK, Sym64, VER_NDX_GLOBAL, Vernaux, Verneed, Versym,
};
use object::pod::{Pod, from_bytes_mut, slice_from_bytes_mut};
use object::read::elf::{FileHeader, SectionHeader};

/// Beginnings of the names of libraries that no script needs.
const CLIENTS: &[&str] =
    &["libgfapi.", "libibverbs.", "libiscsi.", "libnbd.", "libpmem", "librados.", "librbd.", "librdmacm."];

/// Where something is in the file.
#[derive(Debug, Clone, Copy)]
struct Place {
    offset: usize,
    size: usize,
    address: u64,
}

impl Place {
    fn items<T: Pod>(self, file: &mut [u8]) -> Result<&mut [T]> {
        let count = self.size / size_of::<T>();
        let bytes = file.get_mut(self.offset..).context("a section is not in the file")?;
        Ok(slice_from_bytes_mut(bytes, count).map_err(|()| anyhow!("a section is too short"))?.0)
    }

    fn item<T: Pod>(self, file: &mut [u8], at: usize) -> Result<&mut T> {
        let bytes = file.get_mut(self.offset + at..).context("an entry is not in the file")?;
        Ok(from_bytes_mut(bytes).map_err(|()| anyhow!("an entry is too short"))?.0)
    }
}

/// What the dynamic linker reads.
#[derive(Debug)]
struct Tables {
    dynamic: Place,
    symbols: Place,
    versions: Place,
    needed_versions: Place,
    strings: Vec<u8>,
}

impl Tables {
    /// None where the file has no such tables, as a static program.
    fn find(file: &[u8]) -> Result<Option<Self>> {
        let header = FileHeader64::<LE>::parse(file)?;
        let sections = header.sections(LE, file)?;
        let find = |kind| -> Result<Option<Place>> {
            let Some(section) = sections.iter().find(|section| section.sh_type(LE) == kind) else { return Ok(None) };
            let place = |value: u64| usize::try_from(value).context("a section is too far away");
            let (offset, size) = (place(section.sh_offset(LE))?, place(section.sh_size(LE))?);
            Ok(Some(Place { offset, size, address: section.sh_addr(LE) }))
        };
        let (Some(dynamic), Some(symbols), Some(versions), Some(needed_versions)) =
            (find(SHT_DYNAMIC)?, find(SHT_DYNSYM)?, find(SHT_GNU_VERSYM)?, find(SHT_GNU_VERNEED)?)
        else {
            return Ok(None);
        };
        let (_, link) = sections.dynamic(LE, file)?.context("no dynamic section")?;
        let strings = sections.section(link)?.data(LE, file)?.to_vec();
        Ok(Some(Self { dynamic, symbols, versions, needed_versions, strings }))
    }

    fn is_client(&self, name: u64) -> bool {
        let name = usize::try_from(name).ok().and_then(|at| self.strings.get(at..)).unwrap_or_default();
        CLIENTS.iter().any(|client| name.starts_with(client.as_bytes()))
    }
}

/// The program without its libraries of [`CLIENTS`].
///
/// # Errors
///
/// When it is not a program for x86_64, or not one that makes sense.
pub fn without_clients(program: &[u8]) -> Result<Vec<u8>> {
    let mut file = program.to_vec();
    let Some(tables) = Tables::find(program)? else { return Ok(file) };
    let dynamic: &mut [Dyn64<LE>] = tables.dynamic.items(&mut file)?;
    let is_client =
        |entry: &Dyn64<LE>| entry.d_tag.get(LE) == u64::from(DT_NEEDED) && tables.is_client(entry.d_val.get(LE));
    let mut kept: Vec<_> = dynamic.iter().filter(|entry| !is_client(entry)).copied().collect();
    let end = Dyn64 { d_tag: object::U64::new(LE, u64::from(DT_NULL)), d_val: object::U64::new(LE, 0) };
    kept.resize(dynamic.len(), end);
    dynamic.copy_from_slice(&kept);
    let dropped = drop_versions(&mut file, &tables)?;
    let versions: Vec<u16> = {
        let versions: &mut [Versym<LE>] = tables.versions.items(&mut file)?;
        for version in versions.iter_mut().filter(|version| dropped.contains(&version.0.get(LE))) {
            version.0.set(LE, VER_NDX_GLOBAL);
        }
        versions.iter().map(|version| version.0.get(LE)).collect()
    };
    // What nobody defines any more must not keep the program from its start.
    let symbols: &mut [Sym64<LE>] = tables.symbols.items(&mut file)?;
    for (symbol, version) in symbols.iter_mut().zip(versions) {
        if symbol.st_shndx.get(LE) == 0 && version <= VER_NDX_GLOBAL {
            symbol.st_info = (STB_WEAK << 4) | (symbol.st_info & 0xf);
        }
    }
    Ok(file)
}

/// Takes the libraries out of the list of versions that are needed, and returns the indices of these versions.
fn drop_versions(file: &mut [u8], tables: &Tables) -> Result<Vec<u16>> {
    let place = tables.needed_versions;
    let mut dropped = Vec::new();
    let mut kept: Vec<usize> = Vec::new();
    let mut at = 0;
    loop {
        let need: Verneed<LE> = *place.item(file, at)?;
        if tables.is_client(need.vn_file.get(LE).into()) {
            let mut aux_at = at + need.vn_aux.get(LE) as usize;
            for _ in 0..need.vn_cnt.get(LE) {
                let aux: Vernaux<LE> = *place.item(file, aux_at)?;
                dropped.push(aux.vna_other.get(LE));
                aux_at += aux.vna_next.get(LE) as usize;
            }
        } else {
            kept.push(at);
        }
        match need.vn_next.get(LE) {
            0 => break,
            next => at += next as usize,
        }
    }
    for (index, &at) in kept.iter().enumerate() {
        let next = kept.get(index + 1).map_or(0, |next| next - at);
        place.item::<Verneed<LE>>(file, at)?.vn_next.set(LE, u32::try_from(next)?);
    }
    let first = kept.first().context("no library with versions is left")?;
    for entry in tables.dynamic.items::<Dyn64<LE>>(file)? {
        match u32::try_from(entry.d_tag.get(LE)) {
            Ok(DT_VERNEED) => entry.d_val.set(LE, place.address + *first as u64),
            Ok(DT_VERNEEDNUM) => entry.d_val.set(LE, kept.len() as u64),
            _ => {}
        }
    }
    Ok(dropped)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_fio_without_clients_starts_and_needs_none_of_them() {
        let dir = tempfile::tempdir().unwrap();
        let lean = dir.path().join("fio");
        let fio = super::super::find("fio", "fio").unwrap();
        let needs_clients = super::super::libraries(&fio).unwrap().iter().any(|library| {
            CLIENTS.iter().any(|client| library.file_name().unwrap().to_string_lossy().starts_with(client))
        });
        let before = std::fs::read(fio).unwrap();
        let after = without_clients(&before).unwrap();
        assert_eq!(before != after, needs_clients);
        std::fs::write(&lean, after).unwrap();
        std::fs::set_permissions(&lean, std::fs::Permissions::from_mode(0o755)).unwrap();
        let libraries = super::super::libraries(&lean).unwrap();
        assert!(libraries.iter().any(|library| library.to_string_lossy().contains("libc.so")));
        for client in CLIENTS {
            assert!(!libraries.iter().any(|library| library.to_string_lossy().contains(client)), "{libraries:?}");
        }
        let file = dir.path().join("data");
        let job = ["--name=t", "--size=64k", "--rw=randrw", "--verify=crc32c", "--minimal"];
        let filename = format!("--filename={}", file.display());
        let run = Command::new(&lean).args(job).arg(filename).current_dir(dir.path()).output().unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    }

    #[test]
    fn what_is_no_program_is_refused() {
        assert!(without_clients(b"#!/bin/sh\n").is_err());
    }
}
