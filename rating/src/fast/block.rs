//! [`Block`]: a row group of a run, decoded, with the places where events and what they say change.

use std::fs::File;

use datafusion::parquet::file::metadata::ParquetMetaData;
use turnpike_schemas::Instant;
use turnpike_schemas::event::{EventKind, Flow, ResourceState};

use super::column::{NO_CODE, NO_LONG, Texts, Values, longs, texts};
use super::head::{Head, Holder, Measure, Said};
use super::names::{Form, Labels, NONE, Names};
use super::pages::{Pages, Spare};

/// Codes of a column with the number of each code.
struct Numbered {
    codes: Values<u32>,
    numbers: Vec<u32>,
}

impl Numbered {
    #[inline]
    fn at(&self, row: usize) -> u32 {
        let code = self.codes.at(row);
        self.numbers.get(code as usize).copied().unwrap_or(NONE)
    }

    /// Numbers each entry; `None` where an entry cannot be.
    fn of(
        texts: Texts,
        spare: &mut Spare,
        mut number: impl FnMut(&str) -> Option<u32>,
    ) -> Option<Self> {
        let Texts { codes, entries } = texts;
        let mut numbers = spare.numbers(entries.len());
        for code in 0..u32::try_from(entries.len()).ok()? {
            numbers.push(number(std::str::from_utf8(entries.get(code)?).ok()?)?);
        }
        spare.entries.push(entries);
        Some(Self { codes, numbers })
    }
}

/// Rows of one resource that stand together.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    code: u32,
    end: usize,
}

/// What of a row's change matters.
const NEW_EVENT: u8 = 1;
const NEW_HEAD: u8 = 2;
const NEW_HOLDER: u8 = 4;

/// What a row says otherwise than the row before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Changes {
    Nothing,
    /// Its kind, state or instants, but the same of the holder.
    Head,
    All,
}

/// A decoded row group.
pub(super) struct Block {
    pub(super) rows: usize,
    resource: Texts,
    stretches: Vec<Stretch>,
    time: Values<i64>,
    /// The commit and the row in it that an event came from: equal for the rows of one event alone.
    /// Read only where an instant alone does not tell a resource's events apart.
    origin: Option<(Values<i64>, Values<i64>)>,
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
    pub(super) pages: Pages,
}

