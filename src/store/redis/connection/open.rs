//! Makes one connection: stream, authentication, name, and a first look at whether the server
//! would serve.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, Pipeline, RedisConnectionInfo, Value, cmd};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::dial::{ByteStream, dial};
use super::endpoint::Endpoint;
use super::flow::{Flow, Metered};
use super::login::log_in;
use crate::store::redis::reply;
use crate::store::{Key, StoreError};

/// As shown by `CLIENT LIST`.
const CLIENT_NAME: &str = "redis-backplane";
/// What every connection says of itself; a server that does not know the words loses nothing.
pub const NAMING: [&[&str]; 3] = [
    &["CLIENT", "SETNAME", CLIENT_NAME],
    &["CLIENT", "SETINFO", "LIB-NAME", CLIENT_NAME],
    &["CLIENT", "SETINFO", "LIB-VER", env!("CARGO_PKG_VERSION")],
];
/// Where every connection begins. Some servers and access rules know no `SELECT`.
const FIRST_DB: u32 = 0;
/// Requests that may wait for the driver; each is a whole chunk of calls.
const DRIVER_QUEUE: usize = 1024;
/// Bytes that gather before the driver writes: a tick's calls leave in one system call.
const WRITE_BUFFER: usize = 256 * 1024;

/// A connection that has been let in. Ends when it is dropped.
pub struct Connection {
    pub commands: MultiplexedConnection,
    pub flow: Arc<Flow>,
    pub identity: Option<Identity>,
    driver: AbortHandle,
}

impl Connection {
    pub fn is_closed(&self) -> bool {
        self.driver.is_finished()
    }

    /// Closes the stream; commands that are under way fail.
    pub fn end(&self) {
        self.driver.abort();
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.end();
    }
}

/// How the server knows a connection, for [`kill`]ing it from another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    id: String,
    address: String,
}

#[derive(Debug)]
pub enum ConnectError {
    /// Nobody there, or not Redis, or not in time.
    Unreachable(String),
    /// The server answered that it will not have us; holds its error code.
    Refused(String),
}

/// Connects within `connect_timeout`. `on_end` runs when the connection ends by itself.
pub async fn open(
    endpoint: &Endpoint,
    flow: Arc<Flow>,
    on_end: impl FnOnce() + Send + 'static,
) -> Result<Connection, ConnectError> {
    match timeout(endpoint.connect_timeout, open_now(endpoint, flow, on_end)).await {
        Ok(outcome) => outcome,
        Err(_) => {
            let ms = endpoint.connect_timeout.as_millis();
            Err(ConnectError::Unreachable(format!(
                "no answer within {ms} ms"
            )))
        }
    }
}

async fn open_now(
    endpoint: &Endpoint,
    flow: Arc<Flow>,
    on_end: impl FnOnce() + Send + 'static,
) -> Result<Connection, ConnectError> {
    let stream = Metered::new(enter(endpoint).await?, flow.clone());
    let config = AsyncConnectionConfig::new()
        .set_response_timeout(None)
        .set_connection_timeout(None)
        .set_pipeline_buffer_size(DRIVER_QUEUE)
        .set_write_backpressure_boundary(WRITE_BUFFER);
    // All that a login needs is said here, where the server's own error code can be read.
    let no_login = RedisConnectionInfo::default().set_skip_set_lib_name();
    let (commands, driver) = MultiplexedConnection::new_with_config(&no_login, stream, config)
        .await
        .map_err(|error| ConnectError::Unreachable(error.to_string()))?;
    let driver = tokio::spawn(async move {
        driver.await;
        on_end();
    })
    .abort_handle();
    // From here on dropping the connection ends the driver, whatever comes.
    let mut connection = Connection {
        commands,
        flow,
        identity: None,
        driver,
    };
    connection.identity = introduce(&mut connection.commands, endpoint.db).await?;
    Ok(connection)
}

