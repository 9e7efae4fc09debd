package ourstack

import "testing"

// TestSipHashVectors compares with the reference implementation: key 00…0f, input 00, 01, ….
func TestSipHashVectors(t *testing.T) {
	k := key{0x0706050403020100, 0x0f0e0d0c0b0a0908}
	const w0, w1 = 0x0706050403020100, 0x0f0e0d0c0b0a0908
	if got := k.hash(); got != 0x726fdb47dd0e0e31 {
		t.Errorf("no octets: %#x", got)
	}
	if got := k.hash(w0); got != 0x93f5f5799a932462 {
		t.Errorf("8 octets: %#x", got)
	}
	if got := k.hash(w0, w1); got != 0x3f2acc7f57c29bdb {
		t.Errorf("16 octets: %#x", got)
	}
}

func TestDeriveKeySeparatesUses(t *testing.T) {
	seed := [32]byte{1}
	a, b := deriveKey(&seed, "a"), deriveKey(&seed, "b")
	if a == b || a != deriveKey(&seed, "a") {
		t.Errorf("keys %v and %v", a, b)
	}
	seed[31] = 1
	if a == deriveKey(&seed, "a") {
		t.Error("another seed gives the same key")
	}
}

func TestRandomIsReproducibleAndDoesNotRepeat(t *testing.T) {
	a, b := random{key: key{1, 2}}, random{key: key{1, 2}}
	seen := map[uint64]bool{}
	for range 1000 {
		x := a.next()
		if x != b.next() || seen[x] {
			t.Fatal("not reproducible, or repeated")
		}
		seen[x] = true
	}
}
