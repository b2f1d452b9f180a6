//! Moments numbered by granule: the minute, the hour or the day they are in.

use multiversion::multiversion;

/// Moments by granule: number 0 is NULL where there is a code for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Granules {
    origin: i64,
    step: i64,
    width: i64,
    /// Of the least value.
    first: i64,
    null: u64,
    quick: Option<Quick>,
}

impl Granules {
    /// Of codes that stand for `origin + code * step`, of which the least and the greatest are given; code 0 is NULL if
    /// the last of `codes` says so.
    pub(super) fn new(
        (origin, step): (i64, i64),
        width: i64,
        (low, high, null_code): (u64, u64, bool),
    ) -> Self {
        let mut granules = Self {
            origin,
            step: step.max(1),
            width: width.max(1),
            first: 0,
            null: u64::from(null_code && low == 0),
            quick: None,
        };
        granules.first = granules.of(low.max(null_code.into()).min(high));
        granules.quick = Quick::new(&granules, high);
        granules
    }

    /// How codes are numbered many at a time, where that can be.
    pub(super) fn quick(&self) -> Option<Quick> {
        self.quick
    }

    /// The first moment of the granule with a number; `None` for NULL.
    pub(super) fn moment(&self, number: u64) -> Option<i128> {
        let number = number.checked_sub(self.null)?;
        Some((i128::from(self.first) + i128::from(number)) * i128::from(self.width))
    }

    /// Moments have 64 bits, and so has every code's.
    fn of(&self, code: u64) -> i64 {
        let moment = (code as i64).wrapping_mul(self.step);
        self.origin.wrapping_add(moment).div_euclid(self.width)
    }

    pub(super) fn number(&self, code: u64) -> u64 {
        if code < self.null {
            return 0;
        }
        self.of(code).wrapping_sub(self.first) as u64 + self.null
    }

    /// The codes around `code` that share its number.
    pub(super) fn codes_like(&self, code: u64) -> (u64, u64) {
        if code < self.null {
            return (0, 0);
        }
        let start =
            i128::from(self.of(code)) * i128::from(self.width) - i128::from(self.origin) - 1;
        let end = start + i128::from(self.width);
        // Division of 128 bits takes long, and is hardly ever needed.
        let step = |distance: i128| match i64::try_from(distance) {
            Ok(distance) => distance.div_euclid(self.step).into(),
            Err(_) => distance.div_euclid(self.step.into()),
        };
        let (before, last) = (step(start), step(end));
        ((before + 1).max(self.null.into()) as u64, last as u64)
    }
}

/// Division by a constant as a multiplication and a shift, for codes of 32 bits whose step divides the width
/// (Granlund and Montgomery, PLDI 1994).
#[derive(Debug, Clone, Copy)]
pub(super) struct Quick {
    /// Of code 0 in its granule, in steps.
    offset: u32,
    factor: u32,
    shift: u32,
    /// What the quotient is less than the number, modulo 2^32.
    add: u32,
    null: u32,
}

impl Quick {
    fn new(granules: &Granules, high: u64) -> Option<Self> {
        let Granules {
            origin,
            step,
            width,
            first,
            null,
            ..
        } = *granules;
        if width % step != 0 {
            return None;
        }
        let divisor = (width / step) as u64;
        let offset = (origin.rem_euclid(width) / step) as u64;
        let most = u32::try_from(high.checked_add(offset)?).ok()?;
        // Exact as long as what the factor is too large by does not add up to a whole.
        let exact = |shift: &u32| {
            let power = 1u64 << shift;
            let factor = power.div_ceil(divisor);
            let excess = u128::from(factor) * u128::from(divisor) - u128::from(power);
            factor <= u32::MAX.into() && u128::from(most) * excess < u128::from(power)
        };
        let shift = (0..63).rev().find(exact)?;
        let add = origin.div_euclid(width).wrapping_sub(first);
        Some(Self {
            offset: offset as u32,
            factor: (1u64 << shift).div_ceil(divisor) as u32,
            shift,
            add: (add as u32).wrapping_add(null as u32),
            null: null as u32,
        })
    }

    /// Puts its number in place of every code.
    pub(super) fn number_all(self, codes: &mut [u32]) {
        number_all(self, codes);
    }
}

#[multiversion(targets("x86_64+avx+avx2+bmi1+bmi2+fma"))]
fn number_all(quick: Quick, codes: &mut [u32]) {
    for code in codes {
        let distance = u64::from(code.wrapping_add(quick.offset));
        let quotient = (distance * u64::from(quick.factor)) >> quick.shift;
        let number = (quotient as u32).wrapping_add(quick.add);
        *code = if *code < quick.null { 0 } else { number };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn many_codes_are_numbered_as_each_of_them(
            origin in -4_000_000_000_000_000i64..4_000_000_000_000_000,
            step in prop::sample::select(vec![1i64, 1_000, 1_000_000, 60_000_000, 7]),
            width in prop::sample::select(vec![60_000_000i64, 3_600_000_000, 86_400_000_000, 420]),
            low in 0u64..1000, length in 0u64..100_000_000, null_code: bool,
            picks in prop::collection::vec(any::<prop::sample::Index>(), 1..50),
        ) {
            let granules = Granules::new((origin, step), width, (low, low + length, null_code));
            let pick = |pick: &prop::sample::Index| low + pick.index(length as usize + 1) as u64;
            let codes: Vec<u64> = picks.iter().map(pick).chain([low, low + length]).collect();
            for &code in codes.iter().filter(|&&code| code >= granules.null) {
                let moment = origin + code as i64 * step;
                let number = granules.number(code);
                let start = granules.moment(number).unwrap_or(i128::MAX);
                prop_assert!((start..start + i128::from(width)).contains(&moment.into()));
                let (from, to) = granules.codes_like(code);
                prop_assert!(from <= code && code <= to);
            }
            if let Some(quick) = granules.quick() {
                let mut numbers: Vec<u32> = codes.iter().map(|&code| code as u32).collect();
                quick.number_all(&mut numbers);
                let each: Vec<u32> = codes.iter().map(|&c| granules.number(c) as u32).collect();
                prop_assert_eq!(numbers, each);
            }
            let seconds = width % step == 0 && origin.rem_euclid(width) / step + (low + length) as i64 <= 1 << 31;
            prop_assert!(granules.quick().is_some() || !seconds);
        }
    }
}
