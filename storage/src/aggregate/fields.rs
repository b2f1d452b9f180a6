//! Adding up codes per group: the distances of all measures packed side by side into words, so that one
//! addition per row and word serves them all. A field is wide enough for the sum over a whole source.

use multiversion::multiversion;

use super::domain::BlockGroups;
use super::plan::{Plan, Slot};
use super::source::{CaseRows, Source};
use crate::scan::{BlockRows, Meaning, Rows};
use crate::{Error, Result};

/// What an input's values are in one source: `origin + lane * step`; with NULLs lane 0 is one.
#[derive(Debug, Clone)]
pub(super) struct InputColumn {
    pub(super) column: usize,
    pub(super) origin: i128,
    pub(super) step: u64,
    pub(super) null_code: bool,
    high: u64,
    /// Lanes of codes that are entries of a dictionary.
    lanes: Option<Vec<u64>>,
}

impl InputColumn {
    /// `None` when the values, with NULL, take more than 64 bits.
    fn new(source: &Source, column: usize) -> Result<Option<Self>> {
        let coded = source.column(column)?;
        let (null_code, null) = (coded.null_code, u64::from(coded.null_code));
        let mut input = Self {
            column,
            origin: 0,
            step: 1,
            null_code,
            high: coded.high,
            lanes: None,
        };
        match coded.meaning {
            Meaning::Steps { origin, step } => (input.origin, input.step) = (origin, step),
            // Only counted.
            Meaning::String => {}
            Meaning::Constant => {
                let value = source.values(column, &[0])?;
                input.null_code = value.null_count() > 0;
                if !input.null_code && !is_text(&value) {
                    let value = super::values::integers_of(&value)?.first().copied();
                    input.origin = value.flatten().unwrap_or(0);
                }
            }
            Meaning::Number => {
                let numbers = source.numbers(column)?;
                let least = numbers.iter().copied().min().unwrap_or(0);
                input.origin = least - i128::from(null);
                let lane = |n: &i128| ((n - least) as u64).checked_add(null);
                let lanes = (0..null).map(Some).chain(numbers.iter().map(lane));
                let Some(lanes) = lanes.collect::<Option<Vec<u64>>>() else {
                    return Ok(None);
                };
                input.high = lanes.iter().copied().max().unwrap_or(0);
                input.lanes = Some(lanes);
            }
        }
        Ok(Some(input))
    }

    /// The lanes of all rows of a block.
    fn fill(&self, source: &Source, at: &BlockRows, out: &mut Vec<u64>) -> Result<()> {
        source.codes(self.column, at, out)?;
        if let Some(lanes) = &self.lanes {
            for code in out.iter_mut() {
                *code = lanes.get(*code as usize).copied().unwrap_or(0);
            }
        }
        Ok(())
    }

    /// The sum of lanes whose values have this sum.
    fn lane_sum(&self, (sum, values): (i128, u64)) -> u64 {
        ((sum - self.origin * i128::from(values)) / i128::from(self.step.max(1))) as u64
    }

    /// The sum of values whose lanes have this sum.
    pub(super) fn value_sum(&self, lanes: u128, values: u64) -> i128 {
        self.origin * i128::from(values) + lanes as i128 * i128::from(self.step)
    }

    pub(super) fn value(&self, lane: u64) -> i128 {
        self.origin + i128::from(lane) * i128::from(self.step)
    }
}

fn is_text(array: &arrow::array::ArrayRef) -> bool {
    use arrow::datatypes::DataType::{BinaryView, Utf8View};
    matches!(array.data_type(), Utf8View | BinaryView)
}

/// What a field adds per row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// 1 for every row.
    Row,
    /// 1 for a row that counts and is not NULL.
    Presence,
    /// The lane, or its lower or upper 32 bits where it is too wide.
    Lane,
    Low,
    High,
}

#[derive(Debug, Clone, Copy)]
struct Field {
    /// Position in the plan's inputs; of no meaning for `Row`.
    input: usize,
    part: Part,
    word: usize,
    shift: u32,
    bits: u32,
}

