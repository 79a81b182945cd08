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
		for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "FOO"} {
			fetch(t, method, path, "Content-Length: 0").want(405).header("X-Content-Type-Options", "nosniff")
		}
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
	for _, method := range []string{"HEAD", "POST", "PUT", "DELETE", "OPTIONS", "FOO"} {
		fetch(t, method, "/generate_204", "Content-Length: 0").want(204).header("Cache-Control", noCache)
		fetchPlain(t, method, "/generate_204", "Content-Length: 0").want(204).header("Cache-Control", noCache)
	}
}

func TestPlainGenerate204(t *testing.T) { testGenerate204(t, fetchPlain) }

// What else the plain port answers: a pointer to https.
func TestPlainRedirects(t *testing.T) {
	for _, path := range []string{"/x", "/x?y=z", "/derp", "/derp/probe", "/robots.txt", "/generate_204/"} {
		for _, method := range []string{"GET", "HEAD"} {
			fetchPlain(t, method, path).want(302).header("Location", "https://"+target.Host+path)
		}
	}
	r := fetchPlain(t, "GET", "/").want(302)
	if to := r.Header.Get("Location"); !strings.HasPrefix(to, "https://"+target.Host) {
		t.Errorf("redirects to %q", to)
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS"} {
		fetchPlain(t, method, "/x", "Content-Length: 0").want(400).bodyIs("Use HTTPS\n")
	}
	fetchPlain(t, "GET", "/derp", "Upgrade: DERP", "Connection: Upgrade").want(302)
}

// The plain port sends to the relay's own name, whatever name was asked for.
func TestPlainRedirectsToOwnName(t *testing.T) {
	differs(t, "derper", "redirects to whatever Host says")
	for _, host := range []string{"other.test", "127.0.0.1", "[::1]:80", ""} {
		conn := dialTCP(t, target.HTTPAddr())
		io.WriteString(conn, "GET /x HTTP/1.1\r\nHost: "+host+"\r\n\r\n")
		answer(t, conn, "GET", "/x").want(302).header("Location", "https://"+target.Host+"/x")
	}
}

// A relay that is known by its address only sends to the name or address that was asked for.
func TestPinnedPlainRedirects(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "[::1]", "other.test"} {
		conn := dialTCP(t, target.HTTPAddr())
		io.WriteString(conn, "GET /x HTTP/1.1\r\nHost: "+host+"\r\n\r\n")
		answer(t, conn, "GET", "/x").want(302).header("Location", "https://"+host+"/x")
	}
}

// browserHeaders are those of the pages that people look at.
func (r response) browserHeaders() response {
	r.t.Helper()
	if hsts := r.Header.Get("Strict-Transport-Security"); !strings.HasPrefix(hsts, "max-age=63072000") {
		r.t.Errorf("%s: Strict-Transport-Security %q", r.Request.URL, hsts)
	}
	return r.header("X-Frame-Options", "DENY").header("X-Content-Type-Options", "nosniff").
		header("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'; form-action 'self'; "+
			"base-uri 'self'; block-all-mixed-content; object-src 'none'")
}

func TestHTTPBrowserHeaders(t *testing.T) {
	for _, path := range []string{"/", "/no/such/page", "/robots.txt", "/bootstrap-dns"} {
		for _, method := range []string{"GET", "HEAD", "POST"} {
			fetch(t, method, path, "Content-Length: 0").want(200).browserHeaders()
		}
	}
	for _, path := range []string{"/derp/probe", "/generate_204", "/derp"} {
		fetch(t, "GET", path).header("Content-Security-Policy", "").header("Strict-Transport-Security", "")
	}
}

func TestHTTPSubdomainsStayFree(t *testing.T) {
	differs(t, "derper", "binds all sub-domains of the relay's name to HTTPS, too")
	fetch(t, "GET", "/").header("Strict-Transport-Security", "max-age=63072000")
}

func TestHTTPDate(t *testing.T) {
	for _, path := range []string{"/", "/derp", "/derp/probe", "/generate_204"} {
		date, err := http.ParseTime(fetch(t, "GET", path).Header.Get("Date"))
		if off := time.Since(date); err != nil || off > time.Minute || off < -time.Minute {
			t.Errorf("%s: date %v, %v", path, date, err)
		}
	}
}

