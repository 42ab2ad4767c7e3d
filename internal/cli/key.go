package cli

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ai-dj/segue/internal/config"
	"github.com/ai-dj/segue/internal/store"
)

type keyCmd struct {
	Create keyCreateCmd `cmd:"" help:"Make a key and print it, once."`
	List   keyListCmd   `cmd:"" help:"List the keys, when each was last used and until when it is good."`
	Revoke keyRevokeCmd `cmd:"" help:"Revoke a key; every replica refuses it within seconds."`
}

type keyCreateCmd struct {
	Name    string `required:"" help:"What the key is for, for example grafana."`
	Expires string `help:"How long it is good, for example 90d. Without it the key does not expire." placeholder:"90d"`
}

// Run prints only the key on standard output.
func (c keyCreateCmd) Run(ctx context.Context, s Streams) error {
	var expires time.Time
	if c.Expires != "" {
		d, err := config.ParseDuration(c.Expires)
		if err != nil || d == 0 {
			return usage("--expires must be a duration like 90d or 12h")
		}
		if d != config.Never {
			expires = time.Now().Add(d)
		}
	}
	return s.withPool(func(pool *pgxpool.Pool) error {
		plaintext, key, err := store.CreateKey(ctx, pool, c.Name, expires)
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(s.Err, "key %s is shown this once; use it as: Authorization: Bearer …\n", key.ID)
		return s.print("%s\n", plaintext)
	})
}

type keyListCmd struct{}

// Run lists the keys, never their text.
func (keyListCmd) Run(ctx context.Context, s Streams) error {
	return s.withPool(func(pool *pgxpool.Pool) error {
		keys, err := store.ListKeys(ctx, pool)
		if err != nil {
			return err
		}
		if len(keys) == 0 {
			return s.print("There are no keys. Make one with: segue key create --name NAME\n")
		}
		w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(w, "ID\tNAME\tCREATED\tEXPIRES\tLAST USED\tREVOKED")
		for _, k := range keys {
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Name, day(&k.CreatedAt), day(k.ExpiresAt), day(k.LastUsedAt), day(k.RevokedAt))
		}
		return w.Flush()
	})
}

// day is an instant for a table, a dash where there is none.
func day(t *time.Time) string {
	if t == nil || t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04")
}

type keyRevokeCmd struct {
	ID string `arg:"" help:"The key's id, as list shows it."`
}

// Run revokes it.
func (c keyRevokeCmd) Run(ctx context.Context, s Streams) error {
	return s.withPool(func(pool *pgxpool.Pool) error { return store.RevokeKey(ctx, pool, c.ID) })
}

// withPool does something with a small pool on the database.
func (s Streams) withPool(do func(*pgxpool.Pool) error) error {
	cfg, err := s.database()
	if err != nil {
		return err
	}
	pool, err := store.OpenPool(cfg.DatabaseURL, 2, nil)
	if err != nil {
		return fmt.Errorf("DATABASE_URL: %w", err)
	}
	defer pool.Close()
	return do(pool)
}
