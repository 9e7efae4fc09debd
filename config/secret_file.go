package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

var (
	errNotRegular = errors.New("is not a regular file")
	errTooLarge   = errors.New("is too large to be what it should be")
)

// secrets reads the keys that have a file of their own, and derives public keys from private ones.
func (l *loader) secrets() {
	face := l.tables["interface"]
	in := &l.cfg.Interface
	switch {
	case face.set["private_key"]:
		l.oneOfTwo(face, "private_key")
		in.PrivateKeyFile = ""
	case in.PrivateKeyFile != "" && !face.bad["private_key_file"] && face.doc.complete():
		secretFile(l, face, "private_key_file", in.PrivateKeyFile, &in.PrivateKey, ParsePrivateKey)
	}
	for i, src := range l.peers {
		p := &l.cfg.Peers[i]
		l.oneOfTwo(src, "preshared_key")
		l.oneOfTwo(src, "private_key")
		if p.PresharedKeyFile != "" && !src.set["preshared_key"] {
			secretFile(l, src, "preshared_key_file", p.PresharedKeyFile, &p.PresharedKey, ParsePresharedKey)
		}
		if p.PrivateKeyFile != "" && !src.set["private_key"] {
			secretFile(l, src, "private_key_file", p.PrivateKeyFile, &p.PrivateKey, ParsePrivateKey)
		}
		if src.absent("public_key") {
			p.PublicKey = p.PrivateKey.Public()
		}
	}
	l.exposedSecrets()
}

// oneOfTwo reports a secret that is given both inline and as a file.
func (l *loader) oneOfTwo(src *source, key string) {
	if src.set[key] && src.set[key+"_file"] && !src.bad[key+"_file"] {
		l.add(src.problem(key+"_file", "stands beside "+key, "keep one of the two"))
	}
}

// secretFile reads one key from the file that a key of the configuration names.
func secretFile[T any](l *loader, src *source, key, path string, dst *T, parse func(string) (T, error)) {
	if endsInKey(path) {
		src.bad[key] = true
		l.add(src.problem(key, "is a key itself, not the name of a file that holds it",
			"write "+strings.TrimSuffix(key, "_file")+" instead"))
		return
	}
	text, mode, err := l.host.readFile(path, secretFileMax)
	if err != nil {
		fix := ""
		if errors.Is(err, fs.ErrNotExist) {
			fix = "make one: vpngw " + generator(key) + " > " + path
		}
		src.bad[key] = true
		l.add(src.problem(key, path+" "+describe(err), fix))
		return
	}
	v, err := parse(strings.TrimSpace(text))
	if err != nil {
		src.bad[key] = true
		l.add(src.problem(key, fmt.Sprintf("%s: %v", path, err), ""))
		return
	}
	*dst = v
	if l.host.modes && mode&0o077 != 0 {
		l.add(src.warning(key, fmt.Sprintf("%s is open to other users (mode %04o)", path, mode),
			"chmod 600 "+path))
	}
}

// endsInKey reports whether a path ends in a key: one that was meant to stand in the file, and that no message
// must repeat.
func endsInKey(path string) bool {
	size := base64.StdEncoding.EncodedLen(keyLen)
	if len(path) < size {
		return false
	}
	_, err := parseKey(path[len(path)-size:])
	return err == nil
}

// generator is the verb that makes what a key's file should hold.
func generator(key string) string {
	if key == "preshared_key_file" {
		return "genpsk"
	}
	return "genkey"
}

// exposedSecrets warns of each file that holds a secret and is open to others.
func (l *loader) exposedSecrets() {
	if !l.host.modes {
		return
	}
	warned := map[*document]bool{}
	for _, src := range append([]*source{l.tables["interface"]}, l.peers...) {
		if len(src.inline) == 0 || src.doc.mode&0o077 == 0 || warned[src.doc] {
			continue
		}
		warned[src.doc] = true
		l.add(src.warning(src.inline[0],
			fmt.Sprintf("a secret in a file that is open to other users (mode %04o)", src.doc.mode),
			"chmod 600 "+src.doc.name))
	}
}

// isInlineSecret reports whether a value for a field is a secret itself, and not "$ENV".
func isInlineSecret(field, raw any) bool {
	switch field.(type) {
	case PrivateKey, PresharedKey:
		s, ok := raw.(string)
		return ok && s != "" && (s[0] != '$' || strings.HasPrefix(s, "$$"))
	}
	return false
}

// describe says what is wrong with a file, to be read after its name.
func describe(err error) string {
	var pathErr *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "does not exist"
	case errors.Is(err, fs.ErrPermission):
		return "may not be read by this user"
	case errors.Is(err, errNotRegular), errors.Is(err, errTooLarge):
		return errors.Unwrap(err).Error()
	case errors.As(err, &pathErr):
		err = pathErr.Err
	}
	return "cannot be read: " + err.Error()
}
