// Package traffic is what a stock client does through the gateway, written once for every place it
// is done from: a network namespace, a container, over a good path and over a bad one.
//
// It is no part of the gateway. Each check is a shell script of ordinary tools (curl, ssh, dig, nc,
// ping) that runs on the client, and a judgement of what it printed. The far end is the server of
// package origin, an SSH server and a DNS server; site.go says what they must offer.
//
// Files: site.go (who takes part), check.go (how a check runs), bulk.go, session.go, errors.go,
// halfclose.go and names.go (the checks by theme).
//
// Time: every script has a bound (Load.Timeout); a check that hangs fails by it.
package traffic
