// SPDX-License-Identifier: GPL-2.0
//! A parameter that is one of several words, and lists that it cannot be made of.

use kernel::{
    module_param_sysfs,
    module_param_sysfs::Choice,
    prelude::CStr, //
};

#[derive(Clone, Copy, PartialEq)]
pub enum Side {
    Left,
    Right,
}

#[cfg(not(any(
    case = "no_choice",
    case = "two_with_one_name",
    case = "name_without_letters",
    case = "name_with_newline"
)))]
impl Choice for Side {
    const CHOICES: &'static [(&'static CStr, Self)] = &[
        (c"left", Self::Left),
        (c"right", Self::Right),
        (c"r", Self::Right),
    ];
}

#[cfg(not(case = "default_that_is_none"))]
module_param_sysfs! {
    module: "case",
    /// The side.
    pub static side: Side = 1,
    mode: 0o644,
    description: "The side: left or right",
}

pub fn is_left() -> bool {
    side.value() == Side::Left
}

// A parameter has a value.
//@ case: no_choice
//@ error: E0080
//@ message: there is nothing to choose
#[cfg(case = "no_choice")]
impl Choice for Side {
    const CHOICES: &'static [(&'static CStr, Self)] = &[];
}

// The second one could never be chosen.
//@ case: two_with_one_name
//@ error: E0080
//@ message: two choices have the same name
#[cfg(case = "two_with_one_name")]
impl Choice for Side {
    const CHOICES: &'static [(&'static CStr, Self)] = &[
        (c"left", Self::Left),
        (c"right", Self::Right),
        (c"left", Self::Right),
    ];
}

// Nobody could see which one it is.
//@ case: name_without_letters
//@ error: E0080
//@ message: a choice has an empty name
#[cfg(case = "name_without_letters")]
impl Choice for Side {
    const CHOICES: &'static [(&'static CStr, Self)] = &[(c"left", Self::Left), (c"", Self::Right)];
}

// What is written may end with a newline, which is not part of the name.
//@ case: name_with_newline
//@ error: E0080
//@ message: a name of a choice has more than one line
#[cfg(case = "name_with_newline")]
impl Choice for Side {
    const CHOICES: &'static [(&'static CStr, Self)] =
        &[(c"left", Self::Left), (c"right\n", Self::Right)];
}

// The default is one of the choices.
//@ case: default_that_is_none
//@ error: E0080
//@ message: the default is not the index of a choice
#[cfg(case = "default_that_is_none")]
module_param_sysfs! {
    module: "case",
    /// The side.
    pub static side: Side = 3,
    mode: 0o644,
    description: "The side: left or right",
}
