//! The speed of a connection, so that no more is in flight on the lane for calls than it carries in
//! a tenth of a deadline: the next caller waits for all of it.
//!
//! The amount seen in a period is a lower bound of the speed. So the rate is the maximum ever seen,
//! until calls are late: then it is what has arrived meanwhile.

use std::time::Duration;

use tokio::time::Instant;

use crate::mutex::Mutex;

/// The initial rate, bytes per second.
const UNKNOWN: f64 = 2e6;
/// The length of a measurement, and the longest pause in it. Networks deliver bytes in bursts.
const LOOK: Duration = Duration::from_millis(50);
/// How much may be in flight, whatever the rate.
const LEAST_UNDER_WAY: f64 = 64.0 * 1024.0;
/// A late call with fewer bytes than this says nothing about the rate.
const EVIDENCE: u64 = 64 * 1024;
/// How long calls may wait for large transfers, however long those may take.
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// Of one server, both directions.
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

    /// Bytes of answers that may be in flight.
    pub fn down(&self) -> usize {
        self.down.lock().carries_in(self.wait)
    }

    /// Bytes of requests that may be in flight.
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

    /// Calls took this long, and this many bytes moved meanwhile.
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
            // The first part had waited for an unknown time.
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
        // 12 MB/s, in a burst every 10 ms.
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
