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
    let details = error.details().unwrap_or_default();
    let text = format!("{} {details}", error.code());
    let (code, details) = split(said_by_the_command(&text));
    let refused = REFUSALS.contains(&code) || details.contains(TOO_MANY_CLIENTS);
    if refused {
        StoreError::Refused(refusal_code(code, details))
    } else {
        StoreError::Rejected(text.trim_end().to_owned())
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

/// What a command within a script was answered, without what Redis up to 6 puts around it: of a command that
/// ends the script `ERR Error running script (call to f_<hash>): @user_script:<line>: @user_script: <line>: -CODE …`,
/// of one whose error the script answers itself `@user_script: <line>: -CODE …`. Later servers begin with the code.
fn said_by_the_command(text: &str) -> &str {
    let mut rest = text;
    if let Some(wrapped) = rest.strip_prefix("ERR Error running script (call to ") {
        rest = wrapped.split_once("): ").map_or(rest, |(_, said)| said);
    }
    while let Some(said) = after_place(rest) {
        rest = said;
    }
    rest.strip_prefix('-').unwrap_or(rest)
}

/// What comes after `@user_script:<line>: `.
fn after_place(text: &str) -> Option<&str> {
    let (line, said) = text.strip_prefix("@user_script:")?.split_once(": ")?;
    let line = line.trim_start();
    let is_line = !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit());
    is_line.then_some(said)
}

fn split(text: &str) -> (&str, &str) {
    text.split_once(' ').unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use redis::parse_redis_value;

    use super::*;

    const HASH: &str = "caeeee01384f6b04384c56d69c27aa65287fb306";

    /// As each server says what a command was answered, alone and in a script.
    fn spellings(text: &str) -> [(&'static str, String); 5] {
        let old = format!(
            "ERR Error running script (call to f_{HASH}): @user_script:1: @user_script: 1: -{text}"
        );
        [
            ("any server, alone", text.to_owned()),
            ("Redis 5 and 6, ending the script", old),
            (
                "Redis 5 and 6, answered by the script",
                format!("@user_script: 12: -{text}"),
            ),
            (
                "Redis 7 and 8",
                format!("{text} script: {HASH}, on @user_script:1."),
            ),
            ("Valkey 9", format!("{text} script: on @user_script:1.")),
        ]
    }

    fn said(text: &str) -> StoreError {
        let answer = parse_redis_value(format!("-{text}\r\n").as_bytes()).unwrap();
        accept(answer).unwrap_err()
    }

    #[test]
    fn a_refusal_is_one_in_every_spelling() {
        for code in REFUSALS {
            for (server, text) in spellings(&format!("{code} this cannot be done.")) {
                assert_eq!(
                    said(&text),
                    StoreError::Refused((*code).to_owned()),
                    "{server}"
                );
            }
        }
        for (server, text) in spellings(&format!("ERR {TOO_MANY_CLIENTS}")) {
            assert_eq!(
                said(&text),
                StoreError::Refused(TOO_MANY_CLIENTS.to_owned()),
                "{server}"
            );
        }
    }

    #[test]
    fn everything_else_is_of_one_command_and_keeps_its_words() {
        for (server, text) in spellings("WRONGTYPE Operation against a key holding READONLY data") {
            assert_eq!(said(&text), StoreError::Rejected(text.clone()), "{server}");
        }
        for text in [
            "ERR",
            "OOMPH",
            "BUSYGROUP it exists",
            "ERR @user_script:x: -OOM",
            "@user_script: 1",
        ] {
            assert_eq!(said(text), StoreError::Rejected(text.to_owned()));
        }
    }
}
