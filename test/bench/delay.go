package main

import (
	"slices"
	"time"

	"golang.zx2c4.com/wireguard/conn"
)

// oneWay is the delay of a distant path in each direction: 100 ms for a round trip.
const oneWay = 50 * time.Millisecond

// distant returns b at the near end of such a path.
func distant(b conn.Bind) conn.Bind { return &lateBind{Bind: b, queue: make(chan late, 1<<14)} }

// A lateBind sends what it is given oneWay later. It is a path without loss or limit: what waits is
// limited by the windows of those who send.
type lateBind struct {
	conn.Bind
	queue chan late
	done  chan struct{}
}

// late is a batch that waits, copied because its buffers are the device's.
type late struct {
	due  time.Time
	text []byte
	ends []int
	to   conn.Endpoint
}

func (b *lateBind) Open(port uint16) ([]conn.ReceiveFunc, uint16, error) {
	if b.done != nil {
		close(b.done)
	}
	b.done = make(chan struct{})
	go b.deliver(b.done)
	return b.Bind.Open(port)
}

func (b *lateBind) Send(bufs [][]byte, to conn.Endpoint) error {
	l := late{due: time.Now().Add(oneWay), to: to, text: slices.Concat(bufs...), ends: make([]int, len(bufs))}
	at := 0
	for i, p := range bufs {
		at += len(p)
		l.ends[i] = at
	}
	b.queue <- l
	return nil
}

// deliver sends what is due. Errors are the path's loss.
func (b *lateBind) deliver(done chan struct{}) {
	var bufs [][]byte
	for {
		var l late
		select {
		case l = <-b.queue:
		case <-done:
			return
		}
		time.Sleep(time.Until(l.due))
		bufs = bufs[:0]
		start := 0
		for _, end := range l.ends {
			bufs = append(bufs, l.text[start:end])
			start = end
		}
		_ = b.Bind.Send(bufs, l.to)
	}
}
