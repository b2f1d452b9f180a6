//! Functions over doubles: powers, logarithms, trigonometry, RAND.
//!
//! Outside their domain they are NULL; results beyond a double raise 1690.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::Result;
use rand::Rng;

use crate::functions::argument::Call;
use crate::functions::builtin::{Declared, Definition, Shape};
use crate::functions::failure::out_of_range;

fn double(_: &Shape<'_>) -> Result<Declared> {
    Ok(DataType::Float64.into())
}

fn checked(call: &Call<'_>, value: Option<f64>) -> Result<Option<f64>> {
    match value {
        Some(value) if !value.is_finite() => Err(out_of_range("DOUBLE", &call.text_of_call())),
        other => Ok(other),
    }
}

/// `f` answers `None` outside its domain.
fn unary(call: &Call<'_>, f: impl Fn(f64) -> Option<f64>) -> Result<ArrayRef> {
    let values = call.double(0)?;
    Ok(Arc::new(call.try_collect::<Float64Type>(|row| {
        checked(call, values.get(row).and_then(&f))
    })?))
}

fn binary(call: &Call<'_>, f: impl Fn(f64, f64) -> Option<f64>) -> Result<ArrayRef> {
    let (a, b) = (call.double(0)?, call.double(1)?);
    Ok(Arc::new(call.try_collect::<Float64Type>(|row| {
        let (Some(a), Some(b)) = (a.get(row), b.get(row)) else {
            return Ok(None);
        };
        checked(call, f(a, b))
    })?))
}

fn positive(value: f64, f: impl Fn(f64) -> f64) -> Option<f64> {
    (value > 0.0).then(|| f(value))
}

/// LOG(x) and LOG(base, x)
fn log(call: &Call<'_>) -> Result<ArrayRef> {
    if call.len() == 1 {
        return unary(call, |x| positive(x, f64::ln));
    }
    binary(call, |base, x| {
        let valid = base > 0.0 && x > 0.0 && base != 1.0;
        valid.then(|| x.ln() / base.ln())
    })
}

fn atan(call: &Call<'_>) -> Result<ArrayRef> {
    if call.len() == 1 {
        return unary(call, |x| Some(x.atan()));
    }
    binary(call, |y, x| Some(y.atan2(x)))
}

fn within_one(x: f64, f: fn(f64) -> f64) -> Option<f64> {
    (-1.0..=1.0).contains(&x).then(|| f(x))
}

/// MySQL's own generator, so that RAND(seed) repeats MySQL's sequence.
struct SeededRandom {
    seed1: u64,
    seed2: u64,
}

impl SeededRandom {
    const MAX: u64 = 0x3fff_ffff;

    fn new(seed: i64) -> Self {
        let seed = seed as u32;
        let seed1 = seed.wrapping_mul(0x1_0001).wrapping_add(55_555_555);
        let seed2 = seed.wrapping_mul(0x1000_0001);
        Self {
            seed1: u64::from(seed1) % Self::MAX,
            seed2: u64::from(seed2) % Self::MAX,
        }
    }

    fn next(&mut self) -> f64 {
        self.seed1 = (self.seed1 * 3 + self.seed2) % Self::MAX;
        self.seed2 = (self.seed1 + self.seed2 + 33) % Self::MAX;
        self.seed1 as f64 / Self::MAX as f64
    }
}

/// RAND(seed) with a literal seed goes on from row to row within a batch; each batch begins anew.
fn rand(call: &Call<'_>) -> Result<ArrayRef> {
    let rows = call.number_rows();
    if call.len() == 0 {
        let mut random = rand::rng();
        return Ok(Arc::new(Float64Array::from_iter_values(
            (0..rows).map(|_| random.random::<f64>()),
        )));
    }
    let seeds = call.int(0)?;
    if seeds.is_scalar() {
        let mut random = SeededRandom::new(seeds.get(0).unwrap_or(0));
        return Ok(Arc::new(Float64Array::from_iter_values(
            (0..rows).map(|_| random.next()),
        )));
    }
    let first = |row: usize| SeededRandom::new(seeds.get(row).unwrap_or(0)).next();
    Ok(Arc::new(Float64Array::from_iter_values(
        (0..rows).map(first),
    )))
}

const POWER: Definition = Definition::new("power", (2, 2), double, |call| {
    binary(call, |x, y| Some(x.powf(y)))
});

pub(crate) const FUNCTIONS: &[Definition] = &[
    POWER,
    POWER.named("pow"),
    Definition::new("sqrt", (1, 1), double, |c| {
        unary(c, |x| (x >= 0.0).then(|| x.sqrt()))
    }),
    Definition::new("exp", (1, 1), double, |c| unary(c, |x| Some(x.exp()))),
    Definition::new("ln", (1, 1), double, |c| unary(c, |x| positive(x, f64::ln))),
    Definition::new("log", (1, 2), double, log),
    Definition::new("log2", (1, 1), double, |c| {
        // As MySQL divides, not f64::log2, whose last digit differs.
        unary(c, |x| positive(x, |x| x.ln() / std::f64::consts::LN_2))
    }),
    Definition::new("log10", (1, 1), double, |c| {
        unary(c, |x| positive(x, f64::log10))
    }),
    Definition::new("pi", (0, 0), double, |call| {
        Ok(Arc::new(Float64Array::from(vec![
            std::f64::consts::PI;
            call.rows
        ])))
    }),
    Definition::new("sin", (1, 1), double, |c| unary(c, |x| Some(x.sin()))),
    Definition::new("cos", (1, 1), double, |c| unary(c, |x| Some(x.cos()))),
    Definition::new("tan", (1, 1), double, |c| unary(c, |x| Some(x.tan()))),
    Definition::new("cot", (1, 1), double, |c| unary(c, |x| Some(1.0 / x.tan()))),
    Definition::new("asin", (1, 1), double, |c| {
        unary(c, |x| within_one(x, f64::asin))
    }),
    Definition::new("acos", (1, 1), double, |c| {
        unary(c, |x| within_one(x, f64::acos))
    }),
    Definition::new("atan", (1, 2), double, atan),
    Definition::new("atan2", (2, 2), double, atan),
    Definition::new("degrees", (1, 1), double, |c| {
        unary(c, |x| Some(x.to_degrees()))
    }),
    Definition::new("radians", (1, 1), double, |c| {
        unary(c, |x| Some(x.to_radians()))
    }),
    Definition::new("rand", (0, 1), double, rand).volatile(),
];
