// SPDX-License-Identifier: GPL-2.0

//! Values go from one thread to another one, and none is lost.

use super::queue;
use crate::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
    workqueue, //
};

/// A value that counts how many there are.
struct Counted {
    number: u32,
    count: Arc<Atomic<u32>>,
}

impl Counted {
    fn new(number: u32, count: &Arc<Atomic<u32>>) -> Self {
        count.fetch_add(1, Relaxed);
        Self {
            number,
            count: count.clone(),
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Relaxed);
    }
}

#[kunit_tests(rust_sync_spsc)]
mod cases {
    use super::*;

    #[test]
    fn values_arrive_in_order_and_once() -> Result {
        const VALUES: u32 = 2000;

        let count = Arc::new(Atomic::new(0), GFP_KERNEL)?;
        let its_count = count.clone();
        let (mut producer, mut consumer) = queue(8, GFP_KERNEL)?;

        workqueue::system_unbound().try_spawn(GFP_KERNEL, move || {
            for number in 0..VALUES {
                let mut value = Counted::new(number, &its_count);

                while let Err(back) = producer.push(value) {
                    value = back;
                    fsleep(Delta::from_micros(20));
                }
            }
        })?;

        for expected in 0..VALUES {
            let mut patience = 100_000;

            while consumer.front().is_none() && patience > 0 {
                patience -= 1;
                fsleep(Delta::from_micros(20));
            }
            assert_eq!(consumer.front().map(|value| value.number), Some(expected));
            assert_eq!(consumer.pop().map(|value| value.number), Some(expected));
        }
        assert!(consumer.pop().is_none());
        assert_eq!(count.load(Relaxed), 0);
        Ok(())
    }

    #[test]
    fn what_is_left_goes_with_the_last_end() -> Result {
        let count = Arc::new(Atomic::new(0), GFP_KERNEL)?;
        let (mut producer, mut consumer) = queue(3, GFP_KERNEL)?;

        // Around the end of the places.
        for number in 0..6 {
            assert!(producer.push(Counted::new(number, &count)).is_ok());
            if number < 3 {
                assert_eq!(consumer.pop().map(|value| value.number), Some(number));
            }
        }
        assert_eq!(count.load(Relaxed), 3);
        drop(consumer);
        assert_eq!(count.load(Relaxed), 3);
        // Nobody takes it out.
        assert!(producer.push(Counted::new(6, &count)).is_ok());
        assert!(producer.push(Counted::new(7, &count)).is_err());
        assert_eq!(count.load(Relaxed), 4);
        drop(producer);
        assert_eq!(count.load(Relaxed), 0);
        Ok(())
    }

    #[test]
    fn a_value_is_changed_where_it_is_by_one_end_at_a_time() -> Result {
        let count = Arc::new(Atomic::new(0), GFP_KERNEL)?;
        let (mut producer, mut consumer) = queue(2, GFP_KERNEL)?;

        // Around the end of the places.
        for number in 0..5 {
            let vacancy = producer.vacancy().ok_or(EINVAL)?;
            let mut filled = vacancy.fill(Counted::new(0, &count));

            filled.number = number;
            assert!(consumer.front_mut().is_none());
            filled.publish();

            let mut front = consumer.front_mut().ok_or(EINVAL)?;

            assert_eq!(front.number, number);
            front.number += 10;
            // It stays, as it was not removed.
            assert_eq!(
                consumer.front().map(|value| value.number),
                Some(number + 10)
            );
            assert_eq!(count.load(Relaxed), 1);
            if number % 2 == 0 {
                consumer.front_mut().ok_or(EINVAL)?.remove();
            } else {
                assert_eq!(consumer.pop().map(|value| value.number), Some(number + 10));
            }
            assert_eq!(count.load(Relaxed), 0);
        }
        assert!(consumer.front_mut().is_none());
        Ok(())
    }

    #[test]
    fn a_value_that_is_not_published_goes_and_its_place_is_free() -> Result {
        let count = Arc::new(Atomic::new(0), GFP_KERNEL)?;
        let (mut producer, consumer) = queue(2, GFP_KERNEL)?;

        for number in 0..5 {
            let vacancy = producer.vacancy().ok_or(EINVAL)?;
            let filled = vacancy.fill(Counted::new(number, &count));

            assert_eq!(count.load(Relaxed), 1);
            drop(filled);
            assert_eq!(count.load(Relaxed), 0);
            assert!(consumer.front().is_none());
        }
        assert!(producer.push(Counted::new(5, &count)).is_ok());
        assert!(producer.push(Counted::new(6, &count)).is_ok());
        assert!(producer.vacancy().is_none());
        Ok(())
    }
}
