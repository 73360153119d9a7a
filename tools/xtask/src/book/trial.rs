// SPDX-License-Identifier: GPL-2.0
//! Blocks of the book, typed into a shell of their chapter.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use vm::Tally;
use vm::guest::logscan;

use super::blocks::{self, Block, Mark, Prompt, Turn};
use super::compare::Comparer;
use super::dialogue::Dialogue;
use crate::environment;
use crate::kernel::{Variant, Workshop, build};
use crate::lock;
use crate::progress::say;
use crate::project::{Project, create_dir, name_for, remove_dir};

/// Variables that decide what the commands of this program do; those that are typed decide for themselves.
const SCRUBBED: [&str; 19] = [
    "BUILD_EACH",
    "CHAPTER",
    "DEVICES",
    "DIR",
    "FILTER",
    "KERNEL",
    "KIND",
    "M",
    "MAKEFLAGS",
    "MAKELEVEL",
    "MFLAGS",
    "MODULE",
    "MUTANTS",
    "NAME",
    "QUICK",
    "RUN",
    "SEED",
    "SYMBOL",
    "V",
];

/// How long a command may take.
const QUICK_LIMIT: Duration = Duration::from_secs(120);
/// As much as a kernel that is built from nothing on a busy machine.
const SLOW_LIMIT: Duration = Duration::from_secs(2 * 60 * 60);

/// Which blocks are run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Choice {
    /// Those for `make test`.
    Quick,
    /// All that can be.
    All,
}

impl Choice {
    fn takes(self, block: &Block) -> bool {
        match self {
            Self::Quick => block.mark == Mark::Quick,
            Self::All => block.mark != Mark::ByHand,
        }
    }
}

/// A chapter.
#[derive(Debug)]
pub struct Chapter {
    name: String,
    blocks: Vec<Block>,
}

impl Chapter {
    /// Reads a chapter.
    ///
    /// # Errors
    ///
    /// It cannot be read, or has a block that is not as it must be.
    pub fn read(file: &Path) -> Result<Self> {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let blocks = blocks::of(&text).with_context(|| name.clone())?;
        Ok(Self { name, blocks })
    }

    /// What is typed in the blocks that `choice` takes.
    pub fn inputs(&self, choice: Choice) -> impl Iterator<Item = &str> {
        let blocks = self.blocks.iter().filter(move |block| choice.takes(block));
        blocks.flat_map(|block| &block.turns).map(|turn| turn.input.as_str())
    }
}

/// What is needed to try chapters; the kernel for user-mode Linux has been built.
pub struct Trial<'a> {
    workshop: &'a Workshop,
    choice: Choice,
    environment: Vec<(&'static str, String)>,
}

impl<'a> Trial<'a> {
    /// Makes ready.
    ///
    /// # Errors
    ///
    /// The tools or the tree are not there.
    pub fn new(workshop: &'a Workshop, choice: Choice) -> Result<Self> {
        Ok(Self { workshop, choice, environment: environment::variables(&workshop.project)? })
    }

    /// Tries the chapters, each block being one case.
    ///
    /// # Errors
    ///
    /// No shell can be started.
    pub fn run(&self, chapters: &[Chapter]) -> Result<Tally> {
        let tally = chapters.iter().map(|chapter| self.chapter(chapter)).sum::<Result<Tally>>()?;
        let blocks = chapters.iter().flat_map(|chapter| &chapter.blocks);
        let by_hand = blocks.filter(|block| block.mark == Mark::ByHand).count();
        say(&format!("{by_hand} more blocks are only shown"));
        Ok(tally)
    }

    fn chapter(&self, chapter: &Chapter) -> Result<Tally> {
        let mut tally = Tally::default();
        let mut shell = None;
        for block in chapter.blocks.iter().filter(|block| self.choice.takes(block)) {
            let title = format!("{}:{}", chapter.name, block.line);
            if let Some(llvm) = block.llvm.filter(|llvm| *llvm != self.workshop.toolchain.llvm.version.0) {
                say(&format!("{title}: SKIPPED: it shows what comes with LLVM {llvm}"));
                tally.skipped += 1;
                continue;
            }
            let mut in_use = match shell.take() {
                Some(shell) => shell,
                None => Shell::start(self)?,
            };
            match in_use.block(block) {
                Ok(()) => {
                    say(&format!("{title}: ok"));
                    tally.passed += 1;
                    shell = Some(in_use);
                }
                // What it left behind is not what the next block expects: that one begins anew.
                Err(error) => {
                    say(&format!("{title}: FAILED: {error:#}"));
                    tally.failed += 1;
                }
            }
        }
        Ok(tally)
    }
}

/// The shell of a chapter, in the checkout, with a home of its own.
struct Shell {
    dialogue: Dialogue,
    comparer: Comparer,
    _home: Home,
}

/// The home of whoever types: empty at the beginning, gone at the end. It is in the same place each time, so that what
/// is built for a project in it is built in the same place, too.
struct Home(PathBuf);

