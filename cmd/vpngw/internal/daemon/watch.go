package daemon

import (
	"fmt"
	"hash"
	"hash/fnv"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"

	"vpngw/config"
)

// watcher says when the files of a configuration may have changed.
type watcher struct {
	// changed receives when files changed, or might have. Nothing is lost: after it, ask differs.
	changed <-chan struct{}

	log    *slog.Logger
	notify *fsnotify.Watcher // nil if the system gives none: then the poll alone
	stop   chan struct{}
	loaded uint64          // fingerprint of what was loaded last
	dirs   map[string]bool // the directories that are watched
}

// unknown stands for the fingerprint of what nobody knows to be in the files: they differ from it.
const unknown = 0

// newWatcher returns a watcher of nothing; follow tells it what to watch. Its first message is
// there already: the files may have changed between their loading and the beginning of the watch.
func newWatcher(log *slog.Logger) *watcher {
	changed := make(chan struct{}, 1)
	changed <- struct{}{}
	w := &watcher{changed: changed, log: log, stop: make(chan struct{}), dirs: make(map[string]bool)}
	var events <-chan fsnotify.Event
	var errs <-chan error
	notify, err := fsnotify.NewWatcher()
	if err == nil {
		w.notify, events, errs = notify, notify.Events, notify.Errors
	} else {
		log.Warn("the system gives no file events; changes are noticed with a delay",
			"err", err, "interval", pollInterval.String())
	}
	go gather(events, errs, changed, w.stop)
	return w
}

func (w *watcher) close() {
	close(w.stop)
	if w.notify != nil {
		_ = w.notify.Close()
	}
}

// follow makes the watcher watch the directories that cfg came from, and compare against loaded, a
// fingerprint taken before cfg was loaded, or unknown if the files changed meanwhile: a change during loading is
// then seen as one after it.
func (w *watcher) follow(cfg *config.Config, loaded uint64) {
	w.loaded = loaded
	if w.notify == nil {
		return
	}
	want := make(map[string]bool)
	for _, path := range sourceFiles(cfg.Path, cfg) {
		want[filepath.Dir(path)] = true
		if target, err := filepath.EvalSymlinks(path); err == nil {
			want[filepath.Dir(target)] = true
		}
	}
	want[cfg.Interface.PeersDir] = true
	for dir := range w.dirs {
		if !want[dir] {
			_ = w.notify.Remove(dir) // it may be gone
			delete(w.dirs, dir)
		}
	}
	for dir := range want {
		// Again even if it is watched: a directory that was removed and made anew is another one.
		if err := w.notify.Add(dir); err == nil {
			w.dirs[dir] = true
		} else if !os.IsNotExist(err) {
			w.log.Warn("changes in this directory are noticed with a delay", "dir", dir, "err", err)
		}
	}
}

// differs reports whether the files are others than those loaded last.
func (w *watcher) differs(cfg *config.Config) bool {
	return fingerprint(cfg.Path, cfg) != w.loaded
}

// gather turns bursts of events, and the ticks of the poll, into one message each.
func gather(events <-chan fsnotify.Event, errs <-chan error, changed chan<- struct{}, stop <-chan struct{}) {
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	quiet := time.NewTimer(debounceQuiet)
	quiet.Stop()
	var first time.Time // of the burst under way; zero between bursts
	tell := func() {
		first = time.Time{}
		select {
		case changed <- struct{}{}:
		default: // one is waiting already
		}
	}
	for {
		select {
		case <-stop:
			return
		case <-poll.C:
			tell()
		case <-quiet.C:
			tell()
		case _, ok := <-events:
			if !ok {
				events = nil
				continue
			}
			if first.IsZero() {
				first = time.Now()
			}
			quiet.Reset(max(0, min(debounceQuiet, debounceMax-time.Since(first))))
		case _, ok := <-errs: // events were lost: look
			if !ok {
				errs = nil
				continue
			}
			quiet.Reset(debounceQuiet)
		}
	}
}

// sourceFiles returns the files that cfg was made from, but for those of peers_dir.
func sourceFiles(path string, cfg *config.Config) []string {
	files := []string{path, cfg.Interface.PrivateKeyFile}
	for i := range cfg.Peers {
		files = append(files, cfg.Peers[i].PresharedKeyFile, cfg.Peers[i].PrivateKeyFile)
	}
	slices.Sort(files)
	files = slices.Compact(files)
	return slices.DeleteFunc(files, func(f string) bool { return f == "" })
}

// fingerprint is a hash over names, sizes and times of the files that the configuration at path is
// made of; cfg, the one in use, says which. No content is read.
func fingerprint(path string, cfg *config.Config) uint64 {
	h := fnv.New64a()
	for _, f := range sourceFiles(path, cfg) {
		stamp(h, f)
	}
	entries, _ := os.ReadDir(cfg.Interface.PeersDir) // missing is a state like any other
	for _, e := range entries {
		if filepath.Ext(e.Name()) == ".toml" {
			stamp(h, filepath.Join(cfg.Interface.PeersDir, e.Name()))
		}
	}
	return h.Sum64()
}

// moment is a fingerprint that also differs when files came and went again: it has the times of their directories.
func moment(path string, cfg *config.Config) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d", fingerprint(path, cfg))
	for _, f := range sourceFiles(path, cfg) {
		stamp(h, filepath.Dir(f))
	}
	stamp(h, cfg.Interface.PeersDir)
	return h.Sum64()
}

// stamp adds one file to a fingerprint. Symbolic links are followed, so that the swap of a link to
// a directory is seen.
func stamp(h hash.Hash64, path string) {
	info, err := os.Stat(path)
	if err != nil {
		fmt.Fprintf(h, "%s\x00missing\x00", path)
		return
	}
	fmt.Fprintf(h, "%s\x00%d\x00%d\x00", path, info.Size(), info.ModTime().UnixNano())
}
