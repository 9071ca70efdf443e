//! The notifications that the watchers of a room receive.

use std::time::Duration;

use bytes::Bytes;

use super::fields::{field, number, parse_field};
use super::process_leases::{LEASE_BYTES, ProcessLease};
use crate::store::Json;

/// A notification on the channel of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomEvent {
    /// The socket is new, or has changed.
    Is {
        user: Box<str>,
        socket: Box<str>,
        lease: Option<ProcessLease>,
        version: u64,
        left: Duration,
        metadata: Json,
    },
    Left {
        user: Box<str>,
        socket: Box<str>,
        version: u64,
    },
}

impl RoomEvent {
    /// `+<version>:<lease>:<ms left>:<bytes of the field>:<field><metadata>`, as
    /// `redis/lua/presence_put.lua` writes it, or `-<version>:<bytes of the field>:<field>`.
    pub fn text(&self) -> Bytes {
        match self {
            Self::Is {
                user,
                socket,
                lease,
                version,
                left,
                metadata,
            } => {
                let (field, lease) = (field(user, socket), ProcessLease::text(*lease));
                let head = format!("+{version}:{lease}:{}:{}:", left.as_millis(), field.len());
                [head.as_bytes(), &field, metadata].concat().into()
            }
            Self::Left {
                user,
                socket,
                version,
            } => {
                let field = field(user, socket);
                let head = format!("-{version}:{}:", field.len());
                [head.as_bytes(), &field].concat().into()
            }
        }
    }

    pub fn parse(text: &Bytes) -> Option<Self> {
        let (sign, rest) = text.split_first()?;
        let (version, rest) = number(rest)?;
        if *sign == b'-' {
            let (length, rest) = number(rest)?;
            let (user, socket) = parse_field(rest.get(..length as usize)?)?;
            return Some(Self::Left {
                user,
                socket,
                version,
            });
        }
        let (lease, rest) = rest.split_at_checked(LEASE_BYTES)?;
        let (left, rest) = number(rest.strip_prefix(b":")?)?;
        let (length, rest) = number(rest)?;
        let (field, metadata) = rest.split_at_checked(length as usize)?;
        let (user, socket) = parse_field(field)?;
        Some(Self::Is {
            user,
            socket,
            lease: ProcessLease::parse(lease),
            version,
            left: Duration::from_millis(left),
            metadata: text.slice_ref(metadata),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_are_their_text() {
        for (user, socket, metadata) in [
            ("a", "s", "{}"),
            ("3:a", "1:x", r#"{"a":":"}"#),
            ("", "", "{}"),
            ("😀", "é:", "{}"),
        ] {
            let (user, socket): (Box<str>, Box<str>) = (user.into(), socket.into());
            let is = RoomEvent::Is {
                user: user.clone(),
                socket: socket.clone(),
                lease: Some(ProcessLease::unique()),
                version: 12,
                left: Duration::from_millis(5),
                metadata: Json::copy_from_slice(metadata.as_bytes()),
            };
            let left = RoomEvent::Left {
                user,
                socket,
                version: 3,
            };
            for event in [is, left] {
                assert_eq!(RoomEvent::parse(&event.text()), Some(event));
            }
        }
    }

    #[test]
    fn what_is_no_news_is_none() {
        for text in [
            "",
            "+",
            "-",
            "+1:",
            "-1:5:x",
            "-1:2:9:",
            "+1:----------------:5:3:9:a",
        ] {
            assert_eq!(RoomEvent::parse(&Bytes::from(text)), None, "{text}");
        }
    }
}
