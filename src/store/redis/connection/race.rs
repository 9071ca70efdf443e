//! Connects to whichever of a name's addresses answers first (RFC 8305, "Happy Eyeballs"): an
//! address that swallows packets delays the others for a moment, not forever.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;
use tokio::time::sleep;

/// The delay before the next address is tried as well. RFC 8305 allows 100 ms to 2 s; this leaves
/// half of the 300 ms within which the second address must be reached.
const NEXT_AFTER: Duration = Duration::from_millis(150);

/// The losing attempts are given up.
pub async fn connect(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut next = interleaved(addresses).into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut failure = None;
    loop {
        match next.next() {
            Some(address) => attempts.push(TcpStream::connect(address)),
            None if attempts.is_empty() => {
                let none = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
                return Err(failure.unwrap_or_else(none));
            }
            None => {}
        }
        tokio::select! {
            Some(outcome) = attempts.next() => match outcome {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = Some(failure.unwrap_or(error)),
            },
            () = sleep(NEXT_AFTER), if next.len() > 0 => {}
        }
    }
}

/// The address families alternate, beginning with that of the first address; each keeps its order.
fn interleaved(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let begins_with_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == begins_with_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut mixed = Vec::with_capacity(first.len() + second.len());
    loop {
        let before = mixed.len();
        mixed.extend(first.next());
        mixed.extend(second.next());
        if mixed.len() == before {
            return mixed;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};
    use std::time::Instant;

    use socket2::{Domain, Socket, Type};
    use tokio::time::timeout;

    use super::*;

    /// An address with a full queue: Linux silently drops new connections there.
    struct Swallowing {
        address: SocketAddr,
        _listener: Socket,
        _queued: Vec<TcpStream>,
    }

    async fn swallowing() -> Swallowing {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let any = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), 0));
        listener.bind(&any.into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let mut queued = Vec::new();
        let patience = Duration::from_millis(300);
        while let Ok(stream) = timeout(patience, TcpStream::connect(address)).await {
            queued.push(stream.unwrap());
        }
        Swallowing {
            address,
            _listener: listener,
            _queued: queued,
        }
    }

    fn listening() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    #[tokio::test]
    async fn an_address_that_swallows_holds_up_the_next_for_a_moment() {
        let swallowing = swallowing().await;
        let (_listener, address) = listening();
        let begun = Instant::now();
        let stream = connect(vec![swallowing.address, address]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
        // 300 ms, plus what a busy machine adds; the system itself would try for two minutes.
        let took = begun.elapsed();
        assert!(took < Duration::from_millis(900), "{took:?}");
        println!("connected after {took:?}");
    }

    #[tokio::test]
    async fn an_address_that_refuses_holds_up_nobody() {
        let (_listener, address) = listening();
        let refusing = listening().1;
        let many = vec![refusing, refusing, refusing, refusing, refusing, address];
        let begun = Instant::now();
        let stream = connect(many).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
        assert!(begun.elapsed() < 4 * NEXT_AFTER);
    }

    #[tokio::test]
    async fn the_first_reason_is_told() {
        let refusing = listening().1;
        let unusable = SocketAddr::from((Ipv4Addr::BROADCAST, 1));
        let error = connect(vec![refusing, unusable]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let error = connect(Vec::new()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn families_take_turns() {
        let parse = |texts: &[&str]| -> Vec<SocketAddr> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        let mixed = interleaved(parse(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1"]));
        let expected = ["[::1]:1", "1.1.1.1:1", "[::2]:1", "[::3]:1"];
        assert_eq!(mixed, parse(&expected));
        let mixed = interleaved(parse(&["1.1.1.1:1", "2.2.2.2:1", "[::1]:1"]));
        assert_eq!(mixed, parse(&["1.1.1.1:1", "[::1]:1", "2.2.2.2:1"]));
    }
}
