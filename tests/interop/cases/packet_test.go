// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"encoding/binary"
	"testing"
	"time"

	"tailscale.com/derp"
	"tailscale.com/types/key"
)

func TestPacketSizes(t *testing.T) {
	a, b := newClient(t, &target), newClient(t, &target)
	for i, size := range []int{0, 1, 31, 32, 61, 62, 1279, 1280, 1420, 4091, 4096, 16379, 16384, 32768, 65535, 65536} {
		there, back := pattern(i, size), pattern(i+100, size)
		a.send(b.SelfPublicKey(), there)
		b.expectPacket(a.SelfPublicKey(), there)
		b.send(a.SelfPublicKey(), back)
		a.expectPacket(b.SelfPublicKey(), back)
	}
}

func TestPacketDiscoSizes(t *testing.T) {
	a, b := newClient(t, &target), newClient(t, &target)
	for _, size := range []int{6, 61, 62, 63, 1280, 65536} {
		a.send(b.SelfPublicKey(), discoPacket(size))
		b.expectPacket(a.SelfPublicKey(), discoPacket(size))
	}
}

func TestPacketToSelf(t *testing.T) {
	c := newClient(t, &target)
	c.send(c.SelfPublicKey(), []byte("note to self"))
	c.expectPacket(c.SelfPublicKey(), []byte("note to self"))
}

// numbered is a large packet that says its number and has a size of its own. Small ones may pass
// large ones when a line is full.
func numbered(i int) []byte {
	b := pattern(i, 300+i*37%1100)
	binary.BigEndian.PutUint64(b, uint64(i))
	return b
}

// small is one that is small.
func small(i int) []byte {
	b := pattern(i, 8+i*37%250)
	binary.BigEndian.PutUint64(b, uint64(i))
	return b
}

// stream sends n packets from a to b, never more than window ahead of what b has received, so that
// no queue overflows, and checks each.
func stream(t *testing.T, a, b *client, n, window int, packet func(int) []byte) {
	t.Helper()
	credit := make(chan bool, window)
	failed := make(chan error, 1)
	go func() {
		for i := range n {
			credit <- true
			if err := a.Send(b.SelfPublicKey(), packet(i)); err != nil {
				failed <- err
				return
			}
		}
		failed <- nil
	}()
	for i := range n {
		b.expectPacket(a.SelfPublicKey(), packet(i))
		<-credit
	}
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
}

func TestPacketOrder(t *testing.T) {
	stream(t, newClient(t, &target), newClient(t, &target), 10000, 16, numbered)
}

func TestPacketOrderSmall(t *testing.T) {
	stream(t, newClient(t, &target), newClient(t, &target), 10000, 16, small)
}

func TestPacketOrderDisco(t *testing.T) {
	stream(t, newClient(t, &target), newClient(t, &target), 1000, 16, func(i int) []byte {
		b := discoPacket(62 + i%500)
		binary.BigEndian.PutUint32(b[40:], uint32(i))
		return b
	})
}

func TestPacketBothWays(t *testing.T) {
	a, b := newClient(t, &target), newClient(t, &target)
	done := make(chan bool)
	go func() {
		defer close(done)
		stream(t, a, b, 3000, 16, numbered)
	}()
	stream(t, b, a, 3000, 16, numbered)
	<-done
}

// Everybody sends to everybody: with several workers, every pair of workers is among them.
func TestPacketAllToAll(t *testing.T) {
	const n = 20
	var all [n]*client
	for i := range all {
		all[i] = newClient(t, &target)
	}
	for round := range 10 {
		for i, from := range all {
			for j, to := range all {
				from.send(to.SelfPublicKey(), []byte{byte(round), byte(i), byte(j)})
			}
		}
		for j, to := range all {
			from := map[key.NodePublic]bool{}
			for range all {
				p, ok := to.next().(derp.ReceivedPacket)
				if !ok || len(p.Data) != 3 || p.Data[0] != byte(round) || p.Data[2] != byte(j) ||
					p.Source != all[p.Data[1]].SelfPublicKey() || from[p.Source] {
					t.Fatalf("client %d in round %d got %x from %v", j, round, p.Data, p.Source)
				}
				from[p.Source] = true
			}
		}
	}
}

// A burst that no queue can hold: packets may be dropped, but what comes is in order, whole, and
// the connections stay.
func TestPacketBurst(t *testing.T) {
	const n = 20000
	a, b := login(t), newClient(t, &target)
	go func() {
		dst := b.SelfPublicKey().AppendTo(nil)
		for i := range n {
			a.tryRaw(encode(derp.FrameSendPacket, dst, numbered(i)))
		}
	}()
	last, got := -1, 0
	for last != n-1 {
		p, ok := b.next().(derp.ReceivedPacket)
		if !ok || len(p.Data) < 8 {
			t.Fatalf("got %v", p)
		}
		i := int(binary.BigEndian.Uint64(p.Data))
		if i <= last || i >= n || string(p.Data) != string(numbered(i)) {
			t.Fatalf("packet %d after packet %d", i, last)
		}
		last = i
		got++
	}
	t.Logf("%d of %d packets came through", got, n)
	if got < n/100 {
		t.Errorf("only %d of %d packets came through to a client that reads", got, n)
	}
	a.quiet()
}

// A client that does not read delays nobody else, and is closed.
func TestPacketStuckReceiver(t *testing.T) {
	stuck, sender, bystander := login(t), login(t), login(t)
	hello := []byte("hello")
	stuck.packet(sender.public(), hello) // so that sender is told when it goes
	sender.expectPacket(stuck.public(), hello)

	start := time.Now()
	big := pattern(3, 60000)
	for gone := false; !gone; {
		sender.packet(stuck.public(), big)
		before := time.Now()
		sender.packet(bystander.public(), hello)
		bystander.expectPacket(sender.public(), hello)
		if d := time.Since(before); d > patience/4 {
			t.Errorf("a packet to a bystander took %v", d)
		}
		for _, f := range sender.fence() {
			if f.typ != derp.FramePeerGone || f.body[32] != byte(derp.PeerGoneReasonDisconnected) {
				t.Fatalf("the sender got %v", f)
			}
			gone = true
		}
		if time.Since(start) > 2*patience {
			t.Fatal("the client that does not read is not closed")
		}
	}
	t.Logf("closed after %v", time.Since(start).Round(100*time.Millisecond))
}
