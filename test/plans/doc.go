// Package plans has tests only. They run every kind of operation of the schema,
// and what Segue does in the background, on a copy of a database; note the
// statements with their arguments; and have PostgreSQL explain each of them in
// transactions that are rolled back, on the database itself.
//
//	go test ./test/plans              # holds the plans against the rules (rules_test.go), on 20,000 messages
//	EXPLAIN_DATABASE_URL=… make explain   # writes docs/plans.md from a large database
package plans
