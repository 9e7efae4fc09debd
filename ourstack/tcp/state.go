package tcp

import "strconv"

// State is a connection state of RFC 9293 §3.3.2.
//
//	                            +---------+ ---------\      active OPEN
//	                            |  CLOSED |            \    -----------
//	                            +---------+<---------\   \   create TCB
//	                              |     ^              \   \  snd SYN
//	                 passive OPEN |     |   CLOSE        \   \
//	                 ------------ |     | ----------       \   \
//	                  create TCB  |     | delete TCB         \   \
//	                              V     |                      \   \
//	          rcv RST (note 1)  +---------+            CLOSE    |    \
//	       -------------------->|  LISTEN |          ---------- |     |
//	      /                     +---------+          delete TCB |     |
//	     /           rcv SYN      |     |     SEND              |     |
//	    /           -----------   |     |    -------            |     V
//	+--------+      snd SYN,ACK  /       \   snd SYN          +--------+
//	|        |<-----------------           ------------------>|        |
//	|  SYN   |                    rcv SYN                     |  SYN   |
//	|  RCVD  |<-----------------------------------------------|  SENT  |
//	|        |                  snd SYN,ACK                   |        |
//	|        |------------------           -------------------|        |
//	+--------+   rcv ACK of SYN  \       /  rcv SYN,ACK       +--------+
//	   |         --------------   |     |   -----------
//	   |                x         |     |     snd ACK
//	   |                          V     V
//	   |  CLOSE                 +---------+
//	   | -------                |  ESTAB  |
//	   | snd FIN                +---------+
//	   |                 CLOSE    |     |    rcv FIN
//	   V                -------   |     |    -------
//	+---------+         snd FIN  /       \   snd ACK         +---------+
//	|  FIN    |<----------------          ------------------>|  CLOSE  |
//	| WAIT-1  |------------------                            |   WAIT  |
//	+---------+          rcv FIN  \                          +---------+
//	  | rcv ACK of FIN   -------   |                          CLOSE  |
//	  | --------------   snd ACK   |                         ------- |
//	  V        x                   V                         snd FIN V
//	+---------+               +---------+                    +---------+
//	|FINWAIT-2|               | CLOSING |                    | LAST-ACK|
//	+---------+               +---------+                    +---------+
//	  |              rcv ACK of FIN |                 rcv ACK of FIN |
//	  |  rcv FIN     -------------- |    Timeout=2MSL -------------- |
//	  |  -------            x       V    ------------        x       V
//	   \ snd ACK              +---------+delete TCB          +---------+
//	     -------------------->|TIME-WAIT|------------------->| CLOSED  |
//	                          +---------+                    +---------+
//
// LISTEN belongs to the layer above: a [Conn] begins with a SYN in hand.
type State uint8

// The states of RFC 9293 §3.3.2.
const (
	StateClosed State = iota
	StateListen
	StateSynSent
	StateSynReceived
	StateEstablished
	StateFinWait1
	StateFinWait2
	StateCloseWait
	StateClosing
	StateLastAck
	StateTimeWait
)

var stateNames = [...]string{
	"CLOSED", "LISTEN", "SYN-SENT", "SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1",
	"FIN-WAIT-2", "CLOSE-WAIT", "CLOSING", "LAST-ACK", "TIME-WAIT",
}

// String returns the RFC's name of the state.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "State(" + strconv.Itoa(int(s)) + ")"
}

// Synchronized reports whether both ends have agreed on sequence numbers
// (RFC 9293 §3.3.2: ESTABLISHED and later).
func (s State) Synchronized() bool { return s >= StateEstablished }

// canReceive reports whether text from the peer is processed in the state
// (RFC 9293 §3.10.7.4, seventh).
func (s State) canReceive() bool {
	return s == StateEstablished || s == StateFinWait1 || s == StateFinWait2
}

// canSend reports whether data or a FIN that is queued may be transmitted.
func (s State) canSend() bool {
	switch s {
	case StateEstablished, StateCloseWait, StateFinWait1, StateClosing, StateLastAck:
		return true
	default:
		return false
	}
}

// stateSuccessors lists the transitions of the diagram above. CLOSED can be
// reached from everywhere by RST, ABORT or a timeout.
var stateSuccessors = [...]uint16{
	StateClosed:      1<<StateSynSent | 1<<StateSynReceived | 1<<StateEstablished, // ESTABLISHED: SYN cookie
	StateListen:      0,
	StateSynSent:     1<<StateSynReceived | 1<<StateEstablished,
	StateSynReceived: 1<<StateEstablished | 1<<StateFinWait1,
	StateEstablished: 1<<StateFinWait1 | 1<<StateCloseWait,
	StateFinWait1:    1<<StateFinWait2 | 1<<StateClosing | 1<<StateTimeWait,
	StateFinWait2:    1 << StateTimeWait,
	StateCloseWait:   1 << StateLastAck,
	StateClosing:     1 << StateTimeWait,
	StateLastAck:     0,
	StateTimeWait:    0,
}

// legalTransition reports whether the diagram has an arrow from one state to another.
func legalTransition(from, to State) bool {
	return to == StateClosed || stateSuccessors[from]&(1<<to) != 0
}
