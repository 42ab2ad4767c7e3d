package graph_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ai-dj/segue/internal/testdb"
)

// inBothShapes runs a test on either form of users_sync.
func inBothShapes(t *testing.T, run func(t *testing.T, g *gateway)) {
	t.Helper()
	for _, shape := range testdb.Shapes() {
		t.Run(string(shape), func(t *testing.T) {
			t.Parallel()
			run(t, newGateway(t, shape))
		})
	}
}

func TestAnonymousSeesNothing(t *testing.T) {
	t.Parallel()
	g := newGateway(t, testdb.Plain)
	for _, field := range []string{`me{id}`, `users{totalCount}`, `node(id:"x"){id}`, `nodes(ids:["x"]){id}`, `chatMessages{totalCount}`,
		`topTracks{likes}`, `userStats{totalCount}`, `activity(range:{from:"2026-03-01T00:00:00Z",to:"2026-03-02T00:00:00Z"}){likes}`} {
		a := g.ask("", "{ "+field+" }")
		if a.status != 200 || a.code() != "UNAUTHENTICATED" {
			t.Errorf("%s: HTTP %d %s", field, a.status, a.raw)
		}
	}
	if a := g.ok("", "{ __typename }"); a.at("__typename") != "Query" {
		t.Error(a.raw)
	}
}

func TestOwnAndOthersUsers(t *testing.T) {
	t.Parallel()
	inBothShapes(t, func(t *testing.T, g *gateway) {
		m := g.message(ben, "ben says", 0)
		g.like(ben, "t1")
		g.rate(ben, m, 1, "fine")
		a := g.ok(ada, `{ me { id name email } user(id: "user_ben") { id name email createdAt updatedAt deletedAt
			chatMessages { totalCount edges { node { content } } } feedback { totalCount } trackLikes { totalCount }
			stats { user { id name } messageCount likedTracks feedbackUp firstActiveAt } } gone: user(id: "user_gone") { id } none: user(id: "user_x") { id } }`)
		a.want("me", `{"email":"ada@example.com","id":"user_ada","name":"Ada"}`)
		a.want("user.name", `"Ben"`)
		for path, wanted := range map[string]string{
			"user.email": "null", "user.updatedAt": "null", "user.deletedAt": "null", "user.chatMessages": `{"edges":[],"totalCount":0}`,
			"user.feedback.totalCount": "0", "user.trackLikes.totalCount": "0", "gone": "null", "none": "null",
			"user.stats": `{"feedbackUp":0,"firstActiveAt":null,"likedTracks":0,"messageCount":0,"user":{"id":"user_ben","name":"Ben"}}`,
		} {
			a.want(path, wanted)
		}
		a = g.ok(ana, `{ user(id: "user_ben") { email chatMessages { totalCount edges { node { content user { id } } } }
			stats { messageCount likedTracks feedbackUp firstActiveAt lastActiveAt } } gone: user(id: "user_gone") { name deletedAt } }`)
		a.want("user.email", `"ben@example.com"`)
		a.want("user.chatMessages", `{"edges":[{"node":{"content":"ben says","user":{"id":"user_ben"}}}],"totalCount":1}`)
		a.want("user.stats", `{"feedbackUp":1,"firstActiveAt":"2026-03-01T10:00:00Z","lastActiveAt":"2026-03-03T10:00:00Z","likedTracks":1,"messageCount":1}`)
		a.want("gone.name", `"Gone"`)
	})
}

func TestDeletedCallerIsRefused(t *testing.T) {
	t.Parallel()
	inBothShapes(t, func(t *testing.T, g *gateway) {
		for _, query := range []string{`{ me { id } }`, `{ users { totalCount } }`, `{ chatMessages { edges { node { id } } } }`,
			`mutation { sendChatMessage(input: {content: "x"}) { chatMessage { id } } }`, `mutation { likeTrack(input: {trackId: "x"}) { trackLike { id } } }`,
			`mutation { eraseMyData { messages } }`} {
			if a := g.ask(gone, query); a.status != 403 || a.code() != "USER_DELETED" {
				t.Errorf("%s: HTTP %d %s", query, a.status, a.raw)
			}
		}
	})
}

