// Package compose tests the container images as a user runs them: test/compose.yaml with the
// gateway, two stock clients and an upstream that the clients reach only through the gateway.
//
// It has tests only. They need root, docker and docker-compose (either generation), and where no
// image registry can be reached debootstrap, for test/image.sh:
//
//	VPNGW_TEST_COMPOSE=1 go test -v ./test/compose
//
// Without the variable they are reported as not run. Containers, networks and the volume have names
// that start with vpngwtest and go when the test ends; what a killed run left goes when the next
// one starts. Images stay, so that the next run is fast. Time: three minutes when the images have to be
// made, one or two otherwise.
//
// The gateway has 64 MiB; memory_test.go puts 2,000 connections and bulk both ways on it.
package compose
