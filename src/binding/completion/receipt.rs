//! A receipt for a completion with messages: it tells their sender that they have been taken.

use std::fmt;

/// Reports when it is dropped.
pub struct Receipt(Box<dyn Fn() + Send>);

impl Receipt {
    pub fn new(tell: impl Fn() + Send + 'static) -> Self {
        Self(Box::new(tell))
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        (self.0)();
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receipt")
    }
}
