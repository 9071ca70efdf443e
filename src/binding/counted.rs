//! What calls are counted as.

use napi_derive::napi;

/// A function that `lib/metrics.js` reports.
#[napi(object, object_from_js = false)]
pub struct CountedFunction {
    pub name: &'static str,
    /// Calls of which kind.
    pub op: u32,
    /// It reads a cache: its calls hit or miss.
    pub reads_cache: bool,
}

pub struct CountedAs {
    name: &'static str,
    reads_cache: bool,
}

/// No function of its own: part of another, or none that anybody asks about.
pub const UNCOUNTED: Option<CountedAs> = None;

pub const fn counted(name: &'static str) -> Option<CountedAs> {
    let reads_cache = false;
    Some(CountedAs { name, reads_cache })
}

/// Reads of a cache, which hit or miss.
pub const fn counted_reads(name: &'static str) -> Option<CountedAs> {
    let reads_cache = true;
    Some(CountedAs { name, reads_cache })
}

impl CountedAs {
    pub fn function(&self, op: u32) -> CountedFunction {
        CountedFunction {
            name: self.name,
            op,
            reads_cache: self.reads_cache,
        }
    }
}
