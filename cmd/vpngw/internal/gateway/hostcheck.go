package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"

	"vpngw/config"
)

// A HostCheck is what this host gives the gateway of one thing.
type HostCheck struct {
	Name    string   // "UDP buffers"
	Has     string   // what there is, for a person: "7 MiB each way"
	Finding *Finding // what is missing; nil: nothing
}

// CheckHost looks at what of this host limits a gateway with this configuration, run by this user in
// this place. running says that such a gateway runs now, and so has its ports. It opens sockets and
// closes them again; it sends nothing and changes nothing.
func CheckHost(cfg *config.Config, running bool) []HostCheck {
	checks := []HostCheck{
		checkBuffers(),
		{Name: "ping sockets", Has: "echo requests of peers are passed on", Finding: CheckPing()},
		checkPort("UDP port", "interface.listen_port", cfg.Interface.ListenPort, running, bindUDP),
	}
	if _, port, err := net.SplitHostPort(cfg.Admin.Listen); err == nil {
		n, _ := strconv.Atoi(port) // the configuration is valid
		checks = append(checks, checkPort("TCP port", "admin.listen", n, running, func(int) error {
			return bindTCP(cfg.Admin.Listen)
		}))
	}
	if cfg.Portmap.Enabled {
		checks = append(checks, checkMappedPorts(cfg.Portmap.Ports))
	}
	return append(checks, checkEphemeralPorts(localPortRange()), checkFiles(openFilesMax()))
}

// checkPort tries whether the process may have a port.
func checkPort(name, key string, port int, running bool, bind func(port int) error) HostCheck {
	c := HostCheck{Name: fmt.Sprintf("%s %d", name, port), Has: "free, and allowed"}
	if port == 0 {
		c.Name, c.Has = name, "the system chooses one ("+key+" = 0)"
		return c
	}
	err := bind(port)
	switch {
	case err == nil:
	case errors.Is(err, syscall.EADDRINUSE) && running:
		c.Has = "the running gateway has it"
	case errors.Is(err, syscall.EADDRINUSE):
		c.Finding = &Finding{
			Fatal:   true,
			Problem: "another program has the port: the gateway does not start",
			Fix:     fmt.Sprintf("end that program (\"ss -lnp\" shows it) or choose another %s", key),
		}
	case errors.Is(err, os.ErrPermission):
		c.Finding = &Finding{
			Fatal:   true,
			Problem: fmt.Sprintf("an unprivileged process may not have a port below %d: the gateway does not start", unprivilegedPorts()),
			Fix: fmt.Sprintf("choose a port of %[2]d or more (%[1]s), or sysctl -w net.ipv4.ip_unprivileged_port_start=%[3]d on the host or, "+
				"for a container, --sysctl with the same", key, unprivilegedPorts(), port),
		}
	default:
		c.Finding = &Finding{Fatal: true, Problem: err.Error(), Fix: "see to the network of this host, or choose another " + key}
	}
	return c
}

func bindUDP(port int) error {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{Port: port})
	if err != nil {
		return err
	}
	return c.Close()
}

func bindTCP(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	return l.Close()
}

// checkMappedPorts looks whether the ports that clients may ask for are such as the process may have.
func checkMappedPorts(ranges []config.PortRange) HostCheck {
	first := uint16(65535)
	for _, r := range ranges {
		first = min(first, r.First)
	}
	c := HostCheck{Name: "ports for peers", Has: "all of portmap.ports are allowed"}
	if start := unprivilegedPorts(); os.Geteuid() > 0 && int(first) < start {
		c.Finding = &Finding{
			Problem: fmt.Sprintf("an unprivileged process may not have those below %d: peers that ask for one get another", start),
			Fix: fmt.Sprintf("portmap.ports of %d and more, or sysctl -w net.ipv4.ip_unprivileged_port_start=%d on the host or, "+
				"for a container, --sysctl with the same", start, first),
		}
	}
	return c
}

// checkEphemeralPorts judges the ports that the system gives by itself, one to each UDP mapping, and to each
// connection to the same destination; 0: unknown.
func checkEphemeralPorts(first, last int) HostCheck {
	n := last - first + 1
	c := HostCheck{Name: "outgoing ports", Has: fmt.Sprintf("%d", n)}
	switch {
	case last == 0:
		c.Has = "as the system has them"
	case n < ephemeralPorts:
		c.Finding = &Finding{
			Problem: fmt.Sprintf("%d to %d are %d ports, fewer than the %d of Linux by default: "+
				"so many UDP flows, and connections to one destination, are possible", first, last, n, ephemeralPorts),
			Fix: `sysctl -w net.ipv4.ip_local_port_range="32768 60999" on the host or, for a container, --sysctl with the same`,
		}
	}
	return c
}

// checkFiles judges how many files the process may have open; 0: unknown or unlimited.
func checkFiles(files int) HostCheck {
	most, fits := newLimits(0), newLimits(files)
	c := HostCheck{Name: "open files", Has: fmt.Sprintf("%d", files)}
	switch {
	case files == 0:
		c.Has = "as many as it needs"
	case fits != most:
		need := most.files()
		c.Finding = &Finding{
			Problem: fmt.Sprintf("the process may open %d: room for %d TCP flows (of %d) and %d UDP flows (of %d) of all peers",
				files, fits.tcpFlows, most.tcpFlows, fits.udpMappings, most.udpMappings),
			Fix: fmt.Sprintf("ulimit -n %d before the start, LimitNOFILE=%d in a systemd unit, --ulimit nofile=%d:%d for a container",
				need, need, need, need),
		}
	}
	return c
}

// checkBuffers looks how much may wait in the WireGuard sockets.
func checkBuffers() HostCheck {
	c := HostCheck{Name: "UDP buffers", Has: "as the system gives them"}
	got, want, err := udpBuffers()
	switch {
	case err != nil:
		c.Finding = &Finding{Fatal: true, Problem: "no UDP socket: " + err.Error(), Fix: "see to the network of this host"}
	case want == 0:
	case got < want:
		c.Finding = &Finding{
			Problem: fmt.Sprintf("the WireGuard sockets hold %d KiB of the %d that they ask for: bursts at hundreds of Mbit/s lose packets",
				got>>10, want>>10),
			Fix: fmt.Sprintf("sysctl -w net.core.rmem_max=%d net.core.wmem_max=%d on the host (also for a container, "+
				"whose host's they are)", want, want),
		}
	default:
		c.Has = fmt.Sprintf("%d KiB each way", got>>10)
	}
	return c
}

// unprivilegedPorts is the first port that an unprivileged process may have.
func unprivilegedPorts() int { return cmp.Or(sysctl("net/ipv4/ip_unprivileged_port_start", 0), 1024) }
