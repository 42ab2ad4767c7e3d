// Package sample fills a development database with data that looks like the
// app's: some forty listeners, 5,000 messages of talk with the DJ over the last
// 90 days, ratings and likes. `segue dev` uses it; nothing else does.
//
// The same now gives the same data, so examples and screenshots can be made
// again. It writes with COPY straight to the tables, past store, whose writes
// are for callers: here there are none, times lie in the past, and 7,000 rows go in at once.
package sample

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	messageCount = 5000
	days         = 90
)

// Load fills the database in one transaction. A database that has any user is
// left as it is. users_sync must be Segue's own, with plain columns.
func Load(ctx context.Context, pool *pgxpool.Pool, now time.Time) error {
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		var used bool
		if err := tx.QueryRow(ctx, "select exists (select from neon_auth.users_sync)").Scan(&used); err != nil || used {
			return err
		}
		return make90Days(now).copyTo(ctx, tx)
	})
	if err != nil {
		return fmt.Errorf("load sample data: %w", err)
	}
	return nil
}

// data are the rows, as COPY takes them.
type data struct{ users, messages, feedback, likes [][]any }

func (d data) copyTo(ctx context.Context, tx pgx.Tx) error {
	for _, t := range []struct {
		table   pgx.Identifier
		columns []string
		rows    [][]any
	}{
		{pgx.Identifier{"neon_auth", "users_sync"}, []string{"id", "name", "email", "created_at", "updated_at", "deleted_at"}, d.users},
		{pgx.Identifier{"public", "chat_messages"}, []string{"id", "clerk_id", "session_id", "role", "content", "created_at"}, d.messages},
		{pgx.Identifier{"public", "message_feedback"}, []string{"id", "clerk_id", "message_id", "rating", "comment", "created_at"}, d.feedback},
		{pgx.Identifier{"public", "track_likes"}, []string{"id", "clerk_id", "track_id", "title", "artist", "created_at"}, d.likes},
	} {
		if _, err := tx.CopyFrom(ctx, t.table, t.columns, pgx.CopyFromRows(t.rows)); err != nil {
			return fmt.Errorf("copy %s: %w", t.table.Sanitize(), err)
		}
	}
	return nil
}

// maker makes the rows; all that looks like chance comes from its seed.
type maker struct {
	data
	rng   *rand.Rand
	now   time.Time
	liked map[string]bool // "user track"
}

func make90Days(now time.Time) data {
	m := &maker{rng: rand.New(rand.NewPCG(90, 5000)), now: now.UTC().Truncate(time.Microsecond), liked: map[string]bool{}}
	who := slices.Clone(people)
	var total int
	for i := range who {
		if who[i].id == "" {
			who[i].id = m.userID()
		}
		total += who[i].weight
		m.addUser(who[i])
	}
	for len(m.messages) < messageCount {
		at := m.rng.IntN(total)
		i := slices.IndexFunc(who, func(p person) bool { at -= p.weight; return at < 0 })
		m.addSession(who[i], min(2*(1+m.rng.IntN(4)+m.rng.IntN(5)), messageCount-len(m.messages)))
	}
	return m.data
}

// addUser signs the person up before the 90 days began, and lets the deleted one go near their end.
func (m *maker) addUser(p person) {
	created := m.now.AddDate(0, 0, -days-1-m.rng.IntN(300)).Add(-time.Duration(m.rng.IntN(86_400)) * time.Second)
	var deleted *time.Time
	updated := created.Add(time.Duration(m.rng.IntN(days*24)) * time.Hour)
	if p.deleted {
		at := m.now.Add(-40 * time.Hour)
		deleted, updated = &at, at
	}
	m.users = append(m.users, []any{p.id, null(p.name), null(p.email), created, updated, deleted})
}

// addSession is one evening, mostly, of talk with ratings and likes in it.
func (m *maker) addSession(p person, n int) {
	at := m.startFor(p)
	name := "set_" + m.letters(12)
	for _, line := range session(m.rng, p, n) {
		role := "user"
		if line.dj {
			role = "assistant"
		}
		id := m.id(at)
		m.messages = append(m.messages, []any{id, p.id, name, role, line.text, at})
		if line.dj {
			m.react(p, id, line, at)
			at = at.Add(time.Duration(20+m.rng.IntN(280)) * time.Second) // a record plays
		}
		at = at.Add(time.Duration(1500+m.rng.IntN(6000)) * time.Millisecond)
	}
}

// startFor picks a day, more often a late one because the app grows, and an
// hour when people there are awake, more often in the evening. Everything the
// session brings lies in the past, and before a deletion.
func (m *maker) startFor(p person) time.Time {
	late := m.rng.Float64()
	if m.rng.IntN(2) == 0 {
		late = max(late, m.rng.Float64())
	}
	hour := pick(m.rng, []int{7, 8, 9, 11, 12, 13, 14, 16, 17, 18, 18, 19, 19, 20, 20, 20, 21, 21, 21, 22, 22, 23, 0, 1})
	day := m.now.Add(-time.Duration((1 - late) * days * 24 * float64(time.Hour))).Truncate(24 * time.Hour)
	at := day.Add(time.Duration(hour-p.zone)*time.Hour + time.Duration(m.rng.IntN(3600_000))*time.Millisecond)
	last := m.now.Add(-2 * time.Hour)
	if p.deleted {
		last = m.now.Add(-48 * time.Hour)
	}
	for at.After(last) {
		at = at.Add(-24 * time.Hour)
	}
	if first := m.now.AddDate(0, 0, -days); at.Before(first) {
		at = at.Add(48 * time.Hour)
	}
	return at
}

// react is what the listener thinks of an answer: seldom said, mostly good. A
// record that they hear is one they like, most times, but they like it once.
func (m *maker) react(p person, message uuid.UUID, answer line, at time.Time) {
	if m.rng.IntN(4) == 0 {
		at := at.Add(time.Duration(5+m.rng.IntN(90)) * time.Second)
		rating, remarks := 1, praise
		if m.rng.IntN(5) == 0 {
			rating, remarks = -1, complaints
		}
		var comment *string
		if m.rng.IntN(3) == 0 {
			text := pick(m.rng, remarks)
			comment = &text
		}
		m.feedback = append(m.feedback, []any{m.id(at), p.id, message, rating, comment, at})
	}
	if answer.play.title == "" || m.rng.IntN(10) == 0 {
		return
	}
	track := trackID(answer.play)
	if m.liked[p.id+track] {
		return
	}
	m.liked[p.id+track] = true
	at = at.Add(time.Duration(10+m.rng.IntN(120)) * time.Second)
	m.likes = append(m.likes, []any{m.id(at), p.id, track, answer.play.title, answer.play.artist, at})
}

// id is a UUIDv7 of the time, as the gateway makes them.
func (m *maker) id(at time.Time) (id uuid.UUID) {
	ms := at.UnixMilli()
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	for i := 6; i < len(id); i++ {
		id[i] = byte(m.rng.Uint32())
	}
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id
}

// userID has the form of Clerk's.
func (m *maker) userID() string { return "user_2" + m.letters(26) }

func (m *maker) letters(n int) string {
	const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	text := make([]byte, n)
	for i := range text {
		text[i] = alphabet[m.rng.IntN(len(alphabet))]
	}
	return string(text)
}

// trackID is the same for the same recording wherever it is liked.
func trackID(t track) string {
	sum := sha256.Sum256([]byte(t.artist + "\x00" + t.title))
	return "trk_" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:10]))
}

func null(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
