//! The Lua scripts of this store, and how they are sent: in full the first time on a connection, by
//! hash from then on, and in full again when the server has lost it. So a server that does not know
//! them costs no second round trip.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use once_cell::sync::Lazy;
use redis::{Cmd, Script};

use crate::store::{Key, StoreError};

pub struct Lua {
    text: &'static str,
    script: Lazy<Script>,
    /// Its number among all scripts.
    number: Lazy<u32>,
}

static NUMBERS: AtomicU32 = AtomicU32::new(0);

/// The scripts that were sent in full on a connection. Commands stay in order there, so the server
/// has them from the first one on.
#[derive(Default)]
pub struct SentScripts(AtomicU64);

impl SentScripts {
    /// Whether a script has not been sent; it is about to be. Beyond 64 scripts this is not known.
    pub fn is_first(&self, lua: &Lua) -> bool {
        let bit = 1_u64.checked_shl(*lua.number).unwrap_or_default();
        bit & !self.0.load(Ordering::Relaxed) != 0
            && self.0.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }
}

/// A script is one file, or a shared file followed by its own.
macro_rules! lua {
    ($($file:literal),+) => {
        Lua {
            text: concat!($(include_str!($file)),+),
            script: Lazy::new(|| Script::new(concat!($(include_str!($file)),+))),
            number: Lazy::new(|| NUMBERS.fetch_add(1, Ordering::Relaxed)),
        }
    };
}

pub static CACHE_LEASE: Lua = lua!("lua/cache_lease.lua");
pub static CACHE_FILL: Lua = lua!("lua/cache_fill.lua");
pub static CACHE_ABANDON: Lua = lua!("lua/cache_abandon.lua");
pub static RATE_LIMIT_FIXED: Lua = lua!("lua/rate_limit_fixed.lua");
pub static RATE_LIMIT_ROLLING: Lua = lua!("lua/rate_limit_rolling.lua");
pub static LOCK_EXTEND: Lua = lua!("lua/lock_queue.lua", "lua/lock_extend.lua");
pub static LOCK_GIVE: Lua = lua!("lua/lock_queue.lua", "lua/lock_give.lua");
pub static LOCK_TAKE: Lua = lua!("lua/lock_queue.lua", "lua/lock_take.lua");
pub static PRESENCE_BEAT: Lua = lua!("lua/presence_beat.lua");
pub static PRESENCE_CLAIM: Lua = lua!("lua/presence_claim.lua");
pub static PRESENCE_DROP: Lua = lua!("lua/presence_place.lua", "lua/presence_drop.lua");
pub static PRESENCE_FORGET: Lua = lua!("lua/presence_place.lua", "lua/presence_forget.lua");
pub static PRESENCE_LIST: Lua = lua!("lua/presence_place.lua", "lua/presence_list.lua");
pub static PRESENCE_LEASES: Lua = lua!("lua/presence_leases.lua");
pub static PRESENCE_PUT: Lua = lua!("lua/presence_place.lua", "lua/presence_put.lua");
pub static TAG_END: Lua = lua!("lua/tag_end.lua");
pub static TAG_JOIN: Lua = lua!("lua/tag_join.lua");
pub static TAG_INVALIDATE: Lua = lua!("lua/tag_invalidate.lua");

/// An answer that none of our scripts gives: something else answers in the server's place.
pub fn unexpected() -> StoreError {
    StoreError::Rejected("not the answer of the script".into())
}

impl Lua {
    /// All of `keys` are in one hash slot.
    pub fn by_hash(&self, keys: &[&Key], args: &[&[u8]]) -> Cmd {
        Self::command("EVALSHA", self.script.get_hash(), keys, args)
    }

    pub fn whole(&self, keys: &[&Key], args: &[&[u8]]) -> Cmd {
        Self::command("EVAL", self.text, keys, args)
    }

    fn command(name: &str, script: &str, keys: &[&Key], args: &[&[u8]]) -> Cmd {
        // Written at once: an allocation for each argument would be most of the work.
        let parts = keys.iter().map(|key| key.as_bytes().len());
        let bytes: usize = parts.chain(args.iter().map(|arg| arg.len())).sum();
        let words = keys.len() + args.len() + 3;
        let mut command = Cmd::with_capacity(words, bytes + name.len() + script.len() + 4);
        command.arg(name).arg(script).arg(keys.len());
        for key in keys {
            command.arg(key.as_bytes());
        }
        for arg in args {
            command.arg(*arg);
        }
        command
    }
}
