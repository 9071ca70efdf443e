//! Maps that may become large, in parts of a bounded size: growing, iterating and freeing never
//! take long at a time.
//!
//! There is one more part for every [`PART`] items (linear hashing: W. Litwin, VLDB 1980). The part
//! that is split moves items to a new one at the end: an iteration in the order of the parts finds
//! every item that exists all the time, and some of them twice.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};
use std::iter::once;
use std::mem;

use crate::io_thread::steps::AT_ONCE;

/// Items of a part, on average; the parts that will be split next have up to twice as many.
pub const PART: usize = AT_ONCE;

pub struct Parts<K, V> {
    first: HashMap<K, V>,
    others: Vec<HashMap<K, V>>,
    len: usize,
}

impl<K, V> Default for Parts<K, V> {
    fn default() -> Self {
        Self {
            first: HashMap::new(),
            others: Vec::new(),
            len: 0,
        }
    }
}

impl<K, V> Parts<K, V> {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many parts there are; at least one.
    pub fn count(&self) -> usize {
        1 + self.others.len()
    }

    pub fn part(&self, at: usize) -> Option<&HashMap<K, V>> {
        match at {
            0 => Some(&self.first),
            at => self.others.get(at - 1),
        }
    }

    fn part_mut(&mut self, at: usize) -> Option<&mut HashMap<K, V>> {
        match at {
            0 => Some(&mut self.first),
            at => self.others.get_mut(at - 1),
        }
    }

    pub fn keys(&self) -> impl Iterator<Item = &K> {
        once(&self.first)
            .chain(&self.others)
            .flat_map(HashMap::keys)
    }

    /// All items, one part after the other; each part is freed when it has been taken out.
    pub fn into_items(self) -> impl Iterator<Item = (K, V)> {
        once(self.first).chain(self.others).flatten()
    }
}

impl<K: Eq + Hash, V> Parts<K, V> {
    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.part(self.place(key))?.get(key)
    }

    pub fn get_key_value<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<(&K, &V)>
    where
        K: Borrow<Q>,
    {
        self.part(self.place(key))?.get_key_value(key)
    }

    pub fn get_mut<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.part_mut(self.place(key))?.get_mut(key)
    }

    /// The previous value.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.make_room();
        let at = self.place(&key);
        let before = self.part_mut(at)?.insert(key, value);
        self.len += usize::from(before.is_none());
        before
    }

    pub fn get_or_insert_with(&mut self, key: &K, make: impl FnOnce() -> V) -> &mut V
    where
        K: Clone,
    {
        self.make_room();
        let part = match self.place(key) {
            0 => &mut self.first,
            at => &mut self.others[at - 1],
        };
        let len = &mut self.len;
        part.entry(key.clone()).or_insert_with(|| {
            *len += 1;
            make()
        })
    }

    pub fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let at = self.place(key);
        let removed = self.part_mut(at)?.remove(key);
        self.len -= usize::from(removed.is_some());
        removed
    }

    /// Merges another map into this one; the smaller of the two is inserted into the larger.
    pub fn extend(&mut self, mut others: Self) {
        if others.len > self.len {
            mem::swap(self, &mut others);
        }
        for (key, value) in others.into_items() {
            self.insert(key, value);
        }
    }

    /// Removes the items of one part that should not stay.
    pub fn retain_in(&mut self, at: usize, stays: impl FnMut(&K, &mut V) -> bool) {
        let Some(part) = self.part_mut(at) else {
            return;
        };
        let before = part.len();
        part.retain(stays);
        self.len -= before - part.len();
    }

    /// Adds a part if there are fewer than this, for items that are costly to iterate.
    pub fn spread(&mut self, least: usize) {
        if self.count() < least {
            self.divide();
        }
    }

    fn make_room(&mut self) {
        if self.len >= self.count() * PART {
            self.divide();
        }
    }

    fn divide(&mut self) {
        let (new, hasher) = (self.count(), self.first.hasher().clone());
        let Some(giver) = self.part_mut(new - (1 << new.ilog2())) else {
            return;
        };
        let goes = |key: &K, _: &mut V| place(hasher.hash_one(key), new + 1) == new;
        let given = giver.extract_if(goes).collect();
        giver.shrink_to_fit();
        self.others.push(given);
    }

    fn place<Q: Hash + ?Sized>(&self, key: &Q) -> usize {
        match self.count() {
            1 => 0,
            count => place(self.first.hasher().hash_one(key), count),
        }
    }
}

