//! Work on several threads whose results are taken in order. Threads live as long as the call.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use crate::Result;

/// Does `work` for `0..count` on so many threads, and hands the results to `take` in order, on this one. After an
/// error no more is begun. On one thread everything happens here, one after the other.
pub(super) fn in_order<T: Send>(
    threads: usize,
    count: usize,
    work: impl Fn(usize) -> Result<T> + Sync,
    mut take: impl FnMut(T) -> Result<()>,
) -> Result<()> {
    if threads <= 1 || count <= 1 {
        return (0..count).try_for_each(|number| take(work(number)?));
    }
    let next = AtomicUsize::new(0);
    let (sender, receiver) = channel();
    thread::scope(|scope| {
        for _ in 0..threads.min(count) {
            let (sender, next, work) = (sender.clone(), &next, &work);
            let run = move || do_next(next, count, work, &sender);
            let spawned = thread::Builder::new()
                .name("storno-encode".into())
                .spawn_scoped(scope, run);
            if let Err(error) = spawned {
                tracing::warn!(%error, "a thread cannot be started");
            }
        }
        drop(sender);
        let (mut done, mut waiting) = (0, BTreeMap::new());
        for (number, result) in receiver {
            waiting.insert(number, result?);
            while let Some(result) = waiting.remove(&done) {
                take(result)?;
                done += 1;
            }
        }
        // Nothing is left unless no thread could be started.
        (done..count).try_for_each(|number| take(work(number)?))
    })
}

fn do_next<T>(
    next: &AtomicUsize,
    count: usize,
    work: impl Fn(usize) -> Result<T>,
    sender: &Sender<(usize, Result<T>)>,
) {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= count {
            return;
        }
        let result = work(number);
        let failed = result.is_err();
        if sender.send((number, result)).is_err() || failed {
            // Nobody waits for the rest.
            next.store(count, Ordering::Relaxed);
            return;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Error;

    #[test]
    fn results_come_in_order_from_any_number_of_threads() {
        for threads in [0, 1, 2, 7] {
            let mut taken = Vec::new();
            let work = |number: usize| {
                thread::sleep(std::time::Duration::from_micros(
                    (number * 7919 % 300) as u64,
                ));
                Ok(number * 2)
            };
            in_order(threads, 40, work, |result| {
                taken.push(result);
                Ok(())
            })
            .unwrap();
            assert_eq!(taken, (0..40).map(|n| n * 2).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_first_error_of_work_or_taking_is_returned() {
        let no = || Error::Invalid("no".into());
        for threads in [1, 3] {
            let work = |number| if number == 5 { Err(no()) } else { Ok(number) };
            assert!(in_order(threads, 20, work, |_| Ok(())).is_err());
            let mut taken = 0;
            let failed = in_order(threads, 20, Ok, |number| {
                taken += 1;
                if number == 3 { Err(no()) } else { Ok(()) }
            });
            assert!(failed.is_err());
            assert_eq!(taken, 4);
        }
    }
}
