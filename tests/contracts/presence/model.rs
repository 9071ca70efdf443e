//! Random steps, against a model.

use super::*;

contract!(agrees_with_a_model_over_random_steps,);

/// One socket as a list of facts.
struct Fact {
    user: usize,
    rooms: Vec<&'static str>,
    metadata: Bytes,
    version: u64,
    ends: u64,
}

/// Ends and steps of time are never near each other, so that a real clock does not matter.
async fn agrees_with_a_model_over_random_steps<W: World>(world: &W) {
    const USERS: [&str; 3] = ["a", "a:b", "{x}"];
    const SOCKETS: [&str; 5] = ["s", "1:s", "*", "\0", "t"];
    const ROOMS: [&str; 4] = ["r", "q", "{x}", "a"];
    const STEP_MS: u64 = 100_000;
    let mut random = fastrand::Rng::with_seed(11);
    let mut facts: BTreeMap<usize, Fact> = BTreeMap::new();
    // Versions that were given out; when a removed one was removed, and whether it was there then.
    let mut versions: HashMap<usize, Vec<u64>> = HashMap::new();
    let mut removed: HashMap<usize, (u64, bool)> = HashMap::new();
    let (mut now, mut refreshed, mut refused) = (0, 0, 0);
    for step in 0..3000 {
        facts.retain(|_, fact| fact.ends > now);
        let (id, who) = (random.usize(..SOCKETS.len()), random.usize(..USERS.len()));
        let given = versions.entry(id).or_default();
        match random.u8(0..10) {
            0..6 => {
                let mut rooms = ROOMS.to_vec();
                random.shuffle(&mut rooms);
                rooms.truncate(random.usize(..3));
                let metadata = serde_json::json!({ "roomId": rooms, "n": random.u8(..3) });
                let metadata = Bytes::from(metadata.to_string());
                let socket = Socket::new(USERS[who], SOCKETS[id], &metadata);
                let ttl = STEP_MS * random.u64(0..4) + STEP_MS / 2;
                let condition = match (random.bool(), given.len()) {
                    (true, 1..) => {
                        let recent = given.len().saturating_sub(random.usize(1..4));
                        since(given[recent], random.bool())
                    }
                    _ => Condition::Always,
                };
                let expected = match (condition, facts.get(&id), removed.get(&id)) {
                    (Condition::Always, ..) => Some(true),
                    (Condition::Since { version, .. }, Some(fact), _) => {
                        Some(fact.version <= version)
                    }
                    (_, None, Some((_, false))) => None,
                    (_, None, Some((at, _))) if *at == now => Some(false),
                    // Not remembered for ever, but nobody says when it is forgotten.
                    (Condition::Since { or_lost, .. }, None, Some(_)) => {
                        if or_lost {
                            None
                        } else {
                            Some(false)
                        }
                    }
                    // What has ended may leave a trace, for those who were told that it lasts longer.
                    (
                        Condition::Since {
                            version,
                            or_lost: true,
                        },
                        None,
                        None,
                    ) if given.last() == Some(&version) => Some(true),
                    (Condition::Since { .. }, None, None) => None,
                };
                let set = world.set_if(&socket, ttl, condition).await;
                assert!(
                    expected.is_none_or(|expected| expected == set.is_some()),
                    "{step}: {condition:?} {set:?}"
                );
                refused += usize::from(set.is_none());
                if let Some(version) = set {
                    refreshed += usize::from(condition != Condition::Always);
                    assert!(given.iter().all(|old| *old < version), "{step}");
                    given.push(version);
                    removed.remove(&id);
                    let ends = now + ttl;
                    let user = who;
                    let fact = Fact {
                        user,
                        rooms,
                        metadata,
                        version,
                        ends,
                    };
                    facts.insert(id, fact);
                }
            }
            6 | 7 => {
                let version = world.remove(USERS[who], SOCKETS[id]).await;
                if facts.get(&id).is_none_or(|fact| fact.user == who) {
                    given.push(version);
                    let was_there = facts.remove(&id).is_some();
                    removed.insert(id, (now, was_there));
                }
            }
            8 => {
                let ms = STEP_MS * random.u64(1..3);
                world.pass(ms).await;
                now += ms;
            }
            _ => {}
        }
        facts.retain(|_, fact| fact.ends > now);
        let places = USERS.map(Place::User).into_iter();
        for place in places.chain(ROOMS.map(Place::Room)) {
            let mut expected: Vec<_> = facts
                .iter()
                .filter(|(_, fact)| match place {
                    Place::User(name) => USERS[fact.user] == name,
                    Place::Room(name) => fact.rooms.contains(&name),
                })
                .map(|(id, fact)| (SOCKETS[*id], fact))
                .collect();
            expected.sort_by_key(|(id, _)| *id);
            let mut there = world.list(place, Detail::Records).await;
            there.sort_by(|one, other| one.socket.cmp(&other.socket));
            let names: Vec<_> = there.iter().map(|one| &*one.socket).collect();
            let wanted: Vec<_> = expected.iter().map(|(id, _)| *id).collect();
            assert_eq!(names, wanted, "{step}: {place:?}");
            for (one, (_, fact)) in there.iter().zip(expected) {
                let record = one.record.as_ref().unwrap();
                assert_eq!(&*one.user, USERS[fact.user], "{step}: {place:?}");
                assert_eq!(record.version, fact.version, "{step}: {place:?}");
                assert_eq!(record.metadata, fact.metadata, "{step}: {place:?}");
                is_about(record.left.as_millis() as u64, fact.ends - now);
            }
        }
    }
    assert!(refreshed > 200 && refused > 200, "{refreshed} {refused}");
}
