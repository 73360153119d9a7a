// SPDX-License-Identifier: GPL-2.0

//! Telling the driver that the configuration has changed.
//!
//! The message goes through the socket that the front end hands over for requests of the back end. The vhost crate
//! keeps it and knows other messages only, so the descriptor is found among those of this process: it is the only
//! socket that appears between two messages of the front end.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Write};
use std::os::fd::RawFd;
use std::os::unix::net::UnixStream;

use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use vhost::vhost_user::Backend;

/// `VHOST_USER_BACKEND_CONFIG_CHANGE_MSG`, version 1, without a body.
const CONFIG_CHANGED: [u32; 3] = [2, 1, 0];

/// The sockets that are open before the front end hands over its own.
#[derive(Debug, Default)]
pub struct Before(HashSet<RawFd>);

impl Before {
    /// Those that are open now.
    ///
    /// # Errors
    ///
    /// There is no `/proc`.
    pub fn now() -> io::Result<Self> {
        Ok(Self(sockets()?.collect()))
    }

    /// The channel, right after it was handed over as `backend`.
    ///
    /// # Errors
    ///
    /// It is not found.
    pub fn channel(&self, backend: Backend) -> io::Result<Channel> {
        let mut new = sockets()?.filter(|fd| !self.0.contains(fd));
        let (Some(fd), None) = (new.next(), new.next()) else {
            return Err(io::Error::other("the socket of the front end cannot be told from others"));
        };
        let this = pidfd_open(getpid(), PidfdFlags::empty())?;
        let socket = UnixStream::from(pidfd_getfd(this, fd, PidfdGetfdFlags::empty())?);
        Ok(Channel { socket, _backend: backend })
    }
}

/// The way to the front end.
pub struct Channel {
    socket: UnixStream,
    /// Without it, the front end takes the device for gone.
    _backend: Backend,
}

impl Channel {
    /// Tells that the configuration has changed.
    ///
    /// # Errors
    ///
    /// The front end is gone.
    pub fn config_changed(&mut self) -> io::Result<()> {
        let message: Vec<u8> = CONFIG_CHANGED.iter().flat_map(|word| word.to_ne_bytes()).collect();
        self.socket.write_all(&message)
    }
}

/// The descriptors that are sockets.
fn sockets() -> io::Result<impl Iterator<Item = RawFd>> {
    let entries = fs::read_dir("/proc/self/fd")?.filter_map(Result::ok);
    let is_socket = |entry: &fs::DirEntry| {
        fs::read_link(entry.path()).is_ok_and(|target| target.to_string_lossy().starts_with("socket:"))
    };
    Ok(entries.filter(is_socket).filter_map(|entry| entry.file_name().to_str()?.parse().ok()))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn the_socket_that_was_handed_over_is_found() {
        let before = Before::now().unwrap();
        let (mut front_end, ours) = UnixStream::pair().unwrap();
        let fd = std::os::fd::AsRawFd::as_raw_fd(&front_end);
        // In the device, the other end is in another process.
        let before = Before(before.0.into_iter().chain([fd]).collect());
        let mut channel = before.channel(Backend::from_stream(ours)).unwrap();
        channel.config_changed().unwrap();
        let mut message = [0; 12];
        front_end.read_exact(&mut message).unwrap();
        assert_eq!(message[0], 2);
    }
}
