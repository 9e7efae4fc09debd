package admin

import (
	"encoding/json"
	"errors"
	"net/http"
)

// socketHandler serves everything.
func (s *Server) socketHandler() http.Handler {
	mux := http.NewServeMux()
	s.addProbes(mux)
	mux.HandleFunc("GET /v1/status", s.status)
	mux.HandleFunc("POST /v1/reload", s.reload)
	return mux
}

// probeHandler serves what neither shows nor changes anything.
func (s *Server) probeHandler() http.Handler {
	mux := http.NewServeMux()
	s.addProbes(mux)
	return mux
}

func (s *Server) addProbes(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /readyz", s.readyz)
}

func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]string{"status": "ok"})
}

func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	if err := s.backend.Ready(); err != nil {
		answer(w, http.StatusServiceUnavailable, &Error{Message: err.Error()})
		return
	}
	answer(w, http.StatusOK, map[string]string{"status": "ready"})
}

func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, s.backend.Status())
}

func (s *Server) reload(w http.ResponseWriter, r *http.Request) {
	done, err := s.backend.Reload(r.Context())
	if err == nil {
		answer(w, http.StatusOK, done)
		return
	}
	refused := new(Error)
	if !errors.As(err, &refused) {
		refused = &Error{Message: err.Error()}
	}
	answer(w, http.StatusUnprocessableEntity, refused)
}

// answer writes v as indented JSON, so that it reads well in curl.
func answer(w http.ResponseWriter, code int, v any) {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		code, body = http.StatusInternalServerError, []byte(`{"error": "the answer cannot be encoded"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = w.Write(append(body, '\n')) // the client went away: nothing is left to do
}
