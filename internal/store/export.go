package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"
)

// Export writes all that is stored of a person to w, as one JSON object: user,
// chatMessages, feedback, trackLikes. Rows stand as the tables hold them, all
// their columns, also those that Segue knows nothing of; times are UTC. It
// streams, from one snapshot of the database, so a person's size does not matter.
// Nothing is written for a person of whom nothing is stored: ErrUnknownUser.
func (s *System) Export(ctx context.Context, userID string, w io.Writer) error {
	known, err := s.knows(ctx, userID)
	if err != nil {
		return err
	}
	if !known {
		return ErrUnknownUser
	}
	out := bufio.NewWriter(w)
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, s.pool, options, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `set local time zone 'UTC'`); err != nil {
			return err
		}
		return exportPerson(ctx, tx, userID, out)
	})
	if err = errors.Join(err, out.Flush()); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return nil
}

// The columns of users_sync are named: Neon's raw_json may not be ours to read.
const exportUser = `select to_jsonb(u)::text from (
  select id, name, email, created_at, updated_at, deleted_at from neon_auth.users_sync where id = $1
) u`

var exportLists = []struct{ name, query string }{
	{"chatMessages", `select to_jsonb(t)::text from public.chat_messages t where clerk_id = $1 order by created_at, id`},
	{"feedback", `select to_jsonb(t)::text from public.message_feedback t where clerk_id = $1 order by created_at, id`},
	{"trackLikes", `select to_jsonb(t)::text from public.track_likes t where clerk_id = $1 order by created_at, id`},
}

func exportPerson(ctx context.Context, tx pgx.Tx, userID string, out *bufio.Writer) error {
	user := "null"
	if err := tx.QueryRow(ctx, exportUser, userID).Scan(&user); err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	fmt.Fprintf(out, "{\n\"user\": %s", user)
	for _, list := range exportLists {
		fmt.Fprintf(out, ",\n%q: [", list.name)
		if err := exportRows(ctx, tx, list.query, userID, out); err != nil {
			return err
		}
		fmt.Fprint(out, "\n]")
	}
	_, err := fmt.Fprint(out, "\n}\n")
	return err
}

func exportRows(ctx context.Context, tx pgx.Tx, query, userID string, out *bufio.Writer) error {
	rows, err := tx.Query(ctx, query, userID)
	if err != nil {
		return err
	}
	separator, row := "\n", ""
	_, err = pgx.ForEachRow(rows, []any{&row}, func() error {
		_, err := fmt.Fprint(out, separator, row)
		separator = ",\n"
		return err
	})
	return err
}
