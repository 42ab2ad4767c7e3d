package limits

import (
	"strconv"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/validator/core"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/ai-dj/segue/internal/fault"
)

// MaxErrors is how many errors a refused document gets at most; validation stops there.
const MaxErrors = 10

// ruleset is gqlparser's rules without the two that checkFragments and
// checkOverlap do in bounded time, and with what gqlparser leaves out.
// A test compares it with gqlparser's own list.
func ruleset(introspection bool) []core.Rule {
	list := []core.Rule{
		rules.FragmentsOnCompositeTypesRule,
		rules.KnownDirectivesRule,
		rules.KnownFragmentNamesRule,
		rules.KnownRootTypeRule,
		rules.LoneAnonymousOperationRule,
		rules.MaxIntrospectionDepth,
		rules.NoUndefinedVariablesRule,
		rules.NoUnusedFragmentsRule,
		rules.NoUnusedVariablesRule,
		rules.PossibleFragmentSpreadsRule,
		rules.ProvidedRequiredArgumentsRule,
		rules.SingleFieldSubscriptionsRule,
		rules.UniqueArgumentNamesRule,
		rules.UniqueDirectivesPerLocationRule,
		rules.UniqueFragmentNamesRule,
		rules.UniqueInputFieldNamesRule,
		rules.UniqueOperationNamesRule,
		rules.UniqueVariableNamesRule,
		rules.VariablesAreInputTypesRule,
		rules.VariablesInAllowedPositionRule,
		noDeferRule,
		int32Rule,
		noFragmentVariablesRule,
	}
	if introspection {
		return append(list,
			rules.FieldsOnCorrectTypeRule,
			rules.KnownArgumentNamesRule,
			rules.KnownTypeNamesRule,
			rules.ScalarLeafsRule,
			rules.ValuesOfCorrectTypeRule,
		)
	}
	return append(list,
		rules.FieldsOnCorrectTypeRuleWithoutSuggestions,
		rules.KnownArgumentNamesRuleWithoutSuggestions,
		rules.KnownTypeNamesRuleWithoutSuggestions,
		rules.ScalarLeafsRuleWithoutSuggestions,
		rules.ValuesOfCorrectTypeRuleWithoutSuggestions,
		noIntrospectionRule,
	)
}

// validate applies the rules. Overlapping fields come last, on documents that
// are otherwise valid, so that they need not reckon with missing types.
func validate(schema *ast.Schema, doc *ast.QueryDocument, introspection bool) gqlerror.List {
	if list := walk(schema, doc, ruleset(introspection)); len(list) > 0 {
		return list
	}
	return checkOverlap(schema, doc)
}

// walk runs the rules until there are MaxErrors errors.
func walk(schema *ast.Schema, doc *ast.QueryDocument, list []core.Rule) gqlerror.List {
	r := report{seen: map[string]bool{}}
	var events core.Events
	for _, rule := range list {
		rule.RuleFunc(&events, func(options ...core.ErrorOption) { r.add(rule.Name, options) })
	}
	r.until(func() { core.Walk(schema, doc, &events) })
	return r.errors
}

// maxReports is how many errors may be reported, repeats included: one mistake in
// a fragment is found again, and its suggestions made again, wherever it is spread.
const maxReports = 10 * MaxErrors

// report collects errors.
type report struct {
	errors  gqlerror.List
	seen    map[string]bool
	reports int
}

// enough is panicked to leave a walk that has nothing left to say: gqlparser's
// walker has no other way out, and 4,000 unknown fields would cost as many messages.
type enough struct{}

func (r *report) until(walk func()) {
	defer func() {
		if p := recover(); p != nil && p != (enough{}) {
			panic(p)
		}
	}()
	walk()
}

func (r *report) add(rule string, options []core.ErrorOption) {
	e := &gqlerror.Error{Rule: rule}
	for _, option := range options {
		option(e)
	}
	stamp(e, fault.ValidationFailed)
	// gqlparser walks a fragment from each operation and once more by itself.
	if key := e.Error() + strconv.Itoa(len(e.Locations)); !r.seen[key] {
		r.seen[key] = true
		r.errors = append(r.errors, e)
	}
	if r.reports++; r.reports == maxReports || len(r.errors) == MaxErrors {
		panic(enough{})
	}
}

// noIntrospectionRule refuses __schema. __type stays: it answers null.
var noIntrospectionRule = core.Rule{Name: "NoIntrospection", RuleFunc: func(events *core.Events, addError core.AddErrFunc) {
	events.OnField(func(w *core.Walker, field *ast.Field) {
		if field.Name == "__schema" && field.ObjectDefinition != nil && field.ObjectDefinition == w.Schema.Query {
			addError(core.Message(`Introspection is off: "__schema" cannot be queried.`), core.At(field.Position))
		}
	})
}}

// noDeferRule refuses @defer, which gqlparser declares in its prelude and no
// transport of ours can deliver: deferred fields would silently be null.
var noDeferRule = core.Rule{Name: "NoDefer", RuleFunc: func(events *core.Events, addError core.AddErrFunc) {
	events.OnDirective(func(_ *core.Walker, directive *ast.Directive) {
		if directive.Name == "defer" {
			addError(core.Message(`Directive "@defer" is not supported.`), core.At(directive.Position))
		}
	})
}}

// int32Rule is the part of "values of correct type" that gqlparser leaves out:
// an Int literal has 32 bits.
var int32Rule = core.Rule{Name: "IntIs32Bits", RuleFunc: func(events *core.Events, addError core.AddErrFunc) {
	events.OnValue(func(_ *core.Walker, value *ast.Value) {
		if value.Kind != ast.IntValue || value.Definition == nil || value.Definition.Name != "Int" {
			return
		}
		// Beyond 64 bits gqlparser says so itself.
		if n, err := strconv.ParseInt(value.Raw, 10, 64); err == nil && int64(int32(n)) != n {
			addError(core.Message("Int cannot represent non 32-bit signed integer value: %s", value.Raw), core.At(value.Position))
		}
	})
}}

// noFragmentVariablesRule refuses a syntax that was never standardised, which gqlparser reads and nobody applies.
var noFragmentVariablesRule = core.Rule{Name: "NoFragmentVariables", RuleFunc: func(events *core.Events, addError core.AddErrFunc) {
	events.OnFragment(func(_ *core.Walker, fragment *ast.FragmentDefinition) {
		if len(fragment.VariableDefinition) > 0 {
			addError(core.Message(`Fragment "%s" cannot define variables.`, fragment.Name), core.At(fragment.Position))
		}
	})
}}
