// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"time"
)

// report is the JSON document at the end. Sent counts packets handed to the clients; received those
// that reached their peer, returned those that came back to their sender. Lost are the packets and
// returns that did not arrive.
type report struct {
	OK          bool     `json:"ok"`
	Relay       string   `json:"relay"`
	RelayKey    string   `json:"relay_key"`
	Clients     int      `json:"clients"`
	Seconds     float64  `json:"seconds"`
	Sent        int64    `json:"sent"`
	Received    int64    `json:"received"`
	Returned    int64    `json:"returned"`
	Lost        int64    `json:"lost"`
	LostThere   int64    `json:"lost_there"`
	LostBack    int64    `json:"lost_back"`
	Duplicated  int64    `json:"duplicated"`
	Reordered   int64    `json:"reordered"`
	Damaged     int64    `json:"damaged"`
	Connections int64    `json:"connections"`
	Reconnects  int64    `json:"reconnects"`
	SendErrors  int64    `json:"send_errors"`
	RecvErrors  int64    `json:"recv_errors"`
	PeerGone    int64    `json:"peer_gone"`
	Restarting  int64    `json:"restarting"`
	Others      int64    `json:"other_messages"`
	Bytes       int64    `json:"bytes"`
	RTTp50      int64    `json:"rtt_p50_us"`
	RTTp99      int64    `json:"rtt_p99_us"`
	RTTMax      int64    `json:"rtt_max_us"`
	LongestGap  int64    `json:"longest_gap_ms"`
	Errors      []string `json:"errors,omitempty"`
}

func (c *conversation) report() report {
	r := c.counts()
	r.Relay = fmt.Sprintf("%s (%s)", c.o.target.Host, c.o.target.Addr())
	r.RelayKey = c.clients[0].dc.ServerPublicKey().String()
	r.Seconds = c.ended.Sub(c.began).Seconds()
	var rtt []time.Duration
	for _, t := range c.clients {
		t.mu.Lock()
		rtt = append(rtt, t.rtt...)
		r.LongestGap = max(r.LongestGap, t.gap.Milliseconds())
		for _, e := range t.errs {
			r.Errors = append(r.Errors, fmt.Sprintf("client %d: %s", t.number, e))
		}
		t.mu.Unlock()
	}
	slices.Sort(rtt)
	if n := len(rtt); n > 0 {
		r.RTTp50 = rtt[n/2].Microseconds()
		r.RTTp99 = rtt[n*99/100].Microseconds()
		r.RTTMax = rtt[n-1].Microseconds()
	}
	r.OK = r.Sent > 0 && r.Lost == 0 && r.Duplicated == 0 && r.Damaged == 0
	return r
}

// counts is the report without times and errors.
func (c *conversation) counts() (r report) {
	for _, t := range c.clients {
		r.add(t)
	}
	r.Clients = len(c.clients)
	r.LostThere = r.Sent - r.Received
	r.LostBack = r.Received - r.Returned
	r.Lost = r.Sent - r.Returned
	r.Reconnects = r.Connections - int64(r.Clients)
	return r
}

func (r *report) add(t *talker) {
	r.Sent += t.sent.Load()
	r.Received += t.received.Load()
	r.Returned += t.returned.Load()
	r.Duplicated += t.duplicated.Load()
	r.Reordered += t.reordered.Load()
	r.Damaged += t.damaged.Load()
	r.Connections += t.connections.Load()
	r.SendErrors += t.sendErrors.Load()
	r.RecvErrors += t.recvErrors.Load()
	r.PeerGone += t.peerGone.Load()
	r.Restarting += t.restarting.Load()
	r.Others += t.others.Load()
	r.Bytes += t.bytes.Load()
}
