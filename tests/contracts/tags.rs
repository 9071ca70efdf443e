//! What every store promises of tags. The same tests run on both of them, unmodified.

use std::time::Duration;

use crate::support::{InMemory, OnRedis};
use redis_backplane::store::memory::MemoryStore;
use redis_backplane::store::redis::RedisStore;
use redis_backplane::store::{Json, Key, Pattern, Store, Tag, Tagged, Ttl, Version};

const MINUTE: Ttl = Ttl::from_whole_millis(60_000);

trait World {
    type Store: Tagged;
    fn store(&self) -> &Self::Store;
    async fn pass(&self, ms: u64);
    /// Somebody empties the store.
    async fn emptied(&self);
}

impl World for InMemory {
    type Store = MemoryStore;
    fn store(&self) -> &MemoryStore {
        &self.0
    }
    async fn pass(&self, ms: u64) {
        self.1.advance(ms);
    }
    async fn emptied(&self) {
        self.0.clear();
    }
}

impl World for OnRedis {
    type Store = RedisStore;
    fn store(&self) -> &RedisStore {
        &self.connected.store
    }
    async fn pass(&self, ms: u64) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
    async fn emptied(&self) {
        let everything = Key::new(&[]);
        let all = Pattern::new(b"*");
        self.store()
            .delete_matching(&[&everything], &[all])
            .await
            .unwrap();
    }
}

contract! {
    an_entry_is_what_was_set_until_a_tag_of_it_is_invalidated,
    invalidating_counts_what_was_there_and_nothing_else,
    what_one_tag_removed_another_does_not_count_again,
    a_set_that_saw_an_older_version_keeps_nothing,
    a_version_that_vanished_is_not_the_version_seen,
    a_late_set_does_not_harm_the_entry_of_an_earlier_one,
    what_is_set_after_an_invalidation_stays,
    a_version_lasts_as_long_as_it_was_promised,
    an_entry_expires_and_is_not_counted,
    a_large_tag_is_removed_in_steps,
    patterns_invalidate_whole_tags,
    hostile_names_are_only_themselves,
    an_entry_without_tags_is_an_entry,
    versions_are_compared_tag_by_tag,
}

fn key(name: &str) -> Key {
    Key::new(&[name.as_bytes()])
}

fn tag(name: &str) -> Tag {
    Tag::new(b"p:", b"tag:", name.as_bytes())
}

fn json(text: &str) -> Json {
    Json::copy_from_slice(text.as_bytes())
}

async fn set(store: &impl Tagged, entry: &str, tags: &[Tag]) -> Vec<Version> {
    let value = json(&format!("{entry:?}"));
    let kept = store
        .set_tagged(&key(entry), tags, None, value, MINUTE)
        .await;
    kept.unwrap().expect("a set that saw nothing is kept")
}

/// Whether it was kept.
async fn set_if(store: &impl Tagged, tags: &[Tag], seen: &[Version], value: &str) -> bool {
    let kept = store
        .set_tagged(&key("entry"), tags, Some(seen), json(value), MINUTE)
        .await;
    kept.unwrap().is_some()
}

async fn remove(store: &impl Tagged, space: &Tag, glob: &[u8]) -> u64 {
    let removed = store
        .invalidate_matching(space, &[Pattern::new(glob)])
        .await;
    removed.unwrap()
}

async fn get(store: &impl Tagged, entry: &str, tags: &[Tag]) -> Option<Json> {
    store.get_tagged(&key(entry), tags).await.unwrap()
}

async fn an_entry_is_what_was_set_until_a_tag_of_it_is_invalidated(world: &impl World) {
    let store = world.store();
    for ended in 0..2 {
        let tags = [tag("room"), tag("query")];
        set(store, "entry", &tags).await;
        assert_eq!(get(store, "entry", &tags).await, Some(json("\"entry\"")));
        assert_eq!(store.invalidate(&tags[ended]).await, Ok(1));
        assert_eq!(get(store, "entry", &tags).await, None);
        assert_eq!(store.invalidate(&tags[ended]).await, Ok(0));
    }
}

