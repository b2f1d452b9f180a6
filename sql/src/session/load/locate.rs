//! Finding the files of a load in a store, and the columns of files that name theirs.

use storno_transfer::{Place, Which, files_of};

use super::super::Session;
use super::input::{StoredFiles, Wanted};
use crate::error::{Result, SqlError};
use crate::load::{FileFormat, LoadStatement, Target};
use crate::types::TableDefinition;

impl Session {
    /// The files, unless they come from the client or line by line from the server's disk. A load of
    /// typed files without a list of columns is given the file's own.
    pub(super) async fn locate(&self, load: &mut LoadStatement) -> Result<Option<StoredFiles>> {
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
        let stored = StoredFiles {
            place,
            files,
            handle: handle.clone(),
            cancel: storno_transfer::Cancel::default(),
        };
        if layout.is_typed() && load.targets.is_none() {
            let wanted = Wanted {
                layout,
                compression: load.compression,
                names: Vec::new(),
            };
            let own = stored.clone();
            let names = handle.spawn_blocking(move || own.columns(&wanted)).await;
            let names = names.map_err(|e| SqlError::internal(e.to_string()))??;
            load.targets = Some(names.into_iter().map(Target::Column).collect());
        }
        Ok(Some(stored))
    }
}

/// What of the files is wanted.
pub(super) fn wanted(load: &LoadStatement, table: &TableDefinition) -> Wanted {
    let names = match &load.targets {
        Some(targets) => targets
            .iter()
            .filter_map(|target| match target {
                Target::Column(name) => Some(name.clone()),
                Target::Variable(_) => None,
            })
            .collect(),
        None => table
            .meta
            .spec
            .columns
            .iter()
            .map(|c| c.name.clone())
            .collect(),
    };
    Wanted {
        layout: load.layout,
        compression: load.compression,
        names,
    }
}
