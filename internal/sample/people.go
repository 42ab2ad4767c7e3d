package sample

// person is who the sample data is about. taste lists genres, favourite first;
// zone is how far east of Greenwich they live, in hours; weight is how much of
// the talk is theirs, 0 for those who signed up and never came back.
type person struct {
	id, name, email string
	taste           []string
	zone, weight    int
	voice           voice
	deleted         bool
}

// User and Analyst are the ids that `segue dev` mints tokens for. Both are
// ordinary users of the sample data with much to look at.
const (
	User    = "user_2nYxq7Zk0mVbR4tLw9HcJdPfSa1"
	Analyst = "user_2kTg3Wd8eUoXiN6sBvC0rMqZyLh"
)

// Name is what a sample person is called.
func Name(id string) string {
	for _, p := range people {
		if p.id == id {
			return p.name
		}
	}
	return ""
}

// people are invented. Two lack what Clerk does not require: a name, an e-mail.
var people = []person{
	{User, "Amara Okafor", "amara.okafor@example.com", []string{"afrobeats", "house", "soul"}, 1, 30, plain, false},
	{Analyst, "Lena Fischer", "lena.fischer@example.com", []string{"techno", "house", "ambient"}, 1, 14, polite, false},
	{"", "Kenji Watanabe", "kenji.w@example.jp", []string{"citypop", "jazz", "ambient"}, 9, 26, terse, false},
	{"", "Sofía Ramírez", "sofia.ramirez@example.mx", []string{"latin", "disco"}, -6, 24, warm, false},
	{"", "Oluwaseun Adeyemi", "seun@example.ng", []string{"afrobeats", "hiphop"}, 1, 18, warm, false},
	{"", "Marie-Claire Dubois", "mc.dubois@example.fr", []string{"disco", "house", "jazz"}, 1, 15, polite, false},
	{"", "Tomasz Wójcik", "tomasz.wojcik@example.pl", []string{"techno", "rock"}, 1, 20, terse, false},
	{"", "Priya Raghunathan", "priya.r@example.in", []string{"soul", "ambient", "indie"}, 5, 16, plain, false},
	{"", "Jonas Lindqvist", "jonas@example.se", []string{"indie", "disco"}, 1, 9, plain, false},
	{"", "Fatima Zahra El Amrani", "fz.elamrani@example.ma", []string{"soul", "latin"}, 1, 8, polite, false},
	{"", "Liam O’Sullivan", "liam.osullivan@example.ie", []string{"rock", "indie"}, 0, 13, warm, false},
	{"", "Nguyễn Thị Mai", "mai.nguyen@example.vn", []string{"citypop", "indie"}, 7, 10, plain, false},
	{"", "Daniel Kim", "dkim@example.kr", []string{"hiphop", "house"}, 9, 12, terse, false},
	{"", "Chloé Tremblay", "chloe.tremblay@example.ca", []string{"indie", "soul"}, -5, 7, warm, false},
	{"", "Mateus Carvalho", "mateus@example.com.br", []string{"latin", "jazz"}, -3, 14, plain, false},
	{"", "Aylin Demir", "aylin.demir@example.com.tr", []string{"house", "techno"}, 3, 11, plain, false},
	{"", "Giulia Conti", "giulia.conti@example.it", []string{"disco", "house"}, 1, 12, warm, false},
	{"", "Hamza Siddiqui", "hamza.s@example.pk", []string{"hiphop", "soul"}, 5, 6, plain, false},
	{"", "Ingrid Solheim", "ingrid@example.no", []string{"ambient", "techno"}, 1, 8, polite, false},
	{"", "Wei Chen", "wei.chen@example.cn", []string{"jazz", "citypop"}, 8, 9, terse, false},
	{"", "Zanele Dlamini", "zanele.dlamini@example.co.za", []string{"house", "afrobeats"}, 2, 17, warm, false},
	{"", "Andrei Popescu", "andrei.p@example.ro", []string{"techno"}, 2, 5, terse, false},
	{"", "Olivia Hughes", "olivia.hughes@example.co.uk", []string{"rock", "disco"}, 0, 9, polite, false},
	{"", "Yusuf Abdi", "yusuf.abdi@example.so", []string{"hiphop", "afrobeats"}, 3, 4, plain, false},
	{"", "Anastasia Petrova", "nastya@example.org", []string{"ambient", "indie"}, 3, 7, plain, false},
	{"", "Rosa Gutiérrez", "rosa.gutierrez@example.pe", []string{"latin", "soul"}, -5, 5, warm, false},
	{"", "Mohammed Al-Harbi", "m.alharbi@example.sa", []string{"house"}, 3, 3, polite, false},
	{"", "Eva Nováková", "eva.novakova@example.cz", []string{"jazz", "soul"}, 1, 6, plain, false},
	{"", "Tane Walker", "tane.walker@example.co.nz", []string{"soul", "hiphop"}, 12, 6, plain, false},
	{"", "Isabella Rossi", "isa.rossi@example.com.ar", []string{"latin", "rock"}, -3, 5, warm, false},
	{"", "Arjun Mehta", "", []string{"techno", "house"}, 5, 4, terse, false},
	{"", "", "nightowl77@example.com", []string{"hiphop", "jazz"}, -8, 10, terse, false},
	{"", "Siobhán Byrne", "siobhan.byrne@example.ie", []string{"indie"}, 0, 2, polite, false},
	{"", "Petra Kovačević", "petra.k@example.hr", []string{"disco", "citypop"}, 1, 3, plain, false},
	{"", "Samuel Mensah", "sam.mensah@example.gh", []string{"afrobeats"}, 0, 4, warm, false},
	{"", "Grace Thompson", "grace.thompson@example.com", []string{"soul"}, -6, 0, plain, false},
	{"", "Noam Levi", "noam.levi@example.co.il", []string{"techno"}, 2, 0, plain, false},
	{"", "Hanna Virtanen", "hanna.virtanen@example.fi", []string{"rock"}, 2, 0, plain, false},
	{"", "Diego Fuentes", "diego.fuentes@example.cl", []string{"latin"}, -4, 0, plain, false},
	{"", "Ravi Perera", "ravi.perera@example.lk", []string{"hiphop", "house"}, 5, 5, plain, true},
}
