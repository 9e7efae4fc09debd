package gateway

import (
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// A poller tells flows that their upstream sockets have something to read, so that no goroutine waits
// for each. Package net has the sockets in the runtime's poller as well; this one is a second
// epoll(7) instance, which itself is in the runtime's. Its events are edges: whoever is told reads
// until there is nothing more. The zero poller is ready for use; safe for concurrent use.
type poller struct {
	mu      sync.Mutex // guards the fields below
	epoll   *os.File   // nil before the first flow and after close
	closed  bool
	flows   map[uint64]*eventPipe // by the number that the kernel keeps with the socket
	last    uint64                // the newest of those numbers; they are not used twice
	stopped chan struct{}         // closed when the goroutine has ended
}

// add makes e.readable be called from now on; at once if there is something to read.
func (p *poller) add(e *eventPipe, socket syscall.RawConn) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.openLocked(); err != nil {
		return err
	}
	raw, err := p.epoll.SyscallConn()
	if err != nil {
		return err
	}
	p.last++
	e.number = p.last
	p.flows[e.number] = e
	event := unix.EpollEvent{
		Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET,
		Fd:     int32(uint32(e.number)), Pad: int32(uint32(e.number >> 32)),
	}
	var failed error
	err = socket.Control(func(fd uintptr) {
		outer := raw.Control(func(epoll uintptr) {
			failed = unix.EpollCtl(int(epoll), unix.EPOLL_CTL_ADD, int(fd), &event)
		})
		if outer != nil {
			failed = outer
		}
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		delete(p.flows, e.number)
	}
	return err
}

// remove forgets e. The kernel forgets the socket when it is closed.
func (p *poller) remove(e *eventPipe) {
	p.mu.Lock()
	delete(p.flows, e.number)
	p.mu.Unlock()
}

// openLocked makes the epoll instance and starts the goroutine.
func (p *poller) openLocked() error {
	switch {
	case p.closed:
		return os.ErrClosed
	case p.epoll != nil:
		return nil
	}
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // for the runtime's poller
		_ = unix.Close(fd)
		return os.NewSyscallError("fcntl", err)
	}
	p.epoll = os.NewFile(uintptr(fd), "epoll")
	p.flows = map[uint64]*eventPipe{}
	p.stopped = make(chan struct{})
	go p.run(p.epoll)
	return nil
}

// close ends the goroutine and returns when it has ended.
func (p *poller) close() {
	p.mu.Lock()
	first := !p.closed && p.epoll != nil
	p.closed = true
	p.mu.Unlock()
	if first {
		_ = p.epoll.Close()
		<-p.stopped
	}
}

// run tells flows of what is there until close.
func (p *poller) run(epoll *os.File) {
	defer close(p.stopped)
	raw, err := epoll.SyscallConn()
	if err != nil {
		return
	}
	events, n := make([]unix.EpollEvent, pollerEvents), 0
	flows := make([]*eventPipe, 0, pollerEvents)
	look := func(fd uintptr) bool {
		n, _ = unix.EpollWait(int(fd), events, 0)
		return n > 0
	}
	for raw.Read(look) == nil {
		p.mu.Lock()
		for _, event := range events[:n] {
			number := uint64(uint32(event.Fd)) | uint64(uint32(event.Pad))<<32
			if e := p.flows[number]; e != nil {
				flows = append(flows, e)
			}
		}
		p.mu.Unlock()
		for _, e := range flows {
			e.kick(toClient)
		}
		clear(flows)
		flows = flows[:0]
	}
}
