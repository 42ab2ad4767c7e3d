package sample

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// voice is how a person writes.
type voice int

const (
	plain  voice = iota
	terse        // lower case, no full stops
	warm         // exclamation marks and emoji
	polite       // please and thank you
)

// line is a message and what came with it.
type line struct {
	text string
	dj   bool
	play track // what the DJ put on; zero when nothing changed
}

// exchange is one thing that listeners say and how the DJ answers. In both,
// {words} are filled from the talk: the answer may name what it puts on.
type exchange struct {
	ask, reply []string
	next       func(t *talk) track // what the DJ puts on; nil leaves the record running
}

// talk is one session with the DJ.
type talk struct {
	rng   *rand.Rand
	who   person
	genre string
	now   track
	heard map[string]bool
	words map[string]string
}

// session makes n messages in turns, starting with the listener.
func session(rng *rand.Rand, who person, n int) []line {
	t := &talk{rng: rng, who: who, heard: map[string]bool{}, genre: who.taste[0]}
	switch rng.IntN(6) {
	case 0, 1:
		t.genre = pick(rng, who.taste)
	case 2, 3:
		t.genre = pick(rng, genres())
	}
	var lines []line
	for len(lines) < n {
		e := opening
		if len(lines) > 0 {
			e = pick(rng, middle)
		}
		if len(lines) > 2 && n-len(lines) <= 2 {
			e = closing
		}
		lines = append(lines, t.exchange(e)...)
	}
	return lines[:n]
}

func (t *talk) exchange(e exchange) []line {
	t.words = map[string]string{"genre": spoken[t.genre], "mood": pick(t.rng, moods), "activity": pick(t.rng, activities), "place": pick(t.rng, places),
		"artist": t.now.artist, "title": t.now.title, "year": strconv.Itoa(t.now.year), "bpm": strconv.Itoa(t.now.bpm), "decade": decade(t.now.year), "time": pick(t.rng, hours)}
	// Who a listener wishes to hear is someone of the genre.
	t.words["wish"] = another(t).artist
	ask := t.say(pick(t.rng, e.ask))
	answer := line{dj: true}
	if e.next != nil {
		answer.play = e.next(t)
		t.now = answer.play
		t.heard[t.now.title] = true
		t.words["genre"], t.words["bpm"], t.words["decade"] = spoken[t.genre], strconv.Itoa(t.now.bpm), decade(t.now.year)
		t.words["title"], t.words["artist"], t.words["year"] = t.now.title, t.now.artist, strconv.Itoa(t.now.year)
	}
	answer.text = t.fill(pick(t.rng, e.reply))
	return []line{{text: ask}, answer}
}

// fill puts the words in; {Genre} starts a sentence.
func (t *talk) fill(text string) string {
	genre := t.words["genre"]
	t.words["Genre"] = strings.ToUpper(genre[:1]) + genre[1:]
	for word, value := range t.words {
		text = strings.ReplaceAll(text, "{"+word+"}", value)
	}
	return text
}

// say fills the text in and puts it in the listener's voice.
func (t *talk) say(text string) string {
	text = t.fill(text)
	switch t.who.voice {
	case terse:
		text = strings.TrimSuffix(strings.ToLower(text), ".")
		return strings.ReplaceAll(text, "’", "")
	case warm:
		if t.rng.IntN(2) == 0 {
			text = strings.TrimSuffix(text, ".") + pick(t.rng, []string{"!", "!!", " 🔥", " 🙌", " 😍", " 💃", " haha", " ❤️"})
		}
	case polite:
		switch opens := t.now.title == ""; {
		case opens && t.rng.IntN(2) == 0:
			text = "Hi, " + lowerFirst(text)
		case t.rng.IntN(4) == 0 && !strings.Contains(text, "hanks"):
			text += " Thank you."
		}
	}
	return text
}

// lowerFirst leaves names alone as far as it can tell: "I", and words with a
// second capital.
func lowerFirst(s string) string {
	first, size := utf8.DecodeRuneInString(s)
	second, _ := utf8.DecodeRuneInString(s[size:])
	if first == 'I' && !unicode.IsLower(second) || unicode.IsUpper(second) {
		return s
	}
	return string(unicode.ToLower(first)) + s[size:]
}

func decade(year int) string {
	if year < 2000 {
		return strconv.Itoa(year/10%10*10) + "s"
	}
	return strconv.Itoa(year/10*10) + "s"
}

// another is an unheard record of the genre; after a long night one comes round again.
func another(t *talk) track { return t.where(func(track) bool { return true }) }

func faster(t *talk) track {
	bpm := t.now.bpm
	return t.where(func(r track) bool { return r.bpm > bpm })
}

func slower(t *talk) track {
	bpm := t.now.bpm
	return t.where(func(r track) bool { return r.bpm < bpm })
}

func older(t *talk) track {
	return t.where(func(r track) bool { return r.year < 1990 })
}

func newer(t *talk) track {
	return t.where(func(r track) bool { return r.year >= 2010 })
}

// elsewhere changes to another genre, one the listener likes if there is one.
func elsewhere(t *talk) track {
	others := without(t.who.taste, t.genre)
	if len(others) == 0 {
		others = without(genres(), t.genre)
	}
	t.genre = pick(t.rng, others)
	return another(t)
}

// genres are in order, which a map is not: the talk must not differ between runs.
func genres() []string { return slices.Sorted(maps.Keys(crates)) }

func without(list []string, one string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == one })
}

func wished(t *talk) track {
	artist := t.words["wish"]
	return t.where(func(r track) bool { return r.artist == artist })
}

func (t *talk) where(fits func(track) bool) track {
	var fresh, any []track
	for _, r := range crates[t.genre] {
		if !t.heard[r.title] && fits(r) {
			fresh = append(fresh, r)
		}
		if r.title != t.now.title {
			any = append(any, r)
		}
	}
	if len(fresh) > 0 {
		return pick(t.rng, fresh)
	}
	return pick(t.rng, any)
}

func pick[T any](rng *rand.Rand, list []T) T { return list[rng.IntN(len(list))] }
