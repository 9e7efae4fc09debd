package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// settings are the flags.
type settings struct {
	rounds  int
	length  time.Duration // of one measurement
	only    []string
	profile string // directory; empty: no profiles
	bin     string // directory of the built programs
}

func main() {
	var s settings
	flag.IntVar(&s.rounds, "rounds", 3, "measurements of each row and path")
	seconds := flag.Int("seconds", 3, "length of one measurement")
	only := flag.String("only", "", "comma-separated parts of row names; empty: all")
	jsonFile := flag.String("json", "", "write all figures to this file as JSON")
	flag.StringVar(&s.profile, "profile", "", "write profiles of the gateway into this directory")
	flag.Parse()
	s.length, s.only = time.Duration(*seconds)*time.Second, strings.Split(*only, ",")

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	results, err := run(ctx, s)
	printTable(os.Stdout, results)
	if *jsonFile != "" {
		err = errors.Join(err, writeJSON(*jsonFile, results))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "path:", err)
		os.Exit(1)
	}
}

// run measures everything. It returns what it has also after an error.
func run(ctx context.Context, s settings) (results []*result, err error) {
	if err := prerequisites(); err != nil {
		return nil, err
	}
	s.bin, err = os.MkdirTemp("", "vpngw-path-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(s.bin)
	if err := build(ctx, s); err != nil {
		return nil, err
	}
	for round := range s.rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, s.rounds)
		err := guarded(func(b *bench) { b.round(ctx, s, round, &results) })
		if err != nil {
			return results, fmt.Errorf("round %d: %w", round+1, err)
		}
	}
	return results, nil
}

// round measures each row once on each path.
func (b *bench) round(ctx context.Context, s settings, round int, results *[]*result) {
	var paths []*path
	if slices.ContainsFunc(rows, func(r row) bool { return !r.alone && wanted(r.name, s.only) }) {
		paths = []*path{b.newPath(ctx, "kernel", s, 0), b.newPath(ctx, "vpngw", s, 0)}
	}
	for _, r := range rows {
		if !wanted(r.name, s.only) {
			continue
		}
		on := slices.Clone(paths)
		if r.alone {
			on = []*path{b.newPath(ctx, "vpngw", s, smallMemory)}
		} else if round%2 == 1 {
			slices.Reverse(on)
		}
		for _, p := range on {
			if err := ctx.Err(); err != nil {
				b.Fatal(err)
			}
			endProfile := p.profile(s, r.name)
			f, err := r.measure(ctx, p, s.length)
			endProfile()
			if err != nil {
				b.Fatalf("%s, path %s: %v", r.name, p.name, err)
			}
			record(results, r.name, p.name, f)
		}
		fmt.Fprintf(os.Stderr, "  %s\n", r.name)
	}
}

func wanted(name string, only []string) bool {
	return slices.ContainsFunc(only, func(o string) bool { return strings.Contains(name, o) })
}

// programs are what must be installed, with the Debian package of each.
var programs = map[string]string{
	"ip": "iproute2", "nft": "nftables", "sysctl": "procps", "setpriv": "util-linux",
	"wg": "wireguard-tools", "ping": "iputils-ping", "iperf3": "iperf3", "wrk": "wrk",
	"/usr/sbin/nginx": "nginx-light",
}

func prerequisites() error {
	if os.Geteuid() != 0 {
		return errors.New("this needs root: it makes network namespaces")
	}
	var missing []string
	for program, pkg := range programs {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, pkg)
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		return fmt.Errorf("missing Debian packages: apt-get install %s", strings.Join(missing, " "))
	}
	return nil
}

// build builds the gateway and the client's wireguard-go as the Dockerfile builds the gateway, static
// and without symbols, readable for every user.
func build(ctx context.Context, s settings) error {
	if err := os.Chmod(s.bin, 0o755); err != nil {
		return err
	}
	flags := []string{"-trimpath", "-ldflags=-s -w"}
	if s.profile != "" {
		overlay, err := profileOverlay(s.bin)
		if err != nil {
			return err
		}
		flags = []string{"-overlay", overlay} // a profile wants the symbols
	}
	for program, pkg := range map[string]string{
		"vpngw": "vpngw/cmd/vpngw", "wireguard-go": "golang.zx2c4.com/wireguard",
	} {
		args := slices.Concat([]string{"build"}, flags, []string{"-o", s.bin + "/" + program, pkg})
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("building %s: %w", program, err)
		}
	}
	return nil
}
