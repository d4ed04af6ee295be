//! Rated lines and metering states as Arrow, and back.

mod columns;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{Decimal128Type, Int32Type, Int64Type, TimestampMicrosecondType};
use turnpike_schemas::{
    AccountId, Aggregation, AgreementId, Amount, Currency, Instant, LineKind, MeterId, PartyId,
    Per, Period, PriceUnit, RatedLine, ResourceId, RunId, TariffId, TariffVersionId, TaxCategoryId,
    arrow as tables, canonical,
};

pub(crate) use columns::LineColumns;

use crate::error::RatingError;
use crate::line_view::{LineTerms, LineView};
use crate::metering::Metered;

const LINES: &str = "rated_lines";

/// Whether the table can hold the line: 38 digits each of quantity, numerator and denominator.
pub fn fits(line: &RatedLine) -> bool {
    figures_fit(line.quantity, &line.amount)
}

pub(crate) fn figures_fit(quantity: i128, amount: &Amount) -> bool {
    let amount = [amount.numerator(), amount.denominator()].map(i128::try_from);
    let [Ok(numerator), Ok(denominator)] = amount else { return false };
    integers_fit([quantity, numerator, denominator])
}

/// Whether a table has room for these.
pub(crate) fn integers_fit(values: [i128; 3]) -> bool {
    values.iter().all(|value| value.unsigned_abs() < 10_u128.pow(38))
}

/// Arranges lines as the `rated_lines` table.
pub fn lines_to_batch(lines: &[RatedLine]) -> Result<RecordBatch, RatingError> {
    let mut columns = LineColumns::default();
    for line in lines {
        columns.put(&LineView::of(line, &LineTerms::of(line)))?;
    }
    columns.into_batch()
}

/// Reads lines of the `rated_lines` table.
pub fn lines_from_batches(batches: &[RecordBatch]) -> Result<Vec<RatedLine>, RatingError> {
    let mut lines = Vec::new();
    for batch in batches {
        let reader = LineReader { batch };
        for row in 0..batch.num_rows() {
            lines.push(reader.line(row)?);
        }
    }
    Ok(lines)
}

struct LineReader<'a> {
    batch: &'a RecordBatch,
}

impl LineReader<'_> {
    fn bad(&self, column: &'static str, row: usize, problem: impl ToString) -> RatingError {
        RatingError::Column { table: LINES, column, row, problem: problem.to_string() }
    }

    fn array(&self, name: &'static str) -> Result<&ArrayRef, RatingError> {
        self.batch.column_by_name(name).ok_or_else(|| self.bad(name, 0, "the column is missing"))
    }

    fn optional(&self, name: &'static str, row: usize) -> Result<Option<String>, RatingError> {
        let array = self.array(name)?;
        let text =
            array.as_string_opt::<i32>().ok_or_else(|| self.bad(name, row, array.data_type()))?;
        Ok((!text.is_null(row)).then(|| text.value(row).to_owned()))
    }

    fn text(&self, name: &'static str, row: usize) -> Result<String, RatingError> {
        self.optional(name, row)?.ok_or_else(|| self.bad(name, row, "the value is missing"))
    }

    fn long(&self, name: &'static str, row: usize) -> Result<i64, RatingError> {
        let array = self.array(name)?;
        let values = array
            .as_primitive_opt::<Int64Type>()
            .ok_or_else(|| self.bad(name, row, array.data_type()))?;
        Ok(values.value(row))
    }

    fn wide(&self, name: &'static str, row: usize) -> Result<i128, RatingError> {
        let array = self.array(name)?;
        let values = array
            .as_primitive_opt::<Decimal128Type>()
            .ok_or_else(|| self.bad(name, row, array.data_type()))?;
        Ok(values.value(row))
    }

    fn instant(&self, name: &'static str, row: usize) -> Result<Instant, RatingError> {
        let array = self.array(name)?;
        let values = array
            .as_primitive_opt::<TimestampMicrosecondType>()
            .ok_or_else(|| self.bad(name, row, array.data_type()))?;
        Instant::from_micros(values.value(row)).map_err(|error| self.bad(name, row, error))
    }

    fn line(&self, row: usize) -> Result<RatedLine, RatingError> {
        let currency = Currency::new(&self.text("currency", row)?)
            .map_err(|error| self.bad("currency", row, error))?;
        let amount = Amount::from_text(
            &self.wide("amount_numerator", row)?.to_string(),
            &self.wide("amount_denominator", row)?.to_string(),
            currency,
        );
        let attributes = self.text("attributes", row)?;
        let aggregation = match self.text("aggregation", row)?.as_str() {
            "held" => Aggregation::Held,
            "sum" => Aggregation::Sum,
            other => return Err(self.bad("aggregation", row, other)),
        };
        let per = self.text("per", row)?;
        let kind = self.text("kind", row)?;
        let scale = self.array("scale")?;
        let scale = scale
            .as_primitive_opt::<Int32Type>()
            .ok_or_else(|| self.bad("scale", row, scale.data_type()))?
            .value(row);
        let estimated = self.array("estimated")?;
        let estimated = estimated
            .as_boolean_opt()
            .ok_or_else(|| self.bad("estimated", row, estimated.data_type()))?
            .value(row);
        Ok(RatedLine {
            line_id: self.text("line_id", row)?,
            run: RunId::new(self.text("run", row)?)?,
            kind: LineKind::from_word(&kind).ok_or_else(|| self.bad("kind", row, &kind))?,
            account: AccountId::new(self.text("account", row)?)?,
            seller: PartyId::new(self.text("seller", row)?)?,
            project: self.optional("project", row)?,
            site: self.optional("site", row)?,
            resource: ResourceId::new(self.text("resource", row)?)?,
            resource_kind: self.text("resource_kind", row)?,
            meter: MeterId::new(self.text("meter", row)?)?,
            service: self.text("service", row)?,
            detail: self.text("detail", row)?,
            attributes: canonical::labels_from_json(&attributes)
                .ok_or_else(|| self.bad("attributes", row, &attributes))?,
            tariff: TariffId::new(self.text("tariff", row)?)?,
            tariff_version: TariffVersionId::new(self.text("tariff_version", row)?)?,
            agreement: self.optional("agreement", row)?.map(AgreementId::new).transpose()?,
            tax_category: TaxCategoryId::new(self.text("tax_category", row)?)?,
            aggregation,
            quantity: self.wide("quantity", row)?,
            scale: u32::try_from(scale).map_err(|error| self.bad("scale", row, error))?,
            seconds: self.long("seconds", row)?,
            price_nano: self.long("price_nano", row)?,
            unit: PriceUnit {
                name: self.text("unit", row)?,
                base_units: self.long("unit_base", row)?,
            },
            per: Per::from_word(&per).ok_or_else(|| self.bad("per", row, &per))?,
            per_seconds: self.long("per_seconds", row)?,
            currency,
            amount: amount.map_err(|error| self.bad("amount_numerator", row, error))?,
            service_period: Period::new(
                self.instant("service_start", row)?,
                self.instant("service_end", row)?,
            )
            .map_err(|error| self.bad("service_end", row, error))?,
            intervals: self.long("intervals", row)?,
            estimated,
        })
    }
}

