//go:build !unix

package config

import "os"

// KeepOwner does nothing here: what a directory's files inherit is the directory's to say.
func KeepOwner(*os.File) {}

func keepDirOwner(string) {}
