// SPDX-License-Identifier: GPL-2.0

//! Which function an address belongs to, and which component that function.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use object::{Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind};

use super::component::{self, Component};
use super::study::Study;

/// Where the upper half of the address space begins, which is the kernel's.
const KERNEL_SPACE: u64 = 1 << 63;

/// A section of a module in the guest.
#[derive(Debug, PartialEq, Eq)]
pub struct LoadedSection {
    /// The module's file, relative to the build directory.
    file: PathBuf,
    section: String,
    address: u64,
}

impl LoadedSection {
    /// Reads what the guest script says: file, section, address in hexadecimal.
    ///
    /// # Errors
    ///
    /// When it says something else.
    pub fn parse(text: &str) -> Result<Self> {
        let parsed = match text.split_whitespace().collect::<Vec<_>>()[..] {
            [file, section, address] => address
                .strip_prefix("0x")
                .and_then(|digits| u64::from_str_radix(digits, 16).ok())
                .filter(|address| *address >= KERNEL_SPACE)
                .map(|address| Self { file: file.into(), section: section.into(), address }),
            _ => None,
        };
        parsed.with_context(|| format!("the guest does not say where a module is: `{text}`"))
    }
}

/// A function, or what else an address can belong to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Its name, as people write it.
    pub name: Arc<str>,
    /// Where it belongs.
    pub component: Component,
}

impl Place {
    fn new(name: &str, component: Component) -> Self {
        Self { name: name.into(), component }
    }
}

/// A function.
#[derive(Debug, Clone)]
struct Symbol {
    /// The address of its first instruction.
    address: u64,
    /// Its length in bytes, if that is known.
    size: u64,
    place: Place,
    /// The module that it is in, if it is in one.
    module: Option<String>,
}

/// The symbols where `driver` is measured and `other` may be at work too. The abstractions are with whichever of them
/// is the Rust driver.
fn seen_from(driver: &str, other: &str, symbols: &[Symbol]) -> Vec<Symbol> {
    let is_rust = driver.starts_with(other);
    let of = |symbol: &Symbol| {
        let is_others = symbol.module.as_deref() == Some(other);
        match symbol.place.component {
            Component::Module if is_others => Component::Peer,
            Component::Abstractions if !is_rust => Component::Peer,
            component => component,
        }
    };
    let place = |symbol: &Symbol| Place { component: of(symbol), ..symbol.place.clone() };
    symbols.iter().map(|symbol| Symbol { place: place(symbol), ..symbol.clone() }).collect()
}

/// The functions of the guest's kernel and of some of its modules.
#[derive(Debug)]
pub struct SymbolTable {
    symbols: Vec<Symbol>,
    /// Kernel code that is in no file: stubs and generated code.
    unnamed: Place,
    user: Place,
}

impl SymbolTable {
    /// Reads the symbols of the kernel that was built in `objdir`, and of modules that are loaded at `sections`: once
    /// for each driver of `study`, as the other one's module is at the other end then.
    ///
    /// # Errors
    ///
    /// When a file is missing or no ELF file.
    pub fn read(objdir: &Path, sections: &[LoadedSection], study: &Study) -> Result<[Self; 2]> {
        let known = Known::read(objdir, study.objects)?;
        let mut symbols = image(&objdir.join("vmlinux"), &known)?;
        for section in sections {
            symbols.extend(module(objdir, section)?);
        }
        let [c, rust] = study.drivers;
        Ok([Self::new(seen_from(c, rust, &symbols)), Self::new(seen_from(rust, c, &symbols))])
    }

    fn new(mut symbols: Vec<Symbol>) -> Self {
        symbols.sort_by_key(|symbol| symbol.address);
        symbols.dedup_by_key(|symbol| symbol.address);
        let unnamed = Place::new("(unnamed)", Component::Rest);
        Self { symbols, unnamed, user: Place::new("(user space)", Component::User) }
    }

    /// What is at `address`.
    pub fn find(&self, address: u64) -> Place {
        if address < KERNEL_SPACE {
            return self.user.clone();
        }
        let after = self.symbols.partition_point(|symbol| symbol.address <= address);
        after.checked_sub(1).map_or(&self.unnamed, |index| &self.symbols[index].place).clone()
    }

