//! What connections need from the program: it may be asked for credentials before each login, and
//! is told what it might not know.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::{Event, OnEvent, Troubles};
use crate::mutex::{Mutex, MutexGuard};
use crate::store::remote::endpoint::Endpoint;
use crate::store::remote::login::{Credentials, CredentialsFuture, Login, Notice};

/// The reason why there are none is for humans and contains no secret.
pub type CredentialsAnswer = Result<Credentials, String>;

/// The requests for credentials that have not been answered yet.
pub struct CredentialRequests {
    waiting: Mutex<PendingRequests>,
    on_event: OnEvent,
}

#[derive(Default)]
struct PendingRequests {
    last: u32,
    by_number: HashMap<u32, oneshot::Sender<CredentialsAnswer>>,
}

impl CredentialRequests {
    pub fn new(on_event: OnEvent) -> Arc<Self> {
        Arc::new(Self {
            waiting: Mutex::default(),
            on_event,
        })
    }

    /// Makes the connections to `endpoint` report what they notice and, if wanted, ask for
    /// credentials.
    pub fn attach(self: &Arc<Self>, endpoint: &mut Endpoint, asks: bool, troubles: &Arc<Troubles>) {
        let (on_event, troubles) = (self.on_event.clone(), troubles.clone());
        endpoint.on_notice = Arc::new(move |notice| match notice {
            Notice::NeedlessPassword => on_event(Event::NeedlessPassword),
            Notice::Forbidden(what) => {
                if troubles.forbidden.note(&what) {
                    on_event(Event::Forbidden { what });
                }
            }
            Notice::Deaf {
                pubsub_connection,
                reason,
            } => {
                if troubles.deaf.add(pubsub_connection, &reason) {
                    on_event(Event::Deaf { reason });
                }
            }
            Notice::Hears { pubsub_connection } => troubles.deaf.remove(pubsub_connection),
        });
        if asks {
            let credential_requests = self.clone();
            endpoint.login = Login::Ask(Arc::new(move || credential_requests.ask()));
        }
    }

    fn ask(self: &Arc<Self>) -> CredentialsFuture {
        let (sender, answer) = oneshot::channel();
        let mut waiting = self.waiting();
        waiting.last = waiting.last.wrapping_add(1);
        let number = waiting.last;
        waiting.by_number.insert(number, sender);
        drop(waiting);
        (self.on_event)(Event::CredentialsWanted { number });
        let question = CredentialsRequest {
            credential_requests: self.clone(),
            number,
        };
        Box::pin(async move {
            let answered = answer.await;
            drop(question);
            answered.unwrap_or_else(|_| Err("credentials() was not answered".into()))
        })
    }

    /// Callable from any thread. An answer that comes too late is ignored.
    pub fn answer(&self, number: u32, answer: CredentialsAnswer) {
        let asked = self.waiting().by_number.remove(&number);
        if let Some(asked) = asked {
            let _ = asked.send(answer);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, PendingRequests> {
        self.waiting.lock()
    }
}

/// Dropped when it is given up.
struct CredentialsRequest {
    credential_requests: Arc<CredentialRequests>,
    number: u32,
}

impl Drop for CredentialsRequest {
    fn drop(&mut self) {
        self.credential_requests
            .waiting()
            .by_number
            .remove(&self.number);
    }
}
