// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/coder/websocket"
	"tailscale.com/derp"
)

// webSocketClient is Tailscale's client as it runs in a browser: through WebSocket.
func webSocketClient(t *testing.T) *client {
	t.Helper()
	dialed := 0
	http.DefaultTransport.(*http.Transport).DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		dialed++
		return (&net.Dialer{}).DialContext(ctx, network, target.Addr())
	}
	const knob = "TS_DEBUG_DERP_WS_CLIENT"
	os.Setenv(knob, "true")
	defer os.Unsetenv(knob)
	c := newClient(t, &target)
	if dialed == 0 {
		t.Fatal("the client did not use WebSocket: is it built with the tag ts_debug_websockets?")
	}
	return c
}

// exchange sends packets of these sizes both ways.
func exchange(a, b *client, sizes ...int) {
	a.t.Helper()
	for i, size := range sizes {
		there, back := pattern(i, size), pattern(i+100, size)
		a.send(b.SelfPublicKey(), there)
		b.expectPacket(a.SelfPublicKey(), there)
		b.send(a.SelfPublicKey(), back)
		a.expectPacket(b.SelfPublicKey(), back)
	}
}

func TestWebSocketClient(t *testing.T) {
	web, plain := webSocketClient(t), newClient(t, &target)
	web.ping()
	exchange(web, plain, 0, 1, 80, 81, 88, 89, 125, 126, 1280, 4050, 4096, 16384, 32000)
	exchange(web, webSocketClient(t), 0, 1280, 32000)
	web.NotePreferred(true)
	web.ping()
}

// Tailscale's client puts a long packet into one message, and takes none above 32 KiB.
func TestWebSocketLongPackets(t *testing.T) {
	differs(t, "derper", "ends at a message of more than 32 KiB, and sends longer ones to clients that do the same")
	exchange(webSocketClient(t), newClient(t, &target), 32768, 65536)
	exchange(webSocketClient(t), webSocketClient(t), 32768, 65536)
}

func TestWebSocketManyPackets(t *testing.T) {
	web, plain := webSocketClient(t), newClient(t, &target)
	stream(t, web, plain, 500, 20, numbered)
	stream(t, plain, web, 500, 20, numbered)
}

func TestWebSocketPeerGone(t *testing.T) {
	web, plain := webSocketClient(t), newClient(t, &target)
	exchange(web, plain, 1)
	web.send(newKey().Public(), discoPacket(100))
	if m, ok := web.next().(derp.PeerGoneMessage); !ok || m.Reason != derp.PeerGoneReasonNotHere {
		t.Errorf("got %#v, want PeerGone, not here", m)
	}
	another := webSocketClient(t)
	exchange(web, another, 1)
	plain.Close()
	want := derp.PeerGoneMessage{Peer: plain.SelfPublicKey(), Reason: disconnected}
	if m := web.next(); m != want {
		t.Errorf("got %#v, want %#v", m, want)
	}
	web.Close()
	want.Peer = web.SelfPublicKey()
	if m := another.next(); m != want {
		t.Errorf("got %#v, want %#v", m, want)
	}
}

