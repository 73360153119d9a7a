// SPDX-License-Identifier: GPL-2.0

//! A virtio block device for tests, behind a vhost-user socket. It really stores data, in memory, and does what
//! QEMU's device does not: zones, secure erase, a configuration space that makes no sense, and misbehaviour.
//!
//! User-mode Linux is attached by `virtio_uml.device=SOCKET:2`. Its transport passes all feature bits on, and the
//! rings are those of the rust-vmm crates, so what is left to write is the block device itself.
//!
//! | module | subject |
//! |---|---|
//! | [`options`], [`features`], [`config`] | what the device is, offers and says of itself |
//! | [`request`], [`status`], [`device`], [`report`] | requests and their outcomes, without rings |
//! | [`zones`] | zones and their write pointers |
//! | [`store`], [`cache`] | the data, and what of it is lost without power |
//! | [`fault`], [`lie`], [`conduct`], [`chaos`] | misbehaviour: of requests, of rings, of the device, and at random |
//! | [`command`] | what a test may ask for while the device runs |
//! | [`backend`], `serve`, [`ring`], [`notify`] | rings, and changes of the configuration |
//! | [`entropy`] | another device, which only gives random bytes |
//! | [`cli`] | the program |

#![forbid(unsafe_code)]

pub mod backend;
pub mod cache;
pub mod chaos;
pub mod cli;
pub mod command;
pub mod conduct;
pub mod config;
pub mod device;
pub mod entropy;
pub mod fault;
pub mod features;
pub mod lie;
pub mod notify;
pub mod options;
pub mod report;
pub mod request;
pub mod ring;
mod serve;
pub mod status;
pub mod store;
pub mod zones;
