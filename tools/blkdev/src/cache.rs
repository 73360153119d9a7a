// SPDX-License-Identifier: GPL-2.0

//! A cache that forgets when the power goes: for each sector that was written since the last flush, what it held
//! before.

use std::collections::BTreeMap;

use fastrand::Rng;

use crate::store::{SECTOR, Store};

/// What may be lost.
#[derive(Debug, Default)]
pub struct Cache(BTreeMap<u64, Vec<Vec<u8>>>);

impl Cache {
    /// Notes what `sectors` sectors from `sector` on hold, which are about to be written.
    pub fn note(&mut self, store: &Store, sector: u64, sectors: u64) {
        for at in sector..sector.saturating_add(sectors) {
            if let Some(bytes) = store.bytes(at, SECTOR as usize) {
                self.0.entry(at).or_default().push(bytes.to_vec());
            }
        }
    }

    /// What was written will last.
    pub fn flush(&mut self) {
        self.0.clear();
    }

    /// How many sectors may be lost.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing can be lost.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Loses a part: each sector holds what it held at one of the moments since the last flush. Returns how many
    /// sectors lost something.
    pub fn lose(&mut self, store: &mut Store, seed: u64) -> usize {
        let mut rng = Rng::with_seed(seed);
        // Whole cuts differ in how much reached the medium.
        let kept = rng.usize(0..=100);
        let mut lost = 0;
        for (sector, before) in std::mem::take(&mut self.0) {
            if rng.usize(0..100) < kept {
                continue;
            }
            let bytes = &before[rng.usize(0..before.len())];
            if let Some(place) = store.bytes_mut(sector, bytes.len()) {
                place.copy_from_slice(bytes);
                lost += 1;
            }
        }
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(cache: &mut Cache, store: &mut Store, sector: u64, byte: u8) {
        cache.note(store, sector, 1);
        store.bytes_mut(sector, 512).unwrap().fill(byte);
    }

    #[test]
    fn what_was_flushed_stays_and_the_rest_may_go_sector_by_sector() {
        let (mut lost, mut kept) = (0, 0);
        for seed in 0..50 {
            let (mut cache, mut store) = (Cache::default(), Store::new(16));
            write(&mut cache, &mut store, 0, 1);
            cache.flush();
            for sector in 1..16 {
                write(&mut cache, &mut store, sector, 2);
            }
            assert_eq!(cache.len(), 15);
            lost += cache.lose(&mut store, seed);
            assert!(cache.is_empty());
            assert_eq!(store.bytes(0, 512).unwrap(), [1; 512]);
            for sector in 1..16 {
                let bytes = store.bytes(sector, 512).unwrap();
                assert!(bytes == [0; 512] || bytes == [2; 512]);
                kept += usize::from(bytes == [2; 512]);
            }
        }
        assert!(lost > 100 && kept > 100, "{lost} lost, {kept} kept");
    }

    #[test]
    fn a_sector_may_fall_back_to_any_of_its_contents_since_the_flush() {
        let found: std::collections::BTreeSet<u8> = (0..100)
            .map(|seed| {
                let (mut cache, mut store) = (Cache::default(), Store::new(1));
                for byte in 1..=3 {
                    write(&mut cache, &mut store, 0, byte);
                }
                cache.lose(&mut store, seed);
                store.bytes(0, 1).unwrap()[0]
            })
            .collect();
        assert_eq!(found, [0, 1, 2, 3].into());
    }

    #[test]
    fn the_same_seed_loses_the_same() {
        let lose = |seed| {
            let (mut cache, mut store) = (Cache::default(), Store::new(64));
            (0..64).for_each(|sector| write(&mut cache, &mut store, sector, 9));
            cache.lose(&mut store, seed);
            store.bytes(0, 64 * 512).unwrap().to_vec()
        };
        assert_eq!(lose(7), lose(7));
        assert_ne!(lose(7), lose(8));
    }
}
