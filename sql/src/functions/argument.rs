//! The arguments of one call, each brought to the type that the function reads.
//!
//! Scalars are held as one row; `Column::get` hides the difference. Conversions: `convert`.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, BinaryViewArray, BooleanArray, Decimal128Array,
    PrimitiveArray, StringViewArray, StringViewBuilder,
};
use arrow::datatypes::{
    DataType, Date32Type, DurationMicrosecondType, FieldRef, Float64Type, Int64Type,
    TimestampMicrosecondType, UInt64Type,
};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs};

use super::builtin::{columnar, field_fsp};
use super::convert::{arrays, temporal};
use super::datetime::now;
use super::failure::internal;
use super::operators::name_of;

/// A call with its arguments. `rows` is 1 when every argument is a scalar.
pub(crate) struct Call<'a> {
    pub(crate) name: &'static str,
    args: &'a ScalarFunctionArgs,
    pub(crate) rows: usize,
    scalar: bool,
}

impl<'a> Call<'a> {
    pub(crate) fn new(name: &'static str, args: &'a ScalarFunctionArgs) -> Self {
        let scalar = !args.args.is_empty()
            && args
                .args
                .iter()
                .all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        Self {
            name,
            args,
            rows: if scalar { 1 } else { args.number_rows },
            scalar,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.args.args.len()
    }

    pub(crate) fn field(&self, index: usize) -> &FieldRef {
        &self.args.arg_fields[index]
    }

    /// Rows of the batch, also when every argument is a scalar.
    pub(crate) fn number_rows(&self) -> usize {
        self.args.number_rows
    }

    /// The call as error 1690 prints it.
    pub(crate) fn text_of_call(&self) -> String {
        let name = |index: usize| name_of(self.field(index), self.scalar(index));
        let args: Vec<String> = (0..self.len()).map(name).collect();
        format!("{}({})", self.name, args.join(","))
    }

    /// The type promised when the call was planned.
    pub(crate) fn return_type(&self) -> &DataType {
        self.args.return_type()
    }

    pub(crate) fn return_fsp(&self) -> Option<u8> {
        field_fsp(&self.args.return_field)
    }

    /// The session's time zone; `None` is UTC.
    pub(crate) fn time_zone(&self) -> Option<&str> {
        self.args.config_options.execution.time_zone.as_deref()
    }

    pub(crate) fn is_scalar(&self, index: usize) -> bool {
        matches!(self.args.args.get(index), Some(ColumnarValue::Scalar(_)))
    }

    /// The value of a scalar argument.
    pub(crate) fn scalar(&self, index: usize) -> Option<&ScalarValue> {
        match self.args.args.get(index) {
            Some(ColumnarValue::Scalar(value)) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn data_type(&self, index: usize) -> DataType {
        self.args
            .args
            .get(index)
            .map_or(DataType::Null, ColumnarValue::data_type)
    }

    pub(crate) fn fsp(&self, index: usize) -> Option<u8> {
        self.args.arg_fields.get(index).and_then(field_fsp)
    }

    /// The argument as it came: one row for a scalar.
    pub(crate) fn array(&self, index: usize) -> Result<ArrayRef> {
        let array = match self.args.args.get(index) {
            Some(ColumnarValue::Array(array)) => Arc::clone(array),
            Some(ColumnarValue::Scalar(scalar)) => scalar.to_array_of_size(1)?,
            None => {
                return Err(internal(format!(
                    "{}: argument {index} is missing",
                    self.name
                )));
            }
        };
        arrays::canonical(&array)
    }

    /// Wraps a converted argument; `rows` of it, or one for a scalar.
    pub(crate) fn column<A: Array>(&self, index: usize, array: A) -> Column<A> {
        Column {
            array,
            step: usize::from(!self.is_scalar(index)),
        }
    }

    pub(crate) fn int(&self, index: usize) -> Result<Column<PrimitiveArray<Int64Type>>> {
        Ok(self.column(index, arrays::to_int(&self.array(index)?)?))
    }

    /// As the bits that bit operators see.
    pub(crate) fn bits(&self, index: usize) -> Result<Column<PrimitiveArray<UInt64Type>>> {
        Ok(self.column(index, arrays::to_uint_bits(&self.array(index)?)?))
    }

    pub(crate) fn double(&self, index: usize) -> Result<Column<PrimitiveArray<Float64Type>>> {
        Ok(self.column(index, arrays::to_double(&self.array(index)?)?))
    }

    pub(crate) fn decimal(
        &self,
        index: usize,
        precision: u8,
        scale: i8,
    ) -> Result<Column<Decimal128Array>> {
        Ok(self.column(
            index,
            arrays::to_decimal(&self.array(index)?, precision, scale)?,
        ))
    }

    pub(crate) fn text(&self, index: usize) -> Result<Column<StringViewArray>> {
        Ok(self.column(
            index,
            arrays::to_text(&self.array(index)?, self.fsp(index))?,
        ))
    }

    pub(crate) fn bytes(&self, index: usize) -> Result<Column<BinaryViewArray>> {
        Ok(self.column(
            index,
            arrays::to_bytes(&self.array(index)?, self.fsp(index))?,
        ))
    }

    pub(crate) fn truth(&self, index: usize) -> Result<Column<BooleanArray>> {
        Ok(self.column(index, arrays::to_truth(&self.array(index)?)?))
    }

    pub(crate) fn date(&self, index: usize) -> Result<Column<PrimitiveArray<Date32Type>>> {
        let array = self.array(index)?;
        if let DataType::Duration(_) = array.data_type() {
            let datetime: ArrayRef = Arc::new(self.dated_time(&array)?);
            return Ok(self.column(index, temporal::to_date(&datetime)?));
        }
        Ok(self.column(index, temporal::to_date(&array)?))
    }

    pub(crate) fn datetime(
        &self,
        index: usize,
    ) -> Result<Column<PrimitiveArray<TimestampMicrosecondType>>> {
        let array = self.array(index)?;
        if let DataType::Duration(_) = array.data_type() {
            return Ok(self.column(index, self.dated_time(&array)?));
        }
        Ok(self.column(index, temporal::to_datetime(&array)?))
    }

    /// A TIME as a DATETIME: of the current day in the session's zone.
    fn dated_time(&self, array: &ArrayRef) -> Result<PrimitiveArray<TimestampMicrosecondType>> {
        let today = now::today_us(self.time_zone())?;
        let times = temporal::to_time(array)?;
        Ok(times.unary(|micros| today.saturating_add(micros)))
    }

    pub(crate) fn time(
        &self,
        index: usize,
    ) -> Result<Column<PrimitiveArray<DurationMicrosecondType>>> {
        Ok(self.column(index, temporal::to_time(&self.array(index)?)?))
    }

    /// The result: one row when all arguments were scalars.
    pub(crate) fn finish(&self, array: ArrayRef) -> Result<ColumnarValue> {
        columnar(array, self.scalar)
    }

    /// A primitive result, one value per row.
    pub(crate) fn collect<T: ArrowPrimitiveType>(
        &self,
        value: impl FnMut(usize) -> Option<T::Native>,
    ) -> PrimitiveArray<T> {
        (0..self.rows).map(value).collect()
    }

    /// A primitive result whose rows can fail.
    pub(crate) fn try_collect<T: ArrowPrimitiveType>(
        &self,
        value: impl FnMut(usize) -> Result<Option<T::Native>>,
    ) -> Result<PrimitiveArray<T>> {
        (0..self.rows).map(value).collect()
    }

    pub(crate) fn collect_bool(&self, value: impl FnMut(usize) -> Option<bool>) -> BooleanArray {
        (0..self.rows).map(value).collect()
    }

    /// A text result: `push` appends one row's text and returns whether it is not NULL.
    pub(crate) fn collect_text(
        &self,
        mut push: impl FnMut(usize, &mut String) -> bool,
    ) -> StringViewArray {
        let mut builder = StringViewBuilder::with_capacity(self.rows);
        let mut text = String::new();
        for row in 0..self.rows {
            text.clear();
            if push(row, &mut text) {
                builder.append_value(&text);
            } else {
                builder.append_null();
            }
        }
        builder.finish()
    }

    /// A text result of slices of the arguments.
    pub(crate) fn collect_str<'s>(
        &self,
        mut value: impl FnMut(usize) -> Option<&'s str>,
    ) -> StringViewArray {
        let mut builder = StringViewBuilder::with_capacity(self.rows);
        for row in 0..self.rows {
            builder.append_option(value(row));
        }
        builder.finish()
    }
}

/// One argument in the type that a function reads.
pub(crate) struct Column<A> {
    array: A,
    /// 0 for a scalar: every row reads the first.
    step: usize,
}

impl<A: Array> Column<A> {
    pub(crate) fn is_scalar(&self) -> bool {
        self.step == 0
    }
}

impl<T: ArrowPrimitiveType> Column<PrimitiveArray<T>> {
    #[inline]
    pub(crate) fn get(&self, row: usize) -> Option<T::Native> {
        let row = row * self.step;
        self.array.is_valid(row).then(|| self.array.value(row))
    }

    /// The values of a column argument; `None` for a scalar.
    pub(crate) fn values(&self) -> Option<&PrimitiveArray<T>> {
        (self.step == 1).then_some(&self.array)
    }
}

impl Column<StringViewArray> {
    /// The strings of a column argument; `None` for a scalar.
    pub(crate) fn values(&self) -> Option<&StringViewArray> {
        (self.step == 1).then_some(&self.array)
    }

    #[inline]
    pub(crate) fn get(&self, row: usize) -> Option<&str> {
        let row = row * self.step;
        self.array.is_valid(row).then(|| self.array.value(row))
    }
}

impl Column<BinaryViewArray> {
    #[inline]
    pub(crate) fn get(&self, row: usize) -> Option<&[u8]> {
        let row = row * self.step;
        self.array.is_valid(row).then(|| self.array.value(row))
    }
}

impl Column<BooleanArray> {
    #[inline]
    pub(crate) fn get(&self, row: usize) -> Option<bool> {
        let row = row * self.step;
        self.array.is_valid(row).then(|| self.array.value(row))
    }
}