/// The least or the greatest lane of an input per group.
#[derive(Debug)]
struct Extreme {
    input: usize,
    least: bool,
    lanes: Vec<u64>,
}

/// Sums, counts and extremes of the groups of one source.
#[derive(Debug)]
pub(super) struct Totals {
    pub(super) inputs: Vec<Option<InputColumn>>,
    /// Whether the values of each are signed numbers.
    pub(super) signed: Vec<bool>,
    cases: Vec<Option<usize>>,
    fields: Vec<Field>,
    /// Per input its fields by part: presence, lane, low, high.
    by_input: Vec<[Option<Field>; 4]>,
    words: usize,
    /// `words` per group.
    sums: Vec<u64>,
    extremes: Vec<Extreme>,
}

/// Memory that is used again from block to block.
#[derive(Debug, Default)]
pub(super) struct FieldBuffers {
    lanes: Vec<u64>,
    codes: Vec<u64>,
    mask: Vec<u64>,
    words: Vec<Vec<u64>>,
}

impl Totals {
    /// `rows` is how many the source has at most. `None` when some values take more than 64 bits.
    pub(super) fn new(source: &Source, plan: &Plan, rows: u64) -> Result<Option<Self>> {
        let mut inputs = Vec::with_capacity(plan.inputs.len());
        for input in &plan.inputs {
            inputs.push(match input.column {
                Some(column) => match InputColumn::new(source, column)? {
                    Some(column) => Some(column),
                    None => return Ok(None),
                },
                None => None,
            });
        }
        let mut totals = Self {
            inputs,
            signed: plan.signed.clone(),
            cases: plan.inputs.iter().map(|i| i.case).collect(),
            fields: Vec::new(),
            by_input: Vec::new(),
            words: 1,
            sums: Vec::new(),
            extremes: Vec::new(),
        };
        let row_bits = u64::BITS - rows.leading_zeros();
        let mut used = vec![0];
        totals.add_field((0, Part::Row), row_bits, &mut used);
        for target in &plan.targets {
            totals.add_target(target.input, target.slot, row_bits, &mut used);
        }
        totals.words = used.len();
        let parts = [Part::Presence, Part::Lane, Part::Low, Part::High];
        let of_input = |input| parts.map(|part| totals.field(input, part).copied());
        totals.by_input = (0..totals.inputs.len()).map(of_input).collect();
        Ok(Some(totals))
    }

    fn add_target(&mut self, input: usize, slot: Slot, row_bits: u32, used: &mut Vec<u32>) {
        let column = self.inputs.get(input).and_then(Option::as_ref);
        let (high, null_code) = column.map_or((0, false), |c| (c.high, c.null_code));
        let case = self.cases.get(input).copied().flatten();
        if null_code || case.is_some() {
            self.add_field((input, Part::Presence), row_bits, used);
        }
        match slot {
            Slot::Count => {}
            Slot::Narrow | Slot::Wide => {
                let bits = u64::BITS - high.leading_zeros();
                if bits == 0 {
                    // Every lane is 0.
                } else if bits + row_bits <= u64::BITS {
                    self.add_field((input, Part::Lane), bits + row_bits, used);
                } else {
                    self.add_field((input, Part::Low), 32 + row_bits, used);
                    self.add_field((input, Part::High), 32 + row_bits, used);
                }
            }
            Slot::Least | Slot::Greatest => {
                let least = slot == Slot::Least;
                self.extremes.push(Extreme {
                    input,
                    least,
                    lanes: Vec::new(),
                });
            }
        }
    }

    /// Gives a field a place, in the first word with room.
    fn add_field(&mut self, (input, part): (usize, Part), bits: u32, used: &mut Vec<u32>) {
        if bits == 0 || self.field(input, part).is_some() {
            return;
        }
        let word = used.iter().position(|used| used + bits <= u64::BITS);
        let word = word.unwrap_or_else(|| {
            used.push(0);
            used.len() - 1
        });
        if let Some(used) = used.get_mut(word) {
            self.fields.push(Field {
                input,
                part,
                word,
                shift: *used,
                bits,
            });
            *used += bits;
        }
    }

