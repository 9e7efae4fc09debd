package dns

import (
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// resolvConfPath is where this host says which resolvers it uses.
const resolvConfPath = "/etc/resolv.conf"

// resolvConf are the servers of a resolv.conf, followed when it changes. Safe for concurrent use.
type resolvConf struct {
	path     string
	counters *counters

	mu      sync.Mutex // guards the fields below
	checked time.Time
	addrs   []netip.Addr
	list    []*server
}

func newResolvConf(path string, c *counters) *resolvConf { return &resolvConf{path: path, counters: c} }

// servers returns the servers of now. The file is read again every few seconds: it is small, and a
// container's is replaced in ways that its time does not always show.
func (r *resolvConf) servers() []*server {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if r.list != nil && now.Sub(r.checked) < resolvConfCheck {
		return r.list
	}
	r.checked = now
	addrs := readResolvConf(r.path)
	if r.list != nil && slices.Equal(addrs, r.addrs) {
		return r.list
	}
	for _, old := range r.list {
		old.close()
	}
	r.addrs, r.list = addrs, make([]*server, len(addrs))
	for i, a := range addrs {
		r.list[i] = newServer(systemServer(a), dialHost, r.counters)
	}
	return r.list
}

// readResolvConf returns the servers of a resolv.conf: "If no nameserver entries are present, the
// default is to use the name server on the local machine." resolv.conf(5)
func readResolvConf(path string) []netip.Addr {
	local := []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	f, err := os.Open(path)
	if err != nil {
		return local
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, resolvConfMax))
	if err != nil {
		return local
	}
	if found := parseResolvConf(string(text)); len(found) > 0 {
		return found
	}
	return local
}

func parseResolvConf(text string) (found []netip.Addr) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "nameserver" || len(found) == systemServersMax {
			continue
		}
		if a, err := netip.ParseAddr(fields[1]); err == nil {
			found = append(found, a.Unmap())
		}
	}
	return found
}
