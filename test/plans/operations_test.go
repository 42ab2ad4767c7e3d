package plans

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/ai-dj/segue/internal/page"
	"github.com/ai-dj/segue/internal/store"
	"github.com/ai-dj/segue/internal/viewer"
)

// asAnalyst sees everything and is nobody in the data.
var asAnalyst = viewer.User("user_plans", "sess_plans", true)

// caller is who runs an operation.
type caller string

const (
	analyst caller = "an analyst"
	key     caller = "an API key"
	user    caller = "a user"
	segue   caller = "Segue"
)

// operation is one kind of thing that a caller, or Segue itself, does.
type operation struct {
	section string // the field
	name    string // which use of it
	by      caller
	as      viewer.Viewer

	query     string
	variables map[string]any
	do        func(*gateway) // instead of a query
	before    string         // SQL to run first in the transaction that explains
	folds     bool           // it may fold the journal
	listening bool           // its statements are those of the listening connection
}

// label names the operation, without who runs it.
func (o operation) label() string { return o.section + ": " + o.name }

// journal puts changes into the rollups' journal, about as many as it holds at any time.
const journal = `insert into segue.user_changes (clerk_id, at, messages)
	select clerk_id, created_at, 1 from (select clerk_id, created_at from public.chat_messages order by created_at desc, id desc limit 250) x;
insert into segue.track_changes (track_id, likes)
	select track_id, 1 from (select track_id from public.track_likes order by created_at desc, id desc limit 100) x`

// happened are events that were read already.
const happened = `insert into segue.events (xid, kind, clerk_id, id) select '3'::xid8, 'message', 'user_x', i::text from generate_series(1, 3000) i`

// The fields that cost no join.
const (
	messageFields = "id content role sessionId createdAt"
	ratingFields  = "id rating comment createdAt"
	likeFields    = "id trackId title artist createdAt"
	statsFields   = "messageCount likedTracks feedbackUp feedbackDown"
	spanFields    = statsFields + " firstActiveAt lastActiveAt"
	ends          = "pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
)

// list collects the operations.
type list struct {
	s   sample
	all []operation
}

// ask adds a query for each of the callers.
func (l *list) ask(section, name string, by []caller, query string, variables map[string]any) {
	for _, c := range by {
		o := operation{section: section, name: name, by: c, query: query, variables: variables}
		switch c {
		case analyst:
			o.as = asAnalyst
		case key:
			o.as = viewer.Key("k")
		default:
			o.as = viewer.User(l.s.busy, "sess_busy", false)
		}
		l.all = append(l.all, o)
	}
}

// background adds what Segue does by itself.
func (l *list) background(section, name string, before string, do func(*gateway)) {
	l.all = append(l.all, operation{section: section, name: name, by: segue, before: before, do: do})
}

type vars = map[string]any

var (
	both     = []caller{analyst, user}
	analysts = []caller{analyst}
	users    = []caller{user}
)

// operations are all kinds of operations of the schema, on what s names.
func operations(s sample) []operation {
	l := &list{s: s}
	l.byID()
	l.people()
	l.messages()
	l.ratings()
	l.likes()
	l.numbers()
	l.nested()
	l.mutations()
	l.subscriptions()
	l.upkeep()
	for i := range l.all {
		switch l.all[i].section {
		case "userStats", "activity", "topTracks", "User.stats":
			l.all[i].before = journal
		}
	}
	return l.all
}

func (l *list) byID() {
	s := l.s
	l.ask("me", "the caller", users, `{ me { id name email createdAt } }`, nil)
	l.ask("me", "with everything below", users, `{ me { name stats { `+spanFields+` } chatMessages(first: 10) { edges { node { `+messageFields+` } } }
  feedback(first: 10) { edges { node { `+ratingFields+` } } } trackLikes(first: 10) { edges { node { `+likeFields+` } } } } }`, nil)
	const node = `... on User { name } ... on ChatMessage { content user { name } } ... on Feedback { rating } ... on TrackLike { title }`
	l.ask("node", "a message", both, `query($id: ID!) { node(id: $id) { id `+node+` } }`, vars{"id": s.message})
	l.ask("nodes", "of all kinds", both, `query($ids: [ID!]!) { nodes(ids: $ids) { id `+node+` } }`,
		vars{"ids": append([]string{s.rating, s.like}, append(s.messages, s.people...)...)})
	l.ask("user", "by id", both, `query($id: ID!) { user(id: $id) { id name email createdAt deletedAt } }`, vars{"id": s.quiet})
	l.ask("chatMessage", "by id, with its author and the caller's rating", both,
		`query($id: ID!) { chatMessage(id: $id) { `+messageFields+` user { name email } viewerFeedback { rating } } }`, vars{"id": s.message})
}

