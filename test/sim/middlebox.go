package sim

import "vpngw/ourstack/wire"

// TCP option kinds that a middlebox may take away (RFC 9293 §3.2, RFC 7323, RFC 2018).
const (
	kindMSS           = 2
	kindWindowScale   = 3
	kindSACKPermitted = 4
	kindTimestamps    = 8
)

// strip overwrites options of the given kinds in a SYN with NOPs, as some middleboxes do: both
// ends then live without them.
func strip(p []byte, kinds []uint8) {
	var ip wire.IPv4
	if len(kinds) == 0 || ip.Parse(p) != wire.OK || ip.Protocol != wire.ProtoTCP {
		return
	}
	var seg wire.TCP
	b := ip.Payload
	if seg.Parse(b) != wire.OK || seg.Flags&wire.FlagSYN == 0 {
		return
	}
	for o := b[wire.TCPMinHeaderLen : int(b[12]>>4)*4]; len(o) > 1 && o[0] != 0; {
		n := 1
		if o[0] != 1 {
			n = int(o[1])
			for _, k := range kinds {
				if o[0] == k {
					for i := range n {
						o[i] = 1
					}
					break
				}
			}
		}
		o = o[n:]
	}
	b[16], b[17] = 0, 0
	wire.SetTCPChecksum(ip.Src, ip.Dst, b)
}
