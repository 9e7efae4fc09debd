package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"vpngw/test/lab"
)

// gatewayUID is who runs vpngw.
const gatewayUID = 65532

// startKernelGateway is the way to compare with: wireguard-go, a TUN device, the kernel.
func (p *path) startKernelGateway(s settings, ours keys, clients []client) {
	dev := p.startWireGuard(s, p.gateway, ours.private, wireguardPort)
	for _, c := range clients {
		p.gateway.Run("wg", "set", dev, "peer", c.keys.public, "allowed-ips", c.tunnel+"/32")
	}
	p.gateway.Run("ip", "addr", "add", gatewayTunnel+"/24", "dev", dev)
	p.gateway.Run("sysctl", "-qw", "net.ipv4.ip_forward=1")
	p.gateway.Run("nft", "add table ip nat; "+
		"add chain ip nat out { type nat hook postrouting priority srcnat; }; "+
		"add rule ip nat out oifname to-upstream masquerade")
}

const gatewayConf = `[interface]
private_key = %q
listen_port = %s
address = "%s/24"
mtu = %s
[admin]
socket = "%s"
`

const peerConf = `[[peer]]
name = "client%d"
public_key = %q
allowed_ips = ["%s/32"]
`

// startGateway runs vpngw as a user without rights, in a memory cgroup if memory is not 0.
func (p *path) startGateway(s settings, ours keys, clients []client, memory int64) {
	p.gateway.Run("sysctl", "-qw", "net.ipv4.ping_group_range=0 2147483647") // as in a container
	dir := p.b.dir()
	conf, socket := filepath.Join(dir, "vpngw.toml"), filepath.Join(dir, "vpngw.sock")
	text := fmt.Sprintf(gatewayConf, ours.private, wireguardPort, gatewayTunnel, tunnelMTU, socket)
	for i, c := range clients {
		text += fmt.Sprintf(peerConf, i, c.keys.public, c.tunnel)
	}
	err := os.WriteFile(conf, []byte(text), 0o600)
	if err == nil {
		err = os.Chown(conf, gatewayUID, gatewayUID)
	}
	if err != nil {
		p.b.Fatal(err)
	}
	id := fmt.Sprint(gatewayUID)
	args := []string{
		"setpriv", "--reuid", id, "--regid", id, "--clear-groups", "--no-new-privs",
		"--bounding-set", "-all", "--inh-caps", "-all", "--pdeathsig", "KILL",
	}
	if s.profile != "" {
		p.debug = filepath.Join(dir, "pprof.sock")
		args = append(args, "env", profileVariable+"="+p.debug)
	}
	args = append(args, s.bin+"/vpngw", "run", "-c", conf)
	if memory > 0 {
		args = append([]string{"sh", "-c", p.b.memoryCgroup(memory)}, args...)
	}
	p.process = p.gateway.Start(args...)
	lab.Eventually(p.b, 20*time.Second, "the gateway's socket", func() error {
		if p.process.Ended() {
			p.b.Fatalf("the gateway ended:\n%s", p.process.Output())
		}
		_, err := os.Stat(socket)
		return err
	})
}
