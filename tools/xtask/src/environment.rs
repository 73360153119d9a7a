// SPDX-License-Identifier: GPL-2.0
//! `make env`: what somebody needs who calls kbuild by hand, as variables of a shell.

use anyhow::{Context, Result};

use crate::kernel::{UM_MODULES, Variant, objdir};
use crate::project::Project;
use crate::toolchain::Toolchain;
use crate::{setup, source};

/// Prints the variables, and nothing else: the output is for `eval`.
///
/// # Errors
///
/// The tools or the source are not there yet.
pub fn print(project: &Project) -> Result<()> {
    for (name, value) in variables(project)? {
        // A path of the checkout may have anything in it.
        println!("export {name}={}", shlex::try_quote(&value)?);
    }
    Ok(())
}

/// The variables: the source, the directory of each kernel, and how kbuild is called.
///
/// # Errors
///
/// The tools or the source are not there yet.
pub fn variables(project: &Project) -> Result<Vec<(&'static str, String)>> {
    let first = "make setup first";
    let toolchain = setup::find(project).context(first)?;
    let tree = source::find(project)?.context("there is no kernel tree yet").context(first)?;
    let dir = |variant| objdir(project, &tree, variant).display().to_string();
    Ok(vec![
        ("CHECKOUT", project.repo.display().to_string()),
        ("KTREE", tree.root.display().to_string()),
        ("KPLAIN", dir(Variant::Plain)),
        ("KDEBUG", dir(Variant::Debug)),
        ("KTRACED", dir(Variant::Traced)),
        ("KUM", dir(Variant::Um)),
        ("KMAKE", kmake(&toolchain)),
        ("KMAKE_UM", format!("{} ARCH=um {UM_MODULES}", kmake(&toolchain))),
    ])
}

/// `make` with the tools that built the kernels. Others' objects do not fit together.
fn kmake(toolchain: &Toolchain) -> String {
    let Toolchain { rustc, llvm, bindgen, .. } = toolchain;
    let (rustfmt, bindgen) = (rustc.sibling("rustfmt"), bindgen.path.display());
    let (rustc, rustfmt) = (rustc.tool.path.display(), rustfmt.display());
    format!("make LLVM={} RUSTC={rustc} RUSTFMT={rustfmt} BINDGEN={bindgen}", llvm.choice)
}
