// SPDX-License-Identifier: GPL-2.0

//! What a person sees of a boot: one line per case while it runs, the trouble in full, a summary at the end.

use std::cell::RefCell;
use std::io::{IsTerminal, Write, stdout};
use std::path::Path;
use std::time::Duration;

use crate::guest::fio::{self, Speed};
use crate::guest::iperf::{self, Rate};
use crate::guest::ktap::{Case, Tally, Verdict};
use crate::guest::logscan::Finding;
use crate::guest::transcript::Transcript;

/// Widest name in the tables.
const NAME: usize = 48;

/// Most lines that a case may say here; the rest is in the log of the guest script.
const DIAGNOSTICS: usize = 25;

/// Lines of a log that are shown when a machine did not come to its end.
const LAST_WORDS: usize = 12;

/// Prints to standard output.
#[derive(Debug)]
pub struct Report {
    terminal: bool,
    verbose: bool,
    /// What is not printed before the end.
    kept: Option<RefCell<String>>,
}

impl Report {
    /// A report; `verbose` shows also what passing cases had to say.
    pub fn new(verbose: bool) -> Self {
        Self { terminal: stdout().is_terminal(), verbose, kept: None }
    }

    /// A report that is printed in one piece when it is dropped, for a boot that is not the only one at a time.
    pub fn in_one_piece(verbose: bool) -> Self {
        Self { terminal: false, verbose, kept: Some(RefCell::default()) }
    }

    fn line(&self, line: impl AsRef<str>) {
        let line = line.as_ref();
        match &self.kept {
            None => println!("{line}"),
            Some(kept) => {
                let mut kept = kept.borrow_mut();
                kept.push_str(line);
                kept.push('\n');
            }
        }
    }

    /// A boot begins.
    pub fn boot(&self, name: &str, about: &str, machine: &str) {
        if self.kept.is_some() {
            println!("{name}: started");
        }
        self.line(format!("\n{name}: {about}\n  {machine}"));
    }

    /// A case begins. Shown only where the line can be overwritten.
    pub fn begin(&self, name: &str) {
        if self.terminal {
            print!("  ..    {name}");
            let _ = stdout().flush();
        }
    }

    fn clear(&self) {
        if self.terminal {
            print!("\r\x1b[K");
        }
    }

    /// A case has ended.
    pub fn case(&self, case: &Case) {
        self.clear();
        let (word, reason) = match &case.verdict {
            Verdict::Passed => ("ok   ", case.notes.join(", ")),
            Verdict::Failed => ("FAIL ", case.notes.join(", ")),
            Verdict::Skipped(why) => ("skip ", why.clone()),
        };
        let line = format!("  {word} {:NAME$} {:>7}  {reason}", case.name, seconds(case.duration));
        self.line(line.trim_end());
        if self.verbose || case.verdict == Verdict::Failed {
            let hidden = case.diagnostics.len().saturating_sub(DIAGNOSTICS);
            for line in &case.diagnostics[hidden..] {
                self.line(format!("          {line}"));
            }
        }
    }

    /// Something is wrong that is not a case of the guest script.
    pub fn trouble(&self, text: &str) {
        self.clear();
        self.line(format!("  FAIL  {text}"));
    }

    /// What only someone who asked for more wants to see.
    pub fn detail(&self, text: &str) {
        if self.verbose {
            self.line(text);
        }
    }

    /// A boot is made once more: why, and where the first one's log is.
    pub fn again(&self, why: &str, log: &Path) {
        self.clear();
        self.line(format!("  again {why}; its log: {}", log.display()));
    }

    /// Lines that were made elsewhere.
    pub fn lines(&self, lines: &[String]) {
        for line in lines {
            self.line(line);
        }
    }

    /// The judgement of the kernel log.
    pub fn log(&self, findings: &[Finding], console: &Path) {
        self.clear();
        if findings.is_empty() {
            self.line("  ok    the kernel log has no complaint");
            return;
        }
        self.line(format!("  FAIL  the kernel log has {} complaint(s), see {}", findings.len(), console.display()));
        // The first one is the cause more often than not, so it is the one shown in full.
        for (index, finding) in findings.iter().enumerate() {
            self.line(format!("        line {}: {}", finding.line, finding.what));
            let shown = if index == 0 { finding.context.len() } else { finding.context.len().min(3) };
            for line in &finding.context[..shown] {
                self.line(format!("          {line}"));
            }
        }
    }

    /// The machine did not come to its end: why, during which case, and the last that was heard.
    pub fn died(&self, why: &str, transcript: &Transcript, console: &Path, log: &str) {
        match &transcript.current {
            Some(case) => self.trouble(&format!("{why}, in the case `{case}`")),
            None => self.trouble(why),
        }
        for line in &transcript.diagnostics {
            self.line(format!("          {line}"));
        }
        self.tail(console, log);
    }

    /// The last lines of a log.
    pub fn tail(&self, console: &Path, log: &str) {
        let lines: Vec<&str> = log.lines().collect();
        self.line(format!("        the kernel's last words, from {}:", console.display()));
        for line in &lines[lines.len().saturating_sub(LAST_WORDS)..] {
            self.line(format!("          {}", line.trim_end()));
        }
    }

    /// A table of speeds.
    pub fn speeds(&self, speeds: &[Speed]) {
        self.table(&fio::table(speeds));
    }

    /// A table of rates.
    pub fn rates(&self, rates: &[Rate]) {
        self.table(&iperf::table(rates));
    }

    fn table(&self, lines: &[String]) {
        if !lines.is_empty() {
            self.line("");
        }
        for line in lines {
            self.line(format!("  {line}"));
        }
    }

    /// The end of one or several boots.
    pub fn summary(&self, what: &str, tally: Tally, duration: Duration) {
        let skipped = if tally.skipped > 0 { format!(", {} skipped", tally.skipped) } else { String::new() };
        let verdict = if tally.success() { "PASSED" } else { "FAILED" };
        self.line(format!(
            "\n{what}: {verdict}: {} passed, {} failed{skipped} in {}",
            tally.passed,
            tally.failed,
            seconds(duration)
        ));
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        if let Some(kept) = &self.kept {
            print!("{}", kept.borrow());
            let _ = stdout().flush();
        }
    }
}

/// A duration as a person reads it.
pub fn seconds(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 100.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{} min {:02} s", seconds as u64 / 60, seconds as u64 % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_readable() {
        assert_eq!(seconds(Duration::from_millis(1234)), "1.2 s");
        assert_eq!(seconds(Duration::from_secs(754)), "12 min 34 s");
    }
}
