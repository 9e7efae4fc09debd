// Package sim runs whole stacks on a virtual clock, single-threaded, from one seed: two hosts, a
// link between them that delays, loses, reorders, duplicates and corrupts, and applications that
// write, read, stall, close and abort. The same seed gives the same run, to the packet.
//
// After every step the invariants of all connections are checked, and at the end that everything
// which was not aborted arrived; in between some connections stay silent for minutes, and must rest. A failure prints the one line that repeats it:
//
//	go test ./test/sim -run TestSeeds -sim.seed=0x2a -v
//
// What each seed draws is in [Draw]; link.go is the network, app.go the applications, world.go the
// clock.
//
// [Measure] is the other use: flows that write as fast as they may, over a bottleneck. Its results are
// exact as well; testdata/goodput.golden has them, by round-trip time, loss, link and congestion
// control. The ordinary tests measure some rows again, and compare them to the letter. In full size:
//
//	go test ./test/sim -run 'TestSeeds$' -sim.seeds=100000 -timeout=3h   # every night; minutes where it is quiet
//	go test ./test/sim -run TestGoodput -sim.table -timeout=30m    # three minutes; -update writes
//	go test ./test/sim -run TestGoodput -sim.rows='8 flows.*bbr'   # rows by name, also with -sim.gvisor
//	go test ./test/sim -run TestAWeek -sim.soak=1000               # ten seconds
//	go test ./test/sim -run TestGVisor -sim.gvisor -v              # gVisor's netstack beside ours
package sim
