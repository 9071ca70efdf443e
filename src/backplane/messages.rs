//! Results about messages, by hashes of theirs. All of them have one tag, by which they are cleared.

use super::Backplane;
use super::tagged::{Entry, Looked};
use crate::store::{Json, Ttl};

const SPACE: &[u8] = b"message:";
pub(super) const ALL: &[u8] = b"message-all";

impl Backplane {
    pub async fn message_get(&self, hash: &[u8]) -> Option<Json> {
        match self.look(&self.message_entry(hash)).await {
            Looked::Hit(value) => Some(value),
            Looked::Miss(_) => None,
        }
    }

    pub async fn message_set(&self, hash: &[u8], value: Json, ttl: Ttl) {
        let entry = self.message_entry(hash);
        self.keep(&entry, None, value, ttl, ttl).await;
    }

    pub async fn message_clear(&self) {
        self.invalidate(&self.tag(ALL, b"")).await;
    }

    fn message_entry(&self, hash: &[u8]) -> Entry {
        Entry {
            key: self.key(SPACE, hash),
            tags: vec![self.tag(ALL, b"")],
        }
    }
}
