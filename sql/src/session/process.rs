//! The connections that are open and what each is doing: SHOW PROCESSLIST and SHOW STATUS.
//!
//! A list to look at. It neither limits connections nor ends statements.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use super::account::secret;
use super::{Interrupt, SessionContext, secrets};
use crate::functions::warnings::Over;

/// Bytes of a statement's text that are kept to be shown.
const INFO_BYTES_MAX: usize = 65_536;

/// All open sessions and the counters that outlive them.
#[derive(Debug, Default)]
pub struct Processes {
    open: Mutex<BTreeMap<u64, Arc<Process>>>,
    opened: AtomicU64,
    most: AtomicU64,
    questions: Arc<AtomicU64>,
}

/// One session, as others see it.
#[derive(Debug)]
pub struct Process {
    /// Place in the list; never used twice, other than ids of connections.
    key: u64,
    pub id: u32,
    pub user: String,
    pub host: String,
    pub interrupt: Option<Arc<dyn Interrupt>>,
    /// Connection attributes.
    attributes: OnceLock<Vec<(String, String)>>,
    state: Mutex<State>,
    questions: AtomicU64,
    all_questions: Arc<AtomicU64>,
}

/// What a session does now.
#[derive(Debug)]
pub struct State {
    pub database: Option<String>,
    /// "Query", "Prepare", "Execute", "Sleep" ...
    pub command: &'static str,
    /// Since when.
    pub since: Instant,
    /// The statement's text, cut; empty while the session sleeps. For nobody's eyes: `shown` is.
    info: String,
    /// Number of the statement, so that an old one's end does not end a new one.
    turn: u64,
    over: Over,
}

const SLEEP: &str = "Sleep";

impl State {
    pub fn is_running(&self) -> bool {
        self.command != SLEEP
    }

    /// The statement's text without its secrets. They are looked for when it is shown: most statements never are.
    pub fn shown(&self) -> String {
        secrets::hidden(&secret::shown(self.info.as_bytes())).into_owned()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Processes {
    pub fn open(&self, context: &SessionContext) -> Arc<Process> {
        let key = self.opened.fetch_add(1, Ordering::Relaxed);
        let state = State {
            database: context.database.clone(),
            command: SLEEP,
            since: Instant::now(),
            info: String::new(),
            turn: 0,
            over: Over::default(),
        };
        let process = Arc::new(Process {
            key,
            id: context.connection_id,
            user: context.user.clone(),
            host: context.host.clone(),
            interrupt: context.interrupt.clone(),
            attributes: OnceLock::new(),
            state: Mutex::new(state),
            questions: AtomicU64::new(0),
            all_questions: Arc::clone(&self.questions),
        });
        let mut open = locked(&self.open);
        open.insert(key, Arc::clone(&process));
        self.most.fetch_max(open.len() as u64, Ordering::Relaxed);
        process
    }

    pub fn close(&self, process: &Process) {
        locked(&self.open).remove(&process.key);
    }

    /// In the order in which they were opened.
    pub fn all(&self) -> Vec<Arc<Process>> {
        locked(&self.open).values().cloned().collect()
    }

    pub fn count(&self) -> usize {
        locked(&self.open).len()
    }

    /// Sessions opened since the start.
    pub fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// Sessions that were open at once, at most.
    pub fn most(&self) -> u64 {
        self.most.load(Ordering::Relaxed)
    }

    /// Statements begun since the start.
    pub fn questions(&self) -> u64 {
        self.questions.load(Ordering::Relaxed)
    }
}

impl Process {
    pub fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    /// What the client said of itself; only the first say counts.
    pub fn set_attributes(&self, attributes: Vec<(String, String)>) {
        let _ = self.attributes.set(attributes);
    }

    pub fn attributes(&self) -> &[(String, String)] {
        self.attributes.get().map_or(&[], Vec::as_slice)
    }

    /// Statements begun by this session.
    pub fn questions(&self) -> u64 {
        self.questions.load(Ordering::Relaxed)
    }

    pub fn set_database(&self, database: Option<&str>) {
        self.state().database = database.map(str::to_string);
    }

    /// Shows a statement as running until the guard is dropped.
    pub fn begin(self: &Arc<Self>, command: &'static str, sql: &[u8]) -> Running {
        self.questions.fetch_add(1, Ordering::Relaxed);
        self.all_questions.fetch_add(1, Ordering::Relaxed);
        let text = String::from_utf8_lossy(sql.get(..INFO_BYTES_MAX).unwrap_or(sql));
        let mut state = self.state();
        state.command = command;
        state.since = Instant::now();
        state.info.clear();
        state.info.push_str(&text);
        state.turn += 1;
        state.over = Over::default();
        Running {
            turn: state.turn,
            over: state.over.clone(),
            process: Arc::clone(self),
        }
    }

    /// Whether the statement that runs is over.
    pub(super) fn over(&self) -> Over {
        self.state().over.clone()
    }
}

/// A statement that runs, or whose rows are on their way.
#[derive(Debug)]
pub struct Running {
    process: Arc<Process>,
    turn: u64,
    over: Over,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.over.answered();
        let mut state = self.process.state();
        if state.turn == self.turn {
            state.command = SLEEP;
            state.since = Instant::now();
            // An idle session keeps no memory for a text it once ran.
            state.info = String::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_an_old_statement_does_not_hide_a_new_one() {
        let processes = Processes::default();
        let process = processes.open(&SessionContext {
            connection_id: 9,
            user: "root".into(),
            host: "localhost".into(),
            database: None,
            found_rows: false,
            local_files: false,
            multi_statements: false,
            interrupt: None,
        });
        let old = process.begin("Query", b"select 1");
        let new = process.begin("Query", b"select 2");
        drop(old);
        assert_eq!(process.state().info, "select 2");
        drop(new);
        assert!(!process.state().is_running());
        assert_eq!((processes.questions(), processes.count()), (2, 1));
        processes.close(&process);
        assert_eq!((processes.count(), processes.most()), (0, 1));
    }
}