func (l *list) people() {
	s := l.s
	const list = `users(%) { edges { cursor node { id name email } } ` + ends + ` }`
	after := page.Cursor(page.Users, page.Key{Value: s.to.Add(-300 * 24 * time.Hour).UnixMicro(), ID: s.quiet})
	l.ask("users", "newest first", both, `{ `+with(list, "first: 20")+` }`, nil)
	l.ask("users", "after a cursor", analysts, `query($at: String!) { `+with(list, "first: 20, after: $at")+` }`, vars{"at": after})
	l.ask("users", "the last", analysts, `query($at: String!) { `+with(list, "last: 20, before: $at")+` }`, vars{"at": after})
	l.ask("users", "by ids", analysts, `query($ids: [ID!]) { `+with(list, "filter: {ids: $ids}")+` }`, vars{"ids": s.people})
	l.ask("users", "deleted ones too", analysts, `{ `+with(list, "filter: {includeDeleted: true}")+` }`, nil)
	l.ask("users", "search: most match", both, `query($text: String) { `+with(list, "filter: {search: $text}")+` }`, vars{"text": "a"})
	l.ask("users", "search: nobody matches", both, `query($text: String) { `+with(list, "filter: {search: $text}")+` }`, vars{"text": absent})
	l.ask("users", "totalCount", both, `{ users { totalCount } }`, nil)
	l.ask("users", "totalCount of a search", both, `{ users(filter: {search: "a"}) { totalCount } }`, nil)
}

func (l *list) messages() {
	s := l.s
	const list = `chatMessages(%) { edges { cursor node { ` + messageFields + ` } } ` + ends + ` }`
	after := page.Cursor(page.ChatMessages, page.Key{Value: s.to.Add(-100 * 24 * time.Hour).UnixMicro(), ID: s.message})
	filtered := func(name string, by []caller, v vars) {
		l.ask("chatMessages", name, by, `query($filter: ChatMessageFilter) { `+with(list, "first: 20, filter: $filter")+` }`, vars{"filter": v})
	}
	counted := func(name string, by []caller, v vars) {
		l.ask("chatMessages", "totalCount "+name, by, `query($filter: ChatMessageFilter) { chatMessages(filter: $filter) { totalCount } }`, vars{"filter": v})
	}
	month := vars{"from": s.from, "to": s.to}
	l.ask("chatMessages", "newest first, with their authors", append(both, key),
		`{ chatMessages(first: 50) { edges { node { `+messageFields+` user { name email } } } } }`, nil)
	l.ask("chatMessages", "after a cursor", both, `query($at: String!) { `+with(list, "first: 50, after: $at")+` }`, vars{"at": after})
	l.ask("chatMessages", "the last before a cursor", both, `query($at: String!) { `+with(list, "last: 50, before: $at")+` }`, vars{"at": after})
	l.ask("chatMessages", "with the caller's own rating", users, `{ chatMessages(first: 50) { edges { node { id viewerFeedback { rating comment } } } } }`, nil)
	filtered("of one person", analysts, vars{"userIds": s.people[:1]})
	filtered("of twenty people", analysts, vars{"userIds": s.people})
	filtered("of a conversation", both, vars{"sessionId": s.session})
	filtered("of a role", both, vars{"role": "ASSISTANT"})
	filtered("of a role that nobody has", both, vars{"role": "SYSTEM"})
	filtered("of a month", both, vars{"range": month})
	filtered("search: every fifth matches", both, vars{"search": common})
	filtered("search: only the oldest matches", analysts, vars{"search": s.rare})
	filtered("search: only the oldest matches", users, vars{"search": s.mine})
	filtered("search: nothing matches, in a month", analysts, vars{"search": absent, "range": month})
	filtered("search: nothing matches, of one person", analysts, vars{"search": absent, "userIds": s.people[:1]})
	counted("of all", both, nil)
	counted("of one person", analysts, vars{"userIds": s.people[:1]})
	counted("of twenty people", analysts, vars{"userIds": s.people})
	counted("of a conversation", both, vars{"sessionId": s.session})
	counted("of a role", both, vars{"role": "ASSISTANT"})
	counted("of a month", both, vars{"range": month})
	counted("of a search", both, vars{"search": common})
}

