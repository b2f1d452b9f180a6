//! SELECT .. INTO @a, @b: the one row of a query becomes the values of user variables.

use futures::StreamExt;

use super::{Session, done};
use crate::dialect::{Kind, Lexed, lex};
use crate::error::{Result, SqlError, Warning};
use crate::insert::Scalar;
use crate::result::Outcome;

/// The variables, without their @, and the query without the clause. `None`: it has none.
pub(super) fn into_variables(lexed: &Lexed) -> Result<Option<(Vec<String>, Lexed)>> {
    let mut depth = 0_usize;
    for at in 0..lexed.tokens.len() {
        if lexed.is(at, "(") {
            depth += 1;
        } else if lexed.is(at, ")") {
            depth = depth.saturating_sub(1);
        } else if depth == 0 && lexed.is(at, "INTO") && variable(lexed, at + 1).is_some() {
            return clause(lexed, at).map(Some);
        }
    }
    Ok(None)
}

fn variable(lexed: &Lexed, at: usize) -> Option<String> {
    let token = lexed.tokens.get(at)?;
    let name = lexed.word(at).strip_prefix('@')?;
    let is_user = token.kind == Kind::Word && !name.starts_with('@') && !name.is_empty();
    is_user.then(|| name.to_lowercase())
}

fn clause(lexed: &Lexed, into: usize) -> Result<(Vec<String>, Lexed)> {
    let mut names = Vec::new();
    let mut at = into + 1;
    loop {
        names.push(variable(lexed, at).ok_or_else(|| lexed.error_at(at))?);
        at += 1;
        if !lexed.is(at, ",") {
            break;
        }
        at += 1;
    }
    let start = lexed.tokens.get(into).map_or(0, |token| token.start);
    let end = lexed.tokens.get(at - 1).map_or(start, |token| token.end);
    let part = |from: usize, to: usize| lexed.text.get(from..to).unwrap_or_default();
    let blank = " ".repeat(end - start);
    let query = format!("{}{blank}{}", part(0, start), part(end, lexed.text.len()));
    Ok((names, lex(&query)?))
}

impl Session {
    /// 1172 for more than one row, 1222 for another number of columns; a warning when there is no row.
    pub(super) async fn select_into(
        &mut self,
        names: Vec<String>,
        (query, params): (Lexed, Vec<Scalar>),
    ) -> Result<Outcome> {
        let compiled = self.compile(query, params, None).await?;
        if compiled.columns.len() != names.len() {
            let text = "The used SELECT statements have a different number of columns";
            return Err(SqlError::new(1222, "21000", text));
        }
        let mut batches = self.start(compiled)?.batches;
        let mut found: Option<Vec<Scalar>> = None;
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            for row in 0..batch.num_rows() {
                if found.is_some() {
                    let text = "Result consisted of more than one row";
                    return Err(SqlError::new(1172, "42000", text));
                }
                let columns = batch.columns().iter();
                let values = columns.map(|column| Scalar::from_array(column.as_ref(), row));
                found = Some(values.collect::<Result<_>>()?);
            }
        }
        let Some(values) = found else {
            let text = "No data - zero rows fetched, selected, or processed";
            self.warn([Warning::new(1329, text)]);
            return Ok(done(0));
        };
        self.user_variables.extend(names.into_iter().zip(values));
        Ok(done(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clause_is_found_wherever_it_stands() {
        let found = |sql: &str| {
            let found = into_variables(&lex(sql).expect("lexes")).expect("reads");
            found.map(|(names, query)| (names.join(","), query.text))
        };
        let (names, query) = found("SELECT a, b INTO @x, @Y FROM t").expect("a clause");
        assert_eq!(names, "x,y");
        assert_eq!(query.replace("  ", ""), "SELECT a, b FROM t");
        let (names, _) = found("SELECT 1 FROM t LIMIT 1 INTO @z").expect("a clause");
        assert_eq!(names, "z");
        assert!(found("SELECT 'INTO @x'").is_none());
        assert!(found("SELECT * FROM t INTO OUTFILE 'x'").is_none());
    }
}
