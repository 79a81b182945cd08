// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"tailscale.com/derp"
	"tailscale.com/derp/derphttp"
	"tailscale.com/types/key"
)

func TestLoginServerInfo(t *testing.T) {
	s := open(t, newKey())
	s.raw(s.clientInfo(defaultInfo))
	if info := s.readServerInfo(); info != (derp.ServerInfo{Version: 2}) {
		t.Errorf("ServerInfo says %+v, want version 2 and no limits", info)
	}
	s.quiet()
}

// accepts logs in with a ClientInfo of that text.
func accepts(t *testing.T, info string) {
	t.Helper()
	loginAs(t, newKey(), []byte(info)).quiet()
}

// refuses demands that the relay ends the connection instead of sending ServerInfo.
func refuses(t *testing.T, what string, frame []byte, k key.NodePrivate) {
	t.Helper()
	s := open(t, k)
	s.tryRaw(frame)
	if f, err := s.next(patience); err == nil {
		t.Errorf("%s: got %v, want the end", what, f)
	} else if isTimeout(err) {
		t.Errorf("%s: the relay keeps the connection open", what)
	}
}

func refusesInfo(t *testing.T, info string) {
	t.Helper()
	s := open(t, newKey())
	refuses(t, fmt.Sprintf("ClientInfo %.60q", info), s.clientInfo([]byte(info)), s.key)
}

func TestLoginClientInfoAccepted(t *testing.T) {
	for _, info := range []string{
		`{"version":2}`,
		`{}`,
		`null`,
		" {\n\t\"version\" : 2 }\n",
		`{"version":99,"CanAckPings":false,"IsProber":true}`,
		`{"version":2,"future":{"a":[1,2,{"b":null}],"c":1e300},"more":"x"}`,
		`{"version":2,"version":2,"CanAckPings":true,"CanAckPings":false}`,
		`{"VERSION":2,"canackpings":true}`,
		`{"version":2,"AppName":"` + strings.Repeat("~", 32) + `"}`,
		`{"version":2,"AppName":""}`,
		"{\"version\":2,\"other\":\"\xff\xfe\"}",
		`{"version":2,"meshKey":"` + strings.Repeat("0", 64) + `"}`,
		`{"version":2,"x":"` + strings.Repeat("x", 200<<10) + `"}`,
	} {
		t.Run(fmt.Sprintf("%.40q", info), func(t *testing.T) { accepts(t, info) })
	}
}

func TestLoginClientInfoRefused(t *testing.T) {
	for _, info := range []string{
		``,
		`{`,
		`[]`,
		`"version"`,
		`{"version":"2"}`,
		`{"version":2.5}`,
		`{"version":2,"CanAckPings":1}`,
		`{"version":2,"IsProber":"yes"}`,
		`{"version":2,"AppName":7}`,
		`{"version":2,"AppName":"` + strings.Repeat("a", 33) + `"}`,
		`{"version":2,"AppName":"tab\t"}`,
		`{"version":2,"AppName":"ümlaut"}`,
		`{"version":2}{}`,
		`{"version":2} x`,
		"{\"version\":2,\"other\":\"\x01\"}",
		`{"version":2,"meshKey":""}`,
		`{"version":2,"meshKey":"00"}`,
		`{"version":2,"meshKey":"` + strings.Repeat("g", 64) + `"}`,
		`{"version":2,"meshKey":5}`,
		`{"version":2,"x":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`,
	} {
		t.Run(fmt.Sprintf("%.40q", info), func(t *testing.T) { refusesInfo(t, info) })
	}
	alive(t)
}

