package config

import "testing"

func TestResolversReadAsTheyAreWritten(t *testing.T) {
	for text, want := range map[string]string{ // "": no resolver
		"system":                              "system",
		"9.9.9.9":                             "9.9.9.9",
		"9.9.9.9:53":                          "9.9.9.9",
		"[2620:fe::fe]:5353":                  "[2620:fe::fe]:5353",
		"tcp://9.9.9.9:54":                    "tcp://9.9.9.9:54",
		"tls://DNS.quad9.net.@9.9.9.9":        "tls://dns.quad9.net@9.9.9.9",
		"tls://9.9.9.9:853":                   "tls://9.9.9.9",
		"https://dns.quad9.net@9.9.9.9":       "https://dns.quad9.net@9.9.9.9/dns-query",
		"https://dns.quad9.net@9.9.9.9/":      "https://dns.quad9.net@9.9.9.9/dns-query",
		"https://dns.example@9.9.9.9:444/a/b": "https://dns.example@9.9.9.9:444/a/b",
		"https://1.1.1.1":                     "https://1.1.1.1/dns-query",
		"https://2620:fe::fe":                 "https://2620:fe::fe/dns-query",
		"https://[2620:fe::fe]:444/q":         "https://[2620:fe::fe]:444/q",
		"https://dns.quad9.net/dns-query":     "",
		"https://dns.example@9.9.9.9/q?dns=x": "",
		"https://dns.example@9.9.9.9/%71":     "",
		"https://dns.example@9.9.9.9/a b":     "",
		"https://9.9.9.9:0":                   "",
		"http://9.9.9.9":                      "",
		"dns.example":                         "",
		"":                                    "",
	} {
		r, err := parseResolver(text)
		if (err == nil) != (want != "") || err == nil && r.String() != want {
			t.Errorf("%q: %q, %v; want %q", text, r, err, want)
		}
		if err != nil {
			continue
		}
		if again, err := parseResolver(r.String()); err != nil || again != r {
			t.Errorf("%q is written %q and read %+v, %v", text, r, again, err)
		}
	}
}
