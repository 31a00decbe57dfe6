/** A task of the scenario: `HOST`, `PORT`, `DELAY_MS`, and over https `TLS_KEY` and `TLS_CERT`. */
import { createServer, type RequestListener } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { answering } from '../recipes/answers.ts'

const { HOST = '', PORT = '', DELAY_MS = '', TLS_KEY: key, TLS_CERT: cert } = process.env
const answer = answering(HOST)

let isLeaving = false
const listener: RequestListener = (request, response) => {
  setTimeout(() => {
    if (isLeaving) response.shouldKeepAlive = false
    answer(request, response)
  }, Number(DELAY_MS))
}
const server =
  key === undefined || cert === undefined
    ? createServer(listener)
    : createSecureServer({ key, cert }, listener)
server.listen(Number(PORT), HOST)
// As most services do it: no new connections, and the process ends with the last request.
process.on('SIGTERM', () => {
  isLeaving = true
  server.close(() => process.exit())
})
