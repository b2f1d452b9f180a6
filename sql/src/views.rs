//! Views as they are kept: a query by its text, and the columns it had when the view was made.
//!
//! All of them are one durable property of the store. What a view stands for in a query is `select::views`'
//! part, CREATE and DROP are the session's.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use storno_storage::{ColumnSpec, Store, TableSpec};

use crate::error::{Result, SqlError};
use crate::types::{ColumnAttributes, TableAttributes, TableDefinition};

/// Key of the property.
pub(crate) const PROPERTY: &str = "views";

/// A view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredView {
    /// Its query as it was written.
    pub query: String,
    /// The database in which the query's names without one are.
    pub database: String,
    pub columns: Vec<ViewColumn>,
    /// Whether the columns go by place: they were named, or no `*` chooses them.
    pub by_place: bool,
    /// UNDEFINED, MERGE or TEMPTABLE.
    pub algorithm: String,
    /// As SHOW CREATE VIEW prints it.
    pub definer: String,
    /// DEFINER or INVOKER.
    pub security: String,
    /// Collation of the query's literals.
    pub collation: String,
}

/// A column of a view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewColumn {
    pub name: String,
    /// `ColumnAttributes` as JSON.
    pub attributes: String,
    pub nullable: bool,
}

/// All views, by database and name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Views {
    databases: BTreeMap<String, BTreeMap<String, Arc<StoredView>>>,
    /// Changes so far since the store was opened: plans are kept for one number.
    #[serde(skip)]
    pub generation: u64,
}

impl Views {
    pub fn read(store: &Store) -> Result<Self> {
        match store.property(PROPERTY) {
            None => Ok(Self::default()),
            Some(json) => {
                serde_json::from_str(&json).map_err(|e| SqlError::internal(e.to_string()))
            }
        }
    }

    /// The kept form of the views of one database.
    pub(crate) fn of_database(json: &str, database: &str) -> Option<String> {
        let mut views: Self = serde_json::from_str(json).ok()?;
        views.databases.retain(|name, _| name == database);
        serde_json::to_string(&views).ok()
    }

    /// Makes them what the store has.
    pub fn keep(&self, store: &Store) -> Result<()> {
        let json = serde_json::to_string(self).map_err(|e| SqlError::internal(e.to_string()))?;
        let json = (!self.databases.is_empty()).then_some(json);
        Ok(store.set_property(PROPERTY, json.as_deref())?)
    }

    pub fn is_empty(&self) -> bool {
        self.databases.is_empty()
    }

    pub fn get(&self, database: &str, name: &str) -> Option<&Arc<StoredView>> {
        self.databases.get(database)?.get(name)
    }

    /// The views of a database, by name.
    pub fn of(&self, database: &str) -> impl Iterator<Item = (&String, &Arc<StoredView>)> {
        self.databases.get(database).into_iter().flatten()
    }

    pub fn put(&mut self, database: &str, name: &str, view: StoredView) {
        let views = self.databases.entry(database.to_owned()).or_default();
        views.insert(name.to_owned(), Arc::new(view));
        self.generation += 1;
    }

    pub fn remove(&mut self, database: &str, name: &str) {
        if let Some(views) = self.databases.get_mut(database) {
            views.remove(name);
        }
        self.databases.retain(|_, views| !views.is_empty());
        self.generation += 1;
    }

    pub fn remove_database(&mut self, database: &str) {
        self.databases.remove(database);
        self.generation += 1;
    }
}

impl StoredView {
    /// The view's columns, described as if it were a table.
    pub fn definition(&self, database: &str, name: &str) -> Result<TableDefinition> {
        let column = |column: &ViewColumn| {
            let attributes = ColumnAttributes::from_json(&column.attributes)?;
            Ok(ColumnSpec {
                name: column.name.clone(),
                data_type: attributes.mysql_type.arrow(),
                nullable: column.nullable,
                attributes: column.attributes.clone(),
            })
        };
        let attributes = TableAttributes {
            keys: Vec::new(),
            shard_key: None,
            sort_key: None,
            collation: self.collation.clone(),
            comment: "VIEW".into(),
            checks: Vec::new(),
            on_invalid: None,
        };
        let spec = TableSpec {
            name: name.to_owned(),
            columns: self.columns.iter().map(column).collect::<Result<_>>()?,
            sort_key: Vec::new(),
            shard_key: Vec::new(),
            unique_keys: Vec::new(),
            event_key: None,
            retention: Default::default(),
            division: Default::default(),
            auto_increment: None,
            attributes: attributes.to_json(),
        };
        TableDefinition::of_spec(database, spec)
    }
}
