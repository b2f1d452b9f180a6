//! Space kept for the day on which the disk is full: a file of zeros that goes when a directory could not be opened, or
//! a record of the manifest (of a DROP, say) not be written, for want of space. It comes back when there is room.

use std::io;
use std::path::Path;

use super::writer::Writer;
use crate::fs::FileSystem;

const NAME: &str = "RESERVE";

/// Removes the file; whether it was there.
pub(super) fn give_up(fs: &dyn FileSystem, dir: &Path) -> bool {
    let is_given = fs.remove(&dir.join(NAME)).is_ok();
    if is_given {
        tracing::warn!("the disk is full: the space kept for that is given up");
    }
    is_given
}

fn set_aside(fs: &dyn FileSystem, path: &Path, bytes: usize) -> io::Result<()> {
    let file = fs.create(path)?;
    file.write_at(0, &vec![0; bytes])?;
    // Space is only taken for certain when it is written.
    file.sync()
}

impl Writer {
    /// Sets space aside if none is.
    pub(super) fn keep_reserve(&self) {
        let (fs, bytes) = (&*self.shared.fs, self.shared.options.reserve_bytes);
        let path = self.shared.dir.join(NAME);
        if bytes == 0 || fs.exists(&path).unwrap_or(true) {
            return;
        }
        if let Err(error) = set_aside(fs, &path, bytes) {
            tracing::debug!(%error, "no space can be kept for a full disk");
            // What is left of it goes with the next try.
            let _ = fs.remove(&path);
        }
    }
}
