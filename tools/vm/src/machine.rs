// SPDX-License-Identifier: GPL-2.0

//! The lowest layer: the virtual machines, what they are made of, and what runs them.
//!
//! | module | subject |
//! |---|---|
//! | [`host`] | the host, and the kernels that were built on it |
//! | [`accel`] | which accelerator really runs a guest here |
//! | [`image`] | the initramfs with the tools the guest scripts use |
//! | [`config`], [`disk`], [`nic`] | the QEMU command line |
//! | [`backend`] | processes beside QEMU that serve disks |
//! | [`qemu`], [`qmp`] | the running process, its sockets and its end; what it can be told |
//! | [`plugin`] | the files of the plugin that counts instructions |
//! | [`starvation`] | time that the host took from a machine |
//! | [`uml`] | a machine in user-mode Linux, and its devices |

use std::sync::mpsc::Receiver;

use anyhow::Result;

pub mod accel;
pub mod backend;
pub mod config;
pub mod disk;
pub mod host;
pub mod image;
pub mod nic;
pub mod plugin;
pub mod qemu;
pub mod qmp;
pub mod starvation;
pub mod uml;

pub use config::{CONSOLE_LOG, Config, Console, Machine};
pub use host::{Host, Kernel};

use qemu::Child;

/// A machine that runs, whatever it runs in.
pub trait Guest {
    /// The lines that the guest script prints; closed when the machine has ended.
    fn lines(&self) -> &Receiver<String>;

    /// Does what the guest script asks for, and sends it the answer.
    ///
    /// # Errors
    ///
    /// The machine is gone.
    fn serve(&mut self, request: &str) -> Result<()>;

    /// Looks after what does not come from the guest script.
    ///
    /// # Errors
    ///
    /// The machine has to be ended.
    fn tick(&mut self) -> Result<()>;

    /// The process.
    fn child(&mut self) -> &mut Child;

    /// What the process itself has to say about its end.
    fn last_words(&self) -> String;

    /// What the machine is at, seen from outside; asked when it is ended because it says nothing any more.
    fn state(&mut self) -> String;
}
