// Package rarely keeps what clients can cause at will from filling the log.
//
// A Limit is safe for concurrent use and takes no lock.
package rarely
