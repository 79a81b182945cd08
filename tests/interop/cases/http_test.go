// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"tailscale.com/derp"
)

// response is an HTTP answer, read to its end.
type response struct {
	*http.Response
	t    *testing.T
	body []byte
}

func (r response) want(status int) response {
	r.t.Helper()
	if r.StatusCode != status {
		r.t.Errorf("%s %s: status %d, want %d", r.Request.Method, r.Request.URL, r.StatusCode, status)
	}
	return r
}

func (r response) header(name, want string) response {
	r.t.Helper()
	if got := r.Header.Get(name); got != want {
		r.t.Errorf("%s %s: header %s is %q, want %q", r.Request.Method, r.Request.URL, name, got, want)
	}
	return r
}

func (r response) bodyIs(want string) response {
	r.t.Helper()
	if string(r.body) != want {
		r.t.Errorf("%s %s: body %.200q, want %q", r.Request.Method, r.Request.URL, r.body, want)
	}
	return r
}

// get makes a request over an open connection, with header lines as given.
func get(t *testing.T, conn net.Conn, method, path string, lines ...string) response {
	t.Helper()
	head := method + " " + path + " HTTP/1.1\r\nHost: " + target.Host + "\r\n"
	for _, l := range lines {
		head += l + "\r\n"
	}
	if _, err := io.WriteString(conn, head+"\r\n"); err != nil {
		t.Fatal(err)
	}
	return answer(t, conn, method, path)
}

// answer reads the answer to a request that was written by hand.
func answer(t *testing.T, conn net.Conn, method, path string) response {
	t.Helper()
	r, err := tryAnswer(conn, method, path)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	r.t = t
	return r
}

func tryAnswer(conn net.Conn, method, path string) (response, error) {
	conn.SetReadDeadline(time.Now().Add(patience))
	req, err := http.NewRequest(method, "https://"+target.Host+path, nil)
	if err != nil {
		return response{}, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), req)
	if err != nil {
		return response{}, err
	}
	body, err := io.ReadAll(resp.Body)
	return response{resp, nil, body}, err
}

// fetch makes one request over a connection of its own.
func fetch(t *testing.T, method, path string, lines ...string) response {
	t.Helper()
	return get(t, dialTLS(t), method, path, lines...)
}

// fetchPlain makes one request to the plain HTTP port.
func fetchPlain(t *testing.T, method, path string, lines ...string) response {
	t.Helper()
	if target.HTTPPort == 0 {
		t.Skip("no plain HTTP port")
	}
	return get(t, dialTCP(t, target.HTTPAddr()), method, path, lines...)
}

func TestHTTPProbe(t *testing.T) {
	for _, path := range []string{"/derp/probe", "/derp/latency-check"} {
		for _, method := range []string{"GET", "HEAD"} {
			fetch(t, method, path).want(200).header("Access-Control-Allow-Origin", "*").bodyIs("")
		}
		fetch(t, "POST", path, "Content-Length: 0").want(405)
		fetch(t, "PUT", path, "Content-Length: 0").want(405)
	}
}

const noCache = "no-cache, no-store, must-revalidate, no-transform, max-age=0"

func testGenerate204(t *testing.T, do func(*testing.T, string, string, ...string) response) {
	do(t, "GET", "/generate_204").want(204).header("Cache-Control", noCache).
		header("X-Tailscale-Response", "").bodyIs("")
	longest := "Az09._:-" + strings.Repeat("x", 56)
	for _, c := range []string{"ts_derp.example.com", longest} {
		do(t, "GET", "/generate_204", "X-Tailscale-Challenge: "+c).want(204).
			header("X-Tailscale-Response", "response "+c)
	}
	for _, c := range []string{longest + "x", "a b", "a/b", "é", "<script>"} {
		do(t, "GET", "/generate_204", "X-Tailscale-Challenge: "+c).want(204).header("X-Tailscale-Response", "")
	}
}

func TestHTTPGenerate204(t *testing.T) { testGenerate204(t, fetch) }

func TestHTTPGenerate204AnyMethod(t *testing.T) {
	fetch(t, "HEAD", "/generate_204").want(204)
	fetch(t, "POST", "/generate_204", "Content-Length: 0").want(204)
}

func TestPlainGenerate204(t *testing.T) { testGenerate204(t, fetchPlain) }

// What else the plain port answers: a pointer to https.
func TestPlainRedirects(t *testing.T) {
	r := fetchPlain(t, "GET", "/").want(302)
	if to := r.Header.Get("Location"); !strings.HasPrefix(to, "https://"+target.Host) {
		t.Errorf("redirects to %q", to)
	}
}

func TestHTTPRobots(t *testing.T) {
	fetch(t, "GET", "/robots.txt").want(200).bodyIs("User-agent: *\nDisallow: /\n")
}

