//! Numbers for the groups of rows that are sorted by one of their keys. Among rows that share it, a combination of
//! the other keys is a position in a table, which says the group it had last and with which value of the sorted
//! key: where that is another, the group is new. So nothing is hashed, however many combinations of all keys
//! there are.

use super::domain::Domain;

/// The group a combination had last.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    /// One more than the number of the sorted key; 0: there was none.
    leading: u32,
    group: u32,
}

/// Rows must come in order of the sorted key.
#[derive(Debug)]
pub(super) struct SortedKeys {
    /// Which of the keys is sorted.
    leading: usize,
    /// The factor of each key in a position; 0 for the sorted one.
    strides: Vec<u64>,
    slots: Vec<Slot>,
}

impl SortedKeys {
    /// For keys of which one, given by its local, is sorted, if the others have at most `most` combinations.
    pub(super) fn new(
        domains: &[Domain],
        locals: &[usize],
        (leading, most): (Option<usize>, u64),
    ) -> Option<Self> {
        let leading = locals.iter().position(|local| Some(*local) == leading)?;
        let (mut strides, mut positions) = (Vec::with_capacity(locals.len()), 1u64);
        for (at, local) in locals.iter().enumerate() {
            let domain = domains.get(*local)?;
            // There may be one more number than the size says.
            let size = domain.size.checked_add(1)?;
            if at == leading {
                strides.push(0);
                u32::try_from(size).ok()?;
                continue;
            }
            strides.push(positions);
            positions = positions.checked_mul(size)?;
        }
        (positions <= most).then(|| Self {
            leading,
            strides,
            slots: vec![Slot::default(); positions as usize],
        })
    }

    /// Whether it can be had, without making it.
    pub(super) fn fits(
        domains: &[Domain],
        locals: &[usize],
        (leading, most): (usize, u64),
    ) -> bool {
        let others = locals.iter().filter(|local| **local != leading);
        let size = |local: &usize| domains.get(*local).map_or(u64::MAX, |d| d.size);
        let product = others.fold(1u64, |all, local| {
            all.saturating_mul(size(local).saturating_add(1))
        });
        let leads = domains
            .get(leading)
            .is_some_and(|d| d.size < u32::MAX.into());
        locals.contains(&leading) && leads && product <= most
    }

    /// The group of a number per key; `next` is that of a new one, which it says.
    pub(super) fn group(&mut self, numbers: impl Fn(usize) -> u64, next: u32) -> (u32, bool) {
        let (mut position, mut leading) = (0, 0);
        for (key, stride) in self.strides.iter().enumerate() {
            if key == self.leading {
                leading = numbers(key) as u32 + 1;
            } else {
                position += numbers(key) * stride;
            }
        }
        match self.slots.get_mut(position as usize) {
            Some(slot) if slot.leading == leading => (slot.group, false),
            Some(slot) => {
                *slot = Slot {
                    leading,
                    group: next,
                };
                (next, true)
            }
            None => (next, true),
        }
    }

    /// Bytes that it takes.
    pub(super) fn memory(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
    }
}
