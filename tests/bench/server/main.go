// SPDX-License-Identifier: BSD-2-Clause

// server is what the overhead benchmark measures: an HTTP server on loopback whose requests cost some 50 us of CPU and 32 KiB of
// garbage, beside a live heap of -live MiB, which makes 5 to 20 GC cycles a second under load. It prints its address, and counts
// requests in the first eight bytes of a mapped file, so that the benchmark reads them without asking it anything. SIGUSR1
// begins an execution trace to nowhere, SIGUSR2 ends it, each answered by a line.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/trace"
	"sync/atomic"
	"syscall"
	"unsafe"
)

type item struct {
	ID   int
	Name string
	Tags []string
	Val  float64
}

type node struct {
	next *node
	pad  [7]uintptr
}

var (
	blocks [][]byte
	list   *node
)

// fill makes the live heap: three quarters plain bytes, one quarter small objects with pointers, so that marking costs something.
func fill(mib int) {
	for i := 0; i < mib*12; i++ {
		blocks = append(blocks, make([]byte, 64<<10))
	}
	for i := 0; i < mib<<20/4/64; i++ {
		list = &node{next: list}
	}
}

func work(n int) []byte {
	items := make([]item, n)
	for i := range items {
		items[i] = item{i, "a name of some length", []string{"a", "bb", "ccc"}, float64(i) * 1.5}
	}
	text, _ := json.Marshal(items)
	buf := make([]byte, 16<<10)
	copy(buf, text)
	return []byte(fmt.Sprintf("%08x\n", crc32.ChecksumIEEE(buf)))
}

func counter(path string) (*uint64, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := f.Truncate(4096); err != nil {
		return nil, err
	}
	b, err := syscall.Mmap(int(f.Fd()), 0, 4096, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	return (*uint64)(unsafe.Pointer(&b[0])), nil
}

// traceOnSignal is the Go execution tracer as a switch.
func traceOnSignal() {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1, syscall.SIGUSR2)
	for s := range asked {
		if s == syscall.SIGUSR2 {
			trace.Stop()
			fmt.Println("off")
		} else if err := trace.Start(io.Discard); err != nil && !trace.IsEnabled() {
			fmt.Println("failed", err)
		} else {
			fmt.Println("on")
		}
	}
}

func main() {
	path := flag.String("counter", "", "file whose first eight bytes count requests")
	live := flag.Int("live", 12, "live heap in MiB")
	n := flag.Int("n", 96, "items a request, which sets its cost")
	flag.Parse()
	requests, err := counter(*path)
	if err != nil {
		log.Fatalf("server: %v", err)
	}
	fill(*live)
	go traceOnSignal()
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		// On another goroutine, as handlers of real services do: a request wakes and parks.
		out := make(chan []byte)
		go func() { out <- work(*n) }()
		w.Write(<-out)
		atomic.AddUint64(requests, 1)
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatalf("server: %v", err)
	}
	fmt.Printf("{\"addr\":\"%s\",\"pid\":%d}\n", l.Addr(), os.Getpid())
	log.Fatal(http.Serve(l, nil))
}
