// A graphql-ws client as an app would configure it. Its argument says what to do;
// it prints a line of JSON for whatever happens.
import { createClient } from 'graphql-ws'
import { WebSocket } from 'ws'

const { urls, authorization, query, renewEvery } = JSON.parse(process.argv[2])
const say = (line) => process.stdout.write(JSON.stringify(line) + '\n')

let attempts = 0
let renewing
createClient({
  url: () => urls[attempts++ % urls.length],
  webSocketImpl: WebSocket,
  connectionParams: { authorization },
  retryAttempts: Infinity,
  retryWait: () => new Promise((done) => setTimeout(done, 50)),
  shouldRetry: () => true,
  on: {
    connected: (socket) => {
      say({ connected: socket.url })
      if (renewEvery) renewing = setInterval(() => socket.send(JSON.stringify({ type: 'ping', payload: { authorization } })), renewEvery)
    },
    pong: (received, payload) => received && payload && say({ pong: payload }),
    closed: ({ code, reason }) => {
      clearInterval(renewing)
      say({ closed: code, reason })
    },
  },
}).subscribe({ query }, {
  next: (result) => say({ next: result }),
  error: (error) => say({ error: String(error.message ?? JSON.stringify(error)) }),
  complete: () => say({ complete: true }),
})
process.on('SIGUSR2', () => { clearInterval(renewing); say({ renewing: false }) })
