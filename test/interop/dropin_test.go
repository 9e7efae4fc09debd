package interop

import (
	"net"
	"net/netip"
	"reflect"
	"testing"

	"golang.zx2c4.com/wireguard/tun/netstack"

	"vpngw/adapter"
)

// TestDropIn: a program that uses netstack's Net compiles with ours. Every exported method is there with
// the same parameters, and what it returns has the methods of what netstack's returned.
func TestDropIn(t *testing.T) {
	theirs, ours := reflect.TypeFor[*netstack.Net](), reflect.TypeFor[*adapter.Net]()
	if theirs.NumMethod() < 18 {
		t.Fatalf("netstack's Net has %d methods", theirs.NumMethod())
	}
	for want := range theirs.Methods() {
		got, ok := ours.MethodByName(want.Name)
		if !ok {
			t.Errorf("%s is missing", want.Name)
			continue
		}
		if got.Type.NumIn() != want.Type.NumIn() || got.Type.NumOut() != want.Type.NumOut() {
			t.Errorf("%s is %v, want %v", want.Name, got.Type, want.Type)
			continue
		}
		for i := 1; i < want.Type.NumIn(); i++ { // 0 is the receiver
			if !sameType(got.Type.In(i), want.Type.In(i)) {
				t.Errorf("%s takes %v, want %v", want.Name, got.Type.In(i), want.Type.In(i))
			}
		}
		for i := range want.Type.NumOut() {
			hasMethods(t, want.Name, got.Type.Out(i), want.Type.Out(i))
		}
	}
	if got, want := reflect.TypeOf(adapter.CreateNetTUN), reflect.TypeOf(netstack.CreateNetTUN); got.NumIn() != want.NumIn() {
		t.Errorf("CreateNetTUN is %v, want %v", got, want)
	}
	var _ func(netip.Addr) *adapter.PingAddr = adapter.PingAddrFromAddr
	var _ net.Addr = adapter.PingAddr{}
}

// sameType compares types; those of netstack itself by name.
func sameType(a, b reflect.Type) bool {
	return a == b || a.Kind() == reflect.Pointer && b.Kind() == reflect.Pointer && a.Elem().Name() == b.Elem().Name()
}

// hasMethods checks that got can be used where want was. Shutdown of gVisor's listener is left out: it
// is what Close does.
func hasMethods(t *testing.T, method string, got, want reflect.Type) {
	t.Helper()
	if got == want {
		return
	}
	for m := range want.Methods() {
		if _, ok := got.MethodByName(m.Name); !ok && m.Name != "Shutdown" {
			t.Errorf("%s returns %v without the method %s of %v", method, got, m.Name, want)
		}
	}
}
