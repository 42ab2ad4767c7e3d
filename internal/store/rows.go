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

// UserStats is what one user did, in numbers.
type UserStats struct {
	User          *User
	MessageCount  int64
	LikedTracks   int64
	FeedbackUp    int64
	FeedbackDown  int64
	FirstActiveAt *Time
	LastActiveAt  *Time
}

// ActivityPoint is what happened in one bucket of time.
type ActivityPoint struct {
	Start        Time
	Messages     int64
	Likes        int64
	FeedbackUp   int64
	FeedbackDown int64
	ActiveUsers  int64
}

// TopTrack is a track with the number of people who like it.
type TopTrack struct {
	TrackID string
	Title   *string
	Artist  *string
	Likes   int64
}

// UserStatsOrder is what people are ranked by, highest first.
type UserStatsOrder string

// The orders of userStats.
const (
	ByMessageCount UserStatsOrder = "MESSAGE_COUNT"
	ByLikedTracks  UserStatsOrder = "LIKED_TRACKS"
	ByLastActiveAt UserStatsOrder = "LAST_ACTIVE_AT"
)

// Bucket is the width of a point of activity.
type Bucket string

// The widths there are.
const (
	Hour  Bucket = "HOUR"
	Day   Bucket = "DAY"
	Week  Bucket = "WEEK"
	Month Bucket = "MONTH"
)

// IsNode marks the rows that can be found by their id alone.
func (User) IsNode() {}

// IsNode marks the rows that can be found by their id alone.
func (ChatMessage) IsNode() {}

// IsNode marks the rows that can be found by their id alone.
func (Feedback) IsNode() {}

// IsNode marks the rows that can be found by their id alone.
func (TrackLike) IsNode() {}
