package main

import (
	"bytes"
	"cmp"
	"fmt"
	"html"
	"os"
	"slices"
	"strings"
)

// panel is a part of the plot: one figure, a bar for each stack of one row, or if the row's name ends in "/"
// a bar of ours for each row whose name begins so: a curve.
type panel struct{ title, row, figure, unit string }

var panels = []panel{
	{"One flow through WireGuard", "wg/bulk/1", "Mbit/s", "Mbit/s"},
	{"… 64 flows", "wg/bulk/64", "Mbit/s", "Mbit/s"},
	{"… CPU time, one flow (less is better)", "wg/bulk/1", "CPU s/GB", "s/GB"},
	{"… one flow, 100 ms round trip", "wg/100ms", "Mbit/s after 3 s", "Mbit/s"},
	{"1-byte round trip through WireGuard (less is better)", "wg/rr/1", "p50 us", "µs"},
	{"… 64 at once", "wg/rr/64", "per s", "per s"},
	{"A byte's round trip beside 64 bulk flows (less is better)", "wg/beside/64", "TCP p50 us loaded", "µs"},
	{"connect, 1 KB echo, close", "wg/churn/32", "per s", "per s"},
	{"An idle connection (less is better)", "direct/idle/10000", "bytes", "bytes"},
	{"CPU of a packet by connections, 64 busy, no WireGuard", "direct/few/", "CPU us/packet", "µs"},
	{"… all of them busy", "direct/among/", "CPU us/packet", "µs"},
	{"CPU of a datagram and its answer by peers, 1,000 active", "wg/peers/", "CPU us/op", "µs"},
}

// Sizes of the plot, in pixels.
const (
	plotWidth   = 900
	columnWidth = plotWidth / 2
	labelWidth  = 90
	barWidth    = 230 // of the largest value
	barHeight   = 14
	barStep     = 19
	panelHeight = 100
	curveHeight = panelHeight + barStep // of a panel with a curve
	panelsFrom  = 40
)

var plotStacks = []struct{ name, label, colour string }{
	{"ours", "vpngw", "#1f6feb"},
	{"netstack", "netstack", "#8c959f"},
	{"ideal", "no TCP", "#d0a215"},
}

// writePlot draws the medians of results as SVG.
func writePlot(file string, results []result) error {
	var b bytes.Buffer
	height := panelsFrom
	for line := range slices.Chunk(panels, 2) {
		height += lineHeight(line)
	}
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">`+"\n", plotWidth, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="white"/>`+"\n")
	fmt.Fprintf(&b, `<text x="10" y="22" font-size="14" font-weight="bold">Both ends in one process; medians. "no TCP": one copy, one checksum, wireguard-go's own bind</text>`+"\n")
	y := panelsFrom
	for line := range slices.Chunk(panels, 2) {
		for i, p := range line {
			p.draw(&b, results, 10+i*columnWidth, y)
		}
		y += lineHeight(line)
	}
	fmt.Fprintln(&b, "</svg>")
	return os.WriteFile(file, b.Bytes(), 0o644)
}

// lineHeight is that of panels side by side.
func lineHeight(line []panel) int {
	if slices.ContainsFunc(line, panel.isCurve) {
		return curveHeight
	}
	return panelHeight
}

func (p panel) isCurve() bool { return strings.HasSuffix(p.row, "/") }

// bar is one value of a panel.
type bar struct {
	label, colour string
	value         float64
}

// bars are a panel's, those that were measured.
func (p panel) bars(results []result) (bars []bar) {
	for _, r := range results {
		if size, ok := strings.CutPrefix(r.Row, p.row); ok && p.isCurve() {
			bars = append(bars, bar{grouped(size), plotStacks[0].colour, median(column(r.of("ours"), p.figure))})
		} else if r.Row == p.row {
			for _, s := range plotStacks {
				bars = append(bars, bar{s.label, s.colour, median(column(r.of(s.name), p.figure))})
			}
		}
	}
	return slices.DeleteFunc(bars, func(b bar) bool { return b.value == 0 })
}

// grouped is a number with a comma before its last three digits.
func grouped(s string) string {
	if n := len(s) - 3; n > 0 {
		return s[:n] + "," + s[n:]
	}
	return s
}

// draw draws a panel with its upper left corner at x, y.
func (p panel) draw(b *bytes.Buffer, results []result, x, y int) {
	bars := p.bars(results)
	if len(bars) == 0 {
		return
	}
	most := slices.MaxFunc(bars, func(a, b bar) int { return cmp.Compare(a.value, b.value) }).value
	fmt.Fprintf(b, `<text x="%d" y="%d" font-weight="bold">%s</text>`+"\n", x, y+14, html.EscapeString(p.title))
	line := y + 22
	for _, v := range bars {
		width := v.value / most * barWidth
		fmt.Fprintf(b, `<text x="%d" y="%d">%s</text>`, x, line+barHeight-3, v.label)
		fmt.Fprintf(b, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`, x+labelWidth, line, width, barHeight, v.colour)
		fmt.Fprintf(b, `<text x="%.1f" y="%d">%s %s</text>`+"\n", float64(x+labelWidth+5)+width, line+barHeight-3, short(v.value), p.unit)
		line += barStep
	}
}

// short is a number with three digits that count.
func short(v float64) string {
	switch {
	case v >= 10000:
		return fmt.Sprintf("%.0fk", v/1000)
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

// median of values; 0 of none.
func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	return middle(slices.Sorted(slices.Values(v)))
}