func TestListsPageBothWays(t *testing.T) {
	t.Parallel()
	inBothShapes(t, func(t *testing.T, g *gateway) {
		const n = 23
		for i := range n {
			g.message(ada, fmt.Sprintf("m%02d", i), i/2) // pairs share an instant
		}
		g.message(ben, "ben", 5)
		g.message(gone, "gone", 6)
		all := walk(g, ada, "first: 5, after: $cursor", "hasNextPage", "endCursor")
		if len(all) != n || all[0][:2] != "m2" {
			t.Fatalf("forwards: %v", all)
		}
		back := walk(g, ada, "last: 4, before: $cursor", "hasPreviousPage", "startCursor")
		if strings.Join(sorted(back), " ") != strings.Join(sorted(all), " ") {
			t.Errorf("backwards: %v", back)
		}
		a := g.ok(ana, `{ chatMessages(first: 100) { totalCount pageInfo { hasNextPage hasPreviousPage } edges { node { content } } } }`)
		a.want("chatMessages.totalCount", "24")
		a.want("chatMessages.pageInfo", `{"hasNextPage":false,"hasPreviousPage":false}`)
	})
}

func walk(g *gateway, who, args, more, cursor string) []string {
	g.t.Helper()
	var contents []string
	var at any
	for range 20 {
		a := g.ok(who, `query($cursor: String) { chatMessages(`+args+`) { totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor } edges { cursor node { content } } } }`, "cursor", at)
		a.want("chatMessages.totalCount", "23")
		page := a.at("chatMessages.edges").([]any)
		for i := range page {
			contents = append(contents, page[i].(map[string]any)["node"].(map[string]any)["content"].(string))
		}
		first, last := at == nil, a.at("chatMessages.pageInfo."+more) == false
		behind := map[string]string{"hasNextPage": "hasPreviousPage", "hasPreviousPage": "hasNextPage"}[more]
		if a.at("chatMessages.pageInfo."+behind) == first {
			g.t.Errorf("%s is wrong in %s", behind, a.raw)
		}
		if last {
			return contents
		}
		at = a.at("chatMessages.pageInfo." + cursor)
	}
	g.t.Fatal("the list does not end")
	return nil
}

func TestBadArguments(t *testing.T) {
	t.Parallel()
	g := newGateway(t, testdb.Plain)
	g.message(ada, "x", 0)
	cursor := g.ok(ada, `{ chatMessages { edges { cursor } } }`).at("chatMessages.edges.0.cursor").(string)
	for query, field := range map[string]string{
		`{ chatMessages(first: 0) { totalCount } }`:                                                 "first",
		`{ chatMessages(first: 101) { totalCount } }`:                                               "first",
		`{ chatMessages(last: -1) { totalCount } }`:                                                 "last",
		`{ chatMessages(first: 1, last: 1) { totalCount } }`:                                        "last",
		`{ chatMessages(after: "nonsense") { totalCount } }`:                                        "after",
		`{ trackLikes(after: "` + cursor + `") { totalCount } }`:                                    "after",
		`{ me { chatMessages(first: 0) { totalCount } } }`:                                          "first",
		`{ users { edges { node { trackLikes(before: "x") { totalCount } } } } }`:                   "before",
		`{ topTracks(first: 0) { likes } }`:                                                         "first",
		`{ chatMessages(filter: {range: {from: "yesterday"}}) { totalCount } }`:                     "",
		`mutation { sendChatMessage(input: {content: ""}) { chatMessage { id } } }`:                 "content",
		`mutation { sendChatMessage(input: {content: "x", sessionId: ""}) { chatMessage { id } } }`: "sessionId",
		`mutation { sendChatMessage(input: {content: "x", id: "7"}) { chatMessage { id } } }`:       "id",
		`mutation { likeTrack(input: {trackId: ""}) { trackLike { id } } }`:                         "trackId",
		`mutation { likeTrack(input: {trackId: "a\u0000b"}) { trackLike { id } } }`:                 "trackId",
	} {
		a := g.ask(ada, query)
		if a.code() != "BAD_USER_INPUT" {
			t.Errorf("%s: %s", query, a.raw)
			continue
		}
		if got := a.Errors[0].Extensions["field"]; field != "" && (got != field || !strings.Contains(a.Errors[0].Message, field)) {
			t.Errorf("%s: field %v, want %s: %s", query, got, field, a.raw)
		}
	}
	for name, n := range map[string]int{"userIds": 1001} {
		ids := make([]string, n)
		a := g.ask(ada, `query($ids: [ID!]) { chatMessages(filter: {userIds: $ids}) { totalCount } }`, "ids", ids)
		if a.code() != "BAD_USER_INPUT" || a.Errors[0].Extensions["field"] != name {
			t.Errorf("%s: %s", name, a.raw)
		}
	}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	inBothShapes(t, func(t *testing.T, g *gateway) {
		m := g.message(ada, "100% Sure_thing", 0)
		g.message(ada, "nothing", 1)
		g.message(ben, "Ben's", 2)
		g.rate(ada, m, -1, "meh")
		g.like(ada, "t1")
		for filter, count := range map[string]string{
			``: "3", `userIds: []`: "0", `userIds: null`: "3", `userIds: ["user_ada"]`: "2", `userIds: ["user_ada", "user_ben", "user_x"]`: "3",
			`search: "100%"`: "1", `search: "sure_T"`: "1", `search: "%"`: "1", `search: "\\"`: "0", `search: "\u0000"`: "0", `role: ASSISTANT`: "0", `sessionId: "s1"`: "3",
			`range: {from: "2026-03-01T10:01:00Z"}`: "2", `range: {to: "2026-03-01T10:01:00Z"}`: "1", `range: {from: "1772359260000"}`: "2",
		} {
			a := g.ok(ana, `{ chatMessages(filter: {`+filter+`}) { totalCount edges { node { id } } } }`)
			a.want("chatMessages.totalCount", count)
			if n := len(a.at("chatMessages.edges").([]any)); fmt.Sprint(n) != count {
				t.Errorf("%s: %d rows", filter, n)
			}
		}
		g.ok(ada, `{ chatMessages(filter: {userIds: ["user_ben"]}) { totalCount } }`).want("chatMessages.totalCount", "0")
		g.ok(ana, `{ feedback(filter: {messageIds: ["`+m+`", "x"], rating: DOWN}) { totalCount } }`).want("feedback.totalCount", "1")
		g.ok(ana, `{ trackLikes(filter: {trackIds: ["t1"]}) { totalCount } }`).want("trackLikes.totalCount", "1")
		g.ok(ada, `{ users(filter: {search: "BEN@"}) { totalCount } }`).want("users.totalCount", "0")
		g.ok(ana, `{ users(filter: {search: "BEN@"}) { totalCount } }`).want("users.totalCount", "1")
		g.ok(ada, `{ users(filter: {includeDeleted: true}) { totalCount } }`).want("users.totalCount", "3")
		g.ok(ana, `{ users(filter: {includeDeleted: true}) { totalCount } }`).want("users.totalCount", "4")
	})
}