    /// Whether `address` is where a function begins.
    pub fn is_entry(&self, address: u64) -> bool {
        self.symbols.binary_search_by_key(&address, |symbol| symbol.address).is_ok()
    }

    /// The bytes of code in the functions of a component for whose name `belongs` holds.
    pub fn text(&self, component: Component, belongs: impl Fn(&str) -> bool) -> u64 {
        let is_right = |symbol: &&Symbol| symbol.place.component == component && belongs(&symbol.place.name);
        self.symbols.iter().filter(is_right).map(|symbol| symbol.size).sum()
    }
}

/// The address of a function of the kernel image that was built in `objdir`.
///
/// # Errors
///
/// When there is no such function, or no image.
pub fn address_of(name: &str, objdir: &Path) -> Result<u64> {
    let mut address = None;
    each_function(&objdir.join("vmlinux"), |_, function| {
        if function.name == name {
            address = Some(function.address);
        }
    })?;
    address.with_context(|| format!("the kernel has no function {name}"))
}

/// The functions of the objects that make up the components. Names of local functions are unique within their source
/// file only.
struct Known(HashMap<(Option<String>, String), Component>);

impl Known {
    fn read(objdir: &Path, objects_of: &[(&str, Component)]) -> Result<Self> {
        let mut known = HashMap::new();
        for &(path, component) in objects_of {
            for object in objects(&objdir.join(path))? {
                each_function(&object, |file, function| {
                    known.entry((file, function.name)).or_insert(component);
                })?;
            }
        }
        Ok(Self(known))
    }

    fn component(&self, file: Option<String>, name: &str) -> Component {
        let get = |file| self.0.get(&(file, name.to_owned())).copied();
        // What is global in an object may have become local when the image was linked.
        get(file).or_else(|| get(None)).or_else(|| component::by_name(name)).unwrap_or(Component::Rest)
    }
}

/// The object files at `path`: itself, or those in the directory.
fn objects(path: &Path) -> Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_path_buf()]);
    }
    let entries = fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    Ok(paths.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "o")).collect())
}

/// A function as a file has it.
struct Function {
    name: String,
    section: String,
    /// Its address, relative to the section in a file that is not linked.
    address: u64,
    size: u64,
}

/// Calls `f` with each function of an ELF file, and the source file of those that are local to one.
fn each_function(path: &Path, mut f: impl FnMut(Option<String>, Function)) -> Result<()> {
    let data = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let elf = object::File::parse(&*data).with_context(|| format!("{} is no ELF file", path.display()))?;
    let mut source = None;
    for symbol in elf.symbols() {
        let Ok(name) = symbol.name() else { continue };
        if symbol.kind() == SymbolKind::File {
            source = Some(name.to_owned());
            continue;
        }
        let Some(section) = symbol.section_index().and_then(|index| elf.section_by_index(index).ok()) else { continue };
        let is_code = section.kind() == SectionKind::Text && symbol.kind() != SymbolKind::Section;
        if !is_code || name.is_empty() || name.starts_with(".L") {
            continue;
        }
        let source = if symbol.is_local() { source.clone() } else { None };
        let section = section.name()?.to_owned();
        let (address, size) = (symbol.address(), symbol.size());
        f(source, Function { name: name.to_owned(), section, address, size });
    }
    Ok(())
}

fn image(path: &Path, known: &Known) -> Result<Vec<Symbol>> {
    let mut symbols = Vec::new();
    each_function(path, |file, function| {
        let place = Place::new(&readable(&function.name), known.component(file, &function.name));
        symbols.push(Symbol { address: function.address, size: function.size, place, module: None });
    })?;
    Ok(symbols)
}

fn module(objdir: &Path, loaded: &LoadedSection) -> Result<Vec<Symbol>> {
    // Behind it may be another module, whose functions are not known.
    let end = loaded.address + section_size(&objdir.join(&loaded.file), &loaded.section)?;
    let behind = Symbol { address: end, size: 0, place: Place::new("(unnamed)", Component::Rest), module: None };
    let mut symbols = vec![behind];
    let name = loaded.file.file_stem().map(|stem| stem.to_string_lossy().replace('-', "_"));
    each_function(&objdir.join(&loaded.file), |_, function| {
        if function.section == loaded.section {
            symbols.push(Symbol {
                address: loaded.address + function.address,
                size: function.size,
                place: Place::new(&readable(&function.name), Component::Module),
                module: name.clone(),
            });
        }
    })?;
    Ok(symbols)
}

