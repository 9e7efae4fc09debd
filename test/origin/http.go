package origin

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
)

// newMux serves what needs no Server.
func newMux() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /data", serveData)
	mux.HandleFunc("PUT /sum", serveSum)
	mux.HandleFunc("POST /sum", serveSum)
	mux.HandleFunc("GET /small/{x}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "small %s\n", r.PathValue("x"))
	})
	return mux
}

// handler serves PortHTTP and PortTLS.
func (s *Server) handler() http.Handler {
	mux := newMux()
	mux.HandleFunc("GET /reset", serveReset)
	mux.HandleFunc("GET /cert.pem", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(s.certPEM)
	})
	mux.HandleFunc("GET /report", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, s.Reports())
	})
	return mux
}

func serveData(w http.ResponseWriter, r *http.Request) {
	size, err1 := strconv.ParseUint(r.FormValue("size"), 10, 40)
	seed, err2 := strconv.ParseUint(r.FormValue("seed"), 10, 64)
	if err1 != nil || err2 != nil {
		http.Error(w, "size and seed are numbers", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Length", strconv.FormatUint(size, 10))
	_, _ = io.CopyBuffer(w, Content(seed, size), make([]byte, 64<<10))
}

func serveSum(w http.ResponseWriter, r *http.Request) {
	d, err := DigestOf(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	fmt.Fprintln(w, d)
}

// serveReset promises 1000 bytes, sends 500 and resets the connection.
func serveReset(w http.ResponseWriter, _ *http.Request) {
	conn, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	fmt.Fprintf(buffered, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n%500d", 0)
	_ = buffered.Flush()
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
}
