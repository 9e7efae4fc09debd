// Command vpngw is a rootless WireGuard gateway: stock clients connect to it over UDP, and it
// carries their traffic on through ordinary sockets. "vpngw help" lists its verbs; the packages
// below internal are the program.
package main
