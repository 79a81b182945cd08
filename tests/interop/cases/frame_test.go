// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"tailscale.com/derp"
)

// maxIgnored is the longest frame of a type that means nothing to the relay: a SendPacket's.
const maxIgnored = derp.MaxPacketSize + derp.KeyLen

// meaningless are the types that a client has no business sending: the server's own, those of the
// login, and those nobody has defined.
var meaningless = []derp.FrameType{
	0x00, derp.FrameServerKey, derp.FrameClientInfo, derp.FrameServerInfo, derp.FrameRecvPacket,
	derp.FrameKeepAlive, derp.FramePeerGone, derp.FramePeerPresent, 0x0b, 0x0f, derp.FramePong,
	derp.FrameHealth, derp.FrameRestarting, 0x16, 0x7f, 0x80, 0xff,
}

func TestFrameUnknownIgnored(t *testing.T) {
	s, peer := login(t), login(t)
	for _, typ := range meaningless {
		for _, n := range []int{0, 1, 8, 40, 5000} {
			s.send(typ, pattern(n, n))
		}
		s.quiet()
		s.packet(peer.public(), []byte{byte(typ)})
		peer.expectPacket(s.public(), []byte{byte(typ)})
	}
	s.send(0x55, make([]byte, maxIgnored))
	s.quiet()
}

func TestFrameUnknownTooLong(t *testing.T) {
	for _, n := range []uint32{maxIgnored + 1, 1 << 20, 1<<32 - 1} {
		s := login(t)
		s.raw(binary.BigEndian.AppendUint32([]byte{0x55}, n))
		s.tryRaw(make([]byte, maxIgnored+1))
		s.expectClosed()
	}
	alive(t)
}

func TestFrameWrongLengthCloses(t *testing.T) {
	for _, c := range []struct {
		typ derp.FrameType
		len int
	}{
		{derp.FrameNotePreferred, 0}, {derp.FrameNotePreferred, 2},
		{derp.FrameSendPacket, 0}, {derp.FrameSendPacket, 31}, {derp.FrameSendPacket, maxIgnored + 1},
		{derp.FrameWatchConns, 1},
		{derp.FrameClosePeer, 31}, {derp.FrameClosePeer, 33},
		{derp.FrameForwardPacket, 63},
		{derp.FramePing, 0}, {derp.FramePing, 7}, {derp.FramePing, 1001},
	} {
		t.Run(fmt.Sprintf("0x%02x-%d", byte(c.typ), c.len), func(t *testing.T) {
			s := login(t)
			s.tryRaw(encode(c.typ, make([]byte, c.len)))
			s.expectClosed()
		})
	}
	alive(t)
}

// TestFramePieces sends frames cut at every place.
func TestFramePieces(t *testing.T) {
	s, peer := login(t), login(t)
	body := pattern(1, 20)
	whole := encode(derp.FrameSendPacket, peer.public().AppendTo(nil), body)
	for cut := 1; cut < len(whole); cut++ {
		s.raw(whole[:cut])
		s.raw(whole[cut:])
		peer.expectPacket(s.public(), body)
	}
	for _, b := range whole {
		s.raw([]byte{b})
	}
	peer.expectPacket(s.public(), body)
}

// TestFrameTogether sends many frames in few records.
func TestFrameTogether(t *testing.T) {
	s, peer := login(t), login(t)
	var all []byte
	for i := range 30 {
		all = append(all, encode(derp.FrameSendPacket, peer.public().AppendTo(nil), pattern(i, i*10))...)
	}
	s.raw(all)
	for i := range 30 {
		peer.expectPacket(s.public(), pattern(i, i*10))
	}
}

func TestFrameHalfThenClose(t *testing.T) {
	s, peer := login(t), login(t)
	s.raw(encode(derp.FrameSendPacket, peer.public().AppendTo(nil), make([]byte, 1000))[:500])
	s.conn.CloseWrite()
	s.expectClosed()
	peer.quiet()
}

func TestPingEcho(t *testing.T) {
	s := login(t)
	for _, n := range []int{8, 9, 100, 1000} {
		body := pattern(n, n)
		s.send(derp.FramePing, body)
		if f := s.read(); f.typ != derp.FramePong || !bytes.Equal(f.body, body[:8]) {
			t.Errorf("ping of %d bytes answered by %v", n, f)
		}
	}
}

// Whoever pings faster than pongs can be written gets fewer, but the connection stays.
func TestPingFlood(t *testing.T) {
	s := login(t)
	var all []byte
	for i := range 2000 {
		all = append(all, encode(derp.FramePing, binary.BigEndian.AppendUint64(nil, uint64(i)))...)
	}
	s.raw(all)
	if f := s.read(); f.typ != derp.FramePong {
		t.Fatalf("got %v, want a pong", f)
	}
	s2 := login(t)
	s2.packet(s.public(), []byte("still here"))
	last := int64(-1)
	for {
		f := s.read()
		if f.typ == derp.FrameRecvPacket {
			return
		}
		if f.typ != derp.FramePong || len(f.body) != 8 {
			t.Fatalf("got %v, want pongs", f)
		}
		n := int64(binary.BigEndian.Uint64(f.body))
		if n < last || n >= 2000 {
			t.Fatalf("pong %d after pong %d", n, last)
		}
		last = n
	}
}

func TestNotePreferred(t *testing.T) {
	s := login(t)
	for _, v := range []byte{1, 1, 0, 0, 255, 1} {
		s.send(derp.FrameNotePreferred, []byte{v})
	}
	s.quiet()
	c := newClient(t, &target)
	c.NotePreferred(true)
	c.ping()
	c.NotePreferred(false)
	c.ping()
}
