// SPDX-License-Identifier: GPL-2.0
//! The command blocks of a chapter: what is typed, at which prompt, and what is shown to come.
//!
//! A block is a `code-block` of the language `console`. Its `class` says what becomes of it, see [`Mark`].

use anyhow::{Result, bail, ensure};

/// What becomes of a block.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mark {
    /// It runs in `make test`: it needs no machine and no long build.
    Quick,
    /// It runs in `make check-book`.
    Slow,
    /// It is only shown.
    ByHand,
}

/// Who reads what is typed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Prompt {
    /// The shell of the host.
    Host,
    /// The shell of a virtual machine.
    Guest,
    /// gdb.
    Gdb,
}

impl Prompt {
    const ALL: [Self; 3] = [Self::Host, Self::Guest, Self::Gdb];

    /// What it writes when it waits.
    pub fn text(self) -> &'static str {
        match self {
            Self::Host => "$ ",
            Self::Guest => "guest# ",
            Self::Gdb => "(gdb) ",
        }
    }
}

/// Something typed, and what is shown to come of it.
#[derive(Debug, Eq, PartialEq)]
pub struct Turn {
    /// Who reads it.
    pub prompt: Prompt,
    /// One line, or several of one command.
    pub input: String,
    /// The lines that are shown.
    pub shown: Vec<String>,
}

/// A block of commands.
#[derive(Debug, Eq, PartialEq)]
pub struct Block {
    /// The line of its directive in the document.
    pub line: usize,
    /// What becomes of it.
    pub mark: Mark,
    /// The major version of LLVM without which something else comes.
    pub llvm: Option<u32>,
    /// Whether its last command is to fail.
    pub fails: bool,
    /// What is typed.
    pub turns: Vec<Turn>,
}

/// The blocks of a document.
///
/// # Errors
///
/// One has no mark, or is not a dialogue. The message begins with the number of a line.
pub fn of(text: &str) -> Result<Vec<Block>> {
    let lines: Vec<&str> = text.lines().collect();
    let mut blocks = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at];
        if line.trim_start() == ".. code-block:: console" {
            let indent = indentation(line) + 3;
            let is_inside = |line: &&&str| line.trim().is_empty() || indentation(line) >= indent;
            let inside: Vec<&str> = lines[at + 1..].iter().take_while(is_inside).copied().collect();
            blocks.push(block(at + 1, &inside, indent)?);
            at += inside.len();
        } else if Prompt::ALL.iter().any(|prompt| indentation(line) > 0 && line.trim_start().starts_with(prompt.text()))
        {
            bail!("{}: a command outside of a console block", at + 1);
        }
        at += 1;
    }
    Ok(blocks)
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn block(number: usize, inside: &[&str], indent: usize) -> Result<Block> {
    let (options, content) = inside.split_at(inside.iter().take_while(|line| !line.trim().is_empty()).count());
    let class = options.iter().find_map(|option| option.trim().strip_prefix(":class: ")).unwrap_or_default();
    let mut marks = Vec::new();
    let mut block = Block { line: number, mark: Mark::ByHand, llvm: None, fails: false, turns: Vec::new() };
    for word in class.split_whitespace() {
        match word {
            "quick" => marks.push(Mark::Quick),
            "slow" => marks.push(Mark::Slow),
            "by-hand" => marks.push(Mark::ByHand),
            "fails" => block.fails = true,
            _ => match word.strip_prefix("llvm-").map(str::parse) {
                Some(Ok(version)) => block.llvm = Some(version),
                _ => bail!("{number}: `{word}` is not a mark of a block"),
            },
        }
    }
    let [mark] = marks[..] else {
        bail!("{number}: a block needs one mark: `:class:` quick, slow or by-hand");
    };
    block.mark = mark;
    block.turns = turns(number, content, indent)?;
    if mark != Mark::ByHand {
        can_be_run(number, &block.turns)?;
    }
    Ok(block)
}

/// Whether a block comes to its end, and has something to compare or a status of a command: machines give none.
fn can_be_run(number: usize, turns: &[Turn]) -> Result<()> {
    if let Some(last) = turns.last() {
        let leaves = last.prompt == Prompt::Host || last.input == "quit" || last.input.ends_with("poweroff");
        ensure!(leaves, "{number}: the block ends in a machine that goes on");
    }
    let is_inside = turns.iter().any(|turn| turn.prompt != Prompt::Host);
    let shows = turns.iter().flat_map(|turn| &turn.shown).any(|line| !matches!(line.trim(), "" | "..."));
    ensure!(shows || !is_inside, "{number}: the block runs in a machine, but shows nothing of it");
    Ok(())
}

