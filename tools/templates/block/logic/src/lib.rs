// SPDX-License-Identifier: GPL-2.0

//! What the module needs no kernel for. The module compiles the same files.

#![no_std]

pub mod place;
