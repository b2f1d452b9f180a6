//! How much memory this process may take: the machine's, or what its control groups leave of it.
//!
//! Only Linux tells; elsewhere the answer is `None` and the caller's defaults stand.

use std::fs;
use std::path::{Path, PathBuf};

/// Bytes that the process may take before the system ends it.
pub(crate) fn available() -> Option<usize> {
    let machine = fs::read_to_string("/proc/meminfo")
        .ok()
        .as_deref()
        .and_then(total)?;
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limits = limit_files(&groups)
        .into_iter()
        .filter_map(|path| limit(&path));
    Some(limits.fold(machine, usize::min))
}

/// Bytes that queries may reserve, of those available: operators take up to twice what they reserve, and the
/// rest of the server a quarter of a gibibyte.
pub(crate) fn for_queries(available: usize) -> usize {
    const REST: usize = 512 << 20;
    (available.saturating_sub(REST) / 2).max(available / 4)
}

/// Bytes above which statements are ended. The rest is for what is not ours: the stacks, the kernel, the pages of
/// mapped files.
pub(crate) fn for_all(available: usize) -> usize {
    available / 4 * 3
}

/// Bytes for each of the caches of dictionaries, of those above which statements are ended: as they are in the files, and
/// folded by collations.
pub(crate) fn for_dictionaries(all: usize) -> usize {
    (all / 12).clamp(16 << 20, 4 << 30)
}

/// MemTotal of /proc/meminfo.
fn total(meminfo: &str) -> Option<usize> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// The files in which the groups of /proc/self/cgroup, and those above them, keep their limits. In a
/// container the path may be that of the host: the root of what is mounted is looked at, too.
fn limit_files(groups: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
            continue;
        };
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            c if c.split(',').any(|c| c == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let path = Path::new(path.trim_start_matches('/'));
        files.extend(
            path.ancestors()
                .map(|group| Path::new(root).join(group).join(file)),
        );
    }
    files
}

/// A limit in bytes; `None` for "max" and for a file that is not there.
fn limit(path: &Path) -> Option<usize> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_machine_leaves_less_to_queries() {
        assert_eq!(for_queries(1 << 30), 256 << 20);
        assert_eq!(for_queries(64 << 30), (32 << 30) - (256 << 20));
        assert_eq!(for_dictionaries(for_all(1 << 30)), 64 << 20);
        assert_eq!(for_queries(256 << 20), 64 << 20);
        assert_eq!(for_all(1 << 30), 768 << 20);
    }

    #[test]
    fn every_group_above_the_process_counts() {
        let files = limit_files("12:cpu,memory:/a/b\n1:name=systemd:/x\n0::/user/s\nnonsense\n");
        let expected = [
            "/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/a/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "/sys/fs/cgroup/user/s/memory.max",
            "/sys/fs/cgroup/user/memory.max",
            "/sys/fs/cgroup/memory.max",
        ];
        assert_eq!(files, expected.map(PathBuf::from));
    }

    #[test]
    fn the_machine_has_memory() {
        assert_eq!(
            total("MemTotal:       1024 kB\nMemFree: 1 kB\n"),
            Some(1 << 20)
        );
        assert_eq!(total("MemTotal: many\n"), None);
        assert!(available().is_none_or(|bytes| bytes > 1 << 20));
    }
}
