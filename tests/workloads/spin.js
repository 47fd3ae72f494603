// SPDX-License-Identifier: Apache-2.0
// spin.js SECONDS: two functions that the JIT compiles; run with --perf-basic-prof.
"use strict";

function javascriptLeaf(rounds) {
	let x = rounds | 0;
	for (let i = 0; i < rounds; i++)
		x = (Math.imul(x, 1664525) + 1013904223) | 0;
	return x;
}

function javascriptOuter(end) {
	let sum = 0;
	while (Date.now() < end)
		sum ^= javascriptLeaf(1000000);
	return sum;
}

const seconds = parseFloat(process.argv[2] || "5");
console.log("pid=" + process.pid);
console.log("sum=" + javascriptOuter(Date.now() + seconds * 1000));
