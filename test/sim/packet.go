package sim

import "vpngw/ourstack/tcp"

// packet is one on its way.
type packet struct {
	at    tcp.Instant
	order int
	to    int
	data  []byte
}

func (p *packet) before(q *packet) bool { return p.at < q.at || p.at == q.at && p.order < q.order }

// packetQueue is a binary heap by time of arrival.
type packetQueue []packet

func (q *packetQueue) push(p packet) {
	h := append(*q, p)
	i := len(h) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !h[i].before(&h[parent]) {
			break
		}
		h[i], h[parent] = h[parent], h[i]
		i = parent
	}
	*q = h
}

func (q *packetQueue) pop() packet {
	h := *q
	first := h[0]
	n := len(h) - 1
	h[0] = h[n]
	h[n] = packet{}
	h = h[:n]
	for i := 0; ; {
		c := 2*i + 1
		if c >= n {
			break
		}
		if c+1 < n && h[c+1].before(&h[c]) {
			c++
		}
		if !h[c].before(&h[i]) {
			break
		}
		h[i], h[c] = h[c], h[i]
		i = c
	}
	*q = h
	return first
}
