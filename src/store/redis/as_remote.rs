//! A Redis server as the store on the network.

use std::sync::Arc;

use super::RedisStore;
use super::connection::endpoint::Endpoint;
use super::connection::supervisor::Supervisor;
use super::presence::RedisRoster;
use super::pubsub_connection::PubsubConnection;
use crate::store::availability::{Recovery, Switch};
use crate::store::presence::{Condition, PresenceKeys, ProcessLease, Socket};
use crate::store::remote::{PresenceSet, Receive, Remote, RemoteRoster};
use crate::store::{Key, Result, Ttl};

impl Remote for RedisStore {
    type Roster<'a> = RedisRoster<'a>;

    fn has_large_writes(&self) -> bool {
        !self.large.is_idle()
    }

    fn roster<'a>(&'a self, names: &'a PresenceKeys) -> RedisRoster<'a> {
        RedisRoster { store: self, names }
    }

    fn supervise(
        endpoint: Endpoint,
        probe_key: Key,
        recovery: Arc<impl Recovery<Self>>,
        switch: Arc<Switch<Self>>,
    ) -> Box<dyn Send + Sync> {
        Box::new(Supervisor::start(endpoint, probe_key, recovery, switch))
    }

    fn receive(endpoint: Endpoint, switch: Arc<Switch<Self>>) -> Receive {
        Arc::new(move |topics, on_event| {
            Box::new(PubsubConnection::start(
                endpoint.clone(),
                switch.clone(),
                topics,
                on_event,
            ))
        })
    }

    fn end(&self) {
        self.link().end();
    }
}

impl RemoteRoster for RedisRoster<'_> {
    async fn has(&self, socket: &Socket, version: u64) -> Result<bool> {
        self.has(socket, version).await
    }

    async fn leave(&self, socket: &Socket, version: u64) -> Result<()> {
        self.leave(socket, version).await
    }

    async fn put_in_all(
        &self,
        socket: &Socket,
        before: Option<&Socket>,
        lease: Option<ProcessLease>,
        ttl: Ttl,
        condition: Condition,
    ) -> Result<Option<PresenceSet>> {
        self.put_in_all(socket, before, lease, ttl, condition).await
    }
}
