package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// ticksPerSecond is the unit of times in /proc: USER_HZ, 100 on every Linux.
const ticksPerSecond = 100

// cpu returns the CPU time that the gateway has used, user and system.
func (p *path) cpu() time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.process.PID()))
	if err != nil {
		p.b.Fatalf("the gateway of path %s has ended: %v\n%s", p.name, err, p.process.Output())
	}
	// proc_pid_stat(5): the program's name stands in parentheses and may hold anything; the field
	// after it is number 3. utime and stime are numbers 14 and 15.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	var ticks int64
	for _, i := range []int{14 - 3, 15 - 3} {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			p.b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond
}

// memory returns the resident set of the gateway now (VmRSS) and at its largest (VmHWM), in bytes.
func (p *path) memory() (now, peak float64) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.process.PID()))
	if err != nil {
		p.b.Fatalf("the gateway of path %s has ended: %v\n%s", p.name, err, p.process.Output())
	}
	for line := range strings.Lines(string(status)) {
		var kib float64
		switch key, value, _ := strings.Cut(line, ":"); key {
		case "VmRSS", "VmHWM":
			if _, err := fmt.Sscan(value, &kib); err != nil {
				p.b.Fatal(err)
			}
			if key == "VmRSS" {
				now = kib * 1024
			} else {
				peak = kib * 1024
			}
		}
	}
	return now, peak
}