func (l *list) ratings() {
	s := l.s
	const list = `feedback(%) { edges { cursor node { ` + ratingFields + ` } } ` + ends + ` }`
	after := page.Cursor(page.Feedback, page.Key{Value: s.to.Add(-60 * 24 * time.Hour).UnixMicro(), ID: s.rating})
	filtered := func(name string, by []caller, v vars) {
		l.ask("feedback", name, by, `query($filter: FeedbackFilter) { `+with(list, "first: 20, filter: $filter")+` }`, vars{"filter": v})
	}
	counted := func(name string, by []caller, v vars) {
		l.ask("feedback", "totalCount "+name, by, `query($filter: FeedbackFilter) { feedback(filter: $filter) { totalCount } }`, vars{"filter": v})
	}
	month := vars{"from": s.from, "to": s.to}
	l.ask("feedback", "newest first, with givers and messages", both,
		`{ feedback(first: 50) { edges { node { `+ratingFields+` user { name } message { content user { name } } } } } }`, nil)
	l.ask("feedback", "after a cursor", both, `query($at: String!) { `+with(list, "first: 50, after: $at")+` }`, vars{"at": after})
	filtered("by one person", analysts, vars{"userIds": s.people[:1]})
	filtered("by twenty people", analysts, vars{"userIds": s.people})
	filtered("of twenty messages", both, vars{"messageIds": s.messages})
	filtered("thumbs down", both, vars{"rating": "DOWN"})
	filtered("of a month", both, vars{"range": month})
	counted("of all", both, nil)
	counted("of thumbs down", both, vars{"rating": "DOWN"})
	counted("of twenty messages", analysts, vars{"messageIds": s.messages})
}

func (l *list) likes() {
	s := l.s
	const list = `trackLikes(%) { edges { cursor node { ` + likeFields + ` } } ` + ends + ` }`
	after := page.Cursor(page.TrackLikes, page.Key{Value: s.to.Add(-100 * 24 * time.Hour).UnixMicro(), ID: s.like})
	filtered := func(name string, by []caller, v vars) {
		l.ask("trackLikes", name, by, `query($filter: TrackLikeFilter) { `+with(list, "first: 20, filter: $filter")+` }`, vars{"filter": v})
	}
	counted := func(name string, by []caller, v vars) {
		l.ask("trackLikes", "totalCount "+name, by, `query($filter: TrackLikeFilter) { trackLikes(filter: $filter) { totalCount } }`, vars{"filter": v})
	}
	l.ask("trackLikes", "newest first, with people", both, `{ trackLikes(first: 50) { edges { node { `+likeFields+` user { name } } } } }`, nil)
	l.ask("trackLikes", "after a cursor", both, `query($at: String!) { `+with(list, "first: 50, after: $at")+` }`, vars{"at": after})
	filtered("of one person", analysts, vars{"userIds": s.people[:1]})
	filtered("of one track", both, vars{"trackIds": []string{s.track}})
	filtered("of two tracks", both, vars{"trackIds": []string{s.track, s.liked}})
	filtered("of a month", both, vars{"range": vars{"from": s.from, "to": s.to}})
	counted("of all", both, nil)
	counted("of one track", both, vars{"trackIds": []string{s.track}})
}

