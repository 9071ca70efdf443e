//! The bus within this process: every attached receiver, and no other.

use std::sync::{Arc, Weak};

use bytes::Bytes;

use crate::mutex::{Mutex, MutexGuard};
use crate::store::bus::{Bus, Reach, Topic};
use crate::store::topics::Topics;
use crate::store::{Key, Result};

#[derive(Default)]
pub struct LocalBus {
    receivers: Mutex<Vec<Weak<Topics>>>,
}

impl LocalBus {
    /// Carries messages to `topics` as long as they are held.
    pub fn attach(&self, topics: &Arc<Topics>) {
        let mut receivers = self.receivers();
        receivers.retain(|receiver| receiver.strong_count() > 0);
        receivers.push(Arc::downgrade(topics));
    }

    fn attached(&self) -> Vec<Arc<Topics>> {
        self.receivers().iter().filter_map(Weak::upgrade).collect()
    }

    fn receivers(&self) -> MutexGuard<'_, Vec<Weak<Topics>>> {
        self.receivers.lock()
    }
}

impl Bus for LocalBus {
    async fn publish(&self, reach: Reach, channel: &Key, payload: Bytes) -> Result<u64> {
        let attached = self.attached();
        let reached = attached
            .iter()
            .map(|topics| topics.publish(reach.exact(), channel, &payload));
        Ok(reached.sum())
    }

    async fn receivers(&self, reach: Reach, channels: &[Key]) -> Result<Vec<u64>> {
        let attached = self.attached();
        let count = |channel: &Key| {
            let topic = Topic {
                kind: reach.exact(),
                name: channel.clone(),
            };
            attached
                .iter()
                .filter(|topics| topics.is_wanted(&topic))
                .count() as u64
        };
        Ok(channels.iter().map(count).collect())
    }
}
