//! The different ones of many numbers, and where among them each is.

/// Finds the place of a number among the different ones of a list.
#[derive(Debug)]
pub(super) enum Places {
    /// By number; of no meaning for those that are not there.
    Table(Vec<u32>),
    /// The numbers, ascending.
    Sorted(Vec<u64>),
}

impl Places {
    /// Those of numbers below `size`, and the different numbers by their places.
    pub(super) fn of(numbers: &[u64], size: u64) -> (Self, Vec<u64>) {
        if size / 8 > numbers.len() as u64 + 1024 {
            let mut used = numbers.to_vec();
            used.sort_unstable();
            used.dedup();
            used.shrink_to_fit();
            return (Self::Sorted(used.clone()), used);
        }
        let (mut used, mut places) = (Vec::new(), vec![u32::MAX; size as usize]);
        for &number in numbers {
            if let Some(place) = places.get_mut(number as usize)
                && *place == u32::MAX
            {
                *place = used.len() as u32;
                used.push(number);
            }
        }
        (Self::Table(places), used)
    }

    /// The place of one of the numbers.
    pub(super) fn place(&self, number: u64) -> usize {
        match self {
            Self::Table(places) => {
                let place = places.get(number as usize);
                place.map_or(usize::MAX, |&place| place as usize)
            }
            Self::Sorted(used) => used.partition_point(|&u| u < number),
        }
    }

    /// Bytes that it takes.
    pub(super) fn memory(&self) -> usize {
        match self {
            Self::Table(places) => places.capacity() * size_of::<u32>(),
            Self::Sorted(used) => used.capacity() * size_of::<u64>(),
        }
    }
}
