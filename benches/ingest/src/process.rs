//! What a server's process has used, from /proc.

use std::time::Duration;

/// A process of this machine.
#[derive(Debug, Clone, Copy)]
pub struct Process {
    pid: u32,
}

/// Ticks of /proc/PID/stat in a second: 100 on every Linux that matters here.
const TICKS: f64 = 100.0;

impl Process {
    pub fn new(pid: u32) -> Self {
        Self { pid }
    }

    /// Time on processors, of all threads, those that have ended included.
    pub fn cpu(&self) -> Option<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?;
        // The name may hold anything, blanks and parentheses included.
        let rest = stat.rsplit_once(')')?.1;
        let mut fields = rest.split_whitespace().skip(11);
        let user: f64 = fields.next()?.parse().ok()?;
        let system: f64 = fields.next()?.parse().ok()?;
        Some(Duration::from_secs_f64((user + system) / TICKS))
    }
}
