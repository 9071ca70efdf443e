//! Reused buffers: a completion's text is written on one thread and freed on the other. Fresh
//! memory of that size would be requested from the kernel for every completion.

use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::mutex::Mutex;

const MOST_BUFFERS: usize = 16;
/// A buffer that has grown beyond this is returned to the system.
const LARGEST_BYTES: usize = 2 << 20;

#[derive(Clone, Debug, Default)]
pub struct BufferPool(Arc<Mutex<Vec<Vec<u8>>>>);

/// A buffer that returns to its pool when it is dropped.
#[derive(Debug)]
pub struct PooledBuffer {
    bytes: Vec<u8>,
    pool: BufferPool,
}

impl BufferPool {
    /// An empty buffer.
    pub fn take(&self) -> PooledBuffer {
        let mut buffers = self.0.lock();
        PooledBuffer {
            bytes: buffers.pop().unwrap_or_default(),
            pool: self.clone(),
        }
    }

    fn give(&self, mut buffer: Vec<u8>) {
        if buffer.capacity() == 0 || buffer.capacity() > LARGEST_BYTES {
            return;
        }
        buffer.clear();
        let mut buffers = self.0.lock();
        if buffers.len() < MOST_BUFFERS {
            buffers.push(buffer);
        }
    }
}

impl Drop for PooledBuffer {
    fn drop(&mut self) {
        self.pool.give(mem::take(&mut self.bytes));
    }
}

impl Deref for PooledBuffer {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for PooledBuffer {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_go_around_and_stay_few_and_small() {
        let pool = BufferPool::default();
        let mut buffer = pool.take();
        buffer.extend_from_slice(&[1; 1000]);
        drop(buffer);
        let mut again = pool.take();
        assert!(again.is_empty() && again.capacity() >= 1000);
        again.reserve(LARGEST_BYTES + 1);
        drop(again);
        assert_eq!(pool.take().capacity(), 0);
        let many: Vec<PooledBuffer> = (0..100).map(|_| pool.take()).collect();
        for mut buffer in many {
            buffer.push(0);
        }
        assert_eq!(pool.0.lock().len(), MOST_BUFFERS);
    }
}
