package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/mdp/qrterminal/v3"
	"rsc.io/qr"
)

const (
	// qrLevel is the least redundancy: a screen has no dirt on it, and smaller codes scan better.
	qrLevel = qr.L

	// qrQuiet is the white frame in modules. ISO/IEC 18004 wants four; cameras are content with
	// two, and those eight columns often decide whether the code fits a terminal.
	qrQuiet = 2

	// ansiOn makes light blocks white and the rest black whatever colours the terminal has: many
	// scanners do not read an inverted code.
	ansiOn  = "\x1b[38;5;231;48;5;16m"
	ansiOff = "\x1b[0m"
)

// qrText strips a client configuration of what is for people only: the smaller the code, the
// better it scans.
func qrText(config string) string {
	var b strings.Builder
	for line := range strings.Lines(config) {
		if t := strings.TrimSpace(line); t != "" && !strings.HasPrefix(t, "#") {
			b.WriteString(t + "\n")
		}
	}
	return b.String()
}

func encodeQR(config string) (*qr.Code, error) {
	code, err := qr.Encode(qrText(config), qrLevel)
	if err != nil {
		return nil, errors.New("the client configuration is too long for a QR code: give the peer fewer addresses or routes")
	}
	return code, nil
}

// printQR draws the code of a client configuration on standard output. Into a file or a pipe each
// line begins with "#", so that what is written stays a configuration that wg-quick takes.
func (a *app) printQR(config string) error {
	if _, err := encodeQR(config); err != nil {
		return err // the library would panic
	}
	var b bytes.Buffer
	qrterminal.GenerateWithConfig(qrText(config), qrterminal.Config{
		Level: qrLevel, Writer: &b, HalfBlocks: true, QuietZone: qrQuiet,
	})
	before, after := "# ", ""
	if a.terminal {
		before, after = ansiOn, ansiOff
	}
	for line := range strings.Lines(b.String()) {
		line = strings.TrimSuffix(line, "\n")
		if _, err := fmt.Fprintln(a.stdout, before+line+after); err != nil {
			return err
		}
	}
	return nil
}

// writePNG writes the code of a client configuration into a file of mode 0600: it holds a private
// key. A file that exists is replaced as a whole.
func writePNG(path, config string) error {
	code, err := encodeQR(config)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // 0600
	if err != nil {
		return fmt.Errorf("cannot write the QR code: %w", err)
	}
	_, err = f.Write(code.PNG())
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("cannot write the QR code: %w", err)
	}
	return nil
}
