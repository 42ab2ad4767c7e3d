package sample

var (
	moods = []string{"mellow", "uplifting", "dreamy", "dark and driving", "sunny", "nostalgic", "hypnotic", "romantic", "playful", "melancholic", "warm", "late-night", "hopeful", "raw"}

	activities = []string{"cooking for six people", "a long drive home", "my morning run", "writing my thesis", "a rainy Sunday", "cleaning the flat", "a rooftop barbecue", "studying for finals",
		"a first date at home", "painting the nursery", "the gym", "coding with headphones on", "folding laundry", "a train ride along the coast", "my night shift", "yoga before breakfast", "packing boxes, we move tomorrow"}

	places = []string{"a tiny bar in Lisbon", "a beach at six in the morning", "my uncle’s garage", "a record shop in Shibuya", "a wedding in Accra", "the back room of a jazz club", "a warehouse in Detroit", "an empty dance floor with good lights", "a road movie"}

	hours = []string{"until midnight", "for an hour", "for the next two hours", "till the guests leave", "for twenty minutes", "for the whole evening"}
)

var opening = exchange{
	ask: []string{
		"Something {mood} for {activity}.", "Can you play some {genre} {time}?", "I need {genre} for {activity}.", "It should sound like {place}.", "Play me something {mood}, maybe {genre}.",
		"What would you put on for {activity}?", "Same vibe as last time, but more {mood}.", "Friends are coming over. {Genre} {time}?", "I’m in a {mood} mood today. Surprise me.",
		"Long day. Something {mood} please, nothing with too many words.", "Do you have anything like {wish}?", "Give me a set that feels like {place}.", "I want to discover {genre} I have never heard.",
	},
	reply: []string{
		"Then let’s open with “{title}” by {artist}. It is {bpm} BPM, so there is room to grow.", "Got it. First up: {artist} – “{title}” ({year}).", "I know just the one. “{title}” by {artist}; tell me if it’s too much.",
		"Nice. I’ll keep it {mood} and start with {artist}, “{title}”.", "Starting gently with “{title}” from {year}. {artist} never lets me down at this hour.", "Here is {artist} with “{title}”. I’ll stay around {bpm} BPM unless you say otherwise.",
		"Good call. “{title}” sets the tone, then we wander. {artist}, {year}.", "On it: “{title}” – {artist}. Think of {place}.",
	},
	next: another,
}

var closing = exchange{
	ask: []string{
		"That’s it for tonight, this was great.", "I have to go. Save this set for me?", "Last one please, then bed.", "Perfect ending. Good night.", "We’re heading out, thanks for the music.",
		"Ok, enough for now. Same time tomorrow?", "My neighbours just knocked. Let’s stop here.", "Everyone loved it. Until next week.",
	},
	reply: []string{
		"Glad you liked it. “{title}” will be waiting where we left off.", "Good night! I’ve kept the set so we can pick it up again.", "Any time. I noted that {genre} worked well today.", "Thanks for listening. Next time I’ll dig deeper into {artist}.",
		"Fading out… See you soon.", "It was a pleasure. I’ll remember the {mood} part.",
	},
}

