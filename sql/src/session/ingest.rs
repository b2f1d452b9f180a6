//! Rows without SQL: converted and committed as those of an INSERT, row by row accepted or rejected; and the
//! statements about the tokens of those who send them.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use super::access::Need;
use super::insert::now_utc;
use super::patience::Patience;
use super::{Session, done};
use crate::accounts::{Level, Privileges};
use crate::change::OnConflict;
use crate::dialect::Lexed;
use crate::door::Door;
use crate::error::{Result, SqlError};
use crate::ingest::{
    Binding, Body, GivenRow, Grant, IngestError, Ingested, REASON_MAX, REJECTED_MAX, Rejected,
    Room, Stop, create_token, drop_token, list_tokens, read_rows, unreadable,
};
use crate::insert::{Datum, InsertBatch, Mode, RowWriter, Scalar, Settings};
use crate::known::KnownTable;
use crate::result::{Outcome, Rows};
use crate::session::insert::Prepared;
use crate::types::{MysqlType, TimeZone, folded_name};

impl Session {
    /// Stores the rows of a body in the table of a grant, in strict mode and with times in UTC, and returns when
    /// they are durable, whatever the session's transaction and autocommit. Rows that cannot be stored are named,
    /// and go where the table says (ON INVALID INTO); rows whose event key or unique key is known are counted and
    /// left out. Memory is taken from `room` before it is used.
    ///
    /// # Errors
    /// Those of the body; 1146 and the like when there is no such table, those of storage; none for single rows.
    pub async fn ingest(
        &mut self,
        grant: &Grant,
        body: Body,
        room: Arc<dyn Room>,
    ) -> std::result::Result<Ingested, IngestError> {
        self.engine.budget().admit().await?;
        let running = self.process.begin("Ingest", grant.table.as_bytes());
        let ingested = self.ingest_body(grant, body, room).await;
        drop(running);
        ingested
    }

    async fn ingest_body(
        &mut self,
        grant: &Grant,
        body: Body,
        room: Arc<dyn Room>,
    ) -> std::result::Result<Ingested, IngestError> {
        let own = Arc::clone(&room);
        // It takes as long as it takes: not on a thread that serves connections.
        let unpack = move || body.unpacked(&*own);
        let unpacked = self.engine.pool()?.spawn_blocking(unpack).await;
        let bytes = unpacked.map_err(|why| SqlError::internal(why.to_string()))??;
        let mut patience = Patience::new(self.context.connection_id);
        let mut room = Some(room);
        loop {
            self.forget_warnings();
            // Rows that are read again take no more room.
            let prepared = self.given_rows(grant, bytes.clone(), room.take()).await?;
            match self.commit_given(prepared).await {
                // The table has another definition than the rows were made for.
                Err(error) if error.code == 1412 => patience.wait().await?,
                other => return Ok(other?),
            }
        }
    }

    /// Reads and converts the rows of a body.
    async fn given_rows(
        &mut self,
        grant: &Grant,
        bytes: Bytes,
        room: Option<Arc<dyn Room>>,
    ) -> std::result::Result<Prepared, IngestError> {
        let (view, store) = (self.catalog_view(), self.engine.store().clone());
        let (grant, sink) = (grant.clone(), self.sink.clone());
        let settings = Settings {
            mode: Mode::STRICT,
            time_zone: TimeZone::UTC,
            now_utc: now_utc(),
        };
        let work = move || {
            let snapshot = view.table(Some(&grant.schema), &grant.table)?;
            let table = view.session.engine.tables().get(snapshot.meta())?;
            let mut writer = RowWriter::new(&table, None, settings)?;
            writer.set_invalid_aside(table.keeps_texts());
            let mut filler = Filler::new(&table, grant.binding.as_ref())?;
            let mut meter = Meter::new(room, table.columns.len());
            let read = read_rows(&bytes, &mut |row| -> std::result::Result<(), IngestError> {
                let text = row.text.len();
                filler.append(&mut writer, &row)?;
                meter.count(text, writer.set_aside())
            });
            match read {
                Ok(()) => {}
                Err(Stop::Body(error)) => return Ok(Err(error.into())),
                Err(Stop::Each(error)) => return Ok(Err(error)),
            }
            let id = table.meta.id;
            let built = writer.finish(&mut |count| Ok(store.reserve_ids(id, count)?))?;
            let door = Door::new(&table, &view, settings, false)?.setting_aside();
            let built = sink.within(|| door.admit(built))?;
            let has_keys = !table.meta.spec.unique_keys.is_empty();
            Ok(Ok(Prepared {
                snapshot,
                on_conflict: has_keys.then_some(OnConflict::Skip),
                assignments: None,
                from_query: false,
                multi_row: true,
                table,
                built,
            }))
        };
        self.engine.planning().run(work).await?
    }

