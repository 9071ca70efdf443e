//! All JSON texts of a completion are joined into one array, with a separator after each: a number
//! drawn at random for the completion. A stored text that is not JSON, or that is more than one
//! JSON text, moves the separators, so that JavaScript notices and takes the completion apart. It
//! cannot put its content in place of another call's answer.

use crate::binding::buffer_pool::{BufferPool, PooledBuffer};

/// The maximum length written after a text.
const SEPARATOR_BYTES: usize = 16;

/// One large JSON text, with the beginning of the array in front of it.
#[derive(Debug)]
pub struct Begun {
    joined: Vec<u8>,
    pub is_ascii: bool,
}

impl Begun {
    /// `write` appends JSON to the existing text.
    pub fn new(write: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut joined = vec![b'['];
        write(&mut joined);
        // Nothing is moved when the array continues.
        joined.reserve(SEPARATOR_BYTES);
        let is_ascii = joined.is_ascii();
        Self { joined, is_ascii }
    }

    /// `None`: it is not UTF-8.
    pub fn from_text(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let write = |joined: &mut Vec<u8>| {
            joined.reserve_exact(text.len() + SEPARATOR_BYTES);
            joined.extend_from_slice(text.as_bytes());
        };
        Some(Self::new(write))
    }

    pub fn bytes(&self) -> usize {
        self.joined.len()
    }
}

/// JSON texts joined into one array, with a separator after each.
#[derive(Debug)]
pub struct Texts {
    pub joined: PooledBuffer,
    pub values: u32,
}

impl Texts {
    pub fn new(pool: &BufferPool) -> Self {
        Self {
            joined: pool.take(),
            values: 0,
        }
    }

    /// Returns the number of the text.
    pub fn append(&mut self, text: &[u8], separator: u32) -> u32 {
        self.joined.push(if self.values == 0 { b'[' } else { b',' });
        self.joined.extend_from_slice(text);
        self.separate(separator)
    }

    /// Like [`Self::append`], without a copy where it is the first.
    pub fn begin(&mut self, Begun { joined, .. }: Begun, separator: u32) -> u32 {
        if self.values > 0 {
            return self.append(&joined[1..], separator);
        }
        *self.joined = joined;
        self.separate(separator)
    }

    fn separate(&mut self, separator: u32) -> u32 {
        self.joined.push(b',');
        self.joined
            .extend_from_slice(separator.to_string().as_bytes());
        self.values += 1;
        self.values - 1
    }
}
