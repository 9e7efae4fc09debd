package dns

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	miekg "github.com/miekg/dns"
)

func key(name string) question { return question{name: name, qtype: miekg.TypeA} }

func TestCacheKeepsAnswersForTheirTime(t *testing.T) {
	const soa = "example. 600 IN SOA ns.example. a.example. 1 2 3 4 120"
	for name, v := range map[string]struct {
		a    answer
		want time.Duration // 0: not kept
	}{
		"address":           {answer{answer: []miekg.RR{rr(t, "a. 300 IN A 192.0.2.1")}}, 300 * time.Second},
		"the shortest":      {answer{answer: []miekg.RR{rr(t, "a. 300 IN CNAME b."), rr(t, "b. 60 IN A 192.0.2.1")}}, time.Minute},
		"no time":           {answer{answer: []miekg.RR{rr(t, "a. 0 IN A 192.0.2.1")}}, 0},
		"a week":            {answer{answer: []miekg.RR{rr(t, "a. 604800 IN A 192.0.2.1")}}, ttlMax},
		"negative number":   {answer{answer: []miekg.RR{rr(t, "a. 2147483648 IN A 192.0.2.1")}}, 0},
		"no name":           {answer{rcode: miekg.RcodeNameError, ns: []miekg.RR{rr(t, soa)}}, 2 * time.Minute},
		"no record":         {answer{ns: []miekg.RR{rr(t, soa)}}, 2 * time.Minute},
		"alias of none":     {answer{answer: []miekg.RR{rr(t, "a. 30 IN CNAME b.")}, ns: []miekg.RR{rr(t, soa)}}, 30 * time.Second},
		"SOA's own TTL":     {answer{ns: []miekg.RR{rr(t, "example. 60 IN SOA ns.example. a.example. 1 2 3 4 120")}}, time.Minute},
		"none for a day":    {answer{ns: []miekg.RR{rr(t, "example. 86400 IN SOA ns.example. a.example. 1 2 3 4 86400")}}, negativeMax},
		"none, without SOA": {answer{rcode: miekg.RcodeNameError}, 0},
		"failure":           {answer{rcode: miekg.RcodeServerFailure}, failureTTL},
		"refusal":           {answer{rcode: miekg.RcodeRefused}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			c, now := newCache(10), time.Now()
			c.put(key("a."), &v.a, now)
			for _, check := range []struct {
				age  time.Duration
				want bool
			}{{0, v.want > 0}, {v.want - 1, v.want > 0}, {v.want, false}} {
				if got := c.get(key("a."), now.Add(check.age)) != nil; got != check.want {
					t.Errorf("after %v: %v, want %v", check.age, got, check.want)
				}
			}
		})
	}
}

func TestCacheCountsDown(t *testing.T) {
	c, now := newCache(10), time.Now()
	c.put(key("a."), &answer{answer: []miekg.RR{rr(t, "a. 300 IN CNAME b."), rr(t, "b. 60 IN A 192.0.2.1")}}, now)
	a := c.get(key("a."), now.Add(59900*time.Millisecond))
	if a == nil || a.answer[0].Header().Ttl != 241 || a.answer[1].Header().Ttl != 1 {
		t.Errorf("%+v", a)
	}
	if a := c.get(question{name: "a.", qtype: miekg.TypeA, do: true}, now); a != nil {
		t.Error("an answer without signatures to a question with them")
	}
}

func TestCacheIsBounded(t *testing.T) {
	c, now := newCache(3), time.Now()
	put := func(name string) {
		c.put(key(name), &answer{answer: []miekg.RR{rr(t, name+" 300 IN A 192.0.2.1")}}, now)
	}
	for i := range 3 {
		put(fmt.Sprintf("%d.", i))
	}
	c.get(key("0."), now)
	put("3.") // 1. was not used for the longest time
	put("3.")
	if c.len() != 3 || c.get(key("0."), now) == nil || c.get(key("1."), now) != nil {
		t.Errorf("%d entries", c.len())
	}
	big := &answer{}
	for i := range 300 {
		big.answer = append(big.answer, rr(t, fmt.Sprintf("a. 300 IN A 192.0.%d.%d", i/256, i%256)))
	}
	c.put(key("a."), big, now)
	if c.get(key("a."), now) != nil {
		t.Error("an answer over the size was kept")
	}
	none := newCache(0)
	none.put(key("a."), &answer{answer: []miekg.RR{rr(t, "a. 300 IN A 192.0.2.1")}}, now)
	if none.len() != 0 {
		t.Error("a cache of no entries has one")
	}
}

// TestClientsSeeTheTimeThatIsLeft goes through the Server as a whole.
func TestClientsSeeTheTimeThatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, asked := askerServer(t, func(k question) *miekg.Msg {
			return &miekg.Msg{Answer: []miekg.RR{rr(t, k.name+" 300 IN A 192.0.2.1")}}
		})
		for _, v := range []struct {
			wait  time.Duration
			ttl   uint32
			asked int
		}{{0, 300, 1}, {100 * time.Second, 200, 1}, {199 * time.Second, 1, 1}, {time.Second, 300, 2}} {
			time.Sleep(v.wait)
			m := s.ask(t, "www.example.", miekg.TypeA)
			if len(m.Answer) != 1 || m.Answer[0].Header().Ttl != v.ttl || int(asked.Load()) != v.asked {
				t.Errorf("after %v: %v, %d questions", v.wait, m, asked.Load())
			}
		}
		if c := s.Counters(); c.CacheHits != 2 || c.Forwarded != 2 {
			t.Errorf("%+v", c)
		}
	})
}
