package graph_test

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"
)

// What the row source knows of SQL: the columns of the outermost SELECT give
// the types of the rows, and three phrases give their number. A column it does
// not know fails the test that asked: give it a type in typeOf.

// typ is how a column is read.
type typ byte

const (
	typGone  typ = iota // whether the caller was deleted
	typOrd              // the number of the parent
	typFlag             // whether there is more
	typTotal            // a count beside the rows
	typPoint            // the number of a point of activity
	typUUID
	typUserID
	typText
	typRole
	typRating
	typTime
	typCount
	typNull
)

// statement is what there is to know of one.
type statement struct {
	sql         string
	params      []uint32 // the types of its arguments
	columns     []typ
	lead        int // the first column of the row itself, after what stands beside it; null where there is no row
	each        int // the argument that lists the parents; 0: there are none
	keys        int // the argument with the ids, or the numbers of points, that are asked for; 0: any
	keysAreList bool
	limit       int  // of rows; 0: it is one at most
	write, sure bool // sure: it has a row
}

func readStatement(sql string) (*statement, error) {
	st := &statement{sql: sql, params: parameters(sql), write: strings.HasPrefix(sql, "WITH caller ") || strings.HasPrefix(sql, "WITH asked "), sure: strings.Contains(sql, "INSERT INTO public.chat_messages")}
	st.each, _ = numberAfter(sql, "unnest((SELECT $")
	for rest := sql; rest != "" && st.limit == 0; {
		n, after := numberAfter(rest, "LIMIT ")
		if strings.HasPrefix(after, ") r ") || strings.HasPrefix(after, ") top ") {
			st.limit = n
		}
		rest = after
	}
	if st.limit == 0 && !st.write {
		for _, id := range []string{"u.id", "m.id", "f.id", "l.id"} {
			for _, key := range []string{" = $", " = (SELECT $"} {
				if n, _ := numberAfter(sql, " WHERE "+id+key); n > 0 {
					st.keys = n
				}
			}
			if n, _ := numberAfter(sql, " WHERE "+id+" = ANY($"); n > 0 {
				st.keys, st.keysAreList = n, true
			}
		}
		if n, after := numberAfter(sql, "unnest($"); strings.HasPrefix(after, "::int[]") {
			st.keys, st.keysAreList = n, true
		}
	}
	for _, column := range outermost(sql) {
		t, err := typeOf(column)
		if err != nil {
			return nil, err
		}
		if t <= typTotal {
			st.lead++
		}
		st.columns = append(st.columns, t)
	}
	return st, nil
}

// numberAfter is the number behind a phrase, and what comes behind that; 0 and nothing where the phrase is not.
func numberAfter(sql, phrase string) (n int, rest string) {
	_, rest, found := strings.Cut(sql, phrase)
	if !found {
		return 0, ""
	}
	for rest != "" && '0' <= rest[0] && rest[0] <= '9' {
		n, rest = 10*n+int(rest[0]-'0'), rest[1:]
	}
	return n, rest
}

// outermost are the columns of the outermost SELECT, and of its sub-selects
// where it takes all of theirs.
func outermost(sql string) []string {
	columns, rest := outerSelect(sql)
	var all []string
	for _, column := range columns {
		if alias, whole := strings.CutSuffix(column, ".*"); whole {
			all = append(all, outermost(subselect(rest, alias))...)
		} else {
			all = append(all, column)
		}
	}
	return all
}

// outerSelect takes the last SELECT outside of parentheses apart.
func outerSelect(sql string) (columns []string, rest string) {
	start, depth := 0, 0
	for i := range len(sql) {
		depth += nesting(sql[i])
		if depth == 0 && sql[i] == 'S' && strings.HasPrefix(sql[i:], "SELECT ") {
			start = i + len("SELECT ")
		}
	}
	for i := start; i < len(sql); i++ {
		depth += nesting(sql[i])
		switch {
		case depth > 0:
		case sql[i] == ',':
			columns = append(columns, sql[start:i])
			start = i + len(", ")
		case sql[i] == ' ' && strings.HasPrefix(sql[i:], " FROM "):
			return append(columns, sql[start:i]), sql[i:]
		}
	}
	return append(columns, sql[start:]), ""
}

