//! Which objects have the same keys in the same order. JavaScript engines call that a shape, and
//! store shapes as a tree with one key at each step. So does this module. JavaScript is told of a
//! shape that occurs repeatedly.

use std::mem;

use serde_json::json;

/// An object of a shape is seen this often before JavaScript is told and makes a function for it.
const TOLD_AT: u32 = 32;
/// Objects with more keys, or longer ones, are dictionaries rather than records.
const MOST_KEYS: u32 = 64;
const LONGEST_KEY: usize = 64;
/// Bounds of the tree. Keys that differ from object to object fill it quickly.
const MOST_NODES: usize = 4096;
const MOST_BRANCHES: usize = 64;
/// The tree refuses to grow this often; then it is emptied, so that the current shapes find a
/// place.
const MOST_REFUSALS: u32 = 10_000;

const ROOT: u32 = 0;

#[derive(Debug)]
pub struct Shapes {
    nodes: Vec<ShapeTreeNode>,
    told: u32,
    /// Sent with the completion that is being written.
    news: Vec<u32>,
    refusals: u32,
    is_anew: bool,
}

/// An object that has the keys from the root to here.
#[derive(Debug)]
struct ShapeTreeNode {
    key: Box<str>,
    parent: u32,
    depth: u32,
    /// The most recently requested one comes first.
    branches: Vec<u32>,
    seen: u32,
    number: Option<u32>,
}

impl Default for Shapes {
    fn default() -> Self {
        Self {
            nodes: vec![ShapeTreeNode::new("", ROOT, 0)],
            told: 0,
            news: Vec::new(),
            refusals: 0,
            is_anew: false,
        }
    }
}

impl ShapeTreeNode {
    fn new(key: &str, parent: u32, depth: u32) -> Self {
        Self {
            key: key.into(),
            parent,
            depth,
            branches: Vec::new(),
            seen: 0,
            number: None,
        }
    }
}

/// How far an object has been read.
#[derive(Clone, Copy, Debug)]
pub struct ShapeNode(u32);

impl Shapes {
    pub fn start() -> ShapeNode {
        ShapeNode(ROOT)
    }

    /// From a position by a key to the next position; `None` for an object that is not a shape, or
    /// for which there is no room.
    pub fn step(&mut self, place: ShapeNode, key: &str) -> Option<ShapeNode> {
        let node = &self.nodes[place.0 as usize];
        let found = node
            .branches
            .iter()
            .position(|&branch| *self.nodes[branch as usize].key == *key);
        match found {
            Some(index) => {
                let branches = &mut self.nodes[place.0 as usize].branches;
                branches.swap(0, index);
                Some(ShapeNode(branches[0]))
            }
            None => self.grow(place, key),
        }
    }

    /// The number by which JavaScript knows the shape of an object that ends here, if it does.
    pub fn number(&mut self, place: ShapeNode) -> Option<u32> {
        let node = &mut self.nodes[place.0 as usize];
        node.seen += 1;
        if node.number.is_none() && node.seen >= TOLD_AT {
            node.number = Some(self.told);
            self.told += 1;
            self.news.push(place.0);
        }
        node.number
    }

    /// Must be called at the end of each completion. Returns what JavaScript has to be told with
    /// it, as JSON: `shapes`, the keys of each new one, numbered in sequence, and `isAnew`, whether
    /// all earlier ones are dropped.
    pub fn take_news(&mut self) -> Option<String> {
        let is_anew = mem::take(&mut self.is_anew);
        let new = mem::take(&mut self.news);
        let shapes: Vec<_> = new.into_iter().map(|node| self.keys(node)).collect();
        let is_news = is_anew || !shapes.is_empty();
        let news = is_news.then(|| json!({ "isAnew": is_anew, "shapes": shapes }).to_string());
        if self.refusals >= MOST_REFUSALS {
            *self = Self {
                is_anew: true,
                ..Self::default()
            };
        }
        news
    }

    fn grow(&mut self, place: ShapeNode, key: &str) -> Option<ShapeNode> {
        let node = &self.nodes[place.0 as usize];
        let depth = node.depth + 1;
        if depth > MOST_KEYS || !is_plain(key) || self.has_key(place, key) {
            return None;
        }
        if self.nodes.len() >= MOST_NODES || node.branches.len() >= MOST_BRANCHES {
            self.refusals += 1;
            return None;
        }
        let new = self.nodes.len() as u32;
        self.nodes.push(ShapeTreeNode::new(key, place.0, depth));
        self.nodes[place.0 as usize].branches.push(new);
        Some(ShapeNode(new))
    }

