// Command origin runs the test server of package origin on an address:
//
//	origin -addr 0.0.0.0 -name upstream
//
// or, as its client, gets and puts 32 MiB over HTTP/3 and compares digests:
//
//	origin -http3 192.0.2.1:8443
package main
