package dns

import (
	"container/list"
	"sync"
	"time"

	miekg "github.com/miekg/dns"
)

// A cache keeps answers for as long as their records allow; the one not used for the longest time
// makes room. Safe for concurrent use.
type cache struct {
	size int

	mu      sync.Mutex // guards the fields below
	entries map[question]*list.Element
	used    list.List // of *entry, the last used one first
}

type entry struct {
	key            question
	packed         []byte // compressed: a tenth of the records' size in memory
	stored, expire time.Time
}

func newCache(size int) *cache {
	return &cache{size: size, entries: map[question]*list.Element{}}
}

// get returns the answer to k with the TTLs that are left, or nil.
func (c *cache) get(k question, now time.Time) *answer {
	c.mu.Lock()
	element := c.entries[k]
	if element == nil {
		c.mu.Unlock()
		return nil
	}
	e := element.Value.(*entry)
	if !now.Before(e.expire) {
		c.removeLocked(element)
		c.mu.Unlock()
		return nil
	}
	c.used.MoveToFront(element)
	c.mu.Unlock()

	var m miekg.Msg
	if err := m.Unpack(e.packed); err != nil {
		return nil
	}
	age := uint32(now.Sub(e.stored) / time.Second)
	for _, rrs := range [][]miekg.RR{m.Answer, m.Ns} {
		for _, rr := range rrs {
			h := rr.Header()
			h.Ttl -= min(h.Ttl, age)
		}
	}
	return &answer{rcode: m.Rcode, answer: m.Answer, ns: m.Ns}
}

// put keeps a, if it may be kept. It bounds the TTLs of a's records.
func (c *cache) put(k question, a *answer, now time.Time) {
	ttl := lifetime(a)
	if ttl <= 0 || c.size == 0 {
		return
	}
	m := miekg.Msg{Answer: a.answer, Ns: a.ns, Compress: true}
	m.Rcode = a.rcode
	packed, err := m.Pack()
	if err != nil || len(packed) > cacheEntryMax {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.entries[k]; old != nil {
		c.removeLocked(old)
	}
	for len(c.entries) >= c.size {
		c.removeLocked(c.used.Back())
	}
	c.entries[k] = c.used.PushFront(&entry{k, packed, now, now.Add(ttl)})
}

func (c *cache) removeLocked(element *list.Element) {
	delete(c.entries, element.Value.(*entry).key)
	c.used.Remove(element)
}

func (c *cache) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.entries)
}

// lifetime returns for how long an answer may be kept, and bounds the TTLs of its records by it.
func lifetime(a *answer) time.Duration {
	const never = -1
	bound, ttl := ttlMax, time.Duration(never)
	switch {
	case a.rcode == miekg.RcodeServerFailure:
		return failureTTL
	case a.rcode != miekg.RcodeSuccess && a.rcode != miekg.RcodeNameError:
		return never
	}
	shorten := func(seconds uint32) {
		if seconds > 1<<31-1 { // "treat TTL values with the most significant bit set as […] 0" RFC 2181 §8
			seconds = 0
		}
		if d := time.Duration(seconds) * time.Second; ttl == never || d < ttl {
			ttl = d
		}
	}
	for _, rr := range a.answer {
		shorten(rr.Header().Ttl)
	}
	if negative(a) {
		// "the minimum of the MINIMUM field of the SOA record and the TTL of the SOA itself" RFC 2308 §3;
		// "negative responses without SOA records SHOULD NOT be cached" §5.
		bound, ttl = negativeMax, min(ttl, never)
		for _, rr := range a.ns {
			if soa, ok := rr.(*miekg.SOA); ok {
				shorten(soa.Minttl)
				shorten(soa.Hdr.Ttl)
				soa.Hdr.Ttl = uint32(ttl / time.Second)
			}
		}
		for _, rr := range a.answer {
			if ttl != never {
				shorten(rr.Header().Ttl)
			}
		}
	}
	ttl = min(ttl, bound)
	for _, rrs := range [][]miekg.RR{a.answer, a.ns} {
		for _, rr := range rrs {
			rr.Header().Ttl = min(rr.Header().Ttl, uint32(bound/time.Second))
		}
	}
	return ttl
}

// negative says whether an answer says that there is no such name or no such record: "NXDOMAIN", or
// nothing but aliases in it (RFC 2308 §2.2).
func negative(a *answer) bool {
	if a.rcode == miekg.RcodeNameError {
		return true
	}
	for _, rr := range a.answer {
		switch rr.(type) {
		case *miekg.CNAME, *miekg.DNAME, *miekg.RRSIG:
		default:
			return false
		}
	}
	return true
}
