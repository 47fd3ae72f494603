// SPDX-License-Identifier: Apache-2.0
// node chain.js SECONDS: jsOuter -> jsMiddle (5 times) -> jsLeaf, compiled at run time.
'use strict';

function jsLeaf(rounds) {
  let x = rounds | 0;
  for (let i = 0; i < rounds; i++)
    x = (Math.imul(x, 1664525) + 1013904223) | 0;
  return x;
}

function jsMiddle(depth) {
  return (depth > 1 ? jsMiddle(depth - 1) : jsLeaf(50000)) + 1;
}

function jsOuter(depth) {
  return jsMiddle(depth) ^ 1;
}

const end = Date.now() + 1000 * parseFloat(process.argv[2] || '5');
let sum = 0;
while (Date.now() < end)
  sum += jsOuter(5);
process.exitCode = sum === 1 ? 1 : 0;
