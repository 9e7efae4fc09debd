package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/spf13/cobra"

	"vpngw/cmd/vpngw/internal/admin"
	"vpngw/config"
)

const (
	configName   = "vpngw.toml"
	stateDefault = "vpngw-state"
	systemConfig = "/etc/vpngw/vpngw.toml"
)

// configPath returns the configuration that the command line means.
func (a *app) configPath(cmd *cobra.Command) (string, error) {
	if cmd.Flags().Changed("config") {
		return a.configFlag, nil
	}
	if cmd.Flags().Changed("state") {
		return filepath.Join(a.stateFlag, configName), nil
	}
	if a.configFlag != "" { // $VPNGW_CONFIG
		return a.configFlag, nil
	}
	candidates := []string{configName, filepath.Join(a.stateDir(), configName), systemConfig}
	var forbidden []string
	for _, path := range candidates {
		_, err := os.Stat(path)
		switch {
		case err == nil:
			return path, nil
		case errors.Is(err, fs.ErrPermission):
			forbidden = append(forbidden, path)
		case !errors.Is(err, fs.ErrNotExist):
			return "", err
		}
	}
	if len(forbidden) > 0 {
		return "", usagef("no configuration found that this user may read (not allowed to look at %s): "+
			"run this command as the gateway's user, or name a configuration with -c", strings.Join(forbidden, ", "))
	}
	return "", usagef("%w (looked for %s): name one with -c, or make one with \"%s up\"",
		errNoConfig, strings.Join(candidates, ", "), a.program)
}

// errNoConfig says that there is no configuration at any of the usual places, and none was named.
var errNoConfig = errors.New("no configuration found")

// stateDir returns the state directory of "vpngw up".
func (a *app) stateDir() string {
	if a.stateFlag != "" {
		return a.stateFlag
	}
	return stateDefault
}

// client returns a client of the gateway that the command line means. The configuration is not
// loaded for it, only its admin.socket looked up: a status or a probe must work while a file is
// being edited, and needs no right to read keys.
func (a *app) client(cmd *cobra.Command) (*admin.Client, error) {
	if a.socketFlag != "" {
		return admin.NewClient(a.socketFlag), nil
	}
	path, err := a.configPath(cmd)
	if err != nil {
		return nil, err
	}
	socket, err := socketOf(path)
	if err != nil {
		return nil, err
	}
	return admin.NewClient(socket), nil
}

// socketOf returns the admin.socket of the configuration at path, or the default if the file says
// nothing of it or cannot be understood just now.
func socketOf(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", usagef("cannot read the configuration: %w", err)
	}
	file := struct {
		Admin struct{ Socket string }
	}{}
	file.Admin.Socket = config.Default().Admin.Socket
	if _, err := toml.Decode(string(text), &file); err != nil {
		file.Admin.Socket = config.Default().Admin.Socket
	}
	if file.Admin.Socket == "" {
		return "", noSocket(path)
	}
	if filepath.IsAbs(file.Admin.Socket) {
		return file.Admin.Socket, nil
	}
	return filepath.Join(filepath.Dir(path), file.Admin.Socket), nil
}

func noSocket(path string) error {
	return fmt.Errorf("admin.socket is empty in %s: a gateway run from it cannot be asked anything", path)
}
