package graph_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/ai-dj/segue/graph"
	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/gqlhttp"
	"github.com/ai-dj/segue/internal/testdb"
)

// sorted is a sorted copy.
func sorted(list []string) []string {
	return slices.Sorted(slices.Values(list))
}

const sendMessage = `mutation($id: ID, $content: String!) { sendChatMessage(input: {id: $id, content: $content, sessionId: "s"}) {
	chatMessage { id role content sessionId user { id name } viewerFeedback { id } feedback { totalCount } } } }`

func TestSendChatMessage(t *testing.T) {
	t.Parallel()
	inBothShapes(t, func(t *testing.T, g *gateway) {
		a := g.ok(ada, sendMessage, "content", "hi \"there\" \u2028 <b>")
		a.want("sendChatMessage.chatMessage.user", `{"id":"user_ada","name":"Ada"}`)
		if got := a.at("sendChatMessage.chatMessage.content"); got != "hi \"there\" \u2028 <b>" {
			t.Errorf("content %q", got)
		}
		const id = "0198c0de-0000-7000-8000-000000000001"
		first := g.ok(ada, sendMessage, "id", id, "content", "again").raw
		if second := g.ok(ada, sendMessage, "id", id, "content", "again").raw; second != first {
			t.Errorf("repeated: %s, was %s", second, first)
		}
		for _, who := range []struct{ caller, content string }{{ada, "other"}, {ben, "again"}} {
			if a := g.ask(who.caller, sendMessage, "id", id, "content", who.content); a.code() != "CONFLICT" {
				t.Errorf("taken id: %s", a.raw)
			}
		}
		if n := query1[int64](g, `SELECT count(*) FROM public.chat_messages`); n != 2 {
			t.Errorf("%d rows", n)
		}
		if a := g.ok(ada, `mutation($c: String!) { sendChatMessage(input: {content: $c}) { chatMessage { id } } }`, "c", strings.Repeat("ü", 32_768)); a.code() != "" {
			t.Error(a.raw)
		}
		if a := g.ask(ada, `mutation($c: String!) { sendChatMessage(input: {content: $c}) { chatMessage { id } } }`, "c", strings.Repeat("ü", 32_769)); a.code() != "BAD_USER_INPUT" {
			t.Error(a.raw)
		}
	})
}

func TestWritesNeedAUser(t *testing.T) {
	t.Parallel()
	g := newGateway(t, testdb.Plain)
	if a := g.ask("", sendMessage, "content", "x"); a.code() != "UNAUTHENTICATED" {
		t.Error(a.raw)
	}
	if a := g.ask("key", sendMessage, "content", "x"); a.code() != "FORBIDDEN" {
		t.Error(a.raw)
	}
	if a := g.ok("key", `{ me { id } users { totalCount } }`); a.at("me") != nil {
		t.Error(a.raw)
	}
	if a := g.ask("user_new", sendMessage, "content", "x"); a.code() != "USER_NOT_SYNCED" || a.Errors[0].Extensions["retryAfterMs"] == nil {
		t.Error(a.raw)
	}
	if a := g.ask("user_new", `{ me { id } }`); a.code() != "USER_NOT_SYNCED" {
		t.Error(a.raw)
	}
	g.ok("user_new", `{ chatMessages { totalCount } }`).want("chatMessages.totalCount", "0")
}

func TestProvisioningOnFirstWrite(t *testing.T) {
	t.Parallel()
	var g *gateway
	calls := 0
	g = newGateway(t, testdb.Plain, func(r *graph.Resolver, _ *gqlhttp.Config) {
		r.Provision = func(_ context.Context, id string) error {
			calls++
			if id == "user_unknown" {
				return fault.New(fault.UserNotSynced, "not known")
			}
			testdb.AddUser(t, g.pool, id, "New", "new@example.com")
			return nil
		}
	})
	g.ok("user_new", sendMessage, "content", "first").want("sendChatMessage.chatMessage.user.name", `"New"`)
	g.ok("user_new", sendMessage, "content", "second")
	g.ok("user_newer", `{ me { name } }`).want("me.name", `"New"`)
	if a := g.ask("user_unknown", `{ me { name } }`); a.code() != "USER_NOT_SYNCED" {
		t.Error(a.raw)
	}
	if calls != 3 {
		t.Errorf("%d calls", calls)
	}
}