async fn invalidating_counts_what_was_there_and_nothing_else(world: &impl World) {
    let store = world.store();
    for i in 0..50 {
        set(store, &format!("a{i}"), &[tag("a"), tag("both")]).await;
        set(store, &format!("b{i}"), &[tag("b"), tag("both")]).await;
    }
    store.delete(&key("a7")).await.unwrap();
    set(store, "a8", &[tag("a"), tag("both")]).await;
    assert_eq!(store.invalidate(&tag("a")).await, Ok(49));
    assert_eq!(
        get(store, "b0", &[tag("b"), tag("both")]).await,
        Some(json("\"b0\""))
    );
    assert_eq!(store.invalidate(&tag("nobody")).await, Ok(0));
}

async fn what_one_tag_removed_another_does_not_count_again(world: &impl World) {
    let store = world.store();
    set(store, "one", &[tag("a"), tag("both")]).await;
    set(store, "two", &[tag("b"), tag("both")]).await;
    assert_eq!(store.invalidate(&tag("a")).await, Ok(1));
    assert_eq!(store.invalidate(&tag("both")).await, Ok(1));
    assert_eq!(store.invalidate(&tag("b")).await, Ok(0));
}

async fn a_set_that_saw_an_older_version_keeps_nothing(world: &impl World) {
    let (store, tags) = (world.store(), [tag("room"), tag("query")]);
    let seen = store.versions(&tags, MINUTE).await.unwrap();
    store.invalidate(&tags[0]).await.unwrap();
    let late = set_if(store, &tags, &seen, "1").await;
    assert!(!late);
    assert_eq!(get(store, "entry", &tags).await, None);
    assert_eq!(store.get(&key("entry")).await, Ok(None));
    let seen = store.versions(&tags, MINUTE).await.unwrap();
    let kept = set_if(store, &tags, &seen, "2").await;
    assert!(kept);
    assert_eq!(get(store, "entry", &tags).await, Some(json("2")));
}

async fn a_version_that_vanished_is_not_the_version_seen(world: &impl World) {
    let (store, tags) = (world.store(), [tag("room")]);
    let seen = store.versions(&tags, MINUTE).await.unwrap();
    world.emptied().await;
    let late = set_if(store, &tags, &seen, "1").await;
    assert!(!late);
    assert_ne!(store.versions(&tags, MINUTE).await.unwrap(), seen);
}

async fn a_late_set_does_not_harm_the_entry_of_an_earlier_one(world: &impl World) {
    let (store, tags) = (world.store(), [tag("room"), tag("query")]);
    let old = store.versions(&tags, MINUTE).await.unwrap();
    store.invalidate(&tags[0]).await.unwrap();
    set(store, "entry", &tags).await;
    let late = set_if(store, &tags, &old, "1").await;
    assert!(!late);
    assert_eq!(get(store, "entry", &tags).await, Some(json("\"entry\"")));
}

async fn what_is_set_after_an_invalidation_stays(world: &impl World) {
    let (store, tags) = (world.store(), [tag("user")]);
    let before = set(store, "session", &tags).await;
    store.invalidate(&tags[0]).await.unwrap();
    let after = set(store, "session", &tags).await;
    assert_ne!(before, after);
    assert_eq!(
        get(store, "session", &tags).await,
        Some(json("\"session\""))
    );
    // Somebody else's by now: not removed with the one that it was.
    set(store, "session", &[tag("other")]).await;
    assert_eq!(store.invalidate(&tags[0]).await, Ok(0));
    let others = get(store, "session", &[tag("other")]).await;
    assert_eq!(others, Some(json("\"session\"")));
}

