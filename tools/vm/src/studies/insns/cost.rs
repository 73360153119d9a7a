// SPDX-License-Identifier: GPL-2.0

//! What a request costs, by function.

use std::collections::BTreeMap;

use super::component::Component;
use super::counts::Block;
use super::symbols::{Place, SymbolTable};

/// Instructions executed in a function, and calls of it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    /// Instructions.
    pub instructions: f64,
    /// Times that its first instruction was executed.
    pub calls: f64,
}

impl Cost {
    fn add(&mut self, other: Self, factor: f64) {
        self.instructions += other.instructions * factor;
        self.calls += other.calls * factor;
    }
}

/// Costs of functions. They know these by name, so that several boots can be compared.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Costs(BTreeMap<Place, Cost>);

impl Costs {
    /// Adds up blocks by function.
    pub fn of(blocks: &[Block], symbols: &SymbolTable) -> Self {
        let mut costs = Self::default();
        for block in blocks {
            let calls = if symbols.is_entry(block.address) { block.executions as f64 } else { 0.0 };
            let cost = Cost { instructions: (block.instructions * block.executions) as f64, calls };
            costs.0.entry(symbols.find(block.address)).or_default().add(cost, 1.0);
        }
        costs
    }

    /// The cost of one of the `requests` by which the work of `self` is more than that of `less`.
    pub fn per_request(&self, less: &Self, requests: u64) -> Self {
        let share = 1.0 / requests as f64;
        let mut costs = Self::default();
        costs.add(self, share);
        costs.add(less, -share);
        costs
    }

    /// The mean of several measurements.
    pub fn mean<'a>(all: impl ExactSizeIterator<Item = &'a Self>) -> Self {
        let share = 1.0 / all.len() as f64;
        let mut costs = Self::default();
        for one in all {
            costs.add(one, share);
        }
        costs
    }

    fn add(&mut self, other: &Self, factor: f64) {
        for (place, cost) in &other.0 {
            self.0.entry(place.clone()).or_default().add(*cost, factor);
        }
    }

    /// The instructions in all components for which `belongs` holds.
    pub fn instructions(&self, belongs: impl Fn(Component) -> bool) -> f64 {
        self.0.iter().filter(|(place, _)| belongs(place.component)).map(|(_, cost)| cost.instructions).sum()
    }

    /// The calls of all functions that are right.
    pub fn calls(&self, is_right: impl Fn(&Place) -> bool) -> f64 {
        self.0.iter().filter(|(place, _)| is_right(place)).map(|(_, cost)| cost.calls).sum()
    }

    /// The functions, the most expensive one first, without those that cost next to nothing.
    pub fn ranking(&self) -> Vec<(&Place, Cost)> {
        let mut ranking: Vec<_> = self.0.iter().map(|(place, cost)| (place, *cost)).collect();
        ranking.retain(|(_, cost)| cost.instructions >= 0.05);
        ranking.sort_by(|(_, a), (_, b)| b.instructions.total_cmp(&a.instructions));
        ranking
    }
}
