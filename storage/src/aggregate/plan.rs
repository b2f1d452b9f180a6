//! An aggregation laid out: which columns are read, which sets of groups are made, and what a record of
//! a group looks like.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::DataType;
use parking_lot::Mutex;

use super::output::Interner;
use super::request::{AggregateRequest, KeyFunction, Measure, ValueMap};
use super::values::is_signed;
use crate::{Error, Result, TableMeta};

/// At most so many keys: a record has a bit for each that is NULL.
const KEYS_MAX: usize = 8;

/// A column that rows are grouped by, once however many keys are made of it.
#[derive(Debug, Clone)]
pub(super) struct Local {
    pub(super) column: usize,
    pub(super) data_type: DataType,
    /// When all keys are functions of moments: the greatest common granule.
    pub(super) granule: Option<u64>,
}

/// A key of the result, or the column of a COUNT(DISTINCT).
#[derive(Debug)]
pub(super) struct Output {
    pub(super) local: usize,
    pub(super) identity: Identity,
    pub(super) data_type: DataType,
}

/// How equal values of a key are found in different sources.
#[derive(Debug)]
pub(super) enum Identity {
    /// By the value itself.
    Word { signed: bool },
    /// By the hash that dictionaries keep; the string is looked up in the end.
    String,
    /// By the hash of what the function makes of it; the group shows the string it was made of.
    Folded(Arc<dyn ValueMap>),
    /// By its number among the results of the function.
    Mapped(KeyFunction, Mutex<Interner>),
}

/// Something that is added up or counted per group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Input {
    /// `None`: rows are counted.
    pub(super) column: Option<usize>,
    pub(super) case: Option<usize>,
}

/// A part of a record that is combined when two records of a group meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    /// One word: a number of rows.
    Count,
    /// One word: a sum as i64, then a count of values.
    Narrow,
    /// Two words: a sum as i128, then a count of values.
    Wide,
    /// Two words: whether there is a value, and its distance from the least of its type.
    Least,
    Greatest,
}

impl Slot {
    pub(super) fn words(self) -> usize {
        match self {
            Self::Count => 1,
            Self::Narrow | Self::Least | Self::Greatest => 2,
            Self::Wide => 3,
        }
    }
}

/// A measure: where its values come from, and where in a record they are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    pub(super) measure: Measure,
    pub(super) slot: Slot,
    /// In a record, from its slots on.
    pub(super) offset: usize,
    /// Position in `Plan::inputs`; of no meaning for DISTINCT.
    pub(super) input: usize,
}

/// Groups that are made side by side: those of the query, then for each COUNT(DISTINCT) those with its
/// column as one more key.
#[derive(Debug)]
pub(super) struct GroupSet {
    /// Positions in `Plan::outputs`.
    pub(super) outputs: Vec<usize>,
    /// Positions in `Plan::locals`, each once.
    pub(super) locals: Vec<usize>,
    /// Keys that are strings, in order: positions in `outputs`.
    pub(super) strings: Vec<usize>,
    /// Words of slots; 0 but for the first set.
    pub(super) slot_words: usize,
    /// How many keys are those of the query, before the column that is counted; `None` for the first set.
    pub(super) own: Option<usize>,
}

impl GroupSet {
    /// A record is: a word per key, the header (a bit per key that is NULL, the source, the code of the
    /// first string in it), a word per further string with its code, the slots.
    pub(super) fn header(&self) -> usize {
        self.outputs.len()
    }

    pub(super) fn slots(&self) -> usize {
        self.header() + 1 + self.strings.len().saturating_sub(1)
    }

    pub(super) fn width(&self) -> usize {
        self.slots() + self.slot_words
    }
}

#[derive(Debug)]
pub(super) struct Plan {
    pub(super) locals: Vec<Local>,
    pub(super) outputs: Vec<Output>,
    pub(super) inputs: Vec<Input>,
    /// Per input whether its values are signed numbers.
    pub(super) signed: Vec<bool>,
    pub(super) targets: Vec<Target>,
    /// The first is that of the query.
    pub(super) sets: Vec<GroupSet>,
    /// All columns that need codes.
    pub(super) coded: Vec<usize>,
    pub(super) keys: usize,
}

