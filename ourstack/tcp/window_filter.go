package tcp

// windowFilter tracks the extreme value of a stream over a sliding window in
// constant space and time: Kathleen Nichols' algorithm, which the BBR draft §5.5.5
// recommends. It keeps the best, second best and third best sample, each at least
// a quarter (a half) of a window younger than the one before, so that a good
// successor is known when the best one leaves the window.
//
// time is what the window is measured in: nanoseconds, round trips or cycles. It
// must not decrease. The zero value is an empty filter.
type windowFilter struct {
	s     [3]windowSample
	valid bool
}

// windowSample is one value with the time at which it was seen.
type windowSample struct{ time, value uint64 }

// best returns the extreme value in the window as of the last update; 0 when empty.
func (f *windowFilter) best() uint64 { return f.s[0].value }

// reset makes value the only sample.
func (f *windowFilter) reset(time, value uint64) uint64 {
	f.valid = true
	f.s[0] = windowSample{time, value}
	f.s[1], f.s[2] = f.s[0], f.s[0]
	return value
}

// updateMax adds a sample and returns the largest value of the last window.
func (f *windowFilter) updateMax(window, time, value uint64) uint64 {
	if !f.valid || value >= f.s[0].value || time-f.s[2].time > window {
		return f.reset(time, value)
	}
	n := windowSample{time, value}
	switch {
	case value >= f.s[1].value:
		f.s[1], f.s[2] = n, n
	case value >= f.s[2].value:
		f.s[2] = n
	}
	return f.age(window, n)
}

// updateMin adds a sample and returns the smallest value of the last window.
func (f *windowFilter) updateMin(window, time, value uint64) uint64 {
	if !f.valid || value <= f.s[0].value || time-f.s[2].time > window {
		return f.reset(time, value)
	}
	n := windowSample{time, value}
	switch {
	case value <= f.s[1].value:
		f.s[1], f.s[2] = n, n
	case value <= f.s[2].value:
		f.s[2] = n
	}
	return f.age(window, n)
}

// age lets samples that left the window go and keeps the others spread over it.
func (f *windowFilter) age(window uint64, n windowSample) uint64 {
	passed := n.time - f.s[0].time
	switch {
	case passed > window:
		// The best has expired; the others move up, perhaps twice.
		f.s[0], f.s[1], f.s[2] = f.s[1], f.s[2], n
		if n.time-f.s[0].time > window {
			f.s[0], f.s[1] = f.s[1], f.s[2]
		}
	case f.s[1].time == f.s[0].time && passed > window/4:
		// A quarter of the window without a better value: take a second choice
		// from its second quarter.
		f.s[1], f.s[2] = n, n
	case f.s[2].time == f.s[1].time && passed > window/2:
		// Half of it: a third choice from its second half.
		f.s[2] = n
	}
	return f.s[0].value
}
