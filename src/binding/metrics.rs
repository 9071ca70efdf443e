//! The counters of a backplane, in the form that `lib/metrics.js` reads.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::completion::Answer;
use super::encode::whole;
use crate::backplane::{CallTotals, HealthReport, Latency, Metrics, Status};
use crate::store::ServerFacts;

pub fn metrics(metrics: &Metrics) -> Value {
    let history = &metrics.history;
    let redis = metrics.server_memory.map(|memory| {
        json!({
            "usedMemory": memory.used,
            "maxMemory": memory.limit,
            "at": epoch_ms(memory.at),
        })
    });
    let caches: Map<String, Value> = metrics
        .caches
        .iter()
        .map(|(name, counts)| ((*name).to_owned(), cache(*counts)))
        .collect();
    let forbidden: Map<String, Value> = metrics
        .forbidden
        .iter()
        .map(|(what, times)| (what.clone(), json!(times)))
        .collect();
    let [allowed, denied] = metrics.limits;
    let [published, received, dropped, gaps] = metrics.pubsub_stats;
    json!({
        "connection": {
            "state": metrics.state,
            "since": epoch_ms(history.since),
            "reason": reason(&history.reason),
            "becameReady": history.became_ready,
            "becameDegraded": history.became_degraded,
            "server": metrics.server.as_ref().map(server),
        },
        "forbidden": forbidden,
        "redis": redis,
        "calls": metrics.calls.iter().map(calls).collect::<Value>(),
        "caches": caches,
        "limits": { "allowed": allowed, "denied": denied },
        "pubsub": { "published": published, "received": received, "dropped": dropped, "gaps": gaps },
        "queues": {
            "calls": metrics.pending,
            "messages": metrics.messages,
            "messageBytes": metrics.message_bytes,
        },
        "memory": memory(metrics),
    })
}

fn memory(metrics: &Metrics) -> Value {
    let bytes: u64 = metrics.memory.iter().map(|(_, bytes)| bytes).sum();
    let kinds = metrics.memory.iter();
    let kinds: Map<_, _> = kinds
        .map(|(kind, bytes)| ((*kind).to_owned(), json!(bytes)))
        .collect();
    json!({ "entries": metrics.memory_entries, "bytes": bytes, "kinds": kinds })
}

pub fn health(health: &HealthReport) -> Answer {
    let history = &health.history;
    let status = match history.status {
        Status::Ok => "ok",
        Status::Closed => "closed",
        Status::Degraded | Status::Unknown => "degraded",
    };
    let health = json!({
        "status": status,
        "latencyMs": health.latency.map(ms),
        "since": epoch_ms(history.since),
        "reason": reason(&history.reason),
        "forbidden": health.forbidden,
    });
    whole(health.to_string())
}

fn server(facts: &ServerFacts) -> Value {
    json!({
        "name": facts.name,
        "version": facts.version,
        "mode": facts.mode,
        "role": facts.role,
    })
}

fn cache([hits, memory_hits, misses, fenced]: [u64; 4]) -> Value {
    json!({ "hits": hits, "memoryHits": memory_hits, "misses": misses, "fencedSets": fenced })
}

/// Null for a kind that has not been called.
fn calls((counts, latency): &(CallTotals, Option<Latency>)) -> Value {
    if counts.calls == 0 {
        return Value::Null;
    }
    json!({
        "calls": counts.calls,
        "errors": counts.failed,
        "missing": counts.missing,
        "fromMemory": counts.from_memory,
        "timed": counts.timed,
        "totalMs": ms(counts.total),
        "latencyMs": latency.map(|latency| json!({
            "mean": ms(latency.mean),
            "p50": ms(latency.p50),
            "p90": ms(latency.p90),
            "p99": ms(latency.p99),
            "max": ms(latency.max),
        })),
    })
}

fn reason(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// To the microsecond.
fn ms(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}

pub fn epoch_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as u64
}
