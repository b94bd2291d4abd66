// SPDX-License-Identifier: BSD-2-Clause

// switches makes a steady number of goroutine switches a second: pairs of goroutines hand a value to and fro over two channels
// without a buffer, and a pacer wakes them every -step for as many rounds as are due. With one P a round is exactly two wakes,
// two parks and two runs. Each line on standard input is answered by the rounds so far.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"time"
)

const perRound = 6 // switches

var rounds uint64

type pair struct {
	there, back chan int
	due         chan int
}

func (p *pair) answer() {
	for v := range p.there {
		p.back <- v
	}
}

func (p *pair) ask(done chan<- struct{}) {
	for n := range p.due {
		for i := 0; i < n; i++ {
			p.there <- i
			<-p.back
		}
		atomic.AddUint64(&rounds, uint64(n))
		done <- struct{}{}
	}
}

func start(count int) (pairs []*pair, done chan struct{}) {
	done = make(chan struct{}, count)
	for i := 0; i < count; i++ {
		p := &pair{make(chan int), make(chan int), make(chan int)}
		pairs = append(pairs, p)
		go p.answer()
		go p.ask(done)
	}
	return
}

// pace never makes up for more than ten steps: a machine that is too slow shows as a lower rate.
func pace(pairs []*pair, done <-chan struct{}, perSecond float64, step time.Duration) {
	last, owed := time.Now(), 0.0
	for range time.Tick(step) {
		now := time.Now()
		owed += now.Sub(last).Seconds() * perSecond / perRound
		last = now
		if most := perSecond / perRound * step.Seconds() * 10; owed > most {
			owed = most
		}
		each := int(owed) / len(pairs)
		for _, p := range pairs {
			p.due <- each
		}
		for range pairs {
			<-done
		}
		owed -= float64(each * len(pairs))
	}
}

func main() {
	count := flag.Int("pairs", 10, "pairs of goroutines")
	rate := flag.Float64("rate", 100000, "switches a second")
	step := flag.Duration("step", 10*time.Millisecond, "time between two bursts")
	procs := flag.Int("procs", 1, "GOMAXPROCS")
	flag.Parse()
	runtime.GOMAXPROCS(*procs)
	pairs, done := start(*count)
	go pace(pairs, done, *rate, *step)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		fmt.Printf("{\"rounds\":%d,\"per_round\":%d,\"unix_nano\":%d}\n", atomic.LoadUint64(&rounds), perRound, time.Now().UnixNano())
	}
}
