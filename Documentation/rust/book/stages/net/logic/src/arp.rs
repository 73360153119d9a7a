// SPDX-License-Identifier: GPL-2.0

//! Answers to who asks for the Ethernet address of a neighbour (RFC 826).

/// Where what is looked at is in a frame: the type, the kind of addresses, what is wanted, and two
/// pairs of addresses.
const TYPE: usize = 12;
const FORMAT: usize = 14;
const OPERATION: usize = 20;
const SENDER: usize = 22;
const TARGET: usize = 32;
const END: usize = 42;

/// ARP.
const TYPE_ARP: [u8; 2] = [0x08, 0x06];
/// Ethernet addresses, which are 6 bytes long, and IPv4 addresses, which are 4.
const FORMAT_IPV4: [u8; 6] = [0, 1, 0x08, 0x00, 6, 4];
const REQUEST: [u8; 2] = [0, 1];
const REPLY: [u8; 2] = [0, 2];

/// The Ethernet address that an IPv4 address has here.
fn address(ip: [u8; 4]) -> [u8; 6] {
    let [a, b, c, d] = ip;

    [0x02, 0x00, a, b, c, d]
}

/// Makes the answer out of a request. Returns whether it was one.
pub fn answer(frame: &mut [u8]) -> bool {
    let Some(frame) = frame.first_chunk_mut::<END>() else {
        return false;
    };

    let is_request = frame[TYPE..FORMAT] == TYPE_ARP
        && frame[FORMAT..OPERATION] == FORMAT_IPV4
        && frame[OPERATION..SENDER] == REQUEST;

    if !is_request {
        return false;
    }

    let mut wanted = [0; 4];

    wanted.copy_from_slice(&frame[TARGET + 6..END]);
    // Who has asked becomes the target, and who was asked for the sender.
    frame.copy_within(SENDER..TARGET, TARGET);
    frame.copy_within(6..12, 0);
    frame[6..12].copy_from_slice(&address(wanted));
    frame[OPERATION..SENDER].copy_from_slice(&REPLY);
    frame[SENDER..SENDER + 6].copy_from_slice(&address(wanted));
    frame[SENDER + 6..TARGET].copy_from_slice(&wanted);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKER: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const ASKERS_IP: [u8; 4] = [192, 0, 2, 1];
    const WANTED_IP: [u8; 4] = [192, 0, 2, 77];

    fn request() -> [u8; 60] {
        let mut frame = [0; 60];
        let parts: [&[u8]; 9] = [
            &[0xff; 6],
            &ASKER,
            &TYPE_ARP,
            &FORMAT_IPV4,
            &REQUEST,
            &ASKER,
            &ASKERS_IP,
            &[0; 6],
            &WANTED_IP,
        ];
        let mut at = 0;

        for part in parts {
            frame[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        frame
    }

    #[test]
    fn the_answer_is_for_who_has_asked_and_names_who_was_asked_for() {
        let mut frame = request();

        assert!(answer(&mut frame));
        assert_eq!(frame[..6], ASKER);
        assert_eq!(frame[6..12], [2, 0, 192, 0, 2, 77]);
        assert_eq!(frame[OPERATION..SENDER], REPLY);
        assert_eq!(frame[SENDER..SENDER + 6], [2, 0, 192, 0, 2, 77]);
        assert_eq!(frame[SENDER + 6..TARGET], WANTED_IP);
        assert_eq!(frame[TARGET..TARGET + 6], ASKER);
        assert_eq!(frame[TARGET + 6..END], ASKERS_IP);
    }

    #[test]
    fn what_is_no_request_is_left_as_it_is() {
        for place in [TYPE, FORMAT, FORMAT + 5, OPERATION + 1] {
            let mut frame = request();

            frame[place] ^= 0x40;
            let before = frame;

            assert!(!answer(&mut frame), "{place}");
            assert_eq!(frame, before);
        }
        assert!(!answer(&mut request()[..END - 1]));
        assert!(answer(&mut request()[..END]));
        assert!(!answer(&mut []));
    }
}
