//! What commands print: tables for people, JSON and CSV for programs.
//!
//! Decimals are strings in JSON, so that no reader puts them through a float. A reader that goes
//! away (`| head`) ends the output, not the program.

use std::io::{self, Write};

use clap::ValueEnum;
use serde_json::{Map, Value};

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// Columns for people.
    #[default]
    Table,
    /// One JSON value; decimals are strings.
    Json,
    /// RFC 4180 with a header row.
    Csv,
    /// A document to print or send; `invoice show` only.
    Html,
}

/// One value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    None,
    Text(String),
    Integer(i64),
    /// A decimal or a wide integer: a string in JSON.
    Decimal(String),
    Flag(bool),
}

impl Cell {
    pub fn text(text: impl ToString) -> Self {
        Cell::Text(text.to_string())
    }

    pub fn optional(text: Option<impl ToString>) -> Self {
        text.map_or(Cell::None, Cell::text)
    }

    pub fn count(count: impl TryInto<i64>) -> Self {
        count.try_into().map_or(Cell::None, Cell::Integer)
    }

    fn shown(&self) -> String {
        match self {
            Cell::None => String::new(),
            Cell::Text(text) | Cell::Decimal(text) => text.clone(),
            Cell::Integer(number) => number.to_string(),
            Cell::Flag(true) => "yes".to_owned(),
            Cell::Flag(false) => "no".to_owned(),
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Cell::None => Value::Null,
            Cell::Text(text) | Cell::Decimal(text) => Value::String(text.clone()),
            Cell::Integer(number) => Value::from(*number),
            Cell::Flag(flag) => Value::Bool(*flag),
        }
    }

    fn is_number(&self) -> bool {
        matches!(self, Cell::Integer(_) | Cell::Decimal(_))
    }
}

/// Rows under named columns.
#[derive(Debug, Clone)]
pub struct Table {
    columns: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub fn new(columns: &[&'static str]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    pub fn push(&mut self, row: Vec<Cell>) {
        self.rows.push(row);
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub fn text(&self, format: Format) -> String {
        match format {
            Format::Table | Format::Html => self.to_columns(),
            Format::Json => {
                let rows = self.rows.iter().map(|row| self.object(row)).collect();
                pretty(&Value::Array(rows))
            }
            Format::Csv => self.to_csv(),
        }
    }

    fn object(&self, row: &[Cell]) -> Value {
        let pairs = self.columns.iter().zip(row);
        Value::Object(pairs.map(|(name, cell)| ((*name).to_owned(), cell.to_json())).collect())
    }

    fn to_csv(&self) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let header = writer.write_record(&self.columns);
        let written = header.and_then(|()| {
            self.rows.iter().try_for_each(|row| writer.write_record(row.iter().map(Cell::shown)))
        });
        let bytes = written.ok().and_then(|()| writer.into_inner().ok()).unwrap_or_default();
        String::from_utf8(bytes).unwrap_or_default()
    }

    fn to_columns(&self) -> String {
        let width = |index: usize| {
            let cells = self.rows.iter().map(|row| row[index].shown().chars().count());
            cells.chain([self.columns[index].chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let right: Vec<bool> = (0..self.columns.len())
            .map(|index| self.rows.iter().any(|row| row[index].is_number()))
            .collect();
        let line = |cells: &[String]| {
            let mut text = String::new();
            for (index, cell) in cells.iter().enumerate() {
                let gap = " ".repeat(widths[index] - cell.chars().count());
                let (before, after) =
                    if right[index] { (gap, String::new()) } else { (String::new(), gap) };
                text.push_str(&before);
                text.push_str(cell);
                text.push_str(&after);
                text.push_str("  ");
            }
            format!("{}\n", text.trim_end())
        };
        let header: Vec<String> = self.columns.iter().map(|name| (*name).to_owned()).collect();
        let mut text = line(&header);
        for row in &self.rows {
            text.push_str(&line(&row.iter().map(Cell::shown).collect::<Vec<_>>()));
        }
        text
    }
}

/// Named values of one thing: lines for people, an object in JSON, one row in CSV.
#[derive(Debug, Clone, Default)]
pub struct Record {
    fields: Vec<(&'static str, Cell)>,
}

impl Record {
    pub fn with(mut self, name: &'static str, cell: Cell) -> Self {
        self.fields.push((name, cell));
        self
    }

    pub fn text(&self, format: Format) -> String {
        match format {
            Format::Table | Format::Html => {
                let width = self.fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
                let line =
                    |(name, cell): &(&str, Cell)| format!("{name:width$}  {}\n", cell.shown());
                self.fields.iter().map(line).collect()
            }
            Format::Json => {
                let pairs = self.fields.iter();
                let object: Map<String, Value> =
                    pairs.map(|(name, cell)| ((*name).to_owned(), cell.to_json())).collect();
                pretty(&Value::Object(object))
            }
            Format::Csv => {
                let mut table =
                    Table::new(&self.fields.iter().map(|(name, _)| *name).collect::<Vec<_>>());
                table.push(self.fields.iter().map(|(_, cell)| cell.clone()).collect());
                table.text(Format::Csv)
            }
        }
    }
}

/// JSON for people and programs.
pub fn pretty(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

/// Writes to standard output.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Writes a remark to standard error, where it does not get between data.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// `12,345`: counts for people.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["account", "amount", "estimated"]);
        table.push(vec![Cell::text("é-1"), Cell::Decimal("12.30".to_owned()), Cell::Flag(false)]);
        table.push(vec![Cell::text("b, c"), Cell::None, Cell::Flag(true)]);
        table
    }

    #[test]
    fn a_table_prints_in_each_format() {
        assert_eq!(
            table().text(Format::Table),
            "account  amount  estimated\né-1       12.30  no\nb, c             yes\n"
        );
        assert_eq!(
            table().text(Format::Csv),
            "account,amount,estimated\né-1,12.30,no\n\"b, c\",,yes\n"
        );
        let json: Value = serde_json::from_str(&table().text(Format::Json)).expect("json");
        assert_eq!(json[0]["amount"], Value::String("12.30".to_owned()));
        assert_eq!(json[1]["amount"], Value::Null);
    }

    #[test]
    fn counts_are_grouped() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
    }
}
