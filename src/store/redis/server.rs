//! Questions about the server itself.

use redis::{Value, cmd};

use super::RedisStore;
use crate::store::{Result, ServerFacts, ServerInfo, StoreError};

impl ServerInfo for RedisStore {
    async fn ping(&self) -> Result<()> {
        self.link
            .calls
            .query_if_allowed(0, cmd("PING"))
            .await
            .map(drop)
    }

    fn facts(&self) -> &ServerFacts {
        &self.link.calls.connection().facts
    }

    async fn memory(&self) -> Result<(u64, u64)> {
        let mut info = cmd("INFO");
        info.arg("memory");
        let text = match self.link.calls.query_if_allowed(0, info).await? {
            Value::BulkString(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Value::VerbatimString { text, .. } => text,
            _ => String::new(),
        };
        let read = |name| field(&text, name);
        let both = read("used_memory").zip(read("maxmemory"));
        both.ok_or_else(|| StoreError::Rejected("ERR INFO without memory".to_owned()))
    }
}

fn field(info: &str, name: &str) -> Option<u64> {
    let values = info.lines().filter_map(|line| line.split_once(':'));
    let mut named = values.filter(|(key, _)| *key == name);
    named.next()?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_field_by_its_whole_name() {
        let info = "# Memory\r\nused_memory_rss:9\r\nused_memory:1048576\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n";
        assert_eq!(field(info, "used_memory"), Some(1_048_576));
        assert_eq!(field(info, "maxmemory"), Some(0));
        assert_eq!(field(info, "maxmemory_policy"), None);
    }
}