async fn a_version_lasts_as_long_as_it_was_promised(world: &impl World) {
    let (store, tags) = (world.store(), [tag("room")]);
    let seen = store
        .versions(&tags, Ttl::from_whole_millis(1000))
        .await
        .unwrap();
    store
        .versions(&tags, Ttl::from_whole_millis(10))
        .await
        .unwrap();
    world.pass(50).await;
    assert_eq!(store.have_versions(&tags, &seen).await, Ok(true));
    world.pass(1000).await;
    assert_eq!(store.have_versions(&tags, &seen).await, Ok(false));
}

async fn an_entry_expires_and_is_not_counted(world: &impl World) {
    let (store, tags) = (world.store(), [tag("room")]);
    let short = Ttl::from_whole_millis(30);
    let short_lived = key("short");
    let kept = store
        .set_tagged(&short_lived, &tags, None, json("1"), short)
        .await;
    assert!(kept.unwrap().is_some());
    set(store, "long", &tags).await;
    world.pass(40).await;
    assert_eq!(get(store, "short", &tags).await, None);
    assert_eq!(get(store, "long", &tags).await, Some(json("\"long\"")));
    assert_eq!(store.invalidate(&tags[0]).await, Ok(1));
}

async fn a_large_tag_is_removed_in_steps(world: &impl World) {
    let (store, tags) = (world.store(), [tag("many")]);
    for i in 0..3500 {
        set(store, &format!("e{i}"), &tags).await;
    }
    assert_eq!(store.invalidate(&tags[0]).await, Ok(3500));
    assert_eq!(store.get(&key("e3499")).await, Ok(None));
    assert_eq!(store.invalidate(&tags[0]).await, Ok(0));
    let (space, all) = (Key::new(&[b"p:"]), Pattern::new(b"*"));
    assert_eq!(
        store.delete_matching(&[&space], &[all]).await,
        Ok(0),
        "nothing waits to be removed"
    );
}

async fn patterns_invalidate_whole_tags(world: &impl World) {
    let store = world.store();
    for name in ["user:1", "user:2", "message:1", "use*"] {
        set(store, name, &[tag(name)]).await;
    }
    let space = Tag::new(b"p:", b"tag:", b"");
    assert_eq!(remove(store, &space, b"use[r]:*").await, 2);
    assert_eq!(get(store, "user:1", &[tag("user:1")]).await, None);
    for name in ["message:1", "use*"] {
        assert!(get(store, name, &[tag(name)]).await.is_some(), "{name}");
    }
    assert_eq!(remove(store, &space, b"*").await, 2);
}

async fn hostile_names_are_only_themselves(world: &impl World) {
    let store = world.store();
    let names = [
        "*", "", "a", "a*", "{a}", "{a", "}", "\0", "é😀", "a:b", " ", "[a]", "\\",
    ];
    for name in names {
        set(store, &format!("entry:{name}"), &[tag(name)]).await;
    }
    for (i, name) in names.iter().enumerate() {
        assert_eq!(store.invalidate(&tag(name)).await, Ok(1), "{name:?}");
        for other in &names[i + 1..] {
            let entry = format!("entry:{other}");
            assert!(
                get(store, &entry, &[tag(other)]).await.is_some(),
                "{name:?} {other:?}"
            );
        }
    }
}

async fn an_entry_without_tags_is_an_entry(world: &impl World) {
    let store = world.store();
    assert_eq!(set(store, "entry", &[]).await, []);
    assert_eq!(get(store, "entry", &[]).await, Some(json("\"entry\"")));
    assert_eq!(get(store, "entry", &[tag("a")]).await, None);
}

async fn versions_are_compared_tag_by_tag(world: &impl World) {
    let (store, tags) = (world.store(), [tag("a"), tag("b")]);
    let seen = store.versions(&tags, MINUTE).await.unwrap();
    let swapped = [seen[1], seen[0]];
    for wrong in [&seen[..1], &swapped[..], &[]] {
        assert_eq!(store.have_versions(&tags, wrong).await, Ok(false));
        let kept = set_if(store, &tags, wrong, "1").await;
        assert!(!kept);
    }
    assert_eq!(store.have_versions(&tags, &seen).await, Ok(true));
}
