// SPDX-License-Identifier: Apache-2.0
// chain-rust SECONDS: main -> rust_outer -> rust_middle (5 times) -> rust_leaf, without frame pointers.
use std::hint::black_box;
use std::time::{Duration, Instant};

#[inline(never)]
#[no_mangle]
pub fn rust_leaf(rounds: u32) -> u32 {
    let mut x = rounds;
    for _ in 0..rounds {
        x = black_box(x.wrapping_mul(1664525).wrapping_add(1013904223));
    }
    x
}

#[inline(never)]
#[no_mangle]
pub fn rust_middle(depth: u32) -> u32 {
    let x = if depth > 1 { rust_middle(depth - 1) } else { rust_leaf(50000) };
    black_box(x).wrapping_add(depth)
}

#[inline(never)]
#[no_mangle]
pub fn rust_outer(depth: u32) -> u32 {
    black_box(rust_middle(black_box(depth))) ^ 1
}

fn main() {
    let seconds: f64 = std::env::args().nth(1).and_then(|s| s.parse().ok()).unwrap_or(5.0);
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let mut x = 0u32;
    while Instant::now() < end {
        x = x.wrapping_add(rust_outer(5));
    }
    black_box(x);
}
