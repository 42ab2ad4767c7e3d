package clerk

import (
	"context"
	"net/url"
	"strconv"
)

// Cursor is how far a walk over all users has come; the zero value is its
// start. It is plain data, so that a walk can go on in another process.
type Cursor struct {
	// CreatedAfter, in milliseconds, is where the next page starts: the time of
	// the last user seen, less one, so that users of the same millisecond come again.
	CreatedAfter int64
	// Offset counts within the users after CreatedAfter. It stays 0 unless one
	// millisecond has more users than a page holds, as imports do.
	Offset int
	// OffsetOnly is set when the server turned out to ignore created_at_after.
	OffsetOnly bool
}

// Page is one page of a walk. Users come again in later pages by design: users
// that are deleted meanwhile shift all later ones to the front, so pages overlap.
type Page struct {
	Users []User
	Next  Cursor
	Last  bool
}

// Users returns the page at c of all users, oldest first. It waits out rate
// limits and short outages; what it returns in the end is an error of User.
func (c *Client) Users(ctx context.Context, at Cursor) (Page, error) {
	query := url.Values{
		"limit":    {strconv.Itoa(PageSize)},
		"order_by": {"+created_at"},
		"offset":   {strconv.Itoa(at.Offset)},
	}
	if at.CreatedAfter > 0 && !at.OffsetOnly {
		query.Set("created_at_after", strconv.FormatInt(at.CreatedAfter, 10))
	}
	var answer usersAnswer
	if err := c.getPatiently(ctx, "/users", query, &answer); err != nil {
		return Page{}, err
	}
	users := answer.users
	return Page{Users: users, Next: at.next(users), Last: len(users) < PageSize}, nil
}

// offsetStep is how far offsets move: a tenth of a page less than a page, so
// that up to 50 deletions between two pages lose nobody.
const offsetStep = PageSize - PageSize/10

func (c Cursor) next(users []User) Cursor {
	if len(users) == 0 {
		return c
	}
	if c.OffsetOnly || users[0].CreatedAt.UnixMilli() < c.CreatedAfter {
		return Cursor{Offset: c.Offset + offsetStep, OffsetOnly: true}
	}
	after := users[len(users)-1].CreatedAt.UnixMilli() - 1
	if after <= c.CreatedAfter {
		return Cursor{CreatedAfter: c.CreatedAfter, Offset: c.Offset + offsetStep}
	}
	return Cursor{CreatedAfter: after}
}