fn turns(number: usize, content: &[&str], indent: usize) -> Result<Vec<Turn>> {
    let mut turns: Vec<Turn> = Vec::new();
    for line in content {
        let line = line.get(indent..).unwrap_or_default();
        let typed = Prompt::ALL.iter().find_map(|prompt| Some((*prompt, line.strip_prefix(prompt.text())?)));
        match (typed, turns.last_mut()) {
            (Some((prompt, input)), _) => turns.push(Turn { prompt, input: input.to_owned(), shown: Vec::new() }),
            (None, None) if line.is_empty() => {}
            (None, None) => bail!("{number}: the block begins with `{line}`, which nobody has typed"),
            // A shell asks for the rest of a command with another prompt.
            (None, Some(turn)) if turn.shown.is_empty() && (line == ">" || line.starts_with("> ")) => {
                turn.input.push('\n');
                turn.input.push_str(line.get(2..).unwrap_or_default());
            }
            (None, Some(turn)) => turn.shown.push(line.trim_end().to_owned()),
        }
    }
    if turns.is_empty() {
        bail!("{number}: nothing is typed in the block");
    }
    Ok(turns)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(prompt: Prompt, input: &str, shown: &[&str]) -> Turn {
        Turn { prompt, input: input.into(), shown: shown.iter().map(|line| (*line).to_owned()).collect() }
    }

    #[test]
    fn a_block_is_a_dialogue_with_a_mark() {
        let text = "Text.\n\n.. code-block:: console\n   :class: slow llvm-22\n\n   $ make shell\n   hello\n\
                    \x20    deep\n\n   guest# ls; poweroff\n   a\n\nMore.\n";
        let blocks = of(text).unwrap();
        assert_eq!(blocks.len(), 1);
        assert_eq!((blocks[0].line, blocks[0].mark, blocks[0].llvm), (3, Mark::Slow, Some(22)));
        let expected = [
            turn(Prompt::Host, "make shell", &["hello", "  deep", ""]),
            turn(Prompt::Guest, "ls; poweroff", &["a", ""]),
        ];
        assert_eq!(blocks[0].turns, expected);
    }

    #[test]
    fn a_command_may_have_several_lines() {
        let text =
            ".. code-block:: console\n   :class: quick fails\n\n   $ cat <<END\n   > one\n   >\n   > END\n   one\n";
        let blocks = of(text).unwrap();
        assert!(blocks[0].fails);
        assert_eq!(blocks[0].turns, [turn(Prompt::Host, "cat <<END\none\n\nEND", &["one"])]);
    }

    #[test]
    fn a_block_inside_of_a_list_ends_with_its_indentation() {
        let text = "- item\n\n  .. code-block:: console\n     :class: by-hand\n\n     $ ls\n\n  text\n";
        assert_eq!(of(text).unwrap()[0].turns, [turn(Prompt::Host, "ls", &[""])]);
    }

    #[test]
    fn a_block_without_a_mark_or_with_a_wrong_one_is_found() {
        for class in ["", "   :class: other\n", "   :class: quick slow\n", "   :class: fails\n", "   :class: llvm-x\n"]
        {
            let text = format!("\n.. code-block:: console\n{class}\n   $ ls\n");
            assert!(of(&text).unwrap_err().to_string().starts_with("2: "), "{class}");
        }
    }

    #[test]
    fn a_block_that_would_not_end_or_shows_nothing_is_found() {
        let of = |mark: &str, content: &str| of(&format!(".. code-block:: console\n   :class: {mark}\n\n{content}"));
        for content in ["   $ a\n   (gdb) continue\n   b\n", "   $ a\n   ...\n   guest# poweroff\n   ...\n"] {
            assert!(of("slow", content).is_err(), "{content}");
            of("by-hand", content).unwrap();
        }
        of("quick", "   $ cd a\n").unwrap();
        of("quick", "   $ a\n   (gdb) p b\n   $1 = 2\n   (gdb) quit\n").unwrap();
    }

    #[test]
    fn what_nobody_has_typed_is_found() {
        for content in ["   ls\n", ""] {
            assert!(of(&format!(".. code-block:: console\n   :class: quick\n\n{content}")).is_err());
        }
    }

    #[test]
    fn a_command_that_is_not_in_such_a_block_is_found() {
        assert_eq!(of("Text::\n\n  $ ls\n").unwrap_err().to_string(), "3: a command outside of a console block");
        assert_eq!(of(".. code-block:: c\n\n   int a;\n\n$ is a sign\n").unwrap(), []);
    }
}
