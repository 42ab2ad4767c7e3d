// Package config reads Segue's settings from the environment, once, at start.
// Every setting is checked before anything runs: the first bad one stops the
// start with a line that names the variable and what it must look like and
// repeats none of its value, which may be a secret.
package config

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// Config is the contract's table of settings (§6), parsed. Defaults are set.
type Config struct {
	DatabaseURL        string
	DatabaseDirectURL  string // never empty: DatabaseURL without Neon's "-pooler" when unset
	DatabaseReplicaURL string // empty: none
	DatabaseMaxConns   int

	Addr      string // what the public listener binds, host:port
	AdminAddr string // empty: off

	ClerkJWTKey            string // PEM; empty: JWKS through ClerkSecretKey
	ClerkSecretKey         string
	ClerkPublishableKey    string
	ClerkAPIURL            string
	ClerkAuthorizedParties []string
	ClerkIssuer            string
	ClerkWebhookSecrets    []string // "whsec_…", checked; empty: the webhook is off
	ClerkAnalystOrgRole    string
	CORSOrigins            []string

	UsersSync  string        // "neon", "segue" or "" to detect
	EraseAfter time.Duration // Never: no sweep
	SyncEvery  time.Duration // 0 or Never: no repeated sync

	RedisURL         string
	Playground       bool
	Introspection    bool
	RequestTimeout   time.Duration
	MaxDepth         int
	MaxComplexity    int
	MaxBodyBytes     int64
	SocketMaxAge     time.Duration
	RateLimit        int // complexity points per caller and minute; 0: off
	TrustedDocuments string

	LogLevel  slog.Level
	LogFormat string // "json" or "text"
}

// DefaultAdminAddr is where metrics are when ADMIN_ADDR is not set.
const DefaultAdminAddr = "127.0.0.1:9090"

// Never is the value of a duration setting that was given as "never".
const Never time.Duration = -1

// Error is a missing or malformed setting. Its text is one line that is safe to print.
type Error struct {
	Variable string
	Must     string // completes "VARIABLE must …"
}

func (e *Error) Error() string { return e.Variable + " must " + e.Must }

// Load reads the settings through lookup, os.LookupEnv in production.
func Load(lookup func(string) (string, bool)) (Config, error) {
	r := reader{lookup: lookup}
	c := Config{
		DatabaseURL:            r.postgres("DATABASE_URL"),
		DatabaseDirectURL:      r.postgres("DATABASE_DIRECT_URL"),
		DatabaseReplicaURL:     r.postgres("DATABASE_REPLICA_URL"),
		DatabaseMaxConns:       r.number("DATABASE_MAX_CONNS", 10, 1, 10_000),
		Addr:                   r.listen(),
		AdminAddr:              r.adminAddr(),
		ClerkJWTKey:            r.pem("CLERK_JWT_KEY"),
		ClerkSecretKey:         r.secretKey("CLERK_SECRET_KEY"),
		ClerkPublishableKey:    r.prefixed("CLERK_PUBLISHABLE_KEY", "pk_"),
		ClerkAPIURL:            r.httpURL("CLERK_API_URL", "https://api.clerk.com/v1"),
		ClerkAuthorizedParties: r.origins("CLERK_AUTHORIZED_PARTIES"),
		ClerkIssuer:            r.httpURL("CLERK_ISSUER", ""),
		ClerkWebhookSecrets:    r.webhookSecrets("CLERK_WEBHOOK_SIGNING_SECRET"),
		ClerkAnalystOrgRole:    r.text("CLERK_ANALYST_ORG_ROLE", ""),
		CORSOrigins:            r.origins("CORS_ORIGINS"),
		UsersSync:              r.oneOf("USERS_SYNC", "", "neon", "segue"),
		EraseAfter:             r.duration("ERASE_AFTER", 30*24*time.Hour),
		SyncEvery:              r.duration("SYNC_EVERY", 24*time.Hour),
		RedisURL:               r.redis("REDIS_URL"),
		Playground:             r.boolean("PLAYGROUND", false),
		Introspection:          r.boolean("INTROSPECTION", false),
		RequestTimeout:         r.positiveDuration("REQUEST_TIMEOUT", 15*time.Second),
		MaxDepth:               r.number("MAX_DEPTH", 12, 1, 1000),
		MaxComplexity:          r.number("MAX_COMPLEXITY", 10_000, 1, 1<<30),
		MaxBodyBytes:           int64(r.number("MAX_BODY_BYTES", 1<<20, 1, 1<<30)),
		SocketMaxAge:           r.positiveDuration("SOCKET_MAX_AGE", 15*time.Minute),
		RateLimit:              r.number("RATE_LIMIT", 60_000, 0, 1<<30),
		TrustedDocuments:       r.text("TRUSTED_DOCUMENTS", ""),
		LogLevel:               r.level("LOG_LEVEL"),
		LogFormat:              r.oneOf("LOG_FORMAT", "json", "json", "text"),
	}
	if c.DatabaseDirectURL == "" {
		c.DatabaseDirectURL = direct(c.DatabaseURL)
	}
	if len(c.CORSOrigins) == 0 {
		c.CORSOrigins = c.ClerkAuthorizedParties
	}
	if r.err != nil {
		return Config{}, r.err
	}
	return c, nil
}

