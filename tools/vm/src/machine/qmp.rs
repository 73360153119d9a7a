// SPDX-License-Identifier: GPL-2.0

//! A client of QMP, the JSON protocol by which a running QEMU is controlled.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};

/// How long QEMU may take to answer a command.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// A connection to QEMU.
#[derive(Debug)]
pub struct Qmp {
    stream: UnixStream,
    messages: Receiver<Value>,
    events: VecDeque<Value>,
}

impl Qmp {
    /// Greets QEMU and leaves the negotiation mode.
    ///
    /// # Errors
    ///
    /// When QEMU does not answer as the protocol demands.
    pub fn connect(stream: UnixStream) -> Result<Self> {
        let messages = read_messages(stream.try_clone()?);
        let mut qmp = Self { stream, messages, events: VecDeque::new() };
        let greeting = qmp.receive(ANSWER_LIMIT)?.ok_or_else(|| anyhow!("QEMU does not greet"))?;
        if greeting.get("QMP").is_none() {
            bail!("not a QMP greeting: {greeting}");
        }
        qmp.execute("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Runs a command and returns what it returns.
    ///
    /// # Errors
    ///
    /// When QEMU refuses the command, does not answer, or is gone.
    pub fn execute(&mut self, command: &str, arguments: Value) -> Result<Value> {
        let request = json!({ "execute": command, "arguments": arguments });
        writeln!(self.stream, "{request}").context("QEMU can no longer be reached")?;
        let end = Instant::now() + ANSWER_LIMIT;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Some(mut message) = self.receive(left)? else { bail!("QEMU does not answer `{command}`") };
            if let Some(value) = message.get_mut("return") {
                return Ok(value.take());
            }
            if let Some(error) = message.get("error") {
                bail!("{command}: {}", error["desc"].as_str().unwrap_or("unknown error"));
            }
            self.events.push_back(message);
        }
    }

    /// The next event, if one has come.
    pub fn event(&mut self) -> Option<Value> {
        self.events.pop_front().or_else(|| self.messages.try_recv().ok())
    }

    /// Waits for the first event that `wanted` accepts; others that come meanwhile stay in line.
    ///
    /// # Errors
    ///
    /// When it does not come within `limit`, or QEMU is gone.
    pub fn wait_event(&mut self, limit: Duration, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let end = Instant::now() + limit;
        loop {
            if let Some(index) = self.events.iter().position(&wanted) {
                return self.events.remove(index).context("an event was lost");
            }
            let left = end.saturating_duration_since(Instant::now());
            let message = self.receive(left)?.ok_or_else(|| anyhow!("not done after {} s", limit.as_secs()))?;
            self.events.push_back(message);
        }
    }

    fn receive(&self, limit: Duration) -> Result<Option<Value>> {
        match self.messages.recv_timeout(limit) {
            Ok(message) => Ok(Some(message)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => bail!("QEMU has ended"),
        }
    }
}

fn read_messages(stream: UnixStream) -> Receiver<Value> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(std::io::Result::ok) {
            let Ok(message) = serde_json::from_str(&line) else { break };
            if sender.send(message).is_err() {
                break;
            }
        }
    });
    receiver
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A QEMU that says `lines`, whatever it is asked.
    pub(crate) fn scripted(lines: &str) -> Result<Qmp> {
        let (ours, mut theirs) = UnixStream::pair()?;
        write!(theirs, "{{\"QMP\": {{}}}}\n{{\"return\": {{}}}}\n{lines}")?;
        let qmp = Qmp::connect(ours);
        // Kept open until the reader has seen all lines.
        std::mem::forget(theirs);
        qmp
    }

    #[test]
    fn an_event_before_the_answer_is_kept() {
        let mut qmp = scripted("{\"event\": \"SUSPEND\"}\n{\"return\": 7}\n").unwrap();
        assert_eq!(qmp.execute("query-x", json!({})).unwrap(), json!(7));
        assert_eq!(qmp.event().unwrap()["event"], "SUSPEND");
        assert!(qmp.event().is_none());
    }

    #[test]
    fn a_refused_command_says_why() {
        let mut qmp = scripted("{\"error\": {\"class\": \"GenericError\", \"desc\": \"no such device\"}}\n").unwrap();
        assert_eq!(qmp.execute("device_del", json!({})).unwrap_err().to_string(), "device_del: no such device");
    }

    #[test]
    fn waiting_for_an_event_passes_others_by() {
        let mut qmp = scripted("{\"event\": \"A\"}\n{\"event\": \"B\"}\n").unwrap();
        let event = qmp.wait_event(Duration::from_secs(5), |e| e["event"] == "B").unwrap();
        assert_eq!(event["event"], "B");
        assert_eq!(qmp.event().unwrap()["event"], "A");
        assert!(qmp.wait_event(Duration::from_millis(10), |e| e["event"] == "B").is_err());
    }

    #[test]
    fn a_wrong_greeting_is_refused() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        writeln!(theirs, "{{\"return\": {{}}}}").unwrap();
        assert!(Qmp::connect(ours).is_err());
    }
}
