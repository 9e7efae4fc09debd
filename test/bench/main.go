package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"time"
)

func main() {
	rounds := flag.Int("rounds", 3, "measurements of each row and stack")
	seconds := flag.Float64("seconds", 2, "length of one measurement")
	only := flag.String("only", "", "comma-separated parts of row names; empty: all")
	jsonFile := flag.String("json", "", "write all figures to this file as JSON")
	plotFile := flag.String("plot", "", "draw the figures that matter most into this file, as SVG")
	from := flag.String("from", "", "take the figures from this file, which -json wrote, instead of measuring")
	child := flag.String("child", "", "measure one STACK:ROW in this process (used by the program itself)")
	peers := flag.Bool("peers", false, "play the peers that standard input names (used by the program itself)")
	profile := flag.String("cpuprofile", "", "with -child: write a CPU profile of all of it to this file")
	mutexes := flag.String("mutexprofile", "", "with -child: write a profile of contended locks to this file")
	flag.Parse()
	if *peers {
		exitOn(runPeers(os.Stdin, os.Stdout))
		return
	}
	if *child != "" {
		if *profile != "" {
			defer startProfile(*profile)()
		}
		if *mutexes != "" {
			runtime.SetMutexProfileFraction(1)
			defer writeMutexProfile(*mutexes)
		}
		runChild(*child, time.Duration(*seconds*float64(time.Second)))
		return
	}
	results, err := readJSON(*from)
	if *from == "" {
		results, err = runAll(*rounds, *seconds, strings.Split(*only, ","), *jsonFile)
	}
	if err == nil {
		printTable(os.Stdout, results)
	}
	if err == nil && *plotFile != "" {
		err = writePlot(*plotFile, results)
	}
	exitOn(err)
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// startProfile writes a CPU profile until stop is called.
func startProfile(file string) (stop func()) {
	f, err := os.Create(file)
	if err == nil {
		err = pprof.StartCPUProfile(f)
	}
	exitOn(err)
	return func() { pprof.StopCPUProfile(); _ = f.Close() }
}

// writeMutexProfile writes how long goroutines have waited for which locks.
func writeMutexProfile(file string) {
	f, err := os.Create(file)
	if err == nil {
		err = errors.Join(pprof.Lookup("mutex").WriteTo(f, 0), f.Close())
	}
	exitOn(err)
}

// runChild measures in this process and prints the figures as JSON.
func runChild(what string, d time.Duration) {
	stack, name, _ := strings.Cut(what, ":")
	for _, r := range rows {
		if r.name != name {
			continue
		}
		f, err := r.measure(stacks[stack], d)
		if err == nil {
			err = json.NewEncoder(os.Stdout).Encode(f)
		}
		exitOn(err)
		return
	}
	fmt.Fprintln(os.Stderr, "no such row:", name)
	os.Exit(2)
}

// runAll measures every row with each stack in turn, round after round, and writes what it has to
// jsonFile, if that is not empty, after each row.
func runAll(rounds int, seconds float64, only []string, jsonFile string) ([]result, error) {
	var out []result
	for _, r := range rows {
		if !wanted(r.name, only) {
			continue
		}
		res := result{Row: r.name, Figures: map[string][]figures{}}
		for range rounds {
			for _, s := range r.stacks {
				f, err := measureInChild(s, r.name, seconds)
				if err != nil {
					fmt.Fprintf(os.Stderr, "%s with %s: %v\n", r.name, s, err)
					f = figures{} // the rest counts without it
				}
				res.Figures[s] = append(res.Figures[s], f)
			}
		}
		fmt.Fprintf(os.Stderr, "%s done\n", r.name)
		out = append(out, res)
		if jsonFile != "" {
			if err := writeJSON(jsonFile, out); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

func wanted(name string, only []string) bool {
	for _, o := range only {
		if strings.Contains(name, o) {
			return true
		}
	}
	return false
}

// childTime is how long a measurement may take besides ten times its length.
const childTime = 60 * time.Second

func measureInChild(stack, row string, seconds float64) (figures, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), childTime+time.Duration(10*seconds*float64(time.Second)))
	defer cancel()
	cmd := exec.CommandContext(ctx, self, "-child", stack+":"+row, "-seconds", strconv.FormatFloat(seconds, 'g', -1, 64))
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	var f figures
	return f, json.Unmarshal(text, &f)
}
