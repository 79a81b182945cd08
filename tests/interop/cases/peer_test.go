// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"fmt"
	"testing"

	"tailscale.com/derp"
	"tailscale.com/types/key"
)

const (
	disconnected = derp.PeerGoneReasonDisconnected
	notHere      = derp.PeerGoneReasonNotHere
)

// sayHello sends a packet from one client to another and waits for it.
func sayHello(from, to *session) {
	from.t.Helper()
	from.packet(to.public(), []byte("hello"))
	to.expectPacket(from.public(), []byte("hello"))
}

func TestGoneDisconnected(t *testing.T) {
	leaver, heard, stranger := login(t), login(t), login(t)
	sayHello(leaver, heard)
	sayHello(stranger, leaver) // stranger sent to leaver, but never heard from it
	leaver.conn.Close()
	heard.expectGone(leaver.public(), disconnected)
	heard.quiet()
	stranger.quiet()
}

// The same by Tailscale's client, which drops its route then.
func TestGoneDisconnectedClient(t *testing.T) {
	a, b := newClient(t, &target), newClient(t, &target)
	a.send(b.SelfPublicKey(), []byte("x"))
	b.expectPacket(a.SelfPublicKey(), []byte("x"))
	a.Close()
	want := derp.PeerGoneMessage{Peer: a.SelfPublicKey(), Reason: disconnected}
	if m := b.next(); m != want {
		t.Errorf("got %#v, want %#v", m, want)
	}
}

// All who heard from the leaver are told, on whatever worker they are.
func TestGoneTellsEverybody(t *testing.T) {
	leaver := login(t)
	var all [12]*session
	for i := range all {
		all[i] = login(t)
		sayHello(leaver, all[i])
	}
	leaver.conn.Close()
	for _, s := range all {
		s.expectGone(leaver.public(), disconnected)
		s.quiet()
	}
}

// A peer that comes back, is heard again and goes again is reported again: the client has made a new
// route to it in between.
func TestGoneAgain(t *testing.T) {
	differs(t, "derper", "reports a peer at most once to each connection")
	k, heard := newKey(), login(t)
	for range 3 {
		leaver := loginAs(t, k, defaultInfo)
		sayHello(leaver, heard)
		leaver.conn.Close()
		heard.expectGone(k.Public(), disconnected)
		heard.quiet()
	}
}

// But not if it was not heard again.
func TestGoneOnceForEachHearing(t *testing.T) {
	k, heard := newKey(), login(t)
	for round := range 3 {
		leaver, witness := loginAs(t, k, defaultInfo), login(t)
		sayHello(leaver, witness)
		if round == 0 {
			sayHello(leaver, heard)
		}
		leaver.conn.Close()
		witness.expectGone(k.Public(), disconnected)
		if round == 0 {
			heard.expectGone(k.Public(), disconnected)
		}
		heard.quiet()
	}
}

func TestNotHereForDisco(t *testing.T) {
	s, nobody := login(t), newKey().Public()
	s.packet(nobody, discoPacket(62))
	s.expectGone(nobody, notHere)
	s.packet(nobody, discoPacket(1280))
	s.expectGone(nobody, notHere)
	s.quiet()
}

func TestNotHereOnlyForDisco(t *testing.T) {
	s, nobody := login(t), newKey().Public()
	s.packet(nobody, []byte("not disco"))
	s.packet(nobody, nil)
	s.packet(nobody, discoPacket(61))
	s.packet(nobody, pattern(9, 1280))
	s.quiet()
}

func TestNotHereAfterLeaving(t *testing.T) {
	s, leaver := login(t), login(t)
	sayHello(leaver, s)
	leaver.conn.Close()
	s.expectGone(leaver.public(), disconnected)
	s.packet(leaver.public(), discoPacket(100))
	s.expectGone(leaver.public(), notHere)
}

// At most three in a burst. (One more each second: TestSlowNotHereRate.)
func TestNotHereBurst(t *testing.T) {
	s := login(t)
	var all []byte
	for i := range 50 {
		all = append(all, encode(derp.FrameSendPacket, newKey().Public().AppendTo(nil), discoPacket(62+i))...)
	}
	s.raw(all)
	seen := s.fence()
	if len(seen) < 3 || len(seen) > 4 { // a second may have passed
		t.Errorf("50 disco packets to nobody were answered by %v, want 3 frames", seen)
	}
	for _, f := range seen {
		if f.typ != derp.FramePeerGone || len(f.body) != 33 || f.body[32] != byte(notHere) {
			t.Errorf("got %v", f)
		}
	}
}