func nesting(c byte) int {
	switch c {
	case '(':
		return 1
	case ')':
		return -1
	}
	return 0
}

// subselect is what stands in the outermost parentheses before the alias.
func subselect(sql, alias string) string {
	open, depth := 0, 0
	for i := range len(sql) {
		depth += nesting(sql[i])
		if depth == 1 && sql[i] == '(' {
			open = i + 1
		}
		if depth == 0 && sql[i] == ')' && strings.HasPrefix(sql[i:], ") "+alias+" ") {
			return sql[open:i]
		}
	}
	return ""
}

var typesByName = map[string]typ{
	"gone": typGone, "ord": typOrd, "bucket": typPoint, "message_id": typUUID, "clerk_id": typUserID, "role": typRole, "rating": typRating,
	"name": typText, "email": typText, "content": typText, "session_id": typText, "comment": typText, "track_id": typText, "title": typText, "artist": typText,
	"created_at": typTime, "updated_at": typTime, "deleted_at": typTime, "first_at": typTime, "last_at": typTime,
	"messages": typCount, "likes": typCount, "up": typCount, "down": typCount,
}

func typeOf(column string) (typ, error) {
	begins := func(prefixes ...string) bool {
		for _, p := range prefixes {
			if strings.HasPrefix(column, p) {
				return true
			}
		}
		return false
	}
	switch {
	case strings.HasSuffix(column, " AS total"):
		return typTotal, nil
	case begins("EXISTS "), strings.Contains(column, " IS TRUE AS "):
		return typFlag, nil
	case column == "NULL::timestamptz", column == "segue.fold()":
		return typNull, nil
	case begins("least(", "greatest(", "CASE WHEN c.removed "):
		return typTime, nil
	case begins("coalesce(", "sum(", "count(", "(SELECT count("):
		return typCount, nil
	case begins("CASE WHEN "): // private to its user
		_, column, _ = strings.Cut(column, " THEN ")
		column = strings.TrimSuffix(column, " END")
	}
	alias, name, _ := strings.Cut(column, ".")
	switch t, known := typesByName[name]; {
	case known:
		return t, nil
	case name == "id" && (alias == "u" || alias == "r"):
		return typUserID, nil
	case name == "id":
		return typUUID, nil
	}
	return 0, fmt.Errorf("no type is known here for the column %q", column)
}

var castOIDs = map[string]uint32{
	"text": pgtype.TextOID, "uuid": pgtype.UUIDOID, "bigint": pgtype.Int8OID, "smallint": pgtype.Int2OID, "timestamptz": pgtype.TimestamptzOID,
	"text[]": pgtype.TextArrayOID, "uuid[]": pgtype.UUIDArrayOID, "int[]": pgtype.Int4ArrayOID, "timestamptz[]": pgtype.TimestamptzArrayOID,
}

// parameters are the types of a statement's arguments, told by their casts or by what they are compared with.
func parameters(sql string) []uint32 {
	var list []uint32
	before, rest, found := strings.Cut(sql, "$")
	for found {
		var n int
		n, rest = numberAfter("$"+rest, "$")
		for len(list) < n {
			list = append(list, pgtype.TextOID)
		}
		switch {
		case strings.HasPrefix(rest, "::"):
			cast := rest[2:]
			if end := strings.IndexAny(cast, " ,)"); end >= 0 {
				cast = cast[:end]
			}
			if oid := castOIDs[cast]; oid != 0 {
				list[n-1] = oid
			}
		case strings.HasSuffix(before, "rating = "):
			list[n-1] = pgtype.Int2OID
		case strings.HasSuffix(before, ">= "), strings.HasSuffix(before, "< "):
			list[n-1] = pgtype.TimestamptzOID
		}
		before, rest, found = strings.Cut(rest, "$")
	}
	return list
}

// elements are those of a one-dimensional array in binary form.
func elements(array []byte) [][]byte {
	if len(array) < 20 {
		return nil
	}
	list := make([][]byte, binary.BigEndian.Uint32(array[12:]))
	rest := array[20:]
	for i := range list {
		n := binary.BigEndian.Uint32(rest)
		list[i], rest = rest[4:4+n], rest[4+n:]
	}
	return list
}
