// SPDX-License-Identifier: GPL-2.0
//! `make bindings`: what Rust sees of a symbol of C, beside C's declaration, or why it does not see it.

mod absent;
mod columns;
mod conditions;
mod generated;
mod headers;
mod helper;
mod objects;
mod search;

use anyhow::{Context, Result, ensure};

use self::absent::Reason;
use self::generated::Item;
use self::headers::{Declaration, Kind};
pub use self::objects::BINDINGS;
use self::objects::Objects;
use crate::project::{Project, variable};

/// A place in a file, which is named from the root of the tree where it is in it.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Place {
    file: String,
    line: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// Shows the symbol that `SYMBOL=` names.
///
/// # Errors
///
/// There is no such symbol, no kernel of which bindings were made, or C's compiler does not take the headers.
pub fn show(project: &Project) -> Result<()> {
    let symbol = variable("SYMBOL").context("which symbol? make bindings SYMBOL=virtqueue_add_sgs")?;
    let is_name = symbol.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    ensure!(is_name, "SYMBOL={symbol} is not the name of a function, type, constant or macro");
    let objects = Objects::find(project)?;
    let items = generated::find(&objects, &symbol)?;
    let headers = headers::read(&objects, &symbol)?;
    let helper = helper::find(&objects.tree, &symbol)?;
    let declarations = &headers.declarations;
    let mut visible: Vec<&Item> = items.iter().filter(|item| item.is_for(declarations)).collect();
    // Where there are a symbol and a helper, the crate takes the symbol.
    visible.dedup_by_key(|item| &item.path);

    if let Some(item) = visible.first() {
        // A function, a type and a macro may have the same name.
        let declaration = declarations.iter().find(|one| one.kind.is_seen_as(item.kind)).or(declarations.first());
        pair(&symbol, declaration, item);
        println!();
        facts(&objects, declaration, &visible)?;
        if let Some(helper) = helper.as_ref().filter(|_| item.is_helper()) {
            helper.tell(&objects);
        }
        for reason in absent::shortcomings(&objects, &symbol, &visible)? {
            reason.tell();
        }
        used(&objects, item)?;
        println!("Read from {}.", objects.name());
        return Ok(());
    }
    let reason: Reason = absent::reason(&objects, &symbol, &headers, helper.as_ref())?;
    if let Some(declaration) = declarations.first() {
        println!("{symbol}: {}, {}\n\n{}\n", declaration.kind, declaration.place, columns::alone(declaration));
    }
    reason.tell();
    println!("Read from {}.", objects.name());
    Ok(())
}

fn pair(symbol: &str, declaration: Option<&Declaration>, item: &Item) {
    let kind = declaration.map_or_else(|| item.kind.to_string(), |declaration| declaration.kind.to_string());
    println!("{symbol}: {kind}\n");
    print!("{}", columns::pair(declaration, item));
}

fn facts(objects: &Objects, declaration: Option<&Declaration>, items: &[&Item]) -> Result<()> {
    for item in items {
        match &item.link_name {
            Some(name) => println!("In Rust: {}, which calls {name}() of C.", item.path),
            None => println!("In Rust: {}.", item.path),
        }
        if !item.derives.is_empty() {
            println!("It has {}.", item.derives.join(", "));
        }
        if item.text.contains("_bitfield_") {
            println!("Its bit fields are read and written with functions of their names: x.name(), x.set_name(…).");
        }
        if let Some(inner) = item.inner_type() {
            println!("What has no name in C got one: make bindings SYMBOL={inner}");
        }
    }
    if declaration.is_some_and(|one| matches!(one.kind, Kind::Function | Kind::Variable)) {
        match objects.export(&items[0].name)? {
            Some(export) => println!("Modules can link it: {export}."),
            None => match objects.has(&items[0].name)? {
                Some(true) => println!("Modules cannot link it: it is not exported; only what is built in can use it."),
                Some(false) => println!("This kernel does not have it: the option is off that builds it."),
                None => {}
            },
        }
    }
    Ok(())
}

fn used(objects: &Objects, item: &Item) -> Result<()> {
    /// More would hide what was asked for.
    const SHOWN: usize = 3;
    let uses = search::uses(&objects.tree, item)?;
    let Some(first) = uses.first() else {
        println!("No Rust code of the tree names it so.");
        return Ok(());
    };
    println!("Used in {first}{}", if uses.len() > 1 { "," } else { "." });
    for (at, place) in uses.iter().enumerate().skip(1).take(SHOWN - 1) {
        let more = uses.len() - at - 1;
        match (more, at + 1 == SHOWN) {
            (0, _) => println!("        {place}."),
            (_, true) => println!("        {place} and {more} more places."),
            (_, false) => println!("        {place},"),
        }
    }
    Ok(())
}
