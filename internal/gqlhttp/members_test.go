package gqlhttp

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"
)

// FuzzMembers holds the splitting of a body against encoding/json's.
//
//	go test -fuzz FuzzMembers ./internal/gqlhttp
func FuzzMembers(f *testing.F) {
	for _, seed := range []string{
		`{}`, ` { } `, `{"query":"{me{id}}"}`, `{"query" : "a\"}{,:" , "variables":{"a":[1,{"b":"]"}],"c":null}}`,
		`{"\u0071uery":1,"a":-1.5e3,"b":true,"c":[],"d":"","":{"":{}}}`, `{"a":1,"a":2}`, "{\n\t\"a\"\r\n:\n0\n}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		body = bytes.TrimLeft(body, " \t\r\n")
		var want map[string]json.RawMessage
		if len(body) == 0 || body[0] != '{' || !utf8.Valid(body) || json.Unmarshal(body, &want) != nil {
			return
		}
		got := map[string]json.RawMessage{}
		for name, value := range members(body) {
			got[name] = value
		}
		if len(got) != len(want) {
			t.Fatalf("%s: got %v, want %v", body, got, want)
		}
		for name, value := range want {
			if !bytes.Equal(got[name], value) {
				t.Fatalf("%s: %q is %s, want %s", body, name, got[name], value)
			}
			var text, decoded string
			if json.Unmarshal(value, &text) == nil && (decode(value, &decoded) != nil || decoded != text) {
				t.Fatalf("%s reads %q, want %q", value, decoded, text)
			}
		}
	})
}

// BenchmarkDecodeParams is what a usual body costs to take apart.
func BenchmarkDecodeParams(b *testing.B) {
	body := []byte(`{"query":"query Q1($id: ID!) { message: chatMessage(id: $id) { id content role createdAt user { id name email } } }","variables":{"id":"0b1f2f3c-9f4e-4d7f-8a8e-1a2b3c4d5e6f"},"operationName":"Q1"}`)
	b.ReportAllocs()
	for b.Loop() {
		var p Params
		if err := decodeParams(body, &p); err != nil {
			b.Fatal(err)
		}
	}
}
