//! All JSON texts of a page are joined into one array, with a separator behind each: a number
//! drawn at random for the page. A stored text that is not JSON, or more than one JSON text,
//! moves the separators, so that JavaScript notices and takes the page apart; it cannot put its
//! content into the place of another call's.

use crate::binding::pool::{Pool, Pooled};

/// JSON texts joined into one array, a separator behind each.
#[derive(Debug)]
pub struct Texts {
    pub joined: Pooled,
    pub values: u32,
}

impl Texts {
    pub fn new(pool: &Pool) -> Self {
        Self {
            joined: pool.take(),
            values: 0,
        }
    }

    /// Answers the number of the text.
    pub fn append(&mut self, text: &[u8], separator: u32) -> u32 {
        self.joined.push(if self.values == 0 { b'[' } else { b',' });
        self.joined.extend_from_slice(text);
        self.joined.push(b',');
        self.joined
            .extend_from_slice(separator.to_string().as_bytes());
        self.values += 1;
        self.values - 1
    }
}
