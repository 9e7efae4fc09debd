// Package seqnum does arithmetic on TCP sequence numbers.
//
// Sequence numbers live on a circle of 2³² values, so the ordinary operators < and - do not order
// them (RFC 9293 §3.4). This package is the only place that compares them: everything else uses
// the methods of [Value], and the type makes a raw comparison visible in review.
//
//	            v.Less(w)
//	     v ───────────────────► w          less than half the circle ahead: v comes before w
//	─────┴──────────────────────┴─────►
//	     │◄────── v.Size(w) ───►│          octets from v up to, not including, w
//
// An ordering of two numbers is meaningful only while they lie less than 2³¹ apart; windows are at
// most 2³⁰ octets (RFC 7323 §2.3), so all numbers of one connection do.
//
// Pure functions: no allocation, no state, safe everywhere.
package seqnum
