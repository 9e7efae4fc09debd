package compose

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"vpngw/test/origin"
)

// gatewayMemory is the mem_limit of the gateway's service in compose.yaml, in bytes.
const gatewayMemory = 64 << 20

const (
	openFlows  = 2000 // connections that stay open
	bulkFlows  = 8    // each way
	bulkBytes  = 48 << 20
	loadWithin = 3 * time.Minute // for all of it, on a busy machine
)

// loadScript opens connections to an echo server, moves bulk both ways while they are open, and then
// has each of them echo once more. It prints what failed.
const loadScript = `set -u
[ "$(ulimit -n)" -ge 4096 ] || ulimit -n 4096 || exit 1
trip() { # file descriptor, line
	printf '%%s\n' "$2" >&"$1" && read -r -u "$1" got && [ "$got" = "$2" ] ||
		{ echo "connection $2 does not echo"; exit 1; }
}
for ((i = 0; i < %[2]d; i++)); do
	exec {fd}<>/dev/tcp/%[1]s/%[3]d || { echo "connection $i does not open"; exit 1; }
	fds[i]=$fd
	trip "$fd" "$i"
done
for ((i = 0; i < %[4]d; i++)); do
	curl -sS --fail "http://%[1]s:%[5]d/data?size=%[6]d&seed=$i" | wc -c >/tmp/down.$i &
	head -c %[6]d /dev/zero | curl -sS --fail -T - http://%[1]s:%[5]d/sum >/tmp/up.$i &
done
wait
for ((i = 0; i < %[4]d; i++)); do
	for way in down up; do
		read -r n rest </tmp/$way.$i && [ "$n" = %[6]d ] || { echo "$way $i moved ${n:-nothing}"; exit 1; }
	done
done
for ((i = 0; i < %[2]d; i++)); do trip "${fds[i]}" "$i"; done
`

// checkMemory puts the load of a busy gateway on one that has 64 MiB: the kernel must find no reason to
// kill it, because the Go runtime knows the container's limit, and so does what stands in its queues.
func checkMemory(t *testing.T, p *project, gateway, client, upstream string) {
	var status struct {
		Totals struct {
			MemoryLimit int64 `json:"memory_limit"`
		}
	}
	if err := json.Unmarshal([]byte(p.mustExec(gateway, "/vpngw", "status", "--json")), &status); err != nil {
		t.Fatal(err)
	}
	if n := status.Totals.MemoryLimit; n < gatewayMemory/2 || n >= gatewayMemory {
		t.Errorf("the Go runtime's limit is %d bytes in a container of %d", n, gatewayMemory)
	}
	before := p.inspect(gateway)
	if before.HostConfig.Memory != gatewayMemory {
		t.Fatalf("the container's limit is %d bytes", before.HostConfig.Memory)
	}
	ctx, cancel := context.WithTimeout(t.Context(), loadWithin+commandTimeout)
	defer cancel()
	began := time.Now()
	out, err := p.exec(ctx, client, "timeout", fmt.Sprint(loadWithin.Seconds()), "bash", "-c", fmt.Sprintf(loadScript, upstream, openFlows, origin.PortEcho,
		bulkFlows, origin.PortHTTP, bulkBytes))
	if err != nil {
		t.Errorf("the load: %s (%v)", strings.TrimSpace(out), err)
	}
	after := p.inspect(gateway)
	if after.State.OOMKilled || after.State.Pid != before.State.Pid || after.RestartCount != before.RestartCount {
		t.Fatalf("the gateway did not survive: %+v, before %+v", after.State, before.State)
	}
	t.Logf("%d connections, %d MiB each way in %.1f s; the gateway's memory: %s", openFlows, bulkFlows*bulkBytes>>20,
		time.Since(began).Seconds(), residentSet(after.State.Pid))
	p.waitForPing(client) // and it serves on
}

// residentSet is what the kernel says of a process's memory, at most and now.
func residentSet(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	var found []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "VmHWM:") || strings.HasPrefix(line, "VmRSS:") {
			found = append(found, strings.Join(strings.Fields(line), " "))
		}
	}
	return strings.Join(found, ", ")
}
