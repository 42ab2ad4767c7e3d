package graph

import (
	"slices"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

// op says what a field of a selection writes.
type op uint8

const (
	opTypename op = iota
	opID
	opUser
	opCreatedAt
	opFeedback // a list of ratings
	opName
	opEmail
	opUpdatedAt
	opDeletedAt
	opChatMessages
	opTrackLikes
	opStats
	opRole
	opContent
	opSessionID
	opViewerFeedback
	opMessage
	opRating
	opComment
	opTrackID
	opTitle
	opArtist
	opMessageCount
	opLikedTracks
	opFeedbackUp
	opFeedbackDown
	opFirstActiveAt
	opLastActiveAt
	opEdges
	opPageInfo
	opTotalCount
	opCursor
	opNode
	opHasNextPage
	opHasPreviousPage
	opStartCursor
	opEndCursor
	opStart
	opMessages
	opLikes
	opActiveUsers
)

// selection is what one selection set asks of an object: its fields in the
// order of the response. It is built once an operation, together with the wants
// that the store reads by.
type selection struct {
	typeName string
	fields   []field
}

// field is one entry of a response object.
type field struct {
	key  string // the alias, a name: needs no escaping
	op   op
	sub  *selection // of what the field leads to
	list int        // which of the parent's lists answers it
}

// newSelection is an empty selection with room for n fields.
func newSelection(typeName string, n int) *selection {
	return &selection{typeName: typeName, fields: make([]field, 0, n)}
}

// add appends what f asks for.
func (s *selection) add(f graphql.CollectedField, o op) *field {
	s.fields = append(s.fields, field{key: f.Alias, op: o})
	return &s.fields[len(s.fields)-1]
}

// field finds an entry by its alias.
func (s *selection) field(alias string) *field {
	for i := range s.fields {
		if s.fields[i].key == alias {
			return &s.fields[i]
		}
	}
	return nil
}

// collect merges a selection set for an object of the given types, fragments
// flattened, @skip and @include applied. Fields alone, each once and without
// conditions, as most sets are, are what they are.
func collect(operation *graphql.OperationContext, set ast.SelectionSet, types []string) []graphql.CollectedField {
	fields := make([]graphql.CollectedField, 0, len(set))
	for _, s := range set {
		f, ok := s.(*ast.Field)
		if !ok || len(f.Directives) > 0 || slices.ContainsFunc(fields, func(other graphql.CollectedField) bool { return other.Alias == f.Alias }) {
			return graphql.CollectFields(operation, set, types)
		}
		fields = append(fields, graphql.CollectedField{Field: f, Selections: f.SelectionSet})
	}
	return fields
}

func (p *planner) collect(set ast.SelectionSet, types []string) []graphql.CollectedField {
	return collect(p.operation, set, types)
}
