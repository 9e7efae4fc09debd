package config

import (
	"errors"
	"strings"
)

// nameMax is the longest DNS label in bytes (RFC 1035 §2.3.4).
const nameMax = 63

var errName = errors.New("not a name: 1 to 63 lower-case letters, digits and hyphens, " +
	"no hyphen at either end")

// CheckName reports whether s can name a peer or a group: a DNS label in lower case, 1–63 of a–z,
// 0–9 and '-', no '-' at either end (RFC 1123 §2.1), so that it can be looked up as a host name
// and is a safe file name.
func CheckName(s string) error {
	if s == "" || len(s) > nameMax || s[0] == '-' || s[len(s)-1] == '-' {
		return errName
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return errName
		}
	}
	return nil
}

// nearestName turns s into something CheckName accepts, or returns "".
func nearestName(s string) string {
	mapped := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		case r < 0x80: // a space, a dot, an underscore: something that parts words
			return '-'
		}
		return -1
	}, s)
	mapped = strings.Trim(mapped[:min(len(mapped), nameMax)], "-")
	if CheckName(mapped) != nil {
		return ""
	}
	return mapped
}
