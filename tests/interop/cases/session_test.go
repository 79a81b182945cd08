// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"go4.org/mem"
	"tailscale.com/derp"
	"tailscale.com/derp/derpconst"
	"tailscale.com/types/key"
)

// A session is a DERP connection whose every byte the test holds in its own hands. The keys and
// boxes are Tailscale's.
type session struct {
	t         *testing.T
	key       key.NodePrivate
	serverKey key.NodePublic
	conn      *tls.Conn
	br        *bufio.Reader
}

// frame is one DERP frame as it came.
type frame struct {
	typ  derp.FrameType
	body []byte
}

func (f frame) String() string {
	if len(f.body) > 48 {
		return fmt.Sprintf("frame 0x%02x of %d bytes %x…", byte(f.typ), len(f.body), f.body[:48])
	}
	return fmt.Sprintf("frame 0x%02x [%x]", byte(f.typ), f.body)
}

// encode is a whole frame on the wire.
func encode(typ derp.FrameType, parts ...[]byte) []byte {
	body := bytes.Join(parts, nil)
	b := []byte{byte(typ)}
	b = binary.BigEndian.AppendUint32(b, uint32(len(body)))
	return append(b, body...)
}

// dialTLS connects with the relay's certificate verified, unless adjust says otherwise.
func dialTLS(t *testing.T, adjust ...func(*tls.Config)) *tls.Conn {
	t.Helper()
	conn, err := tryTLS(t, adjust...)
	if err != nil {
		t.Fatalf("TLS handshake with %s: %v", target.Addr(), err)
	}
	return conn
}

func tryTLS(t *testing.T, adjust ...func(*tls.Config)) (*tls.Conn, error) {
	t.Helper()
	conf, err := target.TLSConfig()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range adjust {
		f(conf)
	}
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", target.Addr(), conf)
	if err == nil {
		t.Cleanup(func() { conn.Close() })
	}
	return conn, err
}

