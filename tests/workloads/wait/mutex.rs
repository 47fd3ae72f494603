// SPDX-License-Identifier: Apache-2.0
//! mutex SECONDS: std::sync::Mutex, which one thread holds for twenty milliseconds at a time against
//! four others, and std::sync::RwLock and Condvar likewise. Each thread that waits measures its waits.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, RwLock};
use std::thread;
use std::time::{Duration, Instant};

static MUTEX_NS: AtomicU64 = AtomicU64::new(0);
static RWLOCK_NS: AtomicU64 = AtomicU64::new(0);
static CONDITION_NS: AtomicU64 = AtomicU64::new(0);

// What the compiler cannot see through. std::hint::black_box() came with Rust 1.66.
fn opaque<T>(x: &T) {
    let mut seen: &T = x;
    unsafe { std::ptr::write_volatile(&mut seen, x) }
}

struct Office {
    mutex: Mutex<u64>,
    rwlock: RwLock<u64>,
    queue: Mutex<u64>,
    filled: Condvar,
}

fn pause(ms: u64) {
    thread::sleep(Duration::from_millis(ms));
}

fn add(sum: &AtomicU64, begin: Instant) {
    sum.fetch_add(begin.elapsed().as_nanos() as u64, Relaxed);
}

#[inline(never)]
fn rust_holds_mutex(o: &Office) {
    let mut n = o.mutex.lock().unwrap();
    pause(20);
    *n += 1;
    drop(n);
    opaque(o); // so that the release is not a jump out of here
}

#[inline(never)]
fn rust_wants_mutex(o: &Office) {
    let begin = Instant::now();
    let mut n = o.mutex.lock().unwrap();
    add(&MUTEX_NS, begin);
    *n += 1;
}

#[inline(never)]
fn rust_holds_rwlock(o: &Office) {
    let mut n = o.rwlock.write().unwrap();
    pause(10);
    *n += 1;
    drop(n);
    opaque(o);
}

#[inline(never)]
fn rust_wants_rwlock(o: &Office) {
    let begin = Instant::now();
    let n = o.rwlock.read().unwrap();
    add(&RWLOCK_NS, begin);
    assert!(*n < u64::MAX);
}

#[inline(never)]
fn rust_takes(o: &Office) {
    let mut n = o.queue.lock().unwrap();
    let begin = Instant::now();
    while *n == 0 {
        n = o.filled.wait(n).unwrap();
    }
    add(&CONDITION_NS, begin);
    *n -= 1;
}

#[inline(never)]
fn rust_puts(o: &Office) {
    *o.queue.lock().unwrap() += 1;
    o.filled.notify_one();
}

fn main() {
    let seconds: f64 = std::env::args().nth(1).map_or(3.0, |s| s.parse().unwrap());
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let office = Arc::new(Office {
        mutex: Mutex::new(0),
        rwlock: RwLock::new(0),
        queue: Mutex::new(0),
        filled: Condvar::new(),
    });
    let mut threads = Vec::new();
    let o = office.clone();
    threads.push(thread::spawn(move || {
        while Instant::now() < end {
            rust_holds_mutex(&o);
            rust_holds_rwlock(&o);
            rust_puts(&o);
        }
        for _ in 0..8 {
            rust_puts(&o); // nobody is left waiting
        }
    }));
    for _ in 0..4 {
        let o = office.clone();
        threads.push(thread::spawn(move || {
            while Instant::now() < end {
                rust_wants_mutex(&o);
                pause(1);
                rust_wants_rwlock(&o);
                pause(1);
            }
        }));
    }
    let o = office.clone();
    threads.push(thread::spawn(move || {
        while Instant::now() < end {
            rust_takes(&o);
        }
    }));
    for t in threads {
        t.join().unwrap();
    }
    println!("mutex_wall_ns={}", MUTEX_NS.load(Relaxed));
    println!("rwlock_wall_ns={}", RWLOCK_NS.load(Relaxed));
    println!("condition_wall_ns={}", CONDITION_NS.load(Relaxed));
}
