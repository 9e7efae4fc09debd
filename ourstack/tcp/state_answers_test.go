package tcp

import (
	"fmt"
	"strings"
	"testing"

	"vpngw/ourstack/seqnum"
	"vpngw/ourstack/wire"
)

// The exact answer to every kind of segment, at every position, in every state: RFC 9293 §3.10.7 with
// RFC 5961. CLOSED and LISTEN belong to package ourstack, which has the same test of them.

// positions are where a segment lies in the receive window [RCV.NXT, RCV.NXT+RCV.WND).
var positions = []struct {
	name string
	seq  func(nxt, edge seqnum.Value, n seqnum.Size) seqnum.Value
}{
	{"old", func(nxt, _ seqnum.Value, n seqnum.Size) seqnum.Value { return nxt.Sub(max(n, 1)) }},
	{"left", func(nxt, _ seqnum.Value, _ seqnum.Size) seqnum.Value { return nxt }},
	{"inside", func(nxt, _ seqnum.Value, _ seqnum.Size) seqnum.Value { return nxt.Add(1000) }},
	{"right", func(_, edge seqnum.Value, _ seqnum.Size) seqnum.Value { return edge.Sub(1) }},
	{"edge", func(_, edge seqnum.Value, _ seqnum.Size) seqnum.Value { return edge }},
	{"beyond", func(_, edge seqnum.Value, _ seqnum.Size) seqnum.Value { return edge.Add(70000) }},
}

// kinds are the segments; text is that of ten octets.
var kinds = []struct {
	name string
	seg  wire.TCP
}{
	{"SYN", wire.TCP{Flags: wire.FlagSYN}},
	{"SYN-ACK", wire.TCP{Flags: wire.FlagSYN | wire.FlagACK}},
	{"ACK", wire.TCP{Flags: wire.FlagACK}},
	{"data", wire.TCP{Flags: wire.FlagACK | wire.FlagPSH, Payload: make([]byte, 10)}},
	{"FIN", wire.TCP{Flags: wire.FlagACK | wire.FlagFIN}},
	{"RST", wire.TCP{Flags: wire.FlagRST}},
	{"RST-ACK", wire.TCP{Flags: wire.FlagRST | wire.FlagACK}},
	{"URG", wire.TCP{Flags: wire.FlagACK | wire.FlagURG, Urg: 5, Payload: make([]byte, 10)}},
	{"no flags", wire.TCP{Payload: make([]byte, 10)}},
}

// answer gives the segment to the connection and describes what comes of it.
//
//   - nothing is sent
//     ack      <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>, all as before
//     ack+     the same with RCV.NXT behind the segment
//     later    the segment is taken, and its ACK is delayed
//     rst      <SEQ=SEG.ACK><CTL=RST>
//     syn-ack  that of the handshake again
//
// A state follows if it is another than before.
func answer(s *script, seg *wire.TCP) string {
	before, nxt := s.c.State(), s.c.rcvNxt
	snd := s.c.sndNxt
	seg.SrcPort, seg.DstPort, seg.Wnd = scriptTuple.Remote.Port, scriptTuple.Local.Port, 65535
	s.note("<", seg)
	s.c.HandleSegment(s.now, seg, 0)
	s.check()
	after := nxt.Add(seg.Len())
	if before == StateSynSent {
		nxt, after = seg.Seq, seg.Seq.Add(seg.Len())
	}
	var out []string
	for _, o := range s.drain() {
		out = append(out, s.describe(&o, seg, snd, nxt, after))
	}
	text := strings.Join(out, " ")
	switch {
	case len(out) > 0:
	case s.c.State() != StateClosed && before != StateSynSent && s.c.rcvNxt == after && after != nxt:
		s.waitTimer()
		s.want("the delayed ACK", fmt.Sprintf(". %d:%d(0) ack %d", uint32(snd-s.iss), uint32(snd-s.iss), uint32(after-s.irs)))
		text = "later"
	default:
		text = "-"
	}
	if s.c.State() != before {
		text += " " + s.c.State().String()
	}
	return text
}

