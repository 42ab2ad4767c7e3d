// Package faults has tests only. They start the real binary, `segue serve`, in
// front of a PostgreSQL of their own, break one or the other, and look at what
// callers get: a coded refusal in bounded time, and service again without a
// restart. docs/faults.md shows what they measured.
package faults
