package main

import (
	"os"

	"vpngw/cmd/vpngw/internal/cli"
)

// version and revision, the commit, are set by the linker: -ldflags "-X main.version=v1.2.3". Without, they
// are what the build has recorded.
var version, revision string

func main() {
	os.Exit(cli.Main(version, revision, os.Args[1:]))
}