/// Arranges what a bucket knows at a month's start as the `usage_state` table.
pub fn states_to_batch(
    bucket: u32,
    month: i32,
    states: &[Metered],
    raw_version: i64,
) -> Result<RecordBatch, RatingError> {
    // Without open resources one row without a resource says that this was computed.
    let rows = states.len().max(1);
    let text = |of: &dyn Fn(&Metered) -> Option<String>| -> ArrayRef {
        let mut values: Vec<Option<String>> = states.iter().map(of).collect();
        values.resize(rows, None);
        Arc::new(StringArray::from(values))
    };
    let bucket = i32::try_from(bucket).unwrap_or(i32::MAX);
    let fold = crate::metering::FOLD_VERSION;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from(vec![bucket; rows])),
        Arc::new(Int32Array::from(vec![month; rows])),
        text(&|known| Some(known.holder.resource.to_string())),
        text(&|known| known.holder.owner.as_ref().map(ToString::to_string)),
        text(&|known| Some(known.state.as_str().to_owned())),
        text(&|known| Some(canonical::to_json(known))),
        Arc::new(Int64Array::from(vec![raw_version; rows])),
        Arc::new(StringArray::from(vec![fold; rows])),
    ];
    Ok(RecordBatch::try_new(tables::usage_state(), columns)?)
}

/// Reads what a bucket knew at a month's start.
pub fn states_from_batches(batches: &[RecordBatch]) -> Result<Vec<Metered>, RatingError> {
    let mut states = Vec::new();
    for batch in batches {
        let missing = |column| RatingError::Column {
            table: "usage_state",
            column,
            row: 0,
            problem: "the column is missing".to_owned(),
        };
        let text = |name| {
            batch
                .column_by_name(name)
                .and_then(|array| array.as_string_opt::<i32>())
                .ok_or_else(|| missing(name))
        };
        let (resources, details) = (text("resource")?, text("detail")?);
        for row in (0..batch.num_rows()).filter(|row| !resources.is_null(*row)) {
            let known =
                serde_json::from_str(details.value(row)).map_err(|error| RatingError::State {
                    resource: resources.value(row).to_owned(),
                    problem: error.to_string(),
                })?;
            states.push(known);
        }
    }
    Ok(states)
}
