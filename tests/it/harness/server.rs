//! A server process on a directory of its own: started, stopped, killed and started again.
//!
//! It is Storno unless STORNO_TEST_SERVER=mariadb asks for the judge: the same tests then prove
//! their expectations on MariaDB. Ports are chosen by the server (Storno) or asked of the kernel
//! (MariaDB).

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::judge;
use super::{Outcome, Refusal, Session, ensure};

/// Longer than any start or stop takes; reached only when a server hangs.
const PATIENCE: Duration = Duration::from_secs(60);
const LOG_TAIL_BYTES: u64 = 6_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Storno,
    /// The judge: what MySQL's answer is, where MySQL 8 and MariaDB 10.11 agree.
    MariaDb,
}

pub struct Server {
    kind: Kind,
    dir: TempDir,
    child: Option<Child>,
    port: u16,
    /// Settings of Storno given through the environment.
    environment: Vec<(String, String)>,
}

impl Server {
    /// The server under test, on an empty directory.
    pub fn start() -> Outcome<Self> {
        Self::start_with(&[])
    }

    /// The same with settings of Storno, such as STORNO_SEGMENT_ROWS (the judge is given none).
    pub fn start_with(environment: &[(&str, &str)]) -> Outcome<Self> {
        Self::start_kind(Self::kind_under_test(), environment)
    }

    /// A private MariaDB, whatever the server under test is.
    pub fn start_judge() -> Outcome<Self> {
        Self::start_kind(Kind::MariaDb, &[])
    }

    pub fn kind_under_test() -> Kind {
        match std::env::var("STORNO_TEST_SERVER").as_deref() {
            Ok("mariadb") => Kind::MariaDb,
            _ => Kind::Storno,
        }
    }

    /// A directory for a server that is not started yet.
    pub fn prepare() -> Outcome<Self> {
        Self::prepare_kind(Self::kind_under_test(), &[])
    }

    /// The program under test.
    pub fn program() -> OsString {
        std::env::var_os("STORNO_TEST_BINARY")
            .unwrap_or_else(|| env!("CARGO_BIN_EXE_storno").into())
    }

    fn start_kind(kind: Kind, environment: &[(&str, &str)]) -> Outcome<Self> {
        let mut server = Self::prepare_kind(kind, environment)?;
        // The judge is told its port; another process may have taken it meanwhile.
        match server.start_again() {
            Err(_) if kind == Kind::MariaDb => server.start_again()?,
            outcome => outcome?,
        }
        Ok(server)
    }

    fn prepare_kind(kind: Kind, environment: &[(&str, &str)]) -> Outcome<Self> {
        let dir = tempfile::Builder::new().prefix("storno-it-").tempdir()?;
        if kind == Kind::MariaDb {
            judge::create_data_directory(dir.path())?;
        }
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let environment = environment.iter().map(owned).collect();
        Ok(Self {
            kind,
            dir,
            child: None,
            port: 0,
            environment,
        })
    }

    pub fn is_judge(&self) -> bool {
        self.kind == Kind::MariaDb
    }

    /// An error's text as MySQL 8 words it.
    pub fn words(&self, refusal: &Refusal) -> String {
        let text = refusal.to_string();
        if self.is_judge() {
            judge::in_mysql_words(&text)
        } else {
            text
        }
    }

