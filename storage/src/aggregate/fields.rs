//! Sums per group: the distances of all measures packed side by side into words, so that one addition per row
//! and word serves them all. A field is wide enough for the sum over a whole source. Where rows lie in runs of one
//! group, each field is summed by itself.

use super::adding::{Field, Part, add_to, count_of, length_of, put, scatter};
use super::input::InputColumn;
use super::numbering::BlockGroups;
use super::plan::{Plan, Slot, Target};
use super::source::{CaseRows, Source};
use crate::scan::{BlockRows, LaneBuffer, Lanes, Rows};
use crate::{Error, Result};

/// The least or the greatest lane of an input per group.
#[derive(Debug)]
struct Extreme {
    input: usize,
    least: bool,
    lanes: Vec<u64>,
}

/// What is known of an input in a block without reading it.
#[derive(Debug, Clone, Copy)]
enum Known {
    /// No row counts.
    Nothing,
    /// Every row counts, whatever its values.
    Rows,
    /// The sum of its values and how many there are.
    Values(i128, u64),
    Unread,
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
    lanes: LaneBuffer,
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

    /// Adds the selected rows of a block.
    pub(super) fn add(
        &mut self,
        source: &Source,
        (at, rows): (&BlockRows, Rows<'_>),
        groups: BlockGroups<'_>,
        buffers: &mut FieldBuffers,
    ) -> Result<()> {
        if let BlockGroups::One(group) = groups
            && self.add_known(source, (at, rows), group)?
        {
            return Ok(());
        }
        self.add_extremes(source, (at, rows), groups, buffers)?;
        let BlockGroups::PerRow(per_row) = groups else {
            if self.cases.iter().all(Option::is_none) {
                return self.add_runs(source, (at, rows), groups, &mut buffers.lanes);
            }
            self.fill_words(source, at, length_of(rows), buffers)?;
            for (number, words) in buffers.words.iter().enumerate() {
                groups.each_run(rows, |group, rows| {
                    let sum = Lanes::Longs(words).sum(rows);
                    add_to(&mut self.sums, group as usize * self.words + number, sum);
                });
            }
            return Ok(());
        };
        self.fill_words(source, at, length_of(rows), buffers)?;
        scatter(&mut self.sums, &buffers.words, per_row, rows);
        Ok(())
    }

    /// Adds rows that lie in runs of one group each, field by field.
    fn add_runs(
        &mut self,
        source: &Source,
        (at, rows): (&BlockRows, Rows<'_>),
        groups: BlockGroups<'_>,
        buffer: &mut LaneBuffer,
    ) -> Result<()> {
        let width = self.words;
        for field in self.fields.iter().filter(|f| f.part == Part::Row) {
            groups.each_run(rows, |group, rows| {
                let slot = group as usize * width + field.word;
                add_to(&mut self.sums, slot, count_of(rows) << field.shift);
            });
        }
        for (number, input) in self.inputs.iter().enumerate() {
            let mine = |f: &&Field| f.part != Part::Row && f.input == number;
            let Some(input) = input
                .as_ref()
                .filter(|_| self.fields.iter().any(|f| mine(&f)))
            else {
                continue;
            };
            let lanes = input.read(source, at, buffer)?;
            for field in self.fields.iter().filter(mine) {
                groups.each_run(rows, |group, rows| {
                    let sum = field.sum(lanes, rows, input.null_code);
                    let slot = group as usize * width + field.word;
                    add_to(&mut self.sums, slot, sum << field.shift);
                });
            }
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
        if !whole {
            return Ok(false);
        }
        let length = at.rows.len() as u64;
        let mut known = Vec::with_capacity(self.inputs.len());
        for (input, case) in self.inputs.iter().zip(&self.cases) {
            let passing = case.map(|case| source.case_of_block(case, at));
            known.push(match (passing.transpose()?, input) {
                (Some(CaseRows::Some), _) => return Ok(false),
                (Some(CaseRows::None), _) => Known::Nothing,
                (_, Some(input)) if input.lanes.is_none() => match source.sum(input.column, at)? {
                    Some((sum, count)) => Known::Values(sum, count),
                    None => Known::Unread,
                },
                (_, Some(_)) => Known::Unread,
                (_, None) => Known::Rows,
            });
        }
        let known_sum = |field: &Field| {
            if field.part == Part::Row {
                return Some(length);
            }
            match (field.part, *known.get(field.input)?) {
                (_, Known::Nothing) => Some(0),
                (Part::Presence, Known::Values(_, count)) => Some(count),
                (Part::Presence, Known::Rows) => Some(length),
                (Part::Lane, Known::Values(sum, count)) => {
                    let input = self.inputs.get(field.input)?.as_ref()?;
                    Some(input.lane_sum((sum, count)))
                }
                _ => None,
            }
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
            let lanes = match input {
                Some(input) => input.read(source, at, lanes)?,
                None => lanes.repeat(1, length),
            };
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
        groups: BlockGroups<'_>,
        buffers: &mut FieldBuffers,
    ) -> Result<()> {
        for extreme in &mut self.extremes {
            let Some(input) = self.inputs.get(extreme.input).and_then(Option::as_ref) else {
                continue;
            };
            let lanes = input.read(source, at, &mut buffers.lanes)?;
            let BlockGroups::PerRow(per_row) = groups else {
                groups.each_run(rows, |group, rows| {
                    if let Some((low, high)) = lanes.range(rows, input.null_code) {
                        extreme.put(group, if extreme.least { low } else { high });
                    }
                });
                continue;
            };
            let mut put = |row: usize| {
                let lane = lanes.get(row);
                if let Some(group) = per_row.get(row)
                    && !(input.null_code && lane == 0)
                {
                    extreme.put(*group, lane);
                }
            };
            match rows {
                Rows::Range(from, to) => (from..to).for_each(&mut put),
                Rows::Picked(rows) => rows.iter().for_each(|&row| put(row as usize)),
            }
        }
        Ok(())
    }

    /// Keeps the sums of some groups, which ascend: each then has its place among them for a number.
    pub(super) fn keep(&mut self, groups: &[u32]) {
        for (place, &group) in groups.iter().enumerate() {
            let from = group as usize * self.words;
            if from + self.words <= self.sums.len() {
                self.sums
                    .copy_within(from..from + self.words, place * self.words);
            }
            for extreme in &mut self.extremes {
                let lane = extreme.lanes.get(group as usize).copied();
                if let (Some(slot), Some(lane)) = (extreme.lanes.get_mut(place), lane) {
                    *slot = lane;
                }
            }
        }
        self.sums.truncate(groups.len() * self.words);
        self.sums.shrink_to_fit();
        for extreme in &mut self.extremes {
            extreme.lanes.truncate(groups.len());
            extreme.lanes.shrink_to_fit();
        }
    }

    /// Bytes that the sums take.
    pub(super) fn memory(&self) -> usize {
        let extremes = self.extremes.iter().map(|e| e.lanes.capacity());
        (self.sums.capacity() + extremes.sum::<usize>()) * size_of::<u64>()
    }

    /// What a group comes to by a count or a sum.
    pub(super) fn rank(&self, group: usize, target: &Target) -> i128 {
        let values = self.values(group, target.input);
        let input = self.inputs.get(target.input).and_then(Option::as_ref);
        let (Some(input), Slot::Narrow | Slot::Wide) = (input, target.slot) else {
            return values.into();
        };
        input.value_sum(self.lanes(group, target.input), values)
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