    fn field(&self, input: usize, part: Part) -> Option<&Field> {
        let mut fields = self.fields.iter();
        fields.find(|f| f.part == part && (f.input == input || part == Part::Row))
    }

    /// Makes room for groups up to a number.
    pub(super) fn grow(&mut self, groups: usize) {
        if groups * self.words > self.sums.len() {
            self.sums.resize(groups * self.words, 0);
        }
        for extreme in &mut self.extremes {
            if groups > extreme.lanes.len() {
                let none = if extreme.least { u64::MAX } else { 0 };
                extreme.lanes.resize(groups, none);
            }
        }
    }

    /// Adds the selected rows of a block; `groups` has the group of each row of the block.
    pub(super) fn add(
        &mut self,
        source: &Source,
        (at, rows): (&BlockRows, Rows<'_>),
        (block, groups): (BlockGroups, &[u32]),
        buffers: &mut FieldBuffers,
    ) -> Result<()> {
        if let BlockGroups::One(group) = block
            && self.add_known(source, (at, rows), group)?
        {
            return Ok(());
        }
        let length = match rows {
            Rows::Range(_, to) => to,
            Rows::Picked(rows) => rows.last().map_or(0, |&row| row as usize + 1),
        };
        self.add_extremes(source, (at, rows), (block, groups), buffers)?;
        self.fill_words(source, at, length, buffers)?;
        let width = self.words;
        match block {
            BlockGroups::One(group) => {
                let start = group as usize * width;
                for (slot, words) in (start..).zip(&buffers.words) {
                    if let Some(sum) = self.sums.get_mut(slot) {
                        *sum += sum_of(words, rows);
                    }
                }
            }
            BlockGroups::PerRow => scatter(&mut self.sums, &buffers.words, groups, rows),
        }
        Ok(())
    }

    /// Adds a whole block in one group by what is known of it without reading; `false`: nothing done.
    fn add_known(
        &mut self,
        source: &Source,
        (at, rows): (&BlockRows, Rows<'_>),
        group: u32,
    ) -> Result<bool> {
        let whole = at.is_whole() && rows == Rows::Range(at.rows.start, at.rows.end);
        if !whole || self.cases.iter().any(Option::is_some) {
            return Ok(false);
        }
        let mut known = Vec::with_capacity(self.inputs.len());
        for input in &self.inputs {
            known.push(match input {
                Some(input) if input.lanes.is_none() => source.sum(input.column, at)?,
                _ => None,
            });
        }
        let known_sum = |field: &Field| match field.part {
            Part::Row => Some(at.rows.len() as u64),
            Part::Presence => Some((*known.get(field.input)?)?.1),
            Part::Lane => {
                let input = self.inputs.get(field.input)?.as_ref()?;
                Some(input.lane_sum((*known.get(field.input)?)?))
            }
            Part::Low | Part::High => None,
        };
        let sums: Option<Vec<u64>> = self.fields.iter().map(known_sum).collect();
        let Some(sums) = sums else { return Ok(false) };
        let mut ranges = Vec::with_capacity(self.extremes.len());
        for extreme in &self.extremes {
            let input = self.inputs.get(extreme.input).and_then(Option::as_ref);
            match input.filter(|i| i.lanes.is_none()) {
                Some(input) => {
                    let (low, high) = source.code_range(input.column, at)?;
                    if input.null_code && low == 0 {
                        return Ok(false);
                    }
                    ranges.push((low, high));
                }
                None => return Ok(false),
            }
        }
        for (field, sum) in self.fields.iter().zip(sums) {
            let slot = group as usize * self.words + field.word;
            if let Some(word) = self.sums.get_mut(slot) {
                *word += sum << field.shift;
            }
        }
        for (extreme, (low, high)) in self.extremes.iter_mut().zip(ranges) {
            extreme.put(group, if extreme.least { low } else { high });
        }
        Ok(true)
    }

    /// Puts what each row adds into the words.
    fn fill_words(
        &mut self,
        source: &Source,
        at: &BlockRows,
        length: usize,
        buffers: &mut FieldBuffers,
    ) -> Result<()> {
        let FieldBuffers {
            lanes,
            codes,
            mask,
            words,
        } = buffers;
        words.resize_with(self.words, Vec::new);
        for (number, word) in words.iter_mut().enumerate() {
            // The rows' own field begins the first word.
            word.clear();
            word.resize(length, u64::from(number == 0));
        }
        for (number, input) in self.inputs.iter().enumerate() {
            let mine = |f: &&Field| f.part != Part::Row && f.input == number;
            if !self.fields.iter().any(|f| mine(&f)) {
                continue;
            }
            let case = self.cases.get(number).copied().flatten();
            let passing = match case {
                Some(case) => source.case(case, at, (codes, mask))?,
                None => CaseRows::All,
            };
            if passing == CaseRows::None {
                continue;
            }
            match input {
                Some(input) => input.fill(source, at, lanes)?,
                None => {
                    lanes.clear();
                    lanes.resize(length, 1);
                }
            }
            let is_null = input.as_ref().is_some_and(|i| i.null_code);
            let mask = (passing == CaseRows::Some).then_some(mask.as_slice());
            for field in self.fields.iter().filter(mine) {
                let word = words.get_mut(field.word);
                let word = word.ok_or_else(|| Error::Invalid("a field without a word".into()))?;
                put(word, lanes, mask, *field, is_null);
            }
        }
        Ok(())
    }

    fn add_extremes(
        &mut self,
        source: &Source,
        (at, rows): (&BlockRows, Rows<'_>),
        (block, groups): (BlockGroups, &[u32]),
        buffers: &mut FieldBuffers,
    ) -> Result<()> {
        for extreme in &mut self.extremes {
            let Some(input) = self.inputs.get(extreme.input).and_then(Option::as_ref) else {
                continue;
            };
            input.fill(source, at, &mut buffers.lanes)?;
            let mut put = |row: usize| {
                let group = match block {
                    BlockGroups::One(group) => Some(group),
                    BlockGroups::PerRow => groups.get(row).copied(),
                };
                if let (Some(group), Some(&lane)) = (group, buffers.lanes.get(row))
                    && !(input.null_code && lane == 0)
                {
                    extreme.put(group, lane);
                }
            };
            match rows {
                Rows::Range(from, to) => (from..to).for_each(&mut put),
                Rows::Picked(rows) => rows.iter().for_each(|&row| put(row as usize)),
            }
        }
        Ok(())
    }

    /// How many rows a group has.
    pub(super) fn rows(&self, group: usize) -> u64 {
        // Their field is the first.
        self.fields.first().map_or(0, |f| self.sum(group, f))
    }

    fn sum(&self, group: usize, field: &Field) -> u64 {
        let word = self.sums.get(group * self.words + field.word);
        let word = word.copied().unwrap_or(0);
        word >> field.shift & u64::MAX >> (u64::BITS - field.bits)
    }

    /// How many rows of a group count for an input and are not NULL.
    pub(super) fn values(&self, group: usize, input: usize) -> u64 {
        match self.by_input.get(input) {
            Some([Some(presence), ..]) => self.sum(group, presence),
            _ => self.rows(group),
        }
    }

    /// The sum of an input's lanes.
    pub(super) fn lanes(&self, group: usize, input: usize) -> u128 {
        let Some([_, lane, low, high]) = self.by_input.get(input) else {
            return 0;
        };
        let part = |field: &Option<Field>| {
            let sum = field.as_ref().map(|field| self.sum(group, field));
            u128::from(sum.unwrap_or(0))
        };
        part(lane) + part(low) + (part(high) << 32)
    }

    /// The least or greatest lane of an input; `None` when no row has a value.
    pub(super) fn extreme(&self, group: usize, input: usize, least: bool) -> Option<u64> {
        let mut extremes = self.extremes.iter();
        let extreme = extremes.find(|e| e.input == input && e.least == least)?;
        let lane = *extreme.lanes.get(group)?;
        (self.values(group, input) > 0).then_some(lane)
    }
}

impl Extreme {
    fn put(&mut self, group: u32, lane: u64) {
        if let Some(slot) = self.lanes.get_mut(group as usize) {
            *slot = if self.least {
                (*slot).min(lane)
            } else {
                (*slot).max(lane)
            };
        }
    }
}

/// Adds a field's part of every row to its word.
fn put(word: &mut [u64], lanes: &[u64], mask: Option<&[u64]>, field: Field, is_null: bool) {
    match (field.part, mask) {
        (Part::Row, _) => {}
        (Part::Lane, None) => put_lanes(word, lanes, field.shift),
        (part, mask) => {
            let lane = |row: usize, lane: u64| match part {
                Part::Presence => u64::from(!is_null || lane != 0) & mask_of(mask, row),
                Part::Low => lane & 0xFFFF_FFFF & mask_of(mask, row),
                Part::High => lane >> 32 & mask_of(mask, row),
                _ => lane & mask_of(mask, row),
            };
            for (row, (word, &code)) in word.iter_mut().zip(lanes).enumerate() {
                *word += lane(row, code) << field.shift;
            }
        }
    }
}

fn mask_of(mask: Option<&[u64]>, row: usize) -> u64 {
    mask.map_or(u64::MAX, |mask| mask.get(row).copied().unwrap_or(0))
}

#[multiversion(targets("x86_64+avx+avx2+bmi1+bmi2+fma"))]
fn put_lanes(word: &mut [u64], lanes: &[u64], shift: u32) {
    for (word, lane) in word.iter_mut().zip(lanes) {
        *word += lane << shift;
    }
}

#[multiversion(targets("x86_64+avx+avx2+bmi1+bmi2+fma"))]
fn sum_all(words: &[u64]) -> u64 {
    words.iter().sum()
}

fn sum_of(words: &[u64], rows: Rows<'_>) -> u64 {
    match rows {
        Rows::Range(from, to) => sum_all(words.get(from..to).unwrap_or_default()),
        Rows::Picked(rows) => {
            let words = rows.iter().filter_map(|&row| words.get(row as usize));
            words.sum()
        }
    }
}

/// Adds each selected row's words to its group.
fn scatter(sums: &mut [u64], words: &[Vec<u64>], groups: &[u32], rows: Rows<'_>) {
    match (words, rows) {
        ([only], Rows::Range(from, to)) => {
            let groups = groups.get(from..to).unwrap_or_default();
            scatter_word(sums, only.get(from..to).unwrap_or_default(), groups);
        }
        ([first, second], Rows::Range(from, to)) => {
            let (pairs, _) = sums.as_chunks_mut::<2>();
            let words = first.iter().zip(second).take(to).skip(from);
            let groups = groups.get(from..to).unwrap_or_default();
            for (&group, (a, b)) in groups.iter().zip(words) {
                if let Some([x, y]) = pairs.get_mut(group as usize) {
                    *x += a;
                    *y += b;
                }
            }
        }
        (words, Rows::Range(from, to)) => {
            (from..to).for_each(|row| scatter_row(sums, words, groups, row));
        }
        (words, Rows::Picked(rows)) => {
            let rows = rows.iter().map(|&row| row as usize);
            rows.for_each(|row| scatter_row(sums, words, groups, row));
        }
    }
}

/// The same where all fields fit one word.
fn scatter_word(sums: &mut [u64], words: &[u64], groups: &[u32]) {
    for (&group, &word) in groups.iter().zip(words) {
        if let Some(sum) = sums.get_mut(group as usize) {
            *sum += word;
        }
    }
}

fn scatter_row(sums: &mut [u64], words: &[Vec<u64>], groups: &[u32], row: usize) {
    let Some(&group) = groups.get(row) else {
        return;
    };
    let start = group as usize * words.len();
    let slots = sums.get_mut(start..start + words.len()).unwrap_or_default();
    for (slot, words) in slots.iter_mut().zip(words) {
        *slot += words.get(row).copied().unwrap_or(0);
    }
}
