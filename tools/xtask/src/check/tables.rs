// SPDX-License-Identifier: GPL-2.0
//! The tables in documents that are written as lists: rows begin with `* -`, cells with `-`.

use anyhow::Result;
use regex::Regex;

/// A `list-table`.
#[derive(Default)]
pub struct Table {
    header_rows: usize,
    rows: Vec<Vec<Cell>>,
}

/// A cell of a table.
pub struct Cell {
    /// The number of the line that it begins on, from 1.
    pub line: usize,
    /// What is in it, in one line.
    pub text: String,
}

impl Table {
    /// The first row, if it is one of the header.
    pub fn header(&self) -> Option<&Vec<Cell>> {
        self.rows.first().filter(|_| self.header_rows > 0)
    }

    /// The rows below the header. Each has one cell at least.
    pub fn body(&self) -> impl Iterator<Item = &Vec<Cell>> {
        self.rows.iter().skip(self.header_rows)
    }
}

/// The tables of a document.
///
/// # Errors
///
/// None that depends on the document.
pub fn of(document: &str) -> Result<Vec<Table>> {
    let header_rows = Regex::new(r"^ +:header-rows: (\d+)$")?;
    let begin = Regex::new(r"^ +(\* )?-(?: (.*))?$")?;
    let mut tables = Vec::new();
    let mut inside = false;
    for (at, line) in document.lines().enumerate() {
        if line.starts_with(".. list-table::") {
            tables.push(Table::default());
            inside = true;
            continue;
        }
        inside &= line.is_empty() || line.starts_with(' ');
        let Some(table) = tables.last_mut().filter(|_| inside) else {
            continue;
        };
        if let Some(found) = begin.captures(line) {
            let text = found.get(2).map_or("", |text| text.as_str().trim()).to_owned();
            let cell = Cell { line: at + 1, text };
            match table.rows.last_mut().filter(|_| found.get(1).is_none()) {
                Some(row) => row.push(cell),
                None => table.rows.push(vec![cell]),
            }
        } else if let Some(cell) = table.rows.last_mut().and_then(|row| row.last_mut()) {
            if !line.is_empty() {
                cell.text = format!("{} {}", cell.text, line.trim());
            }
        } else if let Some(found) = header_rows.captures(line) {
            table.header_rows = found[1].parse()?;
        }
    }
    Ok(tables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_cells_are_those_of_the_list() {
        let document = "- a list\n\n.. list-table:: Title\n   :header-rows: 1\n   :widths: 1 2\n\n   * - head\n     - \
                        er\n\n   * - one\n     - two\n       and more\n     -\n\n- no cell\n\n.. list-table::\n\n   \
                        * - last\n";
        let tables = of(document).unwrap();
        let body = |table: &Table| -> Vec<Vec<(usize, String)>> {
            let row = |row: &Vec<Cell>| row.iter().map(|cell| (cell.line, cell.text.clone())).collect();
            table.body().map(row).collect()
        };
        assert_eq!(tables.len(), 2);
        let expected = [(10, "one"), (11, "two and more"), (13, "")].map(|(line, text)| (line, text.to_owned()));
        assert_eq!(body(&tables[0]), [expected]);
        assert_eq!(body(&tables[1]), [[(19, "last".to_owned())]]);
    }
}
