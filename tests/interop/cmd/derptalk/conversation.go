// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"
)

// A conversation is a ring of clients: each sends to the next and returns what it gets.
type conversation struct {
	o       *options
	began   time.Time
	ended   time.Time
	clients []*talker
}

func newConversation(o *options) *conversation {
	c := &conversation{o: o}
	for i := range o.clients {
		c.clients = append(c.clients, newTalker(o, i))
	}
	for i, t := range c.clients {
		t.peer = c.clients[(i+1)%len(c.clients)].key.Public()
		t.feeder = c.clients[(i+len(c.clients)-1)%len(c.clients)]
	}
	return c
}

// connect brings all clients up, trying again until the time is over: the relay may be starting.
func (c *conversation) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.o.connect)
	defer cancel()
	for _, t := range c.clients {
		if err := t.connect(ctx); err != nil {
			return fmt.Errorf("client %d: %w", t.number, err)
		}
	}
	return nil
}

// talk sends until the duration is over or ctx ends, then waits for what is under way.
func (c *conversation) talk(ctx context.Context) {
	if c.o.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.o.duration)
		defer cancel()
	}
	c.began = time.Now()
	var senders sync.WaitGroup
	for _, t := range c.clients {
		senders.Go(func() { t.sendUntil(ctx) })
	}
	stopProgress := c.showProgress()
	senders.Wait()
	c.ended = time.Now()
	for c.underWay() > 0 && time.Since(c.ended) < c.o.grace {
		time.Sleep(5 * time.Millisecond)
	}
	stopProgress()
}

// underWay is the number of packets not yet back at their sender.
func (c *conversation) underWay() (n int64) {
	for _, t := range c.clients {
		n += t.sent.Load() - t.returned.Load()
	}
	return n
}

// showProgress prints a line now and then until the function it returns is called.
func (c *conversation) showProgress() (stop func()) {
	if c.o.progress <= 0 {
		return func() {}
	}
	done := make(chan bool)
	var printer sync.WaitGroup
	printer.Go(func() {
		tick := time.NewTicker(c.o.progress)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				r := c.counts()
				fmt.Fprintf(os.Stderr, "%5.1f s: sent %d, received %d, returned %d, under way %d, connections made %d\n",
					time.Since(c.began).Seconds(), r.Sent, r.Received, r.Returned, r.Lost, r.Connections)
			case <-done:
				return
			}
		}
	})
	return func() {
		close(done)
		printer.Wait()
	}
}

func (c *conversation) close() {
	for _, t := range c.clients {
		t.dc.Close()
	}
}
