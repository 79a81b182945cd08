// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"tailscale.com/derp/derpconst"
	"tailscale.com/derp/derphttp"
)

func TestTLSChain(t *testing.T) {
	conn := dialTLS(t) // verifies name, dates and chain with the CA as the only root
	if v := conn.ConnectionState().Version; v != tls.VersionTLS13 {
		t.Errorf("negotiated version %#x, want TLS 1.3", v)
	}
}

func checkMeta(t *testing.T, certs []*x509.Certificate) {
	t.Helper()
	isMeta := func(c *x509.Certificate) bool {
		return strings.HasPrefix(c.Subject.CommonName, derpconst.MetaCertCommonNamePrefix)
	}
	if i := slices.IndexFunc(certs, isMeta); i != len(certs)-1 {
		t.Fatalf("meta certificate is number %d of %d, want the last", i+1, len(certs))
	}
	meta := certs[len(certs)-1]
	metaKey(t, certs)
	if v := meta.SerialNumber; !v.IsInt64() || v.Int64() != 2 {
		t.Errorf("serial number %v, want the protocol version 2", v)
	}
	if !meta.BasicConstraintsValid {
		t.Error("no basicConstraints; macOS demands them when subject and issuer are the same")
	}
	if err := meta.CheckSignature(meta.SignatureAlgorithm, meta.RawTBSCertificate, meta.Signature); err != nil {
		t.Errorf("not signed by itself: %v", err)
	}
	now := time.Now()
	if now.Before(meta.NotBefore.Add(24*time.Hour)) || now.After(meta.NotAfter.Add(-24*time.Hour)) {
		t.Errorf("valid from %v to %v: too close for a client whose clock is off", meta.NotBefore, meta.NotAfter)
	}
}

func TestTLSMetaCertificate(t *testing.T) {
	checkMeta(t, dialTLS(t).ConnectionState().PeerCertificates)
}

func TestTLSMetaCertificateUnder12(t *testing.T) {
	conn := dialTLS(t, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 })
	checkMeta(t, conn.ConnectionState().PeerCertificates)
}

func TestTLSVersion12(t *testing.T) {
	conn := dialTLS(t, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 })
	if v := conn.ConnectionState().Version; v != tls.VersionTLS12 {
		t.Errorf("negotiated version %#x", v)
	}
	get(t, conn, "GET", "/derp/probe").want(200)
}

func TestTLSVersion11Refused(t *testing.T) {
	_, err := tryTLS(t, func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 })
	if err == nil {
		t.Error("TLS 1.1 was accepted")
	}
}

func TestTLSALPN(t *testing.T) {
	for _, offer := range [][]string{nil, {"http/1.1"}, {"h2", "http/1.1"}} {
		conn := dialTLS(t, func(c *tls.Config) { c.NextProtos = offer })
		want := ""
		if offer != nil {
			want = "http/1.1"
		}
		if got := conn.ConnectionState().NegotiatedProtocol; got != want {
			t.Errorf("offered %q, negotiated %q, want %q", offer, got, want)
		}
		get(t, conn, "GET", "/derp/probe").want(200)
	}
}

// Go sends no server name for a host that is an address; so do other clients of such a derpMap.
func TestTLSNoServerName(t *testing.T) {
	differs(t, "derper", "refuses a client without server name unless its own name is an address")
	conn := dialTLS(t, func(c *tls.Config) { c.InsecureSkipVerify, c.ServerName = true, "" })
	if err := conn.ConnectionState().PeerCertificates[0].VerifyHostname(target.Host); err != nil {
		t.Error(err)
	}
}

func TestTLSServerNameCase(t *testing.T) {
	differs(t, "derper", "compares the server name byte for byte")
	conn := dialTLS(t, func(c *tls.Config) { c.ServerName = strings.ToUpper(target.Host) })
	get(t, conn, "GET", "/derp/probe").want(200)
}

