// SPDX-License-Identifier: GPL-2.0

//! A virtio block device for tests, over vhost-user.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use blkdev::cli::{self, Cli};
use clap::Parser;

/// A virtio block device for tests, over vhost-user: zones, secure erase, odd limits, misbehaviour
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    cli: Cli,
}

fn main() -> ExitCode {
    match cli::run(&Arguments::parse().cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("blkdev: {error:#}");
            ExitCode::FAILURE
        }
    }
}
