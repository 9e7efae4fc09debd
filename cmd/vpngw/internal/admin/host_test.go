package admin

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestHostCheck(t *testing.T) {
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	tests := []struct {
		name   string
		h      http.Handler
		host   string
		origin string
		want   int
	}{
		{"address and port", tcpHost("", ok), "10.1.2.3:51821", "", 200},
		{"address alone", tcpHost("", ok), "127.0.0.1", "", 200},
		{"IPv6", tcpHost("", ok), "[::1]:51821", "", 200},
		{"IPv6 alone", tcpHost("", ok), "[::1]", "", 200},
		{"localhost", tcpHost("", ok), "localhost:51821", "", 200},
		{"configured name", tcpHost("gw.example", ok), "GW.example:51821", "", 200},
		{"rebound name", tcpHost("gw.example", ok), "evil.example:51821", "", 421},
		{"rebound name, nothing configured", tcpHost("", ok), "evil.example", "", 421},
		{"no host", tcpHost("", ok), "", "", 421},
		{"web page", tcpHost("", ok), "127.0.0.1", "https://evil.example", 403},
		{"command", socketHost(ok), socketName, "", 200},
		{"curl", socketHost(ok), "localhost", "", 200},
		{"relayed from a web page", socketHost(ok), "127.0.0.1:8080", "", 421},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Host = tt.host
			if tt.origin != "" {
				r.Header.Set("Origin", tt.origin)
			}
			w := httptest.NewRecorder()
			tt.h.ServeHTTP(w, r)
			if w.Code != tt.want {
				t.Errorf("Host %q, Origin %q: %d, want %d", tt.host, tt.origin, w.Code, tt.want)
			}
		})
	}
}
