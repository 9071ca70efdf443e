//! Setting a socket, step by step.

use std::collections::HashSet;

use futures_util::future::{try_join, try_join_all};

use super::layout::{Placement, flag, number};
use super::{RedisRoster, VersionClaim, WhenNotMet};
use crate::store::presence::{Condition, ProcessLease, Socket};
use crate::store::remote::PresenceSet;
use crate::store::{Result, Ttl};

impl RedisRoster<'_> {
    /// Sets a socket in all of its places. Returns whether the server has lost it meanwhile.
    pub async fn put_in_all(
        &self,
        socket: &Socket,
        before: Option<&Socket>,
        lease: Option<ProcessLease>,
        ttl: Ttl,
        condition: Condition,
    ) -> Result<Option<PresenceSet>> {
        let placement = Placement::of(socket);
        let (since, or_lost) = match condition {
            Condition::Always => (String::new(), false),
            Condition::Since { version, or_lost } => (version.to_string(), or_lost),
        };
        let ms = ttl.as_millis().to_string();
        let claim = format!("{:016x}", socket.claim);
        let args = [
            ms.as_bytes(),
            since.as_bytes(),
            flag(or_lost),
            claim.as_bytes(),
        ];
        let Some(VersionClaim {
            version,
            is_new,
            mut placements,
        }) = self.claim(&socket.id, &placement, args).await?
        else {
            return Ok(None);
        };
        if let Some(before) = before.filter(|_| is_new) {
            placements.push((Placement::from(before), WhenNotMet::Told));
        }
        let lease = ProcessLease::text(lease);
        let put = async |place| {
            let metadata = socket.metadata_at(place);
            let args = [
                lease.as_bytes(),
                version.as_bytes(),
                ms.as_bytes(),
                &metadata,
            ];
            self.put(place, &socket.user, &socket.id, args).await
        };
        let puts = socket.places().map(put);
        let stays: &HashSet<_> = &socket.places().collect();
        let left = placements.iter().flat_map(|(before, unmet)| {
            let is_same = *before.user == *socket.user;
            let places = before
                .places()
                .filter(move |place| !(is_same && stays.contains(place)));
            places.map(|place| self.drop(place, &before.user, &socket.id, &version, *unmet))
        });
        try_join(try_join_all(puts), try_join_all(left)).await?;
        let known = self.version(&socket.id).await?;
        // A removal would be remembered: an unknown socket has been lost, and nobody has removed
        // it.
        let is_lost = known.is_empty();
        if known != version && !is_lost {
            // Another caller set or removed it meanwhile, and may not have found it here.
            let drops = socket.places().map(|place| {
                self.drop(
                    place,
                    &socket.user,
                    &socket.id,
                    &version,
                    WhenNotMet::Untold,
                )
            });
            try_join_all(drops).await?;
        }
        Ok(Some(PresenceSet {
            version: number(version.as_bytes()),
            is_lost,
        }))
    }
}