func TestLoginFrameRefused(t *testing.T) {
	k := newKey()
	pub := k.Public().AppendTo(nil)
	tooLong := []byte{byte(derp.FrameClientInfo)}
	tooLong = binary.BigEndian.AppendUint32(tooLong, 256<<10+1)
	for what, f := range map[string][]byte{
		"no box":                encode(derp.FrameClientInfo, pub),
		"55 bytes":              encode(derp.FrameClientInfo, pub, make([]byte, 23)),
		"empty box":             encode(derp.FrameClientInfo, pub, make([]byte, 24)),
		"box of zeros":          encode(derp.FrameClientInfo, pub, make([]byte, 24+16+13)),
		"more than 256 KiB":     tooLong,
		"SendPacket first":      encode(derp.FrameSendPacket, pub, []byte("packet")),
		"Ping first":            encode(derp.FramePing, make([]byte, 8)),
		"unknown type first":    encode(0x77, []byte("?")),
		"length of 4 GiB":       {byte(derp.FrameClientInfo), 255, 255, 255, 255},
		"HTTP instead of DERP":  []byte("GET / HTTP/1.1\r\n\r\n"),
		"ServerKey from client": encode(derp.FrameServerKey, []byte(derp.Magic), pub),
	} {
		refuses(t, what, f, k)
	}
	alive(t)
}

func TestLoginBoxOfAnotherKey(t *testing.T) {
	k, thief := newKey(), newKey()
	s := open(t, k)
	f := encode(derp.FrameClientInfo, k.Public().AppendTo(nil), thief.SealTo(s.serverKey, defaultInfo))
	refuses(t, "a box sealed by another key", f, k)
}

func TestLoginZeroKey(t *testing.T) {
	refuses(t, "a key of 32 zero bytes", encode(derp.FrameClientInfo, make([]byte, 32+24+16+13)), newKey())
	alive(t)
}

// The relay hangs up on a login that stops in the middle, when the client does.
func TestLoginAbandoned(t *testing.T) {
	s := open(t, newKey())
	info := s.clientInfo(defaultInfo)
	s.raw(info[:len(info)/2])
	s.conn.CloseWrite()
	s.expectClosed()
	alive(t)
}

// What tailscaled tells about itself, and what the prober does.
func TestLoginAsProber(t *testing.T) {
	c := newClient(t, &target, func(c *derphttp.Client) { c.IsProber, c.AppName = true, "interop" })
	c.SetCanAckPings(true)
	c.ping()
}

// The relay's list has "refused app"; case matters.
func TestLoginRefusedApp(t *testing.T) {
	refusesInfo(t, `{"version":2,"AppName":"refused app"}`)
	for _, app := range []string{"Refused app", "refused", "refused app ", ""} {
		accepts(t, `{"version":2,"AppName":"`+app+`"}`)
	}
	alive(t)
}

// meshFrames are those that only a trusted peer may send, each of good length.
func meshFrames() map[string][]byte {
	k := newKey().Public().AppendTo(nil)
	return map[string][]byte{
		"WatchConns":    encode(derp.FrameWatchConns),
		"ClosePeer":     encode(derp.FrameClosePeer, k),
		"ForwardPacket": encode(derp.FrameForwardPacket, k, k, []byte("packet")),
	}
}

func TestMeshFramesNeedKey(t *testing.T) {
	for what, f := range meshFrames() {
		t.Run(what, func(t *testing.T) {
			s := login(t)
			s.raw(f)
			s.expectClosed()
		})
	}
}

// A wrong mesh key makes a regular client, until it asks for a mesh peer's rights.
func TestMeshKeyWrong(t *testing.T) {
	wrong := []byte(`{"version":2,"meshKey":"` + strings.Repeat("5a", 32) + `"}`)
	for what, f := range meshFrames() {
		t.Run(what, func(t *testing.T) {
			s, peer := loginAs(t, newKey(), wrong), login(t)
			s.packet(peer.public(), []byte("hello"))
			peer.expectPacket(s.public(), []byte("hello"))
			s.raw(f)
			s.expectClosed()
		})
	}
}

// Many clients log in at once.
func TestLoginMany(t *testing.T) {
	const many = 60
	clients := make([]*client, many)
	done := make(chan int)
	for i := range many {
		go func() {
			defer func() { done <- i }()
			clients[i] = newClient(t, &target)
		}()
	}
	for range many {
		<-done
	}
	if t.Failed() {
		return
	}
	body := bytes.Repeat([]byte("x"), 100)
	for i, c := range clients {
		peer := clients[(i+1)%many]
		c.send(peer.SelfPublicKey(), body)
		peer.expectPacket(c.SelfPublicKey(), body)
	}
}
