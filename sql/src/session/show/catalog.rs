//! SHOW of databases, tables, columns, indexes and what else belongs to a schema.

use super::form::{Form, Target};
use super::{Projection, Shown, create, existing_schema};
use crate::error::Result;
use crate::information_schema::{
    self, Heading, INFORMATION_SCHEMA, Row, Scope, int, is_information_schema, name, row,
};
use crate::select::planner::View;

static COLUMNS: Projection = Projection {
    table: &information_schema::COLUMNS,
    columns: &[
        ("Field", 3),
        ("Type", 15),
        ("Null", 6),
        ("Key", 16),
        ("Default", 5),
        ("Extra", 17),
    ],
    like: 0,
};

static FULL_COLUMNS: Projection = Projection {
    table: &information_schema::COLUMNS,
    columns: &[
        ("Field", 3),
        ("Type", 15),
        ("Collation", 14),
        ("Null", 6),
        ("Key", 16),
        ("Default", 5),
        ("Extra", 17),
        ("Privileges", 18),
        ("Comment", 19),
    ],
    like: 0,
};

static INDEX: Projection = Projection {
    table: &information_schema::STATISTICS,
    columns: &[
        ("Table", 2),
        ("Non_unique", 3),
        ("Key_name", 5),
        ("Seq_in_index", 6),
        ("Column_name", 7),
        ("Collation", 8),
        ("Cardinality", 9),
        ("Sub_part", 10),
        ("Packed", 11),
        ("Null", 12),
        ("Index_type", 13),
        ("Comment", 14),
        ("Index_comment", 15),
        ("Visible", 16),
        ("Expression", 17),
    ],
    like: 2,
};

static TABLE_STATUS: Projection = Projection {
    table: &information_schema::TABLE_LIST,
    columns: &[
        ("Name", 2),
        ("Engine", 4),
        ("Version", 5),
        ("Row_format", 6),
        ("Rows", 7),
        ("Avg_row_length", 8),
        ("Data_length", 9),
        ("Max_data_length", 10),
        ("Index_length", 11),
        ("Data_free", 12),
        ("Auto_increment", 13),
        ("Create_time", 14),
        ("Update_time", 15),
        ("Check_time", 16),
        ("Collation", 17),
        ("Checksum", 18),
        ("Create_options", 19),
        ("Comment", 20),
    ],
    like: 0,
};

static TRIGGERS: Projection = Projection {
    table: &information_schema::TRIGGERS,
    columns: &[
        ("Trigger", 2),
        ("Event", 3),
        ("Table", 6),
        ("Statement", 9),
        ("Timing", 11),
        ("Created", 16),
        ("sql_mode", 17),
        ("Definer", 18),
        ("character_set_client", 19),
        ("collation_connection", 20),
        ("Database Collation", 21),
    ],
    like: 2,
};

static EVENTS: Projection = Projection {
    table: &information_schema::EVENTS,
    columns: &[
        ("Db", 1),
        ("Name", 2),
        ("Definer", 3),
        ("Time zone", 4),
        ("Type", 7),
        ("Execute at", 8),
        ("Interval value", 9),
        ("Interval field", 10),
        ("Starts", 12),
        ("Ends", 13),
        ("Status", 14),
        ("Originator", 20),
        ("character_set_client", 21),
        ("collation_connection", 22),
        ("Database Collation", 23),
    ],
    like: 1,
};

static ROUTINES: Projection = Projection {
    table: &information_schema::ROUTINES,
    columns: &[
        ("Db", 2),
        ("Name", 3),
        ("Type", 4),
        ("Definer", 27),
        ("Modified", 24),
        ("Created", 23),
        ("Security_type", 22),
        ("Comment", 26),
        ("character_set_client", 28),
        ("collation_connection", 29),
        ("Database Collation", 30),
    ],
    like: 1,
};

/// `None`: the form is not about the catalog.
pub(super) fn show(form: &Form, view: &View) -> Result<Option<Shown>> {
    let in_schema = |projection: &Projection, schema: &Option<String>| {
        let schema = existing_schema(view, schema.as_ref())?;
        projection.show(view, &Scope::schema(&schema))
    };
    let of_table = |projection: &Projection, target: &Target| {
        let table = view.relation(target.schema.as_deref(), &target.table)?;
        let meta = &table.definition()?.meta;
        projection.show(view, &Scope::table(&meta.schema, &meta.spec.name))
    };
    let shown = match form {
        Form::Databases => databases(view)?,
        Form::Tables { schema, full } => tables(view, schema.as_ref(), *full)?,
        Form::OpenTables { schema } => open_tables(view, schema.as_ref())?,
        Form::TableStatus { schema } => in_schema(&TABLE_STATUS, schema)?,
        Form::Columns { target, full } => {
            of_table(if *full { &FULL_COLUMNS } else { &COLUMNS }, target)?
        }
        Form::Index { target } => of_table(&INDEX, target)?,
        Form::Triggers { schema } => in_schema(&TRIGGERS, schema)?,
        Form::Events { schema } => in_schema(&EVENTS, schema)?,
        Form::Routines => ROUTINES.show(view, &Scope::default())?,
        _ => return create::show(form, view),
    };
    Ok(Some(shown))
}

fn databases(view: &View) -> Result<Shown> {
    let names = information_schema::schemas(view)?.into_iter();
    let rows = names.map(|(name, _)| row![name]).collect();
    Ok(Shown::new("SCHEMATA", &[name("Database")], rows))
}

fn tables(view: &View, schema: Option<&String>, full: bool) -> Result<Shown> {
    let schema = existing_schema(view, schema)?;
    let mut found: Vec<(String, &str)> = match is_information_schema(&schema) {
        true => {
            let tables = information_schema::TABLES.iter();
            tables
                .map(|t| (t.name.to_string(), "SYSTEM VIEW"))
                .collect()
        }
        false => {
            let rights = view.rights();
            let tables = view.snapshot.tables(&schema).unwrap_or_default();
            let tables = tables.iter().map(|t| (t.spec.name.clone(), "BASE TABLE"));
            let views = view.views.of(&schema);
            let views = views.map(|(name, _)| (name.clone(), "VIEW"));
            let all = tables.chain(views);
            all.filter(|(name, _)| rights.see_table(&schema, name))
                .collect()
        }
    };
    found.sort();
    let mut columns = vec![name(""), name("Table_type")];
    columns.truncate(if full { 2 } else { 1 });
    let row = |(name, kind): (String, &'static str)| -> Row {
        match full {
            true => row![name, kind],
            false => row![name],
        }
    };
    let rows = found.into_iter().map(row).collect();
    let mut shown = Shown::new("TABLES", &columns, rows);
    if let Some(first) = shown.headings.first_mut() {
        *first = Heading {
            name: format!("Tables_in_{schema}"),
            ..first.clone()
        };
    }
    Ok(shown)
}

/// No table is held open between statements.
fn open_tables(view: &View, schema: Option<&String>) -> Result<Shown> {
    if schema.is_some() {
        existing_schema(view, schema)?;
    }
    let columns = [
        name("Database"),
        name("Table"),
        int("In_use"),
        int("Name_locked"),
    ];
    let mut shown = Shown::new(INFORMATION_SCHEMA, &columns, Vec::new());
    shown.like = 1;
    Ok(shown)
}