/// How many bytes a section of an ELF file has.
fn section_size(path: &Path, name: &str) -> Result<u64> {
    let data = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let elf = object::File::parse(&*data).with_context(|| format!("{} is no ELF file", path.display()))?;
    let section = elf.section_by_name(name).with_context(|| format!("{} has no section {name}", path.display()))?;
    Ok(section.size())
}

/// A name without what only compilers need.
fn readable(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Where the functions of [`table`] begin.
    pub const BLOCK: u64 = KERNEL_SPACE + 0x100;
    pub const MODULE: u64 = KERNEL_SPACE + 0x200;

    /// A table with two functions.
    pub fn table() -> SymbolTable {
        let symbol = |address, name: &str, component| Symbol {
            address,
            size: 0x10,
            place: Place::new(name, component),
            module: None,
        };
        SymbolTable::new(vec![symbol(MODULE, "module", Component::Module), symbol(BLOCK, "block", Component::Block)])
    }

    #[test]
    fn what_the_other_driver_does_is_apart() {
        let symbol = |component, module: Option<&str>| Symbol {
            address: 0,
            size: 0,
            place: Place::new("f", component),
            module: module.map(Into::into),
        };
        let symbols = [
            symbol(Component::Module, Some("e1000")),
            symbol(Component::Module, Some("e1000_rs")),
            symbol(Component::Module, Some("other")),
            symbol(Component::Abstractions, None),
            symbol(Component::Network, None),
        ];
        let components =
            |driver, other| seen_from(driver, other, &symbols).iter().map(|s| s.place.component).collect::<Vec<_>>();
        use Component::{Abstractions, Module, Network, Peer};
        assert_eq!(components("e1000", "e1000_rs"), [Module, Peer, Module, Peer, Network]);
        assert_eq!(components("e1000_rs", "e1000"), [Peer, Module, Module, Abstractions, Network]);
    }

    #[test]
    fn an_address_belongs_to_the_function_before_it() {
        let table = table();
        for (address, name) in [
            (BLOCK - 1, "(unnamed)"),
            (BLOCK, "block"),
            (MODULE - 1, "block"),
            (MODULE, "module"),
            (u64::MAX, "module"),
        ] {
            assert_eq!(&*table.find(address).name, name, "{address:x}");
        }
        assert_eq!(table.find(0x40_0000).component, Component::User);
    }

    #[test]
    fn only_its_first_instruction_is_the_entry_of_a_function() {
        let table = table();
        assert!(table.is_entry(MODULE));
        assert!(!table.is_entry(MODULE + 1));
    }

    #[test]
    fn the_code_of_a_component_is_that_of_its_functions() {
        assert_eq!(table().text(Component::Module, |_| true), 0x10);
        assert_eq!(table().text(Component::Module, |name| name == "block"), 0);
    }

    #[test]
    fn rust_names_are_readable() {
        let name = readable("_RNvMNtNtCsl7L7n58I0Vr_6kernel6virtio5stateNtB2_11DeviceState9interrupt");
        assert_eq!(name, "<kernel::virtio::state::DeviceState>::interrupt");
        assert_eq!(readable("vring_interrupt"), "vring_interrupt");
    }

    #[test]
    fn what_the_guest_says_is_checked() {
        let section = LoadedSection::parse("drivers/a.ko .text 0xffffffffa0000000").unwrap();
        assert_eq!((section.section.as_str(), section.address), (".text", 0xffff_ffff_a000_0000));
        // Without the right to see addresses, the guest would say zero.
        for text in ["a.ko .text 0x0000000000000000", "a.ko .text", "a.ko .text ffffffffa0000000", ""] {
            assert!(LoadedSection::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_functions_of_an_object_are_found() {
        // This test is one: any ELF file with symbols will do.
        let mut found = false;
        each_function(&std::env::current_exe().unwrap(), |_, function| {
            found |= function.name.contains("the_functions_of_an_object_are_found");
        })
        .unwrap();
        assert!(found);
    }
}