// webSocketHead is a request for a WebSocket; lines of the same name replace the usual ones.
func webSocketHead(change map[string]string) string {
	usual := [][2]string{
		{"", "GET /derp HTTP/1.1"}, {"Host", target.Host}, {"Upgrade", "websocket"}, {"Connection", "Upgrade"},
		{"Sec-WebSocket-Version", "13"}, {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
		{"Sec-WebSocket-Protocol", "derp"}, {"Origin", ""}, {"Sec-WebSocket-Extensions", ""}}
	head := ""
	for _, line := range usual {
		value, changed := change[line[0]]
		if !changed {
			value = line[1]
		}
		if line[0] != "" && value != "" {
			head += line[0] + ": "
		}
		if value != "" {
			head += value + "\r\n"
		}
	}
	return head + "\r\n"
}

func askWebSocket(t *testing.T, change map[string]string) response {
	t.Helper()
	conn := dialTLS(t)
	io.WriteString(conn, webSocketHead(change))
	conn.SetReadDeadline(time.Now().Add(patience))
	head, err := readHead(conn)
	if err != nil {
		t.Fatal(err)
	}
	head.t = t
	return head
}

// readHead reads no further than the head: a body may never end.
func readHead(conn net.Conn) (response, error) {
	var text []byte
	for one := make([]byte, 1); !bytes.HasSuffix(text, []byte("\r\n\r\n")); {
		if _, err := conn.Read(one); err != nil {
			return response{}, err
		}
		text = append(text, one[0])
	}
	req, _ := http.NewRequest("GET", "https://"+target.Host+"/derp", nil)
	resp, err := http.ReadResponse(newReader(bytes.NewReader(text)), req)
	return response{Response: resp}, err
}

func TestWebSocketResponse(t *testing.T) {
	for name, change := range map[string]map[string]string{
		"usual":         {},
		"case":          {"Upgrade": "WebSocket", "Connection": "keep-alive, upgrade"},
		"other origin":  {"Origin": "https://other.example"},
		"several":       {"Sec-WebSocket-Protocol": "chat, derp"},
		"no extensions": {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"},
		"query":         {"": "GET /derp?x HTTP/1.1"},
	} {
		t.Run(name, func(t *testing.T) {
			r := askWebSocket(t, change).want(101).header("Connection", "Upgrade").
				header("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=").
				header("Sec-WebSocket-Protocol", "derp").header("Sec-WebSocket-Extensions", "")
			if up := r.Header.Get("Upgrade"); up != "websocket" {
				t.Errorf("Upgrade: %q", up)
			}
		})
	}
}

func TestWebSocketRefused(t *testing.T) {
	for name, row := range map[string]struct {
		status int
		change map[string]string
	}{
		"http10":        {426, map[string]string{"": "GET /derp HTTP/1.0"}},
		"no connection": {426, map[string]string{"Connection": ""}},
		"post":          {405, map[string]string{"": "POST /derp HTTP/1.1"}},
		"version":       {400, map[string]string{"Sec-WebSocket-Version": "8"}},
		"no key":        {400, map[string]string{"Sec-WebSocket-Key": ""}},
		"short key":     {400, map[string]string{"Sec-WebSocket-Key": "abc="}},
	} {
		t.Run(name, func(t *testing.T) { askWebSocket(t, row.change).want(row.status) })
	}
	askWebSocket(t, map[string]string{"Sec-WebSocket-Version": "8"}).header("Sec-WebSocket-Version", "13")
}

// Without the subprotocol it is the oldest clients' way to say DERP.
func TestWebSocketOldStyle(t *testing.T) {
	for _, protocols := range []string{"", "chat", "DERP"} {
		askWebSocket(t, map[string]string{"Sec-WebSocket-Protocol": protocols}).want(101).header("Upgrade", "DERP")
	}
}

func TestWebSocketOtherSubprotocol(t *testing.T) {
	differs(t, "derper", "takes a subprotocol that only contains derp, and then ends with status 1008")
	askWebSocket(t, map[string]string{"Sec-WebSocket-Protocol": "derp2"}).want(400)
}

// openWebSocket is a DERP session through messages that the test makes.
func openWebSocket(t *testing.T) (*websocket.Conn, context.Context) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	conf, err := target.TLSConfig()
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: conf,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, target.Addr())
		}}
	c, _, err := websocket.Dial(ctx, "https://"+target.Host+"/derp",
		&websocket.DialOptions{Subprotocols: []string{"derp"}, HTTPClient: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c, ctx
}

// logInByWebSocket logs in with messages cut as cut says, and returns the stream of what comes back.
func logInByWebSocket(t *testing.T, cut func(context.Context, *websocket.Conn, []byte) error) (*websocket.Conn, io.Reader, context.Context) {
	t.Helper()
	c, ctx := openWebSocket(t)
	stream := websocket.NetConn(ctx, c, websocket.MessageBinary)
	s := &session{t: t, key: newKey(), br: newReader(stream)}
	typ, n, err := derp.ReadFrameHeader(s.br)
	if err != nil || typ != derp.FrameServerKey {
		t.Fatalf("greeting: %v, %v", typ, err)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(s.br, body); err != nil {
		t.Fatal(err)
	}
	s.serverKey = metaKey(t, dialTLS(t).ConnectionState().PeerCertificates)
	if err := cut(ctx, c, s.clientInfo(defaultInfo)); err != nil {
		t.Fatal(err)
	}
	typ, n, err = derp.ReadFrameHeader(s.br)
	if err != nil || typ != derp.FrameServerInfo {
		t.Fatalf("after ClientInfo: %v, %v", typ, err)
	}
	if _, err := io.CopyN(io.Discard, s.br, int64(n)); err != nil {
		t.Fatal(err)
	}
	return c, s.br, ctx
}

func oneMessage(ctx context.Context, c *websocket.Conn, b []byte) error {
	return c.Write(ctx, websocket.MessageBinary, b)
}

// The borders of messages and of their fragments mean nothing.
func TestWebSocketBorders(t *testing.T) {
	for name, cut := range map[string]func(context.Context, *websocket.Conn, []byte) error{
		"one": oneMessage,
		"bytes": func(ctx context.Context, c *websocket.Conn, b []byte) error {
			for i := range b {
				if err := oneMessage(ctx, c, b[i:i+1]); err != nil {
					return err
				}
			}
			return nil
		},
		"fragments": func(ctx context.Context, c *websocket.Conn, b []byte) error {
			w, err := c.Writer(ctx, websocket.MessageBinary)
			if err != nil {
				return err
			}
			for i := 0; i < len(b); i += 7 {
				if _, err := w.Write(b[i:min(i+7, len(b))]); err != nil {
					return err
				}
			}
			return w.Close()
		},
		"empty between": func(ctx context.Context, c *websocket.Conn, b []byte) error {
			return errors.Join(oneMessage(ctx, c, b[:10]), oneMessage(ctx, c, nil), oneMessage(ctx, c, b[10:]))
		},
		"more behind": func(ctx context.Context, c *websocket.Conn, b []byte) error {
			return oneMessage(ctx, c, append(bytes.Clone(b), encode(derp.FramePing, []byte("12345678"))...))
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, br, ctx := logInByWebSocket(t, cut)
			if name != "more behind" {
				if err := oneMessage(ctx, c, encode(derp.FramePing, []byte("12345678"))); err != nil {
					t.Fatal(err)
				}
			}
			pong := make([]byte, 13)
			if _, err := io.ReadFull(br, pong); err != nil || !bytes.Equal(pong, encode(derp.FramePong, []byte("12345678"))) {
				t.Errorf("got %x, %v; want a pong", pong, err)
			}
		})
	}
}

func TestWebSocketPing(t *testing.T) {
	c, br, ctx := logInByWebSocket(t, oneMessage)
	go io.Copy(io.Discard, br) // the pong is seen by a reader only
	if err := c.Ping(ctx); err != nil {
		t.Errorf("WebSocket's own ping: %v", err)
	}
}

func TestWebSocketClose(t *testing.T) {
	c, _, _ := logInByWebSocket(t, oneMessage)
	if err := c.Close(websocket.StatusNormalClosure, "done"); err != nil {
		t.Errorf("an orderly end: %v", err)
	}
	c, br, ctx := logInByWebSocket(t, oneMessage)
	c.Write(ctx, websocket.MessageText, []byte("text"))
	_, err := io.ReadAll(br)
	if code := websocket.CloseStatus(err); code != websocket.StatusUnsupportedData {
		t.Errorf("a text message: %v (%v), want status 1003", code, err)
	}
}

// Every message of a client is masked (RFC 6455 5.1).
func TestWebSocketUnmasked(t *testing.T) {
	conn := dialTLS(t)
	var key [16]byte
	rand.Read(key[:])
	io.WriteString(conn, webSocketHead(map[string]string{"Sec-WebSocket-Key": base64.StdEncoding.EncodeToString(key[:])}))
	conn.SetReadDeadline(time.Now().Add(patience))
	if _, err := readHead(conn); err != nil {
		t.Fatal(err)
	}
	s := &session{t: t, key: newKey(), serverKey: metaKey(t, conn.ConnectionState().PeerCertificates)}
	info := s.clientInfo(defaultInfo)
	conn.Write(append([]byte{0x82, byte(len(info))}, info...)) // fewer than 126 bytes
	greeting := make([]byte, 2+5+8+32)
	if _, err := io.ReadFull(conn, greeting); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(conn)
	if isTimeout(err) || len(rest) > 0 && rest[0] != 0x88 {
		t.Errorf("after an unmasked login: %x, %v; want a close frame or the end", rest, err)
	}
}