func TestHTTPRobots(t *testing.T) {
	for _, method := range []string{"GET", "POST", "PUT", "DELETE"} {
		fetch(t, method, "/robots.txt", "Content-Length: 0").want(200).bodyIs("User-agent: *\nDisallow: /\n")
	}
	fetch(t, "HEAD", "/robots.txt").want(200).bodyIs("")
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
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "FOO"} {
		fetch(t, method, "/", "Content-Length: 0").want(200).bodyIs(string(r.body))
	}
}

func TestHTTPUnknownPathIsHomePage(t *testing.T) {
	home := fetch(t, "GET", "/").body
	for _, path := range []string{
		"/no/such/page?x=1", "/derp/", "/DERP", "/derp/probe/", "/derp%2Fprobe", "/derp%2f..", "/robots.txt/",
		"/generate_204/", "/derp#f", "/%00", "/:8080", "/a;b", "/\xe4",
	} {
		conn := dialTLS(t)
		io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: "+target.Host+"\r\n\r\n")
		answer(t, conn, "GET", "/").want(200).bodyIs(string(home))
	}
}

func TestHTTPBootstrapDNS(t *testing.T) {
	for _, path := range []string{"/bootstrap-dns", "/bootstrap-dns?q=some.example"} {
		r := fetch(t, "GET", path).want(200).header("Content-Type", "application/json")
		var names map[string][]string
		if len(r.body) > 0 && (json.Unmarshal(r.body, &names) != nil || len(names) > 0) {
			t.Errorf("without names the body is %q, want nothing or an empty object", r.body)
		}
		if !r.Close {
			t.Error("the connection stays open")
		}
	}
}

