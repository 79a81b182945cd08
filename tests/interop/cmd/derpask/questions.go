// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"derp-relay/interop/internal/relay"
	"tailscale.com/derp"
	"tailscale.com/derp/derphttp"
	"tailscale.com/net/netcheck"
	"tailscale.com/net/netmon"
	"tailscale.com/net/stun"
	"tailscale.com/types/key"
	"tailscale.com/types/logger"
)

// stunAnswer tells which address of ours the relay saw.
type stunAnswer struct {
	Asked string `json:"asked"`
	Seen  string `json:"seen"`
	RTT   int64  `json:"rtt_us"`
}

// askSTUN asks over each address family the relay is said to have.
func askSTUN(ctx context.Context, t *relay.Target) (any, error) {
	if t.STUNPort == 0 {
		return nil, errors.New("no STUN port given")
	}
	hosts := []string{t.IP, t.IP6}
	if t.IP == "" && t.IP6 == "" {
		hosts = []string{t.Host}
	}
	var answers []stunAnswer
	for _, h := range hosts {
		if h == "" {
			continue
		}
		a, err := stunOnce(ctx, t.STUNAddr(h))
		if err != nil {
			return answers, fmt.Errorf("%s: %w", t.STUNAddr(h), err)
		}
		answers = append(answers, a)
	}
	return answers, nil
}

// stunOnce repeats the request twice a second: UDP may lose it. The socket is connected, so an
// answer from another address than the one asked does not count.
func stunOnce(ctx context.Context, addr string) (stunAnswer, error) {
	conn, err := net.Dial("udp", addr)
	if err != nil {
		return stunAnswer{}, err
	}
	defer conn.Close()
	b := make([]byte, 2048)
	for ctx.Err() == nil {
		tx, start := stun.NewTxID(), time.Now()
		if _, err := conn.Write(stun.Request(tx)); err != nil {
			return stunAnswer{}, err
		}
		conn.SetReadDeadline(start.Add(500 * time.Millisecond))
		n, err := conn.Read(b)
		if err != nil {
			var ne net.Error
			if errors.As(err, &ne) && ne.Timeout() {
				continue
			}
			return stunAnswer{}, err
		}
		got, seen, err := stun.ParseResponse(b[:n])
		if err != nil {
			return stunAnswer{}, err
		}
		if got == tx {
			return stunAnswer{addr, seen.String(), time.Since(start).Microseconds()}, nil
		}
	}
	return stunAnswer{}, errors.New("no answer")
}

// askHTTP requests the pages that measure and probe.
func askHTTP(ctx context.Context, t *relay.Target) (any, error) {
	conf, err := t.TLSConfig()
	if err != nil {
		return nil, err
	}
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, t.Addr())
	}
	hc := &http.Client{Transport: &http.Transport{TLSClientConfig: conf, DialContext: dial}}
	defer hc.CloseIdleConnections()
	statuses := map[string]int{}
	for path, want := range map[string]int{"/derp/probe": 200, "/derp/latency-check": 200, "/generate_204": 204, "/": 200} {
		req, err := http.NewRequestWithContext(ctx, "GET", "https://"+t.Host+path, nil)
		if err != nil {
			return statuses, err
		}
		resp, err := hc.Do(req)
		if err != nil {
			return statuses, err
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		statuses[path] = resp.StatusCode
		if resp.StatusCode != want {
			return statuses, fmt.Errorf("GET %s: %s, want %d", path, resp.Status, want)
		}
	}
	return statuses, nil
}

// loginAnswer tells about a login. A relay that admits only some refuses before ServerInfo.
type loginAnswer struct {
	RelayKey    string `json:"relay_key"`
	TLS         string `json:"tls"`
	Leaf        string `json:"leaf_serial"`
	LeafExpires string `json:"leaf_expires"`
	RTT         int64  `json:"ping_us"`
}

func askLogin(ctx context.Context, t *relay.Target) (any, error) {
	c := t.Client(key.NewNode(), logger.Discard)
	defer c.Close()
	if err := c.Connect(ctx); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	m, err := c.Recv()
	if err != nil {
		return nil, fmt.Errorf("refused: %w", err)
	}
	if _, ok := m.(derp.ServerInfoMessage); !ok {
		return nil, fmt.Errorf("first message is %T, want ServerInfo", m)
	}
	return describe(ctx, c)
}

// describe pings over the open connection and tells what it rests on.
func describe(ctx context.Context, c *derphttp.Client) (any, error) {
	go func() {
		for {
			if _, err := c.Recv(); err != nil {
				return
			}
		}
	}()
	start := time.Now()
	if err := c.Ping(ctx); err != nil {
		return nil, fmt.Errorf("ping: %w", err)
	}
	a := loginAnswer{RelayKey: c.ServerPublicKey().String(), RTT: time.Since(start).Microseconds()}
	if state, ok := c.TLSConnectionState(); ok {
		leaf := state.PeerCertificates[0]
		a.TLS = fmt.Sprintf("1.%d", state.Version-0x0301)
		a.Leaf = leaf.SerialNumber.Text(16)
		a.LeafExpires = leaf.NotAfter.UTC().Format(time.RFC3339)
	}
	return a, nil
}

// askNetcheck measures as a client does that chooses its home relay.
func askNetcheck(ctx context.Context, t *relay.Target) (any, error) {
	c := &netcheck.Client{NetMon: netmon.NewStatic(), Logf: logger.Discard, SkipExternalNetwork: true}
	if err := c.Standalone(ctx, ":0"); err != nil {
		return nil, err
	}
	r, err := c.GetReport(ctx, t.Map(), nil)
	if err != nil {
		return nil, err
	}
	if r.PreferredDERP != relay.RegionID {
		return r, errors.New("a client would not choose this relay")
	}
	return r, nil
}
