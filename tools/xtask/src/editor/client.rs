// SPDX-License-Identifier: GPL-2.0
//! A client of the language server protocol: what an editor asks, and nothing of what it shows.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// How long an answer may take; the first ones wait until the server has read the kernel.
const PATIENCE: Duration = Duration::from_secs(300);

/// A running server.
pub struct Client {
    child: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    options: Value,
    last: u64,
    is_ready: bool,
}

impl Client {
    /// Starts a server for the crates that `options` describe, in the directory `root`.
    ///
    /// # Errors
    ///
    /// It cannot be started, or does not answer.
    pub fn start(program: &Path, root: &Path, options: Value, log: &Path) -> Result<Self> {
        let mut child = Command::new(program)
            .current_dir(root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(log).with_context(|| format!("cannot write {}", log.display()))?)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("the server has no pipes");
        };
        let (sender, messages) = channel();
        thread::spawn(move || receive(BufReader::new(output), &sender));
        let mut client = Self { child, input, messages, options: options.clone(), last: 0, is_ready: false };
        let capabilities = json!({
            "experimental": { "serverStatusNotification": true },
            "textDocument": { "diagnostic": {}, "hover": { "contentFormat": ["plaintext"] } },
            "workspace": { "configuration": true },
        });
        client.ask(
            "initialize",
            json!({
                "processId": std::process::id(), "rootUri": uri(root), "capabilities": capabilities,
                "initializationOptions": options,
            }),
        )?;
        client.tell("initialized", json!({}))?;
        Ok(client)
    }

    /// Waits until the server has read everything.
    ///
    /// # Errors
    ///
    /// It does not come to an end, or has ended.
    pub fn wait(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !self.is_ready {
            self.take(deadline)?;
        }
        Ok(())
    }

    /// Opens a document.
    ///
    /// # Errors
    ///
    /// The server has ended.
    pub fn open(&mut self, path: &Path, text: &str) -> Result<()> {
        let document = json!({ "uri": uri(path), "languageId": "rust", "version": 1, "text": text });
        self.tell("textDocument/didOpen", json!({ "textDocument": document }))
    }

    /// Asks something, and waits for the answer.
    ///
    /// # Errors
    ///
    /// The server refuses, does not answer, or has ended.
    pub fn ask(&mut self, method: &str, params: Value) -> Result<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.last += 1;
            let id = self.last;
            self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))?;
            let answer = loop {
                let message = self.take(deadline)?;
                if message["id"] == json!(id) && message.get("method").is_none() {
                    break message;
                }
            };
            let error = &answer["error"];
            // It has read more meanwhile, and wants to be asked again.
            const CHANGED: i64 = -32801;
            if error["code"].as_i64() == Some(CHANGED) {
                continue;
            }
            if !error.is_null() {
                bail!("{method}: {}", error["message"].as_str().unwrap_or("refused"));
            }
            return Ok(answer["result"].clone());
        }
    }

    /// Takes the next message; what the server asks is answered.
    fn take(&mut self, deadline: Instant) -> Result<Value> {
        let left = deadline.saturating_duration_since(Instant::now());
        let message = self.messages.recv_timeout(left).context("the server does not answer, or has ended")?;
        match (message["method"].as_str(), message.get("id")) {
            (Some("experimental/serverStatus"), _) => {
                self.is_ready = message["params"]["quiescent"] == json!(true);
            }
            (Some(method), Some(id)) => {
                let count = message["params"]["items"].as_array().map_or(0, Vec::len);
                let result = match method {
                    "workspace/configuration" => Value::Array(vec![self.options.clone(); count]),
                    _ => Value::Null,
                };
                self.send(&json!({ "jsonrpc": "2.0", "id": id, "result": result }))?;
            }
            _ => {}
        }
        Ok(message)
    }

    fn tell(&mut self, method: &str, params: Value) -> Result<()> {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }))
    }

    fn send(&mut self, message: &Value) -> Result<()> {
        let text = message.to_string();
        write!(self.input, "Content-Length: {}\r\n\r\n{text}", text.len()).context("the server has ended")?;
        self.input.flush().context("the server has ended")
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // It is of no use any more, whatever it thinks of that.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Passes messages on until the server ends.
fn receive(mut output: impl BufRead, messages: &Sender<Value>) {
    while let Some(message) = message(&mut output) {
        if messages.send(message).is_err() {
            return;
        }
    }
}

/// The next message of a stream: lines of a head, an empty line, and so many bytes.
fn message(stream: &mut impl BufRead) -> Option<Value> {
    let mut length = None;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => length = line.strip_prefix("Content-Length: ").map_or(length, |text| text.parse().ok()),
        }
    }
    let mut body = Vec::new();
    stream.take(length?).read_to_end(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}

/// A file as the protocol names it.
pub fn uri(path: &Path) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(byte);
    let text: String = path
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .map(|byte| if is_plain(byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    format!("file://{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_taken_one_by_one() {
        let text = b"Content-Length: 8\r\nContent-Type: x\r\n\r\n{\"a\": 1}Content-Length: 2\r\n\r\n{}";
        let mut stream = BufReader::new(&text[..]);
        assert_eq!(message(&mut stream), Some(json!({ "a": 1 })));
        assert_eq!(message(&mut stream), Some(json!({})));
        assert_eq!(message(&mut stream), None);
    }

    #[test]
    fn what_is_not_plain_in_a_path_is_written_as_a_number() {
        assert_eq!(uri(Path::new("/a b/c.rs")), "file:///a%20b/c.rs");
    }
}
