// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"bytes"
	"context"
	"testing"
	"time"

	"derp-relay/interop/internal/relay"
	"tailscale.com/derp"
	"tailscale.com/derp/derphttp"
	"tailscale.com/types/key"
)

// A client is Tailscale's own, connected, with what it receives in a channel.
type client struct {
	*derphttp.Client
	t    *testing.T
	recv chan derp.ReceivedMessage // closed at the end of the connection
}

// newClient connects a client to where, which is &target in most cases, and waits for ServerInfo.
func newClient(t *testing.T, where *relay.Target, adjust ...func(*derphttp.Client)) *client {
	t.Helper()
	c := &client{
		Client: where.Client(key.NewNode(), t.Logf),
		t:      t,
		recv:   make(chan derp.ReceivedMessage, 1024),
	}
	for _, f := range adjust {
		f(c.Client)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.Connect(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	go c.pump()
	if m := c.next(); m != (derp.ServerInfoMessage{}) {
		t.Fatalf("first came %#v, want ServerInfo", m)
	}
	return c
}

// pump hands messages on until the first error. Packets alias the client's buffer and are copied.
func (c *client) pump() {
	defer close(c.recv)
	for {
		m, err := c.Recv()
		if err != nil {
			return
		}
		if p, ok := m.(derp.ReceivedPacket); ok {
			p.Data = bytes.Clone(p.Data)
			m = p
		}
		if _, ok := m.(derp.KeepAliveMessage); ok {
			continue
		}
		c.recv <- m
	}
}

// next is the next message.
func (c *client) next() derp.ReceivedMessage {
	c.t.Helper()
	select {
	case m, ok := <-c.recv:
		if !ok {
			c.t.Fatal("the connection ended")
		}
		return m
	case <-time.After(patience):
		c.t.Fatal("waited in vain for a message")
	}
	return nil
}

// expectPacket reads the next message, which must be this packet from src.
func (c *client) expectPacket(src key.NodePublic, body []byte) {
	c.t.Helper()
	m := c.next()
	p, ok := m.(derp.ReceivedPacket)
	if !ok || p.Source != src || !bytes.Equal(p.Data, body) {
		c.t.Fatalf("got %T %.80v, want a packet of %d bytes from %v", m, m, len(body), src.ShortString())
	}
}

func (c *client) send(dst key.NodePublic, body []byte) {
	c.t.Helper()
	if err := c.Send(dst, body); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) ping() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.Ping(ctx); err != nil {
		c.t.Fatalf("ping: %v", err)
	}
}