func TestHTTPHomePage(t *testing.T) {
	r := fetch(t, "GET", "/").want(200)
	if kind := r.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/html") {
		t.Errorf("content type %q", kind)
	}
	if !bytes.Contains(r.body, []byte("DERP")) {
		t.Errorf("home page says %.100q", r.body)
	}
	fetch(t, "HEAD", "/").want(200).bodyIs("")
}

func TestHTTPUnknownPathIsHomePage(t *testing.T) {
	home := fetch(t, "GET", "/").body
	fetch(t, "GET", "/no/such/page?x=1").want(200).bodyIs(string(home))
}

func TestHTTPBootstrapDNS(t *testing.T) {
	r := fetch(t, "GET", "/bootstrap-dns").want(200)
	var names map[string][]string
	if len(r.body) > 0 && (json.Unmarshal(r.body, &names) != nil || len(names) > 0) {
		t.Errorf("without names the body is %q, want nothing or an empty object", r.body)
	}
}

// Metrics and debugging stay away from the public port. These requests come from loopback, which
// derper lets in.
func TestHTTPNoDebug(t *testing.T) {
	differs(t, "derper", "serves /debug/ on the public port to loopback and Tailscale addresses")
	home := fetch(t, "GET", "/").body
	for _, path := range []string{"/debug/", "/debug/vars", "/metrics", "/status"} {
		if r := fetch(t, "GET", path); r.StatusCode == 200 && !bytes.Equal(r.body, home) {
			t.Errorf("GET %s: 200 with %.60q", path, r.body)
		}
	}
}

func TestHTTPUpgradeRequired(t *testing.T) {
	fetch(t, "GET", "/derp").want(426)
	fetch(t, "HEAD", "/derp").want(426)
	fetch(t, "GET", "/derp", "Upgrade: h2c", "Connection: Upgrade").want(426)
}

func TestHTTPConnectRefused(t *testing.T) {
	r, err := connect(t, "CONNECT other.example:443 HTTP/1.1\r\nHost: other.example:443\r\n\r\n")
	if err == nil && r.StatusCode < 400 {
		t.Errorf("CONNECT: %d", r.StatusCode)
	}
}

func connect(t *testing.T, request string) (response, error) {
	conn := dialTLS(t)
	io.WriteString(conn, request)
	return tryAnswer(conn, "GET", "/")
}

func TestHTTPKeepAlive(t *testing.T) {
	conn := dialTLS(t)
	for range 20 {
		get(t, conn, "GET", "/derp/probe").want(200)
	}
	get(t, conn, "HEAD", "/").want(200)
	get(t, conn, "GET", "/generate_204").want(204)
	get(t, conn, "GET", "/derp").want(426)
}

func TestHTTPConnectionClose(t *testing.T) {
	conn := dialTLS(t)
	get(t, conn, "GET", "/derp/probe", "Connection: close").want(200)
	if n, err := conn.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after the answer: %d bytes, %v; want an orderly end", n, err)
	}
}

func TestHTTPPipelined(t *testing.T) {
	conn := dialTLS(t)
	one := "GET /robots.txt HTTP/1.1\r\nHost: " + target.Host + "\r\n\r\n"
	io.WriteString(conn, strings.Repeat(one, 5))
	conn.SetReadDeadline(time.Now().Add(patience))
	br := bufio.NewReader(conn)
	for i := range 5 {
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatalf("answer %d: %v", i+1, err)
		}
		io.Copy(io.Discard, resp.Body)
		if resp.StatusCode != 200 {
			t.Errorf("answer %d: %d", i+1, resp.StatusCode)
		}
	}
}

func TestHTTPMalformed(t *testing.T) {
	for _, request := range []string{
		"\x00\x01\x02\x03\r\n\r\n",
		"GET\r\n\r\n",
		"GET / HTTP/9.9\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nno colon here\r\n\r\n",
		"GET / HTTP/1.1\r\n: nameless\r\n\r\n",
	} {
		r, err := connect(t, request)
		if isTimeout(err) || err == nil && r.StatusCode < 400 {
			t.Errorf("%q: %v, %v; want an error status or the end", request, r.Response, err)
		}
	}
	alive(t)
}

func TestHTTPHeadTooLong(t *testing.T) {
	conn := dialTLS(t)
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: "+target.Host+"\r\n")
	line := "X: " + strings.Repeat("x", 1<<10) + "\r\n"
	for range 1100 { // the relay may hang up before the end
		if _, err := io.WriteString(conn, line); err != nil {
			break
		}
	}
	r, err := tryAnswer(conn, "GET", "/")
	if isTimeout(err) || err == nil && r.StatusCode != 431 {
		t.Errorf("answer %v, %v; want 431 or the end", r.Response, err)
	}
	alive(t)
}

