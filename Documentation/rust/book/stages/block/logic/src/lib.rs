// SPDX-License-Identifier: GPL-2.0

//! What the stages need no kernel for.

#![no_std]

pub mod blocks;
pub mod parts;
pub mod place;