/// Reads columns of one row group by name.
struct Reader<'a> {
    pages: &'a mut Pages,
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
        texts(self.pages, self.file, chunk, self.rows)
    }

    fn longs(&mut self, name: &str) -> Option<Values<i64>> {
        let chunk = self.metadata.row_group(self.group).column(self.column(name)?);
        longs(self.pages, self.file, chunk, self.rows)
    }

    fn numbered(
        &mut self,
        name: &str,
        number: impl FnMut(&str) -> Option<u32>,
    ) -> Option<Numbered> {
        let texts = self.texts(name)?;
        Numbered::of(texts, &mut self.pages.spare, number)
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
        let Numbers { names, labels, pages } = numbers;
        let mut reader = Reader { pages, file, metadata, group, rows };
        let resource = reader.texts("resource")?;
        let stretches = stretches(&resource, rows)?;
        let mut block = Self {
            rows,
            resource,
            stretches,
            time: reader.longs("time")?,
            origin: None,
            key: if with_keys { Some(reader.texts("event_key")?) } else { None },
            meter: reader.numbered("meter", |text| names.number_of(text, Form::Meter))?,
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
            incarnation: reader.numbered("incarnation", |text| names.number(text))?,
            holder: holder(&mut reader, names, labels)?,
            changes: Vec::new(),
        };
        // Whatever lies outside of the calendar is for the general way to refuse.
        if !is_in_calendar(&block.time) {
            return None;
        }
        block.find_changes(&mut reader)?;
        Some(block)
    }

    /// Marks the rows in which an event begins, or in which one says other things than the row before.
    fn find_changes(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        let mut changes = std::mem::take(&mut reader.pages.spare.changes);
        changes.clear();
        changes.resize(self.rows, 0);
        mark(&mut changes, NEW_EVENT, &self.time);
        *changes.first_mut()? = NEW_EVENT | NEW_HEAD | NEW_HOLDER;
        for stretch in &self.stretches {
            if let Some(next) = changes.get_mut(stretch.end) {
                *next = NEW_EVENT;
            }
        }
        if !changes.iter().all(|change| change & NEW_EVENT != 0) {
            let (version, row) = (reader.longs("raw_version")?, reader.longs("raw_row")?);
            mark(&mut changes, NEW_EVENT, &version);
            mark(&mut changes, NEW_EVENT, &row);
            self.origin = Some((version, row));
        }
        for column in [&self.terminal, &self.window_start, &self.window_end, &self.since] {
            mark(&mut changes, NEW_HEAD, column);
        }
        for column in [&self.kind, &self.state, &self.incarnation] {
            mark(&mut changes, NEW_HEAD, &column.codes);
        }
        for column in &self.holder {
            mark(&mut changes, NEW_HOLDER, &column.codes);
        }
        self.changes = changes;
        Some(())
    }

    /// Gives its memory to the blocks that come after it.
    pub(super) fn recycle(self, spare: &mut Spare) {
        let numbered = [self.meter, self.flow, self.kind, self.state, self.incarnation];
        for Numbered { codes, numbers } in numbered.into_iter().chain(self.holder) {
            spare.numbers.push(numbers);
            keep(codes, &mut spare.codes);
        }
        for texts in std::iter::once(self.resource).chain(self.key) {
            spare.entries.push(texts.entries);
            keep(texts.codes, &mut spare.codes);
        }
        let longs = [self.time, self.quantity, self.scale, self.terminal];
        let spans = [self.window_start, self.window_end, self.since];
        let origin = self.origin.map(|(version, row)| [version, row]);
        for values in longs.into_iter().chain(spans).chain(origin.into_iter().flatten()) {
            keep(values, &mut spare.longs);
        }
        spare.changes = self.changes;
    }

    /// The resource of a stretch of rows.
    pub(super) fn resource(&self, stretch: usize) -> Option<&[u8]> {
        self.resource.entries.get(self.stretches.get(stretch)?.code)
    }

    /// The first row and the one after the last of a stretch.
    pub(super) fn rows_of(&self, stretch: usize) -> Option<(usize, usize)> {
        let end = self.stretches.get(stretch)?.end;
        let start = stretch.checked_sub(1).map_or(0, |before| self.stretches[before].end);
        Some((start, end))
    }

    pub(super) fn key(&self, row: usize) -> Option<&[u8]> {
        let key = self.key.as_ref()?;
        key.entries.get(key.codes.at(row))
    }

    #[inline]
    pub(super) fn time(&self, row: usize) -> i64 {
        self.time.at(row)
    }

    /// Where the event of a row came from, if that was read.
    pub(super) fn origin(&self, row: usize) -> Option<(i64, i64)> {
        let (version, number) = self.origin.as_ref()?;
        Some((version.at(row), number.at(row)))
    }

    /// Whether an event begins in a row.
    #[inline]
    pub(super) fn begins_event(&self, row: usize) -> bool {
        self.changes[row] & NEW_EVENT != 0
    }

    /// What an event says that begins in a row, beside the row before.
    #[inline]
    pub(super) fn changes(&self, row: usize) -> Changes {
        match self.changes[row] & (NEW_HEAD | NEW_HOLDER) {
            0 => Changes::Nothing,
            NEW_HEAD => Changes::Head,
            _ => Changes::All,
        }
    }

    /// What the event of a row says; `None` where the general fold has to look. `said` is what it
    /// says of the holder, where that is known.
    pub(super) fn head(&self, row: usize, said: Option<Said>) -> Option<Head> {
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
        Some(Head {
            kind,
            state: of_word(ResourceState::ALL, self.state.at(row)),
            terminal: self.terminal.at(row) == 1,
            window,
            since,
            incarnation: self.incarnation.at(row),
            said: said.unwrap_or_else(|| self.said(row)),
        })
    }

    fn said(&self, row: usize) -> Said {
        let said = |at: usize| self.holder[at].at(row);
        let tags = said(8);
        let holder = Holder {
            kind: said(0),
            parent: said(1),
            owner: said(2),
            project: said(3),
            site: said(4),
            region: said(5),
            source: said(6),
            attributes: said(7),
            tags: tags.saturating_sub(1),
        };
        Said { holder, says_tags: tags != NONE }
    }

    /// Order among events of one instant, as [`turnpike_schemas::UsageEvent::rank`] says.
    pub(super) fn rank(&self, row: usize) -> u8 {
        match (self.terminal.at(row) == 1, of_word(EventKind::ALL, self.kind.at(row))) {
            (true, _) => 2,
            (false, Some(EventKind::Audit)) => 1,
            (false, _) => 0,
        }
    }

    /// The quantity of a row that measures this meter alone as held, at this scale.
    #[inline]
    pub(super) fn reading(&self, row: usize, meter: u32, scale: u32) -> Option<i64> {
        let quantity = self.quantity.at(row);
        let same = self.meter.at(row) == meter && self.scale.at(row) == i64::from(scale);
        (same && quantity != NO_LONG && of_word(Flow::ALL, self.flow.at(row)) == Some(Flow::Held))
            .then_some(quantity)
    }

    /// Whether a row is a whole event that says what the row before said.
    #[inline]
    pub(super) fn repeats_alone(&self, row: usize, end: usize) -> bool {
        self.changes[row] == NEW_EVENT && (row + 1 == end || self.begins_event(row + 1))
    }

    /// The measurement of a row, if it has one; `Err` where the general fold has to look.
    #[inline]
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

