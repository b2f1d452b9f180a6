//! Tokens of those who send rows without SQL: each may insert into one table, perhaps only rows with one
//! value in one column (a site). Only their hashes are kept, as a property of the store.

use std::collections::BTreeMap;

use rand::RngCore;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use storno_storage::Store;

use crate::error::{Result, SqlError};
use crate::types::same_name;

const PROPERTY: &str = "ingest_tokens";
/// So that a token is known for one wherever it is found.
const PREFIX: &str = "sti_";
const SECRET_BYTES: usize = 24;

/// What a token allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    pub schema: String,
    pub table: String,
    /// The rows' one site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<Binding>,
}

/// A column, and the only value of it that rows may have. Rows without one get it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    pub column: String,
    pub value: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    /// SHA-256 in hexadecimal digits. Tokens are random and long: a slow hash would add nothing.
    hash: String,
    #[serde(flatten)]
    grant: Grant,
}

/// All tokens, by name.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Tokens(BTreeMap<String, Kept>);

impl Tokens {
    fn read(store: &Store) -> Result<Self> {
        match store.property(PROPERTY) {
            None => Ok(Self::default()),
            Some(json) => {
                serde_json::from_str(&json).map_err(|e| SqlError::internal(e.to_string()))
            }
        }
    }

    fn write(&self, store: &Store) -> Result<()> {
        let json = serde_json::to_string(self).map_err(|e| SqlError::internal(e.to_string()))?;
        Ok(store.set_property(PROPERTY, Some(&json))?)
    }

    /// The name and the grant of a token; `None`: nobody's. Only hashes are compared.
    pub(crate) fn find(store: &Store, token: &str) -> Result<Option<(String, Grant)>> {
        let hash = hash(token);
        let all = Self::read(store)?;
        let found = all.0.into_iter().find(|(_, kept)| kept.hash == hash);
        Ok(found.map(|(name, kept)| (name, kept.grant)))
    }
}

/// Makes a token; 1396 when there is one of that name. It is shown this once.
pub(crate) fn create_token(store: &Store, name: &str, grant: Grant) -> Result<String> {
    let mut all = Tokens::read(store)?;
    if all.0.keys().any(|known| same_name(known, name)) {
        return Err(failed("CREATE INGEST TOKEN", name));
    }
    let mut secret = [0; SECRET_BYTES];
    rand::rng().fill_bytes(&mut secret);
    let digits: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let token = format!("{PREFIX}{digits}");
    let hash = hash(&token);
    all.0.insert(name.to_owned(), Kept { hash, grant });
    all.write(store)?;
    Ok(token)
}

/// 1396 when there is none of that name.
pub(crate) fn drop_token(store: &Store, name: &str) -> Result<()> {
    let mut all = Tokens::read(store)?;
    let before = all.0.len();
    all.0.retain(|known, _| !same_name(known, name));
    if all.0.len() == before {
        return Err(failed("DROP INGEST TOKEN", name));
    }
    all.write(store)
}

/// Names and grants.
pub(crate) fn list_tokens(store: &Store) -> Result<Vec<(String, Grant)>> {
    let all = Tokens::read(store)?.0.into_iter();
    Ok(all.map(|(name, kept)| (name, kept.grant)).collect())
}

fn hash(token: &str) -> String {
    let digest = Sha256::digest(token.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn failed(operation: &str, name: &str) -> SqlError {
    let text = format!("Operation {operation} failed for '{name}'");
    SqlError::new(1396, "HY000", text)
}