// upgrade makes an upgrade request by hand, reads the answer's head and goes on to a login.
func upgrade(t *testing.T, request string) *http.Response {
	t.Helper()
	s := &session{t: t, key: newKey(), conn: dialTLS(t)}
	s.br = newReader(s.conn)
	s.serverKey = metaKey(t, s.conn.ConnectionState().PeerCertificates)
	s.raw([]byte(request))
	s.conn.SetReadDeadline(time.Now().Add(patience))
	resp, err := http.ReadResponse(s.br, nil)
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	if resp.StatusCode != 101 {
		t.Fatalf("%q: status %d", request, resp.StatusCode)
	}
	s.readServerKey()
	s.raw(s.clientInfo(defaultInfo))
	if v := s.readServerInfo().Version; v != derp.ProtocolVersion {
		t.Errorf("ServerInfo says version %d", v)
	}
	s.quiet()
	resp.Header.Set("want-key", s.serverKey.UntypedHexString())
	return resp
}

func TestUpgradeResponse(t *testing.T) {
	h := upgrade(t, requestHead()).Header
	for name, want := range map[string]string{
		"Upgrade": "DERP", "Connection": "Upgrade", "Derp-Version": "2", "Derp-Public-Key": h.Get("want-key"),
	} {
		if got := h.Get(name); got != want {
			t.Errorf("header %s is %q, want %q", name, got, want)
		}
	}
}

func TestUpgradeSpellings(t *testing.T) {
	host := "Host: " + target.Host + "\r\n"
	for _, request := range []string{
		"GET /derp HTTP/1.1\r\n" + host + "Upgrade: derp\r\nConnection: Upgrade\r\n\r\n",
		"GET /derp HTTP/1.1\r\n" + host + "upgrade: dErP\r\nconnection: keep-alive, upgrade\r\n\r\n",
		"GET /derp HTTP/1.1\r\n" + host + "Upgrade: WebSocket\r\nConnection: Upgrade\r\n\r\n",
		"GET /derp HTTP/1.1\r\n" + host + "Upgrade: DERP\r\nConnection: Upgrade\r\nIdeal-Node: 900b\r\n\r\n",
		"GET /derp?x=y HTTP/1.1\r\n" + host + "Upgrade: DERP\r\nConnection: Upgrade\r\n\r\n",
	} {
		upgrade(t, request)
	}
}

// Requests that no Tailscale client makes, but that go through proxies and old tools.
func TestUpgradeUnusualRequests(t *testing.T) {
	host := "Host: " + target.Host + "\r\n"
	for name, request := range map[string]string{
		"post":          "POST /derp HTTP/1.1\r\n" + host + "Upgrade: DERP\r\nConnection: Upgrade\r\n\r\n",
		"http10":        "GET /derp HTTP/1.0\r\n" + host + "Upgrade: DERP\r\nConnection: Upgrade\r\n\r\n",
		"bare-lf":       "GET /derp HTTP/1.1\n" + strings.ReplaceAll(host, "\r", "") + "Upgrade: DERP\nConnection: Upgrade\n\n",
		"absolute":      "GET https://" + target.Host + "/derp HTTP/1.1\r\n" + host + "Upgrade: DERP\r\nConnection: Upgrade\r\n\r\n",
		"no-connection": "GET /derp HTTP/1.1\r\n" + host + "Upgrade: DERP\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) { upgrade(t, request) })
	}
}

// The first frame of a fast start may come in the same record as the request.
func TestUpgradeFrameBehindHead(t *testing.T) {
	s := &session{t: t, key: newKey(), conn: dialTLS(t)}
	s.br = newReader(s.conn)
	s.serverKey = metaKey(t, s.conn.ConnectionState().PeerCertificates)
	head := requestHead(fastStart)
	ping := encode(derp.FramePing, []byte("together"))
	s.raw(append(append([]byte(head), s.clientInfo(defaultInfo)...), ping...))
	s.readServerKey()
	s.readServerInfo()
	if f := s.read(); f.typ != derp.FramePong || string(f.body) != "together" {
		t.Errorf("got %v, want the pong", f)
	}
}

// An upgrade may be the second request of a connection.
func TestUpgradeAfterProbe(t *testing.T) {
	conn := dialTLS(t)
	get(t, conn, "GET", "/derp/probe").want(200)
	s := &session{t: t, key: newKey(), conn: conn, br: newReader(conn)}
	s.serverKey = metaKey(t, conn.ConnectionState().PeerCertificates)
	s.raw([]byte(requestHead(fastStart)))
	s.readServerKey()
	s.raw(s.clientInfo(defaultInfo))
	s.readServerInfo()
	s.quiet()
}
