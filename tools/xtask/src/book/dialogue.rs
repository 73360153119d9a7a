// SPDX-License-Identifier: GPL-2.0
//! A shell of the host to which blocks are typed, and the programs in it that ask for more.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use regex::Regex;

use super::blocks::{Prompt, Turn};

/// What the shell says when a command has ended, before its status.
const END: &str = "@ended ";

/// How long nothing may come behind a prompt until it counts as one.
const QUIET: Duration = Duration::from_millis(200);

/// A shell that lives as long as a chapter.
#[derive(Debug)]
pub struct Dialogue {
    shell: Child,
    input: ChildStdin,
    output: Receiver<Vec<u8>>,
    /// Whether a program in the shell reads what is typed.
    in_program: bool,
    escapes: Regex,
}

/// What a turn came to.
#[derive(Debug, Eq, PartialEq)]
pub struct Answer {
    /// What it printed.
    pub text: String,
    /// The status of a command of the shell that has ended.
    pub status: Option<i32>,
}

impl Dialogue {
    /// Starts a shell in `dir`; `set_up` sets its environment.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    pub fn start(dir: &Path, set_up: impl FnOnce(&mut Command)) -> Result<Self> {
        let mut command = Command::new("bash");
        // In a group of its own, which is ended with all that a chapter leaves running.
        command.args(["--noprofile", "--norc"]).current_dir(dir).process_group(0);
        set_up(&mut command);
        let mut shell = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start bash")?;
        let (input, output) = shell.stdin.take().zip(shell.stdout.take()).context("bash has no pipes")?;
        let mut dialogue = Self {
            shell,
            input,
            output: read(output),
            in_program: false,
            // What a shell sends to a terminal: colours, a question for the place of the cursor.
            escapes: Regex::new(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\x07")?,
        };
        dialogue.type_in("exec 2>&1")?;
        Ok(dialogue)
    }

    /// Types the input of `turn` and waits for what comes of it. `next` is who reads what is typed then.
    ///
    /// # Errors
    ///
    /// Nobody at that prompt is there, or it takes longer than `limit`. The dialogue is at an end then.
    pub fn turn(&mut self, turn: &Turn, next: Option<Prompt>, limit: Duration) -> Result<Answer> {
        let opens = next.is_some_and(|prompt| prompt != Prompt::Host);
        match (turn.prompt, self.in_program) {
            (Prompt::Host, false) => self.type_in(&command(&turn.input, opens))?,
            (Prompt::Host, true) => bail!("a program still runs that asks for more than `{}`", turn.input),
            (_, true) => self.type_in(&turn.input)?,
            (prompt, false) => bail!("nothing runs that asks `{}`", prompt.text().trim()),
        }
        let answer = self.listen(next.filter(|_| opens), limit)?;
        self.in_program = answer.status.is_none();
        let text = match turn.prompt {
            Prompt::Guest => without_echo(&answer.text, &turn.input),
            _ => answer.text,
        };
        Ok(Answer { text, status: answer.status })
    }

    fn type_in(&mut self, text: &str) -> Result<()> {
        writeln!(self.input, "{text}").context("nobody reads any more")
    }

    /// Collects what comes until the command has ended, or until `prompt` stands there and waits.
    fn listen(&mut self, prompt: Option<Prompt>, limit: Duration) -> Result<Answer> {
        let end = Instant::now() + limit;
        let mut bytes = Vec::new();
        loop {
            let text = self.escapes.replace_all(&String::from_utf8_lossy(&bytes), "").into_owned();
            if let Some((text, status)) = ended(&text) {
                return Ok(Answer { text: text.to_owned(), status: Some(status) });
            }
            let waits = prompt.and_then(|prompt| before_prompt(&text, prompt));
            let left = end.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(if waits.is_some() { QUIET.min(left) } else { left }) {
                Ok(more) => bytes.extend(more),
                Err(RecvTimeoutError::Timeout) => match waits {
                    Some(text) => return Ok(Answer { text: text.to_owned(), status: None }),
                    None => bail!("nothing more came within {} s; before that:\n{text}", limit.as_secs()),
                },
                Err(RecvTimeoutError::Disconnected) => bail!("the shell has ended; before that:\n{text}"),
            }
        }
    }
}

