//! What an answer of the server means to the caller.

use redis::{ServerError, Value};

use crate::store::{Result, StoreError};

/// Error codes with which a server says that it will not serve, whatever the command.
const REFUSALS: &[&str] = &[
    "BUSY",
    "CLUSTERDOWN",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "NOAUTH",
    "NOREPLICAS",
    "OOM",
    "READONLY",
    "TRYAGAIN",
    "UNKILLABLE",
    "WRONGPASS",
];
const TOO_MANY_CLIENTS: &str = "max number of clients reached";

/// Turns an error answer into an error.
pub fn accept(value: Value) -> Result<Value> {
    match value {
        Value::ServerError(error) => Err(classify(&error)),
        other => Ok(other),
    }
}

pub fn classify(error: &ServerError) -> StoreError {
    let (code, details) = (error.code(), error.details().unwrap_or_default());
    let refused = REFUSALS.contains(&code) || details.contains(TOO_MANY_CLIENTS);
    if refused {
        StoreError::Refused(refusal_code(code, details))
    } else {
        StoreError::Rejected(format!("{code} {details}").trim_end().to_owned())
    }
}

/// The word that names a refusal to people. Never the server's whole text: it may quote a name.
pub fn refusal_code(code: &str, details: &str) -> String {
    match code {
        _ if details.contains(TOO_MANY_CLIENTS) => TOO_MANY_CLIENTS.to_owned(),
        // Said of a password that the server has no use for, with words that are better not kept.
        "ERR" => "login refused".to_owned(),
        _ => code.to_owned(),
    }
}
