// Package cli is the vpngw command: its verbs, flags, help texts, output and exit status.
//
// It decides nothing about packets or policy. The verbs read and write through package config,
// run a gateway through package daemon, and talk to a running one through package admin.
//
//	cli.go         Main, the exit status, the root verb     environment.go  $VPNGW_… for flags
//	locate.go      which configuration, which socket        exit.go         kinds of errors
//	up.go, run.go  run a gateway                            running.go      what package daemon runs
//	up_welcome.go  what up says                             endpoint.go     what to tell clients, guessed
//	client_config.go  what clients are given                qrcode.go       terminal and PNG
//	check.go       validate                                 keys.go         genkey, pubkey, genpsk
//	peer_*.go      peers, one file a verb
//	status*.go     a running gateway, as table or JSON      health.go       container probes
//	effect.go      a change reaches the running gateway     version.go      what this binary is
//	doctor.go      what of this host limits the gateway
//
// # Output
//
// Standard output carries what was asked for and nothing else, so that it can be redirected:
// "vpngw peer add phone > phone.conf" writes a file that wg-quick takes. Everything said to the
// person at the terminal, and the log, goes to standard error.
//
// # Exit status
//
// 0 done, 1 failed, 2 wrong usage or configuration.
package cli