func (s *script) describe(o, seg *wire.TCP, snd, nxt, after seqnum.Value) string {
	switch {
	case o.Flags == wire.FlagACK && o.Seq == snd && o.Ack == nxt:
		return "ack"
	case o.Flags == wire.FlagACK && o.Seq == snd && o.Ack == after:
		return "ack+"
	case o.Flags == wire.FlagRST && o.Seq == seg.Ack:
		return "rst"
	case o.Flags == wire.FlagSYN|wire.FlagACK && o.Seq == s.iss && (o.Ack == nxt || o.Ack == after):
		return "syn-ack"
	}
	return string(wire.AppendTCP(nil, o, s.iss, s.irs))
}

// eachCell runs every cell of a grid for all pairs of initial sequence numbers. A grid is a paragraph
// for each state, with a line for each kind of segment and a column for each position.
func eachCell(t *testing.T, grid string, columns []string, cell func(s *script, kind wire.TCP, column int) string) {
	t.Helper()
	for paragraph := range strings.SplitSeq(strings.TrimSpace(grid), "\n\n") {
		state, lines, _ := strings.Cut(paragraph, "\n")
		for line := range strings.SplitSeq(lines, "\n") {
			words := strings.Split(line, "|")
			if len(words) != 1+len(columns) {
				t.Fatalf("%s: %q has %d columns, want %d", state, line, len(words)-1, len(columns))
			}
			kind := kindNamed(t, strings.TrimSpace(words[0]))
			for column, name := range columns {
				want := strings.TrimSpace(words[1+column])
				for _, p := range issPairs {
					s := newScript(t, &Config{}, p[0], p[1])
					stateOpeners[state](s)
					if got := cell(s, kind, column); got != want {
						s.fatalf("%s, %s %s: %q, want %q", state, words[0], name, got, want)
					}
				}
			}
		}
	}
}

func kindNamed(t *testing.T, name string) wire.TCP {
	t.Helper()
	for _, k := range kinds {
		if k.name == name {
			return k.seg
		}
	}
	t.Fatalf("there is no kind of segment %q", name)
	return wire.TCP{}
}

