// Package lab makes small networks out of Linux network namespaces, for tests that need hosts with
// their own addresses, routes and kernel TCP.
//
// It is no part of the gateway and needs root. A test calls Require first: without the named
// environment variable the test is reported as not run, with the variable a missing tool or right
// is a failure.
//
//	lab.Require(t, "VPNGW_TEST_NETNS", "wg-quick", "wireguard-go")
//	l := lab.New(t)
//	client, gateway := l.Host("client"), l.Host("gateway")
//	l.Link(client, "172.31.1.2/24", gateway, "172.31.1.1/24")
//	gateway.Run("ip", "route", "show")
//
// Files: require.go (the switch), lab.go (a test's network and its end), host.go (a namespace,
// commands in it), process.go (long-running programs), socket.go (this process's own sockets in a
// namespace), sweep.go (what a killed run left).
//
// Time: every command has a bound (commandTimeout unless the caller's context says less), and so
// has every stop.
//
// Cleaning up: whatever a Lab starts ends with its test, in the reverse order. A test binary that
// was killed could not do that; so the name of each namespace tells which process made it, and New
// removes the namespaces of processes that are no more, after killing what still runs in them.
// Nothing else is ever killed or removed.
package lab
