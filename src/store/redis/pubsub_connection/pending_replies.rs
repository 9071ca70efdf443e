//! The requests on a connection, in the order in which the answers will come, and what the server
//! is therefore known to send.

use std::collections::{HashSet, VecDeque};
use std::mem;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::Check;
use super::push_message::PushMessage;
use crate::store::bus::{Topic, TopicKind};
use crate::store::redis::connection::open::{NAMING, command};

/// A request that has not been answered yet.
#[derive(Default)]
pub struct PendingReply {
    /// A topic, and whether it is subscribed to or unsubscribed; nothing for a PING.
    pub change: Option<(Topic, bool)>,
    /// What was sent with a PING.
    pub riddle: Option<String>,
    pub done: Vec<oneshot::Sender<bool>>,
    pub checks: Vec<Check>,
    /// Everything that was wanted when the connection began has been answered before.
    pub is_restored: bool,
}

impl PendingReply {
    /// Whether that may be the answer.
    pub fn is_answered_by(&self, heard: &PushMessage) -> bool {
        match (&self.change, &self.riddle, heard) {
            (_, _, PushMessage::Refusal(_)) => true,
            (Some((topic, true)), _, PushMessage::Subscribed(heard)) => topic == heard,
            (Some((topic, false)), _, PushMessage::Gone(heard)) => topic == heard,
            // Not every intermediate system knows that something may be sent with it.
            (None, Some(riddle), PushMessage::Pong(heard)) => {
                heard.is_empty() || riddle.as_bytes() == heard
            }
            (None, None, PushMessage::Answer) => true,
            _ => false,
        }
    }
}

pub struct PendingReplies {
    output: Vec<u8>,
    asked: VecDeque<PendingReply>,
    /// What the server sends, or will send when it has handled all requests.
    subscribed: HashSet<Topic>,
    /// Wanted, but the server refused it, or does not send it any more.
    refused: HashSet<Topic>,
    last_heard: Instant,
}

impl PendingReplies {
    /// Starts with the connection's name and everything that is wanted.
    pub fn new(wanted: Vec<Topic>, checks: Vec<Check>) -> Self {
        let mut line = Self {
            output: Vec::new(),
            asked: VecDeque::new(),
            subscribed: HashSet::new(),
            refused: HashSet::new(),
            last_heard: Instant::now(),
        };
        for words in NAMING {
            line.ask(
                &command(words).get_packed_command(),
                PendingReply::default(),
            );
        }
        for topic in wanted {
            line.subscribe(topic, Vec::new());
        }
        line.ping(PendingReply {
            checks,
            is_restored: true,
            ..PendingReply::default()
        });
        line
    }

    pub fn take_output(&mut self) -> Vec<u8> {
        mem::take(&mut self.output)
    }

    /// The oldest request, which has been answered.
    pub fn next_answered(&mut self) -> Option<PendingReply> {
        self.asked.pop_front()
    }

    pub fn heard_something(&mut self) {
        self.last_heard = Instant::now();
    }

    /// There is an open request, and nothing at all has been received for this long.
    pub fn is_silent_for(&self, patience: Duration) -> bool {
        !self.asked.is_empty() && self.last_heard.elapsed() >= patience
    }

    pub fn ping(&mut self, asked: PendingReply) {
        let riddle = format!("{:016x}", fastrand::u64(..));
        let ping = command(&["PING", &riddle]).get_packed_command();
        let riddle = Some(riddle);
        self.ask(&ping, PendingReply { riddle, ..asked });
    }

    /// Requests what is wanted of a topic, unless that has been done.
    pub fn reconcile(&mut self, topic: Topic, wanted: bool, done: oneshot::Sender<bool>) {
        match (wanted, self.subscribed.contains(&topic)) {
            (true, false) => self.subscribe(topic, vec![done]),
            (false, true) => self.unsubscribe(topic, vec![done]),
            _ => self.join(&topic, done),
        }
    }

    /// The next answer says that this topic has been unsubscribed, because that was requested.
    pub fn awaits_end_of(&self, topic: &Topic) -> bool {
        let next = self.asked.front().and_then(|asked| asked.change.as_ref());
        next.is_some_and(|(asked_for, subscribe)| !subscribe && asked_for == topic)
    }

    /// The server does not send it; it must be requested again.
    pub fn lose(&mut self, topic: Topic) {
        self.subscribed.remove(&topic);
        self.refused.insert(topic);
    }

    /// Requests again what was refused and is still wanted. Returns whether there was any.
    pub fn retry_refused(&mut self, is_wanted: impl Fn(&Topic) -> bool) -> bool {
        let refused = mem::take(&mut self.refused);
        let mut wanted = refused.into_iter().filter(is_wanted).peekable();
        let any = wanted.peek().is_some();
        for topic in wanted {
            self.subscribe(topic, Vec::new());
        }
        any
    }

    fn ask(&mut self, packed: &[u8], asked: PendingReply) {
        self.output.extend_from_slice(packed);
        self.asked.push_back(asked);
    }

    fn subscribe(&mut self, topic: Topic, done: Vec<oneshot::Sender<bool>>) {
        let name = match topic.kind {
            TopicKind::Channel => "SUBSCRIBE",
            TopicKind::Pattern => "PSUBSCRIBE",
            TopicKind::Shard => "SSUBSCRIBE",
        };
        self.refused.remove(&topic);
        self.subscribed.insert(topic.clone());
        self.change(name, topic, true, done);
    }

    fn unsubscribe(&mut self, topic: Topic, done: Vec<oneshot::Sender<bool>>) {
        let name = match topic.kind {
            TopicKind::Channel => "UNSUBSCRIBE",
            TopicKind::Pattern => "PUNSUBSCRIBE",
            TopicKind::Shard => "SUNSUBSCRIBE",
        };
        self.subscribed.remove(&topic);
        self.change(name, topic, false, done);
    }

    fn change(
        &mut self,
        name: &str,
        topic: Topic,
        subscribe: bool,
        done: Vec<oneshot::Sender<bool>>,
    ) {
        let mut words = redis::cmd(name);
        words.arg(topic.name.as_bytes());
        let asked = PendingReply {
            change: Some((topic, subscribe)),
            done,
            ..PendingReply::default()
        };
        self.ask(&words.get_packed_command(), asked);
    }

    /// What is wanted has already been requested; its answer is shared by all.
    fn join(&mut self, topic: &Topic, done: oneshot::Sender<bool>) {
        let is_about_it = |asked: &&mut PendingReply| {
            let change = asked.change.as_ref();
            change.is_some_and(|(asked_for, _)| asked_for == topic)
        };
        match self.asked.iter_mut().rev().find(is_about_it) {
            Some(asked) => asked.done.push(done),
            None => drop(done.send(true)),
        }
    }
}
