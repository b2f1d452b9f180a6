//! SUM and AVG as DataFusion aggregates with MySQL's result types.
//!
//! Exact numbers (integers, decimals, dates as numbers) give decimals: SUM adds 22 digits before the
//! point, AVG four behind it. Doubles and text give doubles. Source: MySQL manual, "Aggregate Function
//! Descriptions".

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDFImpl, GroupsAccumulator, ReversedUDAF, Signature, Volatility,
};

use super::distinct::{DistinctAccumulator, Inner};
use super::double::{Double, DoubleAccumulator, DoubleFrame, DoubleGroups};
use super::exact::{Exact, ExactAccumulator, ExactGroups};
use super::input::{exact_digits, is_exact};
use crate::functions::failure::{not_supported, wrong_argument_count};
use crate::functions::operators::types::{
    DIVISION_DIGITS, Digits, Kind, PRECISION_MAX, SCALE_MAX, division_scale, field,
};

/// Digits that SUM adds in front of the point.
const SUM_DIGITS: i16 = 22;

/// Field metadata of a SUM. The optimiser may split one SUM into a SUM of SUMs; the type that the rest of
/// the plan was made for must not change then, so that a SUM of such a field adds no digits.
const SUM_KEY: &str = "storno.sum";

#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Sum {
    average: bool,
    digits: Digits,
    signature: Signature,
}

impl Sum {
    pub(crate) fn total() -> Self {
        Self::new(false, Digits::Declared)
    }

    pub(crate) fn avg() -> Self {
        Self::new(true, Digits::Declared)
    }

    /// AVG for the operand of another operation.
    pub(crate) fn avg_with_internal_digits() -> Self {
        Self::new(true, Digits::Internal)
    }

    fn new(average: bool, digits: Digits) -> Self {
        let signature = Signature::user_defined(Volatility::Immutable);
        Self {
            average,
            digits,
            signature,
        }
    }

    /// The type of the result over an exact input.
    fn result(&self, input: &FieldRef) -> Kind {
        let (precision, scale) = exact_digits(input.data_type());
        let decimals = match Kind::of(input, None) {
            Kind::Decimal { decimals, .. } => decimals,
            _ => scale,
        };
        let integer = i16::from(precision) - i16::from(scale);
        let kind = |integer: i16, scale: i8, decimals: i8| {
            let precision = (integer + i16::from(scale)).clamp(1, PRECISION_MAX.into()) as u8;
            Kind::Decimal {
                precision: precision.max(scale.unsigned_abs()),
                scale,
                decimals,
            }
        };
        if !self.average {
            let more = if input.metadata().contains_key(SUM_KEY) {
                0
            } else {
                SUM_DIGITS
            };
            return kind(integer + more, decimals, decimals);
        }
        let average_decimals = (decimals + DIVISION_DIGITS).min(SCALE_MAX.max(decimals));
        match self.digits {
            Digits::Declared => kind(integer, average_decimals, average_decimals),
            Digits::Internal => kind(
                integer,
                division_scale(scale, 0).max(average_decimals),
                average_decimals,
            ),
        }
    }

    fn inner(&self, args: &AccumulatorArgs) -> Result<Inner> {
        let [field] = args.expr_fields else {
            return Err(wrong_argument_count(self.name()));
        };
        let text = format!("{}({})", self.name(), field.name());
        let DataType::Decimal128(result_precision, result_scale) = *args.return_type() else {
            return Ok(Inner::Double(Double {
                text,
                average: self.average,
            }));
        };
        let (_, scale) = exact_digits(field.data_type());
        Ok(Inner::Exact(Exact {
            text,
            average: self.average,
            scale,
            result_precision,
            result_scale,
        }))
    }
}

impl AggregateUDFImpl for Sum {
    fn name(&self) -> &str {
        if self.average { "avg" } else { "sum" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        match arg_types.len() {
            1 => Ok(arg_types.to_vec()),
            _ => Err(wrong_argument_count(self.name())),
        }
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        let fields: Vec<FieldRef> = arg_types
            .iter()
            .map(|t| Arc::new(Field::new("", t.clone(), true)))
            .collect();
        Ok(self.return_field(&fields)?.data_type().clone())
    }

    fn return_field(&self, arg_fields: &[FieldRef]) -> Result<FieldRef> {
        let [input] = arg_fields else {
            return Err(wrong_argument_count(self.name()));
        };
        let exact = is_exact(input.data_type());
        let kind = if exact {
            self.result(input)
        } else {
            Kind::Double
        };
        let result = field(self.name(), kind);
        if self.average {
            return Ok(result);
        }
        let mut metadata = result.metadata().clone();
        metadata.insert(SUM_KEY.to_owned(), String::new());
        Ok(Arc::new(result.as_ref().clone().with_metadata(metadata)))
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let inner = self.inner(&args)?;
        if args.is_distinct {
            return Ok(Box::new(DistinctAccumulator::new(inner)));
        }
        Ok(match inner {
            Inner::Exact(exact) => Box::new(ExactAccumulator::new(exact)),
            Inner::Double(double) => Box::new(DoubleAccumulator::new(double)),
        })
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if args.is_distinct {
            return Err(not_supported("<window function>(DISTINCT ..)"));
        }
        Ok(match self.inner(&args)? {
            Inner::Exact(exact) => Box::new(ExactAccumulator::new(exact)),
            Inner::Double(double) => Box::new(DoubleFrame::new(double)),
        })
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let [input] = args.input_fields else {
            return Err(wrong_argument_count(self.name()));
        };
        let value = if is_exact(input.data_type()) {
            DataType::Decimal128(38, exact_digits(input.data_type()).1)
        } else {
            DataType::Float64
        };
        let name = |part: &str| format_state_name(args.name, part);
        if args.is_distinct {
            let item = Field::new_list_field(value, true);
            return Ok(vec![Arc::new(Field::new_list(
                name("distinct"),
                item,
                false,
            ))]);
        }
        let mut fields = vec![Arc::new(Field::new(name("sum"), value, true))];
        if self.average {
            fields.push(Arc::new(Field::new(name("count"), DataType::UInt64, true)));
        }
        Ok(fields)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        !args.is_distinct
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(match self.inner(&args)? {
            Inner::Exact(exact) => Box::new(ExactGroups::new(exact)),
            Inner::Double(double) => Box::new(DoubleGroups::new(double)),
        })
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }
}
