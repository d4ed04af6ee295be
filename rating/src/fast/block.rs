//! [`Block`]: a row group of a run, decoded, with the places where events and what they say change.

use std::fs::File;

use datafusion::parquet::file::metadata::ParquetMetaData;
use turnpike_schemas::event::{EventKind, Flow, ResourceState};
use turnpike_schemas::{Instant, OwnerRef, ResourceId};

use super::column::{NO_CODE, NO_LONG, Texts, Values, longs, texts};
use super::fold::{Head, Holder, Measure};
use super::names::{Labels, NONE, Names};

/// Codes of a column with the number of each code.
struct Numbered {
    codes: Values<u32>,
    numbers: Vec<u32>,
}

impl Numbered {
    fn at(&self, row: usize) -> u32 {
        let code = self.codes.at(row);
        self.numbers.get(code as usize).copied().unwrap_or(NONE)
    }

    /// Numbers each entry; `None` where an entry cannot be.
    fn of(texts: Texts, mut number: impl FnMut(&str) -> Option<u32>) -> Option<Self> {
        let entry = |bytes: &bytes::Bytes| number(std::str::from_utf8(bytes).ok()?);
        let numbers = texts.entries.iter().map(entry).collect::<Option<_>>()?;
        Some(Self { codes: texts.codes, numbers })
    }
}

/// What of a row's change matters.
const NEW_EVENT: u8 = 1;
const NEW_HEAD: u8 = 2;

/// A decoded row group.
pub(super) struct Block {
    pub(super) rows: usize,
    resource: Texts,
    time: Values<i64>,
    /// The commit and the row in it that an event came from: equal for the rows of one event alone.
    version: Values<i64>,
    row: Values<i64>,
    key: Option<Texts>,
    meter: Numbered,
    flow: Numbered,
    quantity: Values<i64>,
    scale: Values<i64>,
    kind: Numbered,
    state: Numbered,
    terminal: Values<i64>,
    window_start: Values<i64>,
    window_end: Values<i64>,
    since: Values<i64>,
    incarnation: Numbered,
    /// resource_kind, parent, owner, project, site, region, source, attributes, tags.
    holder: [Numbered; 9],
    changes: Vec<u8>,
}

/// The numbers that all blocks of a worker share.
#[derive(Default)]
pub(super) struct Numbers {
    pub(super) names: Names,
    pub(super) labels: Labels,
}

/// Reads columns of one row group by name.
struct Reader<'a> {
    file: &'a mut File,
    metadata: &'a ParquetMetaData,
    group: usize,
    rows: usize,
}

impl Reader<'_> {
    fn column(&self, name: &str) -> Option<usize> {
        let columns = self.metadata.file_metadata().schema_descr();
        (0..columns.num_columns()).find(|at| columns.column(*at).path().string() == name)
    }

    fn texts(&mut self, name: &str) -> Option<Texts> {
        let chunk = self.metadata.row_group(self.group).column(self.column(name)?);
        texts(self.file, chunk, self.rows)
    }

    fn longs(&mut self, name: &str) -> Option<Values<i64>> {
        let chunk = self.metadata.row_group(self.group).column(self.column(name)?);
        longs(self.file, chunk, self.rows)
    }

    fn numbered(
        &mut self,
        name: &str,
        number: impl FnMut(&str) -> Option<u32>,
    ) -> Option<Numbered> {
        Numbered::of(self.texts(name)?, number)
    }
}

/// The place of a word among all words of its kind, from 1 on.
fn word<T: Copy + PartialEq>(all: &[T], found: Option<T>) -> Option<u32> {
    let place = all.iter().position(|one| Some(*one) == found)?;
    u32::try_from(place + 1).ok()
}

fn of_word<T: Copy>(all: &[T], number: u32) -> Option<T> {
    all.get((number as usize).checked_sub(1)?).copied()
}

impl Block {
    /// Decodes a row group; `None` where the general reader has to look.
    pub(super) fn read(
        file: &mut File,
        metadata: &ParquetMetaData,
        group: usize,
        with_keys: bool,
        numbers: &mut Numbers,
    ) -> Option<Self> {
        let rows = usize::try_from(metadata.row_group(group).num_rows()).ok()?;
        let mut reader = Reader { file, metadata, group, rows };
        let Numbers { names, labels } = numbers;
        let mut resource = reader.texts("resource")?;
        join_neighbours(&mut resource);
        let nameless = match &resource.codes {
            Values::Same(code) => *code == NO_CODE,
            Values::Each(codes) => codes.contains(&NO_CODE),
        };
        if nameless {
            return None;
        }
        let mut name = |text: &str| names.number(text);
        let holder = [
            reader.numbered("resource_kind", &mut name)?,
            reader.numbered("parent", |text| {
                ResourceId::new(text).ok()?;
                name(text)
            })?,
            reader.numbered("owner", |text| {
                OwnerRef::new(text).ok()?;
                name(text)
            })?,
            reader.numbered("project", &mut name)?,
            reader.numbered("site", &mut name)?,
            reader.numbered("region", &mut name)?,
            reader.numbered("source", &mut name)?,
            reader.numbered("attributes", |text| labels.number(text))?,
            // One more, so that tags that are empty differ from none.
            reader.numbered("tags", |text| labels.number(text)?.checked_add(1))?,
        ];
        let mut block = Self {
            rows,
            resource,
            time: reader.longs("time")?,
            version: reader.longs("raw_version")?,
            row: reader.longs("raw_row")?,
            key: if with_keys { Some(reader.texts("event_key")?) } else { None },
            meter: reader.numbered("meter", |text| {
                turnpike_schemas::MeterId::new(text).ok()?;
                name(text)
            })?,
            flow: reader.numbered("flow", |text| word(Flow::ALL, Flow::from_word(text)))?,
            quantity: reader.longs("quantity")?,
            scale: reader.longs("scale")?,
            kind: reader
                .numbered("kind", |text| word(EventKind::ALL, EventKind::from_word(text)))?,
            state: reader.numbered("state", |text| {
                word(ResourceState::ALL, ResourceState::from_word(text))
            })?,
            terminal: reader.longs("terminal")?,
            window_start: reader.longs("window_start")?,
            window_end: reader.longs("window_end")?,
            since: reader.longs("since")?,
            incarnation: reader.numbered("incarnation", &mut name)?,
            holder,
            changes: Vec::new(),
        };
        block.find_changes();
        Some(block)
    }

