//! Resolves names. The system's resolver blocks, and a broken one does so for half a minute. So
//! each look-up has a thread of its own while it runs, and other callers that ask for the same name
//! meanwhile wait for the same answer. Nothing is cached: a failover moves a name.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs};
use std::sync::Arc;
use std::thread;

use once_cell::sync::Lazy;
use tokio::sync::watch;

use crate::mutex::{Mutex, MutexGuard};

/// Look-ups that have not ended. This many hang only where nothing can be resolved.
const MOST_AT_ONCE: usize = 64;
/// The address where Redis listens by default comes first.
const LOOPBACK: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];

type LookupResult = Result<Arc<[IpAddr]>, Arc<io::Error>>;
type LookupAnswer = watch::Receiver<Option<LookupResult>>;

static UNDER_WAY: Lazy<Mutex<HashMap<String, LookupAnswer>>> = Lazy::new(Mutex::default);

/// In the system's order. An address and `localhost` need no look-up.
pub async fn addresses_of(host: &str) -> io::Result<Arc<[IpAddr]>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok([address].into());
    }
    if host.eq_ignore_ascii_case("localhost") {
        return Ok(LOOPBACK.into());
    }
    let mut answer = ask(host)?;
    let answered = answer.wait_for(Option::is_some).await;
    match answered.as_deref() {
        Ok(Some(Ok(addresses))) => Ok(addresses.clone()),
        Ok(Some(Err(error))) => Err(io::Error::new(error.kind(), error.to_string())),
        _ => Err(io::Error::other("the name could not be looked up")),
    }
}

fn ask(host: &str) -> io::Result<LookupAnswer> {
    let mut under_way = under_way();
    if let Some(answer) = under_way.get(host) {
        return Ok(answer.clone());
    }
    if under_way.len() >= MOST_AT_ONCE {
        return Err(io::Error::other("too many names are being looked up"));
    }
    let (sender, answer) = watch::channel(None);
    let name = host.to_owned();
    let look_up = move || {
        let asked = LookupGuard(name);
        let found = look_up(&asked.0);
        drop(asked);
        let _ = sender.send(Some(found));
    };
    thread::Builder::new()
        .name("redis-backplane".into())
        .spawn(look_up)?;
    under_way.insert(host.to_owned(), answer.clone());
    Ok(answer)
}

fn look_up(host: &str) -> LookupResult {
    let found = (host, 0).to_socket_addrs().map_err(Arc::new)?;
    Ok(found.map(|address| address.ip()).collect())
}

/// A name that is being resolved. A caller that asks after the end starts a new look-up.
struct LookupGuard(String);

impl Drop for LookupGuard {
    fn drop(&mut self) {
        under_way().remove(&self.0);
    }
}

fn under_way() -> MutexGuard<'static, HashMap<String, LookupAnswer>> {
    UNDER_WAY.lock()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_and_localhost_need_no_look_up() {
        for (host, first) in [
            ("127.0.0.1", "127.0.0.1"),
            ("::1", "::1"),
            ("localhost", "127.0.0.1"),
            ("LocalHost", "127.0.0.1"),
        ] {
            let mut found = Box::pin(addresses_of(host));
            let at_once = futures_util::poll!(&mut found);
            let std::task::Poll::Ready(Ok(addresses)) = at_once else {
                panic!("{host} was looked up");
            };
            assert_eq!(addresses[0].to_string(), first);
        }
    }

    #[tokio::test]
    async fn whoever_asks_for_the_same_name_shares_its_look_up() {
        let (sender, hangs) = watch::channel(None);
        under_way().insert("hangs.invalid".into(), hangs);
        let asked: Vec<_> = (0..100)
            .map(|_| tokio::spawn(addresses_of("hangs.invalid")))
            .collect();
        assert!(addresses_of("localhost").await.is_ok());
        assert!(addresses_of("nowhere.invalid").await.is_err());
        sender.send_replace(Some(Ok([LOOPBACK[0]].into())));
        for one in asked {
            assert_eq!(one.await.unwrap().unwrap()[..], LOOPBACK[..1]);
        }
        under_way().remove("hangs.invalid");
    }
}
