package wgbind

import "unsafe"

// address identifies a buffer without keeping it alive.
func address(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }
