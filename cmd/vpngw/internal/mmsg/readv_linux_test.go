package mmsg

import (
	"bytes"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func TestReadv(t *testing.T) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[0])
	room := make([][]byte, ReadvMax+1)
	for i := range room {
		room[i] = make([]byte, 1+i)
	}
	if n, err := Readv(fds[0], room); n != 0 || err != unix.EAGAIN { //nolint:errorlint // as it is
		t.Errorf("empty: %d, %v", n, err)
	}
	text := []byte("0123456789ABCDEF")
	if _, err := unix.Write(fds[1], text); err != nil {
		t.Fatal(err)
	}
	if n, err := Readv(fds[0], room[:3]); n != 6 || err != nil {
		t.Errorf("full: %d, %v", n, err)
	}
	n, err := Readv(fds[0], room[3:]) // one slice more than there may be
	if got := slices.Concat(room...); n != 10 || err != nil || !bytes.Equal(got[:len(text)], text) {
		t.Errorf("the rest: %d, %v, %q", n, err, got[:len(text)])
	}
	if err := unix.Close(fds[1]); err != nil {
		t.Fatal(err)
	}
	if n, err := Readv(fds[0], room); n != 0 || err != nil {
		t.Errorf("end: %d, %v", n, err)
	}
	if a := testing.AllocsPerRun(10, func() { _, _ = Readv(fds[0], room) }); a != 0 {
		t.Errorf("%v allocations", a)
	}
}
