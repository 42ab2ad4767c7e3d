package doctor

import "slices"

// entry is a kind of finding. docs/doctor.md says more about each.
type entry struct {
	id    string
	level Level
	title string
}

// catalogue is every finding there is, in the order in which they are shown.
var catalogue = []entry{
	{"setting-invalid", Error, "A setting cannot be read"},
	{"database-url-unset", Error, "DATABASE_URL is not set"},
	{"clerk-key-unset", Error, "There is no key to verify tokens with"},
	{"clerk-keys-mixed", Error, "Keys of different Clerk instances are mixed"},
	{"database-unreachable", Error, "The database cannot be reached"},
	{"database-direct-unreachable", Error, "The direct database URL cannot be reached"},
	{"database-direct-pooled", Error, "The direct database URL goes through a pooler"},
	{"database-version", Error, "This PostgreSQL version is not supported"},
	{"database-read-only", Error, "The database takes no writes"},
	{"users-sync-missing", Error, "neon_auth.users_sync does not exist here: nobody has made it yet"},
	{"users-sync-other-database", Error, "neon_auth.users_sync does not exist here: this looks like another branch or database"},
	{"users-sync-new-neon-auth", Error, "neon_auth.users_sync does not exist here: this project has the new Neon Auth"},
	{"users-sync-no-grant", Error, "neon_auth.users_sync exists, but this role may not read it"},
	{"users-sync-shape", Error, "neon_auth.users_sync has a form that Segue cannot read"},
	{"legacy-tables", Error, "The tables are in an older form"},
	{"migrations-pending", Error, "Migrations are pending"},
	{"grants-missing", Error, "This role lacks rights on the tables"},
	{"foreign-key-missing", Error, "A foreign key is missing"},
	{"foreign-key-no-cascade", Error, "A foreign key does not delete with its target"},
	{"orphans", Error, "Rows refer to users or messages that do not exist"},
	{"rollups-drift", Error, "Statistics do not say what the tables do"},
	{"clerk-key-refused", Error, "Clerk refuses the secret key"},
	{"clerk-unreachable", Error, "Clerk cannot be reached"},
	{"jwks-empty", Error, "Clerk publishes no key that can verify tokens"},
	{"jwt-key-other-instance", Error, "CLERK_JWT_KEY is not a key of this Clerk instance"},
	{"clock-skew", Error, "This machine's clock is wrong"},
	{"webhook-other-instance", Error, "Webhooks come from another Clerk instance"},
	{"foreign-key-not-validated", Warning, "A foreign key is not validated"},
	{"index-missing", Warning, "An index is missing"},
	{"sslmode-weak", Warning, "The connection to the database can be intercepted"},
	{"webhook-secret-unset", Warning, "Clerk's webhook is off"},
	{"webhooks-never", Warning, "No webhook has ever come"},
	{"webhooks-late", Warning, "Webhooks come late"},
	{"sync-never", Warning, "Users were never read from Clerk"},
	{"sync-stale", Warning, "Users were not read from Clerk lately"},
	{"sync-failed", Warning, "The last sync did not complete"},
	{"users-count-differs", Warning, "Clerk has another number of users than users_sync"},
	{"mode-overridden", Warning, "USERS_SYNC says something else than the table"},
	{"erase-backlog", Warning, "Deleted users wait to be erased"},
	{"check-incomplete", Warning, "A check could not be made"},
	{"users-sync-mode", Info, "Who fills neon_auth.users_sync"},
	{"clerk-unasked", Info, "Clerk was not asked"},
	{"migrations-newer", Info, "The database is newer than this binary"},
}

// IDs lists the ids of all findings there are.
func IDs() []string {
	ids := make([]string, len(catalogue))
	for i, e := range catalogue {
		ids[i] = e.id
	}
	return ids
}

func entryOf(id string) (entry, bool) {
	i := slices.IndexFunc(catalogue, func(e entry) bool { return e.id == id })
	if i < 0 {
		return entry{}, false
	}
	return catalogue[i], true
}
