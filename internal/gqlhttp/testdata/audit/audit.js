// Runs every server audit of graphql-http against the URL in argv and prints one
// line each: "ok ID NAME" or "not ok ID NAME: REASON (STATUS)".
import { serverAudits } from 'graphql-http';

const url = process.argv[2];
const audits = serverAudits({ url, fetchFn: fetch });
let passed = 0;
for (const audit of audits) {
  const result = await audit.fn();
  if (result.status === 'ok') {
    passed++;
    console.log(`ok ${audit.id} ${audit.name}`);
  } else {
    console.log(`not ok ${audit.id} ${audit.name}: ${result.reason} (${result.response?.status})`);
  }
}
console.log(`${passed} of ${audits.length}`);