// FromEnvironment is Load from the process's environment.
func FromEnvironment() (Config, error) { return Load(os.LookupEnv) }

// NeedDatabase reports a missing DATABASE_URL.
func (c Config) NeedDatabase() error {
	if c.DatabaseURL == "" {
		return &Error{"DATABASE_URL", "be set to a PostgreSQL URL, for example postgres://user:password@host/db?sslmode=verify-full"}
	}
	return nil
}

// NeedServe reports what is missing for serving: a database, and a way to verify tokens.
func (c Config) NeedServe() error {
	if err := c.NeedDatabase(); err != nil {
		return err
	}
	if c.ClerkJWTKey == "" && c.ClerkSecretKey == "" {
		return &Error{"CLERK_JWT_KEY", "be set to the instance's PEM public key (Clerk's dashboard, API keys), or CLERK_SECRET_KEY to its secret key"}
	}
	return nil
}

// direct takes Neon's "-pooler" out of the host's first label.
func direct(databaseURL string) string {
	u, err := url.Parse(databaseURL)
	if err != nil || u.Host == "" {
		return databaseURL
	}
	label, rest, found := strings.Cut(u.Host, ".")
	trimmed := strings.TrimSuffix(label, "-pooler")
	if !found || trimmed == label || !strings.HasSuffix(u.Hostname(), ".neon.tech") {
		return databaseURL
	}
	u.Host = trimmed + "." + rest
	return u.String()
}

// reader keeps the first error, so that Load reads like a table.
type reader struct {
	lookup func(string) (string, bool)
	err    error
}

func (r *reader) fail(name, must string) {
	if r.err == nil {
		r.err = &Error{name, must}
	}
}

// text is the variable's trimmed value; set but empty is the same as unset.
func (r *reader) text(name, fallback string) string {
	if v, ok := r.lookup(name); ok && strings.TrimSpace(v) != "" {
		return strings.TrimSpace(v)
	}
	return fallback
}

func (r *reader) postgres(name string) string {
	v := r.text(name, "")
	if v == "" {
		return ""
	}
	u, err := url.Parse(v)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") || (u.Host == "" && u.Query().Get("host") == "") {
		r.fail(name, "be a URL like postgres://user:password@host:5432/database?sslmode=verify-full")
	}
	return v
}

func (r *reader) redis(name string) string {
	v := r.text(name, "")
	if v == "" {
		return ""
	}
	if u, err := url.Parse(v); err != nil || (u.Scheme != "redis" && u.Scheme != "rediss") || u.Host == "" {
		r.fail(name, "be a URL like redis://user:password@host:6379/0")
	}
	return v
}

