// SPDX-License-Identifier: Apache-2.0

// Package cases holds what a relay must do, as tests that see it only from outside. The same cases
// run against derpd and against Tailscale's own derper, so that a difference between the two is
// either a failure or is written down here with its reason.
package cases

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"derp-relay/interop/internal/relay"
)

// patience bounds every wait for something that must come. Nothing waits that long in a good run.
const patience = 10 * time.Second

var (
	targetFile = flag.String("target", "", "JSON `file` that describes the relay (required)")
	target     relay.Target
)

func TestMain(m *testing.M) {
	flag.Parse()
	if err := loadTarget(*targetFile); err != nil {
		fmt.Fprintln(os.Stderr, "cases:", err)
		os.Exit(2)
	}
	os.Exit(m.Run())
}

func loadTarget(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading -target: %w", err)
	}
	if err := json.Unmarshal(text, &target); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := target.Check(); err != nil {
		return err
	}
	return target.Trust()
}

// differs notes a known difference: on that server the case is expected to fail, for that reason.
// Whoever runs the cases turns the result round, so that a note that no longer holds is a failure.
func differs(t *testing.T, server, reason string) {
	t.Helper()
	if target.Server == server {
		t.Logf("DIFFERS: %s", reason)
	}
}
