// SPDX-License-Identifier: GPL-2.0

//! What need not be equal: `rules.toml` for disks and `net.toml` for cards, where each entry says which facts it speaks
//! of, and why.

use std::cell::Cell;

use anyhow::{Context, Result, bail};
use regex::Regex;
use serde::Deserialize;

/// The table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// Facts that differ between two runs of the same driver.
    #[serde(default)]
    pub excluded: Vec<Rule>,
    /// Differences that are wanted.
    #[serde(default)]
    pub deliberate: Vec<Rule>,
}

/// An entry. Its patterns match as a whole.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The names of the facts.
    fact: Pattern,
    /// The configurations; by default all.
    configurations: Option<Pattern>,
    /// The value under the C driver; by default any. A missing fact has the value "(absent)".
    c: Option<Pattern>,
    /// The value under the Rust driver; by default any.
    rust: Option<Pattern>,
    /// Why.
    pub reason: String,
    #[serde(skip)]
    used: Cell<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Pattern(Regex);

impl TryFrom<String> for Pattern {
    type Error = regex::Error;

    fn try_from(text: String) -> Result<Self, regex::Error> {
        Regex::new(&format!("^(?s:{text})$")).map(Self)
    }
}

fn accepts(pattern: &Option<Pattern>, text: &str) -> bool {
    pattern.as_ref().is_none_or(|pattern| pattern.0.is_match(text))
}

impl Rule {
    /// Whether the entry speaks of this, which then counts as a use of it.
    pub fn matches(&self, configuration: &str, fact: &str, c: &str, rust: &str) -> bool {
        let matches = self.fact.0.is_match(fact)
            && accepts(&self.configurations, configuration)
            && accepts(&self.c, c)
            && accepts(&self.rust, rust);
        if matches {
            self.used.set(true);
        }
        matches
    }
}

impl Rules {
    /// Reads a table.
    ///
    /// # Errors
    ///
    /// When it is not such a table, or an entry has no reason.
    pub fn parse(text: &str) -> Result<Self> {
        let rules: Self = toml::from_str(text).context("the table of differences")?;
        for rule in rules.all() {
            if rule.reason.trim().is_empty() {
                bail!("the table of differences gives no reason for `{}`", rule.fact.0);
            }
        }
        Ok(rules)
    }

    fn all(&self) -> impl Iterator<Item = &Rule> {
        self.excluded.iter().chain(&self.deliberate)
    }

    /// The entries that nothing matched, as a reader of the table would look for them.
    pub fn unused(&self) -> Vec<String> {
        let unused = self.all().filter(|rule| !rule.used.get());
        unused.map(|rule| format!("{} ({})", rule.fact.0, rule.reason)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_a_whole() {
        let rules = Rules::parse("[[excluded]]\nfact = 'sys/stat|sys/x'\nreason = 'r'\n").unwrap();
        for (name, expected) in [("sys/stat", true), ("sys/x", true), ("sys/stats", false), ("a/sys/stat", false)] {
            assert_eq!(rules.excluded[0].matches("c", name, "1", "2"), expected, "{name}");
        }
    }

    #[test]
    fn an_entry_may_ask_for_values_and_configurations() {
        let table = "[[deliberate]]\nfact = 'f'\nconfigurations = 'a.*'\nc = '1'\nrust = '2'\nreason = 'r'\n";
        let rules = Rules::parse(table).unwrap();
        let rule = &rules.deliberate[0];
        assert!(!rule.matches("b", "f", "1", "2"));
        assert!(!rule.matches("a", "f", "2", "1"));
        assert_eq!(rules.unused().len(), 1);
        assert!(rule.matches("ab", "f", "1", "2"));
        assert!(rules.unused().is_empty());
    }

    #[test]
    fn an_entry_without_a_reason_or_with_a_bad_pattern_is_refused() {
        for table in [
            "[[deliberate]]\nfact = 'f'\n",
            "[[deliberate]]\nfact = 'f'\nreason = ' '\n",
            "[[deliberate]]\nfact = '('\nreason = 'r'\n",
            "[[deliberate]]\nfact = 'f'\nreason = 'r'\nfakt = 'f'\n",
        ] {
            assert!(Rules::parse(table).is_err(), "{table}");
        }
    }
}