func TestTLSPlainHTTPOnTLSPort(t *testing.T) {
	conn := dialTCP(t, target.Addr())
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: "+target.Host+"\r\n\r\n")
	conn.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.Copy(io.Discard, conn); isTimeout(err) {
		t.Error("the relay keeps the connection open")
	}
	alive(t)
}

func TestTLSGarbage(t *testing.T) {
	for n := range 8 {
		conn := dialTCP(t, target.Addr())
		conn.Write(append([]byte{22, 3, 1, byte(n), 0}, pattern(n, 4096)...))
		conn.SetReadDeadline(time.Now().Add(patience))
		if _, err := io.Copy(io.Discard, conn); isTimeout(err) {
			t.Error("the relay keeps the connection open")
		}
	}
	alive(t)
}

// A client that ends its side in good order gets the same in return.
func TestTLSCloseNotify(t *testing.T) {
	s := login(t)
	s.conn.CloseWrite()
	if err := s.drain(patience); isTimeout(err) {
		t.Error("the relay keeps the connection open")
	}
}

// TestTLSRecordSizes hands the request and the login over in pieces of every small size.
func TestTLSRecordSizes(t *testing.T) {
	for _, size := range []int{1, 2, 3, 5, 7, 64, 300} {
		s := &session{t: t, key: newKey(), conn: dialTLS(t)}
		s.br = newReader(s.conn)
		s.serverKey = metaKey(t, s.conn.ConnectionState().PeerCertificates)
		all := append([]byte(requestHead(fastStart)), s.clientInfo(defaultInfo)...)
		for piece := range slices.Chunk(all, size) {
			s.raw(piece)
		}
		s.readServerKey()
		s.readServerInfo()
		s.quiet()
	}
}

func TestConnectFastStart(t *testing.T) {
	c := newClient(t, &target)
	state, _ := c.TLSConnectionState()
	if state.Version != tls.VersionTLS13 {
		t.Errorf("connected with version %#x", state.Version)
	}
	if got, want := c.ServerPublicKey(), metaKey(t, state.PeerCertificates); got != want {
		t.Errorf("client learnt key %v, the meta certificate says %v", got, want)
	}
	c.ping()
}

// Under TLS 1.2 Tailscale's client does without fast start: it waits for the HTTP response.
func TestConnectTLS12(t *testing.T) {
	c := newClient(t, &target, func(c *derphttp.Client) { c.TLSConfig = &tls.Config{MaxVersion: tls.VersionTLS12} })
	state, _ := c.TLSConnectionState()
	if state.Version != tls.VersionTLS12 {
		t.Errorf("connected with version %#x", state.Version)
	}
	c.ping()
}

func TestConnectIPv6(t *testing.T) {
	if target.IP6 == "" {
		t.Skip("no IPv6 address")
	}
	six := target
	six.IP = ""
	newClient(t, &six).ping()
}

// A derpMap node may name the relay by address and the certificate by CertName.
func TestConnectIPHost(t *testing.T) {
	differs(t, "derper", "refuses a client without server name unless its own name is an address")
	byAddress := target
	byAddress.Host, byAddress.CertName = target.IP, target.Host
	newClient(t, &byAddress).ping()
}

// A certificate that is pinned by its hash: the relay under test has a self-signed one and a name
// that is an address.
func TestPinnedCertificate(t *testing.T) {
	if !strings.HasPrefix(target.CertName, "sha256-raw:") {
		t.Skip("this relay's certificate is not pinned")
	}
	c := newClient(t, &target)
	c.ping()
	state, _ := c.TLSConnectionState()
	if n := len(state.PeerCertificates); n != 2 {
		t.Errorf("%d certificates, want the leaf and the meta certificate", n)
	}
	wrong := target
	wrong.CertName = "sha256-raw:" + strings.Repeat("00", 32)
	if err := wrong.Client(newKey(), t.Logf).Connect(t.Context()); err == nil {
		t.Error("connected although the pinned hash is another one")
	}
}
