package cli

import (
	"strings"
	"testing"

	"vpngw/config"
)

func TestKeyVerbsAgreeWithEachOther(t *testing.T) {
	b := newBench(t)
	private := b.ok("genkey")
	if other := b.ok("genkey"); other == private {
		t.Error("the same key twice")
	}
	key, err := config.ParsePrivateKey(strings.TrimSuffix(private, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr syncBuffer
	a := b.app(&stdout, &stderr)
	a.stdin = strings.NewReader(private)
	if status := a.run(t.Context(), []string{"pubkey"}); status != exitDone {
		t.Fatalf("pubkey: %d %s", status, stderr.String())
	}
	if got := stdout.String(); got != key.Public().String()+"\n" {
		t.Errorf("pubkey: %q, want %q", got, key.Public())
	}
	if _, err := config.ParsePresharedKey(strings.TrimSuffix(b.ok("genpsk"), "\n")); err != nil {
		t.Errorf("genpsk: %v", err)
	}
}

func TestPubkeyRefusesWithoutRepeatingTheSecret(t *testing.T) {
	b := newBench(t)
	var stdout, stderr syncBuffer
	a := b.app(&stdout, &stderr)
	a.stdin = strings.NewReader(phoneKey[:40])
	if status := a.run(t.Context(), []string{"pubkey"}); status != exitFailed {
		t.Errorf("status %d", status)
	}
	if strings.Contains(stderr.String(), phoneKey[:40]) || stdout.String() != "" {
		t.Errorf("stdout %q, stderr %q", stdout.String(), stderr.String())
	}
}
