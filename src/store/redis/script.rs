//! The Lua scripts of this store, and how they are sent: by hash first, whole when the server
//! does not know the hash.

use once_cell::sync::Lazy;
use redis::{Cmd, Script, cmd};

use crate::store::Key;

pub struct Lua {
    text: &'static str,
    script: Lazy<Script>,
}

macro_rules! lua {
    ($file:literal) => {
        Lua {
            text: include_str!($file),
            script: Lazy::new(|| Script::new(include_str!($file))),
        }
    };
}

pub static CACHE_LEASE: Lua = lua!("lua/cache_lease.lua");
pub static CACHE_FILL: Lua = lua!("lua/cache_fill.lua");
pub static CACHE_ABANDON: Lua = lua!("lua/cache_abandon.lua");
pub static LIMIT_FIXED: Lua = lua!("lua/limit_fixed.lua");
pub static LIMIT_ROLLING: Lua = lua!("lua/limit_rolling.lua");

impl Lua {
    pub fn by_hash(&self, key: &Key, args: &[&[u8]]) -> Cmd {
        Self::command("EVALSHA", self.script.get_hash(), key, args)
    }

    pub fn whole(&self, key: &Key, args: &[&[u8]]) -> Cmd {
        Self::command("EVAL", self.text, key, args)
    }

    fn command(name: &str, script: &str, key: &Key, args: &[&[u8]]) -> Cmd {
        let mut command = cmd(name);
        command.arg(script).arg(1).arg(key.as_bytes());
        for arg in args {
            command.arg(*arg);
        }
        command
    }
}
