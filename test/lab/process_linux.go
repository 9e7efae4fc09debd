package lab

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"time"
)

// outputMax bounds what is kept of a program's output: the newest 256 KiB.
const outputMax = 256 << 10

// stopTimeout is how long a program may take to end after SIGTERM before it is killed.
const stopTimeout = 10 * time.Second

// Process is a program that runs until the test ends or Stop is called.
type Process struct {
	host *Host
	name string
	out  output
	pid  int
	done chan struct{} // closed when it has ended
	err  error         // how it ended; valid when done is closed
}

// output keeps the newest bytes written to it and wakes who waits for them.
type output struct {
	mu      sync.Mutex // guards the fields below
	b       []byte
	changed chan struct{} // closed and replaced when b grows
}

// Start starts a program on the host. What it wrote is shown if the test fails.
func (h *Host) Start(args ...string) *Process {
	h.lab.t.Helper()
	p := &Process{host: h, name: args[0], done: make(chan struct{})}
	p.out.changed = make(chan struct{})
	cmd := h.command(context.Background(), args)
	cmd.Stdout, cmd.Stderr = &p.out, &p.out
	if err := cmd.Start(); err != nil {
		h.lab.t.Fatalf("lab: on %s: %v", h.name, err)
	}
	p.pid = cmd.Process.Pid
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	h.lab.t.Cleanup(func() {
		_ = p.Stop()
		if h.lab.t.Failed() {
			h.lab.t.Logf("%s on %s wrote:\n%s", strings.Join(args, " "), h.name, p.Output())
		}
	})
	return p
}

// Stop sends SIGTERM, then SIGKILL to the whole group if that does not help in time, and returns
// how the program ended. Later calls return the same.
func (p *Process) Stop() error {
	p.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(stopTimeout):
		_ = syscall.Kill(-p.pid, syscall.SIGKILL)
		<-p.done
		return fmt.Errorf("%s did not end within %v of SIGTERM", p.name, stopTimeout)
	}
	_ = syscall.Kill(-p.pid, syscall.SIGKILL) // children that outlived it
	return p.err
}

// Signal sends a signal to the program if it still runs.
func (p *Process) Signal(s syscall.Signal) {
	select {
	case <-p.done:
	default:
		_ = syscall.Kill(p.pid, s)
	}
}

// Ended reports whether the program has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// PID returns the process id of the program.
func (p *Process) PID() int { return p.pid }

// Output returns what the program wrote, stdout and stderr as they came, at most the newest 256 KiB.
func (p *Process) Output() string {
	p.out.mu.Lock()
	defer p.out.mu.Unlock()
	return string(p.out.b)
}

// WaitFor waits until the program has written text, and ends the test if the program ends first or
// limit passes.
func (p *Process) WaitFor(text string, limit time.Duration) {
	p.host.lab.t.Helper()
	timeout := time.After(limit)
	for {
		p.out.mu.Lock()
		found, changed := bytes.Contains(p.out.b, []byte(text)), p.out.changed
		p.out.mu.Unlock()
		if found {
			return
		}
		select {
		case <-changed:
		case <-p.done:
			if !strings.Contains(p.Output(), text) {
				p.host.lab.t.Fatalf("%s ended (%v) before it wrote %q", p.name, p.err, text)
			}
		case <-timeout:
			p.host.lab.t.Fatalf("%s did not write %q within %v", p.name, text, limit)
		}
	}
}

// Write keeps b.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.b = append(o.b, b...)
	if over := len(o.b) - outputMax; over > 0 {
		o.b = append(o.b[:0], o.b[over:]...)
	}
	close(o.changed)
	o.changed = make(chan struct{})
	return len(b), nil
}