    async fn commit_given(&mut self, mut prepared: Prepared) -> Result<Ingested> {
        let InsertBatch { invalid, .. } = &mut prepared.built;
        let invalid = std::mem::take(invalid);
        let aside = self.aside_of_token(&prepared.table, &invalid).await?;
        let rows = prepared.built.batch.num_rows() as u64;
        let mut ingested = Ingested::default();
        if rows > 0 || aside.is_some() {
            let counts = self.commit_rows(prepared, aside).await?;
            ingested.accepted = counts.inserted;
            ingested.duplicate = counts.duplicates;
        }
        ingested.unlisted = invalid.len().saturating_sub(REJECTED_MAX) as u64;
        let rejected = invalid.into_iter().take(REJECTED_MAX).map(|row| Rejected {
            row: row.row,
            code: row.error.code,
            reason: row.error.message.chars().take(REASON_MAX).collect(),
        });
        ingested.rejected = rejected.collect();
        Ok(ingested)
    }

    /// CREATE INGEST TOKEN name ON [schema.]table [FOR column = value], DROP INGEST TOKEN name, SHOW INGEST
    /// TOKENS.
    pub(super) async fn ingest_tokens(&mut self, lexed: &Lexed) -> Result<Outcome> {
        if lexed.is(0, "SHOW") {
            let tokens = list_tokens(self.engine.store())?.into_iter();
            let rows = tokens.map(|(name, grant)| {
                let binding = grant.binding.map(|b| format!("{} = {}", b.column, b.value));
                vec![Some(name), Some(grant.schema), Some(grant.table), binding]
            });
            let rows: Vec<Vec<Option<String>>> = rows.collect();
            let columns = ["Token_name", "Table_schema", "Table_name", "Rows_with"];
            return Rows::of_texts(&columns, &rows).map(Outcome::Rows);
        }
        let name = token_name(lexed, 3)?;
        if lexed.is(0, "DROP") {
            ended(lexed, 4)?;
            self.engine
                .blocking_sql(move |store| drop_token(store, &name))
                .await?;
            return Ok(done(0));
        }
        let grant = self.read_grant(lexed)?;
        let create = move |store: &storno_storage::Store| create_token(store, &name, grant);
        let token = self.engine.blocking_sql(create).await?;
        Rows::of_texts(&["Token"], &[vec![Some(token)]]).map(Outcome::Rows)
    }

    fn read_grant(&mut self, lexed: &Lexed) -> Result<Grant> {
        let part = |at: usize| lexed.identifier(at).ok_or_else(|| lexed.error_at(at));
        if !lexed.is(4, "ON") {
            return Err(lexed.error_at(4));
        }
        let (schema, table, mut at) = match lexed.is(6, ".") {
            true => (Some(part(5)?), part(7)?, 8),
            false => (None, part(5)?, 6),
        };
        let schema = self.schema_of(schema)?;
        let found = self.catalog_view().table(Some(&schema), &table)?;
        let known = self.engine.tables().get(found.meta())?;
        if let Some(aside) = &known.attributes.on_invalid {
            let (schema, table) = (schema.clone(), aside.clone());
            let level = Level::Table { schema, table };
            self.authorize_needs(&[Need::Grant(level, Privileges::INSERT)])?;
        }
        let mut binding = None;
        if lexed.is(at, "FOR") {
            let column = part(at + 1)?;
            if known.position(&column).is_none() {
                return Err(SqlError::unknown_column(&column, "field list"));
            }
            if !lexed.is(at + 2, "=") {
                return Err(lexed.error_at(at + 2));
            }
            let number = || lexed.word(at + 3).parse::<i64>().ok();
            let value = lexed.string(at + 3).or(number().map(|n| n.to_string()));
            let value = value.ok_or_else(|| lexed.error_at(at + 3))?;
            binding = Some(Binding { column, value });
            at += 4;
        }
        ended(lexed, at)?;
        Ok(Grant {
            schema,
            table,
            binding,
        })
    }
}

fn token_name(lexed: &Lexed, at: usize) -> Result<String> {
    let name = lexed.string(at).or_else(|| lexed.identifier(at));
    let name = name.filter(|name| (1..=64).contains(&name.chars().count()));
    name.ok_or_else(|| lexed.error_at(at))
}

fn ended(lexed: &Lexed, at: usize) -> Result<()> {
    match lexed.tokens.len() == at || (lexed.is(at, ";") && lexed.tokens.len() == at + 1) {
        true => Ok(()),
        false => Err(lexed.error_at(at)),
    }
}

