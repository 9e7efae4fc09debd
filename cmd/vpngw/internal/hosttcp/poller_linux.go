package hosttcp

import (
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// A Poller tells of what happens to sockets: epoll(7), in an instance of its own that is itself in the
// runtime's. The zero Poller is ready for use; safe for concurrent use.
type Poller struct {
	mu      sync.Mutex // guards the fields below; Socket.mu comes before it
	epoll   *os.File   // nil before the first socket and after Close
	raw     syscall.RawConn
	closed  bool
	sockets map[uint64]*Socket // by the number that the kernel keeps with the socket
	last    uint64             // the newest of those numbers; they are not used twice
	stopped chan struct{}      // closed when the goroutine has ended
}

// add makes s.tell be called from now on when there is something to read, and, if room is set, room to
// write; at once if that is so. known: it was told of the former before. s is open.
func (p *Poller) add(s *Socket, room bool) (known bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.openLocked(); err != nil {
		return false, err
	}
	known = s.number != 0
	operation := unix.EPOLL_CTL_MOD
	switch {
	case known && (s.room || !room):
		return true, nil
	case !known:
		operation = unix.EPOLL_CTL_ADD
		p.last++
		s.number = p.last
		p.sockets[s.number] = s
	}
	if err := p.control(operation, s, room); err != nil {
		if !known {
			delete(p.sockets, s.number)
			s.number = 0
		}
		return known, err
	}
	s.room = room
	return known, nil
}

// control is epoll_ctl(2). Most sockets always have room, and to be told so would be a wake-up for nothing.
func (p *Poller) control(operation int, s *Socket, room bool) error {
	event := unix.EpollEvent{
		Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET,
		Fd:     int32(uint32(s.number)), Pad: int32(uint32(s.number >> 32)),
	}
	if room {
		event.Events |= unix.EPOLLOUT
	}
	var failed error
	if err := p.raw.Control(func(epoll uintptr) {
		failed = unix.EpollCtl(int(epoll), operation, s.fd, &event)
	}); err != nil {
		return err
	}
	return os.NewSyscallError("epoll_ctl", failed)
}

// remove forgets s, which is about to be closed: with it the kernel forgets it, too, unless there is a
// second descriptor for it, whose events are then nobody's.
func (p *Poller) remove(s *Socket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.number != 0 {
		delete(p.sockets, s.number)
		s.number = 0
	}
}

// Len is how many sockets there are.
func (p *Poller) Len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.sockets)
}

// openLocked makes the epoll instance and starts the goroutine.
func (p *Poller) openLocked() error {
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
	epoll := os.NewFile(uintptr(fd), "epoll")
	if p.raw, err = epoll.SyscallConn(); err != nil {
		_ = epoll.Close()
		return err
	}
	p.epoll = epoll
	p.sockets = map[uint64]*Socket{}
	p.stopped = make(chan struct{})
	go p.run(p.raw)
	return nil
}

// Close ends the calls of watchers, and returns when the last one has returned. Sockets stay open; dials
// under way go on until their contexts end.
func (p *Poller) Close() {
	p.mu.Lock()
	first := !p.closed && p.epoll != nil
	p.closed = true
	p.mu.Unlock()
	if first {
		_ = p.epoll.Close()
		<-p.stopped
	}
}

// run tells sockets of what is there until Close.
func (p *Poller) run(epoll syscall.RawConn) {
	defer close(p.stopped)
	var events [eventsMax]unix.EpollEvent
	var sockets [eventsMax]*Socket
	n := 0
	look := func(fd uintptr) bool {
		n, _ = unix.EpollWait(int(fd), events[:], 0)
		return n > 0
	}
	for epoll.Read(look) == nil {
		p.mu.Lock()
		for i, event := range events[:n] {
			sockets[i] = p.sockets[uint64(uint32(event.Fd))|uint64(uint32(event.Pad))<<32]
		}
		p.mu.Unlock()
		for i, s := range sockets[:n] {
			if s != nil {
				s.tell(events[i].Events)
			}
		}
		clear(sockets[:n])
	}
}
