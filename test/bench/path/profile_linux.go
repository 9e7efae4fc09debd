package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// profileVariable names the unix socket on which a gateway built with profileSource serves its
// profiles.
const profileVariable = "VPNGW_PATH_PROFILE"

// profileSource is compiled into the gateway when profiles are asked for, and only then: the
// product has no such door.
const profileSource = `package main

import (
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
)

func init() {
	if name := os.Getenv("` + profileVariable + `"); name != "" {
		l, err := net.Listen("unix", name)
		if err != nil {
			panic(err)
		}
		go http.Serve(l, nil)
	}
}
`

// profileOverlay writes what "go build -overlay" needs to add profileSource to the command.
func profileOverlay(dir string) (string, error) {
	list, err := exec.Command("go", "list", "-f", "{{.Dir}}", "vpngw/cmd/vpngw").Output()
	if err != nil {
		return "", fmt.Errorf("go list: %w", err)
	}
	source, overlay := filepath.Join(dir, "profile.go"), filepath.Join(dir, "overlay.json")
	added := filepath.Join(strings.TrimSpace(string(list)), "zz_profile.go")
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{added: source}})
	if err == nil {
		err = os.WriteFile(overlay, text, 0o600)
	}
	if err == nil {
		err = os.WriteFile(source, []byte(profileSource), 0o600)
	}
	return overlay, err
}

// profile takes a CPU profile while a row is measured, and one of the heap after it. It returns what
// is to be called at the end of the row.
func (p *path) profile(s settings, row string) (end func()) {
	if p.debug == "" {
		return func() {}
	}
	base := filepath.Join(s.profile, strings.ReplaceAll(row, "/", "-"))
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.saveProfile(fmt.Sprintf("profile?seconds=%d", max(1, int(s.length/time.Second))), base+".cpu")
	}()
	return func() {
		<-done
		p.saveProfile("heap", base+".heap")
		p.saveProfile("goroutine?debug=1", base+".goroutines")
	}
}

func (p *path) saveProfile(what, file string) {
	client := http.Client{Transport: &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", p.debug) },
	}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://gateway/debug/pprof/" + what)
	if err != nil {
		p.b.Errorf("profile: %v", err)
		return
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil {
		err = os.WriteFile(file, text, 0o644)
	}
	if err != nil {
		p.b.Errorf("profile: %v", err)
	}
}