    /// Marks the rows in which an event begins, or in which one says other things than the row before.
    fn find_changes(&mut self) {
        let mut changes = vec![0_u8; self.rows];
        mark(&mut changes, NEW_EVENT, &self.version);
        mark(&mut changes, NEW_EVENT, &self.row);
        for column in [&self.terminal, &self.window_start, &self.window_end, &self.since] {
            mark(&mut changes, NEW_HEAD, column);
        }
        let columns = [&self.kind, &self.state, &self.incarnation];
        for column in columns.into_iter().chain(&self.holder) {
            mark(&mut changes, NEW_HEAD, &column.codes);
        }
        self.changes = changes;
    }

    pub(super) fn resource(&self, row: usize) -> Option<&[u8]> {
        self.resource.entry(self.resource_code(row))
    }

    /// Neighbours are of one resource where this is equal.
    pub(super) fn resource_code(&self, row: usize) -> u32 {
        self.resource.codes.at(row)
    }

    pub(super) fn key(&self, row: usize) -> Option<&[u8]> {
        let key = self.key.as_ref()?;
        key.entry(key.codes.at(row))
    }

    pub(super) fn time(&self, row: usize) -> i64 {
        self.time.at(row)
    }

    /// Where the event of a row came from.
    pub(super) fn origin(&self, row: usize) -> (i64, i64) {
        (self.version.at(row), self.row.at(row))
    }

    /// Whether an event begins in a row that is not the block's first.
    pub(super) fn begins_event(&self, row: usize) -> bool {
        self.changes[row] & NEW_EVENT != 0
    }

    pub(super) fn changes_head(&self, row: usize) -> bool {
        self.changes[row] & NEW_HEAD != 0
    }

    /// What the event of a row says; `None` where the general fold has to look.
    pub(super) fn head(&self, row: usize) -> Option<Head> {
        let kind = of_word(EventKind::ALL, self.kind.at(row))?;
        if kind == EventKind::Interval {
            return None;
        }
        let window = match (self.window_start.at(row), self.window_end.at(row)) {
            (NO_LONG, _) | (_, NO_LONG) => None,
            (start, end) => Some((instant(start)?, instant(end)?)),
        };
        let since = match self.since.at(row) {
            NO_LONG => None,
            since => Some(instant(since)?),
        };
        let said = |at: usize| self.holder[at].at(row);
        let tags = said(8);
        Some(Head {
            kind,
            state: of_word(ResourceState::ALL, self.state.at(row)),
            terminal: self.terminal.at(row) == 1,
            window,
            since,
            incarnation: self.incarnation.at(row),
            said: Holder {
                kind: said(0),
                parent: said(1),
                owner: said(2),
                project: said(3),
                site: said(4),
                region: said(5),
                source: said(6),
                attributes: said(7),
                tags: tags.saturating_sub(1),
            },
            says_tags: tags != NONE,
        })
    }

    /// Order among events of one instant, as [`turnpike_schemas::UsageEvent::rank`] says.
    pub(super) fn rank(&self, row: usize) -> u8 {
        match (self.terminal.at(row) == 1, of_word(EventKind::ALL, self.kind.at(row))) {
            (true, _) => 2,
            (false, Some(EventKind::Audit)) => 1,
            (false, _) => 0,
        }
    }

    /// The measurement of a row, if it has one; `Err` where the general fold has to look.
    pub(super) fn measure(&self, row: usize) -> Result<Option<Measure>, ()> {
        let meter = self.meter.at(row);
        if meter == NONE {
            return Ok(None);
        }
        let (quantity, scale) = (self.quantity.at(row), self.scale.at(row));
        if quantity == NO_LONG {
            return Err(());
        }
        Ok(Some(Measure {
            meter,
            flow: of_word(Flow::ALL, self.flow.at(row)).ok_or(())?,
            quantity,
            scale: u32::try_from(scale).map_err(|_| ())?,
        }))
    }
}

fn instant(micros: i64) -> Option<i64> {
    Instant::from_micros(micros).ok().map(|instant| instant.micros())
}

fn mark<T: Copy + PartialEq>(changes: &mut [u8], what: u8, values: &Values<T>) {
    let Values::Each(values) = values else { return };
    for (change, pair) in changes.iter_mut().skip(1).zip(values.windows(2)) {
        *change |= if pair[0] == pair[1] { 0 } else { what };
    }
}

/// Where a dictionary ended within a resource, its rows have two codes: they get one.
fn join_neighbours(texts: &mut Texts) {
    let Texts { codes: Values::Each(codes), entries } = texts else { return };
    let mut last = NO_CODE;
    for code in codes {
        if *code != last && *code != NO_CODE && last != NO_CODE {
            let same = entries[*code as usize] == entries[last as usize];
            *code = if same { last } else { *code };
        }
        last = *code;
    }
}
