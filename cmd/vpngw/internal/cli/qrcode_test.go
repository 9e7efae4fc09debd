package cli

import (
	"bytes"
	"image/color"
	"image/png"
	"os"
	"strings"
	"testing"

	"rsc.io/qr"
)

const sampleConfig = "# vpngw peer phone\n[Interface]\nPrivateKey = " + phoneKey + "\n\n[Peer]\nEndpoint = a:1\n"

// modules reads the code back from half-block characters: true is black. The quiet zone is taken
// off, and must be white.
func modules(t *testing.T, drawn string, size int) [][]bool {
	t.Helper()
	halves := map[rune][2]bool{'█': {false, false}, ' ': {true, true}, '▀': {false, true}, '▄': {true, false}}
	var rows [][]bool
	for line := range strings.Lines(drawn) {
		upper, lower := []bool{}, []bool{}
		for _, r := range strings.TrimSuffix(line, "\n") {
			h, ok := halves[r]
			if !ok {
				t.Fatalf("unexpected character %q", r)
			}
			upper, lower = append(upper, h[0]), append(lower, h[1])
		}
		rows = append(rows, upper, lower)
	}
	if len(rows) < size+2*qrQuiet {
		t.Fatalf("%d rows for a code of %d", len(rows), size)
	}
	code := make([][]bool, size)
	for y, row := range rows {
		if len(row) != size+2*qrQuiet {
			t.Fatalf("row %d has %d columns, want %d", y, len(row), size+2*qrQuiet)
		}
		for x, black := range row {
			inside := x >= qrQuiet && x < size+qrQuiet && y >= qrQuiet && y < size+qrQuiet
			if black && !inside && y < size+2*qrQuiet {
				t.Fatalf("the quiet zone is black at %d,%d", x, y)
			}
		}
		if y >= qrQuiet && y < size+qrQuiet {
			code[y-qrQuiet] = row[qrQuiet : size+qrQuiet]
		}
	}
	return code
}

// wantCode compares a code that was read back with the one that the text encodes to.
func wantCode(t *testing.T, text string, black func(x, y int) bool) {
	t.Helper()
	code, err := qr.Encode(text, qrLevel)
	if err != nil {
		t.Fatal(err)
	}
	for y := range code.Size {
		for x := range code.Size {
			if black(x, y) != code.Black(x, y) {
				t.Fatalf("module %d,%d is wrong", x, y)
			}
		}
	}
}

func TestQRTextHasNoComments(t *testing.T) {
	want := "[Interface]\nPrivateKey = " + phoneKey + "\n[Peer]\nEndpoint = a:1\n"
	if got := qrText(sampleConfig); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestTerminalCodeReadsBack(t *testing.T) {
	b := newBench(t)
	code, err := encodeQR(sampleConfig)
	if err != nil {
		t.Fatal(err)
	}
	for _, terminal := range []bool{false, true} {
		var stdout syncBuffer
		a := b.app(&stdout, new(syncBuffer))
		a.terminal = terminal
		if err := a.printQR(sampleConfig); err != nil {
			t.Fatal(err)
		}
		drawn := strings.NewReplacer("# ", "", ansiOn, "", ansiOff, "").Replace("\n" + stdout.String())
		if !terminal {
			drawn = strings.ReplaceAll("\n"+stdout.String(), "\n# ", "\n")
		}
		rows := modules(t, strings.TrimPrefix(drawn, "\n"), code.Size)
		wantCode(t, qrText(sampleConfig), func(x, y int) bool { return rows[y][x] })
	}
}

func TestRedirectedCodeIsAComment(t *testing.T) {
	b := newBench(t)
	b.fixture()
	plain := b.ok("peer", "show", "phone")
	got := b.ok("peer", "show", "phone", "--qr")
	code, ok := strings.CutPrefix(got, plain)
	if !ok || code == "" {
		t.Fatalf("the configuration does not come first:\n%s", got)
	}
	for line := range strings.Lines(code) {
		if !strings.HasPrefix(line, "# ") {
			t.Fatalf("wg-quick would stumble over %q", line)
		}
	}
}

func TestTooLongConfigurationIsAnError(t *testing.T) {
	b := newBench(t)
	a := b.app(new(syncBuffer), new(syncBuffer))
	if err := a.printQR(strings.Repeat("x", 4000)); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("%v", err)
	}
}

func TestPNGReadsBackAndIsPrivate(t *testing.T) {
	b := newBench(t)
	b.fixture()
	b.write("phone.png", "an older, public one")
	if err := os.Chmod("phone.png", 0o644); err != nil {
		t.Fatal(err)
	}
	config := b.ok("peer", "show", "phone", "--png", "phone.png", "--dns", "none")
	info, err := os.Stat("phone.png")
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	img, err := png.Decode(bytes.NewReader([]byte(b.read("phone.png"))))
	if err != nil {
		t.Fatal(err)
	}
	const scale, quiet = 8, 4 // of rsc.io/qr
	wantCode(t, qrText(config), func(x, y int) bool {
		g := color.GrayModel.Convert(img.At((x+quiet)*scale+scale/2, (y+quiet)*scale+scale/2)).(color.Gray)
		return g.Y < 128
	})
}

func TestPNGThatCannotBeWrittenIsAnError(t *testing.T) {
	b := newBench(t)
	b.fixture()
	b.refused(exitFailed, []string{"cannot write the QR code"}, "peer", "show", "phone", "--png", "missing/phone.png")
}

func TestPhonesGetResolversInTheCodeAlone(t *testing.T) {
	b := newBench(t)
	b.fixture()
	text := b.ok("peer", "show", "phone", "--png", "phone.png")
	const comment = "# DNS = 10.8.0.1, vpn.internal # this gateway; wg-quick needs resolvconf for it\n"
	if strings.Contains(text, "\nDNS") || !strings.Contains(text, comment) {
		t.Errorf("wg-quick without resolvconf would fail, or nothing is said:\n%s", text)
	}
	with := strings.Replace(text, comment, "DNS = 10.8.0.1, vpn.internal\n", 1)
	img, err := png.Decode(bytes.NewReader([]byte(b.read("phone.png"))))
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, qrText(with), func(x, y int) bool {
		return color.GrayModel.Convert(img.At((x+4)*8, (y+4)*8)).(color.Gray).Y < 128
	})
}
