package graph

import (
	"context"

	"github.com/99designs/gqlgen/graphql"

	"github.com/ai-dj/segue/internal/viewer"
)

// NewReference is the schema on r run by gqlgen's own executor, which writes the
// values that the resolvers return. What it writes is what NewSchema's must write.
func NewReference(r *Resolver) graphql.ExecutableSchema {
	return reference{NewExecutableSchema(Config{Resolvers: r})}
}

type reference struct{ graphql.ExecutableSchema }

func (s reference) Exec(ctx context.Context) graphql.ResponseHandler {
	operation := graphql.GetOperationContext(ctx)
	operation.ResolverMiddleware = func(ctx context.Context, next graphql.Resolver) (any, error) {
		if !isRoot(graphql.GetFieldContext(ctx)) {
			return next(ctx)
		}
		if !viewer.FromContext(ctx).SignedIn() {
			return nil, errSignIn
		}
		return next(context.WithValue(ctx, heldKey{}, &held{}))
	}
	return s.ExecutableSchema.Exec(ctx)
}
