package gateway

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"vpngw/config"
)

// This file speaks wireguard-go's configuration protocol
// (https://www.wireguard.com/xplatform/#configuration-protocol): lines of key=value, keys in
// hexadecimal. What it writes contains secrets: it goes to the device and nowhere else.

// A uapiWriter collects settings for one IpcSet. Settings of the device come before those of peers.
type uapiWriter struct{ strings.Builder }

func (w *uapiWriter) set(key, value string) {
	w.WriteString(key)
	w.WriteByte('=')
	w.WriteString(value)
	w.WriteByte('\n')
}

func (w *uapiWriter) privateKey(k config.PrivateKey) { w.set("private_key", k.RevealHex()) }

func (w *uapiWriter) listenPort(port int) { w.set("listen_port", strconv.Itoa(port)) }

func (w *uapiWriter) addPeer(p *config.Peer) {
	w.set("public_key", p.PublicKey.Hex())
	w.set("preshared_key", p.PresharedKey.RevealHex())
	w.set("persistent_keepalive_interval", strconv.Itoa(p.PersistentKeepalive))
	w.set("replace_allowed_ips", "true")
	for _, ip := range p.AllowedIPs {
		w.set("allowed_ip", ip.Masked().String())
	}
}

func (w *uapiWriter) removePeer(k config.PublicKey) {
	w.set("public_key", k.Hex())
	w.set("remove", "true")
}

// changePeer writes what differs between was and is, and nothing else: what stays the same is not
// interrupted.
func (w *uapiWriter) changePeer(was, is *config.Peer) {
	w.set("public_key", is.PublicKey.Hex())
	w.set("update_only", "true")
	if !was.PresharedKey.Equal(is.PresharedKey) {
		w.set("preshared_key", is.PresharedKey.RevealHex())
	}
	if was.PersistentKeepalive != is.PersistentKeepalive {
		w.set("persistent_keepalive_interval", strconv.Itoa(is.PersistentKeepalive))
	}
	for _, ip := range was.AllowedIPs {
		if !slices.Contains(is.AllowedIPs, ip) {
			w.set("allowed_ip", "-"+ip.Masked().String())
		}
	}
	for _, ip := range is.AllowedIPs {
		if !slices.Contains(was.AllowedIPs, ip) {
			w.set("allowed_ip", ip.Masked().String())
		}
	}
}

// devicePeer is what the device knows of a peer.
type devicePeer struct {
	endpoint      string
	lastHandshake time.Time // zero: never
	rx, tx        uint64    // bytes
}

// deviceState is what the device says about itself.
type deviceState struct {
	listenPort int
	peers      map[config.PublicKey]*devicePeer
}

// parseDeviceState reads the answer to a get operation. Keys and fields that it does not know it
// skips, the secret ones among them.
func parseDeviceState(text []byte) (deviceState, error) {
	state := deviceState{peers: map[config.PublicKey]*devicePeer{}}
	var peer *devicePeer
	var sec int64
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), "=")
		var err error
		switch {
		case key == "public_key":
			var k config.PublicKey
			if n, err := hex.Decode(k[:], []byte(value)); err != nil || n != len(k) {
				return state, fmt.Errorf("device state: bad public_key %q", value)
			}
			peer, sec = &devicePeer{}, 0
			state.peers[k] = peer
		case key == "listen_port":
			state.listenPort, err = strconv.Atoi(value)
		case peer == nil:
		case key == "endpoint":
			peer.endpoint = value
		case key == "last_handshake_time_sec":
			sec, err = strconv.ParseInt(value, 10, 64)
		case key == "last_handshake_time_nsec":
			var nsec int64
			nsec, err = strconv.ParseInt(value, 10, 64)
			if sec != 0 || nsec != 0 {
				peer.lastHandshake = time.Unix(sec, nsec)
			}
		case key == "rx_bytes":
			peer.rx, err = strconv.ParseUint(value, 10, 64)
		case key == "tx_bytes":
			peer.tx, err = strconv.ParseUint(value, 10, 64)
		}
		if err != nil {
			return state, fmt.Errorf("device state: %s: %w", key, err)
		}
	}
	return state, lines.Err()
}