// dialTCP connects without TLS.
func dialTCP(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// metaKey is the relay's public key as the meta certificate tells it.
func metaKey(t *testing.T, certs []*x509.Certificate) key.NodePublic {
	t.Helper()
	for _, c := range certs {
		if text, ok := strings.CutPrefix(c.Subject.CommonName, derpconst.MetaCertCommonNamePrefix); ok {
			k, err := key.ParseNodePublicUntyped(mem.S(text))
			if err != nil {
				t.Fatalf("meta certificate names %q: %v", text, err)
			}
			return k
		}
	}
	t.Fatal("no meta certificate in the chain")
	return key.NodePublic{}
}

// requestHead is an upgrade request, with more header lines behind the usual ones.
func requestHead(lines ...string) string {
	head := "GET /derp HTTP/1.1\r\nHost: " + target.Host + "\r\nUpgrade: DERP\r\nConnection: Upgrade\r\n"
	for _, l := range lines {
		head += l + "\r\n"
	}
	return head + "\r\n"
}

const fastStart = "Derp-Fast-Start: 1"

// defaultInfo is what a client of today tells about itself.
var defaultInfo = []byte(`{"version":2,"CanAckPings":true}`)

// open connects with fast start and stops before ClientInfo: it has the server's key from the meta
// certificate, and has read the ServerKey frame.
func open(t *testing.T, k key.NodePrivate) *session {
	t.Helper()
	conn := dialTLS(t)
	s := &session{t: t, key: k, conn: conn, br: bufio.NewReader(conn)}
	s.serverKey = metaKey(t, conn.ConnectionState().PeerCertificates)
	s.raw([]byte(requestHead(fastStart)))
	s.readServerKey()
	return s
}

// readServerKey checks the greeting against the key that is already known.
func (s *session) readServerKey() {
	s.t.Helper()
	f := s.read()
	magic, rest := f.body[:min(8, len(f.body))], f.body[min(8, len(f.body)):]
	if f.typ != derp.FrameServerKey || string(magic) != derp.Magic || len(rest) < 32 {
		s.t.Fatalf("greeting is %v, want ServerKey with magic and key", f)
	}
	if got := key.NodePublicFromRaw32(mem.B(rest[:32])); got != s.serverKey {
		s.t.Fatalf("ServerKey says %v, the relay's key is %v", got, s.serverKey)
	}
}

// clientInfo is the ClientInfo frame that says info.
func (s *session) clientInfo(info []byte) []byte {
	pub := s.key.Public().AppendTo(nil)
	return encode(derp.FrameClientInfo, pub, s.key.SealTo(s.serverKey, info))
}

// readServerInfo reads the last frame of the login and opens it.
func (s *session) readServerInfo() derp.ServerInfo {
	s.t.Helper()
	f := s.read()
	if f.typ != derp.FrameServerInfo {
		s.t.Fatalf("after ClientInfo came %v, want ServerInfo", f)
	}
	text, ok := s.key.OpenFrom(s.serverKey, f.body)
	if !ok {
		s.t.Fatalf("cannot open the box of ServerInfo: %v", f)
	}
	var info derp.ServerInfo
	if err := json.Unmarshal(text, &info); err != nil {
		s.t.Fatalf("ServerInfo is %q: %v", text, err)
	}
	return info
}

// loginAs logs in with the given key and ClientInfo.
func loginAs(t *testing.T, k key.NodePrivate, info []byte) *session {
	t.Helper()
	s := open(t, k)
	s.raw(s.clientInfo(info))
	s.readServerInfo()
	return s
}

// login logs a new client in.
func login(t *testing.T) *session {
	t.Helper()
	return loginAs(t, key.NewNode(), defaultInfo)
}

func (s *session) public() key.NodePublic { return s.key.Public() }

// raw writes bytes as they are.
func (s *session) raw(b []byte) {
	s.t.Helper()
	s.conn.SetWriteDeadline(time.Now().Add(patience))
	if _, err := s.conn.Write(b); err != nil {
		s.t.Fatalf("writing %d bytes: %v", len(b), err)
	}
}

// tryRaw writes bytes that the relay may refuse in the middle.
func (s *session) tryRaw(b []byte) {
	s.conn.SetWriteDeadline(time.Now().Add(patience))
	s.conn.Write(b)
}

func (s *session) send(typ derp.FrameType, parts ...[]byte) {
	s.t.Helper()
	s.raw(encode(typ, parts...))
}

// packet sends a packet to dst.
func (s *session) packet(dst key.NodePublic, body []byte) {
	s.t.Helper()
	s.send(derp.FrameSendPacket, dst.AppendTo(nil), body)
}

// next reads one frame of any type within d.
func (s *session) next(d time.Duration) (frame, error) {
	s.conn.SetReadDeadline(time.Now().Add(d))
	typ, n, err := derp.ReadFrameHeader(s.br)
	if err != nil {
		return frame{}, err
	}
	if n > 1<<20 {
		return frame{}, fmt.Errorf("frame 0x%02x claims %d bytes", byte(typ), n)
	}
	body := make([]byte, n)
	_, err = io.ReadFull(s.br, body)
	return frame{typ, body}, err
}

// read is the next frame that is not a KeepAlive.
func (s *session) read() frame {
	s.t.Helper()
	for {
		f, err := s.next(patience)
		if err != nil {
			s.t.Fatalf("waiting for a frame: %v", err)
		}
		if f.typ != derp.FrameKeepAlive {
			return f
		}
	}
}

// expectPacket reads the next frame, which must be this packet from src.
func (s *session) expectPacket(src key.NodePublic, body []byte) {
	s.t.Helper()
	f := s.read()
	want := append(src.AppendTo(nil), body...)
	if f.typ != derp.FrameRecvPacket || !bytes.Equal(f.body, want) {
		s.t.Fatalf("got %v, want a packet of %d bytes from %v", f, len(body), src.ShortString())
	}
}

// expectGone reads the next frame, which must be PeerGone.
func (s *session) expectGone(peer key.NodePublic, reason derp.PeerGoneReasonType) {
	s.t.Helper()
	f := s.read()
	if want := append(peer.AppendTo(nil), byte(reason)); f.typ != derp.FramePeerGone || !bytes.Equal(f.body, want) {
		s.t.Fatalf("got %v, want PeerGone of %v, reason %d", f, peer.ShortString(), reason)
	}
}

// fence pings and returns the frames that came before the answer: whatever control frames the
// relay had for this client by now are among them.
func (s *session) fence() []frame {
	s.t.Helper()
	var mark [8]byte
	rand.Read(mark[:])
	s.send(derp.FramePing, mark[:])
	var seen []frame
	for {
		f := s.read()
		if f.typ == derp.FramePong && bytes.Equal(f.body, mark[:]) {
			return seen
		}
		seen = append(seen, f)
	}
}

// quiet demands that nothing but a ping's answer comes.
func (s *session) quiet() {
	s.t.Helper()
	if seen := s.fence(); len(seen) > 0 {
		s.t.Fatalf("unexpected: %v", seen)
	}
}

// expectClosed reads until the relay ends the connection.
func (s *session) expectClosed() {
	s.t.Helper()
	if err := s.drain(patience); isTimeout(err) {
		s.t.Fatal("the relay keeps the connection open")
	}
}

// drain reads frames until an error, which it returns.
func (s *session) drain(d time.Duration) error {
	for {
		if _, err := s.next(d); err != nil {
			return err
		}
	}
}

// alive demands that the relay still takes logins, at the end of cases that ill-treat it.
func alive(t *testing.T) {
	t.Helper()
	s := login(t)
	s.quiet()
	s.conn.Close()
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &ne) && ne.Timeout()
}

// pattern is a packet's content that depends on every byte's place and on n.
func pattern(n, size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i*7 + n + i>>8)
	}
	return b
}

// discoMagic begins every disco packet; with a key and a nonce, and a box behind, it has 62 bytes
// or more.
const discoMagic = "TS\xf0\x9f\x92\xac"

func discoPacket(size int) []byte {
	b := pattern(size, size)
	copy(b, discoMagic)
	return b
}

func newKey() key.NodePrivate { return key.NewNode() }

func newReader(r io.Reader) *bufio.Reader { return bufio.NewReader(r) }

func itoa(n int) string { return strconv.Itoa(n) }

func hex(n int) string { return strconv.FormatInt(int64(n), 16) }
