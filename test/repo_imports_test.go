package test

import (
	"fmt"
	"os/exec"
	"path"
	"strings"
	"testing"
)

// importPolicy says what each package may import, outside its tests. It is the table of layers of
// ARCHITECTURE.md in a form that is checked: do not change it to make a build pass.
//
// A line "NAME = members" defines a set, a line "package: members" lists what that package may
// import. A member is an import path, a path with /... for everything below it too, std for the
// standard library, or a set; one that starts with ! is taken out again, and the last member that
// matches decides. A package is governed by the closest line that matches it; one without a line
// may not exist.
const importPolicy = `
	# Pure functions over octets: no formatted errors, no time, no locks.
	PURE = cmp encoding/binary errors iter maps math math/bits net/netip slices strconv strings
	# One connection's state. math/rand/v2 is for generators with a seed: see randomRule.
	CORE = PURE container/heap container/list crypto/... fmt hash/... io math/rand/v2 sort time
	# Many connections. net, os and log stay above.
	SHARED = CORE bytes sync sync/atomic unique weak

	vpngw/ourstack/seqnum:
	vpngw/ourstack/wire:      PURE vpngw/ourstack/seqnum
	vpngw/ourstack/tcp:       CORE vpngw/ourstack/wire vpngw/ourstack/seqnum
	vpngw/ourstack:           SHARED vpngw/ourstack/tcp vpngw/ourstack/wire vpngw/ourstack/seqnum
	vpngw/ourstack/stacktest: SHARED testing vpngw/ourstack/...

	# Blocking, deadlines, goroutines; no packet is looked into here.
	GOOD = std !testing !unsafe
	vpngw/adapter: GOOD vpngw/ourstack vpngw/ourstack/tcp golang.zx2c4.com/wireguard/tun
		golang.org/x/net/dns/dnsmessage
	# WireGuard's UDP sockets; recvmmsg and sendmmsg take pointers.
	vpngw/adapter/wgbind: GOOD unsafe golang.zx2c4.com/wireguard/conn golang.zx2c4.com/wireguard/tun
		golang.org/x/sys/unix

	# Plain data.
	vpngw/config: GOOD !log !net/http !os/exec !sync !sync/atomic github.com/BurntSushi/toml

	# The program. WireGuard is the gateway's alone; the stack is reached through the adapter.
	OURS = GOOD vpngw/config vpngw/cmd/vpngw/internal/...
	vpngw/cmd/vpngw:                  GOOD vpngw/cmd/vpngw/internal/cli
	vpngw/cmd/vpngw/internal/...:     OURS golang.org/x/sys/...
	vpngw/cmd/vpngw/internal/admin:   OURS golang.org/x/net/netutil
	vpngw/cmd/vpngw/internal/cli:     OURS github.com/BurntSushi/toml github.com/mdp/qrterminal/v3
		github.com/spf13/cobra github.com/spf13/pflag golang.org/x/term rsc.io/qr
	vpngw/cmd/vpngw/internal/daemon:  OURS github.com/fsnotify/fsnotify
	vpngw/cmd/vpngw/internal/dns:     OURS github.com/miekg/dns
	# recvmmsg and sendmmsg take pointers.
	vpngw/cmd/vpngw/internal/mmsg:    OURS unsafe golang.org/x/sys/unix
	# connect, sendmsg and others do, too.
	vpngw/cmd/vpngw/internal/hosttcp: OURS unsafe golang.org/x/sys/unix
	vpngw/cmd/vpngw/internal/gateway: OURS vpngw/adapter vpngw/adapter/wgbind golang.zx2c4.com/wireguard/conn/...
		golang.zx2c4.com/wireguard/device golang.zx2c4.com/wireguard/tun golang.org/x/net/...
		golang.org/x/sys/... golang.org/x/time/rate

	# Programs and helpers of tests.
	vpngw/test/...: std vpngw/... golang.org/x/... golang.zx2c4.com/wireguard/...
	vpngw/test/origin: std golang.org/x/... github.com/quic-go/quic-go/...
`

