// Command origin runs the test server of package origin on an address:
//
//	origin -addr 0.0.0.0 -name upstream
package main
