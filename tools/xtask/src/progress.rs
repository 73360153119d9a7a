// SPDX-License-Identifier: GPL-2.0
//! Long steps: what is being done and how far it is, with a full log behind it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use regex::Regex;

/// How often a step says that it is still alive when nobody watches a terminal.
const PLAIN_INTERVAL: Duration = Duration::from_secs(30);

/// How often the bar on a terminal moves.
const TICK: Duration = Duration::from_millis(200);

/// Lines shown of a log whose step failed.
const EXCERPT_LINES: usize = 40;

/// Announces a step.
pub fn say(text: &str) {
    println!("==> {text}");
}

/// A program whose output goes to a log while a bar shows how far it is.
#[derive(Debug)]
pub struct Step<'a> {
    /// What is being done, for the reader.
    pub title: &'a str,
    /// Receives everything the program prints.
    pub log: &'a Path,
    /// Which lines of the output count as one unit of work.
    pub counts: Option<fn(&str) -> bool>,
    /// How many such lines are expected, when that is known.
    pub expected: Option<u64>,
}

impl Step<'_> {
    /// Runs the program to its end and returns how many lines counted.
    ///
    /// # Errors
    ///
    /// The program cannot be started or fails. The last relevant lines of the log have been printed then.
    pub fn run(&self, command: &mut Command) -> Result<u64> {
        let log = File::create(self.log).with_context(|| format!("cannot write {}", self.log.display()))?;
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        let started = Instant::now();
        let log = Mutex::new(log);
        let count = thread::scope(|scope| {
            let (sender, receiver) = channel();
            let streams: [Option<Box<dyn Read + Send>>; 2] =
                [child.stdout.take().map(|s| Box::new(s) as _), child.stderr.take().map(|s| Box::new(s) as _)];
            for stream in streams.into_iter().flatten() {
                let (sender, log) = (sender.clone(), &log);
                scope.spawn(move || copy_lines(stream, log, &sender));
            }
            drop(sender);
            let mut meter = Meter::new(self, started);
            let mut count = 0;
            loop {
                match receiver.recv_timeout(TICK) {
                    Ok(line) => count += u64::from(self.counts.is_some_and(|counts| counts(&line))),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
                meter.show(count);
            }
            meter.finish();
            count
        });
        let status = child.wait()?;
        if !status.success() {
            return Err(self.failure(&status.to_string()));
        }
        say(&format!("{}: done in {}", self.title, clock(started.elapsed())));
        Ok(count)
    }

    fn failure(&self, status: &str) -> anyhow::Error {
        let text = read_lossy(self.log);
        let log = self.log.display();
        if text.contains("No space left on device") {
            return anyhow::anyhow!("{}: the disk is full; free some space or move BUILD= (log: {log})", self.title);
        }
        for line in excerpt(&text) {
            eprintln!("    {line}");
        }
        anyhow::anyhow!("{} failed ({status}); full log: {log}", self.title)
    }
}

/// Copies a stream to the log line by line and passes each line on.
fn copy_lines(stream: impl Read, log: &Mutex<File>, lines: &Sender<String>) {
    let mut reader = BufReader::new(stream);
    let mut buffer = Vec::new();
    while reader.read_until(b'\n', &mut buffer).is_ok_and(|length| length > 0) {
        if let Ok(mut log) = log.lock() {
            // A log on a full disk ends early; the program that filled the disk says so itself.
            let _ = log.write_all(&buffer);
        }
        let _ = lines.send(String::from_utf8_lossy(&buffer).trim_end().to_string());
        buffer.clear();
    }
}

/// A bar on a terminal, a line now and then elsewhere.
struct Meter<'a> {
    step: &'a Step<'a>,
    bar: Option<ProgressBar>,
    started: Instant,
    last: Instant,
}

