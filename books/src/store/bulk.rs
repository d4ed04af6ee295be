//! Many rows at once.
//!
//! A statement per row costs a round trip each, and an invoice may have thousands of lines. The
//! text of every statement is put together by the compiler, from a literal and numbered
//! placeholders: there is no text that data could get into.

use super::Tx;

/// A value of a column.
#[derive(Debug, Clone)]
pub(crate) enum Cell {
    Text(String),
    TextOpt(Option<String>),
    Int(i64),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Cell::Text(text.to_owned())
    }
}

/// An INSERT of rows of `N` columns, for each number of rows that is sent at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Insert<const N: usize> {
    pub by_rows: [(usize, &'static str); 3],
}

/// Builds an [`Insert`] from `INSERT INTO table (columns) VALUES` and the number of columns. The
/// sizes are few, so that each statement is prepared once, and small, since SQLite looks the name of
/// each parameter up in a list of all.
macro_rules! insert_of {
    ($columns:literal, $head:expr) => {
        $crate::store::bulk::Insert::<$columns> {
            by_rows: [
                (16, $crate::store::bulk::insert_of!(@text 16, $columns, $head)),
                (4, $crate::store::bulk::insert_of!(@text 4, $columns, $head)),
                (1, $crate::store::bulk::insert_of!(@text 1, $columns, $head)),
            ],
        }
    };
    (@text $rows:literal, $columns:literal, $head:expr) => {{
        const LENGTH: usize = $crate::store::bulk::length($head, $rows, $columns);
        const BYTES: [u8; LENGTH] = $crate::store::bulk::text($head, $rows, $columns);
        match std::str::from_utf8(&BYTES) {
            Ok(text) => text,
            Err(_) => panic!("the head of a statement is a str"),
        }
    }};
}
pub(crate) use insert_of;

/// Writes bytes into an array, or only counts them where it is full.
struct Writer<const L: usize> {
    bytes: [u8; L],
    length: usize,
}

impl<const L: usize> Writer<L> {
    const fn push(&mut self, byte: u8) {
        if self.length < L {
            self.bytes[self.length] = byte;
        }
        self.length += 1;
    }

    const fn push_number(&mut self, number: usize) {
        let mut power = 1;
        while number / power >= 10 {
            power *= 10;
        }
        while power > 0 {
            self.push(b"0123456789"[number / power % 10]);
            power /= 10;
        }
    }
}

/// `HEAD ($1,$2),($3,$4)`.
const fn write<const L: usize>(head: &str, rows: usize, columns: usize) -> Writer<L> {
    let mut writer = Writer { bytes: [0; L], length: 0 };
    let head = head.as_bytes();
    let mut at = 0;
    while at < head.len() {
        writer.push(head[at]);
        at += 1;
    }
    writer.push(b' ');
    let mut number = 1;
    while number <= rows * columns {
        if number % columns == 1 % columns {
            if number > 1 {
                writer.push(b',');
            }
            writer.push(b'(');
        } else {
            writer.push(b',');
        }
        writer.push(b'$');
        writer.push_number(number);
        if number.is_multiple_of(columns) {
            writer.push(b')');
        }
        number += 1;
    }
    writer
}

pub(crate) const fn length(head: &str, rows: usize, columns: usize) -> usize {
    write::<0>(head, rows, columns).length
}

pub(crate) const fn text<const L: usize>(head: &str, rows: usize, columns: usize) -> [u8; L] {
    write::<L>(head, rows, columns).bytes
}

/// Inserts all rows, in their order.
pub(crate) async fn insert<const N: usize>(
    tx: &mut Tx,
    statement: Insert<N>,
    rows: Vec<[Cell; N]>,
) -> Result<(), sqlx::Error> {
    let mut left = rows.as_slice();
    for (size, text) in statement.by_rows {
        while left.len() >= size {
            let (chunk, rest) = left.split_at(size);
            left = rest;
            let mut query = sqlx::query(text);
            for cell in chunk.iter().flatten() {
                query = match cell {
                    Cell::Text(text) => query.bind(text.as_str()),
                    Cell::TextOpt(text) => query.bind(text.as_deref()),
                    Cell::Int(number) => query.bind(*number),
                };
            }
            query.execute(&mut **tx).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_numbered_through() {
        const THREE: Insert<3> = insert_of!(3, "INSERT INTO a VALUES");
        let [(16, long), (4, four), (1, one)] = THREE.by_rows else { panic!("{THREE:?}") };
        assert_eq!(one, "INSERT INTO a VALUES ($1,$2,$3)");
        assert_eq!(four, "INSERT INTO a VALUES ($1,$2,$3),($4,$5,$6),($7,$8,$9),($10,$11,$12)");
        assert!(long.ends_with(",($46,$47,$48)"), "{long}");
        const ONE: Insert<1> = insert_of!(1, "V");
        assert_eq!(ONE.by_rows[1].1, "V ($1),($2),($3),($4)");
    }
}
