package doctor

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// settings looks at what needs no network.
func (d *doctor) settings() {
	if d.cfg.DatabaseURL == "" {
		d.find("database-url-unset", "Segue stores everything in PostgreSQL.", "set DATABASE_URL=postgres://user:password@host/db?sslmode=verify-full")
	}
	if d.cfg.ClerkJWTKey == "" && d.cfg.ClerkSecretKey == "" {
		d.find("clerk-key-unset", "Without one, segue serve does not start.", "set CLERK_JWT_KEY to the PEM public key (Clerk's dashboard, API keys), or CLERK_SECRET_KEY")
	}
	if d.cfg.ClerkSecretKey == "" {
		d.find("clerk-unasked", "CLERK_SECRET_KEY is not set, so keys, clock and number of users were not compared with Clerk's.", "set CLERK_SECRET_KEY to have them compared; it is also what provisions users and what segue sync needs")
	}
	d.mixedKeys()
	d.transport("DATABASE_URL", d.cfg.DatabaseURL)
	if d.cfg.DatabaseDirectURL != d.cfg.DatabaseURL {
		d.transport("DATABASE_DIRECT_URL", d.cfg.DatabaseDirectURL)
	}
	d.transport("DATABASE_REPLICA_URL", d.cfg.DatabaseReplicaURL)
	if pooled(d.cfg.DatabaseDirectURL) {
		d.find("database-direct-pooled", "Migrations hold a lock for their session, and subscriptions LISTEN; a transaction pooler gives each transaction another session.",
			"set DATABASE_DIRECT_URL to the server itself (on Neon: the host without -pooler)")
	}
}

// mixedKeys compares what kind of instance each key says it is of.
func (d *doctor) mixedKeys() {
	kinds := map[string]string{}
	add := func(variable, kind string) {
		if kind != "" {
			kinds[variable] = kind
		}
	}
	add("CLERK_SECRET_KEY", keyKind(d.cfg.ClerkSecretKey, "sk_"))
	add("CLERK_PUBLISHABLE_KEY", keyKind(d.cfg.ClerkPublishableKey, "pk_"))
	add("CLERK_ISSUER", issuerKind(d.cfg.ClerkIssuer))
	var dev, live []string
	for _, name := range []string{"CLERK_SECRET_KEY", "CLERK_PUBLISHABLE_KEY", "CLERK_ISSUER"} {
		switch kinds[name] {
		case "development":
			dev = append(dev, name)
		case "production":
			live = append(live, name)
		}
	}
	const fix = "take all of them from one instance: Clerk's dashboard, switch to the instance at the top, API keys"
	if len(dev) > 0 && len(live) > 0 {
		d.find("clerk-keys-mixed", fmt.Sprintf("%s: a development instance; %s: a production one. Tokens of one are refused by the other, and users of one are unknown to the other.",
			strings.Join(dev, ", "), strings.Join(live, ", ")), fix)
		return
	}
	if host := publishableHost(d.cfg.ClerkPublishableKey); host != "" && d.cfg.ClerkIssuer != "" && d.cfg.ClerkIssuer != "https://"+host {
		d.find("clerk-keys-mixed", fmt.Sprintf("CLERK_ISSUER is %s, but CLERK_PUBLISHABLE_KEY is of https://%s: every token is refused.", d.cfg.ClerkIssuer, host), fix)
	}
}

func keyKind(key, prefix string) string {
	switch {
	case strings.HasPrefix(key, prefix+"test_"):
		return "development"
	case strings.HasPrefix(key, prefix+"live_"):
		return "production"
	}
	return ""
}

// issuerKind: development instances live under domains of Clerk's own.
func issuerKind(issuer string) string {
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" {
		return ""
	}
	if strings.HasSuffix(u.Hostname(), ".clerk.accounts.dev") || strings.HasSuffix(u.Hostname(), ".lcl.dev") {
		return "development"
	}
	return "production"
}

// publishableHost is the host that a publishable key names: base64 of "host$".
func publishableHost(key string) string {
	parts := strings.SplitN(key, "_", 3)
	if len(parts) < 3 {
		return ""
	}
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(parts[2], "="))
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(string(raw), "$")
}

// transport warns of connections that are not verified on their way through a public network.
func (d *doctor) transport(variable, database string) {
	u, err := url.Parse(database)
	if err != nil || database == "" || !public(host(u)) {
		return
	}
	mode := u.Query().Get("sslmode")
	if mode == "verify-full" {
		return
	}
	if mode == "" {
		mode = "prefer, the default"
	}
	d.find("sslmode-weak", fmt.Sprintf("%s has sslmode=%s for the public host %s: nobody checks who answers, so password and data can be read on the way.", variable, mode, host(u)),
		"set sslmode=verify-full in "+variable)
}

func host(u *url.URL) string {
	if h := u.Query().Get("host"); u.Hostname() == "" {
		return h
	}
	return u.Hostname()
}

// public tells hosts that are reached through networks of others. Names
// without a dot are a compose file's or a cluster's.
func public(host string) bool {
	if host == "" || strings.HasPrefix(host, "/") || !strings.ContainsAny(host, ".:") {
		return false
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return !ip.IsLoopback() && !ip.IsPrivate() && !ip.IsLinkLocalUnicast()
	}
	for _, private := range []string{".local", ".internal", ".localhost", ".lan", ".cluster.local"} {
		if strings.HasSuffix(host, private) {
			return false
		}
	}
	return true
}

// pooled tells URLs of the poolers that people use.
func pooled(database string) bool {
	u, err := url.Parse(database)
	if err != nil {
		return false
	}
	label, domain, _ := strings.Cut(u.Hostname(), ".")
	return strings.HasSuffix(label, "-pooler") || label == "pgbouncer" || u.Port() == "6432" ||
		domain == "pooler.supabase.com" && u.Port() == "6543" || u.Query().Get("pgbouncer") == "true"
}

func password(database string) string {
	u, err := url.Parse(database)
	if err != nil || u.User == nil {
		return ""
	}
	p, _ := u.User.Password()
	return p
}
