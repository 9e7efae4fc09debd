package admin

// privateUmask does nothing: on Windows a socket file has the access list of its directory.
func privateUmask() (restore func()) { return func() {} }
