// SPDX-License-Identifier: Apache-2.0

// gopher SECONDS FILE: functions of each kind that Go has, for so long; writes Go's own profile of
// itself to FILE.
package main

import (
	"fmt"
	"os"
	"runtime/pprof"
	"strconv"
	"time"
)

type number interface{ ~uint32 | ~uint64 }

type shape struct{ sides uint32 }

type area interface{ compute(rounds int) uint32 }

//go:noinline
func churn(x uint32, rounds int) uint32 {
	for i := 0; i < rounds; i++ {
		x = mix(x)
	}
	return x
}

// Small enough to be inlined, and once more into whoever inlines that.
func mix(x uint32) uint32 {
	return step(x) ^ x>>7
}

func step(x uint32) uint32 {
	return x*1664525 + 1013904223
}

//go:noinline
func generic[T number](x T, rounds int) T {
	for i := 0; i < rounds; i++ {
		x = x*1664525 + x>>3
	}
	return x
}

//go:noinline
func (s *shape) compute(rounds int) uint32 {
	x := s.sides
	for i := 0; i < rounds; i++ {
		x = mix(x)
	}
	return x
}

func work(end time.Time) (sum uint32) {
	const rounds = 1000000
	var a area = &shape{4}
	closure := func(x uint32) uint32 {
		for i := 0; i < rounds; i++ {
			x = x*69069 + 1
		}
		return x
	}
	for time.Now().Before(end) {
		sum ^= churn(sum, rounds)
		sum ^= generic(sum, rounds)
		sum ^= uint32(generic(uint64(sum), rounds))
		sum ^= a.compute(rounds)
		sum ^= closure(sum)
	}
	return sum
}

func main() {
	seconds, _ := strconv.ParseFloat(os.Args[1], 64)
	file, err := os.Create(os.Args[2])
	if err != nil {
		panic(err)
	}
	fmt.Printf("pid=%d\n", os.Getpid())
	pprof.StartCPUProfile(file)
	sum := work(time.Now().Add(time.Duration(seconds * float64(time.Second))))
	pprof.StopCPUProfile()
	file.Close()
	fmt.Printf("sum=%d\n", sum)
}
