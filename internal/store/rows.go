package store

// ChatRole says who is speaking.
type ChatRole string

// The roles as GraphQL spells them; the column holds them in lower case.
const (
	RoleUser      ChatRole = "USER"
	RoleAssistant ChatRole = "ASSISTANT"
	RoleSystem    ChatRole = "SYSTEM"
)

// FeedbackRating is a thumb.
type FeedbackRating string

// The two ratings, 1 and -1 in the column.
const (
	RatingUp   FeedbackRating = "UP"
	RatingDown FeedbackRating = "DOWN"
)

// User is a row of neon_auth.users_sync as the viewer may see it. The lists
// stand in the order of the wants they answer.
type User struct {
	ID        string
	Name      *string
	Email     *string
	CreatedAt Time
	UpdatedAt *Time
	DeletedAt *Time

	ChatMessages []*Connection[ChatMessage]
	Feedback     []*Connection[Feedback]
	TrackLikes   []*Connection[TrackLike]
	Stats        []*UserStats
}

// ChatMessage is a row of public.chat_messages.
type ChatMessage struct {
	ID        UUID
	Role      ChatRole
	Content   string
	SessionID *string
	CreatedAt Time

	User           *User
	ViewerFeedback *Feedback
	Feedback       []*Connection[Feedback]
}

// Feedback is a row of public.message_feedback.
type Feedback struct {
	ID        UUID
	Rating    FeedbackRating
	Comment   *string
	CreatedAt Time

	User    *User
	Message *ChatMessage
}

// TrackLike is a row of public.track_likes.
type TrackLike struct {
	ID        UUID
	TrackID   string
	Title     *string
	Artist    *string
	CreatedAt Time

	User *User
}
