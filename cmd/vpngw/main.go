package main

import (
	"os"

	"vpngw/cmd/vpngw/internal/cli"
)

// version is set by the linker: -ldflags "-X main.version=v1.2.3".
var version string

func main() {
	os.Exit(cli.Main(version, os.Args[1:]))
}
