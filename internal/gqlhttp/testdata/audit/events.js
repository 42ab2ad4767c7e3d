// Subscribes with npm graphql-sse to the URL in argv and prints each result as a line.
import { createClient } from 'graphql-sse';

const client = createClient({ url: process.argv[2], retryAttempts: 0 });

async function print(query) {
  try {
    for await (const result of client.iterate({ query })) console.log(JSON.stringify(result));
    console.log('complete');
  } catch (error) {
    console.log(`error ${error.message ?? JSON.stringify(error)}`);
  }
}

await print('subscription { count(to: 2) }');
await print('{ echo(text: "x") }');
await print('{ nope }');
client.dispose();