func (l *list) numbers() {
	s := l.s
	const month = `$range: TimeRange`
	between := vars{"range": vars{"from": s.from, "to": s.to}}
	for _, order := range []string{"MESSAGE_COUNT", "LIKED_TRACKS", "LAST_ACTIVE_AT"} {
		fields := "user { id name } " + statsFields
		if order == "LAST_ACTIVE_AT" {
			fields = "user { id name } " + spanFields
		}
		top := `userStats(first: 20, orderBy: ` + order + `%) { edges { cursor node { ` + fields + ` } } }`
		by := both
		if order != "MESSAGE_COUNT" {
			by = analysts
		}
		l.ask("userStats", order+", over all time", by, `{ `+with(top, "")+` }`, nil)
		l.ask("userStats", order+", in a month", by, `query(`+month+`) { `+with(top, ", range: $range")+` }`, between)
	}
	const top = `userStats(%) { edges { cursor node { user { id } ` + statsFields + ` } } ` + ends + ` }`
	after := page.Cursor(page.StatsByMessageCount, page.Key{Value: 30, ID: s.quiet})
	l.ask("userStats", "after a cursor", analysts, `query($at: String!) { `+with(top, "first: 20, after: $at")+` }`, vars{"at": after})
	l.ask("userStats", "the last", analysts, `{ `+with(top, "last: 20")+` }`, nil)
	l.ask("userStats", "of twenty people", analysts, `query($ids: [ID!]) { `+with(top, "userIds: $ids")+` }`, vars{"ids": s.people})
	l.ask("userStats", "of twenty people, in a month", analysts, `query($ids: [ID!], `+month+`) { `+with(top, "userIds: $ids, range: $range")+` }`,
		vars{"ids": s.people, "range": between["range"]})
	l.ask("userStats", "totalCount", analysts, `{ userStats { totalCount } }`, nil)

	const points = `{ start messages likes feedbackUp feedbackDown activeUsers }`
	l.ask("activity", "a month by day", both, `query($range: TimeRange!) { activity(range: $range) `+points+` }`, between)
	l.ask("activity", "a month by day of a half-hour zone", both, `query($range: TimeRange!) { activity(range: $range, timeZone: "Asia/Kolkata") `+points+` }`, between)
	l.ask("activity", "a month by day, of one person", analysts, `query($range: TimeRange!, $id: ID) { activity(range: $range, userId: $id) `+points+` }`,
		vars{"range": between["range"], "id": s.busy})
	l.ask("activity", "a day by hour", analysts, `query($range: TimeRange!) { activity(range: $range, bucket: HOUR) `+points+` }`,
		vars{"range": vars{"from": s.to.Add(-24 * time.Hour), "to": s.to}})
	l.ask("activity", "a year by month", analysts, `query($range: TimeRange!) { activity(range: $range, bucket: MONTH, timeZone: "Europe/Berlin") `+points+` }`,
		vars{"range": vars{"from": s.to.Add(-365 * 24 * time.Hour), "to": s.to}})

	const tracks = `{ trackId title artist likes }`
	l.ask("topTracks", "over all time", both, `{ topTracks(first: 10) `+tracks+` }`, nil)
	l.ask("topTracks", "in a month", both, `query($range: TimeRange) { topTracks(range: $range, first: 10) `+tracks+` }`, between)
}

func (l *list) nested() {
	s := l.s
	of := func(below string) string {
		return `query($ids: [ID!]) { users(filter: {ids: $ids}) { edges { node { id ` + below + ` } } } }`
	}
	people := vars{"ids": s.people}
	l.ask("User.chatMessages", "ten newest of twenty people", both, of(`chatMessages(first: 10) { edges { node { `+messageFields+` } } }`), people)
	l.ask("User.chatMessages", "filtered, with ends and totalCount", analysts,
		of(`chatMessages(first: 10, filter: {role: USER}) { totalCount `+ends+` edges { node { id } } }`), people)
	l.ask("User.chatMessages", "search", analysts, of(`chatMessages(first: 10, filter: {search: "`+common+`"}) { edges { node { id } } }`), people)
	l.ask("User.feedback", "ten newest of twenty people", analysts, of(`feedback(first: 10) { edges { node { `+ratingFields+` message { content } } } }`), people)
	l.ask("User.feedback", "the caller's, with the messages", users, `{ me { feedback(first: 10) { edges { node { `+ratingFields+` message { content } } } } } }`, nil)
	l.ask("User.trackLikes", "ten newest of twenty people", both, of(`trackLikes(first: 10) { edges { node { `+likeFields+` } } }`), people)
	l.ask("User.trackLikes", "totalCount", analysts, of(`trackLikes { totalCount }`), people)
	l.ask("User.stats", "of twenty people", both, of(`stats { `+statsFields+` }`), people)
	l.ask("User.stats", "with the first and last deed", analysts, of(`stats { `+spanFields+` }`), people)
	l.ask("User.stats", "in a month", analysts, `query($ids: [ID!], $range: TimeRange) { users(filter: {ids: $ids}) { edges { node { id stats(range: $range) { `+spanFields+` } } } } }`,
		vars{"ids": s.people, "range": vars{"from": s.from, "to": s.to}})
	const ratings = `feedback(first: 10) { edges { node { ` + ratingFields + ` user { name } } } }`
	l.ask("ChatMessage.feedback", "of the newest fifty", both, `{ chatMessages(first: 50) { edges { node { id `+ratings+` } } } }`, nil)
	l.ask("ChatMessage.feedback", "of the message with most ratings", analysts, `query($id: ID!) { chatMessage(id: $id) { id `+ratings+` } }`, vars{"id": s.hot})
	l.ask("ChatMessage.feedback", "with ends and totalCount", analysts,
		`query($id: ID!) { chatMessage(id: $id) { id feedback(first: 10) { totalCount `+ends+` edges { node { id } } } } }`, vars{"id": s.hot})
	l.ask("three levels", "people, their messages, the ratings", analysts,
		of(`chatMessages(first: 5) { edges { node { id feedback(first: 5) { edges { node { `+ratingFields+` } } } } } } trackLikes(first: 10) { edges { node { id title } } }`), people)
	l.ask("to-one edges", "likes, their people, those people's messages", analysts,
		`{ trackLikes(first: 20) { edges { node { id user { name stats { messageCount } chatMessages(first: 5) { edges { node { content } } } } } } } }`, nil)
}