func TestFeedbackLifecycle(t *testing.T) {
	t.Parallel()
	inBothShapes(t, func(t *testing.T, g *gateway) {
		mine, hers := g.message(ada, "a", 0), g.message(ben, "b", 0)
		const give = `mutation($m: ID!, $r: FeedbackRating!, $c: String) { giveFeedback(input: {messageId: $m, rating: $r, comment: $c}) {
			feedback { id rating comment createdAt message { id viewerFeedback { rating comment } } user { id stats { feedbackUp feedbackDown } } } } }`
		first := g.ok(ada, give, "m", mine, "r", "UP", "c", "nice")
		first.want("giveFeedback.feedback.message.viewerFeedback", `{"comment":"nice","rating":"UP"}`)
		second := g.ok(ada, give, "m", mine, "r", "DOWN", "c", nil)
		second.want("giveFeedback.feedback.comment", "null")
		second.want("giveFeedback.feedback.user.stats", `{"feedbackDown":1,"feedbackUp":0}`)
		second.want("giveFeedback.feedback.message.viewerFeedback", `{"comment":null,"rating":"DOWN"}`)
		for _, path := range []string{"giveFeedback.feedback.id", "giveFeedback.feedback.createdAt"} {
			if first.at(path) != second.at(path) {
				t.Errorf("%s changed", path)
			}
		}
		for _, id := range []string{hers, "0198c0de-0000-7000-8000-000000000009", "nonsense"} {
			if a := g.ask(ada, give, "m", id, "r", "UP"); a.code() != "NOT_FOUND" {
				t.Errorf("%s: %s", id, a.raw)
			}
		}
		if a := g.ask(ana, give, "m", hers, "r", "UP"); a.code() != "" {
			t.Error(a.raw)
		}
		withdraw := `mutation { withdrawFeedback(messageId: "` + mine + `") { deletedId } }`
		if a := g.ok(ada, withdraw); a.at("withdrawFeedback.deletedId") != first.at("giveFeedback.feedback.id") {
			t.Error(a.raw)
		}
		g.ok(ada, withdraw).want("withdrawFeedback.deletedId", "null")
	})
}

func TestLikesAndDeletions(t *testing.T) {
	t.Parallel()
	inBothShapes(t, func(t *testing.T, g *gateway) {
		const like = `mutation($title: String) { likeTrack(input: {trackId: "t", title: $title, artist: ""}) { trackLike { id trackId title artist createdAt user { name } } } }`
		first := g.ok(ada, like, "title", "One")
		first.want("likeTrack.trackLike.user.name", `"Ada"`)
		if second := g.ok(ada, like, "title", "Two"); second.raw != first.raw {
			t.Errorf("liked again: %s, was %s", second.raw, first.raw)
		}
		if a := g.ok(ada, `mutation { unlikeTrack(trackId: "t") { deletedId } again: unlikeTrack(trackId: "t") { deletedId } }`); a.at("again.deletedId") != nil ||
			a.at("unlikeTrack.deletedId") != first.at("likeTrack.trackLike.id") {
			t.Error(a.raw)
		}
		mine, hers := g.message(ada, "a", 0), g.message(ben, "b", 0)
		g.rate(ben, mine, 1, "")
		for _, id := range []string{hers, "x"} {
			if a := g.ask(ada, `mutation { deleteChatMessage(id: "`+id+`") { deletedId } }`); a.code() != "NOT_FOUND" {
				t.Error(a.raw)
			}
		}
		if a := g.ask(ana, `mutation { deleteChatMessage(id: "`+hers+`") { deletedId } }`); a.code() != "NOT_FOUND" {
			t.Error("an analyst writes own rows only:", a.raw)
		}
		g.ok(ada, `mutation { deleteChatMessage(id: "`+mine+`") { deletedId } }`).want("deleteChatMessage.deletedId", `"`+mine+`"`)
		g.message(ada, "c", 1)
		g.rate(ada, g.message(ada, "d", 2), 1, "")
		g.like(ada, "t2")
		g.ok(ada, `mutation { eraseMyData { messages feedback likes } }`).want("eraseMyData", `{"feedback":1,"likes":1,"messages":2}`)
		if n := query1[int64](g, `SELECT (SELECT count(*) FROM public.chat_messages) + (SELECT count(*) FROM public.message_feedback) + (SELECT count(*) FROM public.track_likes)`); n != 1 {
			t.Errorf("%d rows are left, want Ben's message", n)
		}
	})
}