// A key with several connections: who gets the packets? reaches demands that one does and the
// others do not.
func reaches(t *testing.T, from *session, k key.NodePublic, want *session, others ...*session) {
	t.Helper()
	body := fmt.Appendf(nil, "to the active one %p", want)
	from.packet(k, body)
	want.expectPacket(from.public(), body)
	for _, s := range others {
		// Not by a fence: anything that this client sends would make it the active one.
		if f, err := s.next(50e6); err == nil {
			t.Fatalf("a connection that is not the active one got %v", f)
		} else if !isTimeout(err) {
			t.Fatalf("a connection that is not the active one ended: %v", err)
		}
	}
}

func TestDuplicateNewestIsActive(t *testing.T) {
	k, from := newKey(), login(t)
	first := loginAs(t, k, defaultInfo)
	reaches(t, from, k.Public(), first)
	second := loginAs(t, k, defaultInfo)
	reaches(t, from, k.Public(), second, first)
	third := loginAs(t, k, defaultInfo)
	reaches(t, from, k.Public(), third, first, second)
}

func TestDuplicateLastWriterIsActive(t *testing.T) {
	k, from := newKey(), login(t)
	a, b := loginAs(t, k, defaultInfo), loginAs(t, k, defaultInfo)
	for range 3 {
		sayHello(a, from)
		reaches(t, from, k.Public(), a, b)
		sayHello(b, from)
		reaches(t, from, k.Public(), b, a)
	}
}

// Any frame counts as writing, not only packets.
func TestDuplicateAnyFrameActivates(t *testing.T) {
	k, from := newKey(), login(t)
	a, b := loginAs(t, k, defaultInfo), loginAs(t, k, defaultInfo)
	a.quiet() // a ping
	reaches(t, from, k.Public(), a, b)
	b.send(derp.FrameNotePreferred, []byte{1})
	b.quiet()
	reaches(t, from, k.Public(), b, a)
	a.send(0x55, []byte("unknown"))
	a.quiet()
	reaches(t, from, k.Public(), a, b)
}

// Without being active, a connection may still send.
func TestDuplicateBothMaySend(t *testing.T) {
	k, to := newKey(), login(t)
	a, b := loginAs(t, k, defaultInfo), loginAs(t, k, defaultInfo)
	sayHello(b, to)
	sayHello(a, to)
	sayHello(b, to)
}

func TestDuplicateFallback(t *testing.T) {
	k, from := newKey(), login(t)
	a, b, c := loginAs(t, k, defaultInfo), loginAs(t, k, defaultInfo), loginAs(t, k, defaultInfo)
	sayHello(b, from)
	sayHello(a, from)
	sayHello(c, from)
	c.conn.Close()
	waitUntilActive(t, from, k.Public(), a)
	reaches(t, from, k.Public(), a, b)
	a.conn.Close()
	waitUntilActive(t, from, k.Public(), b)
	reaches(t, from, k.Public(), b)
}

// waitUntilActive sends until want receives: the end of a connection reaches the relay in its own
// time.
func waitUntilActive(t *testing.T, from *session, k key.NodePublic, want *session) {
	t.Helper()
	mark := fmt.Appendf(nil, "mark %p", want)
	for range 500 {
		from.packet(k, mark)
		if f, err := want.next(20e6); err == nil {
			if f.typ != derp.FrameRecvPacket || string(f.body[32:]) != string(mark) {
				t.Fatalf("got %v", f)
			}
			// Whatever else of these is under way comes before the fence's packet.
			from.packet(k, []byte("end of marks"))
			for f := want.read(); string(f.body[32:]) != "end of marks"; f = want.read() {
			}
			return
		} else if !isTimeout(err) {
			t.Fatal(err)
		}
	}
	t.Fatal("the connection does not become the active one")
}

// Peers are told only when the last connection of the key ends.
func TestDuplicateGoneWithTheLast(t *testing.T) {
	k, heard := newKey(), login(t)
	a, b := loginAs(t, k, defaultInfo), loginAs(t, k, defaultInfo)
	sayHello(a, heard)
	sayHello(b, heard)
	b.conn.Close()
	waitUntilActive(t, heard, k.Public(), a)
	heard.quiet()
	a.conn.Close()
	heard.expectGone(k.Public(), disconnected)
	heard.quiet()
}

// A client that comes back while its old connection still seems alive, as after a change of
// network.
func TestDuplicateReconnect(t *testing.T) {
	k, from := newKey(), login(t)
	for range 20 {
		s := loginAs(t, k, defaultInfo)
		sayHello(s, from)
		reaches(t, from, k.Public(), s)
	}
}