impl Home {
    fn make(project: &Project) -> Result<Self> {
        let home = Self(project.cache.join("homes").join(name_for(&project.build)));
        remove_dir(&home.0)?;
        create_dir(&home.0)?;
        Ok(home)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // The next one begins with this.
        let _ = remove_dir(&self.0);
    }
}

impl Shell {
    fn start(trial: &Trial<'_>) -> Result<Self> {
        let project = &trial.workshop.project;
        let home = Home::make(project)?;
        let places: [(&Path, &str); 5] = [
            // It may be elsewhere: KDIR= names one.
            (&trial.workshop.tree.root, "BUILD/linux-7.3.4"),
            (&home.0, "/home/you"),
            (&project.build, "BUILD"),
            (&project.repo, "/home/you/linux-virtio-rs"),
            (&project.cache, "/home/you/.cache/linux-virtio-rs"),
        ];
        let dialogue = Dialogue::start(&project.repo, |command| {
            for name in SCRUBBED {
                command.env_remove(name);
            }
            keep_caches(command, project.cache.parent().unwrap_or(&project.cache));
            command
                .env("HOME", &home.0)
                .env("LC_ALL", "C.UTF-8")
                .env("TERM", "dumb")
                .env(lock::HOLDER, std::process::id().to_string())
                .env(build::FRESH, Variant::Um.name())
                .envs(trial.environment.iter().map(|(name, value)| (name, value)));
        })?;
        Ok(Self { dialogue, comparer: Comparer::new(&places)?, _home: home })
    }

    fn block(&mut self, block: &Block) -> Result<()> {
        let limit = if block.mark == Mark::Quick { QUICK_LIMIT } else { SLOW_LIMIT };
        for (at, turn) in block.turns.iter().enumerate() {
            let next = block.turns.get(at + 1);
            if turn.prompt == Prompt::Guest && next.is_none_or(|next| next.prompt != Prompt::Guest) {
                self.no_complaint(block, limit)?;
            }
            let answer = self.dialogue.turn(turn, next.map(|next| next.prompt), limit)?;
            if !self.comparer.agree(&turn.shown, &answer.text) {
                bail!(difference(turn.prompt, &turn.input, &turn.shown, &answer.text));
            }
            let must_fail = block.fails && next.is_none();
            match answer.status {
                Some(0) if must_fail => bail!("`{}` has not failed", turn.input),
                Some(status) if status != 0 && !must_fail => bail!("`{}` has failed ({status})", turn.input),
                _ => {}
            }
        }
        Ok(())
    }

    /// Asks a guest, before the last that is typed to it, what its kernel has complained of: nothing, unless `block` is
    /// about a complaint.
    fn no_complaint(&mut self, block: &Block, limit: Duration) -> Result<()> {
        if !complaints(&shown(block)).is_empty() {
            return Ok(());
        }
        let ask = Turn { prompt: Prompt::Guest, input: "dmesg".into(), shown: Vec::new() };
        let log = self.dialogue.turn(&ask, Some(Prompt::Guest), limit)?.text;
        let complaints = complaints(&log);
        ensure!(complaints.is_empty(), "the kernel of the guest complains:\n{}", complaints.join("\n"));
        Ok(())
    }
}

/// All that a block shows.
fn shown(block: &Block) -> String {
    let lines: Vec<&str> = block.turns.iter().flat_map(|turn| &turn.shown).map(String::as_str).collect();
    lines.join("\n")
}

/// What a kernel has complained of in a text, with its surroundings.
fn complaints(text: &str) -> Vec<String> {
    logscan::scan(text).into_iter().map(|finding| finding.context.join("\n")).collect()
}

/// Another home must not mean that cargo and this program have to fetch all they need again.
fn keep_caches(command: &mut Command, caches: &Path) {
    command.env("XDG_CACHE_HOME", caches);
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    for (name, dir) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
        if std::env::var_os(name).is_none() {
            command.env(name, home.join(dir));
        }
    }
}

fn difference(prompt: Prompt, input: &str, shown: &[String], came: &str) -> String {
    let mut text = format!("something else came than is shown\n{}{input}\n  shown:\n", prompt.text());
    shown.iter().for_each(|line| {
        let _ = writeln!(text, "    {line}");
    });
    text += "  came:\n";
    came.lines().for_each(|line| {
        let _ = writeln!(text, "    {line}");
    });
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_that_is_about_a_complaint_is_told_from_others() {
        let turn = |shown: &[&str]| Turn {
            prompt: Prompt::Guest,
            input: "dmesg".into(),
            shown: shown.iter().map(|line| (*line).to_owned()).collect(),
        };
        let block = |turns| Block { line: 1, mark: Mark::Quick, llvm: None, fails: false, turns };
        let about_one = block(vec![turn(&["..."]), turn(&["[    2.46] BUG: scheduling while atomic: insmod/..."])]);
        assert_eq!(complaints(&shown(&about_one)).len(), 1);
        let other = block(vec![turn(&["[    2.46] my_driver: BUGS are counted"]), turn(&[])]);
        assert_eq!(complaints(&shown(&other)), Vec::<String>::new());
    }
}
