// Package test holds the tests that concern the whole repository rather than one package.
//
// The files repo_*_test.go are the repository's rules, checked over the source tree by plain
// go test: who may import whom, where there is no clock, goroutine or lock, how large files and
// functions may grow, what must have a comment. A rule is a function from a source tree to
// problems, and each carries bad samples that it must report and good ones that it must not, so a
// rule that can never fail is itself a failure.
//
//	repo_test.go          what a rule is; the list; both tests
//	repo_tree_test.go     the source tree, read from disk or from a sample
//	repo_imports_test.go  the import policy of the layers, and what the command links
//	repo_core_test.go     time, randomness, goroutines and channels in ourstack
//	repo_size_test.go     lengths of files and functions
//	repo_docs_test.go     doc.go and comments on exported names
//	repo_files_test.go    file names, gofmt, words and paths that do not belong in the tree
//	repo_skip_test.go     tests that skip
package test
