// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	"tailscale.com/derp"
	"tailscale.com/net/stun"
	"tailscale.com/types/key"
)

// Cases that nobody thought of: good input, changed at random (the same each time), with Tailscale's
// own parsers as judges of what the relay must do.

// mutate changes, inserts, removes, repeats or swaps a few bytes, tokens of the dictionary among them.
func mutate(rng *rand.Rand, b []byte, dictionary []string) []byte {
	b = append([]byte(nil), b...)
	for range 1 + rng.IntN(3) {
		if len(b) == 0 {
			return b
		}
		at := rng.IntN(len(b))
		switch rng.IntN(6) {
		case 0:
			b[at] ^= 1 << rng.IntN(8)
		case 1:
			b[at] = byte(rng.IntN(256))
		case 2:
			b = append(b[:at], b[at+1:]...)
		case 3:
			b = append(b[:at], append([]byte{byte(rng.IntN(256))}, b[at:]...)...)
		case 4:
			word := dictionary[rng.IntN(len(dictionary))]
			b = append(b[:at], append([]byte(word), b[at:]...)...)
		case 5:
			n := min(rng.IntN(8), len(b)-at)
			b = append(b, b[at:at+n]...)
		}
	}
	return b
}

func TestSTUNMutations(t *testing.T) {
	conn := dialSTUN(t, target.IP)
	rng := rand.New(rand.NewPCG(1, 2))
	tailnode, other := attribute(softwareAttr, "tailnode"), attribute(0x8099, "something else")
	words := []string{string(tailnode), string(attribute(0x8099, "abc")), "\x80\x28\x00\x04", "\x00\x00"}
	good := 0
	for round := range 60 {
		want := map[stun.TxID][]byte{}
		for range 40 {
			tx := stun.NewTxID()
			var b []byte
			switch rng.IntN(3) { // the first two have a right fingerprint
			case 0:
				b = request(tx, mutate(rng, other, words), tailnode)
			case 1:
				b = request(tx, other, mutate(rng, tailnode, words))
			case 2:
				b = mutate(rng, request(tx, other, tailnode), words)
			}
			if tx, err := stun.ParseBindingRequest(b); err == nil {
				want[tx] = b
				good++
			}
			conn.Write(b)
		}
		fence := stun.NewTxID()
		conn.Write(stun.Request(fence))
		want[fence] = nil
		for len(want) > 0 {
			b := stunAnswer(conn, patience)
			if b == nil {
				t.Fatalf("round %d: %d requests were not answered: %x", round, len(want), want)
			}
			tx, _, err := stun.ParseResponse(b)
			if _, asked := want[tx]; err != nil || !asked {
				t.Fatalf("round %d: unexpected answer %x", round, b)
			}
			delete(want, tx)
		}
	}
	if b := stunAnswer(conn, 100*time.Millisecond); b != nil {
		t.Errorf("unexpected answer %x", b)
	}
	t.Logf("%d of 2400 were good", good)
}

// acceptable is what the relay must think of a ClientInfo.
func acceptable(text []byte) bool {
	var info derp.ClientInfo
	return json.Unmarshal(text, &info) == nil && derp.ValidAppName(info.AppName)
}

func TestLoginMutations(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	seeds := []string{
		`{"version":2,"CanAckPings":true}`,
		`{"version":2,"CanAckPings":true,"IsProber":false,"AppName":"interop"}`,
		`{"meshKey":"0000000000000000000000000000000000000000000000000000000000000000","version":2}`,
		`{"version":2,"x":[1,2.5e3,"a\u00e9\n",null,{"y":false}]}`,
	}
	words := []string{`"`, `\`, `\u0000`, `\ud800`, `,`, `:`, `[`, `]`, `{`, `}`, `null`, `true`, `-0`, `1e5`, `0.5`,
		" ", "\n", "\x00", "\x7f", "\xc3\xa9", "\xff", "\xef\xbb\xbf", `"version":`, `"AppName":"`, `/**/`,
		`99999999999999999999`, `01`, `,"version":2`}
	good, wrong := 0, 0
	for range 600 {
		text := mutate(rng, []byte(seeds[rng.IntN(len(seeds))]), words)
		want := acceptable(text)
		if want {
			good++
		}
		if got := loginTaken(t, text); got != want {
			wrong++
			t.Errorf("ClientInfo %q: taken %v, want %v", text, got, want)
		}
		if wrong > 20 {
			t.FailNow()
		}
	}
	t.Logf("%d of 600 were good", good)
}

// loginTaken tells whether the relay answers this ClientInfo with ServerInfo.
func loginTaken(t *testing.T, info []byte) bool {
	t.Helper()
	s := open(t, key.NewNode())
	defer s.conn.Close()
	s.tryRaw(s.clientInfo(info))
	f, err := s.next(patience)
	if isTimeout(err) {
		t.Fatalf("ClientInfo %q: no answer", info)
	}
	return err == nil && f.typ == derp.FrameServerInfo
}
