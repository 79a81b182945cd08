// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"io"
	"net"
	"testing"
	"time"

	"tailscale.com/derp"
)

// These wait for the relay's deadlines. They run side by side, and beside all other cases.

// endsAfter demands that the relay ends the connection, not before and not long after d.
func endsAfter(t *testing.T, conn net.Conn, start time.Time, d time.Duration) {
	t.Helper()
	conn.SetReadDeadline(start.Add(d + patience))
	_, err := io.Copy(io.Discard, conn)
	took := time.Since(start)
	if isTimeout(err) {
		t.Errorf("still open after %v", took)
	} else if took < d-500*time.Millisecond {
		t.Errorf("ended after %v already: %v", took, err)
	}
	t.Logf("ended after %v", took.Round(100*time.Millisecond))
}

func TestSlowHandshake(t *testing.T) {
	t.Parallel()
	conn := dialTCP(t, target.Addr())
	conn.Write([]byte{22, 3, 1}) // the beginning of a record
	endsAfter(t, conn, time.Now(), 30*time.Second)
}

func TestSlowRequestHead(t *testing.T) {
	t.Parallel()
	conn, start := dialTLS(t), time.Now()
	io.WriteString(conn, "GET /derp HTTP/1.1\r\nHost: ")
	endsAfter(t, conn, start, 29*time.Second) // from the beginning of the connection
}

func TestSlowIdleKeepAlive(t *testing.T) {
	t.Parallel()
	conn := dialTLS(t)
	get(t, conn, "GET", "/derp/probe").want(200)
	endsAfter(t, conn, time.Now(), 30*time.Second)
}

func TestSlowLogin(t *testing.T) {
	t.Parallel()
	s, start := open(t, newKey()), time.Now()
	endsAfter(t, s.conn, start, 10*time.Second)
}

// A byte now and then does not move the deadline.
func TestSlowLoginTrickle(t *testing.T) {
	t.Parallel()
	s, start := open(t, newKey()), time.Now()
	stop := make(chan bool)
	defer close(stop)
	go func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for _, b := range s.clientInfo(defaultInfo) {
			select {
			case <-tick.C:
				s.tryRaw([]byte{b})
			case <-stop:
				return
			}
		}
	}()
	endsAfter(t, s.conn, start, 10*time.Second)
}

func TestSlowKeepAlive(t *testing.T) {
	t.Parallel()
	s, start := login(t), time.Now()
	f, err := s.next(derp.KeepAlive + 5*time.Second + patience)
	if err != nil || f.typ != derp.FrameKeepAlive || len(f.body) != 0 {
		t.Fatalf("got %v, %v; want a KeepAlive", f, err)
	}
	if d := time.Since(start); d < derp.KeepAlive-time.Second || d > derp.KeepAlive+7*time.Second {
		t.Errorf("KeepAlive after %v", d)
	}
	s.quiet()
}

// A silent client stays as long as it likes.
func TestSlowSilentClientStays(t *testing.T) {
	t.Parallel()
	s := login(t)
	f, err := s.next(45 * time.Second)
	if !isTimeout(err) {
		t.Errorf("got %v, %v", f, err)
	}
	s.quiet()
}

// Two devices with one key that both write are told of each other, as Tailscale's own client reads
// it, and who is left hears that it is over.
func TestSlowHealthOfSharedKey(t *testing.T) {
	t.Parallel()
	differs(t, "derper", "sends no Health")
	key := newKey()
	read := func(s *session) (texts []string) {
		for _, f := range s.fence() {
			if f.typ == derp.FrameHealth {
				texts = append(texts, string(f.body))
			}
		}
		return texts
	}
	one, other := loginAs(t, key, defaultInfo), loginAs(t, key, defaultInfo)
	var first, second []string
	for start := time.Now(); time.Since(start) < 20*time.Second && (first == nil || second == nil); {
		first, second = append(first, read(one)...), append(second, read(other)...)
		time.Sleep(100 * time.Millisecond)
	}
	if len(first) != 1 || len(second) != 1 || first[0] == "" || second[0] == "" {
		t.Fatalf("told %q and %q, want a text each", first, second)
	}
	other.conn.Close()
	f, err := one.next(derp.KeepAlive + 10*time.Second)
	if err == nil && f.typ == derp.FrameKeepAlive {
		f, err = one.next(patience)
	}
	if err != nil || f.typ != derp.FrameHealth || len(f.body) != 0 {
		t.Fatalf("got %v, %v; want an empty Health", f, err)
	}
}

func TestSlowNotHereRate(t *testing.T) {
	t.Parallel()
	s := login(t)
	start, got := time.Now(), 0
	for time.Since(start) < 5*time.Second {
		s.packet(newKey().Public(), discoPacket(62))
		got += len(s.fence())
		time.Sleep(20 * time.Millisecond)
	}
	if got < 6 || got > 10 { // three at once, then one each second
		t.Errorf("%d PeerGone in 5 s of disco packets to nobody, want 8", got)
	}
}
