package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Key is an API key as its owner may see it again: all but the key itself.
type Key struct {
	ID         string
	Name       string
	CreatedAt  time.Time
	ExpiresAt  *time.Time // nil: never
	RevokedAt  *time.Time // nil: not revoked
	LastUsedAt *time.Time // nil: never; exact to the minute
}

// What creating and revoking keys can fail with, besides the database.
var (
	ErrNoKey       = errors.New("there is no key with this id")
	ErrKeyName     = errors.New("a key's name must have 1 to 100 printable characters")
	ErrKeyExpired  = errors.New("a key must expire in the future")
	ErrTooManyKeys = fmt.Errorf("there are %d keys in use already, revoke one first", maxKeys)
)

// maxKeys bounds the keys in use, so that every replica can hold all of them in
// memory and a guessed key costs no query of its own.
const maxKeys = 1000

const (
	keyPrefix   = "sgk_"
	keyIDBytes  = 8
	secretBytes = 32
	maxKeyName  = 100
)

// keyLength is that of every key: sgk_, the id in hex, _, the secret in base64url.
const keyLength = len(keyPrefix) + 2*keyIDBytes + 1 + (secretBytes*8+5)/6

const keyColumns = `id, name, created_at, expires_at, revoked_at, last_used_at`

// CreateKey makes an API key and returns its text, which cannot be had again:
// only its hash is stored. A zero expiresAt means never.
func CreateKey(ctx context.Context, pool *pgxpool.Pool, name string, expiresAt time.Time) (plaintext string, key Key, err error) {
	name = strings.TrimSpace(name)
	if !goodKeyName(name) {
		return "", Key{}, ErrKeyName
	}
	var expires *time.Time
	if !expiresAt.IsZero() {
		if !expiresAt.After(time.Now()) {
			return "", Key{}, ErrKeyExpired
		}
		expires = &expiresAt
	}
	id, plaintext := newKey()
	rows, err := pool.Query(ctx, `
		insert into segue.api_keys (id, name, hash, expires_at)
		select $1, $2, $3, $4
		where (select count(*) from segue.api_keys
		       where revoked_at is null and (expires_at is null or expires_at > now())) < $5
		returning `+keyColumns, id, name, hashKey(plaintext), expires, maxKeys)
	if err == nil {
		key, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[Key])
	}
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return "", Key{}, ErrTooManyKeys
	case err != nil:
		return "", Key{}, fmt.Errorf("create key: %w", err)
	}
	return plaintext, key, nil
}

// ListKeys returns all keys ever made, newest first.
func ListKeys(ctx context.Context, pool *pgxpool.Pool) ([]Key, error) {
	rows, err := pool.Query(ctx, `select `+keyColumns+` from segue.api_keys order by created_at desc, id`)
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	keys, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Key])
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	return keys, nil
}

// RevokeKey ends a key, in every replica within seconds (see Keys). Revoking it
// again changes nothing.
func RevokeKey(ctx context.Context, pool *pgxpool.Pool, id string) error {
	tag, err := pool.Exec(ctx, `update segue.api_keys set revoked_at = coalesce(revoked_at, now()) where id = $1`, id)
	if err != nil {
		return fmt.Errorf("revoke key: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return ErrNoKey
	}
	return nil
}

// newKey makes a random key: a public id to find it by, and a secret.
func newKey() (id, plaintext string) {
	var random [keyIDBytes + secretBytes]byte
	_, _ = rand.Read(random[:]) // never fails
	id = hex.EncodeToString(random[:keyIDBytes])
	return id, keyPrefix + id + "_" + base64.RawURLEncoding.EncodeToString(random[keyIDBytes:])
}

// hashKey is what is stored of a key. The secret is 256 random bits, so a plain
// hash is enough: there is nothing to guess that salt or stretching would slow.
func hashKey(plaintext string) []byte {
	sum := sha256.Sum256([]byte(plaintext))
	return sum[:]
}

// keyID is the id in a key's text; ok is false when the text cannot be a key.
func keyID(plaintext string) (id string, ok bool) {
	if len(plaintext) != keyLength || !strings.HasPrefix(plaintext, keyPrefix) {
		return "", false
	}
	return plaintext[len(keyPrefix) : len(keyPrefix)+2*keyIDBytes], true
}

func goodKeyName(name string) bool {
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
	length := utf8.RuneCountInString(name)
	return length >= 1 && length <= maxKeyName && utf8.ValidString(name) && !strings.ContainsFunc(name, unprintable)
}
