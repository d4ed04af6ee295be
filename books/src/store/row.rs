//! Columns to values of the domain; a value that does not parse is named, never defaulted.

use std::fmt::Display;
use std::str::FromStr;

use chrono::NaiveDate;
use sqlx::Row;
use sqlx::any::AnyRow;
use turnpike_schemas::{Currency, Instant, Money, Period};

/// Reading of rows by column name.
pub(crate) trait RowExt {
    fn text(&self, column: &str) -> Result<String, sqlx::Error>;
    fn text_opt(&self, column: &str) -> Result<Option<String>, sqlx::Error>;
    fn int(&self, column: &str) -> Result<i64, sqlx::Error>;
    fn int_opt(&self, column: &str) -> Result<Option<i64>, sqlx::Error>;

    /// A text column as a type that reads its own text: ids, currencies, days.
    fn parsed<T>(&self, column: &str) -> Result<T, sqlx::Error>
    where
        T: FromStr,
        T::Err: Display,
    {
        parse(column, &self.text(column)?)
    }

    fn parsed_opt<T>(&self, column: &str) -> Result<Option<T>, sqlx::Error>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.text_opt(column)?.map(|text| parse(column, &text)).transpose()
    }

    fn instant(&self, column: &str) -> Result<Instant, sqlx::Error> {
        Instant::from_micros(self.int(column)?).map_err(|error| decode(column, error))
    }

    fn instant_opt(&self, column: &str) -> Result<Option<Instant>, sqlx::Error> {
        self.int_opt(column)?
            .map(|micros| Instant::from_micros(micros).map_err(|error| decode(column, error)))
            .transpose()
    }

    fn day_opt(&self, column: &str) -> Result<Option<NaiveDate>, sqlx::Error> {
        self.parsed_opt(column)
    }

    fn period(&self) -> Result<Period, sqlx::Error> {
        Period::new(self.instant("period_start")?, self.instant("period_end")?)
            .map_err(|error| decode("period_start", error))
    }

    fn money(&self, column: &str, currency: Currency) -> Result<Money, sqlx::Error> {
        Ok(Money::from_minor(self.int(column)?, currency))
    }
}

impl RowExt for AnyRow {
    fn text(&self, column: &str) -> Result<String, sqlx::Error> {
        self.try_get(column)
    }

    fn text_opt(&self, column: &str) -> Result<Option<String>, sqlx::Error> {
        self.try_get(column)
    }

    fn int(&self, column: &str) -> Result<i64, sqlx::Error> {
        self.try_get(column)
    }

    fn int_opt(&self, column: &str) -> Result<Option<i64>, sqlx::Error> {
        self.try_get(column)
    }
}

fn parse<T>(column: &str, text: &str) -> Result<T, sqlx::Error>
where
    T: FromStr,
    T::Err: Display,
{
    text.parse().map_err(|error| decode(column, error))
}

fn decode(column: &str, error: impl Display) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.to_owned(), source: error.to_string().into() }
}
