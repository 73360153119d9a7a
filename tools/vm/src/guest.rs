// SPDX-License-Identifier: GPL-2.0

//! What a guest says, and what it may ask for.
//!
//! | module | subject |
//! |---|---|
//! | [`control`], [`transcript`], [`ktap`], [`fio`], [`iperf`] | what a guest script prints, and what it amounts to |
//! | [`hostcmd`] | what a guest script may ask of the host: hot-plug, resize, wake-up |
//! | [`logscan`] | what must not be in a kernel log |
//! | [`early`] | a boot that ends or stands still before user space |

pub mod control;
pub mod early;
pub mod fio;
pub mod hostcmd;
pub mod iperf;
pub mod ktap;
pub mod logscan;
pub mod transcript;
