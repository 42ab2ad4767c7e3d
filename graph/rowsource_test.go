package graph_test

import (
	"encoding/binary"
	"hash/fnv"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"
)

// rowsource answers the store's statements with random rows, in PostgreSQL's
// protocol, and keeps no data at all. What it answers depends on its seed, the
// statement and the arguments alone: whoever asks the same twice reads the same.
// It is many times faster than the real one, and says what that seldom does.
type rowsource struct {
	url    string
	seed   atomic.Uint64
	faulty atomic.Bool            // now and then a statement fails
	unread atomic.Pointer[string] // a statement that it does not understand

	mu         sync.Mutex
	statements map[string]*statement // that were read
}

// begin makes it answer by another seed.
func (s *rowsource) begin(seed uint64, faulty bool) {
	s.seed.Store(seed)
	s.faulty.Store(faulty)
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.statements)
}

// statement reads a statement that it may have read before.
func (s *rowsource) statement(sql string) *statement {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, known := s.statements[sql]
	if !known {
		var err error
		if st, err = readStatement(sql); err != nil {
			text := err.Error() + ": " + sql
			s.unread.Store(&text)
			st = &statement{}
		}
		s.statements[sql] = st
	}
	return st
}

// newRowsource listens until the test ends.
func newRowsource(t testing.TB) *rowsource {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &rowsource{
		url:        "postgres://rows@" + listener.Addr().String() + "/rows?sslmode=disable&default_query_exec_mode=cache_describe",
		statements: map[string]*statement{},
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() { // the pool was opened later and so is closed by now
		_ = listener.Close()
		serving.Wait()
	})
	return s
}

// serve answers one connection until its other side closes it.
func (s *rowsource) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	c := &rowConn{source: s, backend: pgproto3.NewBackend(conn, conn), texts: map[string]string{}}
	if _, err := c.backend.ReceiveStartupMessage(); err != nil {
		return
	}
	c.backend.Send(&pgproto3.AuthenticationOk{})
	c.backend.Send(&pgproto3.BackendKeyData{ProcessID: 1, SecretKey: make([]byte, 4)})
	c.ready()
	for {
		message, err := c.backend.Receive()
		if err != nil {
			return
		}
		c.take(message)
	}
}

// rowConn is a connection in the extended query protocol, without portals: a
// statement is executed as it was bound last.
type rowConn struct {
	source  *rowsource
	backend *pgproto3.Backend
	texts   map[string]string // of prepared statements
	bound   string
	args    [][]byte
	failed  bool // since the last Sync: everything up to the next one is left out
}

func (c *rowConn) ready() {
	c.backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	_ = c.backend.Flush() // a peer that hung up is noticed when reading
}

// anyRow describes all rows: the store reads columns by their places.
var anyRow = &pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{{Name: []byte("any"), DataTypeOID: pgtype.TextOID, DataTypeSize: -1, TypeModifier: -1, Format: 1}}}

func (c *rowConn) take(message pgproto3.FrontendMessage) {
	if _, sync := message.(*pgproto3.Sync); c.failed && !sync {
		return
	}
	switch m := message.(type) {
	case *pgproto3.Parse:
		c.texts[m.Name] = m.Query
		c.backend.Send(&pgproto3.ParseComplete{})
	case *pgproto3.Describe:
		if m.ObjectType == 'S' {
			c.backend.Send(&pgproto3.ParameterDescription{ParameterOIDs: c.source.statement(c.texts[m.Name]).params})
		}
		c.backend.Send(anyRow)
	case *pgproto3.Bind:
		c.bound, c.args = c.texts[m.PreparedStatement], m.Parameters
		c.backend.Send(&pgproto3.BindComplete{})
	case *pgproto3.Execute:
		c.execute()
	case *pgproto3.Sync:
		c.failed = false
		c.ready()
	case *pgproto3.Query: // a ping
		c.backend.Send(&pgproto3.EmptyQueryResponse{})
		c.ready()
	}
}