/// A stream to the server that has been let in, and has not been told anything else.
pub async fn enter(endpoint: &Endpoint) -> Result<Box<dyn ByteStream>, ConnectError> {
    let mut stream = dial(endpoint).await.map_err(unreachable)?;
    log_in(&mut stream, endpoint).await?;
    Ok(stream)
}

/// `connection refused`, not `Connection refused (os error 111)`.
pub fn unreachable(error: io::Error) -> ConnectError {
    ConnectError::Unreachable(match error.raw_os_error() {
        Some(_) => error.kind().to_string(),
        None => error.to_string(),
    })
}

/// Chooses the database and names the connection. Old servers and narrow ACLs may not know the
/// naming commands; nothing depends on them but the killing of a connection that was given up.
async fn introduce(
    commands: &mut MultiplexedConnection,
    db: u32,
) -> Result<Option<Identity>, ConnectError> {
    let mut pipeline = Pipeline::with_capacity(2 + NAMING.len());
    if db != FIRST_DB {
        pipeline.add_command(command(&["SELECT", &db.to_string()]));
    }
    for words in NAMING {
        pipeline.add_command(command(words));
    }
    pipeline.add_command(command(&["CLIENT", "INFO"]));
    let replies = commands
        .send_packed_commands(&pipeline, 0, pipeline.len())
        .await
        .map_err(|error| ConnectError::Unreachable(error.to_string()))?;
    if db != FIRST_DB
        && let Some(Value::ServerError(error)) = replies.first()
    {
        let details = error.details().unwrap_or_default();
        return Err(ConnectError::Refused(format!("SELECT {db}: {details}")));
    }
    Ok(replies.into_iter().next_back().and_then(identity))
}

fn identity(client_info: Value) -> Option<Identity> {
    let text = match client_info {
        Value::BulkString(text) => String::from_utf8(text).ok()?,
        Value::VerbatimString { text, .. } => text,
        _ => return None,
    };
    let field = |name: &str| text.split(' ').find_map(|pair| pair.strip_prefix(name));
    Some(Identity {
        id: field("id=")?.to_owned(),
        address: field("addr=")?.to_owned(),
    })
}

/// Ends a connection that this process has given up, so that nothing that it had sent can take
/// effect from now on. The address guards a stranger who has the same id on a restarted server.
/// Answers whether the server did, or never will (not allowed, not known, already gone).
pub async fn kill(
    commands: &mut MultiplexedConnection,
    ghost: &Identity,
    within: Duration,
) -> bool {
    let kill = command(&["CLIENT", "KILL", "ID", &ghost.id, "ADDR", &ghost.address]);
    matches!(
        timeout(within, commands.send_packed_command(&kill)).await,
        Ok(Ok(_))
    )
}

/// Asks the server whether it would serve reads and writes, without writing anything.
///
/// `SETRANGE key 0 ""` on an absent key changes nothing, yet Redis refuses it wherever it would
/// refuse a write: on a replica (READONLY), after a failed save (MISCONF), out of memory (OOM).
pub async fn probe(
    commands: &mut MultiplexedConnection,
    probe_key: &Key,
    within: Duration,
) -> Result<(), StoreError> {
    let mut pipeline = Pipeline::with_capacity(2);
    pipeline.add_command(command(&["PING"]));
    let mut write = cmd("SETRANGE");
    write.arg(probe_key.as_bytes()).arg(0).arg("");
    pipeline.add_command(write);
    let sent = timeout(within, commands.send_packed_commands(&pipeline, 0, 2));
    let Ok(Ok(replies)) = sent.await else {
        return Err(StoreError::Lost);
    };
    for answer in replies {
        if let Err(refused @ StoreError::Refused(_)) = reply::accept(answer) {
            return Err(refused);
        }
    }
    Ok(())
}

pub fn command(words: &[&str]) -> Cmd {
    let mut command = Cmd::new();
    for word in words {
        command.arg(*word);
    }
    command
}
