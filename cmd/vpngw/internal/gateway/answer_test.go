package gateway

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

func discardLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestDialErrorsBecomeWhatADirectConnectionShows(t *testing.T) {
	wrap := func(errno syscall.Errno) error {
		return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", errno)}
	}
	for _, c := range []struct {
		err    error
		fate   fate
		answer answer
	}{
		{nil, fateConnected, answerNothing},
		{wrap(syscall.ECONNREFUSED), fateRefused, answerRefused},
		{wrap(syscall.ECONNRESET), fateRefused, answerRefused},
		{wrap(syscall.ENETUNREACH), fateUnreachable, answerNoNet},
		{wrap(syscall.EHOSTUNREACH), fateUnreachable, answerNoHost},
		{wrap(syscall.EHOSTDOWN), fateUnreachable, answerNoHost},
		{wrap(syscall.EINVAL), fateUnreachable, answerNoHost},
		{wrap(syscall.EACCES), fateProhibited, answerProhibited},
		{wrap(syscall.EPERM), fateProhibited, answerProhibited},
		{wrap(syscall.ETIMEDOUT), fateTimeout, answerNothing},
		{os.ErrDeadlineExceeded, fateTimeout, answerNothing},
		{wrap(syscall.EMFILE), fateLocal, answerNothing},
		{wrap(syscall.ENOBUFS), fateLocal, answerNothing},
		{wrap(syscall.EADDRNOTAVAIL), fateLocal, answerNothing},
		{errOwnAddress, fateProhibited, answerProhibited},
		{errors.New("what is this"), fateUnreachable, answerNoHost},
	} {
		fate, answer := classifyDial(t.Context(), c.err)
		if fate != c.fate || answer != c.answer {
			t.Errorf("%v: fate %d, answer %d; want %d, %d", c.err, fate, answer, c.fate, c.answer)
		}
	}
}

func TestTheContextSaysWhyADialEnded(t *testing.T) {
	for _, c := range []struct {
		cause error
		fate  fate
	}{{errDialTimeout, fateTimeout}, {errEvicted, fateEvicted}, {errPeerRemoved, fateGaveUp}, {nil, fateGaveUp}} {
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(c.cause)
		fate, answer := classifyDial(ctx, errors.New("dial tcp: operation was canceled"))
		if fate != c.fate || answer != answerNothing {
			t.Errorf("cause %v: fate %d, answer %d", c.cause, fate, answer)
		}
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), time.Nanosecond, errDialTimeout)
	defer cancel()
	<-ctx.Done()
	if fate, _ := classifyDial(ctx, ctx.Err()); fate != fateTimeout {
		t.Errorf("fate %d", fate)
	}
}

func textLog(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
