//! Opens the byte stream to a server: TCP, TLS or a Unix socket. The name is resolved again at
//! every call, because a failover moves it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::endpoint::{Endpoint, ServerAddress};
use super::race;
use super::seeds::Host;
use crate::io_thread::{self, lookup};

/// Finds a dead peer on an idle connection even without the heartbeat: the first probe after 10 s
/// of silence, then every 3 s, until the system's own number of probes is reached.
const KEEP_ALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(10))
    .with_interval(Duration::from_secs(3));

pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

pub async fn dial(endpoint: &Endpoint) -> io::Result<Box<dyn ByteStream>> {
    if io_thread::is_lent() {
        return Err(io::Error::other("no thread can be started"));
    }
    let host = match &endpoint.address {
        ServerAddress::Tcp(seeds) => seeds.current(),
        ServerAddress::Unix(path) => return Ok(Box::new(UnixStream::connect(path).await?)),
        ServerAddress::Unknown(why) => return Err(io::Error::other(why.clone())),
    };
    let Some(tls) = &endpoint.tls else {
        return Ok(Box::new(connect(host).await?));
    };
    let name = tls.server_name(&host.name)?;
    let stream = connect(host).await?;
    let connector = TlsConnector::from(tls.config.clone());
    Ok(Box::new(connector.connect(name, stream).await?))
}

async fn connect(host: &Host) -> io::Result<TcpStream> {
    let addresses = lookup::addresses_of(&host.name).await?;
    let with_port = |address: &IpAddr| SocketAddr::from((*address, host.port));
    let stream = race::connect(addresses.iter().map(with_port).collect()).await?;
    stream.set_nodelay(true)?;
    SockRef::from(&stream).set_tcp_keepalive(&KEEP_ALIVE)?;
    Ok(stream)
}
