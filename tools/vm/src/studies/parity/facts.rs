// SPDX-License-Identifier: GPL-2.0

//! What the guest told: for each configuration and driver, the values of named facts.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

/// The values of one driver on one configuration, by name.
pub type Facts = BTreeMap<String, String>;

/// Everything that was told, by configuration and driver.
#[derive(Debug, Default)]
pub struct Seen(BTreeMap<(String, String), Facts>);

impl Seen {
    /// Reads lines `CONFIGURATION DRIVER NAME=VALUE`. A name that comes again adds a line to its value.
    ///
    /// # Errors
    ///
    /// When a line has another form.
    pub fn parse(lines: &[String]) -> Result<Self> {
        let mut seen = Self::default();
        for line in lines {
            let fact = parse(line).with_context(|| format!("not a fact: `{line}`"))?;
            let (configuration, driver, name, value) = fact;
            let facts = seen.0.entry((configuration.to_owned(), driver.to_owned())).or_default();
            facts
                .entry(name.to_owned())
                .and_modify(|text| {
                    text.push('\n');
                    text.push_str(value);
                })
                .or_insert_with(|| value.to_owned());
        }
        Ok(seen)
    }

    /// What was told of `driver` on `configuration`, if it was.
    pub fn of(&self, configuration: &str, driver: &str) -> Option<&Facts> {
        self.0.get(&(configuration.to_owned(), driver.to_owned()))
    }
}

fn parse(line: &str) -> Option<(&str, &str, &str, &str)> {
    let (configuration, rest) = line.split_once(' ')?;
    let (driver, fact) = rest.split_once(' ')?;
    let (name, value) = fact.split_once('=')?;
    Some((configuration, driver, name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_may_have_spaces_equal_signs_and_several_lines() {
        let lines = ["a d f=x = y", "a d f=", "a d f=z", "a e g="].map(str::to_owned);
        let seen = Seen::parse(&lines).unwrap();
        assert_eq!(seen.of("a", "d").unwrap()["f"], "x = y\n\nz");
        assert_eq!(seen.of("a", "e").unwrap()["g"], "");
        assert!(seen.of("b", "d").is_none());
    }

    #[test]
    fn a_line_of_another_form_is_an_error() {
        for line in ["", "a", "a d", "a d name"] {
            assert!(Seen::parse(&[line.to_owned()]).is_err(), "{line}");
        }
    }
}
