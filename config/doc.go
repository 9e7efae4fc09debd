// Package config is what a vpngw gateway can be told: the types of the configuration, their
// defaults, the TOML form, the checks, WireGuard keys, and the files of a state directory.
//
// It is plain data. It imports nothing of vpngw, keeps no state, logs nothing, and touches files
// only in the functions that say so: [Load] reads; [WritePeer], [RemovePeer] and [NewState] write.
// No function waits for another process; callers that write take a lock of their own.
//
// # From a file to a Config
//
// [Load] reads TOML into maps (document.go), gives each value to the field that its key names
// (bind.go, bind_value.go), reads the files of peers_dir and the secrets in files of their own
// (load.go, secret_file.go), and then looks at the whole (check.go, check_peers.go). No step stops
// at the first problem: a value that does not fit leaves the default in its place, and is marked, so
// that nothing is said about it twice. Every [Problem] has a file, a line, a key, and where there is
// one a remedy; the lines come from a reading of our own (positions.go), as the TOML library keeps
// its own to itself.
//
// The fields of [Config] are the schema: their tags name the key, its range or its words, and
// whether a running gateway takes a change (config.go). The loader, the checks, the suggestions for
// misspelt keys (suggest.go), [Diff] and the test that holds conf.example.toml to it all read them,
// so a key is added in one place, and its default in default.go.
//
// # Secrets
//
// [PrivateKey] and [PresharedKey] print as "(hidden)" whoever prints them; only the methods called
// Reveal… show them (secret.go). No problem repeats a secret.
//
// # Files
//
// A peer's file is written under another name, flushed, and then linked to its own, so that it is
// there in whole or not at all, and never replaces another (peer_file.go). What may be read is
// bounded in limits.go.
package config
