// SPDX-License-Identifier: Apache-2.0
// numbers SECONDS: Rust names, with a module, a trait and a generic function.
use std::time::{Duration, Instant};

// What the compiler cannot see through. std::hint::black_box() came with Rust 1.66.
fn opaque(x: u64) -> u64 {
    unsafe { std::ptr::read_volatile(&x) }
}

mod sieve {
    pub trait Churn {
        fn churn(&self, rounds: u64) -> u64;
    }

    impl Churn for u32 {
        #[inline(never)]
        fn churn(&self, rounds: u64) -> u64 {
            let mut x = u64::from(*self);
            for i in 0..rounds {
                x = super::opaque(x.wrapping_mul(6364136223846793005).wrapping_add(i));
            }
            x
        }
    }

    #[inline(never)]
    pub fn drive<T: Churn>(what: &T, end: super::Instant) -> u64 {
        let mut sum = 0;
        while super::Instant::now() < end {
            sum ^= what.churn(1_000_000);
        }
        sum
    }
}

fn main() {
    let seconds = std::env::args().nth(1).and_then(|s| s.parse().ok()).unwrap_or(5.0);
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    println!("pid={}", std::process::id());
    println!("sum={}", sieve::drive(&7u32, end));
}
