package config

// What a configuration may cost to read. Each limit is far beyond what is useful, and only keeps a
// wrong path (a disk image, a log) from being read as one.
const (
	configFileMax = 16 << 20 // bytes; 65,536 peers take about 13 MiB
	peerFileMax   = 64 << 10 // bytes; one peer takes about 300
	secretFileMax = 4 << 10  // bytes; a key takes 45
	nestingMax    = 32       // brackets or dotted keys deep; the schema needs 2
	syntaxMax     = 20       // syntax errors reported per file before giving up on it
	peersMax      = 1 << 16  // wireguard-go's MaxPeers

	// socketPathMax is the longest path of a unix socket in bytes: sun_path of unix(7) less its NUL.
	socketPathMax = 107
)