func (c *rowConn) execute() {
	rows, code := c.source.answer(c.bound, c.args)
	if code != "" {
		c.failed = true
		c.backend.Send(&pgproto3.ErrorResponse{Severity: "ERROR", Code: code, Message: "the row source fails"})
		return
	}
	for _, columns := range rows {
		c.backend.Send(&pgproto3.DataRow{Values: columns})
	}
	c.backend.Send(&pgproto3.CommandComplete{CommandTag: []byte("SELECT")})
}

// failures are SQLSTATEs that the store does not try again after.
var failures = []string{"57014", "55P03", "40001", "42501", "XX000"}

// answer is a statement's rows, or the code of its failure.
func (s *rowsource) answer(sql string, args [][]byte) (rows [][][]byte, code string) {
	st := s.statement(sql)
	asked := args
	if st.write { // it has an id that is new each time
		asked = nil
	}
	v := &values{Rand: rand.New(rand.NewPCG(s.seed.Load(), fingerprint(sql, asked)))}
	if s.faulty.Load() {
		if v.IntN(60) == 0 {
			return nil, failures[v.IntN(len(failures))]
		}
		v.faulty = v.IntN(60) == 0
	}
	return v.rows(st, args), ""
}

// fingerprint is the same in every process: what a fuzzer found is run again in another.
func fingerprint(sql string, args [][]byte) uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, sql)
	for _, a := range args {
		_, _ = h.Write(append(a, 0))
	}
	return h.Sum64()
}

// values makes a statement's rows.
type values struct {
	*rand.Rand
	faulty bool // the caller is found to be deleted, or not found
}

func (v *values) rows(st *statement, args [][]byte) [][][]byte {
	switch {
	case st.each > 0:
		var rows [][][]byte
		for i := range elements(args[st.each-1]) {
			rows = append(rows, v.list(st, uint64(i)+1, v.size(st), nil)...)
		}
		return rows
	case st.keys > 0:
		found := [][]byte{args[st.keys-1]}
		if st.keysAreList {
			found = elements(found[0])
		}
		found = slices.DeleteFunc(found, func(id []byte) bool {
			return v.IntN(5) == 0 || strings.Contains(string(id), "\ufffd") // which the store writes for what no text can hold
		})
		slices.SortFunc(found, slices.Compare)
		found = slices.CompactFunc(found, slices.Equal)
		return v.list(st, 0, len(found), found)
	}
	return v.list(st, 0, v.size(st), nil)
}

// size is how many rows a list has: few, and sometimes as many as may come.
func (v *values) size(st *statement) int {
	switch {
	case st.lead == len(st.columns), st.sure:
		return 1 // of counts
	case st.limit == 0:
		return min(1, v.IntN(8))
	case st.limit <= 4 && v.IntN(3) == 0:
		return st.limit
	}
	return min(st.limit, v.IntN(4))
}

// list is n rows, with the given ids where there are any, or the row that says there is none.
func (v *values) list(st *statement, ord uint64, n int, ids [][]byte) [][][]byte {
	front := make([][]byte, st.lead, len(st.columns))
	for i, t := range st.columns[:st.lead] {
		front[i] = v.of(t, ord)
	}
	if n == 0 {
		return [][][]byte{front[:len(st.columns)]}
	}
	rows := make([][][]byte, n)
	for i := range rows {
		row := slices.Grow(slices.Clone(front), len(st.columns)-len(front))
		for j, t := range st.columns[st.lead:] {
			switch {
			case j == 0 && ids != nil:
				row = append(row, ids[i])
			case j > 0 && v.IntN(7) == 0:
				row = append(row, nil)
			default:
				row = append(row, v.of(t, ord))
			}
		}
		rows[i] = row
	}
	return rows
}