// TestAnswersBySequence is bug class 18: the position of SEG.SEQ. Its ACK, if there is one, is acceptable
// and acknowledges nothing that a synchronized connection has sent.
func TestAnswersBySequence(t *testing.T) {
	var columns []string
	for _, p := range positions {
		columns = append(columns, p.name)
	}
	// RFC 9293 §3.10.7.4 and RFC 5961 §3.2, §4.2, with three liberties: the old SYN-ACK in SYN-RECEIVED
	// completes a simultaneous open (RFC 9293 figure 7), a SYN-ACK in the window is challenged there,
	// and a pure ACK at the edge of a full window counts.
	eachCell(t, `
SYN-RECEIVED
SYN      | syn-ack           | - CLOSED          | - CLOSED          | - CLOSED          | ack               | ack
SYN-ACK  | ack ESTABLISHED   | ack               | ack               | ack               | ack               | ack
ACK      | ack               | - ESTABLISHED     | - ESTABLISHED     | - ESTABLISHED     | - ESTABLISHED     | ack
data     | ack               | ack+ ESTABLISHED  | ack ESTABLISHED   | ack ESTABLISHED   | ack               | ack
FIN      | ack               | ack+ CLOSE-WAIT   | ack ESTABLISHED   | ack ESTABLISHED   | ack               | ack
RST      | -                 | - CLOSED          | ack               | ack               | -                 | -
RST-ACK  | -                 | - CLOSED          | ack               | ack               | -                 | -
URG      | ack               | ack+ ESTABLISHED  | ack ESTABLISHED   | ack ESTABLISHED   | ack               | ack
no flags | ack               | -                 | -                 | -                 | ack               | ack

ESTABLISHED
SYN      | ack               | ack               | ack               | ack               | ack               | ack
SYN-ACK  | ack               | ack               | ack               | ack               | ack               | ack
ACK      | ack               | -                 | -                 | -                 | -                 | ack
data     | ack               | later             | ack               | ack               | ack               | ack
FIN      | ack               | ack+ CLOSE-WAIT   | ack               | ack               | ack               | ack
RST      | -                 | - CLOSED          | ack               | ack               | -                 | -
RST-ACK  | -                 | - CLOSED          | ack               | ack               | -                 | -
URG      | ack               | later             | ack               | ack               | ack               | ack
no flags | ack               | -                 | -                 | -                 | ack               | ack

FIN-WAIT-1
SYN      | ack               | ack               | ack               | ack               | ack               | ack
SYN-ACK  | ack               | ack               | ack               | ack               | ack               | ack
ACK      | ack               | -                 | -                 | -                 | -                 | ack
data     | ack               | later             | ack               | ack               | ack               | ack
FIN      | ack               | ack+ CLOSING      | ack               | ack               | ack               | ack
RST      | -                 | - CLOSED          | ack               | ack               | -                 | -
RST-ACK  | -                 | - CLOSED          | ack               | ack               | -                 | -
URG      | ack               | later             | ack               | ack               | ack               | ack
no flags | ack               | -                 | -                 | -                 | ack               | ack

FIN-WAIT-2
SYN      | ack               | ack               | ack               | ack               | ack               | ack
SYN-ACK  | ack               | ack               | ack               | ack               | ack               | ack
ACK      | ack               | -                 | -                 | -                 | -                 | ack
data     | ack               | later             | ack               | ack               | ack               | ack
FIN      | ack               | ack+ TIME-WAIT    | ack               | ack               | ack               | ack
RST      | -                 | - CLOSED          | ack               | ack               | -                 | -
RST-ACK  | -                 | - CLOSED          | ack               | ack               | -                 | -
URG      | ack               | later             | ack               | ack               | ack               | ack
no flags | ack               | -                 | -                 | -                 | ack               | ack

CLOSE-WAIT
SYN      | ack               | ack               | ack               | ack               | ack               | ack
SYN-ACK  | ack               | ack               | ack               | ack               | ack               | ack
ACK      | ack               | -                 | -                 | -                 | -                 | ack
data     | ack               | -                 | -                 | -                 | ack               | ack
FIN      | ack               | -                 | -                 | -                 | ack               | ack
RST      | -                 | - CLOSED          | ack               | ack               | -                 | -
RST-ACK  | -                 | - CLOSED          | ack               | ack               | -                 | -
URG      | ack               | -                 | -                 | -                 | ack               | ack
no flags | ack               | -                 | -                 | -                 | ack               | ack

CLOSING
SYN      | ack               | ack               | ack               | ack               | ack               | ack
SYN-ACK  | ack               | ack               | ack               | ack               | ack               | ack
ACK      | ack               | -                 | -                 | -                 | -                 | ack
data     | ack               | -                 | -                 | -                 | ack               | ack
FIN      | ack               | -                 | -                 | -                 | ack               | ack
RST      | -                 | - CLOSED          | ack               | ack               | -                 | -
RST-ACK  | -                 | - CLOSED          | ack               | ack               | -                 | -
URG      | ack               | -                 | -                 | -                 | ack               | ack
no flags | ack               | -                 | -                 | -                 | ack               | ack

LAST-ACK
SYN      | ack               | ack               | ack               | ack               | ack               | ack
SYN-ACK  | ack               | ack               | ack               | ack               | ack               | ack
ACK      | ack               | -                 | -                 | -                 | -                 | ack
data     | ack               | -                 | -                 | -                 | ack               | ack
FIN      | ack               | -                 | -                 | -                 | ack               | ack
RST      | -                 | - CLOSED          | ack               | ack               | -                 | -
RST-ACK  | -                 | - CLOSED          | ack               | ack               | -                 | -
URG      | ack               | -                 | -                 | -                 | ack               | ack
no flags | ack               | -                 | -                 | -                 | ack               | ack

TIME-WAIT
SYN      | ack               | ack               | ack               | ack               | ack               | ack
SYN-ACK  | ack               | ack               | ack               | ack               | ack               | ack
ACK      | ack               | -                 | -                 | -                 | -                 | ack
data     | ack               | -                 | -                 | -                 | ack               | ack
FIN      | ack               | -                 | -                 | -                 | ack               | ack
RST      | -                 | -                 | ack               | ack               | -                 | -
RST-ACK  | -                 | -                 | ack               | ack               | -                 | -
URG      | ack               | -                 | -                 | -                 | ack               | ack
no flags | ack               | -                 | -                 | -                 | ack               | ack
`, columns, func(s *script, seg wire.TCP, column int) string {
		seg.Seq = positions[column].seq(s.c.rcvNxt, s.edge, seg.Len())
		if seg.Flags&wire.FlagACK != 0 {
			if seg.Ack = s.c.sndUna; s.c.State() == StateSynReceived {
				seg.Ack = s.c.sndNxt
			}
		}
		return answer(s, &seg)
	})
}

