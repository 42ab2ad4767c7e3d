package graph

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
)

// Reference is Fields without the encoder: gqlgen's own executor writes the
// values that the resolvers return. What it writes is what Fields must write.
func Reference(ctx context.Context, next graphql.Resolver) (any, error) {
	if !isRoot(graphql.GetFieldContext(ctx)) {
		return next(ctx)
	}
	return next(context.WithValue(ctx, heldKey{}, &held{}))
}
