//! What an answer of the server means to the caller.

use redis::{ServerError, Value};

use crate::store::{Result, StoreError};

/// Error codes with which a server refuses to serve, whatever the command.
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

/// The word that names a refusal to humans. Never the server's whole text, which may quote a name.
pub fn refusal_code(code: &str, details: &str) -> String {
    match code {
        _ if details.contains(TOO_MANY_CLIENTS) => TOO_MANY_CLIENTS.to_owned(),
        // Reported for a password that the server does not need, in words that should not be
        // stored.
        "ERR" => "login refused".to_owned(),
        _ => code.to_owned(),
    }
}

/// The error of a command within a script, without what Redis up to 6 puts around it: for a command
/// that ends the script
/// `ERR Error running script (call to f_<hash>): @user_script:<line>: @user_script: <line>: -CODE …`,
/// for one whose error the script returns itself `@user_script: <line>: -CODE …`. Later servers
/// begin with the code.
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

/// The text after `@user_script:<line>: `.
fn after_place(text: &str) -> Option<&str> {
    let (line, said) = text.strip_prefix("@user_script:")?.split_once(": ")?;
    let line = line.trim_start();
    let is_line = !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit());
    is_line.then_some(said)
}

/// What the server forbids to everyone or to this user, if an error says so: a command by its name,
/// alone or in a script, `keys` or `channels`. `None`: it is another error.
pub fn forbidden(text: &str) -> Option<String> {
    let said = said_by_the_command(text);
    let said = said.strip_prefix("ERR ").unwrap_or(said);
    let unknown = UNKNOWN.iter().find_map(|before| said.strip_prefix(before));
    if let Some(name) = unknown.and_then(quoted) {
        return Some(name);
    }
    if UNKNOWN_IN_SCRIPT
        .iter()
        .any(|words| said.starts_with(words))
    {
        return Some(A_SCRIPTS_COMMAND.to_owned());
    }
    if !REFUSED.iter().any(|words| said.starts_with(words)) {
        return None;
    }
    if let Some((_, command)) = said.split_once(" to run the ") {
        return quoted(command);
    }
    let is_about = |word| said.contains(word);
    let what = match () {
        () if is_about(" key") => "keys",
        () if is_about(" channel") => "channels",
        () => A_SCRIPTS_COMMAND,
    };
    Some(what.to_owned())
}

const UNKNOWN: [&str; 2] = ["unknown command ", "Unknown command "];
const UNKNOWN_IN_SCRIPT: [&str; 2] = [
    "Unknown Redis command called from",
    "Unknown command called from",
];
const REFUSED: [&str; 3] = [
    "NOPERM ",
    "ACL failure in script: ",
    "The user executing the script can't ",
];
/// Up to Redis 7.0 the server does not say which.
const A_SCRIPTS_COMMAND: &str = "a command of a script";
/// Longer ones are not names.
const LONGEST_NAME: usize = 32;

/// A name of a command that begins the text, in quotes.
fn quoted(text: &str) -> Option<String> {
    let rest = text.strip_prefix(['\'', '`'])?;
    let (name, _) = rest.split_once(['\'', '`'])?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"|._-".contains(&byte);
    let is_short = (1..=LONGEST_NAME).contains(&name.len());
    (is_short && name.bytes().all(is_name)).then(|| name.to_ascii_uppercase())
}

fn split(text: &str) -> (&str, &str) {
    text.split_once(' ').unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use redis::parse_redis_value;

    use super::*;

    const HASH: &str = "caeeee01384f6b04384c56d69c27aa65287fb306";

    /// How each server words the error of a command, alone and in a script.
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

    #[test]
    fn what_is_forbidden_is_named_in_every_spelling() {
        for (text, what) in [
            (
                "NOPERM this user has no permissions to run the 'eval' command or its subcommand",
                "EVAL",
            ),
            (
                "NOPERM this user has no permissions to run the 'getrange' command",
                "GETRANGE",
            ),
            (
                "NOPERM User thin has no permissions to run the 'config|get' command",
                "CONFIG|GET",
            ),
            (
                "NOPERM this user has no permissions to access one of the keys used as arguments",
                "keys",
            ),
            ("NOPERM No permissions to access a key", "keys"),
            (
                "NOPERM this user has no permissions to access one of the channels used as arguments",
                "channels",
            ),
            ("NOPERM No permissions to access a channel", "channels"),
            (
                "ERR unknown command `UNLINK`, with args beginning with: `secret`, ",
                "UNLINK",
            ),
            (
                "ERR unknown command 'SCAN', with args beginning with: 'secret' ",
                "SCAN",
            ),
            ("ERR unknown command 'EVAL'", "EVAL"),
            (
                "ERR ACL failure in script: User thin has no permissions to run the 'time' command script: on @user_script:1.",
                "TIME",
            ),
            (
                "ERR ACL failure in script: No permissions to access a key script: on @user_script:1.",
                "keys",
            ),
            (
                "ERR The user executing the script can't access at least one of the channels mentioned in the command arguments",
                "channels",
            ),
        ] {
            assert_eq!(forbidden(text).as_deref(), Some(what), "{text}");
        }
        let old = format!(
            "ERR Error running script (call to f_{HASH}): @user_script:1: @user_script: 1: "
        );
        for (prefix, text) in [
            (
                &*old,
                "The user executing the script can't run this command or subcommand",
            ),
            (
                "@user_script: 1: ",
                "The user executing the script can't run this command or subcommand",
            ),
            (
                "ERR ",
                "The user executing the script can't run this command or subcommand",
            ),
            (&*old, "Unknown Redis command called from Lua script"),
            ("ERR ", "Unknown Redis command called from script"),
        ] {
            let text = format!("{prefix}{text}");
            assert_eq!(
                forbidden(&text).as_deref(),
                Some(A_SCRIPTS_COMMAND),
                "{text}"
            );
        }
    }

    #[test]
    fn other_errors_forbid_nothing_and_no_name_is_taken_from_data() {
        for text in [
            "WRONGTYPE Operation against a key holding the wrong kind of value",
            "ERR wrong number of arguments for 'get' command",
            "NOSCRIPT No matching script.",
            "ERR value is not an integer or out of range",
            "ERR unknown command 'no name at all, and longer than any', with args beginning with: 'x'",
        ] {
            assert_eq!(forbidden(text), None, "{text}");
        }
    }
}
