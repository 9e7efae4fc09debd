package adapter

import (
	"testing"
	"unsafe"
)

// TestIdleConnectionIsSmall holds the package documentation to its word.
func TestIdleConnectionIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(TCPConn{}); size > 224 {
		t.Errorf("a TCPConn is %d bytes", size)
	}
	if size := unsafe.Sizeof(UDPConn{}); size > 240 {
		t.Errorf("a UDPConn is %d bytes", size)
	}
	if size := unsafe.Sizeof(gate{}); size > 88 {
		t.Errorf("a gate is %d bytes", size)
	}
}
