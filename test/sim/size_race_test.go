//go:build race

package sim

// raced: the race detector makes a simulation, which runs on one goroutine, ten times slower and finds
// little in it. The tests are then smaller.
const raced = true
