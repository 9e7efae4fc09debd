// Package daemon is the life of one gateway process, from its configuration file to its last log
// line: load, log, listen for commands, start the gateway, then wait for what comes: a signal, a
// change of the files, a command's wish to reload.
//
// One goroutine, the loop of Run, does all of that in turn, so there is never more than one
// reload, and none once the end has begun.
//
//	daemon.go   Run, start and stop in their order       reload.go   load, compare, apply; or refuse
//	watch.go    which files, and when they have changed  log.go      slog as [log] says
//	stop.go     signals, drain, the end
//
// # Files
//
// The directories of the configuration file, of peers.d and of the files that they name are
// watched, not the files: editors and Kubernetes replace files by renaming. Events are gathered
// until they pause, then the files' sizes and times are compared with those last loaded: what the
// gateway itself or a command has already brought about causes no second reload. Where the system
// offers no events (or not all of them, as on NFS) the comparison alone, every half minute, does.
//
// # A bad configuration
//
// At the start it ends the process; later it is refused: every problem is logged with file, line
// and key, and the gateway goes on with what it has.
package daemon
