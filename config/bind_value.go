package config

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// value converts raw to the type of field and stores it. Relative paths start from dir.
func (b *binder) value(field reflect.Value, raw any, dir string, path bool) []valueError {
	var err error
	switch dst := field.Addr().Interface().(type) {
	case *string:
		err = bindString(dst, raw)
		if err == nil && path && *dst != "" && !filepath.IsAbs(*dst) {
			*dst = filepath.Join(dir, *dst)
		}
	case *bool:
		err = bindBool(dst, raw)
	case *int:
		err = bindInt(dst, raw)
	case *Size:
		err = bindSize(dst, raw)
	case *time.Duration:
		err = bindDuration(dst, raw)
	case *slog.Level:
		err = bindLevel(dst, raw)
	case *netip.Prefix:
		err = bindText(dst, raw, parseInterfaceAddress)
	case *PublicKey:
		err = bindText(dst, raw, ParsePublicKey)
	case *PrivateKey:
		err = bindSecret(b, dst, raw, ParsePrivateKey)
	case *PresharedKey:
		err = bindSecret(b, dst, raw, ParsePresharedKey)
	case *[]string:
		return bindList(dst, raw, func(s string) (string, error) { return s, nil })
	case *[]netip.Addr:
		return bindList(dst, raw, parseAddr)
	case *netip.Addr:
		err = bindText(dst, raw, parseOptionalAddr)
	case *[]PortRange:
		return bindList(dst, raw, parsePortRange)
	case *[]Resolver:
		return bindList(dst, raw, parseResolver)
	case *PortTimeouts:
		return bindPortTimeouts(dst, raw)
	case *[]DNSRecord, *[]DNSRoute: // the right form went to tableList
		err = wrongType(raw, "a list of tables", "write a header with two brackets, [[…]], for each")
	case *[]netip.Prefix:
		return bindList(dst, raw, parseAllowedIP)
	default:
		err = fmt.Errorf("no way to read a %T", dst) // not reached: a test binds every field
	}
	if err != nil {
		return []valueError{asValueError(err, "")}
	}
	return nil
}

// fixedError is an error that knows its remedy.
type fixedError struct{ message, fix string }

func (e *fixedError) Error() string { return e.message }

func asValueError(err error, element string) valueError {
	e := valueError{element: element, message: err.Error()}
	var f *fixedError
	if errors.As(err, &f) {
		e.fix = f.fix
	}
	return e
}

// wrongType says what raw is and what it should be.
func wrongType(raw any, want, fix string) error {
	return &fixedError{"is " + kindOf(raw) + ", wants " + want, fix}
}

func bindString(dst *string, raw any) error {
	s, ok := raw.(string)
	if !ok {
		return wrongType(raw, "a string", quoteFix(raw))
	}
	*dst = s
	return nil
}

func bindBool(dst *bool, raw any) error {
	v, ok := raw.(bool)
	if !ok {
		fix := ""
		if raw == "true" || raw == "false" {
			fix = "remove the quotes"
		}
		return wrongType(raw, "true or false", fix)
	}
	*dst = v
	return nil
}

func bindInt(dst *int, raw any) error {
	v, ok := raw.(int64)
	if !ok {
		fix := ""
		if s, isString := raw.(string); isString {
			if _, err := strconv.Atoi(s); err == nil {
				fix = "remove the quotes"
			}
		}
		return wrongType(raw, "a whole number", fix)
	}
	if v < math.MinInt32 || v > math.MaxInt32 { // int may have 32 bits; every range is smaller
		return fmt.Errorf("%d is out of range", v)
	}
	*dst = int(v)
	return nil
}

func bindSize(dst *Size, raw any) (err error) {
	switch v := raw.(type) {
	case int64:
		*dst = Size(v)
		return nil
	case string:
		var size Size
		if size, err = parseSize(v); err != nil {
			return fmt.Errorf("%q is %w", v, err)
		}
		*dst = size
		return nil
	}
	return wrongType(raw, `a number of bytes or a string like "64MiB"`, "")
}

func bindDuration(dst *time.Duration, raw any) error {
	const example = `a duration like "10s", "5m" or "1h30m"`
	s, ok := raw.(string)
	if !ok {
		fix := ""
		if n, isInt := raw.(int64); isInt {
			fix = fmt.Sprintf(`for seconds write "%ds"`, n)
		}
		return wrongType(raw, example, fix)
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("%q is not %s", s, example)
	}
	*dst = d
	return nil
}

// logLevels are the words for log.level.
var logLevels = map[string]slog.Level{
	"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
}

func bindLevel(dst *slog.Level, raw any) error {
	words := []string{"debug", "info", "warn", "error"}
	s, ok := raw.(string)
	if !ok {
		return wrongType(raw, quoteList(words), "")
	}
	level, ok := logLevels[s]
	if !ok {
		return &fixedError{fmt.Sprintf("%q is not %s", s, quoteList(words)), didYouMean(s, words)}
	}
	*dst = level
	return nil
}

// bindText converts a string that has its own syntax.
func bindText[T any](dst *T, raw any, parse func(string) (T, error)) error {
	s, ok := raw.(string)
	if !ok {
		return wrongType(raw, "a string", quoteFix(raw))
	}
	v, err := parse(s)
	if err != nil {
		return err
	}
	*dst = v
	return nil
}

// bindSecret converts a key that is inline or named by "$ENV". A leading "$$" stands for one "$".
// No message ever repeats the value.
func bindSecret[T any](b *binder, dst *T, raw any, parse func(string) (T, error)) error {
	s, ok := raw.(string)
	if !ok {
		return wrongType(raw, "a string", "")
	}
	name, isEnv := strings.CutPrefix(s, "$")
	switch {
	case !isEnv:
	case strings.HasPrefix(name, "$"):
		s = name
	default:
		value, found := b.lookupEnv(name)
		if !found || value == "" {
			return &fixedError{
				fmt.Sprintf("the environment variable %s is not set", name),
				`a value that begins with "$" names one; "$$" stands for a "$"`,
			}
		}
		v, err := parse(strings.TrimSpace(value))
		if err != nil {
			return fmt.Errorf("the environment variable %s is %w", name, err)
		}
		*dst = v
		return nil
	}
	v, err := parse(s)
	if err != nil {
		return err
	}
	*dst = v
	return nil
}

// bindList converts each element of a list by itself, so that each can be a problem by itself.
func bindList[T any](dst *[]T, raw any, parse func(string) (T, error)) (errs []valueError) {
	list, ok := raw.([]any)
	if !ok {
		fix := ""
		if s, isString := raw.(string); isString {
			fix = fmt.Sprintf("write [%q]", s)
		}
		return []valueError{asValueError(wrongType(raw, "a list of strings", fix), "")}
	}
	*dst = make([]T, 0, len(list))
	for i, element := range list {
		var v T
		if err := bindText(&v, element, parse); err != nil {
			errs = append(errs, asValueError(err, "["+strconv.Itoa(i)+"]"))
			continue
		}
		*dst = append(*dst, v)
	}
	return errs
}

// quoteFix suggests quotes around a number.
func quoteFix(raw any) string {
	if n, ok := raw.(int64); ok {
		return fmt.Sprintf(`write "%d"`, n)
	}
	return ""
}