func TestRatingsAndTheirMessages(t *testing.T) {
	t.Parallel()
	inBothShapes(t, func(t *testing.T, g *gateway) {
		mine, hers := g.message(ada, "ada's own", 0), g.message(ben, "ben's secret", 1)
		g.rate(ada, mine, 1, "own")
		foreign := g.rate(ada, hers, 1, "on ben's")
		byBen := g.rate(ben, mine, -1, "from ben")
		g.rate(gone, mine, 1, "from gone")
		a := g.ok(ada, `{ feedback { totalCount edges { node { comment message { id } } } } narrowed: feedback { edges { node { message { content } } } } }`)
		a.want("feedback.totalCount", "2")
		if strings.Contains(a.raw, "secret") {
			t.Errorf("a leak: %s", a.raw)
		}
		a.want("narrowed.edges", `[{"node":{"message":{"content":"ada's own"}}}]`)
		a = g.ok(ada, `{ chatMessage(id: "`+mine+`") { viewerFeedback { comment } feedback { totalCount edges { node { comment user { id name email } } } } } }`)
		a.want("chatMessage.viewerFeedback", `{"comment":"own"}`)
		a.want("chatMessage.feedback.totalCount", "2")
		a = g.ok(ada, `{ nodes(ids: ["`+byBen+`", "`+foreign+`", "`+hers+`", "`+strings.ToUpper(mine)+`", "user_ben", "user_gone", "x"]) {
			__typename id ... on Feedback { comment } ... on ChatMessage { content } ... on User { name email } } }`)
		a.want("nodes", fmt.Sprintf(`[{"__typename":"Feedback","comment":"from ben","id":%q},{"__typename":"Feedback","comment":"on ben's","id":%q},null,`+
			`{"__typename":"ChatMessage","content":"ada's own","id":%q},{"__typename":"User","email":null,"id":"user_ben","name":"Ben"},null,null]`, byBen, foreign, mine))
		g.ok(ada, `{ node(id: "`+mine+`") { ... on ChatMessage { content } } n: node(id: "`+hers+`") { id } }`).want("node", `{"content":"ada's own"}`)
	})
}