var importRule = rule{
	name:  "imports follow the layers",
	check: checkImports,
	bad: []badSample{
		{sample{"ourstack/wire/a.go": "package wire\n\nimport \"fmt\"\n"}, "ourstack/wire/a.go", 3, "fmt"},
		{sample{"ourstack/seqnum/a.go": "package seqnum\nimport _ \"math\"\n"}, "ourstack/seqnum/a.go", 2, "math"},
		{sample{"ourstack/tcp/a.go": "package tcp\nimport \"sync\"\n"}, "ourstack/tcp/a.go", 2, "sync"},
		{sample{"ourstack/tcp/a.go": "package tcp\nimport \"math/rand\"\n"}, "ourstack/tcp/a.go", 2, "math/rand"},
		{sample{"ourstack/tcp/a.go": "package tcp\nimport \"vpngw/ourstack\"\n"}, "ourstack/tcp/a.go", 2, "vpngw/ourstack"},
		{sample{"ourstack/a.go": "package ourstack\nimport n \"net\"\n"}, "ourstack/a.go", 2, "net"},
		{sample{"ourstack/a.go": "package ourstack\nimport \"log/slog\"\n"}, "ourstack/a.go", 2, "log/slog"},
		{sample{"ourstack/a.go": "package ourstack\nimport \"golang.org/x/sys/unix\"\n"}, "ourstack/a.go", 2, "unix"},
		{sample{"ourstack/a.go": "package ourstack\nimport \"C\"\n"}, "ourstack/a.go", 2, "C"},
		{sample{"adapter/a.go": "package adapter\nimport \"vpngw/ourstack/wire\"\n"}, "adapter/a.go", 2, "wire"},
		{sample{"adapter/a.go": "package adapter\nimport \"C\"\n"}, "adapter/a.go", 2, "C"},
		{
			sample{"adapter/a.go": "package adapter\nimport \"golang.zx2c4.com/wireguard/tun/netstack\"\n"},
			"adapter/a.go", 2, "netstack",
		},
		{sample{"config/a.go": "package config\nimport \"vpngw/adapter\"\n"}, "config/a.go", 2, "vpngw/adapter"},
		{
			sample{"cmd/vpngw/internal/cli/a.go": "package cli\nimport \"golang.zx2c4.com/wireguard/device\"\n"},
			"cmd/vpngw/internal/cli/a.go", 2, "wireguard/device",
		},
		{
			sample{"cmd/vpngw/internal/gateway/a.go": "package gateway\nimport \"vpngw/ourstack\"\n"},
			"cmd/vpngw/internal/gateway/a.go", 2, "vpngw/ourstack",
		},
		{sample{"config/a.go": "package config\nimport \"testing\"\n"}, "config/a.go", 2, "testing"},
		{
			sample{"cmd/vpngw/internal/cli/a.go": "package cli\nimport \"vpngw/adapter\"\n"},
			"cmd/vpngw/internal/cli/a.go", 2, "vpngw/adapter",
		},
		{sample{"util/a.go": "package util\n"}, "util/a.go", 1, "no line in the import policy"},
		{sample{"a.go": "package vpngw\n"}, "a.go", 1, "no line in the import policy"},
	},
	good: []sample{
		{"ourstack/wire/a.go": "package wire\nimport (\n\t\"math/bits\"\n\t\"vpngw/ourstack/seqnum\"\n)\n"},
		{"ourstack/wire/a_test.go": "package wire\nimport \"fmt\"\n"},
		{"cmd/vpngw/internal/new/a.go": "package new\nimport \"vpngw/config\"\n"},
		{"adapter/a.go": "package adapter\nimport \"golang.zx2c4.com/wireguard/tun\"\n"},
		{"cmd/vpngw/internal/cli/a.go": "package cli\nimport \"github.com/spf13/cobra\"\n"},
	},
}

