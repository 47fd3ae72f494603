// SPDX-License-Identifier: Apache-2.0

// chain-go SECONDS: main.outer -> main.middle (5 times) -> main.leaf, in main and in a goroutine.
package main

import (
	"os"
	"strconv"
	"time"
)

var sink uint32

//go:noinline
func leaf(rounds uint32) uint32 {
	x := rounds
	for i := uint32(0); i < rounds; i++ {
		x = x*1664525 + 1013904223
	}
	return x
}

//go:noinline
func middle(depth int) uint32 {
	var room [64]uint32
	if depth > 1 {
		room[depth] = middle(depth - 1)
	} else {
		room[depth] = leaf(50000)
	}
	return room[depth] + 1
}

//go:noinline
func outer(end time.Time) {
	for time.Now().Before(end) {
		sink += middle(5)
	}
}

func main() {
	seconds := 5.0
	if len(os.Args) > 1 {
		seconds, _ = strconv.ParseFloat(os.Args[1], 64)
	}
	end := time.Now().Add(time.Duration(seconds * float64(time.Second)))
	done := make(chan bool)
	go func() {
		outer(end)
		done <- true
	}()
	outer(end)
	<-done
}
