// SPDX-License-Identifier: Apache-2.0

// Derptalk lets Tailscale's own DERP clients talk to each other through a relay, checks every
// packet, and reports what was lost.
//
//	derptalk --host derp.demo.com --ip 203.0.113.10 --ca root.pem --rate 200 --duration 0
//
// Each client sends numbered packets to the next one, which sends them back. With --duration 0 it
// talks until SIGTERM, SIGINT or, if standard input is a pipe, its end. The line "ready" on standard error says
// that all clients are connected; progress follows there. Standard output gets one JSON document.
// Exit status: 0 nothing lost, 1 something was, 2 it never got to talk.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"derp-relay/interop/internal/relay"
	"tailscale.com/net/netns"
)

// options are what the command line says.
type options struct {
	target   relay.Target
	clients  int
	rate     float64
	sizes    []int
	duration time.Duration
	grace    time.Duration
	progress time.Duration
	connect  time.Duration
	verbose  bool
}

func parseOptions() (*options, error) {
	o := &options{sizes: []int{64, 1280}}
	o.target.Flags(flag.CommandLine)
	flag.IntVar(&o.clients, "clients", 2, "how many clients, 2 to 200")
	flag.Float64Var(&o.rate, "rate", 50, "packets per second that each client sends, up to 20000")
	flag.Func("sizes", "packet sizes in bytes, separated by commas (default 64,1280)", o.parseSizes)
	flag.DurationVar(&o.duration, "duration", 10*time.Second, "how long to talk; 0: until told to stop")
	flag.DurationVar(&o.grace, "grace", 2*time.Second, "how long to wait for packets under way at the end")
	flag.DurationVar(&o.progress, "progress", time.Second, "interval of progress lines, 0 for none")
	flag.DurationVar(&o.connect, "connect-timeout", 15*time.Second, "how long to try to connect at first")
	flag.BoolVar(&o.verbose, "v", false, "show what the clients log")
	flag.Parse()
	if flag.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", flag.Arg(0))
	}
	if o.clients < 2 || o.clients > 200 {
		return nil, fmt.Errorf("--clients %d: not between 2 and 200", o.clients)
	}
	if o.rate <= 0 || o.rate > 20000 {
		return nil, fmt.Errorf("--rate %v: not between 0 and 20000", o.rate)
	}
	return o, o.target.Check()
}

func (o *options) parseSizes(text string) error {
	o.sizes = nil
	for _, s := range strings.Split(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(s))
		if err != nil || n < headLen || n > 65536 {
			return fmt.Errorf("size %q is not between %d and 65536", s, headLen)
		}
		o.sizes = append(o.sizes, n)
	}
	return nil
}

func main() {
	o, err := parseOptions()
	if err == nil {
		err = o.target.Trust()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "derptalk:", err)
		os.Exit(2)
	}
	netns.SetEnabled(false) // routes are the caller's business, not a tunnel's
	os.Exit(run(o))
}

// isPipe tells whether somebody may hold the other end of f: /dev/null would seem to end at once.
func isPipe(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&(os.ModeNamedPipe|os.ModeSocket) != 0
}

// run talks and prints the report.
func run(o *options) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if o.duration == 0 && isPipe(os.Stdin) {
		go func() {
			io.Copy(io.Discard, os.Stdin)
			cancel()
		}()
	}
	c := newConversation(o)
	defer c.close()
	if err := c.connect(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "derptalk:", err)
		return 2
	}
	fmt.Fprintln(os.Stderr, "ready")
	c.talk(ctx)
	r := c.report()
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	out.Encode(r)
	if !r.OK {
		return 1
	}
	return 0
}
