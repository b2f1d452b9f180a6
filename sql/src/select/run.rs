//! Execution: plans run on the engine's CPU pool, batches flow to the session through a short queue.
//!
//! A consumer that goes away stops the query; a panic in a plan becomes an error of that statement.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::expressions::Literal;
use datafusion::physical_plan::placeholder_row::PlaceholderRowExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::future::FutureExt;
use futures::stream::{self, BoxStream, StreamExt};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::failure::{Origin, client_error};
use crate::error::{Result, SqlError};
use crate::functions::warnings::Sink;
use crate::memory::{Account, Budget};

/// Batches in flight between the pool and the session.
const QUEUE: usize = 2;

/// Aborts its task when dropped.
struct Task(JoinHandle<Result<()>>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Running {
    batches: mpsc::Receiver<RecordBatch>,
    task: Task,
    account: Arc<Account>,
    deadline: Option<Instant>,
}

/// Starts `plan` on `pool`. `time_limit` is MySQL's max_execution_time; warnings go to `sink`.
pub fn run(
    pool: &Handle,
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
    time_limit: Option<Duration>,
    sink: &Sink,
) -> BoxStream<'static, Result<RecordBatch>> {
    if is_at_hand(plan.as_ref()) {
        let error = |e| client_error(e, Origin::default());
        return match execute_stream(plan, context) {
            Ok(batches) => batches.map(move |batch| batch.map_err(error)).boxed(),
            Err(e) => stream::iter([Err(error(e))]).boxed(),
        };
    }
    let (sender, batches) = mpsc::channel(QUEUE);
    let memory = Arc::clone(context.memory_pool());
    let budget = memory.downcast_ref::<Budget>();
    let work = async move {
        let error = |e| client_error(e, Origin::default());
        let mut stream = execute_stream(plan, context).map_err(error)?;
        while let Some(batch) = stream.next().await {
            if sender.send(batch.map_err(error)?).await.is_err() {
                break;
            }
        }
        Ok(())
    };
    let account = Arc::clone(sink.account());
    let task = pool.spawn(sink.carry(work.boxed()));
    account.runs_in(task.abort_handle());
    if let Some(budget) = budget {
        budget.begin(&account);
    }
    let deadline = time_limit.map(|limit| Instant::now() + limit);
    let running = Running {
        batches,
        task: Task(task),
        account,
        deadline,
    };
    stream::unfold(Some(running), |state| async move {
        let mut running = state?;
        match next(&mut running).await {
            Ok(Some(batch)) => Some((Ok(batch), Some(running))),
            Ok(None) => None,
            Err(e) => Some((Err(e), None)),
        }
    })
    .boxed()
}

/// Whether a plan has nothing but literals to give, as the `SELECT 1` of pools has: to wake a thread for it takes
/// longer than the rest of the statement.
fn is_at_hand(plan: &dyn ExecutionPlan) -> bool {
    let Some(projection) = plan.downcast_ref::<ProjectionExec>() else {
        return false;
    };
    let mut values = projection.expr().iter();
    projection.input().is::<PlaceholderRowExec>()
        && values.all(|value| value.expr.downcast_ref::<Literal>().is_some())
}

async fn next(running: &mut Running) -> Result<Option<RecordBatch>> {
    let received = match running.deadline {
        Some(deadline) => tokio::time::timeout_at(deadline, running.batches.recv())
            .await
            .map_err(|_| {
                let text =
                    "Query execution was interrupted, maximum statement execution time exceeded";
                SqlError::new(3024, "HY000", text)
            })?,
        None => running.batches.recv().await,
    };
    if received.is_some() {
        return Ok(received);
    }
    // The end of the batches is the end of the answer only if the task says so.
    match (&mut running.task.0).await {
        Ok(result) => result.map(|()| None),
        Err(e) if e.is_panic() => {
            tracing::error!("a query panicked");
            Err(SqlError::internal(
                "Internal error while executing the statement",
            ))
        }
        Err(_) if running.account.is_stopped() => Err(SqlError::out_of_memory()),
        Err(_) => Err(SqlError::new(
            1317,
            "70100",
            "Query execution was interrupted",
        )),
    }
}
