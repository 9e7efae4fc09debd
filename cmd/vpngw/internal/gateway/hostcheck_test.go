package gateway

import (
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"vpngw/config"
)

func TestCheckHostNamesEachThing(t *testing.T) {
	cfg := config.Default()
	cfg.Interface.ListenPort = 0
	cfg.Admin.Listen = "127.0.0.1:0"
	cfg.Portmap.Enabled = true
	want := []string{"UDP buffers", "ping sockets", "UDP port", "TCP port", "ports for peers", "outgoing ports", "open files"}
	checks := CheckHost(cfg, false)
	for i, c := range checks {
		if i >= len(want) || c.Name != want[i] || c.Has == "" {
			t.Errorf("check %d: %+v", i, c)
		}
		if f := c.Finding; f != nil && (f.Fatal || f.Problem == "" || f.Fix == "") {
			t.Errorf("%s: %+v", c.Name, *f)
		}
	}
	if len(checks) != len(want) {
		t.Errorf("%d checks, want %d", len(checks), len(want))
	}
}

func TestCheckPortThatAnotherHas(t *testing.T) {
	other, err := net.ListenUDP("udp4", &net.UDPAddr{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	port := int(addrPort(other.LocalAddr()).Port())
	c := checkPort("UDP port", "interface.listen_port", port, false, bindUDP)
	if c.Name != fmt.Sprint("UDP port ", port) || c.Finding == nil || !c.Finding.Fatal {
		t.Errorf("%+v", c)
	}
	if c := checkPort("UDP port", "interface.listen_port", port, true, bindUDP); c.Finding != nil {
		t.Errorf("beside the running gateway: %+v", *c.Finding)
	}
}

func TestCheckPortThatIsForbidden(t *testing.T) {
	forbidden := func(int) error { return &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", syscall.EACCES)} }
	c := checkPort("UDP port", "interface.listen_port", 53, false, forbidden)
	if c.Finding == nil || !c.Finding.Fatal || !strings.Contains(c.Finding.Fix, "ip_unprivileged_port_start=53") {
		t.Errorf("%+v", c)
	}
}

func TestCheckFiles(t *testing.T) {
	enough := newLimits(0).files()
	for files, limited := range map[int]bool{0: false, enough: false, enough - 1: true, 1024: true} {
		c := checkFiles(files)
		if limited != (c.Finding != nil) {
			t.Errorf("%d files: %+v", files, c)
		}
		if limited && !strings.Contains(c.Finding.Fix, fmt.Sprintf("ulimit -n %d", enough)) {
			t.Errorf("%d files: %s", files, c.Finding.Fix)
		}
	}
}

func TestCheckEphemeralPorts(t *testing.T) {
	for _, row := range []struct {
		first, last int
		limited     bool
	}{{0, 0, false}, {32768, 60999, false}, {1024, 65535, false}, {40000, 49999, true}} {
		if c := checkEphemeralPorts(row.first, row.last); row.limited != (c.Finding != nil) {
			t.Errorf("%+v: %+v", row, c)
		}
	}
}
