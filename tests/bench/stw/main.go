// SPDX-License-Identifier: BSD-2-Clause

// stw stops the world again and again, and prints every 100 ms how long one such call took in the median. A call runs
// runtime.stopTheWorldWithSema and runtime.startTheWorldWithSema once each, on one P, where it takes a few microseconds: what a
// probe on these two costs shows as the difference. The gap between calls keeps a tracer from falling behind.
package main

import (
	"encoding/json"
	"flag"
	"os"
	"runtime"
	"sort"
	"time"
)

type line struct {
	Pid      int   `json:"pid"`
	UnixNano int64 `json:"unix_nano"`
	Calls    int   `json:"calls"`
	MedianNs int64 `json:"median_ns"`
}

func main() {
	gap := flag.Duration("gap", 100*time.Microsecond, "pause between two calls")
	flag.Parse()
	runtime.GOMAXPROCS(1)
	var ms runtime.MemStats
	out := json.NewEncoder(os.Stdout)
	took := make([]int64, 0, 8192)
	for next := time.Now().Add(100 * time.Millisecond); ; {
		t := time.Now()
		runtime.ReadMemStats(&ms)
		took = append(took, int64(time.Since(t)))
		for time.Since(t) < *gap { // spinning keeps the processor awake and warm
		}
		if t.After(next) {
			sort.Slice(took, func(i, j int) bool { return took[i] < took[j] })
			if out.Encode(line{os.Getpid(), t.UnixNano(), len(took), took[len(took)/2]}) != nil {
				return // nobody reads any more
			}
			took, next = took[:0], time.Now().Add(100*time.Millisecond)
		}
	}
}
