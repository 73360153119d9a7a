// SPDX-License-Identifier: GPL-2.0

//! The lines that a guest script prints on the second serial port: KTAP version 1, and requests that begin with `@`.

/// One line from the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// `1..N`: so many cases will follow.
    Plan(usize),
    /// `@begin NAME`: a case starts. KTAP has no such line; it makes progress visible.
    Begin(String),
    /// `ok` and `not ok`.
    Result {
        /// Whether the case held.
        ok: bool,
        /// Name of the case.
        name: String,
        /// The reason, for a case that was not run.
        skip: Option<String>,
    },
    /// `@note TEXT`: a fact to show beside the verdict of the running case.
    Note(String),
    /// `# TEXT`: what a case has to say.
    Diagnostic(String),
    /// `@host REQUEST`: the guest waits for an answer.
    Host(String),
    /// `@fio LINE`: a result line of fio in its terse format.
    Fio(String),
    /// `@iperf MBITS NAME`: a rate that iperf3 has measured.
    Iperf(String),
    /// `@data TEXT`: a fact for the evaluation on the host.
    Data(String),
    /// `@down SECONDS [TEXT]`: the guest goes down now, by whatever way, and the machine must have ended in so many
    /// seconds, with TEXT in the kernel's log; that is the verdict of the running case.
    Down {
        /// The seconds.
        within: u64,
        /// What must be in the log, or nothing in particular.
        text: String,
    },
    /// `@done`: the script came to its end; the guest ends the machine next.
    Done,
    /// Anything else.
    Other(String),
}

impl Line {
    /// Reads a line. Never fails: what is not known is [`Line::Other`].
    pub fn parse(line: &str) -> Self {
        let line = line.trim_end();
        if let Some(request) = line.strip_prefix("@host ") {
            return Self::Host(request.to_owned());
        }
        if let Some(name) = line.strip_prefix("@begin ") {
            return Self::Begin(name.to_owned());
        }
        if let Some(text) = line.strip_prefix("@note ") {
            return Self::Note(text.to_owned());
        }
        if let Some(result) = line.strip_prefix("@fio ") {
            return Self::Fio(result.to_owned());
        }
        if let Some(result) = line.strip_prefix("@iperf ") {
            return Self::Iperf(result.to_owned());
        }
        if let Some(text) = line.strip_prefix("@data ") {
            return Self::Data(text.to_owned());
        }
        if let Some(rest) = line.strip_prefix("@down ") {
            let (seconds, text) = rest.split_once(' ').unwrap_or((rest, ""));
            return match seconds.parse() {
                Ok(within) => Self::Down { within, text: text.to_owned() },
                Err(_) => Self::Other(line.to_owned()),
            };
        }
        if line == "@done" {
            return Self::Done;
        }
        if let Some(text) = line.strip_prefix('#') {
            return Self::Diagnostic(text.strip_prefix(' ').unwrap_or(text).to_owned());
        }
        if let Some(count) = line.strip_prefix("1..").and_then(|count| count.parse().ok()) {
            return Self::Plan(count);
        }
        parse_result(line).unwrap_or_else(|| Self::Other(line.to_owned()))
    }
}

fn parse_result(line: &str) -> Option<Line> {
    let (ok, rest) = match line.strip_prefix("not ok ") {
        Some(rest) => (false, rest),
        None => (true, line.strip_prefix("ok ")?),
    };
    let (number, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    number.parse::<usize>().ok()?;
    let (name, directive) = rest.split_once(" # ").unwrap_or((rest, ""));
    let skip = directive.strip_prefix("SKIP").map(|reason| reason.trim().to_owned());
    Some(Line::Result { ok, name: name.to_owned(), skip })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(ok: bool, name: &str, skip: Option<&str>) -> Line {
        Line::Result { ok, name: name.into(), skip: skip.map(Into::into) }
    }

    #[test]
    fn results_are_read() {
        for (line, expected) in [
            ("ok 1 mkfs", result(true, "mkfs", None)),
            ("not ok 12 fio verify", result(false, "fio verify", None)),
            ("ok 3 wipe # SKIP no discard", result(true, "wipe", Some("no discard"))),
            ("not ok 4", result(false, "", None)),
        ] {
            assert_eq!(Line::parse(line), expected, "{line}");
        }
    }

    #[test]
    fn requests_are_read() {
        assert_eq!(Line::parse("@host plug b"), Line::Host("plug b".into()));
        assert_eq!(Line::parse("@data a 1"), Line::Data("a 1".into()));
        assert_eq!(Line::parse("@done\r"), Line::Done);
        assert_eq!(Line::parse("1..7"), Line::Plan(7));
        assert_eq!(Line::parse("@down 20"), Line::Down { within: 20, text: String::new() });
        assert_eq!(Line::parse("@down 20 the next kernel"), Line::Down { within: 20, text: "the next kernel".into() });
        assert_eq!(Line::parse("# text"), Line::Diagnostic("text".into()));
    }

    #[test]
    fn a_word_that_only_begins_like_a_result_is_not_one() {
        for line in ["okay 1 x", "ok x", "1..x", "not okay", "@donee", "@down", "@down soon"] {
            assert!(matches!(Line::parse(line), Line::Other(_)), "{line}");
        }
    }
}