impl<'a> Meter<'a> {
    fn new(step: &'a Step<'a>, started: Instant) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = step.expected.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
            let template = match (step.expected, step.counts) {
                (Some(_), _) => "{spinner} {msg} [{bar:30}] {pos}/{len} {elapsed}",
                (None, Some(_)) => "{spinner} {msg} {pos} {elapsed}",
                (None, None) => "{spinner} {msg} {elapsed}",
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.set_message(step.title.to_string());
            bar
        });
        if bar.is_none() {
            say(step.title);
        }
        Self { step, bar, started, last: started }
    }

    fn show(&mut self, count: u64) {
        if let Some(bar) = &self.bar {
            // A build with more to do than the last one had must not stand at 100 %.
            if bar.length().is_some_and(|length| count > length) {
                bar.set_length(count);
            }
            bar.set_position(count);
            bar.tick();
        } else if self.last.elapsed() >= PLAIN_INTERVAL {
            self.last = Instant::now();
            let done = match (self.step.expected, self.step.counts) {
                (Some(expected), _) => format!("{count} of about {expected}, "),
                (None, Some(_)) => format!("{count}, "),
                (None, None) => String::new(),
            };
            say(&format!("{}: {done}{}", self.step.title, clock(self.started.elapsed())));
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Minutes and seconds.
fn clock(time: Duration) -> String {
    format!("{}:{:02} min", time.as_secs() / 60, time.as_secs() % 60)
}

/// The text of a log, whatever bytes are in it.
pub fn read_lossy(path: &Path) -> String {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// The lines of a log that say why a step failed: the first errors with what follows them, or its end.
pub fn excerpt(text: &str) -> Vec<&str> {
    let Ok(relevant) = Regex::new(r"(?i)\b(error|fatal)(\[E\d+\])?:|undefined (symbol|reference)|\*\*\* ") else {
        return Vec::new();
    };
    let lines: Vec<&str> = text.lines().collect();
    match lines.iter().position(|line| relevant.is_match(line)) {
        Some(first) => lines[first..].iter().take(EXCERPT_LINES).copied().collect(),
        None => lines[lines.len().saturating_sub(EXCERPT_LINES / 2)..].to_vec(),
    }
}

/// Runs a short program and returns what it printed on standard output.
///
/// # Errors
///
/// It cannot be started or fails; the message has what it printed on standard error.
pub fn output(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {program}"))?;
    if !output.status.success() {
        bail!("{program} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, log: &Path) -> Result<u64> {
        let counts: fn(&str) -> bool = |line| line.starts_with("CC");
        Step { title: "test", log, counts: Some(counts), expected: None }.run(Command::new("sh").args(["-c", script]))
    }

    #[test]
    fn counted_lines_and_log_hold_both_streams() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        assert_eq!(shell("echo CC one; echo CC two >&2; echo other", &log).unwrap(), 2);
        let text = read_lossy(&log);
        assert!(text.contains("CC one") && text.contains("CC two") && text.contains("other"), "{text}");
    }

    #[test]
    fn a_failure_names_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let error = shell("echo 'x.c:1: error: no'; exit 3", &log).unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.contains(log.to_str().unwrap()), "{error}");
    }

    #[test]
    fn a_full_disk_is_called_so() {
        let dir = tempfile::tempdir().unwrap();
        let error = shell("echo 'x: No space left on device'; exit 1", &dir.path().join("log")).unwrap_err();
        assert!(error.to_string().contains("the disk is full"), "{error}");
    }

    #[test]
    fn times_show_minutes_and_seconds() {
        assert_eq!(clock(Duration::from_secs(5)), "0:05 min");
        assert_eq!(clock(Duration::from_secs(671)), "11:11 min");
    }

    #[test]
    fn the_excerpt_begins_at_the_first_error() {
        let text = "CC a\nerror[E0277]: no\n  --> x.rs\nCC b\n";
        assert_eq!(excerpt(text), ["error[E0277]: no", "  --> x.rs", "CC b"]);
    }

    #[test]
    fn without_an_error_the_excerpt_is_the_end() {
        let text = "line\n".repeat(100) + "last\n";
        assert_eq!(excerpt(&text).last(), Some(&"last"));
        assert_eq!(excerpt(&text).len(), EXCERPT_LINES / 2);
    }
}
