//! Connections that this process gave up but that may still live on the server.
//!
//! A server that was stopped, or a network that was cut, may hold commands that were sent long ago
//! and carry them out when it wakes up: a write from before the outage would then come after the
//! deletes that follow it. So the next connection first kills the old ones.

use std::collections::VecDeque;

use std::time::Duration;

use redis::aio::MultiplexedConnection;

use super::open::{Connection, ConnectionIdentity, kill};
use crate::mutex::{Mutex, MutexGuard};

/// Older ones have long been closed by the server's own keep-alive.
const MAX_GHOSTS: usize = 32;

#[derive(Default)]
pub struct ZombieConnections(Mutex<VecDeque<ConnectionIdentity>>);

impl ZombieConnections {
    pub fn add(&self, connection: &Connection) {
        if let Some(identity) = &connection.identity {
            let mut zombies = self.lock();
            if zombies.contains(identity) {
                return;
            }
            zombies.push_back(identity.clone());
            if zombies.len() > MAX_GHOSTS {
                zombies.pop_front();
            }
        }
    }

    /// Kills them all. If the kill command could not be sent, the connection stays for the next
    /// one.
    pub async fn kill_all(&self, commands: &mut MultiplexedConnection, within: Duration) {
        let zombies: Vec<ConnectionIdentity> = self.lock().iter().cloned().collect();
        for ghost in zombies {
            if kill(commands, &ghost, within).await {
                self.lock().retain(|other| *other != ghost);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<ConnectionIdentity>> {
        self.0.lock()
    }
}