    /// A line of SHOW WARNINGS as MySQL 8 words it.
    pub fn warning_words(&self, line: &str) -> String {
        if self.is_judge() {
            judge::in_mysql_words(line)
        } else {
            line.to_owned()
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Starts the process on the directory as it is and waits until it takes connections.
    pub fn start_again(&mut self) -> Outcome {
        let (mut command, log_start) = self.command_with_log()?;
        self.child = Some(command.spawn()?);
        self.wait_until_ready(log_start)
    }

    /// The command to start, and where in the log file its output will begin.
    fn command_with_log(&mut self) -> Outcome<(Command, u64)> {
        assert!(self.child.is_none(), "the server is running");
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log_path())?;
        let log_start = log.metadata()?.len();
        let mut command = match self.kind {
            Kind::Storno => self.storno_command(),
            Kind::MariaDb => {
                self.port = judge::free_port()?;
                judge::command(self.dir.path(), self.port)?
            }
        };
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        Ok((command, log_start))
    }

    fn storno_command(&self) -> Command {
        let mut command = Command::new(Self::program());
        command.arg("serve").arg("--data-dir").arg(self.data_dir());
        command.args(["--listen", "127.0.0.1:0"]);
        // STORNO_* are settings of the server: those of the tests are not for it.
        let names = std::env::vars_os().map(|(name, _)| name);
        for name in names.filter(|name| name.to_string_lossy().starts_with("STORNO_")) {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    fn wait_until_ready(&mut self, log_start: u64) -> Outcome {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = read_from(&self.log_path(), log_start)?;
            let ready = match self.kind {
                Kind::Storno => port_of_address_line(&log)
                    .map(|port| self.port = port)
                    .is_some(),
                Kind::MariaDb => judge::is_ready(&log),
            };
            if ready {
                return Ok(());
            }
            if let Some(status) = self.child.as_mut().and_then(|child| child.try_wait().ok()?) {
                self.child = None;
                return Err(format!("the server ended at start: {status}\n{log}").into());
            }
            ensure(Instant::now() < deadline, || {
                format!("no server after {PATIENCE:?}\n{log}")
            })?;
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// An orderly end (SIGTERM); the exit status must say success.
    pub fn stop(&mut self) -> Outcome {
        let mut child = self.child.take().ok_or("the server is not running")?;
        let sent = Command::new("sh")
            .arg("-c")
            .arg(format!("kill -TERM {}", child.id()))
            .status()?;
        ensure(sent.success(), || "SIGTERM could not be sent".to_owned())?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = child.try_wait()? {
                return ensure(status.success(), || {
                    format!("the server ended with {status}\n{}", self.log_tail())
                });
            }
            if Instant::now() > deadline {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("still running {PATIENCE:?} after SIGTERM").into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Time that the process has computed so far, in hundredths of a second (proc(5)).
    pub fn computed(&self) -> Outcome<Duration> {
        let child = self.child.as_ref().ok_or("the server is not running")?;
        let stat = fs::read_to_string(format!("/proc/{}/stat", child.id()))?;
        // Behind the program's name, which may hold anything, the state is the first field.
        let fields = stat.rsplit(')').next().unwrap_or_default();
        let ticks = fields.split_whitespace().skip(11).take(2);
        let ticks = ticks.map(str::parse::<u64>).sum::<Result<u64, _>>()?;
        Ok(Duration::from_millis(ticks * 10))
    }

    /// SIGKILL: nothing of the process's memory reaches the disk any more.
    pub fn kill(&mut self) -> Outcome {
        let mut child = self.child.take().ok_or("the server is not running")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Starts the process and kills it after so long, ready or not: recovery itself is interrupted.
    pub fn kill_while_starting(&mut self, after: Duration) -> Outcome {
        let (mut command, _) = self.command_with_log()?;
        let mut child = command.spawn()?;
        std::thread::sleep(after);
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    pub fn restart(&mut self) -> Outcome {
        self.stop()?;
        self.start_again()
    }

    /// Fails, with the log, if the process has ended by itself.
    pub fn must_be_running(&mut self) -> Outcome {
        let ended = match self.child.as_mut() {
            Some(child) => child.try_wait()?.map(|status| status.to_string()),
            None => Some("was not running".to_owned()),
        };
        match ended {
            None => Ok(()),
            Some(status) => Err(format!("the server ended: {status}\n{}", self.log_tail()).into()),
        }
    }

    /// A session of root without a database.
    pub async fn connect(&self) -> Outcome<Session> {
        Session::open(self.port, None).await
    }

    /// A session in a database of this name, created when missing.
    pub async fn connect_to(&self, database: &str) -> Outcome<Session> {
        let mut session = self.connect().await?;
        session
            .run(&format!(
                "CREATE DATABASE IF NOT EXISTS `{database}` COLLATE utf8mb4_bin"
            ))
            .await?;
        session.run(&format!("USE `{database}`")).await?;
        Ok(session)
    }

    fn log_path(&self) -> PathBuf {
        self.dir.path().join("server.log")
    }

    pub fn whole_log(&self) -> String {
        read_from(&self.log_path(), 0).unwrap_or_default()
    }

    pub fn log_tail(&self) -> String {
        let length = fs::metadata(self.log_path()).map_or(0, |meta| meta.len());
        let tail = if self.is_judge() {
            LOG_TAIL_BYTES / 10
        } else {
            LOG_TAIL_BYTES
        };
        read_from(&self.log_path(), length.saturating_sub(tail)).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Storno says how to reach it: `mysql -h 127.0.0.1 -P <port> -u root`.
fn port_of_address_line(log: &str) -> Option<u16> {
    let mut words = log
        .lines()
        .filter(|line| line.contains("mysql "))
        .flat_map(str::split_whitespace);
    words.find(|word| *word == "-P")?;
    words.next()?.parse().ok()
}

fn read_from(path: &Path, offset: u64) -> Outcome<String> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
