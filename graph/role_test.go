package graph_test

import (
	"testing"

	"github.com/ai-dj/segue/internal/testdb"
)

// TestALeastPrivilegedRoleServes runs reads and writes as a role that may read
// six columns of users_sync, use the three tables, and nothing more than it must
// of Segue's own schema.
func TestALeastPrivilegedRoleServes(t *testing.T) {
	t.Parallel()
	for _, shape := range testdb.Shapes() {
		t.Run(string(shape), func(t *testing.T) {
			t.Parallel()
			url := testdb.New(t, shape)
			g := gatewayOn(t, testdb.Role(t, url), testdb.Connect(t, url))
			m := g.ok(ada, sendMessage, "content", "hello").at("sendChatMessage.chatMessage.id").(string)
			g.ok(ada, `mutation { giveFeedback(input: {messageId: "`+m+`", rating: UP}) { feedback { id } } likeTrack(input: {trackId: "t"}) { trackLike { id } } }`)
			for _, who := range []string{ada, ana} {
				a := g.ok(who, `{ me { name email stats { messageCount firstActiveAt } } users { totalCount edges { node { id trackLikes { totalCount } } } }
					userStats { totalCount edges { node { messageCount likedTracks feedbackUp lastActiveAt } } } topTracks { likes }
					activity(range: {from: "2026-01-01T00:00:00Z", to: "2026-01-03T00:00:00Z"}) { messages }
					feedback { edges { node { message { content viewerFeedback { rating } } } } } }`)
				a.want("topTracks", `[{"likes":1}]`)
			}
			g.ok(ada, `mutation { eraseMyData { messages } }`).want("eraseMyData.messages", "1")
		})
	}
}
