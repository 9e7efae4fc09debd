package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Load reads the configuration file at path, the files of its peers_dir and the secrets they name,
// and checks all of it. On failure the error is [Problems] and names everything that is wrong, not
// just the first; the Config is then nil. What is merely doubtful stands in Config.Warnings.
//
// Load blocks on the file system. In peers_dir it reads the files *.toml in the order of their
// names, through symbolic links as Kubernetes makes them for a ConfigMap, and ignores names that
// begin with a dot.
func Load(path string) (*Config, error) { return load(path, osHost()) }

// Validate checks a Config that did not come from Load. The error is [Problems], without files and
// lines; nil if there is nothing worse than a warning.
func (c *Config) Validate() error {
	ps := check(c, nil, nil)
	if !ps.HasErrors() {
		return nil
	}
	return ps.sorted(nil)
}

// host is what loading needs of the machine: files and the environment.
type host struct {
	// readFile returns the content and the permissions of a file of at most limit bytes.
	readFile func(path string, limit int64) (string, fs.FileMode, error)
	readDir  func(path string) ([]fs.DirEntry, error)
	// isFile reports whether the path leads to something other than a directory.
	isFile    func(path string) (bool, error)
	lookupEnv func(string) (string, bool)
	// modes is whether permissions mean anything.
	modes bool
}

func osHost() *host {
	return &host{
		readFile: readFileLimited,
		readDir:  os.ReadDir,
		isFile: func(path string) (bool, error) {
			info, err := os.Stat(path)
			return err == nil && !info.IsDir(), err
		},
		lookupEnv: os.LookupEnv,
		modes:     runtime.GOOS != "windows",
	}
}

// loader carries one Load from file to file.
type loader struct {
	host   *host
	cfg    *Config
	tables map[string]*source
	peers  []*source // of cfg.Peers, same order
	files  []string  // in the order they were read
	binder
}

func load(path string, h *host) (*Config, error) {
	l := &loader{host: h, cfg: Default(), binder: binder{lookupEnv: h.lookupEnv}}
	l.cfg.Path = path
	if doc := l.document(path, configFileMax); doc != nil {
		l.tables, l.peers = l.root(doc, l.cfg)
		l.defaultPaths(doc.dir)
		l.peersDir()
		l.secrets()
		l.problems = append(l.problems, check(l.cfg, l.tables, l.peers)...)
	}
	ps := l.problems.sorted(l.files)
	if ps.HasErrors() {
		return nil, ps
	}
	l.cfg.Warnings = ps
	return l.cfg, nil
}

// document reads one TOML file. It returns nil if nothing of it can be used.
func (l *loader) document(name string, limit int64) *document {
	l.files = append(l.files, name)
	text, mode, err := l.host.readFile(name, limit)
	if err != nil {
		l.add(Problem{File: name, Message: describe(err)})
		return nil
	}
	doc, problems := parseDocument(name, text, mode)
	l.problems = append(l.problems, problems...)
	if doc.root == nil {
		return nil
	}
	return doc
}

// defaultPaths makes the default paths start where those in the file do.
func (l *loader) defaultPaths(dir string) {
	for key, p := range map[string]*string{
		"interface.private_key_file": &l.cfg.Interface.PrivateKeyFile,
		"interface.peers_dir":        &l.cfg.Interface.PeersDir,
		"admin.socket":               &l.cfg.Admin.Socket,
	} {
		table, name, _ := strings.Cut(key, ".")
		if !l.tables[table].set[name] {
			*p = filepath.Join(dir, *p)
		}
	}
}

// peersDir reads the peers that have a file of their own.
func (l *loader) peersDir() {
	dir := l.cfg.Interface.PeersDir
	if dir == "" {
		return
	}
	entries, err := l.host.readDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return // the first peer's file will make it
	}
	if err != nil {
		l.add(l.tables["interface"].problem("peers_dir", describe(err), ""))
		return
	}
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		if strings.HasPrefix(e.Name(), ".") || filepath.Ext(e.Name()) != peerFileSuffix || e.IsDir() {
			continue
		}
		isFile, err := l.host.isFile(name) // follows links: a ConfigMap's files are links to links
		if errors.Is(err, fs.ErrNotExist) && e.Type()&fs.ModeSymlink == 0 {
			continue // removed since the directory was read
		}
		if err != nil {
			l.files = append(l.files, name)
			l.add(Problem{File: name, Message: describe(err)})
			continue
		}
		if isFile {
			l.peerFile(name)
		}
	}
}

// peerFile reads one peer, which is named after its file unless it says otherwise.
func (l *loader) peerFile(name string) {
	doc := l.document(name, peerFileMax)
	if doc == nil {
		return
	}
	src := newSource(doc, "", "")
	if list, ok := doc.root["peer"]; ok {
		l.add(src.problem("peer", "is "+kindOf(list)+" in a file of peers_dir",
			"such a file is one peer: write its keys without [[peer]]"))
		return
	}
	p := l.peer(src, doc.root)
	if src.absent("name") {
		p.Name = strings.TrimSuffix(filepath.Base(name), peerFileSuffix)
	}
	l.cfg.Peers = append(l.cfg.Peers, p)
	l.peers = append(l.peers, src)
}

// readFileLimited reads a regular file: what is not one (a pipe, a device) could block or never end.
func readFileLimited(path string, limit int64) (string, fs.FileMode, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", 0, err
	}
	if !info.Mode().IsRegular() {
		return "", 0, &fs.PathError{Op: "read", Path: path, Err: errNotRegular}
	}
	if info.Size() > limit {
		return "", 0, &fs.PathError{Op: "read", Path: path, Err: errTooLarge}
	}
	b, err := os.ReadFile(path)
	return string(b), info.Mode().Perm(), err
}
