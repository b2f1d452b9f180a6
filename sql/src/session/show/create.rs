//! SHOW CREATE: definitions as statements.

use super::Shown;
use super::form::{Form, Target};
use crate::ddl::SchemaAttributes;
use crate::error::{Result, SqlError};
use crate::information_schema::{mediumtext, name, row, varchar};
use crate::select::planner::{Relation, View};
use crate::session::account;
use crate::show::create_table_text;
use crate::types::QuotedName;
use crate::types::charset::{BINARY, stored_charset};

/// `None`: the form is none of these.
pub(super) fn show(form: &Form, view: &View) -> Result<Option<Shown>> {
    match form {
        Form::CreateTable(target) => create_table(target, view),
        Form::CreateView(target) => create_view(target, view),
        Form::CreateDatabase {
            name,
            if_not_exists,
        } => create_database(name, *if_not_exists, view),
        Form::CreateUser(user, host) => create_user(user, host, view),
        Form::CreateObject { kind, name } => Err(unknown_object(kind, name)),
        _ => return Ok(None),
    }
    .map(Some)
}

fn create_table(target: &Target, view: &View) -> Result<Shown> {
    let relation = view.relation(target.schema.as_deref(), &target.table)?;
    if let Relation::View(definition) = &relation {
        let meta = &definition.meta;
        if !view.rights().may_show_view(&meta.schema, &meta.spec.name) {
            return Err(view.denied("SHOW VIEW", &meta.spec.name));
        }
        return create_view(target, view);
    }
    let definition = relation.definition()?;
    let mut text = create_table_text(&definition, None);
    if let Relation::Virtual(_) = relation {
        text = text.replacen("CREATE TABLE", "CREATE TEMPORARY TABLE", 1);
    }
    let columns = [name("Table"), mediumtext("Create Table")];
    let rows = vec![row![&definition.meta.spec.name, text]];
    Ok(Shown::new("TABLES", &columns, rows))
}

/// 1347 for a table.
fn create_view(target: &Target, view: &View) -> Result<Shown> {
    let relation = view.relation(target.schema.as_deref(), &target.table)?;
    let meta = &relation.definition()?.meta;
    if let Some(stored) = view.views.get(&meta.schema, &meta.spec.name) {
        let columns = stored
            .columns
            .iter()
            .map(|c| QuotedName(&c.name).to_string());
        let columns = match stored.by_place {
            true => format!(" ({})", columns.collect::<Vec<_>>().join(", ")),
            false => String::new(),
        };
        let text = format!(
            "CREATE ALGORITHM={} DEFINER={} SQL SECURITY {} VIEW {}{columns} AS {}",
            stored.algorithm,
            stored.definer,
            stored.security,
            QuotedName(&meta.spec.name),
            stored.query,
        );
        let headings = [
            name("View"),
            mediumtext("Create View"),
            name("character_set_client"),
            name("collation_connection"),
        ];
        let rows = vec![row![&meta.spec.name, text, "utf8mb4", &stored.collation]];
        return Ok(Shown::new("", &headings, rows));
    }
    let text = format!("'{}.{}' is not VIEW", meta.schema, meta.spec.name);
    Err(SqlError::new(1347, "HY000", text))
}

fn create_database(database: &str, if_not_exists: bool, view: &View) -> Result<Shown> {
    let schemas = view.snapshot.schemas().into_iter();
    let found = schemas
        .into_iter()
        .find(|(name, _)| name == database)
        .ok_or_else(|| SqlError::unknown_database(database))?;
    let collation = SchemaAttributes::from_json(&found.1)?.collation;
    let mut charset = stored_charset(&collation).to_string();
    if collation != BINARY {
        charset = format!("{charset} COLLATE {collation}");
    }
    let condition = match if_not_exists {
        true => "/*!32312 IF NOT EXISTS*/ ",
        false => "",
    };
    let text = format!(
        "CREATE DATABASE {condition}{} /*!40100 DEFAULT CHARACTER SET {charset} */ \
         /*!80016 DEFAULT ENCRYPTION='N' */",
        QuotedName(database)
    );
    let columns = [name("Database"), varchar("Create Database", 1024)];
    let rows = vec![row![database.to_string(), text]];
    Ok(Shown::new("SCHEMATA", &columns, rows))
}

fn create_user(user: &str, host: &str, view: &View) -> Result<Shown> {
    let (heading, text) = account::create_user(user, host, view)?;
    Ok(Shown::under("", heading, vec![row![text]]))
}

fn unknown_object(kind: &str, name: &str) -> SqlError {
    match kind {
        "TRIGGER" => SqlError::new(1360, "HY000", "Trigger does not exist"),
        "EVENT" => SqlError::new(1539, "HY000", format!("Unknown event '{name}'")),
        _ => SqlError::new(1305, "42000", format!("{kind} {name} does not exist")),
    }
}