var middle = []exchange{
	{
		ask: []string{"Love this one.", "Oh this is perfect.", "Who is this? It’s beautiful.", "Yes. More of this.", "This takes me back.", "How did I not know {artist}?", "That bass line!", "Everyone here is dancing now.", "Exactly what I meant.", "Adding this to my likes."},
		reply: []string{"Then you’ll like this too: “{title}” by {artist}.", "Happy to hear it. Next, {artist} with “{title}” in the same spirit.", "It’s one of my favourites. Let me follow it with “{title}” ({artist}, {year}).",
			"Staying right there: {artist} – “{title}”.", "I thought you might. Here’s its cousin from {year}: “{title}” by {artist}."},
		next: another,
	},
	{
		ask:   []string{"Skip.", "Not this one, sorry.", "Hmm, next?", "I’ve heard this too often.", "Not in the mood for {artist} today.", "Too obvious. Go deeper.", "The vocals are too much for {activity}.", "Nope."},
		reply: []string{"No problem. How about “{title}” by {artist}?", "Gone. Here is {artist} instead – “{title}”.", "Fair. Trying something less expected: “{title}”, {artist}, {year}.", "Understood, I’ll play less of that. Now: {artist}, “{title}”."},
		next:  another,
	},
	{
		ask:   []string{"Can you pick up the pace a bit?", "Faster, please.", "More energy now.", "Time to dance. Push it.", "A few BPM more.", "The room is warm, go harder."},
		reply: []string{"Going up to {bpm} BPM with {artist}, “{title}”.", "Here we go: “{title}” – {artist}, {bpm} BPM.", "Shoes on. {artist}, “{title}”.", "Lifting it slowly so nobody notices: “{title}” by {artist} at {bpm}."},
		next:  faster,
	},
	{
		ask:   []string{"A bit slower.", "Can we calm down?", "Something softer now, the kids are asleep.", "Bring it down a notch.", "Too intense for {activity}."},
		reply: []string{"Slowing to {bpm} BPM. {artist} – “{title}”.", "Of course. “{title}” by {artist} is much gentler.", "Dimming the lights: {artist}, “{title}” ({year}).", "Easy does it. Here’s “{title}”."},
		next:  slower,
	},
	{
		ask:   []string{"Go older.", "Anything from before I was born?", "Play a classic.", "What did people dance to back then?", "Where does this sound come from?"},
		reply: []string{"Back to {year}: “{title}” by {artist}.", "This is where a lot of it began. {artist}, “{title}”, {year}.", "From the {decade}, and it still holds up: {artist} – “{title}”."},
		next:  older,
	},
	{
		ask:   []string{"Something newer?", "What’s happening in {genre} now?", "No oldies please.", "Who should I watch this year?"},
		reply: []string{"From {year}: {artist} with “{title}”.", "Fresh out of the box, more or less: “{title}” by {artist} ({year}).", "Try {artist}. “{title}” was everywhere, for good reason."},
		next:  newer,
	},
	{
		ask:   []string{"Switch it up.", "Let’s change direction.", "Can we leave {genre} for a while?", "Something completely different.", "My friend wants another genre."},
		reply: []string{"Let’s turn to {genre}: {artist}, “{title}”.", "How about some {genre}? “{title}” by {artist} makes a smooth bridge at {bpm} BPM.", "Changing lanes. {Genre} it is – {artist}, “{title}”."},
		next:  elsewhere,
	},
	{
		ask:   []string{"Any {wish}?", "Play {wish}.", "Could you fit in {wish} somewhere?", "This reminds me of {wish}. Do you have something by them?"},
		reply: []string{"Sure: {artist}, “{title}”.", "Always. “{title}” by {artist} coming up.", "It fits better than I expected. {artist} – “{title}” ({year})."},
		next:  wished,
	},
	{
		ask: []string{"What is this called?", "Which year is this from?", "What BPM is this?", "Tell me about this track.", "Is this a sample of something?", "What’s playing?"},
		reply: []string{"This is “{title}” by {artist}, from {year}.", "“{title}”, {artist}. {bpm} BPM, if you want to mix it yourself.", "{artist} recorded “{title}” in {year}. Listen for the drums in the second half.",
			"That’s {artist}. “{title}” has been borrowed by half of the {decade} since."},
	},
	{
		ask:   []string{"Make the next ones more {mood}.", "Less singing, more groove.", "No explicit lyrics please, my parents are here.", "Keep it at this level {time}.", "Don’t repeat artists.", "I’ll be back in ten minutes, keep going.", "Can you build up to something big?", "Only vinyl-era stuff from here on."},
		reply: []string{"Noted. I’ll stay on the {mood} side.", "Will do. “{title}” still has two minutes, then I’ll steer that way.", "Of course. I’ve reordered the next half hour.", "Sure, say stop when it’s enough.", "Done. The next five follow that."},
	},
}

// Comments that come with a thumb up, and with one down.
var (
	praise     = []string{"exactly right", "How did you know?", "great transition", "new favourite artist", "perfect for the drive", "never heard this before, love it", "the whole room reacted", "more like this please", "spot on", "good memory of what I like"}
	complaints = []string{"too fast for the evening", "played this yesterday already", "not what I asked for", "I said no vocals", "wrong decade", "this is not city pop", "too loud compared to the one before", "skipped after ten seconds", "you repeat yourself", "didn’t understand me"}
)
