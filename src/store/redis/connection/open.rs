//! Makes one connection: stream, authentication, name, and a first check whether the server would
//! serve.

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
use super::login::{Notice, OnNotice, log_in};
use super::peer_check::{Questions, Unfit};
use crate::store::redis::reply;
use crate::store::{Key, ServerFacts, StoreError};

/// As shown by `CLIENT LIST`.
const CLIENT_NAME: &str = "redis-backplane";
/// How every connection identifies itself; a server that does not know these commands loses
/// nothing.
pub const NAMING: [&[&str]; 3] = [
    &["CLIENT", "SETNAME", CLIENT_NAME],
    &["CLIENT", "SETINFO", "LIB-NAME", CLIENT_NAME],
    &["CLIENT", "SETINFO", "LIB-VER", env!("CARGO_PKG_VERSION")],
];
/// The database of every new connection. Some servers and access rules do not know `SELECT`.
const FIRST_DB: u32 = 0;
/// Requests that may wait for the driver; each is a whole chunk of calls.
const DRIVER_QUEUE: usize = 1024;
/// Bytes that accumulate before the driver writes: a tick's calls are sent in one system call.
const WRITE_BUFFER: usize = 256 * 1024;

/// An accepted connection. Ends when it is dropped.
pub struct Connection {
    pub commands: MultiplexedConnection,
    pub flow: Arc<Flow>,
    pub identity: Option<ConnectionIdentity>,
    pub facts: ServerFacts,
    pub questions: Questions,
    on_notice: OnNotice,
    driver: AbortHandle,
}

impl Connection {
    pub fn is_closed(&self) -> bool {
        self.driver.is_finished()
    }

    /// Reports what the server forbids, if the error of a command of this package says so.
    pub fn note(&self, error: &str) {
        if let Some(what) = reply::forbidden(error) {
            self.forbids(what);
        }
    }

    pub fn forbids(&self, what: String) {
        (self.on_notice)(Notice::Forbidden(what));
    }

    /// Closes the stream; commands in flight fail.
    pub fn end(&self) {
        self.driver.abort();
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.end();
    }
}

/// The server's identification of a connection, for [`kill`]ing it from another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionIdentity {
    id: String,
    address: String,
}

#[derive(Debug)]
pub enum ConnectError {
    /// There is no server, or it was not reached in time.
    Unreachable(String),
    /// The server answered that it does not accept us; holds its error code.
    Refused(String),
    /// There is a server, but not the one we need.
    Unfit(Unfit),
}

impl From<Unfit> for ConnectError {
    fn from(unfit: Unfit) -> Self {
        Self::Unfit(unfit)
    }
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
    // The whole login is done here, where the server's own error code can be read.
    let no_login = RedisConnectionInfo::default().set_skip_set_lib_name();
    let (commands, driver) = MultiplexedConnection::new_with_config(&no_login, stream, config)
        .await
        .map_err(|error| ConnectError::Unreachable(error.to_string()))?;
    let driver = tokio::spawn(async move {
        driver.await;
        on_end();
    })
    .abort_handle();
    // From here on, dropping the connection ends the driver in any case.
    let mut connection = Connection {
        commands,
        flow,
        identity: None,
        facts: ServerFacts::default(),
        questions: Questions::new(),
        on_notice: endpoint.on_notice.clone(),
        driver,
    };
    connection.introduce(endpoint.db).await?;
    Ok(connection)
}

/// An accepted stream to the server on which nothing else has been sent.
pub async fn enter(endpoint: &Endpoint) -> Result<Box<dyn ByteStream>, ConnectError> {
    let mut stream = dial(endpoint).await.map_err(unreachable)?;
    log_in(&mut stream, endpoint).await?;
    Ok(stream)
}

/// `connection refused`, not `Connection refused (os error 111)`. Some have only the system's name
/// (`EMFILE`).
pub fn unreachable(error: io::Error) -> ConnectError {
    let (text, kind) = (error.to_string(), error.kind().to_string());
    ConnectError::Unreachable(match text.split_once(" (os error") {
        Some((own, _)) if kind == "uncategorized error" => own.to_lowercase(),
        Some(_) => kind,
        None => text,
    })
}

