//! Locks of different names know nothing of each other.

use super::*;

contract!(locks_know_nothing_of_each_other,);

/// Names that mean something to Redis, to Lua, to formats; and each other's beginnings and ends.
const HOSTILE: [&str; 22] = [
    "",
    "a",
    "a:b",
    "a:",
    ":a",
    "{a}",
    "x{a}y",
    "{",
    "}",
    "{}",
    "{}{a}",
    "}{",
    "a{b",
    "a{b}c{d}",
    "{{a}}",
    "é{ü}",
    "\0",
    "a\0b",
    "a b\r\n",
    "*",
    "%s%d",
    "日本語",
];

async fn locks_know_nothing_of_each_other(world: &impl World) {
    let mut held = Vec::new();
    for name in HOSTILE {
        let holder = Caller::new(world, &keys(name));
        holder.gets().await;
        let waiter = queue(world, &holder.keys, 1).await.remove(0);
        held.push((holder, waiter));
    }
    for (holder, waiter) in held {
        assert!(holder.gives().await, "{:?}", holder.keys);
        assert_eq!(world.calls().await, [now(&waiter)]);
        waiter.gets().await;
    }
}

/// Bit by bit, as the cluster specification describes it.
fn slot(key: &Key) -> u16 {
    let key = key.as_bytes();
    let open = key.iter().position(|byte| *byte == b'{');
    let tag = open.and_then(|open| {
        let rest = &key[open + 1..];
        let close = rest.iter().position(|byte| *byte == b'}')?;
        (close > 0).then(|| &rest[..close])
    });
    let crc = tag.unwrap_or(key).iter().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| {
            let carry = if crc & 0x8000 == 0 { 0 } else { 0x1021 };
            crc << 1 ^ carry
        })
    });
    crc % 16384
}

#[test]
fn the_keys_of_a_lock_are_its_own_and_in_one_slot() {
    // What CLUSTER KEYSLOT answers.
    assert_eq!(slot(&Key::new(&[b"foo"])), 12182);
    assert_eq!(slot(&Key::new(&[b"{user1000}.following"])), 3443);
    for prefix in ["", "app:", "{app}:", "{}", "}", "a{b}{c}", "é\0:"] {
        let mut all = HashSet::new();
        let many = (0..500).map(|i| format!("{i}"));
        for name in HOSTILE.map(str::to_owned).into_iter().chain(many) {
            let keys = LockKeys::new(prefix.as_bytes(), name.as_bytes());
            let lock = Key::new(&[prefix.as_bytes(), b"lock:", name.as_bytes()]);
            assert_eq!(keys.lock, lock, "it is where older versions look");
            for key in [keys.lock, keys.fence, keys.queue] {
                assert_eq!(slot(&key), slot(&lock), "{key:?}");
                assert!(all.insert(key), "{name:?} shares a key");
            }
        }
    }
}