/// The part of a hash, of this many parts, by bits that the table of a part does not use.
fn place(hash: u64, count: usize) -> usize {
    let (hash, all) = ((hash >> 32) as usize, count.next_power_of_two() - 1);
    match hash & all {
        at if at < count => at,
        at => at & (all >> 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(count: usize) -> Parts<String, usize> {
        let mut parts = Parts::default();
        for at in 0..count {
            assert_eq!(parts.insert(at.to_string(), at), None);
        }
        parts
    }

    fn largest(parts: &Parts<String, usize>) -> usize {
        let sizes = (0..parts.count()).filter_map(|at| Some(parts.part(at)?.len()));
        sizes.max().unwrap_or_default()
    }

    #[test]
    fn a_part_never_has_many_items() {
        let mut parts = of(0);
        for at in 0..50_000 {
            parts.insert(at.to_string(), at);
            if at % 100 == 0 {
                assert!(largest(&parts) <= PART * 5 / 2, "{}", largest(&parts));
            }
        }
        assert_eq!(parts.len(), 50_000);
        assert!(parts.count() >= 48, "{}", parts.count());
    }

    #[test]
    fn every_item_is_found_changed_and_removed() {
        let mut parts = of(10_000);
        for at in 0..10_000 {
            let name = at.to_string();
            assert_eq!(parts.get(&*name), Some(&at));
            assert_eq!(parts.insert(name.clone(), at + 1), Some(at));
            *parts.get_or_insert_with(&name, || 0) += 1;
            *parts.get_mut(&*name).unwrap() += 1;
            assert_eq!(parts.remove(&*name), Some(at + 3));
            assert_eq!(parts.remove(&*name), None);
        }
        assert_eq!(parts.len(), 0);
        assert_eq!(parts.get("0"), None);
        assert_eq!(
            (*parts.get_or_insert_with(&"0".into(), || 7), parts.len()),
            (7, 1)
        );
    }

    #[test]
    fn what_does_not_stay_is_removed_part_by_part() {
        let mut parts = of(5000);
        for at in 0..parts.count() {
            parts.retain_in(at, |_, number| *number % 2 == 0);
        }
        assert_eq!(parts.len(), 2500);
        let left: usize = parts.into_items().map(|(_, number)| number % 2).sum();
        assert_eq!(left, 0);
    }

    #[test]
    fn who_goes_through_the_parts_meets_all_that_was_there() {
        let mut parts = of(3000);
        let (mut met, mut at) = (vec![false; 3000], 0);
        while let Some(part) = parts.part(at) {
            for number in part.values().filter(|number| **number < 3000) {
                met[*number] = true;
            }
            at += 1;
            // The parts are split meanwhile.
            for more in 0..PART / 2 {
                if parts.len() < 20_000 {
                    parts.insert(format!("{at}:{more}"), 3000 + more);
                }
            }
        }
        assert!(met.iter().all(|is_met| *is_met));
        assert!(at > 3, "{at}");
    }

    #[test]
    fn one_takes_what_another_has() {
        for (mine, theirs) in [(10, 5000), (5000, 10)] {
            let mut parts = of(mine);
            parts.extend(of(theirs));
            assert_eq!(parts.len(), 5000);
            let numbers: std::collections::HashSet<usize> =
                parts.into_items().map(|(_, number)| number).collect();
            assert_eq!(numbers.len(), 5000);
        }
    }

    #[test]
    fn costly_items_have_more_parts() {
        let mut parts = of(100);
        (0..20).for_each(|_| parts.spread(4));
        assert_eq!(parts.count(), 4);
        assert!(largest(&parts) < 60, "{}", largest(&parts));
        assert!((0..100).all(|at| parts.get(&*at.to_string()) == Some(&at)));
    }
}
