package wire

import (
	"bytes"
	"slices"
	"testing"

	"vpngw/ourstack/seqnum"
)

// Options of real systems' SYNs and data segments, as captured.
var optionsOfSystems = []struct {
	name string
	raw  []byte
	want Options
}{
	{
		"Linux SYN",
		[]byte{2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0, 1, 3, 3, 7},
		Options{
			HasMSS: true, MSS: 1460, SACKPermitted: true, HasTimestamps: true, TSVal: 9,
			HasWndScale: true, WndScale: 7,
		},
	},
	{
		"macOS SYN",
		[]byte{2, 4, 5, 180, 1, 3, 3, 6, 1, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0, 4, 2, 0, 0},
		Options{
			HasMSS: true, MSS: 1460, SACKPermitted: true, HasTimestamps: true, TSVal: 9,
			HasWndScale: true, WndScale: 6,
		},
	},
	{
		"Windows SYN",
		[]byte{2, 4, 5, 180, 1, 3, 3, 8, 1, 1, 4, 2},
		Options{HasMSS: true, MSS: 1460, SACKPermitted: true, HasWndScale: true, WndScale: 8},
	},
	{
		"data",
		[]byte{1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2},
		Options{HasTimestamps: true, TSVal: 1, TSEcr: 2},
	},
	{
		"SACK with timestamps",
		[]byte{1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 1, 5, 10, 0, 0, 0, 5, 0, 0, 0, 9},
		Options{
			HasTimestamps: true, TSVal: 1, TSEcr: 2, NumSACK: 1,
			SACK: [MaxSACKBlocks]SACKBlock{{5, 9}},
		},
	},
}

