// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"encoding/binary"
	"hash/crc32"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"tailscale.com/net/stun"
)

// dialSTUN makes a socket that takes only answers from the address it asks.
func dialSTUN(t *testing.T, ip string) net.Conn {
	t.Helper()
	if target.STUNPort == 0 || ip == "" {
		t.Skip("no STUN there")
	}
	conn, err := net.Dial("udp", target.STUNAddr(ip))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// ask sends a good request and checks its answer. UDP may lose packets even here, so it asks again.
func ask(t *testing.T, conn net.Conn) {
	t.Helper()
	tx := stun.NewTxID()
	for range 20 {
		conn.Write(stun.Request(tx))
		if b := stunAnswer(conn, patience/20); b != nil {
			checkAnswer(t, conn, tx, b)
			return
		}
	}
	t.Fatalf("no answer from %v", conn.RemoteAddr())
}

func stunAnswer(conn net.Conn, d time.Duration) []byte {
	b := make([]byte, 2048)
	conn.SetReadDeadline(time.Now().Add(d))
	n, err := conn.Read(b)
	if err != nil {
		return nil
	}
	return b[:n]
}

func checkAnswer(t *testing.T, conn net.Conn, tx stun.TxID, b []byte) {
	t.Helper()
	got, addr, err := stun.ParseResponse(b)
	if err != nil {
		t.Fatalf("answer %x: %v", b, err)
	}
	if got != tx {
		t.Errorf("answer to transaction %x, asked with %x", got, tx)
	}
	if want := netip.MustParseAddrPort(conn.LocalAddr().String()); addr != want {
		t.Errorf("the relay saw %v, the socket is %v", addr, want)
	}
	if want := stun.Response(tx, addr); string(b) != string(want) {
		t.Errorf("answer is %x, want %x", b, want)
	}
}

func TestSTUNIPv4(t *testing.T) { ask(t, dialSTUN(t, target.IP)) }
func TestSTUNIPv6(t *testing.T) { ask(t, dialSTUN(t, target.IP6)) }

// A relay with several addresses answers from the one that was asked.
func TestSTUNFromAddressAsked(t *testing.T) {
	if !strings.HasPrefix(target.IP, "127.") {
		t.Skip("needs the loopback network")
	}
	for _, ip := range []string{"127.0.0.2", "127.7.7.7"} {
		ask(t, dialSTUN(t, ip))
	}
}

// attribute is a STUN attribute with its padding.
func attribute(typ uint16, value string) []byte {
	b := binary.BigEndian.AppendUint16(nil, typ)
	b = binary.BigEndian.AppendUint16(b, uint16(len(value)))
	b = append(b, value...)
	return append(b, make([]byte, -len(value)&3)...)
}

// request builds a binding request of the given attributes and ends it with a right fingerprint.
func request(tx stun.TxID, attrs ...[]byte) []byte {
	n := 8
	for _, a := range attrs {
		n += len(a)
	}
	b := []byte{0, 1}
	b = binary.BigEndian.AppendUint16(b, uint16(n))
	b = append(b, 0x21, 0x12, 0xa4, 0x42)
	b = append(b, tx[:]...)
	for _, a := range attrs {
		b = append(b, a...)
	}
	sum := crc32.ChecksumIEEE(b) ^ 0x5354554e
	return append(b, attribute(0x8028, string(binary.BigEndian.AppendUint32(nil, sum)))...)
}

const softwareAttr = 0x8022

func TestSTUNRequestsAnswered(t *testing.T) {
	conn := dialSTUN(t, target.IP)
	tailnode := attribute(softwareAttr, "tailnode")
	for name, attrs := range map[string][][]byte{
		"as usual":              {tailnode},
		"odd length before":     {attribute(0x8099, "abcde"), tailnode},
		"optional one behind":   {tailnode, attribute(0x8099, "")},
		"unknown required one":  {attribute(0x0042, "must know"), tailnode},
		"software twice":        {tailnode, tailnode},
		"other software before": {attribute(softwareAttr, "other"), tailnode},
		"padding attribute":     {tailnode, attribute(0x0026, strings.Repeat("\x00", 500))},
	} {
		t.Run(name, func(t *testing.T) {
			tx := stun.NewTxID()
			b := request(tx, attrs...)
			if _, err := stun.ParseBindingRequest(b); err != nil {
				t.Fatalf("Tailscale's parser refuses this: %v", err)
			}
			conn.Write(b)
			answer := stunAnswer(conn, patience)
			if answer == nil {
				t.Fatal("no answer")
			}
			checkAnswer(t, conn, tx, answer)
		})
	}
}

func TestSTUNRequestsIgnored(t *testing.T) {
	conn := dialSTUN(t, target.IP)
	tx := stun.NewTxID()
	good := stun.Request(tx)
	change := func(at int, to byte) []byte {
		b := append([]byte(nil), good...)
		b[at] = to
		return b
	}
	tailnode := attribute(softwareAttr, "tailnode")
	bad := map[string][]byte{
		"empty":                     {},
		"one byte":                  {0},
		"header cut":                good[:19],
		"no attributes":             good[:20],
		"no fingerprint":            good[:32],
		"fingerprint cut":           good[:len(good)-1],
		"wrong fingerprint":         change(len(good)-1, good[len(good)-1]^1),
		"fingerprint not last":      append(append([]byte(nil), good...), tailnode...),
		"wrong software":            request(tx, attribute(softwareAttr, "tailnodE")),
		"software too long":         request(tx, attribute(softwareAttr, "tailnode2")),
		"no software":               request(tx),
		"wrong cookie":              change(4, 0x20),
		"a response":                stun.Response(tx, netip.MustParseAddrPort("192.0.2.1:1")),
		"another method":            change(1, 2),
		"an indication":             change(0, 0x00|0x01),
		"first bits set":            change(0, 0x40),
		"attribute beyond the end":  change(23, 200),
		"attribute of 65535 bytes":  request(tx, []byte{0x80, 0x99, 255, 255}, tailnode),
		"DTLS":                      append([]byte{22, 254, 253}, pattern(1, 60)...),
		"DNS":                       []byte("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04demo\x03com\x00\x00\x01\x00\x01"),
		"trailing bytes":            append(append([]byte(nil), good...), 0, 0, 0, 0),
		"fingerprint of wrong size": append(request(tx, tailnode)[:32], attribute(0x8028, "12345678")...),
	}
	for name, b := range bad {
		if _, err := stun.ParseBindingRequest(b); err == nil {
			t.Errorf("%s: Tailscale's parser accepts this", name)
		}
		conn.Write(b)
	}
	ask(t, conn)
	if b := stunAnswer(conn, 200*time.Millisecond); b != nil {
		t.Errorf("a bad request was answered by %x", b)
	}
}

// A thousand requests from as many ports. UDP may lose some.
func TestSTUNMany(t *testing.T) {
	answered := 0
	for range 1000 {
		conn := dialSTUN(t, target.IP)
		tx := stun.NewTxID()
		conn.Write(stun.Request(tx))
		if b := stunAnswer(conn, time.Second); b != nil {
			checkAnswer(t, conn, tx, b)
			answered++
		}
		conn.Close()
	}
	if answered < 990 {
		t.Errorf("%d of 1000 requests were answered", answered)
	}
}
