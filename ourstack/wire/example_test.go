package wire_test

import (
	"fmt"

	"vpngw/ourstack/wire"
)

// A segment is put in three steps: payload, TCP header with the checksum, IP header.
func Example() {
	src, dst := wire.Addr{10, 8, 0, 1}, wire.Addr{10, 8, 0, 2}
	payload := []byte("hello")
	seg := wire.TCP{
		SrcPort: 80, DstPort: 1234, Seq: 1, Ack: 101, Flags: wire.FlagACK | wire.FlagPSH, Wnd: 512,
		Opts: wire.Options{HasTimestamps: true, TSVal: 7, TSEcr: 3},
	}
	packet := make([]byte, 1420)
	tcp := packet[wire.IPv4MinHeaderLen:]
	n := seg.HeaderLen()
	sum := wire.CopyChecksum(tcp[n:], payload, 0)
	seg.PutSummed(src, dst, tcp, len(payload), sum)

	header := wire.IPv4{
		TotalLen: wire.IPv4MinHeaderLen + n + len(payload), DF: true, TTL: 64,
		Protocol: wire.ProtoTCP, Src: src, Dst: dst,
	}
	header.Put(packet)
	packet = packet[:header.TotalLen]

	fmt.Println(string(wire.AppendPacket(nil, packet)))
	// Output:
	// 10.8.0.1:80 > 10.8.0.2:1234 P. 1:6(5) ack 101 win 512 <nop,nop,TS val 7 ecr 3>
}

// A received packet is parsed layer by layer; a refusal is a reason to count, never a panic.
func ExampleIPv4_Parse() {
	packet := []byte{
		0x45, 0, 0, 31, 0, 0, 0x40, 0, 64, wire.ProtoUDP, 0x26, 0xBC, 10, 8, 0, 2, 10, 8, 0, 1,
		0x14, 0xE9, 0, 53, 0, 11, 0, 0, 'd', 'n', 's',
	}
	var (
		header wire.IPv4
		udp    wire.UDP
	)
	if e := header.Parse(packet); e != wire.OK {
		fmt.Println("dropped:", e)
		return
	}
	if e := udp.Parse(header.Payload); e != wire.OK {
		fmt.Println("dropped:", e)
		return
	}
	fmt.Printf("%v:%d > %v:%d %q\n", header.Src, udp.SrcPort, header.Dst, udp.DstPort, udp.Payload)
	fmt.Println("one octet less:", header.Parse(packet[:30]))
	// Output:
	// 10.8.0.2:5353 > 10.8.0.1:53 "dns"
	// one octet less: truncated
}

// Script tests print segments relative to the initial sequence numbers.
func ExampleAppendTCP() {
	const iss, irs = 3_000_000_000, 77
	seg := wire.TCP{
		Seq: iss + 1, Ack: irs + 1, Flags: wire.FlagACK, Wnd: 512,
		Opts: wire.Options{NumSACK: 1, SACK: [4]wire.SACKBlock{{Left: irs + 5, Right: irs + 9}}},
	}
	fmt.Println(string(wire.AppendTCP(nil, &seg, iss, irs)))
	// Output:
	// . 1:1(0) ack 1 win 512 <nop,nop,sack 5:9>
}
