//! Finding the files of a load in a store, and which columns the values of files with named ones go into.

use storno_transfer::{Place, Which, files_of};

use super::super::Session;
use super::input::{StoredFiles, Wanted};
use crate::error::{Result, SqlError};
use crate::load::{FileFormat, LoadStatement, Matching, Target};
use crate::types::{TableDefinition, TimeZone, same_name};

/// The files of a load, and what is known of them before they are read.
pub(super) struct Located {
    pub(super) files: StoredFiles,
    /// Columns of the first file, if it is one of Parquet.
    columns: Vec<String>,
    /// Columns that directories have values for; of typed files.
    in_directories: Vec<String>,
}

impl Session {
    /// The files, unless they come from the client or line by line from the server's disk.
    pub(super) async fn locate(&self, load: &LoadStatement) -> Result<Option<Located>> {
        let layout = load.layout;
        if layout.is_typed() {
            let is_variable = |target: &Target| matches!(target, Target::Variable(_));
            let variables = load.targets.iter().flatten().any(is_variable);
            if variables || !load.assignments.is_empty() {
                let what = "LOAD DATA of Parquet or NDJSON with variables or SET";
                return Err(SqlError::not_supported(what));
            }
        }
        if load.local {
            return match layout {
                FileFormat::Parquet => {
                    Err(SqlError::not_supported("LOAD DATA LOCAL .. FORMAT PARQUET"))
                }
                _ => Ok(None),
            };
        }
        let (place, which) = match &load.stored {
            Some(stored) => (
                self.open_place(&stored.place, &stored.options)?,
                stored.which,
            ),
            None if layout.is_typed() => {
                let path = self.readable_file(&load.file)?;
                drop(super::source::open(&path)?);
                let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
                    return Err(SqlError::secure_file_priv());
                };
                (Place::local(parent, &name.to_string_lossy())?, Which::File)
            }
            None => return Ok(None),
        };
        let handle = self.engine.jobs().handle()?;
        let finding = {
            let place = place.clone();
            handle.spawn(async move { files_of(&place, which).await })
        };
        let files = finding
            .await
            .map_err(|e| SqlError::internal(e.to_string()))??;
        let files = StoredFiles {
            place,
            files,
            handle: handle.clone(),
            cancel: storno_transfer::Cancel::default(),
        };
        let mut located = Located {
            files,
            columns: Vec::new(),
            in_directories: Vec::new(),
        };
        if layout.is_typed() {
            located.in_directories = located.files.in_directories();
        }
        if layout == FileFormat::Parquet {
            let files = located.files.clone();
            let looked = handle.spawn_blocking(move || files.columns()).await;
            located.columns = looked.map_err(|e| SqlError::internal(e.to_string()))??;
        }
        Ok(Some(located))
    }
}

/// What of the files is wanted. A load of Parquet files without a list of columns is given that of the first file.
pub(super) fn wanted(
    load: &mut LoadStatement,
    located: Option<&Located>,
    (table, time_zone): (&TableDefinition, TimeZone),
) -> Wanted {
    let listed = load.targets.as_deref().map(columns_of);
    let (names, matching) = match (listed, located) {
        (Some(names), Some(located)) if load.layout == FileFormat::Parquet => {
            let matching = located.matching(&names);
            (names, matching)
        }
        (Some(names), _) => (names, Matching::Listed),
        (None, Some(located)) if load.layout == FileFormat::Parquet => {
            let names = located.names(table);
            load.targets = Some(names.iter().cloned().map(Target::Column).collect());
            (names, Matching::All)
        }
        (None, _) => {
            let columns = table.meta.spec.columns.iter();
            let names = columns.map(|c| c.name.clone()).collect();
            // What a client sends is taken as far as it goes.
            let matching = if load.local {
                Matching::Listed
            } else {
                Matching::All
            };
            (names, matching)
        }
    };
    Wanted {
        layout: load.layout,
        compression: load.compression,
        names,
        matching,
        time_zone,
    }
}

fn columns_of(targets: &[Target]) -> Vec<String> {
    let column = |target: &Target| match target {
        Target::Column(name) => Some(name.clone()),
        Target::Variable(_) => None,
    };
    targets.iter().filter_map(column).collect()
}

impl Located {
    /// The first file decides for all whether a list has names of columns or stands for their places.
    fn matching(&self, names: &[String]) -> Matching {
        let known = || self.columns.iter().chain(&self.in_directories);
        let is_known = |name: &String| known().any(|known| same_name(known, name));
        match names.iter().all(is_known) {
            true => Matching::Listed,
            false => Matching::Placed,
        }
    }

    /// The first file's columns, and those of the directories that the table has.
    fn names(&self, table: &TableDefinition) -> Vec<String> {
        let mut names = self.columns.clone();
        for name in &self.in_directories {
            let position = table.position(name);
            let takes_values = position.is_some_and(|at| !table.is_generated(at));
            if takes_values && !names.iter().any(|known| same_name(known, name)) {
                names.push(name.clone());
            }
        }
        names
    }
}
