//! Places that are too large for one script.

use futures_util::future::{join, try_join_all};
use redis::Value;

use super::RedisRoster;
use super::layout::{bytes, items, number, parse_record, present};
use crate::io_thread::steps::for_each;
use crate::store::parts::Parts;
use crate::store::presence::{Detail, LEASE_BYTES, Place, Present};
use crate::store::redis::command;
use crate::store::{Result, StoreError};

/// Approximate number of members that one step looks at.
const STEP: &str = "1000";
/// Records in one answer: each may be large.
const RECORDS_AT_ONCE: usize = 16;

impl RedisRoster<'_> {
    /// Page by page, so that neither the server nor the calls wait for a large place. Every socket
    /// that is present all the time is found.
    pub async fn list_large(&self, place: Place<'_>, detail: Detail) -> Result<Vec<Present>> {
        let keys = self.names.place(place);
        let (members_key, records_key) = (keys.members.as_bytes(), keys.records.as_bytes());
        let mut found = Parts::default();
        let mut cursor = b"0".to_vec();
        loop {
            let scan: [&[u8]; 5] = [b"ZSCAN", members_key, &cursor, b"COUNT", STEP.as_bytes()];
            let (time, page) = join(self.bulk(&[b"TIME"]), self.bulk(&scan)).await;
            let (now, page) = (milliseconds(&time?), page?);
            let [next, Value::Array(pairs)] = items(&page) else {
                return Err(StoreError::Rejected("not the answer of ZSCAN".into()));
            };
            let alive: Vec<&[u8]> = pairs
                .chunks_exact(2)
                .filter(|pair| number(bytes(&pair[1])) > now as u64)
                .map(|pair| bytes(&pair[0]))
                .collect();
            let mut records = Vec::new();
            if detail == Detail::Records {
                let parts = alive.chunks(RECORDS_AT_ONCE);
                let parts = parts.map(|part| self.records(records_key, part));
                records = try_join_all(parts).await?.concat();
            }
            for (i, member) in alive.into_iter().enumerate() {
                let record = records.get(i).and_then(|text| parse_record(text, now));
                if let Some(present) = present(place, member, record) {
                    found.insert(member[LEASE_BYTES..].to_vec(), present);
                }
            }
            if bytes(next) == b"0" {
                let mut all = Vec::with_capacity(found.len());
                for_each(found.into_items(), |(_, present)| all.push(present)).await;
                return Ok(all);
            }
            cursor = bytes(next).to_vec();
        }
    }

    async fn records(&self, key: &[u8], members: &[&[u8]]) -> Result<Vec<Value>> {
        let fields = members
            .iter()
            .map(|member| &member[LEASE_BYTES.min(member.len())..]);
        let ask: Vec<&[u8]> = [&b"HMGET"[..], key].into_iter().chain(fields).collect();
        match self.bulk(&ask).await? {
            Value::Array(records) => Ok(records),
            _ => Err(StoreError::Rejected("not the answer of HMGET".into())),
        }
    }

    async fn bulk(&self, words: &[&[u8]]) -> Result<Value> {
        self.store.link.bulk_again(0, || command(words)).await
    }
}

fn milliseconds(time: &Value) -> i64 {
    match items(time) {
        [seconds, micros] => (number(bytes(seconds)) * 1000 + number(bytes(micros)) / 1000) as i64,
        _ => 0,
    }
}
