package store

import "github.com/ai-dj/segue/internal/page"

// Columns is the set of a row's optional columns that are wanted. The key
// columns (id, owner, created_at) are always read.
type Columns uint16

// The optional columns of all tables.
const (
	Name Columns = 1 << iota
	Email
	UpdatedAt
	DeletedAt
	Role
	Content
	SessionID
	Rating
	Comment
	TrackID
	Title
	Artist
)

// Has reports whether all of c are wanted.
func (w Columns) Has(c Columns) bool { return w&c == c }

// UserWant is what to read of a user. A want with nothing set is satisfied by
// the id alone, which every row that points to a user has already.
type UserWant struct {
	Columns      Columns
	CreatedAt    bool
	ChatMessages []*ChatMessageList
	Feedback     []*FeedbackList
	TrackLikes   []*TrackLikeList
	Stats        []*StatsWant
}

// StatsWant is which of a user's numbers to read. User is nil where nothing of
// the user is wanted below the numbers.
type StatsWant struct {
	Range *TimeRange
	Span  bool // the first and last deed too
	User  *UserWant
}

// row reports whether the user's own row must be read.
func (w *UserWant) row() bool { return w != nil && (w.Columns != 0 || w.CreatedAt) }

// lists reports whether anything hangs below the user.
func (w *UserWant) lists() bool {
	return w != nil && len(w.ChatMessages)+len(w.Feedback)+len(w.TrackLikes)+len(w.Stats) > 0
}

// beside reports whether all numbers that are wanted can be read with the user's
// own row, and whether their span is among them.
func (w *UserWant) beside() (all, span bool) {
	for _, s := range w.Stats {
		if s.Range != nil || s.User != nil {
			return false, false
		}
		span = span || s.Span
	}
	return len(w.Stats) > 0, span
}

// ChatMessageWant is what to read of a message. The edges are nil where nothing of them is wanted.
type ChatMessageWant struct {
	Columns        Columns
	CreatedAt      bool
	User           *UserWant
	ViewerFeedback *FeedbackWant
	Feedback       []*FeedbackList
}

// row reports whether the message's own row must be read, beyond its id.
func (w *ChatMessageWant) row() bool {
	return w != nil && (w.Columns != 0 || w.CreatedAt || w.User != nil || w.ViewerFeedback != nil || len(w.Feedback) > 0)
}

// FeedbackWant is what to read of a rating.
type FeedbackWant struct {
	Columns Columns
	User    *UserWant
	Message *ChatMessageWant
}

// TrackLikeWant is what to read of a like.
type TrackLikeWant struct {
	Columns Columns
	User    *UserWant
}

// PageWant is what to read of a list beside its rows' contents.
type PageWant struct {
	Window     page.Window
	Rows       bool // the rows, or anything derived from them
	TotalCount bool
	Ends       bool // whether there is more before and after
}

// ChatMessageList is a page of messages with what to read of each.
type ChatMessageList struct {
	PageWant
	Filter ChatMessageFilter
	Want   ChatMessageWant
}

// FeedbackList is a page of ratings with what to read of each.
type FeedbackList struct {
	PageWant
	Filter FeedbackFilter
	Want   FeedbackWant
}

// TrackLikeList is a page of likes with what to read of each.
type TrackLikeList struct {
	PageWant
	Filter TrackLikeFilter
	Want   TrackLikeWant
}

// UserList is a page of users with what to read of each.
type UserList struct {
	PageWant
	Filter UserFilter
	Want   UserWant
}

// Connection is a page of a list as it was read. TotalCount and the two flags
// are set only where the want asked for them.
type Connection[T any] struct {
	Rows            []T
	TotalCount      int64
	HasNextPage     bool
	HasPreviousPage bool
}

// TimeRange is half-open: From <= t < To. A nil end is no bound.
type TimeRange struct {
	From *Time
	To   *Time
}

// ChatMessageFilter narrows a list of messages. Nil is no condition, an empty list matches nothing.
type ChatMessageFilter struct {
	UserIDs   []string
	SessionID *string
	Role      *ChatRole
	Range     *TimeRange
	Search    *string
}

// FeedbackFilter narrows a list of ratings.
type FeedbackFilter struct {
	UserIDs    []string
	MessageIDs []string
	Rating     *FeedbackRating
	Range      *TimeRange
}

// TrackLikeFilter narrows a list of likes.
type TrackLikeFilter struct {
	UserIDs  []string
	TrackIDs []string
	Range    *TimeRange
}

// UserFilter narrows a list of users.
type UserFilter struct {
	IDs            []string
	Search         *string
	IncludeDeleted *bool
}
