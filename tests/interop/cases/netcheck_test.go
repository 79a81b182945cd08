// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"context"
	"testing"
	"time"

	"derp-relay/interop/internal/relay"
	"tailscale.com/net/netcheck"
	"tailscale.com/net/netmon"
)

// report runs the measurement by which a client chooses its home relay.
func report(t *testing.T, opts *netcheck.GetReportOpts) *netcheck.Report {
	t.Helper()
	c := &netcheck.Client{NetMon: netmon.NewStatic(), Logf: t.Logf, SkipExternalNetwork: true}
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	if err := c.Standalone(ctx, ":0"); err != nil {
		t.Fatal(err)
	}
	r, err := c.GetReport(ctx, target.Map(), opts)
	if err != nil {
		t.Fatal(err)
	}
	if r.PreferredDERP != relay.RegionID {
		t.Errorf("the client would choose region %v", r.PreferredDERP)
	}
	if d, ok := r.RegionLatency[relay.RegionID]; !ok || d <= 0 || d > time.Second {
		t.Errorf("latency to the relay: %v, %v", d, ok)
	}
	return r
}

func TestNetcheckUDP(t *testing.T) {
	if target.STUNPort == 0 {
		t.Skip("no STUN there")
	}
	if r := report(t, nil); !r.UDP || !r.IPv4 {
		t.Errorf("report says UDP %v, IPv4 %v", r.UDP, r.IPv4)
	}
}

// Where UDP is blocked, the client measures over HTTPS.
func TestNetcheckHTTPS(t *testing.T) {
	if r := report(t, &netcheck.GetReportOpts{OnlyTCP443: true}); r.UDP {
		t.Error("report says that there is UDP")
	}
}
