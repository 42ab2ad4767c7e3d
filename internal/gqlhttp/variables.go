package gqlhttp

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/validator"

	"github.com/ai-dj/segue/internal/fault"
)

// coerce checks variables against what operation declares and fills in defaults.
func (h *Handler) coerce(operation *ast.OperationDefinition, variables map[string]any) (map[string]any, *Failure) {
	numbers(variables)
	coerced, err := validator.VariableValues(h.Schema.Schema(), operation, variables)
	if err == nil {
		return coerced, nil
	}
	e, ok := errors.AsType[*gqlerror.Error](err)
	if !ok {
		return nil, invalid(fault.BadUserInput, "variables are not valid")
	}
	return nil, h.badVariable(e)
}

// badVariable names what the caller itself wrote. gqlparser's own words may name
// types and fields of the schema, so they go out only while introspection is on.
func (h *Handler) badVariable(e *gqlerror.Error) *Failure {
	path := e.Path[min(1, len(e.Path)):] // the first element is the word "variable"
	missing := e.Message == "must be defined"
	why := "is not valid"
	switch {
	case h.Introspection:
		why = plain(e.Message)
	case missing && len(path) > 1:
		path, why = path[:len(path)-1], "lacks a required field"
	case missing:
		why = e.Message
	}
	f := fault.New(fault.BadUserInput, "$%s %s", strings.ReplaceAll(path.String(), ".[", "["), why)
	f.Field = lastName(path)
	return &Failure{Errors: gqlerror.List{{Err: e, Message: f.Message, Extensions: f.Extensions()}}}
}

// plain takes Go's names of types out of gqlparser's words.
func plain(message string) string {
	if rest, found := strings.CutPrefix(message, "cannot use "); found {
		if _, as, found := strings.Cut(rest, " as "); found {
			return "cannot be used as " + as
		}
	}
	message, _, _ = strings.Cut(message, ", not a ") // "must be a TimeRange, not a slice"
	return message
}

func lastName(path ast.Path) string {
	for i := len(path) - 1; i >= 0; i-- {
		if name, ok := path[i].(ast.PathName); ok {
			return string(name)
		}
	}
	return ""
}

// numbers replaces json.Number, whose kind is a string and which gqlparser
// therefore takes for a String, by the types that literals in a document have.
func numbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, item := range v {
			v[k] = numbers(item)
		}
	case []any:
		for i, item := range v {
			v[i] = numbers(item)
		}
	case json.Number:
		return number(v)
	}
	return v
}

func number(n json.Number) any {
	if i, err := strconv.ParseInt(string(n), 10, 64); err == nil {
		return i
	}
	f, err := n.Float64()
	if err != nil {
		return string(n) // beyond any float: no numeric type will take it
	}
	return f
}
