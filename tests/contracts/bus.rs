//! What every bus promises. The same tests run on both of them, unmodified.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::{Connected, Server, connect};
use bytes::Bytes;
use redis_backplane::store::bus::{Bus, Reach, Topic, TopicKind};
use redis_backplane::store::memory::bus::LocalBus;
use redis_backplane::store::redis::RedisStore;
use redis_backplane::store::redis::pubsub_connection::{PubsubConnection, PubsubEvent};
use redis_backplane::store::topics::{Message, SubscriptionTag, Topics};
use redis_backplane::store::{Key, Store};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(10);

/// A bus, and receivers on it.
trait World {
    type Bus: Bus;
    fn bus(&self) -> &Self::Bus;
    /// Carries to `topics` for as long as the world lasts.
    fn attach(&self, topics: &Arc<Topics>);
    /// Waits until the bus does what is wanted of the topic.
    async fn settled(&self, topics: &Topics, topic: &Topic);
}

#[derive(Default)]
struct InMemory(LocalBus);

impl InMemory {
    async fn new() -> Self {
        Self::default()
    }
}

impl World for InMemory {
    type Bus = LocalBus;
    fn bus(&self) -> &LocalBus {
        &self.0
    }
    fn attach(&self, topics: &Arc<Topics>) {
        self.0.attach(topics);
    }
    async fn settled(&self, _: &Topics, _: &Topic) {}
}

struct OnRedis {
    connected: Connected,
    feeds: Mutex<Vec<PubsubConnection>>,
    events: Arc<Mutex<Vec<PubsubEvent>>>,
    server: Server,
}

impl OnRedis {
    async fn new() -> Self {
        let server = Server::start();
        Self {
            connected: connect(&server).await,
            feeds: Mutex::default(),
            events: Arc::default(),
            server,
        }
    }
}

impl World for OnRedis {
    type Bus = RedisStore;
    fn bus(&self) -> &RedisStore {
        &self.connected.store
    }
    fn attach(&self, topics: &Arc<Topics>) {
        let events = self.events.clone();
        let pubsub_connection = PubsubConnection::start(
            self.server.endpoint(),
            self.connected.switch.clone(),
            topics.clone(),
            move |event| events.lock().unwrap().push(event),
        );
        self.feeds.lock().unwrap().push(pubsub_connection);
    }
    async fn settled(&self, topics: &Topics, topic: &Topic) {
        let settled = timeout(PATIENCE, topics.resolved(topic)).await;
        assert_eq!(settled, Ok(true), "{topic:?}");
    }
}

/// Somebody who listens.
struct Receiver<'a, W> {
    world: &'a W,
    topics: Arc<Topics>,
    messages: UnboundedReceiver<Message>,
}

impl<'a, W: World> Receiver<'a, W> {
    fn new(world: &'a W) -> Self {
        let (sender, messages) = unbounded_channel();
        let topics = Topics::new(Box::new(move |message| sender.send(message).unwrap()));
        world.attach(&topics);
        Self {
            world,
            topics,
            messages,
        }
    }

    async fn wants(&self, kind: TopicKind, name: &str, tag: u64) {
        let topic = topic(kind, name);
        self.topics.want(&topic, SubscriptionTag(tag));
        self.world.settled(&self.topics, &topic).await;
    }

    async fn is_done_with(&self, kind: TopicKind, name: &str) {
        let topic = topic(kind, name);
        self.topics.unwant(&topic);
        self.topics.ended(&topic).await;
    }

    /// Tag, channel and payload of the next message.
    async fn next(&mut self) -> (u64, Option<String>, String) {
        let next = timeout(PATIENCE, self.messages.recv()).await;
        let message = next.expect("a message should come").unwrap();
        let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        (
            message.tag.0,
            message.channel.map(text),
            text(message.payload),
        )
    }
}

fn topic(kind: TopicKind, name: &str) -> Topic {
    Topic {
        kind,
        name: key(name),
    }
}