func TestHTTPBootstrapDNSIsJSON(t *testing.T) {
	differs(t, "derper", "answers with an empty body when it has no names")
	var names map[string][]string
	if r := fetch(t, "GET", "/bootstrap-dns"); json.Unmarshal(r.body, &names) != nil {
		t.Errorf("body %q", r.body)
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
	for _, method := range []string{"HEAD", "POST", "PUT", "OPTIONS"} {
		fetch(t, method, "/derp", "Content-Length: 0").want(426)
	}
	fetch(t, "GET", "/derp?x").want(426)
	for _, upgrade := range []string{"h2c", "h2c, DERP", "DERP2", "h2c\r\nUpgrade: DERP"} {
		fetch(t, "GET", "/derp", "Upgrade: "+upgrade, "Connection: Upgrade").want(426)
	}
}

// What RFC 9110 wants beside these statuses (15.5.6, 15.5.22).
func TestHTTPRefusalsSayWhatIsWanted(t *testing.T) {
	differs(t, "derper", "leaves Allow and Upgrade out")
	fetch(t, "GET", "/derp").want(426).header("Upgrade", "DERP")
	fetch(t, "POST", "/derp/probe", "Content-Length: 0").want(405).header("Allow", "GET, HEAD")
}

func TestHTTPConnectRefused(t *testing.T) {
	const request = "CONNECT other.example:443 HTTP/1.1\r\nHost: other.example:443\r\n\r\n"
	r, err := connect(t, request)
	if err != nil || r.StatusCode != 403 || !r.Close {
		t.Errorf("CONNECT: %v, %v; want 403 and the end", r.Response, err)
	}
	conn := dialTCP(t, target.HTTPAddr())
	io.WriteString(conn, request)
	if r := answer(t, conn, "GET", "/"); r.StatusCode < 400 {
		t.Errorf("CONNECT on the plain port: %d", r.StatusCode)
	}
}

func TestHTTPOptionsOfServer(t *testing.T) {
	r, err := connect(t, "OPTIONS * HTTP/1.1\r\nHost: "+target.Host+"\r\n\r\n")
	if err != nil || r.StatusCode != 200 || len(r.body) > 0 {
		t.Errorf("OPTIONS *: %v, %v, %q", r.Response, err, r.body)
	}
}

// Paths are taken as they are written.
func TestHTTPPathsAsWritten(t *testing.T) {
	differs(t, "derper", "decodes paths, and redirects those with //, /./ or /../ to what it takes them for")
	home := string(fetch(t, "GET", "/").body)
	for _, path := range []string{"/%64erp", "/./derp", "/derp/./probe", "/derp//probe", "/a/../b", "/..", "/a//b?x"} {
		fetch(t, "GET", path).want(200).bodyIs(home)
	}
	conn := dialTLS(t)
	io.WriteString(conn, "GET //derp HTTP/1.1\r\nHost: "+target.Host+"\r\nUpgrade: DERP\r\nConnection: Upgrade\r\n\r\n")
	answer(t, conn, "GET", "/").want(200).bodyIs(home)
}

// A whole URL as target, whatever scheme and host it names (RFC 9112 3.2.2).
func TestHTTPAbsoluteForm(t *testing.T) {
	for _, u := range []string{"https://" + target.Host, "http://other.test", "HTTPS://other.test:8443", "ftp://x"} {
		conn := dialTLS(t)
		for path, status := range map[string]int{"/derp/probe": 200, "/derp": 426, "/generate_204?x": 204, "/": 200} {
			io.WriteString(conn, "GET "+u+path+" HTTP/1.1\r\nHost: "+target.Host+"\r\n\r\n")
			answer(t, conn, "GET", path).want(status)
		}
	}
}

func TestHTTP10(t *testing.T) {
	for path, status := range map[string]int{"/": 200, "/derp/probe": 200, "/derp": 426, "/generate_204": 204} {
		r, err := connect(t, "GET "+path+" HTTP/1.0\r\n\r\n")
		if err != nil || r.StatusCode != status {
			t.Fatalf("%s: %v, %v", path, r.Response, err)
		}
		conn := dialTLS(t)
		for range 3 {
			io.WriteString(conn, "GET "+path+" HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
			answer(t, conn, "GET", path).want(status).header("Connection", "keep-alive")
		}
		io.WriteString(conn, "GET "+path+" HTTP/1.0\r\n\r\n")
		answer(t, conn, "GET", path).want(status)
		if n, err := conn.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("%s: after HTTP/1.0 without keep-alive: %d bytes, %v; want the end", path, n, err)
		}
	}
}

func TestHTTPOneBytePieces(t *testing.T) {
	conn := dialTLS(t)
	for path, status := range map[string]int{"/": 200, "/derp/probe": 200, "/derp": 426, "/generate_204": 204} {
		for _, b := range []byte("GET " + path + " HTTP/1.1\r\nHost: " + target.Host + "\r\n\r\n") {
			conn.Write([]byte{b})
		}
		answer(t, conn, "GET", path).want(status)
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
	if r := fetch(t, "GET", "/", "Connection: keep-alive", "Connection: close").want(200); !r.Close {
		t.Error("a second Connection header is not seen")
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

// Whoever asks more than the answers fit into gets all of them.
func TestHTTPPipelinedMany(t *testing.T) {
	const count = 2000
	conn := dialTLS(t)
	conn.SetDeadline(time.Now().Add(patience))
	go io.WriteString(conn, strings.Repeat("GET / HTTP/1.1\r\nHost: "+target.Host+"\r\n\r\n", count))
	br := bufio.NewReader(conn)
	for i := range count {
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatalf("answer %d: %v", i+1, err)
		}
		io.Copy(io.Discard, resp.Body)
	}
}

// RFC 9112 3.2, 6.1, 6.3 and RFC 9110 10.1.1.
func TestHTTPRefusedHeads(t *testing.T) {
	host := "Host: " + target.Host + "\r\n"
	for request, status := range map[string]int{
		"GET / HTTP/1.1\r\n\r\n": 400,
		"GET /derp HTTP/1.1\r\nUpgrade: DERP\r\nConnection: Upgrade\r\n\r\n":            400,
		"GET https://" + target.Host + "/ HTTP/1.1\r\n\r\n":                             400,
		"GET / HTTP/1.1\r\n" + host + host + "\r\n":                                     400,
		"GET / HTTP/1.1\r\nHost: a b\r\n\r\n":                                           400,
		"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n":                                           400,
		"GET * HTTP/1.1\r\n" + host + "\r\n":                                            400,
		"GET derp HTTP/1.1\r\n" + host + "\r\n":                                         400,
		"GET ?x HTTP/1.1\r\n" + host + "\r\n":                                           400,
		"GET /a%zz HTTP/1.1\r\n" + host + "\r\n":                                        400,
		"GET /a% HTTP/1.1\r\n" + host + "\r\n":                                          400,
		"GET  / HTTP/1.1\r\n" + host + "\r\n":                                           400,
		"GET / http/1.1\r\n" + host + "\r\n":                                            400,
		"GET / HTTP/1.1\r\n" + host + "X : y\r\n\r\n":                                   400,
		"GET / HTTP/1.1\r\n" + host + "X(: y\r\n\r\n":                                   400,
		"GET / HTTP/1.1\r\n" + host + "X: a\x01b\r\n\r\n":                               400,
		"GET / HTTP/1.1\r\n" + host + "X: a\x00b\r\n\r\n":                               400,
		"GET / HTTP/1.1\r\n" + host + "X: a\rb\r\n\r\n":                                 400,
		"POST / HTTP/1.1\r\n" + host + "Content-Length: x\r\n\r\n":                      400,
		"POST / HTTP/1.1\r\n" + host + "Content-Length: -1\r\n\r\n":                     400,
		"POST / HTTP/1.1\r\n" + host + "Content-Length:\r\n\r\n":                        400,
		"POST / HTTP/1.1\r\n" + host + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n": 400,
		"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip\r\n\r\n":                501,
		"POST / HTTP/1.1\r\n" + host + "Expect: x\r\n\r\n":                              417,
		"GET / HTTP/2.0\r\n" + host + "\r\n":                                            505,
	} {
		r, err := connect(t, request)
		if err != nil || r.StatusCode != status || !r.Close {
			t.Errorf("%q: %v, %v; want %d and the end", request, r.Response, err, status)
		}
	}
	for _, request := range []string{
		"GET / HTTP/1.1\r\nHost:\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: other.test:1\r\n\r\n",
		"get / HTTP/1.1\r\n" + host + "\r\n",
		"GET / HTTP/1.2\r\n" + host + "\r\n",
		"GET / HTTP/1.1\r\n" + host + "X: \xe4\r\n\r\n",
		"POST / HTTP/1.1\r\n" + host + "Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
	} {
		if r, err := connect(t, request); err != nil || r.StatusCode != 200 {
			t.Errorf("%q: %v, %v; want 200", request, r.Response, err)
		}
	}
}

// Lines that are continued by white space are a way to smuggle (RFC 9112 5.2).
func TestHTTPFoldedHeader(t *testing.T) {
	differs(t, "derper", "takes folded header lines")
	r, err := connect(t, "GET / HTTP/1.1\r\nHost: "+target.Host+"\r\nX: y\r\n z\r\n\r\n")
	if err != nil || r.StatusCode != 400 {
		t.Errorf("%v, %v; want 400", r.Response, err)
	}
}

// Empty lines before a request are read over (RFC 9112 2.2).
func TestHTTPEmptyLinesBefore(t *testing.T) {
	differs(t, "derper", "refuses them")
	r, err := connect(t, "\r\n\r\nGET / HTTP/1.1\r\nHost: "+target.Host+"\r\n\r\n")
	if err != nil || r.StatusCode != 200 {
		t.Errorf("%v, %v; want 200", r.Response, err)
	}
}

// No client of a relay sends a body: it is not read over, the connection ends with the answer.
func TestHTTPBodyEndsConnection(t *testing.T) {
	differs(t, "derper", "reads the body and goes on")
	conn := dialTLS(t)
	io.WriteString(conn, "POST / HTTP/1.1\r\nHost: "+target.Host+"\r\nContent-Length: 5\r\n\r\nhello")
	if r := answer(t, conn, "POST", "/").want(200); !r.Close {
		t.Error("the connection stays open")
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
		"GET /derp HTTP/1.1\r\n" + host + "Upgrade: DERP\r\nConnection: Upgrade\r\nDerp-Fast-Start: 2\r\n\r\n",
		"GET /derp HTTP/1.1\r\n" + host + "Upgrade: DERP\r\nConnection: close\r\n\r\n",
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
		"head":          "HEAD /derp HTTP/1.1\r\n" + host + "Upgrade: DERP\r\nConnection: Upgrade\r\n\r\n",
		"options":       "OPTIONS /derp HTTP/1.1\r\n" + host + "Upgrade: DERP\r\nConnection: Upgrade\r\n\r\n",
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