impl Drop for Dialogue {
    fn drop(&mut self) {
        // The group: what the shell has started would go on.
        let group = format!("-{}", self.shell.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.shell.wait();
    }
}

/// A command as the shell is given it. One that does not ask must not read what is typed after it.
fn command(input: &str, asks: bool) -> String {
    let stdin = if asks { "" } else { " </dev/null" };
    format!("{{ {input}\n}}{stdin}; printf '\\n{END}%s\\n' $?")
}

/// The text before the line with which a command ends, and its status.
fn ended(text: &str) -> Option<(&str, i32)> {
    let (before, rest) = text.split_once(&format!("\n{END}"))?;
    let (status, _) = rest.split_once('\n')?;
    Some((before, status.parse().ok()?))
}

/// The text before a prompt that is at the end.
fn before_prompt(text: &str, prompt: Prompt) -> Option<&str> {
    text.strip_suffix(prompt.text()).filter(|before| before.is_empty() || before.ends_with('\n'))
}

/// A terminal shows what is typed before anything else, and breaks it where its line is full.
fn without_echo(text: &str, input: &str) -> String {
    let mut left = text;
    for typed in input.chars() {
        match left.strip_prefix(typed).or_else(|| left.strip_prefix('\n')?.strip_prefix(typed)) {
            Some(rest) => left = rest,
            None => return text.to_owned(),
        }
    }
    left.to_owned()
}

fn read(mut stream: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            if sender.send(buffer[..length].to_vec()).is_err() {
                break;
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    fn start() -> Dialogue {
        Dialogue::start(Path::new("/"), |_| {}).unwrap()
    }

    fn turn(prompt: Prompt, input: &str) -> Turn {
        Turn { prompt, input: input.into(), shown: Vec::new() }
    }

    fn host(dialogue: &mut Dialogue, input: &str) -> Answer {
        dialogue.turn(&turn(Prompt::Host, input), None, LIMIT).unwrap()
    }

    #[test]
    fn the_shell_remembers_and_tells_how_a_command_ended() {
        let mut dialogue = start();
        assert_eq!(host(&mut dialogue, "x=4; cd /dev"), Answer { text: String::new(), status: Some(0) });
        assert_eq!(host(&mut dialogue, "echo $x; pwd; echo no >&2; false").text, "4\n/dev\nno\n");
        assert_eq!(host(&mut dialogue, "(exit 3)").status, Some(3));
    }

    #[test]
    fn a_command_may_have_a_document_in_it_and_reads_nothing_else() {
        let mut dialogue = start();
        assert_eq!(host(&mut dialogue, "cat <<END\none\nEND").text, "one\n");
        assert_eq!(host(&mut dialogue, "cat; echo end").text, "end\n");
    }

    #[test]
    fn a_program_that_asks_is_answered_until_it_ends() {
        let mut dialogue = start();
        let program = "while printf 'guest# ' && read -r line && [ \"$line\" != off ]; do echo \"$line:\"; done; echo";
        let opened = dialogue.turn(&turn(Prompt::Host, program), Some(Prompt::Guest), LIMIT).unwrap();
        assert_eq!(opened, Answer { text: String::new(), status: None });
        let answer = dialogue.turn(&turn(Prompt::Guest, "one"), Some(Prompt::Guest), LIMIT).unwrap();
        // A terminal's echo is not there; what looks like one goes.
        assert_eq!(answer, Answer { text: ":\n".into(), status: None });
        assert!(dialogue.turn(&turn(Prompt::Host, "ls"), None, LIMIT).is_err());
        assert_eq!(dialogue.turn(&turn(Prompt::Guest, "off"), None, LIMIT).unwrap().status, Some(0));
        assert_eq!(host(&mut dialogue, "echo on").text, "on\n");
    }

    #[test]
    fn the_echo_of_a_terminal_is_no_answer() {
        for (text, answer) in [("ls a\nb\n", "\nb\n"), ("ls\n a\nb\n", "\nb\n"), ("b\n", "b\n"), ("ls\n", "ls\n")] {
            assert_eq!(without_echo(text, "ls a"), answer, "{text:?}");
        }
    }

    #[test]
    fn nobody_is_typed_to_where_nobody_asks() {
        let error = start().turn(&turn(Prompt::Gdb, "next"), None, LIMIT).unwrap_err();
        assert_eq!(error.to_string(), "nothing runs that asks `(gdb)`");
    }

    #[test]
    fn a_command_that_takes_too_long_is_an_error() {
        let error = start().turn(&turn(Prompt::Host, "echo a; sleep 1000"), None, Duration::from_secs(5));
        assert!(error.unwrap_err().to_string().ends_with("before that:\na\n"));
    }
}
