//! Gathers the answers of one turn of the I/O thread and sends them to JavaScript as pages.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use super::page::{Answer, Page};
use super::pool::Pool;

/// Takes a page to the JavaScript thread; drops it when that thread is gone.
pub type Carrier = Box<dyn Fn(Page) + Send + Sync>;

pub struct Outbox {
    open: Mutex<Page>,
    /// `None`: nobody takes pages any more.
    carrier: Mutex<Option<Carrier>>,
    pool: Pool,
}

impl Outbox {
    /// `pool`: where the carrier gives the buffers of a page back to.
    pub fn new(carrier: Carrier, pool: Pool) -> Arc<Self> {
        Arc::new(Self {
            open: Mutex::new(Page::new(&pool)),
            carrier: Mutex::new(Some(carrier)),
            pool,
        })
    }

    /// To be called on the I/O thread.
    pub fn push(self: &Arc<Self>, id: u32, answer: Answer) {
        let mut page = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let first = page.is_empty();
        page.push(id, answer);
        let full = page.is_full();
        drop(page);
        if full {
            self.send();
        } else if first {
            // Runs after everything that is ready now, so that all of it goes into one page.
            let outbox = self.clone();
            tokio::spawn(async move { outbox.send() });
        }
    }

    /// Lets go of the JavaScript thread; pages are dropped from now on.
    pub fn close(&self) {
        let mut carrier = self.carrier.lock().unwrap_or_else(PoisonError::into_inner);
        *carrier = None;
    }

    fn send(&self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut page = mem::replace(&mut *open, Page::new(&self.pool));
        drop(open);
        if !page.is_empty() {
            page.finish();
            let carrier = self.carrier.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(carry) = &*carrier {
                carry(page);
            }
        }
    }
}

/// The duty to answer one call. A task that panics drops it, and the call is answered so.
pub struct Reply {
    outbox: Arc<Outbox>,
    id: u32,
    answered: bool,
}

impl Reply {
    pub fn new(outbox: &Arc<Outbox>, id: u32) -> Self {
        Self {
            outbox: outbox.clone(),
            id,
            answered: false,
        }
    }

    pub fn send(mut self, answer: Answer) {
        self.answered = true;
        self.outbox.push(self.id, answer);
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if !self.answered {
            let answer = Answer::Error {
                code: "E_INTERNAL",
                message: "redis-backplane failed inside; this is a bug in it".into(),
            };
            self.outbox.push(self.id, answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording() -> (Arc<Outbox>, Arc<Mutex<Vec<Page>>>) {
        let pages = Arc::new(Mutex::new(Vec::new()));
        let sent = pages.clone();
        let outbox = Outbox::new(
            Box::new(move |page| sent.lock().unwrap().push(page)),
            Pool::default(),
        );
        (outbox, pages)
    }

    #[tokio::test]
    async fn one_turn_is_one_page() {
        let (outbox, pages) = recording();
        for id in 0..100 {
            Reply::new(&outbox, id).send(Answer::Null);
        }
        tokio::task::yield_now().await;
        let pages = pages.lock().unwrap();
        assert_eq!(pages.len(), 1);
        assert_eq!(pages[0].completed, 100);
    }

    #[tokio::test]
    async fn a_panic_rejects_its_call_and_no_other() {
        let (outbox, pages) = recording();
        let doomed = Reply::new(&outbox, 7);
        let failed = tokio::spawn(async move {
            let _doomed = doomed;
            panic!("provoked by a test");
        });
        assert!(failed.await.unwrap_err().is_panic());
        Reply::new(&outbox, 8).send(Answer::Null);
        tokio::task::yield_now().await;
        let words: Vec<u32> = pages
            .lock()
            .unwrap()
            .iter()
            .flat_map(|p| p.words.clone())
            .collect();
        assert_eq!(words, [7, 6, 8, 1]);
    }
}
