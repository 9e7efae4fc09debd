package daemon

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"

	"vpngw/config"
)

func TestSavedFileIsReloaded(t *testing.T) {
	p := newProcess(t)
	p.start()
	p.edit("listen_port      = 51820", "listen_port      = 51821")
	if c := <-p.gateway.reloaded; c.Interface.ListenPort != 51821 {
		t.Errorf("listen port %d", c.Interface.ListenPort)
	}
	p.finish()
}

func TestPeerFilesAreWatched(t *testing.T) {
	p := newProcess(t)
	p.start()
	p.addPeer("late")
	if c := <-p.gateway.reloaded; !hasPeer(c, "late") {
		t.Error("the added peer is missing")
	}
	if err := os.Remove(filepath.Join(p.dir, "peers.d", "late.toml")); err != nil {
		t.Fatal(err)
	}
	if c := <-p.gateway.reloaded; hasPeer(c, "late") {
		t.Error("the removed peer is still there")
	}
	p.finish()
}

// TestChangeTakenBackWhileLoading: what was loaded is not what the files say, though they are again as they were before.
func TestChangeTakenBackWhileLoading(t *testing.T) {
	p := newProcess(t)
	looks := 0
	p.opts.loadFile = func(path string) (*config.Config, error) {
		if looks++; looks != 2 {
			return config.Load(path)
		}
		p.addPeer("late")
		c, err := config.Load(path)
		return c, errors.Join(err, os.Remove(filepath.Join(p.dir, "peers.d", "late.toml")))
	}
	p.start()
	if c := <-p.gateway.reloaded; !hasPeer(c, "late") {
		t.Fatal("the added peer is missing: it was not added in time")
	}
	if c := <-p.gateway.reloaded; hasPeer(c, "late") {
		t.Error("the removed peer is still there")
	}
	p.finish()
}

func TestPeersDirMadeLaterIsWatched(t *testing.T) {
	p := newProcess(t)
	if err := os.RemoveAll(filepath.Join(p.dir, "peers.d")); err != nil {
		t.Fatal(err)
	}
	p.start()
	p.addPeer("first")
	if c := <-p.gateway.reloaded; !hasPeer(c, "first") {
		t.Error("the first peer is missing")
	}
	p.addPeer("second")
	if c := <-p.gateway.reloaded; !hasPeer(c, "second") {
		t.Error("the second peer is missing: the new directory is not watched")
	}
	p.finish()
}

func TestFingerprintSeesWhatMatters(t *testing.T) {
	p := newProcess(t)
	c, err := config.Load(p.path)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[uint64]string{fingerprint(p.path, c): "the start"}
	for _, step := range []struct {
		what string
		do   func()
		same bool
	}{
		{"a new peer", func() { p.addPeer("new") }, false},
		{"a changed key file", func() { p.write("private.key", p.read("private.key")+"\n") }, false},
		{"a changed configuration", func() { p.edit("mtu ", "mtu  ") }, false},
		{"another file beside it", func() { p.write("notes.txt", "x") }, true},
		{"a half-written peer", func() { p.write(filepath.Join("peers.d", ".x.toml.123"), "x") }, true},
	} {
		before := fingerprint(p.path, c)
		step.do()
		after := fingerprint(p.path, c)
		if (after == before) != step.same {
			t.Errorf("%s: changed %v, want %v", step.what, after != before, !step.same)
		}
		if old, ok := seen[after]; ok && !step.same {
			t.Errorf("%s has the fingerprint of %s", step.what, old)
		}
		seen[after] = step.what
	}
}

// gathering runs gather in the test's bubble and returns its ends.
func gathering(t *testing.T) (events chan fsnotify.Event, errs chan error, changed chan struct{}) {
	t.Helper()
	events, errs, changed = make(chan fsnotify.Event), make(chan error), make(chan struct{}, 1)
	stop := make(chan struct{})
	go gather(events, errs, changed, stop)
	t.Cleanup(func() { close(stop) })
	return events, errs, changed
}

func TestBurstIsOneChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events, _, changed := gathering(t)
		start := time.Now()
		for range 5 {
			events <- fsnotify.Event{}
			time.Sleep(debounceQuiet / 2)
		}
		<-changed
		if got, want := time.Since(start), 4*debounceQuiet/2+debounceQuiet; got != want {
			t.Errorf("told after %v, want %v: a pause after the last event", got, want)
		}
		synctest.Wait()
		if len(changed) != 0 {
			t.Error("told twice")
		}
	})
}

func TestEndlessEventsDoNotHideAChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events, _, changed := gathering(t)
		start := time.Now()
		for len(changed) == 0 {
			events <- fsnotify.Event{}
			time.Sleep(debounceQuiet / 2)
		}
		if got := time.Since(start); got < debounceMax || got > debounceMax+debounceQuiet {
			t.Errorf("told after %v, want about %v", got, debounceMax)
		}
	})
}

func TestLostEventsAreAReasonToLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, errs, changed := gathering(t)
		errs <- errors.New("queue overflow")
		<-changed
	})
}

func TestPollNeedsNoEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		changed, stop := make(chan struct{}, 1), make(chan struct{})
		go gather(nil, nil, changed, stop)
		defer close(stop)
		start := time.Now()
		<-changed
		if got := time.Since(start); got != pollInterval {
			t.Errorf("told after %v, want %v", got, pollInterval)
		}
	})
}

func TestClosedEventsAreNoChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events, errs, changed := gathering(t)
		close(events)
		close(errs)
		time.Sleep(pollInterval / 2)
		if len(changed) != 0 {
			t.Error("told of a change")
		}
	})
}
