package sample

// track is a recording; its id is made from title and artist.
type track struct {
	title, artist string
	year, bpm     int
}

// crates are the DJ's records by genre.
var crates = map[string][]track{
	"house": {
		{"Music Sounds Better with You", "Stardust", 1998, 124}, {"Finally", "Kings of Tomorrow", 2000, 125}, {"Can You Feel It", "Mr. Fingers", 1986, 117},
		{"Gypsy Woman", "Crystal Waters", 1991, 120}, {"Show Me Love", "Robin S", 1990, 122}, {"Latch", "Disclosure", 2012, 122}, {"Opus", "Eric Prydz", 2015, 126},
		{"Glue", "Bicep", 2017, 130}, {"Marea (We’ve Lost Dancing)", "Fred again..", 2021, 124}, {"Your Love", "Frankie Knuckles", 1987, 118},
		{"Lady (Hear Me Tonight)", "Modjo", 2000, 126}, {"Cola", "CamelPhat & Elderbrook", 2017, 122}, {"Move Your Body", "Marshall Jefferson", 1986, 122},
	},
	"techno": {
		{"Strings of Life", "Rhythim Is Rhythim", 1987, 126}, {"The Bells", "Jeff Mills", 1996, 138}, {"Age of Love (Jam & Spoon Remix)", "Age of Love", 1992, 132},
		{"Inspector Norse", "Todd Terje", 2012, 120}, {"Spastik", "Plastikman", 1993, 129}, {"Born Slippy .NUXX", "Underworld", 1995, 140}, {"Rej", "Âme", 2005, 124},
		{"Energy Flash", "Joey Beltram", 1990, 126}, {"Acid Phase", "Emmanuel Top", 1994, 134}, {"Gravity", "Boris Brejcha", 2019, 126}, {"Hackney Parrot", "Special Request", 2014, 132},
	},
	"disco": {
		{"I Feel Love", "Donna Summer", 1977, 127}, {"Good Times", "Chic", 1979, 111}, {"Got to Be Real", "Cheryl Lynn", 1978, 115}, {"Love Hangover", "Diana Ross", 1976, 117},
		{"Spacer", "Sheila & B. Devotion", 1979, 123}, {"Don’t Leave Me This Way", "Thelma Houston", 1976, 120}, {"Supernature", "Cerrone", 1977, 126}, {"Le Freak", "Chic", 1978, 120},
		{"You Make Me Feel (Mighty Real)", "Sylvester", 1978, 132}, {"Ring My Bell", "Anita Ward", 1979, 127}, {"Last Night a D.J. Saved My Life", "Indeep", 1982, 113},
	},
	"soul": {
		{"What’s Going On", "Marvin Gaye", 1971, 101}, {"Signed, Sealed, Delivered", "Stevie Wonder", 1970, 108}, {"Lovely Day", "Bill Withers", 1977, 98}, {"On & On", "Erykah Badu", 1997, 81},
		{"Untitled (How Does It Feel)", "D’Angelo", 2000, 70}, {"Cranes in the Sky", "Solange", 2016, 92}, {"Didn’t I", "Darondo", 1973, 84}, {"Come Through and Chill", "Miguel", 2017, 86},
		{"Leave the Door Open", "Silk Sonic", 2021, 74}, {"Ain’t No Mountain High Enough", "Marvin Gaye & Tammi Terrell", 1967, 130}, {"Cold War", "Cautious Clay", 2017, 79},
	},
	"hiphop": {
		{"Electric Relaxation", "A Tribe Called Quest", 1993, 99}, {"N.Y. State of Mind", "Nas", 1994, 84}, {"Doo Wop (That Thing)", "Lauryn Hill", 1998, 100}, {"Alright", "Kendrick Lamar", 2015, 110},
		{"Ms. Jackson", "OutKast", 2000, 95}, {"They Reminisce Over You", "Pete Rock & CL Smooth", 1992, 94}, {"All Caps", "Madvillain", 2004, 97}, {"SICKO MODE", "Travis Scott", 2018, 155},
		{"Passin’ Me By", "The Pharcyde", 1992, 87}, {"Shook Ones, Pt. II", "Mobb Deep", 1995, 94}, {"Rapp Snitch Knishes", "MF DOOM", 2004, 95}, {"Venom", "Little Simz", 2019, 110},
	},
	"jazz": {
		{"So What", "Miles Davis", 1959, 136}, {"Take Five", "The Dave Brubeck Quartet", 1959, 174}, {"Blue in Green", "Bill Evans", 1959, 57}, {"Chameleon", "Herbie Hancock", 1973, 94},
		{"A Love Supreme, Pt. I", "John Coltrane", 1965, 120}, {"Feeling Good", "Nina Simone", 1965, 78}, {"Truth", "Kamasi Washington", 2017, 86}, {"Lingus", "Snarky Puppy", 2014, 126},
		{"Pocket Knife", "Ezra Collective", 2017, 102}, {"Afro Blue", "Robert Glasper", 2012, 84}, {"Moanin’", "Art Blakey", 1958, 133}, {"Midnight in a Perfect World", "DJ Shadow", 1996, 80},
	},
	"latin": {
		{"Pedro Navaja", "Rubén Blades & Willie Colón", 1978, 97}, {"Chan Chan", "Buena Vista Social Club", 1997, 80}, {"Oye Cómo Va", "Tito Puente", 1963, 124}, {"La Rebelión", "Joe Arroyo", 1986, 104},
		{"Suavemente", "Elvis Crespo", 1998, 124}, {"DÁKITI", "Bad Bunny & Jhay Cortez", 2020, 110}, {"Mas Que Nada", "Sérgio Mendes", 1966, 98}, {"Águas de Março", "Elis Regina & Tom Jobim", 1974, 75},
		{"Cumbia sobre el mar", "Quantic & Flowering Inferno", 2008, 92}, {"Vivir mi vida", "Marc Anthony", 2013, 105}, {"DESPECHÁ", "ROSALÍA", 2022, 130}, {"Clandestino", "Manu Chao", 1998, 88},
	},
	"afrobeats": {
		{"Essence", "Wizkid feat. Tems", 2020, 104}, {"Last Last", "Burna Boy", 2022, 88}, {"Water No Get Enemy", "Fela Kuti", 1975, 110}, {"Calm Down", "Rema", 2022, 107}, {"Love Nwantiti", "CKay", 2019, 93},
		{"Rush", "Ayra Starr", 2022, 100}, {"Free Mind", "Tems", 2020, 96}, {"Peru", "Fireboy DML", 2021, 108}, {"Fall", "Davido", 2017, 97}, {"Sungba (Remix)", "Asake", 2022, 113}, {"Zombie", "Fela Kuti", 1976, 124},
		{"Jerusalema", "Master KG", 2019, 124}, {"Johnny", "Yemi Alade", 2013, 116},
	},
	"indie": {
		{"Midnight City", "M83", 2011, 105}, {"Dreams Tonite", "Alvvays", 2017, 120}, {"Let It Happen", "Tame Impala", 2015, 125}, {"Archie, Marry Me", "Alvvays", 2014, 120}, {"Space Song", "Beach House", 2015, 147},
		{"Texas Sun", "Khruangbin & Leon Bridges", 2020, 80}, {"Motion Sickness", "Phoebe Bridgers", 2017, 107}, {"Electric Feel", "MGMT", 2007, 103}, {"Chaise Longue", "Wet Leg", 2021, 151}, {"Time to Pretend", "MGMT", 2007, 101},
		{"Myth", "Beach House", 2012, 121},
	},
	"rock": {
		{"Gimme Shelter", "The Rolling Stones", 1969, 118}, {"Heroes", "David Bowie", 1977, 112}, {"Once in a Lifetime", "Talking Heads", 1980, 117}, {"Dreams", "Fleetwood Mac", 1977, 120}, {"Paranoid Android", "Radiohead", 1997, 82},
		{"Reptilia", "The Strokes", 2003, 158}, {"Running Up That Hill", "Kate Bush", 1985, 108}, {"Atmosphere", "Joy Division", 1980, 126}, {"Lust for Life", "Iggy Pop", 1977, 104}, {"Immigrant Song", "Led Zeppelin", 1970, 113},
		{"Zombie", "The Cranberries", 1994, 84},
	},
	"ambient": {
		{"An Ending (Ascent)", "Brian Eno", 1983, 60}, {"Avril 14th", "Aphex Twin", 2001, 75}, {"Says", "Nils Frahm", 2013, 119}, {"Near Light", "Ólafur Arnalds", 2011, 70}, {"Roygbiv", "Boards of Canada", 1998, 84},
		{"Stone in Focus", "Aphex Twin", 1994, 58}, {"We Contain Multitudes", "Ólafur Arnalds", 2019, 64}, {"Kiara", "Bonobo", 2010, 92}, {"Requiem for the Static King, Pt. 1", "A Winged Victory for the Sullen", 2011, 60}, {"Hoppípolla", "Sigur Rós", 2005, 74},
	},
	"citypop": {
		{"Plastic Love", "Mariya Takeuchi", 1984, 103}, {"Mayonaka no Door – Stay with Me", "Miki Matsubara", 1979, 109}, {"Ride on Time", "Tatsuro Yamashita", 1980, 114}, {"Sparkle", "Tatsuro Yamashita", 1982, 106}, {"4:00A.M.", "Taeko Onuki", 1978, 106},
		{"Telephone Number", "Junko Ohashi", 1981, 108}, {"Remember Summer Days", "Anri", 1983, 113}, {"Last Summer Whisper", "Anri", 1982, 88}, {"Flyday Chinatown", "Yasuha", 1981, 121}, {"Dress Down", "Kaoru Akimoto", 1986, 117},
	},
}

// spoken is how people write a genre.
var spoken = map[string]string{"house": "house", "techno": "techno", "disco": "disco", "soul": "soul", "hiphop": "hip-hop", "jazz": "jazz",
	"latin": "latin", "afrobeats": "afrobeats", "indie": "indie", "rock": "rock", "ambient": "ambient", "citypop": "city pop"}
