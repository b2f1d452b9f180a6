//! What every test stands on: servers to talk to, sessions to talk through, and how a test is run.
//!
//! A test is an async function that is given a running server. It fails by returning an error or by
//! panicking; either way the end of the server's log is part of the report. Nothing in here knows
//! what the right answers are.

pub mod answer;
pub mod compare;
pub mod judge;
pub mod random;
pub mod raw;
pub mod s3;
pub mod server;
pub mod session;

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};

use libtest_mimic::{Failed, Trial};
use tokio::runtime::Runtime;

pub use answer::{Answer, Refusal};
pub use server::Server;
pub use session::Session;

/// How a test ends. Any error that can be displayed becomes a failure through `?`.
pub type Outcome<T = ()> = Result<T, Failed>;

/// A test that is given its own freshly started server.
pub fn with_server<T>(name: impl Into<String>, test: T) -> Trial
where
    T: AsyncFnOnce(&mut Server) -> Outcome + Send + 'static,
{
    Trial::test(name, move || {
        let mut server = Server::start()?;
        block_on(test(&mut server)).map_err(|failure| {
            let text = failure.message().unwrap_or("no message").to_owned();
            Failed::from(format!(
                "{text}\n--- end of the server's log ---\n{}",
                server.log_tail()
            ))
        })
    })
}

/// Runs the future to its end; a panic inside becomes an error, so that the caller can say more.
pub fn block_on(future: impl Future<Output = Outcome>) -> Outcome {
    let run = || Runtime::new()?.block_on(future);
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|panic| Err(Failed::from(message_of(panic.as_ref()))))
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "panicked without a message".to_owned())
}

/// `Err` with the message unless the condition holds.
pub fn ensure(holds: bool, message: impl FnOnce() -> String) -> Outcome {
    if holds {
        Ok(())
    } else {
        Err(Failed::from(message()))
    }
}

/// Fails with both values when they differ.
pub fn same<T: PartialEq + std::fmt::Debug>(what: &str, expected: &T, actual: &T) -> Outcome {
    ensure(expected == actual, || {
        format!("{what}\n  expected: {expected:?}\n  actual:   {actual:?}")
    })
}

/// Lists trials: `trials!("topic", with_server: [name, other_name])`.
macro_rules! trials {
    ($topic:literal, [$($test:ident),* $(,)?]) => {
        vec![$($crate::harness::with_server(
            concat!($topic, "::", stringify!($test)),
            async |server: &mut $crate::harness::Server| $test(server).await,
        )),*]
    };
}
pub(crate) use trials;
