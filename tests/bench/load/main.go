// SPDX-License-Identifier: BSD-2-Clause

// load drives the benchmark's server over kept-alive connections until a signal or -d. -rate 0: closed loop, as fast as it
// answers. -rate N: open loop with Poisson arrivals; latency counts from the time at which a request was due, so that a slow
// answer does not hide the requests that had to wait behind it. Prints one JSON line at the end.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"log"
	"math/rand"
	"net"
	"net/textproto"
	"os"
	"os/signal"
	"sort"
	"strconv"
	"sync"
	"syscall"
	"time"
)

var request = []byte("GET / HTTP/1.1\r\nHost: bench\r\n\r\n")

// ask sends one request and reads its answer to the end.
func ask(c net.Conn, r *textproto.Reader) error {
	if _, err := c.Write(request); err != nil {
		return err
	}
	if line, err := r.ReadLine(); err != nil || len(line) < 12 || line[9:12] != "200" {
		return errors.New("no 200: " + line)
	}
	head, err := r.ReadMIMEHeader()
	if err != nil {
		return err
	}
	n, err := strconv.ParseInt(head.Get("Content-Length"), 10, 64)
	if err != nil {
		return err
	}
	_, err = io.CopyN(io.Discard, r.R, n)
	return err
}

// arrivals gives the due times, in turn to whichever connection is free.
type arrivals struct {
	mu   sync.Mutex
	rate float64
	rng  *rand.Rand
	next time.Time
}

func (a *arrivals) due() time.Time {
	if a.rate <= 0 {
		return time.Now()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.next = a.next.Add(time.Duration(a.rng.ExpFloat64() / a.rate * 1e9))
	return a.next
}

func drive(addr string, a *arrivals, end <-chan struct{}) (latency []time.Duration, err error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	r := textproto.NewReader(bufio.NewReader(c))
	for {
		select {
		case <-end:
			return latency, nil
		default:
		}
		due := a.due()
		time.Sleep(time.Until(due))
		if err := ask(c, r); err != nil {
			return latency, err
		}
		if len(latency) < 1<<20 {
			latency = append(latency, time.Since(due))
		}
	}
}

func main() {
	addr := flag.String("addr", "", "server")
	conns := flag.Int("c", 8, "connections")
	rate := flag.Float64("rate", 0, "requests a second, 0 for as many as possible")
	dur := flag.Duration("d", time.Hour, "how long")
	flag.Parse()

	end := make(chan struct{})
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case <-stop:
		case <-time.After(*dur):
		}
		close(end)
	}()

	began := time.Now()
	a := &arrivals{rate: *rate, rng: rand.New(rand.NewSource(1)), next: began}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var all []time.Duration
	for i := 0; i < *conns; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			l, err := drive(*addr, a, end)
			if err != nil {
				log.Fatalf("load: %v", err)
			}
			mu.Lock()
			all = append(all, l...)
			mu.Unlock()
		}()
	}
	wg.Wait()
	if len(all) == 0 {
		log.Fatal("load: no request was answered")
	}
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	at := func(q float64) float64 { return all[int(q*float64(len(all)-1))].Seconds() }
	json.NewEncoder(os.Stdout).Encode(map[string]float64{"requests": float64(len(all)), "rate": float64(len(all)) / time.Since(began).Seconds(),
		"p50_seconds": at(0.5), "p99_seconds": at(0.99), "max_seconds": at(1)})
}
