// SPDX-License-Identifier: BSD-2-Clause

// demo is a service with the troubles that gopherscope explains: an HTTP server on loopback with its own load, whose requests
// build and throw away JSON, beside a live heap of pointers that the collector has to mark, with GOMAXPROCS as large as the
// node while its container may only use a fraction of a CPU. tools/run starts it in such a container.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"
)

type item struct {
	ID    int               `json:"id"`
	Name  string            `json:"name"`
	Price float64           `json:"price"`
	Tags  []string          `json:"tags"`
	Attr  map[string]string `json:"attr"`
}

// catalog is the live heap: many small objects with pointers, which is what makes marking expensive.
type catalog struct {
	mu    sync.RWMutex
	items []*item
}

func newItem(id int) *item {
	return &item{ID: id, Name: fmt.Sprintf("item-%06d", id), Price: float64(id) * 1.01, Tags: []string{"red", "green", "blue"},
		Attr: map[string]string{"unit": "piece", "origin": "demo"}}
}

func newCatalog(n int) *catalog {
	c := &catalog{items: make([]*item, n)}
	for i := range c.items {
		c.items[i] = newItem(i)
	}
	return c
}

// page copies some items and replaces one, so that each request leaves garbage behind.
func (c *catalog) page(seq, size int) []item {
	c.mu.Lock()
	c.items[seq%len(c.items)] = newItem(seq)
	c.mu.Unlock()
	c.mu.RLock()
	defer c.mu.RUnlock()
	out := make([]item, 0, size)
	for i := 0; i < size; i++ {
		out = append(out, *c.items[(seq*7+i*13)%len(c.items)])
	}
	return out
}

func (c *catalog) serve(w http.ResponseWriter, r *http.Request) {
	seq := int(time.Now().UnixNano() & 0xffffff)
	body, err := json.Marshal(c.page(seq, 64))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	var back []item // what a client would do with it
	if err := json.Unmarshal(body, &back); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(body)
}

// load asks for pages from `clients` connections at once, each with a pause, until the process ends.
func load(url string, clients int, pause time.Duration) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	for i := 0; i < clients; i++ {
		go func() {
			for {
				r, err := client.Get(url)
				if err == nil {
					io.Copy(io.Discard, r.Body)
					r.Body.Close()
				}
				time.Sleep(pause)
			}
		}()
	}
}

func main() {
	addr := flag.String("addr", "127.0.0.1:0", "listen address")
	procs := flag.Int("procs", 4*runtime.NumCPU(), "GOMAXPROCS")
	items := flag.Int("items", 60000, "items of the live heap")
	clients := flag.Int("clients", 8, "connections of the built-in load")
	pause := flag.Duration("pause", 8*time.Millisecond, "pause of a connection between two requests")
	flag.Parse()
	runtime.GOMAXPROCS(*procs)

	l, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatalf("demo: %v", err)
	}
	http.HandleFunc("/", newCatalog(*items).serve)
	go func() { log.Fatal(http.Serve(l, nil)) }()
	load("http://"+l.Addr().String()+"/", *clients, *pause)

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	<-stop
}
