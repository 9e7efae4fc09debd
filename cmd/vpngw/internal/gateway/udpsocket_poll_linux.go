package gateway

import (
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"vpngw/cmd/vpngw/internal/mmsg"
)

// udpPollers wait for UDP sockets: as many pollers as there are processors, each with one goroutine and
// its buffers while it has sockets, and none without.
type udpPollers struct {
	pollers []udpPoller
	turn    atomic.Uint32
}

func newUDPPollers() *udpPollers {
	ps := &udpPollers{pollers: make([]udpPoller, min(runtime.GOMAXPROCS(0), udpPollersMax))}
	for i := range ps.pollers {
		ps.pollers[i].sockets = map[uint64]*linuxUDP{}
	}
	return ps
}

func (ps *udpPollers) next() *udpPoller {
	return &ps.pollers[ps.turn.Add(1)%uint32(len(ps.pollers))]
}

// A udpPoller reads what arrives at its sockets. They are in an epoll set of their own (epoll(7)), which
// the runtime's poller waits for: so idle sockets need no goroutine, and no word of the runtime's, and
// the writability of a socket is watched only while somebody waits for it.
type udpPoller struct {
	mu      sync.Mutex // guards the fields below
	sockets map[uint64]*linuxUDP
	last    uint64   // token; none is used twice
	epoll   *os.File // nil while nothing runs
}

// add begins to watch u, which is in use.
func (p *udpPoller) add(u *linuxUDP) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.epoll == nil && !p.startLocked() {
		return
	}
	p.last++
	u.token = p.last
	p.sockets[u.token] = u
	p.controlLocked(unix.EPOLL_CTL_ADD, u, unix.EPOLLIN)
}

// startLocked makes the epoll set. Without one the socket sends but hears nothing, which only happens
// when this host has no descriptor left.
func (p *udpPoller) startLocked() bool {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return false
	}
	_ = unix.SetNonblock(fd, true) // for the runtime's poller
	p.epoll = os.NewFile(uintptr(fd), "epoll")
	raw, err := p.epoll.SyscallConn()
	if err != nil {
		_ = p.epoll.Close()
		p.epoll = nil
		return false
	}
	go p.run(p.epoll, raw)
	return true
}

// watch changes what u is watched for.
func (p *udpPoller) watch(u *linuxUDP, events uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sockets[u.token] == u {
		p.controlLocked(unix.EPOLL_CTL_MOD, u, events)
	}
}

func (p *udpPoller) controlLocked(op int, u *linuxUDP, events uint32) {
	raw, err := p.epoll.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.EpollCtl(int(fd), op, u.fd, &unix.EpollEvent{
			Events: events, Fd: int32(uint32(u.token)), Pad: int32(uint32(u.token >> 32)),
		})
	})
}

// remove forgets u; closing its descriptor takes it out of the epoll set.
func (p *udpPoller) remove(u *linuxUDP) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sockets[u.token] != u {
		return
	}
	delete(p.sockets, u.token)
	if len(p.sockets) == 0 {
		_ = p.epoll.SetReadDeadline(time.Unix(1, 0)) // run looks whether to end
	}
}

// run serves the sockets until there is none.
func (p *udpPoller) run(epoll *os.File, raw syscall.RawConn) {
	r := mmsg.NewReceiver()
	for !p.ends(epoll) {
		_ = raw.Read(func(fd uintptr) bool { return p.serve(int(fd), r) })
	}
	_ = epoll.Close()
}

// ends says whether run has nothing left to do.
func (p *udpPoller) ends(epoll *os.File) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.sockets) == 0 && p.last > 0 {
		p.epoll = nil
		return true
	}
	_ = epoll.SetReadDeadline(time.Time{})
	return false
}

// serve takes a batch from each socket that has something, in turn, until none has.
func (p *udpPoller) serve(fd int, r *mmsg.Receiver) bool {
	var events [64]unix.EpollEvent
	for {
		n, err := unix.EpollWait(fd, events[:], 0)
		if err == unix.EINTR {
			continue
		}
		if n <= 0 {
			return false
		}
		for i := range n {
			e := &events[i]
			if u := p.socket(uint64(uint32(e.Fd)) | uint64(uint32(e.Pad))<<32); u != nil {
				u.ready(e.Events, r)
			}
		}
	}
}

func (p *udpPoller) socket(token uint64) *linuxUDP {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sockets[token]
}