impl Plan {
    /// `rows` is how many there are at most.
    pub(super) fn new(request: &AggregateRequest, table: &TableMeta, rows: u64) -> Result<Self> {
        let mut plan = Self {
            locals: Vec::new(),
            outputs: Vec::new(),
            inputs: Vec::new(),
            signed: Vec::new(),
            targets: Vec::new(),
            sets: Vec::new(),
            coded: Vec::new(),
            keys: request.keys.len(),
        };
        if request.keys.len() >= KEYS_MAX {
            return Err(Error::NotSupported("so many group keys".into()));
        }
        for key in &request.keys {
            plan.add_output((key.column, key.function.clone()), request, table)?;
        }
        let mut distinct = Vec::new();
        for measure in &request.measures {
            plan.add_target(*measure, table, rows)?;
            if let Measure::Distinct { column } = measure {
                distinct.push(plan.outputs.len());
                plan.add_output((*column, None), request, table)?;
            }
        }
        let slot_words = plan.targets.iter().map(|t| t.slot.words()).sum();
        let keys: Vec<usize> = (0..plan.keys).collect();
        plan.add_set(keys.clone(), slot_words);
        for output in distinct {
            let outputs = keys.iter().copied().chain([output]).collect();
            plan.add_set(outputs, 0);
        }
        let inputs = plan.inputs.iter().filter_map(|i| i.column);
        let columns: BTreeSet<usize> = inputs.chain(plan.locals.iter().map(|l| l.column)).collect();
        plan.coded = columns.into_iter().collect();
        Ok(plan)
    }

    fn add_output(
        &mut self,
        (column, function): (usize, Option<KeyFunction>),
        request: &AggregateRequest,
        table: &TableMeta,
    ) -> Result<()> {
        let data_type = type_of(table, column)?;
        let granule = function.as_ref().and_then(|f| f.granule);
        let granule = granule.filter(|_| matches!(data_type, DataType::Timestamp(..)));
        let local = match self.locals.iter().position(|l| l.column == column) {
            Some(local) => local,
            None => {
                self.locals.push(Local {
                    column,
                    data_type: data_type.clone(),
                    granule,
                });
                self.locals.len() - 1
            }
        };
        if let Some(local) = self.locals.get_mut(local) {
            local.granule = local.granule.zip(granule).map(|(a, b)| common(a, b));
        }
        let (identity, data_type) = match function {
            Some(function) => {
                let data_type = function.data_type.clone();
                (Identity::Mapped(function, Mutex::default()), data_type)
            }
            None if matches!(data_type, DataType::Utf8View | DataType::BinaryView) => {
                let fold = request.folds.iter().find(|fold| fold.column == column);
                let fold = fold.map(|fold| Identity::Folded(Arc::clone(&fold.map)));
                (fold.unwrap_or(Identity::String), data_type)
            }
            None => {
                let signed = is_signed(&data_type);
                (Identity::Word { signed }, data_type)
            }
        };
        self.outputs.push(Output {
            local,
            identity,
            data_type,
        });
        Ok(())
    }

    fn add_target(&mut self, measure: Measure, table: &TableMeta, rows: u64) -> Result<()> {
        let mut data_type = DataType::Null;
        if let Some(column) = measure.column() {
            data_type = type_of(table, column)?;
        }
        if !measure.is_supported(&data_type) {
            return Err(Error::NotSupported(format!("{measure:?} of {data_type}")));
        }
        let slot = match measure {
            Measure::Rows { .. } | Measure::Count { .. } | Measure::Distinct { .. } => Slot::Count,
            Measure::Sum { .. } if fits(&data_type, rows) => Slot::Narrow,
            Measure::Sum { .. } => Slot::Wide,
            Measure::Least { .. } => Slot::Least,
            Measure::Greatest { .. } => Slot::Greatest,
        };
        let column = match measure {
            Measure::Distinct { .. } => None,
            other => other.column(),
        };
        let input = Input {
            column,
            case: measure.case(),
        };
        let known = self.inputs.iter().position(|i| *i == input);
        let input = known.unwrap_or_else(|| {
            self.inputs.push(input);
            self.signed.push(is_signed(&data_type));
            self.inputs.len() - 1
        });
        let offset = self.targets.iter().map(|t| t.slot.words()).sum();
        self.targets.push(Target {
            measure,
            slot,
            offset,
            input,
        });
        Ok(())
    }

    fn add_set(&mut self, outputs: Vec<usize>, slot_words: usize) {
        let mut locals = Vec::new();
        let mut strings = Vec::new();
        for (at, output) in outputs.iter().enumerate() {
            let Some(output) = self.outputs.get(*output) else {
                continue;
            };
            if !locals.contains(&output.local) {
                locals.push(output.local);
            }
            if matches!(output.identity, Identity::String | Identity::Folded(_)) {
                strings.push(at);
            }
        }
        self.sets.push(GroupSet {
            own: (!self.sets.is_empty()).then_some(self.keys),
            outputs,
            locals,
            strings,
            slot_words,
        });
    }
}

fn type_of(table: &TableMeta, column: usize) -> Result<DataType> {
    let field = table.arrow.fields().get(column);
    let field = field.ok_or_else(|| Error::Invalid("no such column".into()))?;
    Ok(field.data_type().clone())
}

/// Whether the sum of so many values of a type fits an i64.
fn fits(data_type: &DataType, rows: u64) -> bool {
    let bits = match data_type {
        DataType::Int8 | DataType::UInt8 => 8,
        DataType::Int16 | DataType::UInt16 => 16,
        DataType::Int32 | DataType::UInt32 => 32,
        _ => return false,
    };
    rows < 1 << (62 - bits)
}

/// The greatest common divisor.
fn common(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
