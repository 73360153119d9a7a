// SPDX-License-Identifier: GPL-2.0

//! Several machines at a time.

use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::Result;

use crate::machine::Host;

/// Makes something of each of `things`, as many at a time as the host is for, and returns what came in their order.
///
/// # Errors
///
/// The first error; the others are made nevertheless.
pub(crate) fn each<T: Sync, R: Send>(
    host: &Host,
    things: &[T],
    make: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let waiting = Mutex::new(things.iter().enumerate());
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
    let made = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..host.at_once.min(things.len()) {
            scope.spawn(|| {
                while let Some((index, thing)) = next() {
                    let result = make(thing);
                    made.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
                }
            });
        }
    });
    let mut made = made.into_inner().unwrap_or_else(PoisonError::into_inner);
    made.sort_by_key(|(index, _)| *index);
    made.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use anyhow::bail;

    use super::*;

    #[test]
    fn what_was_made_side_by_side_is_in_order_and_no_error_is_lost() {
        for at_once in [1, 2, 8] {
            let host = Host { at_once, ..Host::new(Path::new("/r"), Path::new("/w")) };
            let double = |number: &u32| if *number == 9 { bail!("not nine") } else { Ok(number * 2) };
            assert_eq!(each(&host, &[3, 1, 2], double).unwrap(), [6, 2, 4]);
            assert_eq!(each(&host, &[3, 9, 2], double).unwrap_err().to_string(), "not nine");
        }
    }
}