fn keep<T>(values: Values<T>, spare: &mut Vec<Vec<T>>) {
    if let Values::Each(values) = values {
        spare.push(values);
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

fn is_in_calendar(times: &Values<i64>) -> bool {
    let fits = |micros: i64| Instant::from_micros(micros).is_ok();
    match times {
        Values::Same(time) => fits(*time),
        Values::Each(times) => {
            let (least, most) = times.iter().fold((i64::MAX, i64::MIN), |(least, most), time| {
                (least.min(*time), most.max(*time))
            });
            fits(least) && fits(most)
        }
    }
}

/// resource_kind, parent, owner, project, site, region, source, attributes, tags.
fn holder(
    reader: &mut Reader<'_>,
    names: &mut Names,
    labels: &mut Labels,
) -> Option<[Numbered; 9]> {
    Some([
        reader.numbered("resource_kind", |text| names.number(text))?,
        reader.numbered("parent", |text| names.number_of(text, Form::Resource))?,
        reader.numbered("owner", |text| names.number_of(text, Form::Owner))?,
        reader.numbered("project", |text| names.number(text))?,
        reader.numbered("site", |text| names.number(text))?,
        reader.numbered("region", |text| names.number(text))?,
        reader.numbered("source", |text| names.number(text))?,
        reader.numbered("attributes", |text| labels.number(text))?,
        // One more, so that tags that are empty differ from none.
        reader.numbered("tags", |text| labels.number(text)?.checked_add(1))?,
    ])
}

/// Where the rows of each resource end; `None` where a row names none.
fn stretches(resource: &Texts, rows: usize) -> Option<Vec<Stretch>> {
    let codes = match &resource.codes {
        Values::Same(NO_CODE) => return None,
        Values::Same(code) => return Some(vec![Stretch { code: *code, end: rows }]),
        Values::Each(codes) => codes,
    };
    let mut all: Vec<Stretch> = Vec::with_capacity(resource.entries.len());
    let mut last = *codes.first()?;
    for (row, code) in codes.iter().enumerate() {
        if *code != last {
            push_stretch(&mut all, resource, Stretch { code: last, end: row })?;
            last = *code;
        }
    }
    push_stretch(&mut all, resource, Stretch { code: last, end: rows })?;
    Some(all)
}

/// Where a dictionary ended within a resource, its rows have two codes: they are one stretch.
fn push_stretch(all: &mut Vec<Stretch>, resource: &Texts, next: Stretch) -> Option<()> {
    let text = resource.entries.get(next.code)?;
    if resource.entries.repeats
        && let Some(last) = all.last_mut()
        && resource.entries.get(last.code) == Some(text)
    {
        last.end = next.end;
    } else {
        all.push(next);
    }
    Some(())
}