func (l *list) mutations() {
	s := l.s
	do := func(section, name, query string, v vars) {
		l.ask(section, name, users, query, v)
	}
	const send = `mutation($input: SendChatMessageInput!) { sendChatMessage(input: $input) { chatMessage { ` + messageFields + ` user { name } } } }`
	do("sendChatMessage", "a new one", send, vars{"input": vars{"content": "something slow after midnight", "sessionId": "plans"}})
	do("sendChatMessage", "again, with the id of the stored one", send, vars{"input": vars{"content": s.content, "id": s.message}})
	do("deleteChatMessage", "with its ratings", `mutation($id: ID!) { deleteChatMessage(id: $id) { deletedId } }`, vars{"id": s.doomed})
	const rate = `mutation($input: GiveFeedbackInput!) { giveFeedback(input: $input) { feedback { ` + ratingFields + ` message { content } } } }`
	do("giveFeedback", "the first", rate, vars{"input": vars{"messageId": s.unrated, "rating": "UP"}})
	do("giveFeedback", "replacing one", rate, vars{"input": vars{"messageId": s.unrated, "rating": "DOWN", "comment": "no"}})
	do("withdrawFeedback", "one that was given", `mutation($id: ID!) { withdrawFeedback(messageId: $id) { deletedId } }`, vars{"id": s.rated})
	const like = `mutation($input: LikeTrackInput!) { likeTrack(input: $input) { trackLike { ` + likeFields + ` } } }`
	do("likeTrack", "a new one", like, vars{"input": vars{"trackId": "plans", "title": "T"}})
	do("likeTrack", "again", like, vars{"input": vars{"trackId": s.liked}})
	do("unlikeTrack", "one that was liked", `mutation($id: String!) { unlikeTrack(trackId: $id) { deletedId } }`, vars{"id": s.liked})
	do("eraseMyData", "of one who did as much as most", `mutation { eraseMyData { messages feedback likes } }`, nil)
	l.all[len(l.all)-1].as = viewer.User(s.quiet, "sess_quiet", false)
}

func (l *list) subscriptions() {
	const like = `insert into public.track_likes (clerk_id, track_id) values ($1, $2)`
	who := l.s.people[1]
	for _, one := range []struct {
		field, query, cause string
		args                []any
	}{
		{"chatMessageAdded", `subscription { chatMessageAdded { ` + messageFields + ` user { name } } }`,
			`insert into public.chat_messages (clerk_id, role, content) values ($1, 'user', 'plans')`, []any{who}},
		{"feedbackGiven", `subscription { feedbackGiven { ` + ratingFields + ` message { content } } }`,
			`insert into public.message_feedback (clerk_id, message_id, rating) values ($1, $2, 1)
			 on conflict (clerk_id, message_id) do update set rating = -1`, []any{who, l.s.hot}},
		{"trackLiked", `subscription { trackLiked { ` + likeFields + ` user { name } } }`, like, []any{who, "plans1"}},
		{"userStatsChanged", `subscription { userStatsChanged { user { name } ` + spanFields + ` } }`, like, []any{who, "plans2"}},
	} {
		l.all = append(l.all, operation{section: one.field, name: "an event, read for an analyst", by: segue, query: one.query, before: journal,
			do: func(g *gateway) { g.listen(asAnalyst, one.query, one.cause, one.args...) }})
	}
	l.all = append(l.all, operation{section: "the listening connection", name: "from the first subscriber to the last", by: segue, before: happened, listening: true,
		do: func(g *gateway) { g.heard.wait(g.t, "delete from segue.events where not exists") }})
}