    /// JSON may name a key twice; the last one counts.
    fn has_key(&self, place: ShapeNode, key: &str) -> bool {
        self.keys(place.0).contains(&key)
    }

    fn keys(&self, mut node: u32) -> Vec<&str> {
        let mut keys = Vec::new();
        while node != ROOT {
            let ShapeTreeNode { key, parent, .. } = &self.nodes[node as usize];
            keys.push(&**key);
            node = *parent;
        }
        keys.reverse();
        keys
    }
}

/// Written in an object literal, it is the same key, in the same position.
fn is_plain(key: &str) -> bool {
    let is_index = key.starts_with(|first: char| first.is_ascii_digit());
    key.len() <= LONGEST_KEY && key != "__proto__" && !is_index
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(shapes: &mut Shapes, keys: &[&str]) -> Option<u32> {
        let mut place = Shapes::start();
        for key in keys {
            place = shapes.step(place, key)?;
        }
        shapes.number(place)
    }

    fn learn(shapes: &mut Shapes, keys: &[&str]) -> Option<u32> {
        for _ in 1..TOLD_AT {
            assert_eq!(look(shapes, keys), None);
        }
        look(shapes, keys)
    }

    #[test]
    fn a_shape_is_told_once_when_it_has_come_often_enough() {
        let mut shapes = Shapes::default();
        assert_eq!(learn(&mut shapes, &["a", "b"]), Some(0));
        assert_eq!(learn(&mut shapes, &["b", "a"]), Some(1));
        let news = r#"{"isAnew":false,"shapes":[["a","b"],["b","a"]]}"#;
        assert_eq!(shapes.take_news().unwrap(), news);
        assert_eq!(look(&mut shapes, &["a", "b"]), Some(0));
        assert_eq!(shapes.take_news(), None);
        assert_eq!(learn(&mut shapes, &["a"]), Some(2));
        assert_eq!(learn(&mut shapes, &[]), Some(3));
        let news = r#"{"isAnew":false,"shapes":[["a"],[]]}"#;
        assert_eq!(shapes.take_news().unwrap(), news);
    }

    #[test]
    fn what_an_object_literal_would_make_another_object_of_is_no_shape() {
        let mut shapes = Shapes::default();
        for keys in [&["__proto__"][..], &["0"], &["12ab"], &["a", "b", "a"]] {
            for _ in 0..2 * TOLD_AT {
                assert_eq!(look(&mut shapes, keys), None, "{keys:?}");
            }
        }
    }

    #[test]
    fn the_tree_is_bounded_and_begins_anew_when_nothing_finds_a_place() {
        let mut shapes = Shapes::default();
        learn(&mut shapes, &["known"]);
        // One branch is taken already.
        let tries = MOST_BRANCHES - 1 + MOST_REFUSALS as usize;
        for i in 0..tries {
            assert!(!tells_of_a_beginning(&mut shapes));
            look(&mut shapes, &[&format!("key{i}")]);
            assert!(shapes.nodes.len() <= MOST_NODES);
        }
        // With the completion after the one that filled it.
        assert!(!tells_of_a_beginning(&mut shapes));
        assert_eq!(learn(&mut shapes, &["known"]), Some(0));
        let news = r#"{"isAnew":true,"shapes":[["known"]]}"#;
        assert_eq!(shapes.take_news().unwrap(), news);
        assert_eq!(shapes.take_news(), None);
    }

    fn tells_of_a_beginning(shapes: &mut Shapes) -> bool {
        let news = shapes.take_news();
        news.is_some_and(|news| news.contains(r#""isAnew":true"#))
    }

    #[test]
    fn an_object_of_very_many_keys_is_no_shape() {
        let mut shapes = Shapes::default();
        let long: Vec<String> = (0..=MOST_KEYS).map(|i| format!("k{i}")).collect();
        let long: Vec<&str> = long.iter().map(String::as_str).collect();
        for _ in 0..2 * TOLD_AT {
            assert_eq!(look(&mut shapes, &long), None);
        }
    }
}
