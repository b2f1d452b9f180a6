//! What proves to a store who asks. Never printed: not by `Debug`, not in errors.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Scheme;
use crate::error::{Result, TransferError};

/// Keys of one account. Empty: what the configuration lends, if it does.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// Access key of S3, HMAC key of Google, account of Azure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Session token of S3, SAS of Azure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Google's service account as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

impl Credentials {
    /// From the JSON of a statement's CREDENTIALS, with SingleStore's names.
    ///
    /// # Errors
    /// `Credentials` names the key, never a value.
    pub fn from_json(scheme: Scheme, json: &str) -> Result<Self> {
        let refuse = |why: String| TransferError::Credentials(why);
        // The parser's own error would quote what it read.
        let value: Value = serde_json::from_str(json)
            .map_err(|_| refuse("CREDENTIALS is not a JSON object".into()))?;
        let Value::Object(map) = value else {
            return Err(refuse("CREDENTIALS is not a JSON object".into()));
        };
        let mut credentials = Self::default();
        for (key, value) in map {
            let place = match (scheme, key.as_str()) {
                (Scheme::S3, "aws_access_key_id") | (Scheme::Gcs, "access_id") => {
                    &mut credentials.id
                }
                (Scheme::S3, "aws_secret_access_key") | (Scheme::Gcs, "secret_key") => {
                    &mut credentials.secret
                }
                (Scheme::S3, "aws_session_token") => &mut credentials.token,
                (Scheme::Gcs, "service_account") => {
                    let text = match &value {
                        Value::String(text) => text.clone(),
                        other => other.to_string(),
                    };
                    credentials.service_account = Some(text);
                    continue;
                }
                (Scheme::Azure, "account_name") => &mut credentials.id,
                (Scheme::Azure, "account_key") => &mut credentials.secret,
                (Scheme::Azure, "sas_token") => &mut credentials.token,
                // What is unknown may be a secret in the wrong place.
                _ => return Err(refuse("CREDENTIALS has an unknown key".into())),
            };
            match value {
                Value::String(text) if !text.is_empty() => *place = Some(text),
                _ => return Err(refuse(format!("CREDENTIALS: {key} is not a string"))),
            }
        }
        Ok(credentials)
    }

    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What must not be told.
    pub(super) fn secrets(&self) -> Vec<String> {
        let all = [&self.secret, &self.token, &self.service_account];
        let all = all.into_iter().flatten();
        all.filter(|text| text.len() >= 4).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_debug_nor_an_error_shows_a_secret() {
        let json = r#"{"aws_access_key_id": "AK", "aws_secret_access_key": "CANARY"}"#;
        let read = Credentials::from_json(Scheme::S3, json).expect("reads");
        assert_eq!(read.secret.as_deref(), Some("CANARY"));
        assert!(!format!("{read:?}").contains("CANARY"));
        for bad in [
            r#"{"aws_secret_access_key": "CANARY""#,
            r#"["CANARY"]"#,
            r#"{"aws_secret_access_key": ["CANARY"]}"#,
            r#"{"secret": "CANARY"}"#,
            r#"{"CANARY": "x"}"#,
        ] {
            let error = Credentials::from_json(Scheme::S3, bad).expect_err(bad);
            assert!(!format!("{error} {error:?}").contains("CANARY"), "{bad}");
        }
    }
}