func checkImports(t *tree) (problems []problem) {
	policy := parsePolicy(importPolicy)
	t.goFiles(false, func(f *file) {
		importer := strings.TrimSuffix("vpngw/"+f.dir(), "/.")
		allowed, ok := policy.of(importer)
		if !ok {
			problems = append(problems, problem{f.path, 1, importer + " has no line in the import policy"})
			return
		}
		for _, spec := range f.ast.Imports {
			imported := strings.Trim(spec.Path.Value, "\"`")
			if !allows(allowed, imported) {
				text := fmt.Sprintf("%s may not import %s", importer, imported)
				problems = append(problems, problem{f.path, t.line(spec.Pos()), text})
			}
		}
	})
	return problems
}

// A policy maps the package pattern of each line to its members, sets resolved.
type policy map[string][]string

func parsePolicy(text string) policy {
	sets, lines := make(map[string][]string), make(policy)
	var current string // package of the line that a line without a head goes on with
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if set, members, ok := strings.Cut(line, " = "); ok {
			sets[set] = resolve(sets, members)
			continue
		}
		if importer, members, ok := strings.Cut(line, ":"); ok {
			current, line = importer, members
			lines[current] = nil
		}
		lines[current] = append(lines[current], resolve(sets, line)...)
	}
	return lines
}

func resolve(sets map[string][]string, members string) (out []string) {
	for _, m := range strings.Fields(members) {
		if set, ok := sets[m]; ok {
			out = append(out, set...)
		} else {
			out = append(out, m)
		}
	}
	return out
}

// of returns what importer may import: by its own line, else by that of the closest parent.
func (p policy) of(importer string) (members []string, ok bool) {
	if members, ok = p[importer]; ok {
		return members, true
	}
	for parent := importer; parent != "."; parent = path.Dir(parent) {
		if members, ok = p[parent+"/..."]; ok {
			return members, true
		}
	}
	return nil, false
}

func allows(members []string, imported string) (allowed bool) {
	for _, m := range members {
		pattern, isOut := strings.CutPrefix(m, "!")
		if matches(pattern, imported) {
			allowed = !isOut
		}
	}
	return allowed
}

func matches(pattern, pkg string) bool {
	if pattern == "std" {
		first, _, _ := strings.Cut(pkg, "/")
		return !strings.Contains(first, ".") && first != "vpngw" && first != "C"
	}
	if parent, ok := strings.CutSuffix(pattern, "/..."); ok {
		return pkg == parent || strings.HasPrefix(pkg, parent+"/")
	}
	return pkg == pattern
}

// TestEachLineOfTheImportPolicyIsNeeded finds lines of packages that are gone.
func TestEachLineOfTheImportPolicyIsNeeded(t *testing.T) {
	repository := readTree(t, "..")
	lines := parsePolicy(importPolicy)
	used := make(map[string]bool)
	repository.goFiles(false, func(f *file) {
		for pattern := range lines {
			if matches(pattern, "vpngw/"+f.dir()) {
				used[pattern] = true
			}
		}
	})
	for pattern := range lines {
		if !used[pattern] {
			t.Errorf("%s: no such package", pattern)
		}
	}
}

// TestCommandLinksNoForeignStack asks the go command for everything that ends up in the binary.
func TestCommandLinksNoForeignStack(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "./cmd/vpngw")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", cmd, err)
	}
	if !strings.Contains(string(out), "vpngw/cmd/vpngw") {
		t.Fatal("the command is not among its own packages")
	}
	for _, pkg := range foreignStacks(string(out)) {
		t.Errorf("the command links %s", pkg)
	}
}

func TestForeignStacksReportsItsBadSample(t *testing.T) {
	got := foreignStacks("fmt\ngvisor.dev/gvisor/pkg/tcpip\nvpngw/adapter\ngithub.com/quic-go/quic-go\n")
	if len(got) != 2 || got[0] != "gvisor.dev/gvisor/pkg/tcpip" || got[1] != "github.com/quic-go/quic-go" {
		t.Errorf("reported %q", got)
	}
}

// foreignStacks returns the packages in a list, one a line, that belong to another network stack.
func foreignStacks(list string) (found []string) {
	for _, pkg := range strings.Fields(list) {
		if matches("gvisor.dev/...", pkg) || matches("github.com/quic-go/...", pkg) ||
			pkg == "golang.zx2c4.com/wireguard/tun/netstack" {
			found = append(found, pkg)
		}
	}
	return found
}