func TestOptionsOfSystems(t *testing.T) {
	for _, tt := range optionsOfSystems {
		var got Options
		got.parse(tt.raw)
		if got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

func TestOptionsParse(t *testing.T) {
	mss := Options{HasMSS: true, MSS: 536}
	tests := []struct {
		name string
		raw  []byte
		want Options
	}{
		{"none", nil, Options{}},
		{"NOPs", []byte{1, 1, 1, 1}, Options{}},
		{"after EOL nothing counts", []byte{0, 2, 4, 2, 24, 0, 0, 0}, Options{}},
		{"garbage after EOL", []byte{2, 4, 2, 24, 0, 99, 0, 255}, mss},
		{"not aligned", []byte{1, 2, 4, 2, 24, 1, 1, 1}, mss}, // MUST-64
		{"unknown kind", []byte{253, 4, 7, 7, 2, 4, 2, 24}, mss},
		{"unknown kind without data", []byte{254, 2, 2, 4, 2, 24, 1, 1}, mss},
		{"the last of two counts", []byte{2, 4, 1, 1, 2, 4, 2, 24}, mss},
		{"MSS zero is for TCP to judge", []byte{2, 4, 0, 0}, Options{HasMSS: true}},
		{"scale above 14 too", []byte{3, 3, 255, 0}, Options{HasWndScale: true, WndScale: 255}},
		{
			"user timeout in minutes",
			[]byte{28, 4, 0x80, 5},
			Options{HasUserTimeout: true, UserTimeout: 0x8005},
		},
		{
			"two SACK options add up",
			[]byte{5, 10, 0, 0, 0, 1, 0, 0, 0, 2, 5, 10, 0, 0, 0, 3, 0, 0, 0, 4},
			Options{NumSACK: 2, SACK: [MaxSACKBlocks]SACKBlock{{1, 2}, {3, 4}}},
		},
		{
			"timestamps at the end of twelve octets",
			[]byte{8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 1},
			Options{HasTimestamps: true, TSVal: 1, TSEcr: 2},
		},
	}
	for _, tt := range tests {
		got := Options{MSS: 99, NumSACK: 4, Malformed: true}
		got.parse(tt.raw)
		if got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// TestOptionsIllegalLength: "prepared to handle an illegal option length (e.g., zero)" RFC 9293
// §3.1 MUST-7. What comes before it counts, what comes after it does not.
func TestOptionsIllegalLength(t *testing.T) {
	tails := map[string][]byte{
		"length 0":            {8, 0, 3, 3, 7, 0},
		"length 1":            {8, 1, 3, 3, 7, 0},
		"length missing":      {8},
		"past the end":        {8, 10, 3, 3, 7, 0},
		"one past the end":    {3, 4, 7},
		"unknown past end":    {253, 255, 3, 3, 7, 0},
		"unknown length 0":    {253, 0, 3, 3, 7, 0},
		"length 255":          {2, 255, 3, 3, 7, 0},
		"unknown, no length":  {77},
		"SACK past the end":   {5, 18, 0, 0, 0, 1, 0, 0, 0, 2},
		"after NOPs length 0": {1, 1, 2, 0, 3, 3, 7, 0},
	}
	for name, tail := range tails {
		var got Options
		got.parse(append([]byte{2, 4, 2, 24}, tail...))
		if want := (Options{HasMSS: true, MSS: 536, Malformed: true}); got != want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestOptionsKnownKindOfWrongLength is skipped by its length, and the rest counts.
func TestOptionsKnownKindOfWrongLength(t *testing.T) {
	legal := map[uint8][]int{
		optMSS: {4}, optWndScale: {3}, optSACKPermit: {2}, optSACK: {10, 18, 26, 34},
		optTimestamps: {10}, optUserTimeout: {4},
	}
	for kind, lengths := range legal {
		for n := 2; n <= 37; n++ {
			raw := make([]byte, n+3)
			raw[0], raw[1] = kind, uint8(n)
			copy(raw[n:], []byte{optWndScale, 3, 5})
			var got Options
			got.parse(raw)
			isLegal := slices.Contains(lengths, n)
			if got.Malformed == isLegal {
				t.Errorf("kind %d, length %d: malformed %v", kind, n, got.Malformed)
			}
			if !got.HasWndScale || got.WndScale != 5 {
				t.Errorf("kind %d, length %d: the option after it is lost", kind, n)
			}
			if want := (Options{HasWndScale: true, WndScale: 5, Malformed: true}); !isLegal && got != want {
				t.Errorf("kind %d, length %d: %+v", kind, n, got)
			}
		}
	}
}

// allOptions calls f for every combination of options and number of SACK blocks.
func allOptions(f func(o Options)) {
	for bits := range 1 << 5 {
		for blocks := range MaxSACKBlocks + 1 {
			o := Options{NumSACK: blocks}
			if bits&1 != 0 {
				o.HasMSS, o.MSS = true, 1380
			}
			if bits&2 != 0 {
				o.HasWndScale, o.WndScale = true, 14
			}
			o.SACKPermitted = bits&4 != 0
			if bits&8 != 0 {
				o.HasTimestamps, o.TSVal, o.TSEcr = true, 0xA1B2C3D4, 0xE5F60718
			}
			if bits&16 != 0 {
				o.HasUserTimeout, o.UserTimeout = true, 0x8000|120
			}
			for i := range blocks {
				o.SACK[i] = SACKBlock{0xFFFFFF00 + 1000*seqnum.Value(i), 0xFFFFFF80 + 1000*seqnum.Value(i)}
			}
			f(o)
		}
	}
}

// TestOptionsEveryCombination writes each and reads it back; SACK blocks that do not fit are left
// out from the end, everything else is there.
func TestOptionsEveryCombination(t *testing.T) {
	allOptions(func(o Options) {
		b := bytes.Repeat([]byte{0xEE}, TCPMaxOptionsLen)
		n := o.put(b)
		if n != o.Len() || n%4 != 0 || n > TCPMaxOptionsLen {
			t.Fatalf("%+v: wrote %d, Len %d", o, n, o.Len())
		}
		if !bytes.Equal(b[n:], bytes.Repeat([]byte{0xEE}, len(b)-n)) {
			t.Fatalf("%+v: wrote past %d octets", o, n)
		}
		var got Options
		got.parse(b[:n])
		want := o
		want.NumSACK = got.NumSACK
		for i := got.NumSACK; i < MaxSACKBlocks; i++ {
			want.SACK[i] = SACKBlock{}
		}
		if got != want {
			t.Fatalf("%+v came back as %+v", o, got)
		}
		if got.NumSACK < o.NumSACK && n+8 <= TCPMaxOptionsLen && (got.NumSACK > 0 || n+12 <= TCPMaxOptionsLen) {
			t.Fatalf("%+v: only %d SACK blocks in %d octets", o, got.NumSACK, n)
		}
	})
}

// TestOptionsSACKRoom: "a SACK option that specifies n blocks will have a length of 8*n+2 bytes, so
// the 40 bytes available for TCP options can specify a maximum of 4 blocks. ... with the Timestamp
// option ... a maximum of 3" RFC 2018 §3.
func TestOptionsSACKRoom(t *testing.T) {
	for _, tt := range []struct {
		o    Options
		want int
	}{
		{Options{NumSACK: 4}, 36},
		{Options{NumSACK: 4, HasTimestamps: true}, 40},
		{Options{NumSACK: 3, HasTimestamps: true}, 40},
		{Options{NumSACK: 2, HasTimestamps: true}, 32},
		{Options{NumSACK: 9}, 36},
		{Options{NumSACK: -1}, 0},
	} {
		if got := tt.o.Len(); got != tt.want {
			t.Errorf("%+v: %d octets, want %d", tt.o, got, tt.want)
		}
		if got := tt.o.put(make([]byte, TCPMaxOptionsLen)); got != tt.want {
			t.Errorf("%+v: wrote %d octets, want %d", tt.o, got, tt.want)
		}
	}
}
