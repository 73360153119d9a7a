// SPDX-License-Identifier: GPL-2.0

//! What a guest script has said so far, line by line, made into cases.

use std::mem::take;
use std::time::{Duration, Instant};

use crate::guest::control::Line;
use crate::guest::fio::{self, Speed};
use crate::guest::iperf::Rate;
use crate::guest::ktap::{Case, Cases, Verdict};

/// What has to be done about a line.
#[derive(Debug)]
pub enum Heard<'a> {
    /// Nothing.
    Nothing,
    /// A case began.
    Began(&'a str),
    /// A case ended.
    Ended(&'a Case),
    /// The guest waits for the answer to this request.
    Asked(String),
    /// The guest goes down, and the machine must have ended by then.
    GoesDown(Duration),
}

/// The script's story.
#[derive(Debug)]
pub struct Transcript {
    /// Cases planned and ended.
    pub cases: Cases,
    /// Speeds measured.
    pub speeds: Vec<Speed>,
    /// Rates measured.
    pub rates: Vec<Rate>,
    /// Facts for whoever evaluates this boot.
    pub data: Vec<String>,
    /// Whether the script came to its end.
    pub done: bool,
    /// The case that has begun and not ended.
    pub current: Option<String>,
    /// What it, or nobody in particular, has said.
    pub diagnostics: Vec<String>,
    notes: Vec<String>,
    start: Instant,
    /// Since when the guest goes down, and what must then be in the kernel's log.
    going_down: Option<(Instant, String)>,
}

impl Default for Transcript {
    fn default() -> Self {
        Self {
            cases: Cases::default(),
            speeds: Vec::new(),
            rates: Vec::new(),
            data: Vec::new(),
            done: false,
            current: None,
            diagnostics: Vec::new(),
            notes: Vec::new(),
            start: Instant::now(),
            going_down: None,
        }
    }
}

impl Transcript {
    /// Takes in one line.
    pub fn hear(&mut self, line: &str) -> Heard<'_> {
        match Line::parse(line) {
            Line::Plan(count) => *self.cases.planned.get_or_insert(0) += count,
            Line::Begin(name) => {
                self.start = Instant::now();
                self.notes.clear();
                self.diagnostics.clear();
                return Heard::Began(self.current.insert(name));
            }
            Line::Note(text) => self.notes.push(text),
            Line::Diagnostic(text) | Line::Other(text) => self.diagnostics.push(text),
            Line::Result { ok, name, skip } => return self.end(ok, name, skip),
            Line::Host(request) => return Heard::Asked(request),
            Line::Fio(line) => self.speeds.extend(fio::parse(&line)),
            Line::Iperf(line) => self.rates.extend(Rate::parse(&line)),
            Line::Data(text) => self.data.push(text),
            Line::Down { within, text } => {
                self.going_down = Some((Instant::now(), text));
                return Heard::GoesDown(Duration::from_secs(within));
            }
            Line::Done => self.done = true,
        }
        Heard::Nothing
    }

    /// The machine has ended by itself. If the guest was to go down, that is the end of its case and of its script,
    /// good if the kernel has said in `log` what it was to say.
    pub fn machine_ended(&mut self, log: &str) -> Heard<'_> {
        let (Some((since, text)), Some(name)) = (self.going_down.take(), self.current.clone()) else {
            return Heard::Nothing;
        };
        self.done = true;
        self.notes.push(format!("down after {:.1} s", since.elapsed().as_secs_f64()));
        let said = log.contains(&text);
        if !said {
            self.diagnostics.push(format!("the kernel's log lacks `{text}`"));
        }
        self.end(said, name, None)
    }

    fn end(&mut self, ok: bool, name: String, skip: Option<String>) -> Heard<'_> {
        let verdict = match (ok, skip) {
            (true, Some(why)) => Verdict::Skipped(why),
            (true, None) => Verdict::Passed,
            (false, _) => Verdict::Failed,
        };
        self.current = None;
        let (notes, diagnostics) = (take(&mut self.notes), take(&mut self.diagnostics));
        self.cases.ended.push(Case { name, verdict, duration: self.start.elapsed(), notes, diagnostics });
        self.cases.ended.last().map_or(Heard::Nothing, Heard::Ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::ktap::Tally;

    fn told(lines: &[&str]) -> Transcript {
        let mut transcript = Transcript::default();
        for line in lines {
            transcript.hear(line);
        }
        transcript
    }

    #[test]
    fn a_script_that_dies_leaves_its_case_open_and_failed() {
        let transcript = told(&["KTAP version 1", "1..3", "@begin a", "ok 1 a", "@begin b"]);
        assert_eq!(transcript.current.as_deref(), Some("b"));
        assert!(!transcript.done);
        assert_eq!(transcript.cases.tally(), Tally { passed: 1, failed: 2, skipped: 0 });
    }

    #[test]
    fn what_is_said_belongs_to_the_case_that_runs() {
        let transcript = told(&["1..2", "@begin a", "# one", "@note n", "not ok 1 a", "@begin b", "ok 2 b", "@done"]);
        let [a, b] = &transcript.cases.ended[..] else { panic!("two cases ended") };
        assert_eq!(
            (a.verdict == Verdict::Failed, &a.diagnostics[..], &a.notes[..]),
            (true, &["one".into()][..], &["n".into()][..])
        );
        assert!(b.diagnostics.is_empty() && b.notes.is_empty());
        assert!(transcript.done && transcript.current.is_none());
    }

    #[test]
    fn a_failed_case_cannot_be_called_skipped() {
        let transcript = told(&["1..1", "not ok 1 a # SKIP please"]);
        assert_eq!(transcript.cases.tally().failed, 1);
    }

    #[test]
    fn a_guest_that_goes_down_ends_its_case_by_it() {
        let mut transcript = told(&["1..1", "@begin a"]);
        assert!(matches!(transcript.hear("@down 20 next"), Heard::GoesDown(within) if within.as_secs() == 20));
        assert!(!transcript.done);
        assert!(matches!(transcript.machine_ended("the next one"), Heard::Ended(case) if case.name == "a"));
        assert_eq!(transcript.cases.tally(), Tally { passed: 1, failed: 0, skipped: 0 });
        assert!(transcript.done && transcript.current.is_none());
    }

    #[test]
    fn a_guest_that_goes_down_without_the_word_it_should_have_said_has_failed() {
        let mut transcript = told(&["1..1", "@begin a", "@down 20 next"]);
        transcript.machine_ended("nothing of the kind");
        assert_eq!(transcript.cases.tally().failed, 1);
    }

    #[test]
    fn a_machine_that_ends_unasked_ends_no_case() {
        let mut transcript = told(&["1..1", "@begin a"]);
        assert!(matches!(transcript.machine_ended(""), Heard::Nothing));
        assert!(!transcript.done);
        assert_eq!(transcript.cases.tally().failed, 1);
    }

    #[test]
    fn a_request_is_handed_on() {
        assert!(matches!(Transcript::default().hear("@host plug b"), Heard::Asked(r) if r == "plug b"));
    }
}