// TestAnswersByAcknowledgment is bug class 18: the position of SEG.ACK, for segments at RCV.NXT. Text is
// in flight in ESTABLISHED and CLOSE-WAIT.
func TestAnswersByAcknowledgment(t *testing.T) {
	columns := []string{"older than any window", "old", "SND.UNA", "SND.NXT", "beyond"}
	eachCell(t, `
SYN-RECEIVED
ACK      | rst               | rst               | rst               | - ESTABLISHED     | rst
data     | rst               | rst               | rst               | ack+ ESTABLISHED  | rst
FIN      | rst               | rst               | rst               | ack+ CLOSE-WAIT   | rst
URG      | rst               | rst               | rst               | ack+ ESTABLISHED  | rst

ESTABLISHED
ACK      | ack               | -                 | -                 | -                 | ack
data     | ack               | later             | later             | later             | ack
FIN      | ack               | ack+ CLOSE-WAIT   | ack+ CLOSE-WAIT   | ack+ CLOSE-WAIT   | ack
URG      | ack               | later             | later             | later             | ack

FIN-WAIT-1
ACK      | ack               | -                 | -                 | - FIN-WAIT-2      | ack
data     | ack               | later             | later             | later FIN-WAIT-2  | ack
FIN      | ack               | ack+ CLOSING      | ack+ CLOSING      | ack+ TIME-WAIT    | ack
URG      | ack               | later             | later             | later FIN-WAIT-2  | ack

FIN-WAIT-2
ACK      | ack               | -                 | -                 | -                 | ack
data     | ack               | later             | later             | later             | ack
FIN      | ack               | ack+ TIME-WAIT    | ack+ TIME-WAIT    | ack+ TIME-WAIT    | ack
URG      | ack               | later             | later             | later             | ack

CLOSE-WAIT
ACK      | ack               | -                 | -                 | -                 | ack
data     | ack               | -                 | -                 | -                 | ack
FIN      | ack               | -                 | -                 | -                 | ack
URG      | ack               | -                 | -                 | -                 | ack

CLOSING
ACK      | ack               | -                 | -                 | - TIME-WAIT       | ack
data     | ack               | -                 | -                 | - TIME-WAIT       | ack
FIN      | ack               | -                 | -                 | - TIME-WAIT       | ack
URG      | ack               | -                 | -                 | - TIME-WAIT       | ack

LAST-ACK
ACK      | ack               | -                 | -                 | - CLOSED          | ack
data     | ack               | -                 | -                 | - CLOSED          | ack
FIN      | ack               | -                 | -                 | - CLOSED          | ack
URG      | ack               | -                 | -                 | - CLOSED          | ack

TIME-WAIT
ACK      | ack               | -                 | -                 | -                 | ack
data     | ack               | -                 | -                 | -                 | ack
FIN      | ack               | -                 | -                 | -                 | ack
URG      | ack               | -                 | -                 | -                 | ack
`, columns, func(s *script, seg wire.TCP, column int) string {
		if st := s.c.State(); st == StateEstablished || st == StateCloseWait {
			s.write(100)
			s.drain()
		}
		c := s.c
		seg.Seq = c.rcvNxt
		seg.Ack = []seqnum.Value{
			c.sndUna.Sub(seqnum.Size(c.maxSndWnd)).Sub(1), c.sndUna.Sub(1), c.sndUna, c.sndNxt, c.sndNxt.Add(1),
		}[column]
		return answer(s, &seg)
	})
}

// TestAnswersInSynSent is RFC 9293 §3.10.7.3: there is no window yet, SEG.ACK decides.
func TestAnswersInSynSent(t *testing.T) {
	eachCell(t, `
SYN-SENT
SYN      | syn-ack SYN-RECEIVED        | syn-ack SYN-RECEIVED        | syn-ack SYN-RECEIVED
SYN-ACK  | rst                         | ack+ ESTABLISHED            | rst
ACK      | rst                         | -                           | rst
data     | rst                         | -                           | rst
FIN      | rst                         | -                           | rst
RST      | -                           | -                           | -
RST-ACK  | -                           | - CLOSED                    | -
URG      | rst                         | -                           | rst
no flags | -                           | -                           | -
`, []string{"ISS", "ISS+1", "ISS+2"}, func(s *script, seg wire.TCP, column int) string {
		seg.Seq = s.irs
		if seg.Flags&wire.FlagACK != 0 {
			seg.Ack = s.iss.Add(seqnum.Size(column))
		}
		return answer(s, &seg)
	})
}
