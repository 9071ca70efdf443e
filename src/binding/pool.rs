//! Buffers that go around: a page's text is written on one thread and freed on the other, and
//! fresh memory of that size would be asked of the kernel, page by page, each time.

use std::sync::{Arc, Mutex, PoisonError};

const MOST_BUFFERS: usize = 16;
/// A buffer that has grown beyond this is given back to the system.
const LARGEST_BYTES: usize = 2 << 20;

#[derive(Clone, Debug, Default)]
pub struct Pool(Arc<Mutex<Vec<Vec<u8>>>>);

impl Pool {
    /// An empty buffer.
    pub fn take(&self) -> Vec<u8> {
        let mut buffers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        buffers.pop().unwrap_or_default()
    }

    pub fn give(&self, mut buffer: Vec<u8>) {
        if buffer.capacity() == 0 || buffer.capacity() > LARGEST_BYTES {
            return;
        }
        buffer.clear();
        let mut buffers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buffers.len() < MOST_BUFFERS {
            buffers.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_go_around_and_stay_few_and_small() {
        let pool = Pool::default();
        let mut buffer = pool.take();
        buffer.extend_from_slice(&[1; 1000]);
        pool.give(buffer);
        let again = pool.take();
        assert!(again.is_empty() && again.capacity() >= 1000);
        pool.give(Vec::with_capacity(LARGEST_BYTES + 1));
        assert_eq!(pool.take().capacity(), 0);
        for _ in 0..100 {
            pool.give(vec![0; 10]);
        }
        assert_eq!(pool.0.lock().unwrap().len(), MOST_BUFFERS);
    }
}