func (r *reader) number(name string, fallback, low, high int) int {
	v := r.text(name, "")
	if v == "" {
		return fallback
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < low || n > high {
		r.fail(name, fmt.Sprintf("be a whole number between %d and %d", low, high))
	}
	return n
}

func (r *reader) boolean(name string, fallback bool) bool {
	switch strings.ToLower(r.text(name, strconv.FormatBool(fallback))) {
	case "true", "1", "yes", "on":
		return true
	case "false", "0", "no", "off":
		return false
	}
	r.fail(name, "be true or false")
	return false
}

func (r *reader) oneOf(name, fallback string, values ...string) string {
	v := strings.ToLower(r.text(name, fallback))
	if v == fallback {
		return v
	}
	for _, allowed := range values {
		if v == allowed {
			return v
		}
	}
	r.fail(name, "be "+strings.Join(values, " or "))
	return fallback
}

const durationForm = "be a duration like 30d, 24h or 90s, 0, or never"

// duration takes Go durations, whole days ("30d"), "0" and "never".
func (r *reader) duration(name string, fallback time.Duration) time.Duration {
	v := strings.ToLower(r.text(name, ""))
	if v == "" {
		return fallback
	}
	d, err := ParseDuration(v)
	if err != nil {
		r.fail(name, durationForm)
	}
	return d
}

func (r *reader) positiveDuration(name string, fallback time.Duration) time.Duration {
	v := strings.ToLower(r.text(name, ""))
	if v == "" {
		return fallback
	}
	d, err := ParseDuration(v)
	if err != nil || d <= 0 {
		r.fail(name, "be a duration like 15s or 2m, more than 0")
	}
	return d
}

// ParseDuration reads a Go duration, whole days ("90d"), "0" or "never" (Never).
func ParseDuration(v string) (time.Duration, error) {
	if v == "never" {
		return Never, nil
	}
	if days, ok := strings.CutSuffix(v, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return 0, fmt.Errorf("%q is not a number of days", days)
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(v)
	if err == nil && d < 0 {
		err = fmt.Errorf("a negative duration")
	}
	return d, err
}

// listen combines ADDR and PORT: PORT, as platforms set it, replaces ADDR's port.
func (r *reader) listen() string {
	addr := r.text("ADDR", ":8080")
	host, port, err := net.SplitHostPort(addr)
	if err != nil || !validPort(port) {
		r.fail("ADDR", "be host:port or :port, for example 127.0.0.1:8080")
		return addr
	}
	if p := r.text("PORT", ""); p != "" {
		if !validPort(p) {
			r.fail("PORT", "be a port number between 0 and 65535")
		}
		// An ADDR with a port of its own was meant; PORT only fills in the default.
		if r.text("ADDR", "") == "" {
			return net.JoinHostPort(host, p)
		}
	}
	return addr
}

func (r *reader) adminAddr() string {
	v, set := r.lookup("ADMIN_ADDR")
	if !set {
		return DefaultAdminAddr
	}
	if v = strings.TrimSpace(v); v == "" {
		return ""
	}
	if _, port, err := net.SplitHostPort(v); err != nil || !validPort(port) {
		r.fail("ADMIN_ADDR", "be host:port, for example 127.0.0.1:9090, or empty to switch it off")
	}
	return v
}

func validPort(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil
}

// pem accepts a key whose line breaks arrived as the two characters \n, as
// environment files often have them, or without its header lines.
func (r *reader) pem(name string) string {
	v := strings.TrimSpace(strings.ReplaceAll(r.text(name, ""), `\n`, "\n"))
	if v == "" || strings.HasPrefix(v, "-----BEGIN PUBLIC KEY-----") {
		return v
	}
	if raw, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(v), "")); err != nil || len(raw) < 64 {
		r.fail(name, "be a PEM public key, starting with -----BEGIN PUBLIC KEY-----")
		return v
	}
	return "-----BEGIN PUBLIC KEY-----\n" + v + "\n-----END PUBLIC KEY-----"
}

func (r *reader) secretKey(name string) string {
	v := r.text(name, "")
	if v != "" && !strings.HasPrefix(v, "sk_test_") && !strings.HasPrefix(v, "sk_live_") {
		r.fail(name, "be a Clerk secret key, starting with sk_live_ or sk_test_")
	}
	return v
}

func (r *reader) prefixed(name, prefix string) string {
	v := r.text(name, "")
	if v != "" && !strings.HasPrefix(v, prefix) {
		r.fail(name, "start with "+prefix)
	}
	return v
}

func (r *reader) httpURL(name, fallback string) string {
	v := r.text(name, fallback)
	if v == "" {
		return ""
	}
	if u, err := url.Parse(v); err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
		r.fail(name, "be a URL like https://clerk.example.com")
	}
	return strings.TrimRight(v, "/")
}

func (r *reader) origins(name string) []string {
	var list []string
	for _, item := range splitList(r.text(name, "")) {
		u, err := url.Parse(item)
		if err != nil || u.Scheme == "" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
			r.fail(name, "be origins like https://app.example.com, separated by commas")
			return nil
		}
		list = append(list, strings.ToLower(u.Scheme+"://"+u.Host))
	}
	return list
}

// minWebhookSecret is the fewest bytes a signing secret may decode to. The Svix
// library accepts an empty one and then every forgery signed with it.
const minWebhookSecret = 16

func (r *reader) webhookSecrets(name string) []string {
	list := splitList(r.text(name, ""))
	for _, s := range list {
		raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s, "whsec_"))
		if err != nil || len(raw) < minWebhookSecret || !strings.HasPrefix(s, "whsec_") {
			r.fail(name, fmt.Sprintf("be whsec_ followed by base64 of at least %d bytes, several separated by commas", minWebhookSecret))
			return nil
		}
	}
	return list
}

func (r *reader) level(name string) slog.Level {
	var l slog.Level
	if err := l.UnmarshalText([]byte(r.text(name, "info"))); err != nil {
		r.fail(name, "be debug, info, warn or error")
	}
	return l
}

func splitList(v string) []string {
	var list []string
	for item := range strings.SplitSeq(v, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list
}
