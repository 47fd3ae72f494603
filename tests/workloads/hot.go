// SPDX-License-Identifier: Apache-2.0
// hot SECONDS: a method that is inlined only where a profile says that it is hot.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

type grid struct{ cells [64]uint32 }

// Too large to be inlined without a profile (budget 80), not too large with one (2000).
func (g *grid) mix(x uint32) uint32 {
	x ^= x << 13
	x ^= x >> 17
	x ^= x << 5
	g.cells[x&63] += x
	if g.cells[(x+1)&63] > x {
		g.cells[(x+2)&63] ^= x*3 + 1
	} else {
		g.cells[(x+3)&63] ^= x*5 + 2
	}
	g.cells[(x+4)&63] += g.cells[(x+5)&63] ^ x
	g.cells[(x+6)&63] += g.cells[(x+7)&63] ^ x
	g.cells[(x+8)&63] += g.cells[(x+9)&63] ^ x
	return x + g.cells[(x+10)&63]
}

func work(g *grid, n int) uint32 {
	x := uint32(n) + 1
	for i := 0; i < 100000; i++ {
		x = g.mix(x)
	}
	return x
}

func main() {
	seconds, _ := strconv.Atoi(os.Args[1])
	g := &grid{}
	sum := uint32(0)
	for end := time.Now().Add(time.Duration(seconds) * time.Second); time.Now().Before(end); {
		sum += work(g, int(sum))
	}
	fmt.Println(sum)
}
