package stacktest

import (
	"fmt"
	"strings"

	"vpngw/ourstack/seqnum"
	"vpngw/ourstack/wire"
)

// parseOptions parses the text after "<".
func parseOptions(o *wire.Options, text string) error {
	text, closed := strings.CutSuffix(strings.TrimSpace(text), ">")
	if !closed {
		return fmt.Errorf("options without \">\" at the end")
	}
	if strings.TrimSpace(text) == "" {
		return nil
	}
	for item := range strings.SplitSeq(text, ",") {
		if err := parseOption(o, strings.Fields(item)); err != nil {
			return fmt.Errorf("option %q: %w", strings.TrimSpace(item), err)
		}
	}
	if n := o.NumSACK; n > 0 && o.Len()-withoutSACK(*o) != 4+8*n {
		return fmt.Errorf("%d SACK blocks do not fit beside the other options", n)
	}
	return nil
}

func withoutSACK(o wire.Options) int {
	o.NumSACK = 0
	return o.Len()
}

// parseOption parses one option, split into words.
func parseOption(o *wire.Options, words []string) error {
	if len(words) == 0 {
		return fmt.Errorf("empty")
	}
	name, args := words[0], words[1:]
	switch name {
	case "nop", "eol":
		return wantWords(args, 0)
	case "malformed":
		o.Malformed = true
		return wantWords(args, 0)
	case "sackOK":
		o.SACKPermitted = true
		return wantWords(args, 0)
	case "mss":
		o.HasMSS = true
		return parseUint16(&o.MSS, args)
	case "wscale":
		return parseWndScale(o, args)
	case "TS":
		return parseTimestamps(o, args)
	case "uto":
		return parseUserTimeout(o, args)
	case "sack":
		return parseSACK(o, args)
	}
	return fmt.Errorf("unknown")
}

func wantWords(args []string, n int) error {
	if len(args) != n {
		return fmt.Errorf("%d words after the name, not %d", len(args), n)
	}
	return nil
}

func parseUint16(v *uint16, args []string) error {
	if err := wantWords(args, 1); err != nil {
		return err
	}
	n, err := number(args[0], 16)
	*v = uint16(n)
	return err
}

func parseWndScale(o *wire.Options, args []string) error {
	if err := wantWords(args, 1); err != nil {
		return err
	}
	n, err := number(args[0], 8)
	o.HasWndScale, o.WndScale = true, uint8(n)
	return err
}

func parseTimestamps(o *wire.Options, args []string) error {
	if len(args) != 4 || args[0] != "val" || args[2] != "ecr" {
		return fmt.Errorf("not TS val N ecr N")
	}
	val, err := number(args[1], 32)
	if err != nil {
		return err
	}
	ecr, err := number(args[3], 32)
	o.HasTimestamps, o.TSVal, o.TSEcr = true, uint32(val), uint32(ecr)
	return err
}

// parseUserTimeout parses a count of seconds, "30s", or minutes, "5m" (RFC 5482 §2).
func parseUserTimeout(o *wire.Options, args []string) error {
	if err := wantWords(args, 1); err != nil {
		return err
	}
	count, isMinutes := strings.CutSuffix(args[0], "m")
	if !isMinutes {
		count = strings.TrimSuffix(count, "s")
	}
	n, err := number(count, 15)
	o.HasUserTimeout, o.UserTimeout = true, uint16(n)
	if isMinutes {
		o.UserTimeout |= 0x8000
	}
	return err
}

func parseSACK(o *wire.Options, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("no block")
	}
	for _, block := range args {
		if o.NumSACK == wire.MaxSACKBlocks {
			return fmt.Errorf("more than %d blocks", wire.MaxSACKBlocks)
		}
		first, next, _ := strings.Cut(block, ":")
		left, err := number(first, 32)
		if err != nil {
			return err
		}
		right, err := number(next, 32)
		if err != nil {
			return err
		}
		o.SACK[o.NumSACK] = wire.SACKBlock{Left: seqnum.Value(left), Right: seqnum.Value(right)}
		o.NumSACK++
	}
	return nil
}
