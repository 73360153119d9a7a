// SPDX-License-Identifier: GPL-2.0

//! The program: one device on one socket, for one driver.

use std::io::{Write, stdin, stdout};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use vhost::vhost_user::{Error as VhostError, Listener};
use vhost_user_backend::{Error, VhostUserBackend, VhostUserDaemon, VringRwLock};
use vm_memory::{GuestMemoryAtomic, GuestMemoryMmap};

use crate::backend::{Backend, Reply};
use crate::device::Device;
use crate::entropy::Entropy;
use crate::options::Options;

/// What is said when the socket can be connected to.
pub const READY: &str = "ready";

/// The option that asks for an entropy device.
pub const ENTROPY: &str = "--entropy";

/// The command line.
#[derive(Debug, Args)]
pub struct Cli {
    /// The socket to make
    #[arg(long)]
    pub socket: PathBuf,
    /// Be an entropy device, which the other options say nothing about
    #[arg(long)]
    pub entropy: bool,
    /// The device
    #[command(flatten)]
    pub options: Options,
}

/// Serves a device until its driver is gone or the standard input ends. Lines from there are commands, see
/// [`crate::command`]; each is answered by a line `ok …` or `error …`.
///
/// # Errors
///
/// The device cannot be made, or the connection breaks.
pub fn run(cli: &Cli) -> Result<()> {
    let memory = GuestMemoryAtomic::new(GuestMemoryMmap::new());
    if cli.entropy {
        let backend = Arc::new(Entropy::new(memory.clone()));
        return serve(&cli.socket, &backend, memory, |line| Err(anyhow!("unknown command `{line}`")));
    }
    let backend = Backend::new(Device::new(&cli.options)?, cli.options.queues, memory.clone());
    let commanded = Arc::clone(&backend);
    serve(&cli.socket, &backend, memory, move |line| commanded.command(line))
}

/// Serves the one driver that connects to the socket.
fn serve<B>(
    socket: &Path,
    backend: &Arc<B>,
    memory: GuestMemoryAtomic<GuestMemoryMmap>,
    command: impl Fn(&str) -> Result<Reply> + Send + 'static,
) -> Result<()>
where
    B: VhostUserBackend<Vring = VringRwLock, Bitmap = ()> + 'static,
{
    let mut listener = Listener::new(socket, true).with_context(|| format!("cannot listen on {}", socket.display()))?;
    let mut daemon = VhostUserDaemon::new("blkdev".into(), Arc::clone(backend), memory).map_err(error)?;
    thread::spawn(move || listen_to_commands(command));
    say(READY)?;
    daemon.start(&mut listener).map_err(error)?;
    match daemon.wait() {
        // The driver is gone, as it may be at any time.
        Err(Error::HandleRequest(VhostError::Disconnected | VhostError::PartialMessage)) => Ok(()),
        result => result.map_err(error),
    }
}

/// The crate's error, which is none for the standard library.
fn error(error: Error) -> anyhow::Error {
    anyhow!("{error}")
}

fn listen_to_commands(command: impl Fn(&str) -> Result<Reply>) {
    for line in stdin().lines().map_while(Result::ok) {
        let (answer, is_gone) = match command(&line) {
            Ok(Reply { answer, is_gone }) if answer.is_empty() => ("ok".to_owned(), is_gone),
            Ok(Reply { answer, is_gone }) => (format!("ok {answer}"), is_gone),
            Err(error) => (format!("error {error:#}").replace('\n', " "), false),
        };
        if say(&answer).is_err() || is_gone {
            break;
        }
    }
    // Nobody is left who wants this device.
    process::exit(0);
}

fn say(line: &str) -> std::io::Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
