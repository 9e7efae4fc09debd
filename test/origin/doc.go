// Package origin is the server at the far end of the tests: every behaviour of an upstream that a
// client behind the gateway must see as on a direct connection, on one port each.
//
// It is no part of the gateway. The namespace tests run it inside their process on sockets of the
// upstream host; the compose test runs cmd/origin in the upstream container.
//
//	PortHTTP   /data?size=N&seed=S   N bytes that follow from S; the client compares SHA-256
//	           PUT or POST /sum      "BYTES SHA256" of the body
//	           /small/X              "small X"
//	           /reset                half of the promised body, then RST
//	           /cert.pem             the certificate of PortTLS
//	           /report               what PortEarly and PortWatch have seen
//	PortTLS    the same over HTTPS; UDP: over HTTP/3
//	PortDrain  reads to the end, answers "BYTES SHA256", closes
//	PortLong   reads "SIZE SEED" to the end, then answers with that data: a half-closed client with a long reply
//	PortEarly  sends "early" and its FIN at once, then reads to the end; /report tells "early BYTES SHA256"
//	PortStall  accepts and never reads
//	PortWatch  reads to the end; /report tells "watch eof" or "watch reset"
//	PortEcho   TCP and UDP: sends back what comes
//
// Beside these, ServeHTTP3 serves the first three over HTTP/3 on any socket, and HTTP3Client is a client.
//
// Files: server.go (listeners), http.go, http3.go, streams.go (the plain TCP services), datagrams.go,
// content.go (data from a seed), certificate.go.
//
// Limits: none beyond the operating system's; its clients are tests.
package origin
