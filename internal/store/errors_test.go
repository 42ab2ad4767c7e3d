package store

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ai-dj/segue/internal/fault"
)

func TestExplainSQL(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  pgconn.PgError
		want fault.Code
	}{
		"the caller's row went while it wrote a message": {pgconn.PgError{Code: "23503", ConstraintName: "chat_messages_clerk_id_fkey",
			Detail: `Key (clerk_id)=(user_a) is not present in table "users_sync".`}, fault.UserNotSynced},
		"the caller's row went while it rated": {pgconn.PgError{Code: "23503", ConstraintName: "message_feedback_clerk_id_fkey",
			Detail: `Key (clerk_id)=(user_a) is not present in table "users_sync".`}, fault.UserNotSynced},
		"the message went while it was rated": {pgconn.PgError{Code: "23503", ConstraintName: "fk_1",
			Detail: `Key (message_id)=(00000000-0000-0000-0000-000000000000) is not present in table "chat_messages".`}, fault.NotFound},
		"an id is taken":              {pgconn.PgError{Code: "23505"}, fault.Conflict},
		"a role the table refuses":    {pgconn.PgError{Code: "23514", ConstraintName: "chat_messages_role_check"}, fault.BadUserInput},
		"a timeout":                   {pgconn.PgError{Code: "57014"}, fault.Timeout},
		"a lock":                      {pgconn.PgError{Code: "55P03"}, fault.Timeout},
		"a shutdown":                  {pgconn.PgError{Code: "57P01"}, fault.Unavailable},
		"a deadlock":                  {pgconn.PgError{Code: "40P01"}, fault.Unavailable},
		"a standby":                   {pgconn.PgError{Code: "25006"}, fault.Unavailable},
		"anything else is our defect": {pgconn.PgError{Code: "42703"}, fault.Internal},
	} {
		if got := fault.CodeOf(explain(context.Background(), &c.err)); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
