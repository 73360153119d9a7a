// SPDX-License-Identifier: GPL-2.0

//! The data, in memory.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

/// Bytes of a sector.
pub const SECTOR: u64 = 512;
/// Bytes that are left out of a file if they are zeroes.
const HOLE: usize = 4096;

/// Memory that holds the sectors of a device. What was never written costs nothing.
#[derive(Debug)]
pub struct Store(Vec<u8>);

impl Store {
    /// Zeroes.
    ///
    /// # Panics
    ///
    /// There cannot be so much memory.
    pub fn new(sectors: u64) -> Self {
        Self(vec![0; bytes(sectors).expect("a device that fits into memory")])
    }

    /// What a file holds, and zeroes behind it.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or has more than so many sectors.
    pub fn load(file: &Path, sectors: u64) -> io::Result<Self> {
        let mut store = Self(fs::read(file)?);
        if store.sectors() > sectors {
            return Err(io::Error::other(format!("it has {} sectors, more than {sectors}", store.sectors())));
        }
        store.resize(sectors);
        Ok(store)
    }

    /// Writes all to a file, with holes where there are zeroes.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn save(&self, file: &Path) -> io::Result<()> {
        let mut out = File::create(file)?;
        for block in self.0.chunks(HOLE) {
            if block.iter().any(|byte| *byte != 0) {
                out.write_all(block)?;
            } else {
                out.seek(SeekFrom::Current(block.len() as i64))?;
            }
        }
        out.set_len(self.0.len() as u64)
    }

    /// The number of sectors.
    pub fn sectors(&self) -> u64 {
        self.0.len() as u64 / SECTOR
    }

    /// Adds zeroes at the end, or cuts it off.
    ///
    /// # Panics
    ///
    /// There cannot be so much memory.
    pub fn resize(&mut self, sectors: u64) {
        self.0.resize(bytes(sectors).expect("a device that fits into memory"), 0);
    }

    /// `len` bytes from `sector` on; none if there are fewer.
    pub fn bytes(&self, sector: u64, len: usize) -> Option<&[u8]> {
        let start = bytes(sector)?;
        self.0.get(start..start.checked_add(len)?)
    }

    /// `len` bytes from `sector` on, to be written; none if there are fewer.
    pub fn bytes_mut(&mut self, sector: u64, len: usize) -> Option<&mut [u8]> {
        let start = bytes(sector)?;
        self.0.get_mut(start..start.checked_add(len)?)
    }
}

/// The length of `sectors` sectors.
pub fn bytes(sectors: u64) -> Option<usize> {
    sectors.checked_mul(SECTOR)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sectors_keep_what_was_written() {
        let mut store = Store::new(4);
        store.bytes_mut(1, 512).unwrap().fill(7);
        assert_eq!(store.bytes(1, 512).unwrap(), [7; 512]);
        assert_eq!(store.bytes(2, 512).unwrap(), [0; 512]);
    }

    #[test]
    fn what_was_saved_is_loaded() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("store");
        let mut store = Store::new(64);
        store.bytes_mut(33, 512).unwrap().fill(7);
        store.save(&file).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().len(), 64 * 512);
        let loaded = Store::load(&file, 128).unwrap();
        assert_eq!((loaded.sectors(), loaded.bytes(32, 1536)), (128, store.bytes(32, 1536)));
        assert!(Store::load(&file, 63).is_err());
    }

    #[test]
    fn behind_the_end_there_is_nothing() {
        let mut store = Store::new(4);
        assert!(store.bytes(3, 513).is_none());
        assert!(store.bytes(u64::MAX, 1).is_none());
        assert!(store.bytes_mut(1 << 60, 1).is_none());
        store.resize(8);
        assert_eq!(store.sectors(), 8);
        assert_eq!(store.bytes(7, 512).unwrap(), [0; 512]);
    }
}
