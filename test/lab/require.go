package lab

import (
	"os"
	"os/exec"
	"testing"
)

// Require lets the test go on only if the environment variable has the value 1. Otherwise the test
// is reported as not run, with the way to run it. With the variable set, a user who is not root or a
// program that is missing fails the test.
func Require(t testing.TB, variable string, programs ...string) {
	t.Helper()
	if os.Getenv(variable) != "1" {
		t.Skipf("NOT RUN: this test needs root and changes the network set-up of namespaces or "+
			"containers it makes; set %s=1 to run it", variable)
	}
	if os.Geteuid() != 0 {
		t.Fatalf("%s=1, but this is not root", variable)
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Fatalf("%s=1, but a program is missing: %v", variable, err)
		}
	}
}
