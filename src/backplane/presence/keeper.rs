//! Keeps this process's sockets on Redis: notices when they are lost there, sets them again, and
//! keeps them alive if that is wanted. Runs from the first socket on, only on the I/O thread.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

use super::{AT_ONCE, Presence};
use crate::backplane::Backplane;
use crate::backplane::locks::first_error;
use crate::store::availability::Availability;
use crate::store::memory::presence::{Doubt, OwnSocket};
use crate::store::presence::Socket;
use crate::store::remote::{Remote, RemoteRoster};
use crate::store::{Result, Ttl};

/// The interval of the heartbeat of a process that has sockets. A loss of them is noticed after
/// this time.
const BEAT: Duration = Duration::from_secs(1);
/// The TTL of sockets that are kept alive: records that nobody reads any more expire by themselves.
pub const HELD: Ttl = Ttl::from_whole_millis(3600 * 1000);
/// When those are set again.
const RENEW_AFTER_MS: u64 = HELD.as_millis() / 2;
/// The number of heartbeats between two passes over all sockets: for those whose time has passed
/// and, while Redis is available, for those that have to be set again.
const SWEEP_EVERY: u64 = 10;
/// How many due sockets are set again in one pass, in addition to a hundredth of all: they may be
/// due together.
const LEAST_RENEWED: usize = 1000;
/// Each socket is checked once in this many heartbeats, because Redis may evict single keys.
const ROUND: usize = 60;
/// At least this many are checked per heartbeat, so that a pass over few sockets is short.
const LEAST_LOOKED_AT: usize = 32;
/// The pause between two parts of the sockets, for other work.
const PAUSE: Duration = Duration::from_millis(2);

impl<R: Remote> Backplane<R> {
    /// Starts the keeper, once. Must be called on the I/O thread.
    pub(super) fn presence_keep(self: &Arc<Self>) {
        let mut keeper = self.presence.keeper();
        if keeper.is_none() && !matches!(self.switch.now(), Availability::Closed) {
            let kept = self.clone();
            *keeper = Some(self.keep_going("what keeps presence", move || keep(kept.clone())));
        }
    }

    async fn presence_tick(&self, beats: u64, round: &mut Vec<Arc<Socket>>) {
        let (own, is_sweep) = (&self.presence.own, beats.is_multiple_of(SWEEP_EVERY));
        match self.switch.now() {
            Availability::Ready(store) => {
                if is_sweep {
                    own.sweep(false).await;
                }
                // A failed step is retried: the outage that it indicates will end.
                let _ = self.presence_tend(&store, is_sweep, round).await;
            }
            // Nobody else notifies the watchers.
            _ => own.sweep(true).await,
        }
    }

    async fn presence_tend(
        &self,
        store: &R,
        is_sweep: bool,
        round: &mut Vec<Arc<Socket>>,
    ) -> Result<()> {
        let presence = &self.presence;
        if presence.own.is_empty() && !presence.pulse.has_begun() {
            return Ok(());
        }
        self.presence_beat(store).await?;
        tokio::select! {
            kept = self.presence_set_what_has_to_be(store, is_sweep, round) => kept,
            // That may take longer than a process lease lasts.
            failed = self.presence_beats(store) => failed,
        }
    }

    /// Until one fails.
    async fn presence_beats(&self, store: &R) -> Result<()> {
        loop {
            sleep(BEAT).await;
            self.presence_beat(store).await?;
        }
    }

    async fn presence_beat(&self, store: &R) -> Result<()> {
        let presence = &self.presence;
        if !presence.pulse.beat(&presence.roster(store)).await? {
            presence.own.doubt_all();
            presence.has_work.notify_one();
        }
        Ok(())
    }