/// Bytes that a value takes in a column, at least; that a row takes that is set aside, besides its text and a
/// place for each column.
const VALUE_BYTES: usize = 16;
const ASIDE_BYTES: usize = 256;
const PLACE_BYTES: usize = 24;
/// Bytes that are taken at a time.
const STEP: usize = 64 << 10;

/// Takes room for rows as they come. However short their text is, a row has a value for each column, and one that is
/// set aside a reason.
struct Meter {
    room: Option<Arc<dyn Room>>,
    columns: usize,
    set_aside: usize,
    untaken: usize,
}

impl Meter {
    fn new(room: Option<Arc<dyn Room>>, columns: usize) -> Self {
        Self {
            room,
            columns,
            set_aside: 0,
            untaken: 0,
        }
    }

    /// One more row of so many bytes; `set_aside` is how many were so far.
    fn count(&mut self, text: usize, set_aside: usize) -> std::result::Result<(), IngestError> {
        self.untaken += text + VALUE_BYTES * self.columns;
        if set_aside > self.set_aside {
            self.set_aside = set_aside;
            self.untaken += text + ASIDE_BYTES + PLACE_BYTES * self.columns;
        }
        if self.untaken >= STEP {
            let bytes = std::mem::take(&mut self.untaken);
            self.room.as_ref().map_or(Ok(()), |room| room.take(bytes))?;
        }
        Ok(())
    }
}

/// Puts named values into the table's order.
struct Filler<'a> {
    table: &'a KnownTable,
    positions: HashMap<String, usize>,
    /// Position and value of the one column that is not the sender's to choose.
    binding: Option<(usize, &'a str)>,
    /// By position: the number of the value in the row.
    slots: Vec<Option<usize>>,
}

impl<'a> Filler<'a> {
    fn new(table: &'a Arc<KnownTable>, binding: Option<&'a Binding>) -> Result<Self> {
        let columns = table.meta.spec.columns.iter().enumerate();
        let bound = |binding: &'a Binding| -> Result<(usize, &'a str)> {
            let unknown = || SqlError::unknown_column(&binding.column, "field list");
            let position = table.position(&binding.column).ok_or_else(unknown)?;
            Ok((position, binding.value.as_str()))
        };
        Ok(Self {
            table,
            positions: columns.map(|(at, c)| (folded_name(&c.name), at)).collect(),
            binding: binding.map(bound).transpose()?,
            slots: vec![None; table.columns.len()],
        })
    }

    fn append(&mut self, writer: &mut RowWriter, row: &GivenRow<'_>) -> Result<()> {
        self.slots.fill(None);
        if let Some(why) = &row.unreadable {
            writer.fail_row(unreadable(why));
        }
        for (number, (name, _)) in row.values.iter().enumerate() {
            match self.positions.get(&folded_name(name)) {
                // Of two values for one column the later counts, as in JSON.
                Some(position) => self.slots[*position] = Some(number),
                None => writer.fail_row(SqlError::unknown_column(name, "field list")),
            }
        }
        for position in 0..self.slots.len() {
            let number = self.slots[position];
            let given = number.and_then(|number| row.values.get(number));
            let given = given.map(|(_, value)| value);
            match (self.binding, given) {
                (Some((at, value)), given) if at == position => {
                    if given.is_some_and(|given| !is_value(given, value)) {
                        writer.fail_row(not_allowed(&self.table.meta.spec.columns[at].name));
                    }
                    writer.append(position, Datum::Text(value.as_bytes()))?;
                }
                (_, Some(value)) => self.value(writer, position, value)?,
                (_, None) => writer.append_default(position)?,
            }
        }
        writer.note_text(row.text);
        writer.finish_row()
    }

    /// Times come as RFC 3339 has them, whose Z MySQL does not know.
    fn value(&self, writer: &mut RowWriter, position: usize, value: &Scalar) -> Result<()> {
        let is_time = matches!(
            self.table.columns[position].mysql_type,
            MysqlType::DateTime { .. } | MysqlType::Timestamp { .. }
        );
        match value {
            Scalar::Text(text) if is_time && text.ends_with(['Z', 'z']) => {
                let time = text.get(..text.len() - 1).unwrap_or_default();
                let time = format!("{time}+00:00");
                writer.append(position, Datum::Text(time.as_bytes()))
            }
            value => writer.append(position, value.datum()),
        }
    }
}

fn is_value(given: &Scalar, value: &str) -> bool {
    match given {
        Scalar::Int(number) => number.to_string() == value,
        Scalar::Text(text) => text == value,
        _ => false,
    }
}

fn not_allowed(column: &str) -> SqlError {
    let text = format!("INSERT command denied for this value of column '{column}'");
    SqlError::new(1143, "42000", text)
}
