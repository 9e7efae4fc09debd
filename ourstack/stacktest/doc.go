// Package stacktest helps to test the stack, as net/http/httptest helps to test HTTP: it is imported
// by tests only.
//
//	script.go   segments written as text, in the notation of packetdrill and package wire's printer
package stacktest