fn key(name: &str) -> Key {
    Key::new(&[name.as_bytes()])
}

async fn publish(world: &impl World, reach: Reach, channel: &str, payload: &str) -> u64 {
    let payload = Bytes::copy_from_slice(payload.as_bytes());
    let published = world.bus().publish(reach, &key(channel), payload).await;
    published.unwrap()
}

contract!(
    messages_come_in_order_with_the_tag_of_their_topic,
    a_pattern_tells_the_channel,
    sharded_channels_are_apart,
    each_matching_topic_of_each_receiver_counts,
    what_is_not_wanted_any_more_does_not_come,
    what_is_wanted_again_comes_once,
    names_are_counted_and_patterns_are_not,
    sharded_channels_are_counted_apart,
    payloads_are_bytes,
);

async fn messages_come_in_order_with_the_tag_of_their_topic(world: &impl World) {
    let mut receiver = Receiver::new(world);
    receiver.wants(TopicKind::Channel, "a", 1).await;
    receiver.wants(TopicKind::Channel, "b", 2).await;
    for i in 0..100 {
        let channel = if i % 2 == 0 { "a" } else { "b" };
        assert_eq!(
            publish(world, Reach::Everywhere, channel, &i.to_string()).await,
            1
        );
    }
    for i in 0..100 {
        assert_eq!(receiver.next().await, (1 + i % 2, None, i.to_string()));
    }
}

async fn a_pattern_tells_the_channel(world: &impl World) {
    let mut receiver = Receiver::new(world);
    receiver.wants(TopicKind::Pattern, "news.[ab]*", 7).await;
    assert_eq!(publish(world, Reach::Everywhere, "news.c", "no").await, 0);
    assert_eq!(
        publish(world, Reach::Everywhere, "news.azure", "yes").await,
        1
    );
    let expected = (7, Some("news.azure".to_owned()), "yes".to_owned());
    assert_eq!(receiver.next().await, expected);
}

async fn sharded_channels_are_apart(world: &impl World) {
    let mut receiver = Receiver::new(world);
    receiver.wants(TopicKind::Channel, "a", 1).await;
    receiver.wants(TopicKind::Pattern, "a*", 2).await;
    receiver.wants(TopicKind::Shard, "a", 3).await;
    assert_eq!(publish(world, Reach::Shard, "a", "sharded").await, 1);
    assert_eq!(receiver.next().await, (3, None, "sharded".to_owned()));
    assert_eq!(
        publish(world, Reach::Everywhere, "a", "everywhere").await,
        2
    );
    let tags = [receiver.next().await.0, receiver.next().await.0];
    assert!(tags == [1, 2] || tags == [2, 1], "{tags:?}");
}

async fn each_matching_topic_of_each_receiver_counts(world: &impl World) {
    let (one, other) = (Receiver::new(world), Receiver::new(world));
    one.wants(TopicKind::Channel, "a", 1).await;
    one.wants(TopicKind::Pattern, "*", 2).await;
    other.wants(TopicKind::Channel, "a", 1).await;
    assert_eq!(publish(world, Reach::Everywhere, "a", "").await, 3);
    assert_eq!(publish(world, Reach::Everywhere, "b", "").await, 1);
}

async fn what_is_not_wanted_any_more_does_not_come(world: &impl World) {
    let mut receiver = Receiver::new(world);
    receiver.wants(TopicKind::Channel, "a", 1).await;
    receiver.wants(TopicKind::Channel, "marker", 2).await;
    receiver.is_done_with(TopicKind::Channel, "a").await;
    assert_eq!(publish(world, Reach::Everywhere, "a", "late").await, 0);
    publish(world, Reach::Everywhere, "marker", "").await;
    assert_eq!(receiver.next().await.0, 2);
}

async fn what_is_wanted_again_comes_once(world: &impl World) {
    let mut receiver = Receiver::new(world);
    for tag in 0..5 {
        let topic = topic(TopicKind::Channel, "a");
        receiver.topics.want(&topic, SubscriptionTag(tag));
        receiver.topics.unwant(&topic);
    }
    receiver.wants(TopicKind::Channel, "a", 9).await;
    assert_eq!(publish(world, Reach::Everywhere, "a", "1").await, 1);
    publish(world, Reach::Everywhere, "a", "2").await;
    assert_eq!(receiver.next().await, (9, None, "1".to_owned()));
    assert_eq!(receiver.next().await, (9, None, "2".to_owned()));
}

async fn names_are_counted_and_patterns_are_not(world: &impl World) {
    let (one, other) = (Receiver::new(world), Receiver::new(world));
    one.wants(TopicKind::Channel, "a", 1).await;
    one.wants(TopicKind::Pattern, "*", 2).await;
    other.wants(TopicKind::Channel, "a", 1).await;
    let names = [key("a"), key("b")];
    let counted = world.bus().receivers(Reach::Everywhere, &names).await;
    assert_eq!(counted, Ok(vec![2, 0]));
}

async fn sharded_channels_are_counted_apart(world: &impl World) {
    let receiver = Receiver::new(world);
    receiver.wants(TopicKind::Channel, "a", 1).await;
    receiver.wants(TopicKind::Shard, "b", 2).await;
    let names = [key("a"), key("b"), key("c")];
    let counted = world.bus().receivers(Reach::Everywhere, &names).await;
    assert_eq!(counted, Ok(vec![1, 0, 0]));
    let counted = world.bus().receivers(Reach::Shard, &names).await;
    assert_eq!(counted, Ok(vec![0, 1, 0]));
}

async fn payloads_are_bytes(world: &impl World) {
    let mut receiver = Receiver::new(world);
    receiver.wants(TopicKind::Channel, "a", 1).await;
    let large: Vec<u8> = (0..1 << 20).map(|i: u32| (i * 31) as u8).collect();
    for payload in [Vec::new(), vec![0, 255, 13, 10], large] {
        let sent = Bytes::from(payload);
        let bus = world.bus();
        assert_eq!(
            bus.publish(Reach::Everywhere, &key("a"), sent.clone())
                .await,
            Ok(1)
        );
        assert_eq!(receiver.messages.recv().await.unwrap().payload, sent);
    }
}

/// A pub/sub connection whose connection is ended by the server has everything back, once.
#[tokio::test]
async fn a_connection_restores_what_is_wanted_when_it_connects_again() {
    let world = OnRedis::new().await;
    let mut receiver = Receiver::new(&world);
    for i in 0..100 {
        receiver
            .wants(TopicKind::Channel, &format!("c{i}"), i)
            .await;
    }
    receiver.wants(TopicKind::Pattern, "p*", 200).await;
    kill_subscribers(&world).await;
    receiver.topics.unwant(&topic(TopicKind::Channel, "c5"));
    for i in [0, 99] {
        let topic = topic(TopicKind::Channel, &format!("c{i}"));
        world.settled(&receiver.topics, &topic).await;
    }
    assert_eq!(publish(&world, Reach::Everywhere, "c5", "").await, 0);
    assert_eq!(publish(&world, Reach::Everywhere, "c99", "").await, 1);
    assert_eq!(receiver.next().await.0, 99);
    assert_eq!(publish(&world, Reach::Everywhere, "pq", "").await, 1);
    assert_eq!(receiver.next().await.0, 200);
    let events = world.events.lock().unwrap();
    let lost = PubsubEvent::Lost("the connection was closed".to_owned());
    assert_eq!(
        *events,
        [PubsubEvent::Restored, lost, PubsubEvent::Restored]
    );
}

async fn kill_subscribers(world: &OnRedis) {
    use redis_backplane::store::RawCommands;
    let words: [&[u8]; 4] = [b"CLIENT", b"KILL", b"TYPE", b"pubsub"];
    world.bus().call(&words).await.unwrap();
    // Whatever else the connection for calls was told, it still works.
    world.bus().get(&key("none")).await.unwrap();
}
