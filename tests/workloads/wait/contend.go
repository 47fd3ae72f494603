// SPDX-License-Identifier: Apache-2.0

// contend SECONDS: goroutines that fight for a channel, and so for a lock of Go's runtime, on two
// threads at a time; and a mutex of package sync, for which goroutines wait, not threads.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

var passed uint64

//go:noinline
func channelFight(c chan int, end time.Time, done *sync.WaitGroup) {
	defer done.Done()
	for i := 0; i%1024 != 0 || time.Now().Before(end); i++ {
		select {
		case c <- i:
		case <-c:
			atomic.AddUint64(&passed, 1)
		}
	}
}

var mutex sync.Mutex
var waited int64

//go:noinline
func mutexHolds() {
	mutex.Lock()
	time.Sleep(10 * time.Millisecond)
	mutex.Unlock()
}

//go:noinline
func mutexWants() {
	begin := time.Now()
	mutex.Lock()
	atomic.AddInt64(&waited, int64(time.Since(begin)))
	mutex.Unlock()
}

func main() {
	seconds := 3.0
	if len(os.Args) > 1 {
		seconds, _ = strconv.ParseFloat(os.Args[1], 64)
	}
	runtime.GOMAXPROCS(2)
	end := time.Now().Add(time.Duration(seconds * 1e9))
	var done sync.WaitGroup
	c := make(chan int, 1)
	for i := 0; i < 16; i++ {
		done.Add(1)
		go channelFight(c, end, &done)
	}
	done.Add(2)
	go func() {
		defer done.Done()
		for time.Now().Before(end) {
			mutexHolds()
		}
	}()
	go func() {
		defer done.Done()
		for time.Now().Before(end) {
			mutexWants()
		}
	}()
	done.Wait()
	fmt.Printf("passed=%d\nmutex_wall_ns=%d\n", passed, waited)
}
