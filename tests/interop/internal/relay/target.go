// SPDX-License-Identifier: Apache-2.0

// Package relay names a relay under test and makes Tailscale's own clients for it.
package relay

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"

	"tailscale.com/derp/derphttp"
	"tailscale.com/net/netmon"
	"tailscale.com/tailcfg"
	"tailscale.com/types/key"
	"tailscale.com/types/logger"
)

// RegionID is the region that tests use when no derpMap says otherwise: 900–999 are the user's own.
const RegionID tailcfg.DERPRegionID = 900

// Target is a relay and the ways to reach it. Zero ports: the protocol does not run there.
type Target struct {
	Server   string `json:"server"`              // which program answers: "derpd" or "derper"
	Host     string `json:"host"`                // name in the certificate
	CertName string `json:"cert_name,omitempty"` // derpMap CertName, if not the host name
	IP       string `json:"ip"`                  // IPv4 address to dial, "" to look Host up
	IP6      string `json:"ip6,omitempty"`       // IPv6 address, "" for none
	Port     int    `json:"port"`
	STUNPort int    `json:"stun_port,omitempty"`
	HTTPPort int    `json:"http_port,omitempty"` // plain HTTP
	CA       string `json:"ca,omitempty"`        // PEM file of additional roots
	MeshKey  string `json:"mesh_key,omitempty"`  // 64 hex digits
}

// Flags adds the options that describe a target to fs.
func (t *Target) Flags(fs *flag.FlagSet) {
	fs.StringVar(&t.Host, "host", "", "name in the relay's certificate")
	fs.StringVar(&t.CertName, "cert-name", "", "derpMap CertName: another name, or sha256-raw:HEX")
	fs.StringVar(&t.IP, "ip", "", "IPv4 address to dial; the name is looked up when left out")
	fs.StringVar(&t.IP6, "ip6", "", "IPv6 address to dial")
	fs.IntVar(&t.Port, "port", 443, "TCP port of the relay")
	fs.IntVar(&t.STUNPort, "stun-port", 3478, "UDP port of STUN, 0 for none")
	fs.IntVar(&t.HTTPPort, "http-port", 0, "TCP port of plain HTTP, 0 for none")
	fs.StringVar(&t.CA, "ca", "", "PEM file of the CA to trust besides the system's")
	fs.Func("map", "derpMap JSON `FILE`: takes the first node of its first region", t.readMap)
}

// readMap takes host, addresses and ports from a derpMap, bare or wrapped in {"derpMap": …}.
func (t *Target) readMap(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var doc struct {
		Wrapped *tailcfg.DERPMap                             `json:"derpMap"`
		Regions map[tailcfg.DERPRegionID]*tailcfg.DERPRegion `json:"Regions"`
	}
	// What Tailscale's types do not know would be ignored by clients: a misspelt key, for one.
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&doc); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	regions := doc.Regions
	if doc.Wrapped != nil {
		regions = doc.Wrapped.Regions
	}
	for _, id := range slices.Sorted(maps.Keys(regions)) {
		for _, n := range regions[id].Nodes {
			t.fromNode(n)
			return nil
		}
	}
	return fmt.Errorf("%s: no node in any region", path)
}

// fromNode takes over what a derpMap says of one node; what it leaves out has the usual default.
func (t *Target) fromNode(n *tailcfg.DERPNode) {
	t.Host, t.CertName, t.IP, t.IP6 = n.HostName, n.CertName, n.IPv4, n.IPv6
	if t.IP == "none" {
		t.IP = ""
	}
	if t.IP6 == "none" {
		t.IP6 = ""
	}
	t.Port = cmp.Or(n.DERPPort, 443)
	t.STUNPort = max(cmp.Or(n.STUNPort, 3478), 0)
}

// Check says what is missing for use.
func (t *Target) Check() error {
	if t.Host == "" {
		return errors.New("the relay's name is missing: use --host or --map")
	}
	return nil
}

// Trust makes every later verification in this process accept t.CA. Go reads the variable at the
// first verification, so this is what a person does by exporting SSL_CERT_FILE.
func (t *Target) Trust() error {
	if t.CA == "" {
		return nil
	}
	return os.Setenv("SSL_CERT_FILE", t.CA)
}

// Node is the derpMap entry a client would have been given.
func (t *Target) Node() *tailcfg.DERPNode {
	n := &tailcfg.DERPNode{
		Name:     fmt.Sprintf("%da", RegionID),
		RegionID: RegionID,
		HostName: t.Host,
		CertName: t.CertName,
		IPv4:     t.IP,
		IPv6:     t.IP6,
		DERPPort: t.Port,
		STUNPort: t.STUNPort,
	}
	if t.IP != "" && t.IP6 == "" {
		n.IPv6 = "none"
	}
	if t.IP6 != "" && t.IP == "" {
		n.IPv4 = "none"
	}
	if t.STUNPort == 0 {
		n.STUNPort = -1
	}
	return n
}

// Region is a region of that one node.
func (t *Target) Region() *tailcfg.DERPRegion {
	return &tailcfg.DERPRegion{
		RegionID:   RegionID,
		RegionCode: "test",
		RegionName: "Relay under test",
		Nodes:      []*tailcfg.DERPNode{t.Node()},
	}
}

// Map is a derpMap of that one region.
func (t *Target) Map() *tailcfg.DERPMap {
	return &tailcfg.DERPMap{
		OmitDefaultRegions: true,
		Regions:            map[tailcfg.DERPRegionID]*tailcfg.DERPRegion{RegionID: t.Region()},
	}
}

// Client is a DERP client as tailscaled makes one, not yet connected.
func (t *Target) Client(k key.NodePrivate, logf logger.Logf) *derphttp.Client {
	return derphttp.NewRegionClient(k, logf, netmon.NewStatic(), t.Region)
}

// Addr is where to dial the relay's TLS port.
func (t *Target) Addr() string { return net.JoinHostPort(t.dialHost(), strconv.Itoa(t.Port)) }

// HTTPAddr is where to dial the plain HTTP port.
func (t *Target) HTTPAddr() string { return net.JoinHostPort(t.dialHost(), strconv.Itoa(t.HTTPPort)) }

// STUNAddr is where to ask STUN over the address family of ip.
func (t *Target) STUNAddr(ip string) string { return net.JoinHostPort(ip, strconv.Itoa(t.STUNPort)) }

func (t *Target) dialHost() string {
	switch {
	case t.IP != "":
		return t.IP
	case t.IP6 != "":
		return t.IP6
	}
	return t.Host
}

// TLSConfig verifies the relay's certificate as a plain TLS client would.
func (t *Target) TLSConfig() (*tls.Config, error) {
	conf := &tls.Config{ServerName: t.Host}
	if t.CA == "" {
		return conf, nil
	}
	pem, err := os.ReadFile(t.CA)
	if err != nil {
		return nil, err
	}
	conf.RootCAs = x509.NewCertPool()
	if !conf.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", t.CA)
	}
	return conf, nil
}
