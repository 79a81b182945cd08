// SPDX-License-Identifier: Apache-2.0

// Derpask asks a relay what Tailscale's clients ask it, and prints the answers as JSON.
//
//	derpask --host derp.demo.com --ip 203.0.113.10 --ca root.pem stun login http netcheck
//
// Without a question it asks all of them. Exit status: 0 all answered well, 1 not, 2 usage.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"derp-relay/interop/internal/relay"
	"tailscale.com/net/netns"
)

// A question is asked with a deadline and answers with something to show.
type question func(context.Context, *relay.Target) (any, error)

var questions = map[string]question{
	"stun":     askSTUN,
	"login":    askLogin,
	"http":     askHTTP,
	"netcheck": askNetcheck,
}

// inOrder is the order of asking: the cheap ones first.
var inOrder = []string{"stun", "http", "login", "netcheck"}

type result struct {
	OK     bool   `json:"ok"`
	Error  string `json:"error,omitempty"`
	Millis int64  `json:"millis"`
	Answer any    `json:"answer,omitempty"`
}

func main() {
	var target relay.Target
	target.Flags(flag.CommandLine)
	timeout := flag.Duration("timeout", 10*time.Second, "how long to wait for each answer")
	flag.Usage = func() {
		fmt.Fprintf(os.Stderr, "usage: derpask [options] [%s]…\n", strings.Join(inOrder, "|"))
		flag.PrintDefaults()
	}
	flag.Parse()
	ask := flag.Args()
	if len(ask) == 0 {
		ask = inOrder
	}
	err := target.Check()
	for _, name := range ask {
		if questions[name] == nil {
			err = fmt.Errorf("unknown question %q: there are %s", name, strings.Join(inOrder, ", "))
		}
	}
	if err == nil {
		err = target.Trust()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "derpask:", err)
		os.Exit(2)
	}
	netns.SetEnabled(false)
	os.Exit(run(&target, ask, *timeout))
}

func run(target *relay.Target, ask []string, timeout time.Duration) int {
	results := map[string]result{}
	status := 0
	for _, name := range inOrder {
		if !slices.Contains(ask, name) {
			continue
		}
		r := askOne(target, name, timeout)
		if !r.OK {
			status = 1
		}
		results[name] = r
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	out.Encode(results)
	return status
}

func askOne(target *relay.Target, name string, timeout time.Duration) result {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	start := time.Now()
	answer, err := questions[name](ctx, target)
	r := result{OK: err == nil, Answer: answer, Millis: time.Since(start).Milliseconds()}
	if err != nil {
		r.Error = err.Error()
	}
	return r
}
