//! A redis-server of the test's own: free port, own directory, ended when dropped.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use redis_backplane::store::availability::{Availability, Recovery, Switch};
use redis_backplane::store::memory::{Bounds, Clock, MemoryStore};
use redis_backplane::store::redis::RedisStore;
use redis_backplane::store::redis::connection::endpoint::{Endpoint, ServerAddress};
use redis_backplane::store::redis::connection::login::{Credentials, Login};
use redis_backplane::store::redis::connection::seeds::{Host, Seeds};
use redis_backplane::store::redis::connection::supervisor::Supervisor;
use redis_backplane::store::{Key, RawCommands, Result, ServerReply};
use tokio::time::timeout;

static DIRECTORIES: AtomicU32 = AtomicU32::new(0);

pub struct Server {
    child: Child,
    directory: PathBuf,
    pub port: u16,
}

impl Server {
    pub fn start() -> Self {
        let binary = std::env::var("REDIS_SERVER_BIN").unwrap_or("redis-server".into());
        let number = DIRECTORIES.fetch_add(1, Ordering::Relaxed);
        let name = format!("redis-backplane-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        let port = free_port();
        let child = Command::new(&binary)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no", "--dir"])
            .arg(&directory)
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{binary} could not be started: {error}"));
        let server = Self {
            child,
            directory,
            port,
        };
        server.wait();
        server
    }

    pub fn endpoint(&self) -> Endpoint {
        Endpoint {
            address: ServerAddress::Tcp(Seeds::new(vec![Host {
                name: "127.0.0.1".into(),
                port: self.port,
            }])),
            tls: None,
            login: Login::Known(Credentials::default()),
            db: 0,
            connect_timeout: Duration::from_secs(5),
            command_timeout: Duration::from_secs(5),
            on_notice: Arc::new(|_| ()),
        }
    }

    fn wait(&self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < deadline, "redis-server does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// Nothing to put right.
struct Nothing;

impl Recovery<RedisStore> for Nothing {
    async fn recover(
        &self,
        _: &RedisStore,
        _: impl Fn() + Send,
        open: impl FnOnce() + Send,
    ) -> Result<()> {
        open();
        Ok(())
    }
}

/// A store that is ready, and what keeps it so.
pub struct Connected {
    pub store: Arc<RedisStore>,
    pub switch: Arc<Switch<RedisStore>>,
    _supervisor: Supervisor,
}

pub async fn connect(server: &Server) -> Connected {
    connect_with(server, Nothing).await
}

pub async fn connect_with(server: &Server, recovery: impl Recovery<RedisStore>) -> Connected {
    let switch = Arc::new(Switch::new(|_: &Availability<RedisStore>| ()));
    let probe_key = Key::new(&[b"probe"]);
    let supervisor = Supervisor::start(
        server.endpoint(),
        probe_key,
        Arc::new(recovery),
        switch.clone(),
    );
    let _ = timeout(Duration::from_secs(20), switch.ready()).await;
    let Availability::Ready(store) = switch.now() else {
        panic!("the server should be ready");
    };
    Connected {
        store,
        switch,
        _supervisor: supervisor,
    }
}

/// A store in memory, and its clock.
pub struct InMemory(pub MemoryStore, pub Clock);

impl InMemory {
    pub async fn new() -> Self {
        let clock = Clock::manual();
        let bounds = Bounds {
            max_entries: 100_000,
            max_bytes: 64 << 20,
        };
        Self(MemoryStore::new(bounds, clock.clone()), clock)
    }
}

/// A world with a server of its own.
pub struct OnRedis {
    pub connected: Connected,
    _server: Server,
}

impl OnRedis {
    pub async fn new() -> Self {
        let server = Server::start();
        Self {
            connected: connect(&server).await,
            _server: server,
        }
    }
}

/// What the server answers to a command of the test's own.
pub async fn answer(store: &RedisStore, words: &[&[u8]]) -> serde_json::Value {
    let mut json = Vec::new();
    match store.call(words).await.unwrap() {
        ServerReply::Small(small) => json.extend(small),
        ServerReply::Large(write) => write(&mut json),
    }
    serde_json::from_slice(&json).unwrap()
}
