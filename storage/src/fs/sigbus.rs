//! Survives SIGBUS on our mappings. A page of a mapped file that cannot be read (the disk fails, or
//! someone cut the file) raises SIGBUS on whoever touches it, which would end the process. The handler
//! here puts a page of zeros under the faulting address and marks the mapping, and the reader, which
//! asks after every read, reports damage. A SIGBUS anywhere else is passed on to whoever handled it
//! before.
#![allow(unsafe_code)]

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;

/// Mappings at one time. The kernel's own limit for a process is about as high.
const SLOTS: usize = 65_536;

/// A mapping the handler knows. `start` is 0 while the slot is free.
struct Slot {
    start: AtomicUsize,
    end: AtomicUsize,
    hit: AtomicBool,
}

static TABLE: [Slot; SLOTS] = [const {
    Slot {
        start: AtomicUsize::new(0),
        end: AtomicUsize::new(0),
        hit: AtomicBool::new(false),
    }
}; SLOTS];

/// Slots from here on have never been used: the handler looks no further.
static USED: AtomicUsize = AtomicUsize::new(0);

static FREE: Mutex<Vec<usize>> = Mutex::new(Vec::new());

/// What handled SIGBUS before us.
static PREVIOUS: OnceLock<libc::sigaction> = OnceLock::new();

/// Keeps a mapping known to the handler.
#[derive(Debug)]
pub(super) struct Guard {
    slot: usize,
}

impl Guard {
    /// Registers the mapping of `length` bytes at `start`, to be dropped before it is unmapped.
    pub(super) fn new(start: usize, length: usize) -> io::Result<Self> {
        install()?;
        let number = match FREE.lock().pop() {
            Some(free) => free,
            None => USED.fetch_add(1, Ordering::SeqCst),
        };
        let Some(slot) = TABLE.get(number) else {
            USED.store(SLOTS, Ordering::SeqCst);
            return Err(io::Error::other("too many mapped files"));
        };
        slot.hit.store(false, Ordering::SeqCst);
        slot.end.store(start + length, Ordering::SeqCst);
        slot.start.store(start, Ordering::SeqCst);
        Ok(Self { slot: number })
    }

    /// Whether a page could not be read: what has been read may have been zeros instead.
    pub(super) fn is_hit(&self) -> bool {
        TABLE
            .get(self.slot)
            .is_some_and(|slot| slot.hit.load(Ordering::SeqCst))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(slot) = TABLE.get(self.slot) {
            slot.start.store(0, Ordering::SeqCst);
            FREE.lock().push(self.slot);
        }
    }
}

/// Installs the handler, once per process.
fn install() -> io::Result<()> {
    static INSTALLED: Mutex<bool> = Mutex::new(false);
    let mut installed = INSTALLED.lock();
    if *installed {
        return Ok(());
    }
    // SAFETY: zeros are valid for `sigaction` on Linux (default action, empty mask, no flags), both
    // structures live for the calls, and `on_sigbus` has the signature that SA_SIGINFO asks for.
    // SA_ONSTACK and SA_NODEFER keep what the standard library's handler relies on.
    unsafe {
        let mut previous: libc::sigaction = std::mem::zeroed();
        if libc::sigaction(libc::SIGBUS, std::ptr::null(), &mut previous) != 0 {
            return Err(io::Error::last_os_error());
        }
        let _ = PREVIOUS.set(previous);
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_sigbus as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
        if libc::sigaction(libc::SIGBUS, &action, std::ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    *installed = true;
    Ok(())
}

/// Only what is async-signal-safe happens here: atomics, and system calls that change neither locks
/// nor allocations of this process.
extern "C" fn on_sigbus(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    // SAFETY: the kernel passes a valid `siginfo_t`; for SIGBUS the address is set.
    let address = unsafe { (*info).si_addr() } as usize;
    if !replace_page(address) {
        // SAFETY: the arguments are those the kernel gave us.
        unsafe { pass_on(signal, info, context) }
    }
}

/// Puts zeros under the page of `address` if it lies in one of our mappings.
fn replace_page(address: usize) -> bool {
    let used = USED.load(Ordering::SeqCst).min(SLOTS);
    let ours = TABLE.iter().take(used).find(|slot| {
        let start = slot.start.load(Ordering::SeqCst);
        start != 0 && start <= address && address < slot.end.load(Ordering::SeqCst)
    });
    let Some(slot) = ours else { return false };
    slot.hit.store(true, Ordering::SeqCst);
    // SAFETY: `sysconf` has no preconditions.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    let Ok(page @ 1..) = usize::try_from(page) else {
        return false;
    };
    // SAFETY: the page belongs to a mapping that is registered and therefore still mapped; it is read
    // only and of a file, and readers of it copy and verify what they read. Replacing it by a private
    // page of zeros changes nothing but the bytes, which the mark announces.
    let mapped = unsafe {
        libc::mmap(
            (address - address % page) as *mut libc::c_void,
            page,
            libc::PROT_READ,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED,
            -1,
            0,
        )
    };
    mapped != libc::MAP_FAILED
}

/// # Safety
/// To be called from a SIGBUS handler with its own arguments.
unsafe fn pass_on(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let previous = PREVIOUS.get();
    let handler = previous.map_or(libc::SIG_DFL, |p| p.sa_sigaction);
    let takes_info = previous.is_some_and(|p| p.sa_flags & libc::SA_SIGINFO != 0);
    if handler == libc::SIG_DFL || handler == libc::SIG_IGN {
        // The fault repeats when we return, and then has its default effect.
        // SAFETY: resets to the default action; `signal` is a valid signal.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    } else if takes_info {
        type WithInfo = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);
        // SAFETY: with SA_SIGINFO the address is that of a function of this type.
        let handler: WithInfo = unsafe { std::mem::transmute(handler) };
        handler(signal, info, context);
    } else {
        // SAFETY: without SA_SIGINFO the address is that of a function of this type.
        let handler: extern "C" fn(libc::c_int) = unsafe { std::mem::transmute(handler) };
        handler(signal);
    }
}