// of is a value of a column.
func (v *values) of(t typ, ord uint64) []byte {
	switch t {
	case typGone:
		if v.faulty && v.IntN(2) == 0 {
			return nil
		}
		return v.boolean(v.faulty)
	case typOrd:
		return binary.BigEndian.AppendUint64(nil, ord)
	case typFlag:
		return v.boolean(v.IntN(2) == 0)
	case typUUID:
		return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, v.Uint64()), v.Uint64())
	case typUserID:
		if v.IntN(4) == 0 {
			return []byte(v.text())
		}
		return []byte(userIDs[v.IntN(len(userIDs))])
	case typText:
		return []byte(v.text())
	case typRole:
		return []byte(roles[v.IntN(len(roles))])
	case typRating:
		return binary.BigEndian.AppendUint16(nil, uint16(2*v.IntN(2)-1))
	case typTime:
		return binary.BigEndian.AppendUint64(nil, uint64(v.time()))
	case typCount:
		return binary.BigEndian.AppendUint64(nil, uint64(v.count()))
	}
	return nil
}

func (v *values) boolean(b bool) []byte {
	if b {
		return []byte{1}
	}
	return []byte{0}
}

var (
	userIDs = []string{ada, ben, ana, gone, "user_\"q\"", "üser/<&>"}
	roles   = []string{"user", "assistant", "system", "USER", "Assistant", "tool", ""}
)

// scraps are what texts are made of: everything JSON escapes, what looks as if it should be, and more.
var scraps = []string{
	`"`, `\`, `/`, "\t", "\r", "\n", "\b", "\f", "\x01", "\x1f", "\x7f", "\u0080", "\u2028", "\u2029", "\ufeff", "\ufffd", "\uffff",
	"é", "ß", "日本", "🎧", "👩‍🎤", "e\u0301", "\u202e", "<script>", "&amp;", "</", `\u0041`, `\"`, "null", " ", "", "a", "Night Drive", "%s", "${x}",
}

func (v *values) text() string {
	if v.IntN(400) == 0 {
		return strings.Repeat(scraps[v.IntN(len(scraps))], 1_500)
	}
	var text []byte
	for range v.IntN(4) {
		switch v.IntN(6) {
		case 0:
			text = utf8.AppendRune(text, rune(1+v.IntN(utf8.MaxRune))) // a surrogate becomes U+FFFD
		case 1:
			text = append(text, byte(1+v.IntN(utf8.RuneSelf-1)))
		default:
			text = append(text, scraps[v.IntN(len(scraps))]...)
		}
	}
	return string(text)
}

// microseconds since 2000, as PostgreSQL counts: the first and the last that RFC 3339 can write.
const (
	firstMicro = -63_082_281_600_000_000
	lastMicro  = 252_455_615_999_999_999
)

// edgeTimes are the infinities, the ends of what there is and of what can be written, and whole seconds.
var edgeTimes = []int64{math.MaxInt64, math.MinInt64, math.MaxInt64 - 1, math.MinInt64 + 1, firstMicro, firstMicro - 1, firstMicro + 1,
	lastMicro, lastMicro - 1, lastMicro + 1, 0, -1, 1, -946_684_800_000_000, 1_000_000, 900_000, 826_000_000_120_000}

func (v *values) time() int64 {
	switch v.IntN(4) {
	case 0:
		return edgeTimes[v.IntN(len(edgeTimes))]
	case 1:
		return firstMicro + v.Int64N(lastMicro-firstMicro)
	}
	precision := []int64{1, 10, 1_000, 100_000, 1_000_000, 3_600_000_000}[v.IntN(6)]
	return (820_000_000_000_000 + v.Int64N(10_000_000_000_000)) / precision * precision
}

var edgeCounts = []int64{0, 1, -1, math.MaxInt32 - 1, math.MaxInt32, math.MaxInt32 + 1, math.MinInt32, math.MinInt32 - 1, math.MaxInt64, math.MinInt64}

func (v *values) count() int64 {
	if v.IntN(3) == 0 {
		return edgeCounts[v.IntN(len(edgeCounts))]
	}
	return v.Int64N(10_000)
}
