//go:build !linux

package wgbind

import "golang.zx2c4.com/wireguard/conn"

// New returns wireguard-go's bind for this system.
func New() conn.Bind { return conn.NewDefaultBind() }
