//! Opens the byte stream to a server: TCP, TLS or a Unix socket. The name is resolved anew at
//! every call, because a failover moves it.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::endpoint::{Address, Endpoint};
use super::tls;

/// Finds a dead peer on an idle connection even if the heartbeat were off: the first probe
/// after 10 s of silence, then every 3 s, until the system's own number of probes is reached.
const KEEP_ALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(10))
    .with_interval(Duration::from_secs(3));

pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

pub async fn dial(endpoint: &Endpoint) -> io::Result<Box<dyn ByteStream>> {
    match (&endpoint.address, &endpoint.tls) {
        (Address::Unix(path), _) => Ok(Box::new(UnixStream::connect(path).await?)),
        (Address::Tcp { host, port }, None) => Ok(Box::new(connect(host, *port).await?)),
        (Address::Tcp { host, port }, Some(options)) => {
            let config = tls::client_config(options)?;
            let name = tls::server_name(options, host)?;
            let stream = connect(host, *port).await?;
            let connector = TlsConnector::from(config);
            Ok(Box::new(connector.connect(name, stream).await?))
        }
    }
}

async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    SockRef::from(&stream).set_tcp_keepalive(&KEEP_ALIVE)?;
    Ok(stream)
}
