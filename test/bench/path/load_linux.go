package main

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"vpngw/test/lab"
)

// slack is how much longer than asked for a load program may take before it is killed.
const slack = 20 * time.Second

const (
	udpRate    = "200M"
	udpPayload = "1372" // a full packet
	httpConns  = "64"
)

// iperfReport is what we read of the JSON of iperf3.
type iperfReport struct {
	Error string
	End   struct {
		Received iperfSum `json:"sum_received"` // TCP
		Sum      iperfSum // UDP
	}
}

type iperfSum struct {
	Bytes  float64
	Rate   float64 `json:"bits_per_second"`
	Lost   float64 `json:"lost_percent"`
	Length float64 `json:"seconds"`
}

// iperf runs the client of iperf3 and returns its report and the CPU time of the gateway.
func (p *path) iperf(ctx context.Context, d time.Duration, reverse bool, args ...string) (iperfReport, time.Duration, error) {
	return p.iperfFrom(ctx, p.client, d, reverse, args...)
}

// iperfFrom is iperf on a host that need not be the client.
func (p *path) iperfFrom(ctx context.Context, from *lab.Host, d time.Duration, reverse bool, args ...string) (iperfReport, time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, d+slack)
	defer cancel()
	args = append([]string{"iperf3", "-J", "-c", upstreamAddr, "-t", strconv.Itoa(int(d / time.Second))}, args...)
	if reverse {
		args = append(args, "-R")
	}
	var report iperfReport
	before := p.cpu()
	out, err := from.Try(ctx, args...)
	used := p.cpu() - before
	if jsonErr := json.Unmarshal([]byte(out), &report); err == nil {
		err = jsonErr
	}
	if report.Error != "" {
		err = fmt.Errorf("iperf3: %s", report.Error)
	}
	return report, used, err
}

func bulk(down bool, flows int) func(context.Context, *path, time.Duration) (figures, error) {
	return func(ctx context.Context, p *path, d time.Duration) (figures, error) {
		r, cpu, err := p.iperf(ctx, d, down, "-P", strconv.Itoa(flows))
		f := figures{"Mbit/s": r.End.Received.Rate / 1e6}
		f.cost(cpu, r.End.Received.Bytes)
		return f, err
	}
}

func datagrams(down bool) func(context.Context, *path, time.Duration) (figures, error) {
	return func(ctx context.Context, p *path, d time.Duration) (figures, error) {
		r, cpu, err := p.iperf(ctx, d, down, "-u", "-b", udpRate, "-l", udpPayload)
		f := figures{"loss %": r.End.Sum.Lost, "Mbit/s": r.End.Sum.Rate / 1e6 * (1 - r.End.Sum.Lost/100)}
		f.cost(cpu, r.End.Sum.Bytes)
		return f, err
	}
}

// What wrk prints.
var (
	wrkRate   = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)
	wrkErrors = regexp.MustCompile(`Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)`)
)

// requests asks for 1 KiB over and over on 64 connections, or on a new connection each time.
func requests(keepAlive bool) func(context.Context, *path, time.Duration) (figures, error) {
	return func(ctx context.Context, p *path, d time.Duration) (figures, error) {
		ctx, cancel := context.WithTimeout(ctx, d+slack)
		defer cancel()
		args := []string{"wrk", "-c", httpConns, "-t", "2", "-d", d.String()}
		if !keepAlive {
			args = append(args, "-H", "Connection: close")
		}
		before := p.cpu()
		out, err := p.client.Try(ctx, append(args, "http://"+upstreamAddr+"/1k")...)
		used := p.cpu() - before
		if err != nil {
			return nil, err
		}
		rate := wrkRate.FindStringSubmatch(out)
		if rate == nil || strings.Contains(out, "Non-2xx") {
			return nil, fmt.Errorf("wrk:\n%s", out)
		}
		perSecond, err := strconv.ParseFloat(rate[1], 64)
		f := figures{"per s": perSecond, "CPU us": used.Seconds() * 1e6 / (perSecond * d.Seconds()), "errors": 0}
		if e := wrkErrors.FindStringSubmatch(out); e != nil {
			for i, text := range e[1:] {
				if n, _ := strconv.ParseFloat(text, 64); keepAlive || i != 1 { // "read": the server's FIN
					f["errors"] += n
				}
			}
		}
		return f, err
	}
}

// pingStatistics matches ping's last line: min/avg/max/mdev in ms.
var pingStatistics = regexp.MustCompile(`= ([0-9.]+)/([0-9.]+)/([0-9.]+)/`)

func pings(ctx context.Context, p *path, d time.Duration) (figures, error) {
	const interval = 10 * time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, d+slack)
	defer cancel()
	out, err := p.client.Try(ctx, "ping", "-n", "-q", "-i", fmt.Sprint(interval.Seconds()),
		"-c", strconv.Itoa(int(d/interval)), "-W", "1", upstreamAddr)
	if err != nil {
		return nil, err
	}
	m := pingStatistics.FindStringSubmatch(out)
	if m == nil {
		return nil, fmt.Errorf("ping:\n%s", out)
	}
	average, err := strconv.ParseFloat(m[2], 64)
	return figures{"avg ms": average}, err
}
