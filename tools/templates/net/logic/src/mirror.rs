// SPDX-License-Identifier: GPL-2.0

//! Frames that come back as if they were answers.

/// Where the addresses of an Ethernet header and of the IPv4 header behind it are. Checksums stay
/// right when two addresses change places: they are sums.
const ETHERNET_TO: usize = 0;
const ETHERNET_FROM: usize = 6;
const TYPE: usize = 12;
const IP_FROM: usize = 26;
const IP_TO: usize = 30;

const TYPE_IPV4: [u8; 2] = [0x08, 0x00];

/// Turns a frame around, so that it goes to who has sent it, from who it was for. Returns whether
/// that is possible: not for what is too short to be a frame, or was for a group.
pub fn turn(frame: &mut [u8]) -> bool {
    let is_for_group = frame.first().is_none_or(|byte| byte & 1 != 0);

    if is_for_group || !swap::<6>(frame, ETHERNET_TO, ETHERNET_FROM) {
        return false;
    }
    match frame.get(TYPE..TYPE + 2) {
        Some(kind) if kind == TYPE_IPV4 => swap::<4>(frame, IP_FROM, IP_TO),
        Some(_) => true,
        None => false,
    }
}

/// Lets `N` bytes at two places, the first one before the other, change places.
fn swap<const N: usize>(frame: &mut [u8], one: usize, other: usize) -> bool {
    let Some((before, behind)) = frame.split_at_mut_checked(other) else {
        return false;
    };

    match (before.get_mut(one..one + N), behind.get_mut(..N)) {
        (Some(one), Some(other)) => one.swap_with_slice(other),
        _ => return false,
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame for `to` from 1, whose bytes behind the header count up.
    fn frame(to: u8, kind: [u8; 2]) -> [u8; 40] {
        let mut frame = core::array::from_fn(|at| at as u8);

        frame[..6].fill(to);
        frame[6..12].fill(1);
        frame[12..14].copy_from_slice(&kind);
        frame
    }

    #[test]
    fn addresses_of_both_headers_change_places_and_nothing_else() {
        let before = frame(2, TYPE_IPV4);
        let mut after = before;

        assert!(turn(&mut after));
        assert_eq!(after[..6], before[6..12]);
        assert_eq!(after[6..12], before[..6]);
        assert_eq!(after[12..26], before[12..26]);
        assert_eq!(after[26..30], before[30..34]);
        assert_eq!(after[30..34], before[26..30]);
        assert_eq!(after[34..], before[34..]);
    }

    #[test]
    fn other_protocols_keep_their_bytes() {
        let before = frame(2, [0x86, 0xdd]);
        let mut after = before;

        assert!(turn(&mut after));
        assert_eq!(after[12..], before[12..]);
    }

    #[test]
    fn what_is_for_a_group_or_too_short_is_not_turned() {
        assert!(!turn(&mut frame(0xff, TYPE_IPV4)));
        for length in [0, 1, 11, 13, 33] {
            assert!(!turn(&mut frame(2, TYPE_IPV4)[..length]), "{length}");
        }
        assert!(turn(&mut frame(2, TYPE_IPV4)[..34]));
        assert!(turn(&mut frame(2, [0, 0])[..14]));
    }
}
