package portmap

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"vpngw/config"
)

// TestGoldenMessages holds answers to the layouts of the RFCs, octet by octet. The request of each is
// what a client of 10.8.0.2 sends 90 seconds after the start.
func TestGoldenMessages(t *testing.T) {
	const client = "00000000000000000000ffff 0a080002"
	for _, c := range []struct{ name, request, want string }{
		{"RFC 6886 §3.2, external address", "0000", "0080 0000 0000005a c6336401"},
		{
			"RFC 6886 §3.3, map TCP 80 as 61000 for an hour",
			"0002 0000 0050 ee48 00000e10",
			"0082 0000 0000005a 0050 ee48 00000e10",
		},
		{
			"RFC 6886 §3.3, map UDP 53 as any for more than there is: 61000, the only one, for two hours",
			"0001 0000 0035 0000 ffffffff",
			"0081 0000 0000005a 0035 ee48 00001c20",
		},
		{"RFC 6886 §3.4, delete what is not there", "0001 0000 0035 0000 00000000", "0081 0000 0000005a 0035 0000 00000000"},
		{"RFC 6886 §3.5, opcode 9", "0009 1234", "0089 0005 0000005a"},
		{"RFC 6886 §3.5, opcode 9 of 12 octets", "0009 0000 11223344 55667788", "0089 0005 0000005a 55667788"},
		{
			"RFC 6887 §7.1, §11.1, Figures 2 and 9; §7.2, Figures 3 and 10: map TCP 80 as 61000 for an hour",
			"02010000 00000e10" + client + "0102030405060708090a0b0c 06000000 0050ee48 00000000000000000000ffff00000000",
			"02810000 00000e10 0000005a 000000000000000000000000" +
				"0102030405060708090a0b0c 06000000 0050ee48 00000000000000000000ffffc6336401",
		},
		{
			"RFC 6887 §14.1, ANNOUNCE",
			"02000000 00000000" + client,
			"02800000 00000000 0000005a 000000000000000000000000",
		},
		{
			"RFC 6887 §9, version 1: UNSUPP_VERSION, parsed no further",
			"01010000 00000e10" + client,
			"02810001 00000708 0000005a 00000000 0000ffff 0a080002",
		},
		{"RFC 6887 §9, version 3 of two octets", "0300", "02800001 00000708 0000005a 000000000000000000000000"},
		{
			"RFC 6887 §12, PEER: UNSUPP_OPCODE, with the rest as it came",
			"02020000 00000e10" + client + "aabbccdd",
			"02820004 00000708 0000005a 000000000000000000000000 aabbccdd",
		},
		{
			"RFC 6887 §8.2, no multiple of four: MALFORMED_REQUEST, padded",
			"02000000 00000000" + client + "aa",
			"02800003 00000708 0000005a 00000000 0000ffff 0a080002 aa000000",
		},
		{
			"RFC 6887 §8.2, ADDRESS_MISMATCH",
			"02000000 00000000 00000000000000000000ffff 0a080003",
			"0280000c 00000708 0000005a 000000000000000000000000",
		},
		{
			"RFC 6887 §13.2, Figure 14, PREFER_FAILURE comes back",
			"02010000 00000e10" + client + "0102030405060708090a0b0c 11000000 0050ee48 00000000000000000000ffffc6336401 02000000",
			"02810000 00000e10 0000005a 000000000000000000000000" +
				"0102030405060708090a0b0c 11000000 0050ee48 00000000000000000000ffffc6336401 02000000",
		},
		{
			"RFC 6887 §13.1, Figure 13, THIRD_PARTY: UNSUPP_OPTION, all of the request",
			"02010000 00000e10" + client + "0102030405060708090a0b0c 11000000 0050ee48 00000000000000000000ffff00000000" +
				"01000010 00000000000000000000ffff0a080003",
			"02810005 00000708 0000005a 000000000000000000000000" +
				"0102030405060708090a0b0c 11000000 0050ee48 00000000000000000000ffff00000000" +
				"01000010 00000000000000000000ffff0a080003",
		},
		{"one octet", "02", ""},
		{"a response of NAT-PMP", "0082 0000", ""},
		{"a response of PCP", "02810000 00000000" + client, ""},
		{"a PCP header that is cut off", "02000000 00000000 00000000", ""},
		{"a NAT-PMP mapping request that is cut off", "0001 0000 0035 0000 000000", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(cfg *config.Config) { cfg.Portmap.Ports = []config.PortRange{{First: 61000, Last: 61000}} })
				defer w.Close()
				time.Sleep(90*time.Second + 500*time.Millisecond)
				if got := w.ask(alice, unhex(t, c.request)); !bytes.Equal(got, unhex(t, c.want)) {
					t.Errorf("\n got %x\nwant %x", got, unhex(t, c.want))
				}
			})
		})
	}
}

// TestLongRequestIsAnsweredInPart: "the response message is truncated to 1100 octets". RFC 6887 §8.2
func TestLongRequestIsAnsweredInPart(t *testing.T) {
	w := newWorld(t)
	b := mapRequest{from: alice, options: make([]byte, requestMax)}.message()
	got := w.ask(alice, b)
	if len(got) != requestMax || pcpResult(got[3]) != pcpMalformedRequest || !bytes.Equal(got[pcpHeaderLen:], b[pcpHeaderLen:requestMax]) {
		t.Errorf("%d octets, result %d", len(got), got[3])
	}
}
