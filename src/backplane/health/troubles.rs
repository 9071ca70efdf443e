//! What is wrong although Redis is available.

use std::time::SystemTime;

use super::deaf::DeafConnections;
use super::forbidden::ForbiddenCommands;

#[derive(Default)]
pub struct Troubles {
    pub forbidden: ForbiddenCommands,
    pub deaf: DeafConnections,
}

/// For humans: contains no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub reason: String,
    pub since: SystemTime,
    /// What the server forbids this user.
    pub forbidden: Vec<String>,
}

impl Troubles {
    pub fn now(&self) -> Option<Trouble> {
        let (forbidden, refused_since) = self.forbidden.recent();
        let deaf = self.deaf.longest();
        let reasons = [
            refused_since.map(|_| format!("Redis forbids {}", forbidden.join(", "))),
            deaf.as_ref()
                .map(|(why, _)| format!("nothing can be received ({why})")),
        ];
        let since = refused_since
            .into_iter()
            .chain(deaf.map(|(_, since)| since));
        Some(Trouble {
            since: since.min()?,
            reason: reasons.into_iter().flatten().collect::<Vec<_>>().join("; "),
            forbidden,
        })
    }
}
