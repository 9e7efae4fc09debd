package gateway

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"golang.zx2c4.com/wireguard/tun/tuntest"

	"vpngw/ourstack/wire"
)

// TestIPv6IsRefused: what a client sends by IPv6 is answered through both WireGuard devices, to the IPv6
// address that is among the peer's allowed IPs.
func TestIPv6IsRefused(t *testing.T) {
	cfg := testConfig(t, 1)
	own, server := netip.MustParseAddr("fd00:8::2"), netip.MustParseAddr("2001:db8::1")
	cfg.Peers[0].AllowedIPs = append(cfg.Peers[0].AllowedIPs, netip.PrefixFrom(own, 128))
	s := startSite(t, cfg)
	tun := tuntest.NewChannelTUN()
	dev := clientDevice(tun.TUN())
	t.Cleanup(dev.Close)
	s.connect(dev, cfg.Peers[0].PrivateKey)
	if err := dev.IpcSet("public_key=" + cfg.Interface.PrivateKey.Public().Hex() + "\nallowed_ip=::/0\n"); err != nil {
		t.Fatal(err)
	}

	syn := make([]byte, 60)
	h := wire.IPv6{TotalLen: len(syn), HopLimit: 64, Protocol: wire.ProtoTCP, Src: own.As16(), Dst: server.As16()}
	tcp := syn[h.Put(syn):]
	binary.BigEndian.PutUint16(tcp, 1234)
	binary.BigEndian.PutUint16(tcp[2:], 443)
	tun.Outbound <- syn

	answer := await(t, "ICMPv6 error", tun.Inbound)
	var got wire.IPv6
	var msg wire.ICMPv6
	if e := got.Parse(answer); e != wire.OK {
		t.Fatal(e)
	}
	if e := msg.Parse(&got.Src, &got.Dst, got.Payload); e != wire.OK {
		t.Fatal(e)
	}
	if got.Src != server.As16() || got.Dst != own.As16() || msg.Type != 1 || msg.Code != 1 || string(msg.Payload) != string(syn) {
		t.Errorf("%+v %+v", got, msg)
	}
}
