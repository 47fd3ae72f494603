// SPDX-License-Identifier: Apache-2.0
// chain-rust SECONDS: main -> rust_outer -> rust_middle (5 times) -> rust_leaf, without frame pointers.
use std::time::{Duration, Instant};

// What the compiler cannot see through. std::hint::black_box() came with Rust 1.66.
fn opaque(x: u32) -> u32 {
    unsafe { std::ptr::read_volatile(&x) }
}

#[inline(never)]
#[no_mangle]
pub fn rust_leaf(rounds: u32) -> u32 {
    let mut x = rounds;
    for _ in 0..rounds {
        x = opaque(x.wrapping_mul(1664525).wrapping_add(1013904223));
    }
    x
}

#[inline(never)]
#[no_mangle]
pub fn rust_middle(depth: u32) -> u32 {
    let x = if depth > 1 { rust_middle(depth - 1) } else { rust_leaf(50000) };
    opaque(x).wrapping_add(depth)
}

#[inline(never)]
#[no_mangle]
pub fn rust_outer(depth: u32) -> u32 {
    opaque(rust_middle(opaque(depth))) ^ 1
}

fn main() {
    let seconds: f64 = std::env::args().nth(1).and_then(|s| s.parse().ok()).unwrap_or(5.0);
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let mut x = 0u32;
    while Instant::now() < end {
        x = x.wrapping_add(rust_outer(5));
    }
    opaque(x);
}
