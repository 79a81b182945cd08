// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"log"
	"sync"
	"sync/atomic"
	"time"

	"tailscale.com/derp"
	"tailscale.com/derp/derphttp"
	"tailscale.com/types/key"
)

// A packet: kind (1 byte: there or back), size of the whole (4), number (8), time of sending in ns
// since start (8), and content that follows from number and place.
const headLen = 21

const (
	there = 't'
	back  = 'b'
)

func packet(seq uint64, size int, now time.Duration) []byte {
	b := make([]byte, size)
	b[0] = there
	binary.BigEndian.PutUint32(b[1:], uint32(size))
	binary.BigEndian.PutUint64(b[5:], seq)
	binary.BigEndian.PutUint64(b[13:], uint64(now))
	fill(b[headLen:], seq)
	return b
}

func fill(b []byte, seq uint64) {
	for i := range b {
		b[i] = byte(uint64(i)*31 + seq*17 + uint64(i)>>8)
	}
}

// parse gives number and time of a packet; not ok if a single byte is wrong.
func parse(b []byte) (seq uint64, sent time.Duration, ok bool) {
	if len(b) < headLen || int(binary.BigEndian.Uint32(b[1:])) != len(b) {
		return 0, 0, false
	}
	seq = binary.BigEndian.Uint64(b[5:])
	want := make([]byte, len(b)-headLen)
	fill(want, seq)
	return seq, time.Duration(binary.BigEndian.Uint64(b[13:])), bytes.Equal(b[headLen:], want)
}

var start = time.Now()

// A talker is one client with its counts. Received counts packets of its feeder; returned counts
// its own that came back.
type talker struct {
	o      *options
	number int
	key    key.NodePrivate
	peer   key.NodePublic
	feeder *talker
	dc     *derphttp.Client

	sent, received, returned, bytes     atomic.Int64
	duplicated, reordered, damaged      atomic.Int64
	connections, sendErrors, recvErrors atomic.Int64
	peerGone, restarting, others        atomic.Int64

	ready chan bool // closed at the first ServerInfo

	mu   sync.Mutex // guards what follows
	rtt  []time.Duration
	errs []string
	gap  time.Duration // longest time between two returned packets
	last time.Time
}

func newTalker(o *options, number int) *talker {
	t := &talker{o: o, number: number, key: key.NewNode(), ready: make(chan bool)}
	logf := func(format string, args ...any) {
		if o.verbose {
			log.Printf("client %d: "+format, append([]any{number}, args...)...)
		}
	}
	t.dc = o.target.Client(t.key, logf)
	t.dc.SetCanAckPings(true)
	return t
}

// connect tries until the client is logged in, and starts its receiver.
func (t *talker) connect(ctx context.Context) error {
	for {
		err := t.dc.Connect(ctx)
		if err == nil {
			break
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
	t.dc.NotePreferred(true)
	go t.receive()
	select {
	case <-t.ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sendUntil sends at the wanted rate. A packet that the client refuses, for want of a connection,
// counts as sent: to whoever waits for it, it is lost.
func (t *talker) sendUntil(ctx context.Context) {
	begin := time.Now()
	interval := time.Duration(float64(time.Second) / t.o.rate)
	for seq := uint64(0); ; seq++ {
		due := begin.Add(time.Duration(seq) * interval)
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(due)):
		}
		if ctx.Err() != nil {
			return
		}
		size := t.o.sizes[int(seq)%len(t.o.sizes)]
		t.sent.Add(1)
		if err := t.dc.Send(t.peer, packet(seq, size, time.Since(start))); err != nil {
			t.sendErrors.Add(1)
			t.note("send", err)
		}
	}
}

// receive takes messages until the client is closed. After an error the client connects anew with
// the next call, as tailscaled lets it.
func (t *talker) receive() {
	var nextThere, nextBack order
	gen := 0
	for {
		m, g, err := t.dc.RecvDetail()
		if err == derphttp.ErrClientClosed {
			return
		}
		if err != nil {
			t.recvErrors.Add(1)
			t.note("receive", err)
			time.Sleep(50 * time.Millisecond)
			continue
		}
		if g != gen {
			gen = g
			t.connections.Add(1)
		}
		switch m := m.(type) {
		case derp.ServerInfoMessage:
			if t.connections.Load() == 1 {
				close(t.ready)
			}
		case derp.PingMessage:
			t.dc.SendPong(m)
		case derp.PeerGoneMessage:
			t.peerGone.Add(1)
		case derp.ServerRestartingMessage:
			t.restarting.Add(1)
		case derp.ReceivedPacket:
			t.packet(m, &nextThere, &nextBack)
		case derp.KeepAliveMessage:
		default:
			t.others.Add(1)
		}
	}
}

// packet judges one packet and returns those of the feeder.
func (t *talker) packet(m derp.ReceivedPacket, nextThere, nextBack *order) {
	seq, sent, ok := parse(m.Data)
	switch {
	case ok && m.Data[0] == there && m.Source == t.feeder.key.Public():
		if t.inOrder(nextThere, seq) {
			t.received.Add(1)
		}
		t.bytes.Add(int64(len(m.Data)))
		reply := bytes.Clone(m.Data)
		reply[0] = back
		if err := t.dc.Send(m.Source, reply); err != nil {
			t.sendErrors.Add(1)
			t.note("return", err)
		}
	case ok && m.Data[0] == back && m.Source == t.peer:
		if t.inOrder(nextBack, seq) {
			t.returned.Add(1)
			t.noteReturn(time.Since(start) - sent)
		}
	default:
		t.damaged.Add(1)
	}
}

// order knows which numbers came already: all below next, but for missing.
type order struct {
	next    uint64
	missing map[uint64]bool
}

// inOrder counts duplicates and latecomers; false for a duplicate.
func (t *talker) inOrder(o *order, seq uint64) bool {
	if seq < o.next {
		if !o.missing[seq] {
			t.duplicated.Add(1)
			return false
		}
		delete(o.missing, seq)
		t.reordered.Add(1)
		return true
	}
	for ; o.next < seq; o.next++ {
		if o.missing == nil {
			o.missing = map[uint64]bool{}
		}
		o.missing[o.next] = true
	}
	o.next++
	return true
}

func (t *talker) noteReturn(rtt time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.rtt) < 1<<20 {
		t.rtt = append(t.rtt, rtt)
	}
	now := time.Now()
	if !t.last.IsZero() {
		t.gap = max(t.gap, now.Sub(t.last))
	}
	t.last = now
}

// note keeps the first few errors for the report.
func (t *talker) note(what string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.errs) < 5 {
		t.errs = append(t.errs, what+": "+err.Error())
	}
}