    async fn presence_set_what_has_to_be(
        &self,
        store: &R,
        is_sweep: bool,
        round: &mut Vec<Arc<Socket>>,
    ) -> Result<()> {
        let Presence { own, heartbeat, .. } = &*self.presence;
        if own.is_in_doubt() {
            let in_doubt = |part| own.in_doubt(part);
            self.presence_set_chosen_again(store, in_doubt, usize::MAX)
                .await?;
        }
        if is_sweep && *heartbeat {
            let unheard = |part| own.unheard_for(RENEW_AFTER_MS, part);
            let most = LEAST_RENEWED + own.len() / 100;
            self.presence_set_chosen_again(store, unheard, most).await?;
        }
        self.presence_look_after(store, round).await
    }

    /// Checks the next part of the sockets, and sets again those that are not stored as they were
    /// set. `round`: those whose turn is still to come.
    async fn presence_look_after(&self, store: &R, round: &mut Vec<Arc<Socket>>) -> Result<()> {
        let Presence { own, .. } = &*self.presence;
        if round.is_empty() {
            *round = own.certain().await;
        }
        let next = LEAST_LOOKED_AT.max(own.len() / ROUND);
        let next = round.split_off(round.len().saturating_sub(next));
        for step in next.chunks(AT_ONCE) {
            let found = step.iter().map(async |socket| {
                let kept = own.get(&socket.id).filter(|kept| kept.doubt == Doubt::None);
                let Some(kept) = kept else { return Ok(None) };
                let roster = self.presence.roster(store);
                let is_there = roster.has(&kept.socket, kept.version).await?;
                Ok((!is_there).then_some(kept))
            });
            let found = try_join_all(found).await?;
            let lost: Vec<OwnSocket> = found.into_iter().flatten().collect();
            if !lost.is_empty() {
                self.presence_set_lost(store, &lost).await?;
            }
        }
        Ok(())
    }

    /// Sets again what Redis has lost. It may also have lost the process lease, without which
    /// nobody would find the sockets.
    pub(super) async fn presence_set_lost(&self, store: &R, sockets: &[OwnSocket]) -> Result<()> {
        self.presence_beat(store).await?;
        self.presence_set_again(store, sockets).await
    }

    /// Sets those anew that are chosen of each part of the sockets, so many at most.
    async fn presence_set_chosen_again(
        &self,
        store: &R,
        choose: impl Fn(usize) -> Option<Vec<OwnSocket>>,
        mut most: usize,
    ) -> Result<()> {
        for part in 0.. {
            let Some(mut chosen) = choose(part).filter(|_| most > 0) else {
                break;
            };
            chosen.truncate(most);
            most -= chosen.len();
            self.presence_set_again(store, &chosen).await?;
            yield_now().await;
        }
        Ok(())
    }

    /// Sets sockets again, a few at a time.
    async fn presence_set_again(&self, store: &R, sockets: &[OwnSocket]) -> Result<()> {
        for step in sockets.chunks(AT_ONCE) {
            let set = step
                .iter()
                .map(|kept| self.presence_set_one_again(store, kept));
            if let Some(error) = first_error(join_all(set).await) {
                return Err(error);
            }
            sleep(PAUSE).await;
        }
        Ok(())
    }

    async fn presence_set_one_again(&self, store: &R, kept: &OwnSocket) -> Result<()> {
        let own = &self.presence.own;
        let gate = self.presence.gates.place(&(&*kept.socket.id).into());
        let _turn = gate.turn().await;
        let ttl = match own.left(kept) {
            Some(left) if own.is_as(kept) => left.unwrap_or(HELD),
            _ => return Ok(()),
        };
        let put = self.presence_put(store, &kept.socket, ttl, kept.condition());
        match put.await? {
            Some((version, doubt)) => own.heard(kept, version, doubt),
            None => {
                own.lost(kept);
                // Whoever removed or moved it may not have found all of its records.
                let roster = self.presence.roster(store);
                roster.leave(&kept.socket, kept.version).await?;
            }
        }
        Ok(())
    }
}

/// Until the backplane is closed.
async fn keep<R: Remote>(backplane: Arc<Backplane<R>>) {
    let mut round = Vec::new();
    for beats in 0.. {
        backplane.presence_tick(beats, &mut round).await;
        let _ = timeout(BEAT, backplane.presence.has_work.notified()).await;
    }
}