// upkeep is what nobody asks for.
func (l *list) upkeep() {
	s := l.s
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	name, email := "Plans", "plans@example.com"
	someone := func(id string) store.SyncedUser {
		return store.SyncedUser{ID: id, Name: &name, Email: &email, CreatedAt: now, UpdatedAt: now}
	}
	system := func(g *gateway) *store.System { return store.NewSystem(g.pool, store.SegueOwned) }
	must := func(g *gateway, err error) {
		g.t.Helper()
		if err != nil {
			g.t.Fatal(err)
		}
	}
	l.background("rollups", "folding the journal", journal, func(g *gateway) { must(g, store.FoldRollups(g.t.Context(), g.pool)) })
	l.all[len(l.all)-1].folds = true

	l.background("API keys", "verifying one, and noting its use", "", func(g *gateway) {
		text, _, err := store.CreateKey(g.t.Context(), g.pool, "plans", time.Time{})
		must(g, err)
		g.sent.take()
		keys := store.NewKeys(g.pool, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(g.t.Context())
		done := make(chan error, 1)
		go func() { done <- keys.Run(ctx) }()
		_, err = keys.Verify(g.t.Context(), text)
		must(g, err)
		g.sent.wait(g.t, "update segue.api_keys")
		cancel()
		must(g, <-done)
	})

	receive := func(d store.Delivery) func(*gateway) {
		return func(g *gateway) {
			_, err := system(g).Receive(g.t.Context(), d)
			must(g, err)
		}
	}
	changed := someone(s.people[2])
	l.background("webhooks", "user.updated", "", receive(store.Delivery{ID: "plans1", Type: "user.updated", UserID: changed.ID, At: now, Changed: &changed}))
	l.background("webhooks", "user.deleted", "", receive(store.Delivery{ID: "plans2", Type: "user.deleted", UserID: s.people[15], At: now, Deleted: true}))
	l.background("webhooks", "session.ended", "", receive(store.Delivery{ID: "plans3", Type: "session.ended", At: now, SessionOver: "sess_plans"}))
	l.background("webhooks", "forgetting old deliveries", "", func(g *gateway) { must(g, system(g).PruneInbox(g.t.Context(), 40*24*time.Hour)) })

	l.background("users", "provisioning a caller", "", func(g *gateway) {
		_, err := system(g).Presence(g.t.Context(), "user_plans_new")
		must(g, err)
		_, err = system(g).SaveUsers(g.t.Context(), []store.SyncedUser{someone("user_plans_new")}, now)
		must(g, err)
	})
	l.background("users", "a backfill", "", func(g *gateway) {
		ctx, sys := g.t.Context(), system(g)
		at, _, err := sys.BeginBackfill(ctx, time.Hour)
		must(g, err)
		must(g, sys.SetBackfillTotal(ctx, at.Run, 1000))
		page := make([]store.SyncedUser, len(s.people))
		for i, id := range s.people {
			page[i] = someone(id)
		}
		next := at
		next.Phase = store.PhaseMissing
		at, err = sys.SavePage(ctx, at, next, page, now)
		must(g, err)
		_, err = sys.LiveUsers(ctx)
		must(g, err)
		_, err = sys.Unseen(ctx, at.Run, "", 100)
		must(g, err)
		must(g, sys.SaveFound(ctx, at, page[:1], now))
		_, err = sys.BuryMissing(ctx, at, s.people[16:17], now)
		must(g, err)
		_, err = sys.EndBackfill(ctx, at.Run, "")
		must(g, err)
	})
	l.background("users", "exporting a person", "", func(g *gateway) { must(g, system(g).Export(g.t.Context(), s.people[12], io.Discard)) })
	l.background("users", "erasing a person", "", func(g *gateway) {
		_, err := system(g).Erase(g.t.Context(), s.people[13])
		must(g, err)
	})
	l.background("users", "the sweep", "", func(g *gateway) {
		_, err := system(g).Sweep(g.t.Context(), 0)
		must(g, err)
	})
}

// with puts arguments where the % stands.
func with(list, arguments string) string { return strings.Replace(list, "%", arguments, 1) }
