//! One connection of a pub/sub connection, from its first SUBSCRIBE to its end.
//!
//! RESP2, which every server speaks. Every command that is sent, with one topic or one PING each,
//! has one answer, and answers come in order: open requests wait in a queue. Messages come in
//! between, and so does the notification that a sharded channel has moved to another node.

use std::time::Duration;

use combine::parser::combinator::AnySendSyncPartialState;
use combine::stream::{Decoder, PointerOffset};
use redis::parse_redis_value_async;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, split};
use tokio::sync::Notify;
use tokio::time::sleep;

use super::pending_replies::{PendingReplies, PendingReply};
use super::push_message::PushMessage;
use super::{Check, PubsubEvent, PubsubShared};
use crate::mutex::{Mutex, MutexGuard};
use crate::store::StoreError;
use crate::store::bus::Topic;
use crate::store::redis::connection::backoff::Backoff;
use crate::store::redis::connection::dial::ByteStream;
use crate::store::redis::connection::login::Notice;
use crate::store::redis::connection::peer_check;
use crate::store::redis::reply;
use crate::store::topics::{Attached, Change};

const HEARTBEAT: Duration = Duration::from_secs(1);
const READ_BUFFER: usize = 64 * 1024;

const CLOSED: &str = "the connection was closed";
const SILENT: &str = "no answer in time";
const OUT_OF_STEP: &str = peer_check::OUT_OF_STEP.0;

struct Session<'a> {
    pubsub_connection: &'a PubsubShared,
    line: Mutex<PendingReplies>,
    has_output: Notify,
    is_out_of_step: Notify,
}

/// Runs until the connection ends. Returns the reason.
pub async fn run(pubsub_connection: &PubsubShared, stream: Box<dyn ByteStream>) -> &'static str {
    let (attached, wanted) = pubsub_connection.topics.attach();
    let session = Session {
        pubsub_connection,
        line: Mutex::new(PendingReplies::new(wanted, pubsub_connection.take_checks())),
        has_output: Notify::new(),
        is_out_of_step: Notify::new(),
    };
    let (reader, writer) = split(stream);
    let reason = tokio::select! {
        () = session.read(reader) => CLOSED,
        () = session.write(writer) => CLOSED,
        () = session.follow(&attached) => CLOSED,
        () = session.retry_refused() => CLOSED,
        () = session.check_on_demand() => CLOSED,
        () = session.watch() => SILENT,
        () = session.is_out_of_step.notified() => OUT_OF_STEP,
    };
    session.hand_checks_back();
    reason
}

impl Session<'_> {
    fn line(&self) -> MutexGuard<'_, PendingReplies> {
        self.line.lock()
    }

    async fn read(&self, reader: impl AsyncRead + Unpin) {
        let mut reader = BufReader::with_capacity(READ_BUFFER, reader);
        let mut decoder = Decoder::<AnySendSyncPartialState, PointerOffset<[u8]>>::new();
        while let Ok(value) = parse_redis_value_async(&mut decoder, &mut reader).await {
            self.line().heard_something();
            self.heard(value.into());
        }
    }

    async fn write(&self, mut writer: impl AsyncWrite + Unpin) {
        loop {
            let output = self.line().take_output();
            if output.is_empty() {
                self.has_output.notified().await;
            } else if writer.write_all(&output).await.is_err() || writer.flush().await.is_err() {
                return;
            }
        }
    }

    /// Does what is wanted now, whenever that changes.
    async fn follow(&self, attached: &Attached<'_>) {
        loop {
            let changes = attached.changes().await;
            let mut line = self.line();
            for Change { topic, done } in changes {
                let wanted = self.pubsub_connection.topics.is_wanted(&topic);
                line.reconcile(topic, wanted, done);
            }
            drop(line);
            self.has_output.notify_one();
        }
    }

    async fn retry_refused(&self) {
        let mut backoff = Backoff::default();
        loop {
            sleep(backoff.next_wait()).await;
            let is_wanted = |topic: &Topic| self.pubsub_connection.topics.is_wanted(topic);
            if self.line().retry_refused(is_wanted) {
                self.has_output.notify_one();
            }
        }
    }

    async fn check_on_demand(&self) {
        loop {
            self.pubsub_connection.check_wanted.notified().await;
            self.ping(self.pubsub_connection.take_checks());
        }
    }

    /// Ends when the server leaves a request without an answer and is completely silent.
    async fn watch(&self) {
        let patience = self.pubsub_connection.endpoint.command_timeout;
        loop {
            sleep(HEARTBEAT).await;
            self.ping(Vec::new());
            sleep(patience).await;
            if self.line().is_silent_for(patience) {
                return;
            }
        }
    }

    fn ping(&self, checks: Vec<Check>) {
        self.line().ping(PendingReply {
            checks,
            ..PendingReply::default()
        });
        self.has_output.notify_one();
    }

    fn heard(&self, heard: PushMessage) {
        match heard {
            PushMessage::Message(topic, channel, payload) => {
                let channel = channel.map(Into::into);
                self.pubsub_connection
                    .topics
                    .deliver(&topic, channel, payload.into());
            }
            PushMessage::Gone(topic) if !self.awaits_end_of(&topic) => self.line().lose(topic),
            heard => self.answered(heard),
        }
    }

    fn awaits_end_of(&self, topic: &Topic) -> bool {
        self.line().awaits_end_of(topic)
    }

    /// An answer to the oldest request, or otherwise to none.
    fn answered(&self, heard: PushMessage) {
        let asked = self.line().next_answered();
        let Some(asked) = asked.filter(|asked| asked.is_answered_by(&heard)) else {
            self.is_out_of_step.notify_one();
            return;
        };
        let refusal = match heard {
            PushMessage::Refusal(error) => Some(error),
            _ => None,
        };
        if let (Some(error), Some((topic, true))) = (&refusal, asked.change) {
            self.line().lose(topic);
            self.refused(error);
            (self.pubsub_connection.on_event)(PubsubEvent::Refused);
        }
        for done in asked.done {
            let _ = done.send(refusal.is_none());
        }
        if asked.is_restored {
            self.pubsub_connection.hears();
            (self.pubsub_connection.on_event)(PubsubEvent::Restored);
        }
    }

    fn refused(&self, error: &StoreError) {
        let forbidden = match error {
            StoreError::Rejected(text) => reply::forbidden(text),
            _ => None,
        };
        let what = forbidden.unwrap_or_else(|| format!("subscribing ({})", error.code()));
        (self.pubsub_connection.endpoint.on_notice)(Notice::Forbidden(what));
    }

    /// A caller that asked whether the pub/sub connection works will know after the next attempt.
    fn hand_checks_back(&self) {
        while let Some(asked) = self.line().next_answered() {
            self.pubsub_connection.add_checks(asked.checks);
        }
    }
}
