package cli

import (
	"io"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"vpngw/config"
)

// keepaliveUnset is --keepalive left out.
const keepaliveUnset = -1

// clientFlags are the flags that shape a printed client configuration. They are stored nowhere.
type clientFlags struct {
	qr         bool
	png        string
	endpoint   string
	allowedIPs []string
	dns        []string
	keepalive  int
}

func (f *clientFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&f.qr, "qr", false, "print a QR code below the configuration")
	flags.StringVar(&f.png, "png", "", "write the QR code to an image `file` (mode 0600)")
	flags.StringVar(&f.endpoint, "endpoint", "", "`host:port` in the printed configuration (default interface.endpoint)")
	flags.StringSliceVar(&f.allowedIPs, "allowed-ips", nil,
		"`networks` that the client sends through the tunnel, in the printed configuration (default interface.client_allowed_ips)")
	flags.StringSliceVar(&f.dns, "dns", nil,
		"`resolvers` in the printed configuration, or \"none\" (default interface.client_dns, else the gateway: in a QR code, and as a comment in text)")
	flags.IntVar(&f.keepalive, "keepalive", keepaliveUnset,
		"keep-alive interval in `seconds` in the printed configuration, 0 for none (default interface.client_persistent_keepalive)")
	flags.Lookup("keepalive").DefValue = "" // or the help would show -1
	fromEnvironment(flags, "endpoint")
}

// apply returns c as the flags want clients to see it.
func (f *clientFlags) apply(c *config.Config) (*config.Config, error) {
	shown := *c
	if f.endpoint != "" {
		endpoint, err := checkEndpoint(f.endpoint, c.Interface.ListenPort)
		if err != nil {
			return nil, err
		}
		shown.Interface.Endpoint = endpoint
	}
	if f.allowedIPs != nil {
		nets, err := parsePrefixes("--allowed-ips", f.allowedIPs)
		if err != nil {
			return nil, err
		}
		shown.Interface.ClientAllowedIPs = nets
	}
	if f.keepalive != keepaliveUnset {
		if f.keepalive < 0 || f.keepalive > 65535 {
			return nil, usagef("--keepalive %d is not a number of seconds from 0 to 65535", f.keepalive)
		}
		shown.Interface.ClientPersistentKeepalive = f.keepalive
	}
	if f.dns != nil {
		resolvers, err := parseResolvers(f.dns)
		if err != nil {
			return nil, err
		}
		shown.Interface.ClientDNS = resolvers
		shown.DNS.Enabled = false // nor is the gateway offered
	}
	return &shown, nil
}

// parseResolvers reads --dns: addresses, or "none".
func parseResolvers(words []string) ([]netip.Addr, error) {
	if slices.Equal(words, []string{"none"}) {
		return nil, nil
	}
	resolvers := make([]netip.Addr, 0, len(words))
	for _, w := range words {
		addr, err := netip.ParseAddr(strings.TrimSpace(w))
		if err != nil || addr.Zone() != "" {
			return nil, usagef("--dns %q is not an IP address: name resolvers, or none", w)
		}
		resolvers = append(resolvers, addr)
	}
	return resolvers, nil
}

// warnExposed warns if what was printed, secrets, went into a file that others may read.
func (a *app) warnExposed() {
	file, ok := a.stdout.(*os.File)
	if !ok || runtime.GOOS == "windows" { // where permissions mean nothing
		return
	}
	if info, err := file.Stat(); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		a.sayf("Warning: this holds a secret key, and the file that it goes into is open to other users (mode %04o): chmod 600 it.",
			info.Mode().Perm())
	}
}

// show prints the client configuration of p, a peer of c, as the flags want it: text always, the
// QR code and the image if asked for.
func (f *clientFlags) show(a *app, c *config.Config, p *config.Peer) error {
	if p.PrivateKey.IsZero() && (f.qr || f.png != "") {
		return usagef("%s made its own key pair, so a QR code would lack the private key: show it without --qr and --png", p.Name)
	}
	shown, err := f.apply(c)
	if err != nil {
		return err
	}
	text, err := config.ClientConfig(shown, p)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(a.stdout, text); err != nil {
		return err
	}
	a.warnExposed()
	if !f.qr && f.png == "" {
		return nil
	}
	if f.dns == nil {
		shown = forPhone(shown)
	}
	code, err := config.ClientConfig(shown, p)
	if err != nil {
		return err
	}
	if f.qr {
		if err := a.printQR(code); err != nil {
			return err
		}
	}
	if f.png != "" {
		if err := writePNG(f.png, code); err != nil {
			return err
		}
		a.sayf("The QR code is in %s. It holds a private key: delete it when it is scanned.", f.png)
	}
	return nil
}
