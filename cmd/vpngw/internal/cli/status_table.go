package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"vpngw/cmd/vpngw/internal/gateway"
)

// writeStatus draws a status for a person: one line on the gateway, one a peer.
func writeStatus(out io.Writer, s *gateway.Status, now time.Time) error {
	state := "not ready"
	switch {
	case s.Draining:
		state = "ending"
	case s.Ready:
		state = "ready"
	}
	up := time.Duration(s.UptimeSeconds * float64(time.Second))
	fmt.Fprintf(out, "gateway %s, up %s, UDP port %d, %s, public key %s\n",
		state, age(up), s.ListenPort, s.Address, s.PublicKey)
	f := s.Totals.Flows
	fmt.Fprintf(out, "%s, %s received, %s sent, flows: %d TCP, %d UDP, %d ping, %d dialing\n",
		count(s.Totals.Peers, "peer"), size(s.Totals.RxBytes), size(s.Totals.TxBytes), f.TCP, f.UDP, f.Ping, f.Dialing)
	if d := &s.DNS; d.QueriesUDP+d.QueriesTCP > 0 {
		fmt.Fprintf(out, "queries: %d answered here, %d from the cache, %d by upstreams, %d failed\n",
			d.Local, d.CacheHits, d.Forwarded-min(d.Forwarded, d.Failures), d.Failures+d.OverLimit)
	}
	if len(s.RestartNeeded) > 0 {
		fmt.Fprintf(out, "changed, but only a restart brings it: %s\n", strings.Join(s.RestartNeeded, ", "))
	}
	if !s.PingRelay {
		fmt.Fprintln(out, "ping through the gateway is off: this host's net.ipv4.ping_group_range does not allow it")
	}
	if len(s.Peers) == 0 {
		return nil
	}
	fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PEER\tALLOWED IPS\tENDPOINT\tHANDSHAKE\tRECEIVED\tSENT\tTCP\tUDP\tPING")
	for i := range s.Peers {
		p := &s.Peers[i]
		handshake := "never"
		if !p.LastHandshake.IsZero() {
			handshake = age(now.Sub(p.LastHandshake)) + " ago"
		}
		endpoint := p.Endpoint
		if endpoint == "" {
			endpoint = "-"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\n", p.Name, joinPrefixes(p.AllowedIPs), endpoint,
			handshake, size(p.RxBytes), size(p.TxBytes), p.Flows.TCP, p.Flows.UDP, p.Flows.Ping)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return writePorts(out, s, now)
}

// writePorts lists the ports of this host that peers asked for, if there are any.
func writePorts(out io.Writer, s *gateway.Status, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	header := "\nPORT\tPEER\tLEADS TO\tENDS IN\n"
	for i := range s.Peers {
		for _, p := range s.Peers[i].Ports {
			fmt.Fprintf(w, "%s%d/%s\t%s\t%s\t%s\n",
				header, p.Port, p.Protocol, s.Peers[i].Name, p.Internal, age(p.ExpiresAt.Sub(now)))
			header = ""
		}
	}
	return w.Flush()
}

// age writes a duration in its two largest units: "3d4h", "12m5s", "8s".
func age(d time.Duration) string {
	if d < 0 {
		d = 0 // two clocks
	}
	days, d := d/(24*time.Hour), d%(24*time.Hour)
	hours, d := d/time.Hour, d%time.Hour
	minutes, d := d/time.Minute, d%time.Minute
	seconds := d / time.Second
	switch {
	case days > 0:
		return fmt.Sprintf("%dd%dh", days, hours)
	case hours > 0:
		return fmt.Sprintf("%dh%dm", hours, minutes)
	case minutes > 0:
		return fmt.Sprintf("%dm%ds", minutes, seconds)
	default:
		return fmt.Sprintf("%ds", seconds)
	}
}

// size writes a number of bytes in the unit that leaves it below 1024, with one decimal.
func size(n uint64) string {
	if n < 1024 {
		return strconv.FormatUint(n, 10) + " B"
	}
	v := float64(n)
	for _, unit := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if v /= 1024; v < 1024 {
			return strconv.FormatFloat(v, 'f', 1, 64) + " " + unit
		}
	}
	return strconv.FormatFloat(v/1024, 'f', 1, 64) + " PiB"
}