impl Connection {
    /// Selects the database, names the connection, and asks what the server is. Old servers and
    /// narrow ACLs may not know the naming commands; only the killing of an abandoned connection
    /// depends on them.
    async fn introduce(&mut self, db: u32) -> Result<(), ConnectError> {
        let mut commands = Vec::new();
        if db != FIRST_DB {
            commands.push(command(&["SELECT", &db.to_string()]));
        }
        commands.extend(NAMING.map(command));
        commands.push(command(&["CLIENT", "INFO"]));
        let (questions, riddle) = self.questions.first();
        let first_question = commands.len();
        commands.extend(questions);
        let mut replies = self.exchange(commands).await?;
        if db != FIRST_DB
            && let Some(Value::ServerError(error)) = replies.first()
        {
            let details = error.details().unwrap_or_default();
            return Err(ConnectError::Refused(format!("SELECT {db}: {details}")));
        }
        let answers = replies.split_off(first_question.min(replies.len()));
        self.identity = replies.pop().and_then(identity);
        self.questions.hear(&mut self.facts, 0, &riddle, &answers)?;
        if !self.questions.are_known() && self.facts.objection().is_none() {
            let (questions, riddle) = self.questions.second();
            let answers = self.exchange(questions).await?;
            self.questions.hear(&mut self.facts, 1, &riddle, &answers)?;
        }
        match self.facts.objection() {
            Some(unfit) => Err(unfit.into()),
            None => Ok(()),
        }
    }

    async fn exchange(&mut self, commands: Vec<Cmd>) -> Result<Vec<Value>, ConnectError> {
        let mut pipeline = Pipeline::with_capacity(commands.len());
        for command in commands {
            pipeline.add_command(command);
        }
        let sent = self
            .commands
            .send_packed_commands(&pipeline, 0, pipeline.len());
        sent.await
            .map_err(|error| ConnectError::Unreachable(error.to_string()))
    }
}

fn identity(client_info: Value) -> Option<ConnectionIdentity> {
    let text = match client_info {
        Value::BulkString(text) => String::from_utf8(text).ok()?,
        Value::VerbatimString { text, .. } => text,
        _ => return None,
    };
    let field = |name: &str| text.split(' ').find_map(|pair| pair.strip_prefix(name));
    Some(ConnectionIdentity {
        id: field("id=")?.to_owned(),
        address: field("addr=")?.to_owned(),
    })
}

/// Kills a connection that this process has given up, so that nothing it had sent can take effect
/// from now on. The address protects another client that has the same id on a restarted server.
/// Returns whether the server did it, or never will (not allowed, not known, already gone).
pub async fn kill(
    commands: &mut MultiplexedConnection,
    ghost: &ConnectionIdentity,
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
) -> Result<KnownCommands, StoreError> {
    let mut pipeline = Pipeline::with_capacity(4);
    pipeline.add_command(command(&["PING"]));
    let mut write = cmd("SETRANGE");
    write.arg(probe_key.as_bytes()).arg(0).arg("");
    pipeline.add_command(write);
    let key = probe_key.as_bytes();
    let mut part = cmd("GETRANGE");
    part.arg(key).arg(0).arg(0);
    pipeline.add_command(part);
    let mut unlink = cmd("UNLINK");
    unlink.arg(key);
    pipeline.add_command(unlink);
    let sent = timeout(
        within,
        commands.send_packed_commands(&pipeline, 0, pipeline.len()),
    );
    let Ok(Ok(replies)) = sent.await else {
        return Err(StoreError::Lost);
    };
    let mut refusals = Vec::new();
    for answer in replies {
        match reply::accept(answer) {
            Err(refused @ StoreError::Refused(_)) => return Err(refused),
            Err(StoreError::Rejected(text)) => refusals.extend(reply::forbidden(&text)),
            _ => {}
        }
    }
    Ok(KnownCommands::without(refusals))
}

/// Which of the commands with alternatives a server knows, and allows this user.
#[derive(Debug, Default)]
pub struct KnownCommands {
    pub has_no_unlink: bool,
    pub has_no_getrange: bool,
    pub refusals: Vec<String>,
}

impl KnownCommands {
    fn without(refusals: Vec<String>) -> Self {
        let lacks = |name: &str| refusals.iter().any(|refused| refused == name);
        Self {
            has_no_unlink: lacks("UNLINK"),
            has_no_getrange: lacks("GETRANGE"),
            refusals,
        }
    }
}

pub fn command(words: &[&str]) -> Cmd {
    let mut command = Cmd::new();
    for word in words {
        command.arg(*word);
    }
    command
}
