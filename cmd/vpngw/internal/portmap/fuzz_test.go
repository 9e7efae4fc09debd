package portmap

import (
	"bytes"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// FuzzAnswer gives a server any datagrams, of three hosts, with time between. Each begins with an octet
// for who and when, and one for its length in quarters.
//
// Whatever they are, there is no panic; the table keeps its promises; an answer says that it is one, is
// no longer than the request or than the longest success, and a multiple of four octets.
func FuzzAnswer(f *testing.F) {
	seed := func(messages ...[]byte) {
		var all []byte
		for i, m := range messages {
			all = append(all, byte(i%3), byte(len(m)/4))
			all = append(all, m...)
		}
		f.Add(all)
	}
	seed(web.message(), mapRequest{from: bob, lifetime: 60, protocol: 17, internal: 9}.message())
	seed(web.message(), []byte{0, 0, 0, 0}, []byte{0, 1, 0, 0, 0, 80, 0xee, 0x48, 0, 0, 1, 0})
	seed(web.with(func(r *mapRequest) { r.options = filterOption(128, 1, "192.0.2.1") }).message(),
		web.with(func(r *mapRequest) { r.options = []byte{2, 0, 0, 0}; r.from = bob }).message(),
		web.with(func(r *mapRequest) { r.lifetime, r.from = 0, printer }).message())
	seed([]byte{0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 9}, nil, nil, []byte{0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, all []byte) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			defer w.Close()
			for len(all) >= 2 {
				from := []netip.Addr{alice, bob, printer, nobody}[all[0]%4]
				pause := time.Duration(all[0]/4) * 10 * time.Second
				n := min(4*int(all[1])+int(all[0]>>6), len(all)-2)
				message := all[2 : 2+n]
				all = all[2+n:]
				before := bytes.Clone(message)
				answeredWell(t, message, w.ask(from, message))
				if !bytes.Equal(message, before) {
					t.Error("the request was written to")
				}
				w.check()
				time.Sleep(pause)
				synctest.Wait()
			}
		})
	})
}

// answeredWell holds an answer to its promises.
func answeredWell(t *testing.T, request, answer []byte) {
	t.Helper()
	if answer == nil {
		return
	}
	if len(answer) > max(len(request)+3, pcpHeaderLen+pcpMapLen) || len(answer) > requestMax || answer[1]&responseBit == 0 {
		t.Errorf("%x is answered %x", request, answer)
	}
	if answer[0] == versionPCP && len(answer)%4 != 0 {
		t.Errorf("%x is answered with %d octets", request, len(answer))
	}
	if answer[0] != versionPCP && answer[0] != versionNATPMP {
		t.Errorf("%x is answered in version %d", request, answer[0])
	}
}

// FuzzOptions reads options of any octets: those of a request that is in order come back as they were,
// but for those that were ignored.
func FuzzOptions(f *testing.F) {
	f.Add([]byte{2, 0, 0, 0})
	f.Add(filterOption(120, 80, "192.0.2.1"))
	f.Add(append([]byte{200, 0, 0, 3, 1, 2, 3, 0}, filterOption(0, 0, "::")...))
	f.Add(appendPCPAddr([]byte{1, 0, 0, 16}, alice))
	f.Fuzz(func(t *testing.T, b []byte) {
		q := query{from: netip.AddrPortFrom(alice, 1)}
		m := pcpMap{externalPort: 1}
		o, result := parseMapOptions(b, q, &m, false)
		if result != pcpSuccess {
			return
		}
		again, result := parseMapOptions(o.processed, q, &m, false)
		if result != pcpSuccess || !bytes.Equal(again.processed, o.processed) || len(again.filters) != len(o.filters) ||
			again.preferFailure != o.preferFailure || again.clear != o.clear {
			t.Errorf("%x: %+v, and again %+v", b, o, again)
		}
		if len(o.filters) > filtersMax || checkAnnounceOptions(b) == pcpMalformedOption {
			t.Errorf("%x: %+v", b, o)
		}
	})
}

// FuzzMap: the opcode-specific part of a MAP message is written as it was read, reserved octets apart.
func FuzzMap(f *testing.F) {
	f.Add(web.message()[pcpHeaderLen:])
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < pcpMapLen {
			return
		}
		m := parsePCPMap(b)
		clear(b[13:16])
		if got := m.append(nil); !bytes.Equal(got, b[:pcpMapLen]) {
			t.Errorf("%x is written as %x", b, got)
		}
	})
}
