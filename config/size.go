package config

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// Size is an amount of memory in bytes. In a file it is a number of bytes or a string such as
// "64MiB"; the units are B, KiB, MiB and GiB.
type Size int64

var errSize = errors.New(`not a size: a number of bytes or a string like "64MiB" (B, KiB, MiB, GiB)`)

// sizeUnits is ordered so that String finds the largest unit that divides a size.
var sizeUnits = [...]struct {
	suffix string
	bytes  int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// parseSize reads a whole number with an optional unit.
func parseSize(s string) (Size, error) {
	unit := int64(1)
	digits := s
	for _, u := range sizeUnits {
		if d, ok := strings.CutSuffix(s, u.suffix); ok {
			unit, digits = u.bytes, strings.TrimRight(d, " ")
			break
		}
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || n > math.MaxInt64/uint64(unit) {
		return 0, errSize
	}
	return Size(int64(n) * unit), nil
}

// String returns the size in the largest unit that divides it.
func (s Size) String() string {
	for _, u := range sizeUnits {
		if s != 0 && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.suffix
		}
	}
	return "0B"
}
