package cli

import (
	"errors"
	"fmt"

	"vpngw/cmd/vpngw/internal/admin"
	"vpngw/config"
)

const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2 // wrong usage or configuration
)

// usageError is an error of the person at the keyboard: exit status 2.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

// errSilent ends without another word: what there is to say has been said.
var errSilent = errors.New("")

// fail prints err for a person and returns the exit status that belongs to it.
func (a *app) fail(err error) int {
	var (
		problems config.Problems
		usage    *usageError
		refused  *admin.Error
	)
	switch {
	case errors.Is(err, errSilent) && errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &problems):
		for _, p := range problems {
			a.sayf("%s", p)
		}
		return exitUsage
	case errors.As(err, &usage):
		a.sayf("vpngw: %s", err)
		return exitUsage
	}
	a.sayf("vpngw: %s", err)
	if errors.As(err, &refused) {
		for _, p := range refused.Problems {
			a.sayf("  %s", p)
		}
	}
	return exitFailed
}

// sayf tells the person at the terminal one line.
func (a *app) sayf(format string, args ...any) {
	fmt.Fprintf(a.stderr, format+"\n", args...)
}
