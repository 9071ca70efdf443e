//! How fast a line is, so that no more is under way on the lane for calls than it carries in a tenth
//! of a deadline: whoever calls next waits for all of that.
//!
//! What is seen in a while is the least that the line can do. So the rate is the most that was ever
//! seen, until calls are late: then it is what has come meanwhile.

use std::time::Duration;

use tokio::time::Instant;

use crate::mutex::Mutex;

/// Nothing is known yet, bytes per second.
const UNKNOWN: f64 = 2e6;
/// How long a look takes, and the longest pause in it. Networks let bytes through in bursts.
const LOOK: Duration = Duration::from_millis(50);
/// What may be under way, whatever the rate.
const LEAST_UNDER_WAY: f64 = 64.0 * 1024.0;
/// Late with less than this says nothing of the rate.
const EVIDENCE: u64 = 64 * 1024;
/// What calls may wait for what is large, however long they may take.
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// Of one server, both ways.
pub struct Bandwidth {
    wait: Duration,
    down: Mutex<RateMeter>,
    up: Mutex<RateMeter>,
    fastest: Mutex<Duration>,
}

struct RateMeter {
    rate: f64,
    since: Instant,
    last: Instant,
    bytes: u64,
}

impl Bandwidth {
    pub fn new(deadline: Duration) -> Self {
        Self {
            wait: (deadline / 10).min(LONGEST_WAIT),
            down: Mutex::new(RateMeter::new()),
            up: Mutex::new(RateMeter::new()),
            fastest: Mutex::new(Duration::MAX),
        }
    }

    /// Bytes of answers that may be under way.
    pub fn down(&self) -> usize {
        self.down.lock().carries_in(self.wait)
    }

    /// Bytes of requests that may be under way.
    pub fn up(&self) -> usize {
        self.up.lock().carries_in(self.wait)
    }

    pub fn came(&self, bytes: u64, now: Instant) {
        self.down.lock().moved(bytes, now);
    }

    /// Requests have been answered.
    pub fn went(&self, bytes: u64, now: Instant) {
        self.up.lock().moved(bytes, now);
    }

    /// Calls took so long, and so many bytes moved meanwhile.
    pub fn took(&self, time: Duration, down: u64, up: u64) {
        let mut fastest = self.fastest.lock();
        *fastest = time.min(*fastest);
        let late = time - *fastest;
        drop(fastest);
        if late > self.wait {
            self.down.lock().was_late(down, late);
            self.up.lock().was_late(up, late);
        }
    }
}

impl RateMeter {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            rate: UNKNOWN,
            since: now,
            last: now,
            bytes: 0,
        }
    }

    fn carries_in(&self, time: Duration) -> usize {
        (self.rate * time.as_secs_f64()).max(LEAST_UNDER_WAY) as usize
    }

    fn moved(&mut self, bytes: u64, now: Instant) {
        let looked = now - self.since;
        if now - self.last > LOOK {
            // What came first had waited for who knows how long.
            (self.since, self.bytes) = (now, 0);
        } else {
            self.bytes += bytes;
            if looked >= LOOK {
                self.rate = self.rate.max(self.bytes as f64 / looked.as_secs_f64());
                (self.since, self.bytes) = (now, 0);
            }
        }
        self.last = now;
    }

    fn was_late(&mut self, bytes: u64, time: Duration) {
        if bytes >= EVIDENCE {
            self.rate = self.rate.min(bytes as f64 / time.as_secs_f64());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1_000_000;

    fn paced() -> (Bandwidth, Instant) {
        (Bandwidth::new(Duration::from_secs(1)), Instant::now())
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn learns_what_a_line_carries_from_bursts() {
        let (bandwidth, now) = paced();
        assert_eq!(bandwidth.down(), 200_000);
        // 12 MB/s, in a burst each 10 ms.
        for i in 0..100 {
            bandwidth.came(MB * 12 / 100, now + ms(1000 + 10 * i));
        }
        assert!(
            (1_100_000..1_500_000).contains(&bandwidth.down()),
            "{}",
            bandwidth.down()
        );
        assert_eq!(bandwidth.up(), 200_000);
    }

    #[test]
    fn a_single_burst_says_nothing() {
        let (bandwidth, now) = paced();
        for i in 0..10 {
            bandwidth.came(MB, now + ms(1000 * i));
        }
        assert_eq!(bandwidth.down(), 200_000);
    }

    #[test]
    fn calls_that_are_late_say_that_it_is_slower() {
        let (bandwidth, now) = paced();
        for i in 0..100 {
            bandwidth.came(MB, now + ms(i));
        }
        assert!(bandwidth.down() > 50_000_000);
        bandwidth.took(ms(1), 1000, 1000);
        bandwidth.took(ms(501), 2 * MB, 1000);
        assert_eq!(bandwidth.down(), 400_000);
        assert_eq!(bandwidth.up(), 200_000);
    }

    #[test]
    fn a_line_that_is_long_is_not_slow() {
        let (bandwidth, _) = paced();
        bandwidth.took(ms(300), MB, MB);
        bandwidth.took(ms(350), MB, MB);
        assert_eq!((bandwidth.down(), bandwidth.up()), (200_000, 200_000));
    }
}
