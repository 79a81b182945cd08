// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"tailscale.com/derp"
)

// reset ends a TCP connection the hard way.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
}

// Connections that break off at every stage, with RST, leave nothing behind that matters.
func TestAbruptEnds(t *testing.T) {
	for range 20 {
		reset(dialTCP(t, target.Addr()))

		half := dialTCP(t, target.Addr())
		half.Write([]byte{22, 3, 1, 2, 0, 1})
		reset(half)

		reset(dialTLS(t).NetConn())

		head := dialTLS(t)
		io.WriteString(head, "GET /derp HTTP/1.1\r\nHost")
		reset(head.NetConn())

		reset(open(t, newKey()).conn.NetConn())

		s := login(t)
		s.packet(s.public(), pattern(1, 60000))
		reset(s.conn.NetConn())
	}
	alive(t)
}

// A peer that broke off hard is reported like any other.
func TestGoneAfterReset(t *testing.T) {
	a, b := login(t), login(t)
	sayHello(a, b)
	reset(a.conn.NetConn())
	b.expectGone(a.public(), disconnected)
}

// A request's body is never taken for a request.
func TestHTTPBodyIsNoRequest(t *testing.T) {
	host := "Host: " + target.Host + "\r\n"
	inner := "GET /robots.txt HTTP/1.1\r\n" + host + "\r\n"
	for name, request := range map[string]string{
		"length": "POST /generate_204 HTTP/1.1\r\n" + host + "Content-Length: " +
			itoa(len(inner)) + "\r\n\r\n" + inner,
		"chunked": "POST /generate_204 HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n" +
			hex(len(inner)) + "\r\n" + inner + "\r\n0\r\n\r\n",
		"both": "POST /generate_204 HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n" +
			"Content-Length: 5\r\n\r\n" + hex(len(inner)) + "\r\n" + inner + "\r\n0\r\n\r\n",
		"get": "GET /generate_204 HTTP/1.1\r\n" + host + "Content-Length: " + itoa(len(inner)) + "\r\n\r\n" + inner,
	} {
		t.Run(name, func(t *testing.T) {
			conn := dialTLS(t)
			io.WriteString(conn, request)
			conn.SetReadDeadline(time.Now().Add(time.Second))
			all, _ := io.ReadAll(conn)
			if strings.Contains(string(all), "Disallow") {
				t.Errorf("answered %q", all)
			}
		})
	}
	alive(t)
}

// While many connections stand idle before their login, others are served.
func TestIdleConnectionsDelayNobody(t *testing.T) {
	for range 100 {
		dialTCP(t, target.Addr())
	}
	for range 50 {
		dialTLS(t)
	}
	for range 20 {
		open(t, newKey())
	}
	start := time.Now()
	alive(t)
	if d := time.Since(start); d > patience/4 {
		t.Errorf("a login took %v", d)
	}
}

// A sender that fills its own inbox without reading from it neither blocks nor fails.
func TestPacketsToSelfUnread(t *testing.T) {
	s := login(t)
	body := pattern(5, 1000)
	for range 300 {
		s.packet(s.public(), body)
	}
	s.send(derp.FramePing, []byte("12345678"))
	got := 0
	for {
		f := s.read()
		if f.typ == derp.FramePong {
			break
		}
		got++
	}
	t.Logf("%d of 300 packets came before the pong", got)
}
